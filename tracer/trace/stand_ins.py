"""What stands in a traced function for objects of NumPy that do not dispatch: number types, ``np.r_``, ``np.vectorize``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import InPlaceError, UnsupportedError
from .buffers import any_traced_index, array, trace_of_index
from .context import user_line_of, user_location
from .math_functions import any_traced
from .numba_objects import element_by_element
from .numpy_api.common import contains_traced
from .numpy_api.masked import without_places
from .value import Traced, as_traced, cast


class Captured(np.ndarray):
    """An array from outside, as the traced function sees it: traced integers look up in it, and traced values are not written into it."""

    def __getitem__(self, index):
        index = without_places(index)
        if any_traced_index(index):
            return as_traced(np.asarray(self), trace_of_index(index))[index]
        return super().__getitem__(index)

    def __setitem__(self, index, value):
        index = without_places(index)
        if contains_traced(value) or any_traced_index(index):
            line = user_line_of(user_location())
            raise InPlaceError(f"a traced value is written into a NumPy array that was made outside the traced function ({line}). "
                               f"The array would keep no trace of it. Make the array inside: np.zeros(3), or np.array(a) for a copy of it.")
        super().__setitem__(index, value)


# Types of numbers ---------------------------------------------------------------------------------------------------------

class _Like(type):
    """The class of a class that stands for a type of NumPy's numbers, also where dtypes and classes are asked for."""

    def __instancecheck__(cls, value):
        return isinstance(value, cls.original)

    def __subclasscheck__(cls, other):
        return issubclass(other, cls.original)

    def __repr__(cls):
        return repr(cls.original)

    def __eq__(cls, other):
        return other is cls or other is cls.original

    def __hash__(cls):
        return hash(cls.original)

    def __call__(cls, value=0, *args, **kwargs):
        if type(value) is Traced:
            return cast(Traced(value.node, value.owner), cls.dtype)
        return array(value, cls.dtype) if contains_traced(value) else cls.original(value, *args, **kwargs)


def _like(original: type) -> type:
    return _Like(original.__name__, (), {"original": original, "dtype": np.dtype(original)})


TYPES: dict[type, object] = {kind: _like(kind) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)}


def _ndenumerate(values):
    """``np.ndenumerate``."""
    return ((at, values[at]) for at in np.ndindex(np.shape(values))) if type(values) is Traced else np.ndenumerate(values)


TYPES[np.ndenumerate] = _ndenumerate


def _vectorize(pyfunc, *args, **kwargs):
    """``np.vectorize`` inside a traced function."""
    original = np.vectorize(pyfunc, *args, **kwargs)
    return element_by_element(pyfunc, original) if original.signature is None else original


def _nditer(operand, flags=None, *args, **kwargs):
    """``np.nditer``: the elements of one array in a row."""
    if type(operand) is not Traced:
        return np.nditer(operand, flags or [], *args, **kwargs)
    if flags or args or kwargs:
        raise UnsupportedError(f"np.nditer with flags on traced values is not supported ({user_line_of(user_location())}). Use np.ndenumerate or np.ndindex.")
    return iter(operand.ravel())


TYPES |= {np.vectorize: _vectorize, np.nditer: _nditer}


# np.r_ and np.c_ ------------------------------------------------------------------------------------------------------------

class _Joined:
    """``np.r_`` and ``np.c_`` of traced values; of others NumPy's own."""

    def __init__(self, original, join: Callable):
        self._original = original
        self._join = join

    def __getitem__(self, parts):
        parts = parts if type(parts) is tuple else (parts,)
        if not any_traced(parts):
            return self._original[parts]
        if any(isinstance(part, str) for part in parts):
            raise UnsupportedError("np.r_ with a string directive is not supported on traced values. Use np.concatenate or np.stack.")
        return self._join([np.atleast_1d(array(self._original[part] if isinstance(part, slice) else part)) for part in parts])


OBJECTS = {id(np.r_): _Joined(np.r_, lambda parts: np.concatenate(_made(parts))), id(np.c_): _Joined(np.c_, lambda parts: np.column_stack(_made(parts)))}


def _made(parts: list) -> list:
    return [part if type(part) is Traced else np.asarray(part) for part in parts]
