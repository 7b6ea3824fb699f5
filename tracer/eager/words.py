"""How PyTorch's messages name things."""

from __future__ import annotations

_HEAP = 1 << 9  # of a type's flags; without it the type is written in C, and its name has its module in front


def type_name(value) -> str:
    """The name of a value's type as C code has it: ``list``, ``numpy.ndarray``."""
    kind = type(value)
    return kind.__name__ if kind.__flags__ & _HEAP or kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
