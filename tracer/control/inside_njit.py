"""The loops and branches that the user says, in ``@njit`` code: as the Python loops that they stand for, which Numba compiles.

What Numba asks of functions that are handed over holds here: they take what they need as arguments, for they cannot capture variables of the function
around them. Trees are numbers, arrays and tuples of these.
"""

from __future__ import annotations

import numpy as np
from numba.core import types
from numba.core.errors import TypingError
from numba.extending import overload
from numba.np.numpy_support import as_dtype

from .cond import cond
from .scan import fori_loop, scan
from .while_loop import while_loop


@overload(while_loop)
def _while_loop(cond_fun, body_fun, init_val):
    def run(cond_fun, body_fun, init_val):
        value = init_val
        while cond_fun(value):
            value = body_fun(value)
        return value
    return run


@overload(fori_loop)
def _fori_loop(lower, upper, body, init):
    def run(lower, upper, body, init):
        value = init
        for i in range(lower, upper):
            value = body(i, value)
        return value
    return run


@overload(cond)
def _cond(pred, true_fun, false_fun, *operands):
    def run(pred, true_fun, false_fun, *operands):
        if pred:
            return true_fun(*operands)
        return false_fun(*operands)
    return run


@overload(scan)
def _scan(f, init, xs=None, length=None, reverse=False, checkpoint=False):
    def run(f, init, xs=None, length=None, reverse=False, checkpoint=False):
        count = _count(xs, length)
        if count < 1:
            raise ValueError("scan() of no iterations in @njit code: what it makes has no type there. Ask for the length before.")
        first = count - 1 if reverse else 0
        carry, y = f(init, _row(xs, first))
        made = _room(y, count)
        _put(made, first, y)
        for k in range(1, count):
            i = count - 1 - k if reverse else k
            carry, y = f(carry, _row(xs, i))
            _put(made, i, y)
        return carry, made
    return run


# Trees along a first axis ----------------------------------------------------------------------------------------------------

def _count(xs, length):
    """How often a scan turns."""


def _row(xs, i):
    """The elements at one index."""


def _room(y, n):
    """Memory for n values like this one."""


def _put(made, i, y):
    """Write a value at an index."""


def _is_none(kind) -> bool:
    return kind is None or isinstance(kind, (types.NoneType, types.Omitted))


def _of_parts(kind: types.BaseTuple, parameters: str, part: str, function):
    """A function that does ``part`` for each part of a tuple, whose number Numba has to know when it compiles."""
    parts = ", ".join([part.format(k) for k in range(len(kind))])
    names = {"f": function}
    exec(f"def run({parameters}):\n    return ({parts},)\n", names)
    return names["run"]


@overload(_count)
def _count_of(xs, length):
    if not _is_none(length):
        return lambda xs, length: length
    if isinstance(xs, types.BaseTuple) and len(xs):
        return lambda xs, length: _count(xs[0], length)
    if isinstance(xs, types.Array):
        return lambda xs, length: len(xs)
    raise TypingError("scan() is given neither xs nor length, so how often it turns is not said. Write length=n.")


@overload(_row)
def _row_of(xs, i):
    if _is_none(xs):
        return lambda xs, i: None
    if isinstance(xs, types.BaseTuple):
        return _of_parts(xs, "xs, i", "f(xs[{0}], i)", _row)
    return lambda xs, i: xs[i]


@overload(_room)
def _room_for(y, n):
    if _is_none(y):
        return lambda y, n: None
    if isinstance(y, types.BaseTuple):
        return _of_parts(y, "y, n", "f(y[{0}], n)", _room)
    if isinstance(y, types.Array):
        return lambda y, n: np.empty((n, *y.shape), y.dtype)
    dtype = as_dtype(y)
    return lambda y, n: np.empty(n, dtype)


@overload(_put)
def _put_at(made, i, y):
    if _is_none(y):
        return lambda made, i, y: None
    if isinstance(y, types.BaseTuple):
        return _of_parts(y, "made, i, y", "f(made[{0}], i, y[{0}])", _put)

    def put(made, i, y):
        made[i] = y
    return put
