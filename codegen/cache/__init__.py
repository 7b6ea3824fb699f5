"""The disk cache: checked entries in a private folder, keyed on content and on everything that made it."""
