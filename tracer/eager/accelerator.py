"""``torch.accelerator``, for scripts that ask whether there is one."""

from __future__ import annotations


def is_available() -> bool:
    """Never."""
    return False


def current_accelerator(check_available: bool = False) -> None:
    """None."""


def device_count() -> int:
    """0."""
    return 0
