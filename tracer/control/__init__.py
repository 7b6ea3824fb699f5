"""Loops and branches that the user says."""

from . import inside_njit  # noqa: F401  imported for what it registers
from .cond import cond
from .scan import fori_loop, scan
from .while_loop import while_loop

__all__ = ["cond", "fori_loop", "scan", "while_loop"]
