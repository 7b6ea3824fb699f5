"""Written by generate_known; do not edit."""

SAFE: dict[str, str] = {}

FAST: dict[str, str] = {}
