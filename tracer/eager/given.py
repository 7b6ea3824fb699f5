"""``out=``: results written into tensors that are given."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable

import numpy as np

from .calls import FAILURES, again, called
from .modes import no_grad, state
from .tensor import Tensor
from .updates import check_writable, overwrite

_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def with_out(function: Callable) -> Callable:
    """The same function, with ``out=`` if its signature names one: the results' data are written there, and ``out`` is returned."""
    if isinstance(function, type):
        return function
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function
    if "out" not in parameters:
        return called(function, function.__name__.rstrip("_"))
    name = function.__name__.rstrip("_")

    @functools.wraps(function)
    def call(*args, out=None, **kwargs):
        if out is None:
            try:
                return function(*args, **kwargs)
            except FAILURES as error:
                return again(function, name, args, kwargs, error)
        if state.recording and any(isinstance(a, Tensor) and a._rg for a in (*args, *kwargs.values())):
            raise RuntimeError(f"{name}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")
        with no_grad():
            made = function(*args, **kwargs)
        for target, each in zip(out if isinstance(out, tuple) else (out,), made if isinstance(made, tuple) else (made,), strict=True):
            _write(target, each)
        return type(made)(*out) if isinstance(out, tuple) and hasattr(made, "_fields") else out
    return call


def _write(target: Tensor, made: Tensor) -> None:
    if _RANK[made._data.dtype.kind] > _RANK[target._data.dtype.kind]:
        raise RuntimeError(f"result type {made.dtype.legacy} can't be cast to the desired output type {target.dtype.legacy}")
    check_writable(target, state.recording and target._rg)
    if target._data.shape != made._data.shape:
        if target._data.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(target.shape)}, which does not match the required output shape "
                f"{list(made.shape)}. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. "
                "You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).", UserWarning, stacklevel=3)
        target._data = np.empty(made._data.shape, target._data.dtype)
    overwrite(target, made._data)
