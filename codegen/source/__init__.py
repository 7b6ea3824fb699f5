"""The loop IR as readable, runnable Python for Numba: what ``.source`` shows and ``backend="source"`` compiles."""

from .build import compile_source, load_source
from .module import to_source

__all__ = ["compile_source", "load_source", "to_source"]
