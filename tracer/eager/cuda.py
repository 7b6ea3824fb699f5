"""``torch.cuda``, for scripts that ask whether it is there."""

from __future__ import annotations


def is_available() -> bool:
    """Never."""
    return False


def device_count() -> int:
    """None."""
    return 0
