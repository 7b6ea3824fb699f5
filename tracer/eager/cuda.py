"""``torch.cuda``, for scripts that ask whether it is there."""

from __future__ import annotations


def is_available() -> bool:
    """Never."""
    return False


def device_count() -> int:
    """None."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there are no generators."""


def manual_seed_all(seed: int) -> None:
    """Nothing."""


def synchronize(device=None) -> None:
    """AssertionError, as a PyTorch without CUDA has it."""
    raise AssertionError("Torch not compiled with CUDA enabled")


def empty_cache() -> None:
    """Nothing."""
