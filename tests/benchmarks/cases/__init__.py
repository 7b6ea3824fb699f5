"""The cases; each file registers its own when it is imported."""
