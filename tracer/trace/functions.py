"""What NumPy's functions do to traced values: the registry, and what is said of a function that is not in it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import UnsupportedError
from ..ops import UFUNCS
from .context import user_line_of, user_location

# NumPy function (or ufunc that is no single operation) -> implementation on traced values; filled by `implements`, then only read.
FUNCTIONS: dict[Callable, Callable] = {}


def implements(*callables: Callable) -> Callable:
    """Declare a function to be what these NumPy callables do to traced values."""
    def register(function):
        for each in callables:
            FUNCTIONS[each] = function
        return function
    return register


METHODS: dict[tuple, Callable] = {}  # the same for a method of a ufunc, by (ufunc, method)


def implements_method(ufunc, method: str) -> Callable:
    """Declare a function to be what ``ufunc.method`` (``np.add.reduce`` …) does to traced values."""
    def register(function):
        METHODS[ufunc, method] = function
        return function
    return register


def call(function: Callable, args: tuple, kwargs: dict):
    """A NumPy function on traced values as the user calls it: what NumPy makes a view shares the memory of its array here too."""
    if kwargs.get("out") is not None:
        return FUNCTIONS["into"](function, args, kwargs)
    result = FUNCTIONS[function](*args, **kwargs)
    if function in VIEWS:
        return FUNCTIONS["linked"](function, args, kwargs, result)
    return result if function in SAME else FUNCTIONS["owned"](result)


# The functions whose result may be a view of their first argument; which it is, NumPy is asked.
VIEWS = frozenset((
    np.array_split, np.atleast_1d, np.atleast_2d, np.atleast_3d, np.broadcast_to, np.diag, np.diagonal, np.dsplit, np.expand_dims, np.flip, np.fliplr,
    np.flipud, np.hsplit, np.matrix_transpose, np.moveaxis, np.permute_dims, np.ravel, np.real, np.reshape, np.rollaxis, np.rot90, np.split, np.squeeze,
    np.swapaxes, np.transpose, np.unstack, np.vsplit))
# Those whose result may be the array that they are given, or look into it, and of which NumPy is not asked.
SAME = frozenset((np.asanyarray, np.asarray, np.ascontiguousarray, np.asfortranarray, np.broadcast_arrays, np.diff, np.einsum, np.meshgrid, np.nan_to_num,
                  np.real_if_close, np.require))
_NEAREST: dict[str, str] = {}


def nearest(names: dict[str, str]) -> None:
    """Add hints: name of a function that is not there -> what to write instead."""
    _NEAREST.update(names)


def unsupported(function, method: str = "__call__") -> UnsupportedError:
    """The error for a function that does not trace: its name, the user's line, the nearest thing that works."""
    import difflib

    name = getattr(function, "__name__", str(function)) + ("" if method == "__call__" else "." + method)
    module = "scipy.special" if isinstance(function, np.ufunc) and not hasattr(np, function.__name__) else getattr(function, "__module__", "numpy") or "numpy"
    location = user_location(1)
    line = user_line_of(location)
    known = sorted({f.__name__ for f in (*FUNCTIONS, *UFUNCS) if hasattr(f, "__name__")})
    close = difflib.get_close_matches(name, known, 3, 0.6)
    nearest_names = f"The nearest that is: {', '.join('np.' + c for c in close)}." if close else "Write it with the functions listed in the README."
    hint = _NEAREST.get(name) or nearest_names
    return UnsupportedError(f"{module}.{name} is not supported on traced values{f' ({line})' if line else ''}. {hint}")
