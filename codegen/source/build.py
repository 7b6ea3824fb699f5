"""Generated text as a compiled function: the text is registered, so that tracebacks, ``inspect.getsource`` and pdb show it."""

from __future__ import annotations

import hashlib
import linecache
import re
from collections.abc import Callable

import numba

from codegen.loops import Program

from .module import captured_arrays, to_source


def load_source(text: str) -> Callable:
    """The function that a generated text defines, as plain Python."""
    name = re.search(r"^def (\w+)\(", text, re.MULTILINE)[1]
    filename = f"<tracegrad {name} {hashlib.blake2b(text.encode(), digest_size=6).hexdigest()}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    namespace: dict = {"__name__": f"tracegrad.{name}"}
    exec(compile(text, filename, "exec"), namespace)
    return namespace[name]


def compile_source(source: Program | str) -> Callable:
    """Exactly this text (that of a program) compiled by Numba; IEEE arithmetic, no fast-math.

    A program's captured arrays are bound; from a text the function takes them as its last parameters.
    """
    text = source if isinstance(source, str) else to_source(source)
    function = numba.njit(error_model="numpy")(load_source(text))
    arrays = [] if isinstance(source, str) else captured_arrays(source)
    return _with_arrays(function, tuple(arrays)) if arrays else function


def _with_arrays(function: Callable, arrays: tuple) -> Callable:
    def bound(*arguments):
        return function(*arguments, *arrays)
    bound.__name__, bound.__doc__ = function.__name__, function.__doc__
    bound.__wrapped__ = function
    return bound
