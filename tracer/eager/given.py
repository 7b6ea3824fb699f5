"""``out=``: results written into tensors that are given."""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable

import numpy as np

from .calls import FAILURES, again, called
from .given_texts import ANY, COMPOSED, MADE_ALIKE, SEVERAL, SILENT, TELLS, UNDERIVED, dtype_rule
from .modes import no_grad, state
from .tangents import tangent_of
from .tensor import Tensor, is_contiguous
from .updates import check_apart, check_overlap, check_writable, overwrite

_PRODUCTS = frozenset("mm matmul bmm mv dot addmm addmv addbmm baddbmm addr linalg_multi_dot einsum".split())
_GATHERS = frozenset("index_select gather take cat concat concatenate".split())
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def with_out(function: Callable, name: str) -> Callable:
    """The same function, with ``out=``: the results' data are written there, and ``out`` is returned. Failed calls are looked at again.

    ``name``: in PyTorch's dispatcher, which has ``linalg_`` and ``special_`` in front of those of the modules.
    """
    @functools.wraps(function)
    def call(*args, out=None, **kwargs):
        if out is None:
            try:
                return function(*args, **kwargs)
            except FAILURES as error:
                return again(function, name, args, kwargs, error)
        if name in MADE_ALIKE and kwargs.get("dtype") is None:
            kwargs["dtype"] = out.dtype
        form = _form(name, args, kwargs)
        _check_gradients(form, args, kwargs, out)
        if form in COMPOSED or form in UNDERIVED:
            made = _made(function, name, args, kwargs)
        else:
            with no_grad():
                made = _made(function, name, args, kwargs)
        _check_memory(name, out, args, kwargs)
        return _written(form, out, made)
    return call


def _made(function: Callable, name: str, args, kwargs):
    try:
        return function(*args, **kwargs)
    except FAILURES as error:
        return again(function, name, args, kwargs, error)


def hears_out(function: Callable, name: str) -> Callable:
    """:func:`with_out`, if the function's signature names an argument ``out``."""
    if isinstance(function, type):
        return function
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function
    return with_out(function, name) if "out" in parameters else called(function, name)


def _form(name: str, args, kwargs) -> str:
    """The operation that a name with several forms stands for."""
    if name in ("max", "min"):
        if isinstance(kwargs.get("other", args[1] if len(args) > 1 else None), Tensor):
            return f"{name}imum"
        return name if len(args) > 1 or "dim" in kwargs else f"{name}_of_all"
    return name


def _check_gradients(name: str, args, kwargs, out) -> None:
    """Refuse what would have to be recorded."""
    outs = out if isinstance(out, (tuple, list)) else (out,)
    if state.level and name not in COMPOSED and any([tangent_of(each) is not None for each in _tensors((*args, *kwargs.values(), *outs))]):
        raise NotImplementedError(f"Trying to use forward AD with {name}_out that does not support it because it is an out= function")
    if not state.recording or name in SILENT or name in COMPOSED:
        return
    if name in SEVERAL and isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be tuple of Tensors, not Tensor")
    if any([each._rg for each in outs]) or (name not in UNDERIVED and any([a._rg for a in _tensors((*args, *kwargs.values()))])):
        teller = UNDERIVED.get(name) or TELLS.get(name, name.removesuffix("_of_all"))
        raise RuntimeError(f"{teller}(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad.")


def _check_memory(name: str, out, args, kwargs) -> None:
    """Refuse to write over a part of what was read, and all of it where elements are gathered."""
    if name in _PRODUCTS:
        return
    check = check_apart if name in _GATHERS else check_overlap
    for target in _tensors((out,)):
        for each in _tensors((*args, *kwargs.values())):
            check(target, each)


def _tensors(values):
    for each in values:
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, (tuple, list)):
            yield from _tensors(each)


def _written(name: str, out, made):
    if isinstance(made, (tuple, list)) != isinstance(out, (tuple, list)):
        several = isinstance(made, (tuple, list))
        raise TypeError(f"{name}(): argument 'out' must be {'tuple of Tensors' if several else 'Tensor'}, not {type(out).__name__}")
    if not isinstance(made, (tuple, list)):
        _write(name, out, made)
        return out
    for target, each in zip(out, made, strict=True):
        _write(name, target, each)
    return _out_type(type(made))(*out) if hasattr(made, "_fields") else out


@functools.cache
def _out_type(pair: type) -> type:
    """The type of what a function with several results returns, if they were given."""
    return type(f"{pair.__name__}_out", (pair,), {"__slots__": ()})


def _write(name: str, target: Tensor, made: Tensor) -> None:
    _check_dtype(name, target.dtype, made.dtype)
    check_writable(target, state.recording and target._rg)
    records = state.recording and (made._rg or target._rg)
    if target._data.shape != made._data.shape:
        if target._data.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(target.shape)}, which does not match the required output shape "
                f"{list(made.shape)}. This behavior is deprecated, and in a future PyTorch release outputs will not be resized unless they have zero elements. "
                "You can explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).", UserWarning, stacklevel=4)
        target._data = np.empty_like(made._data, target._data.dtype, subok=False) if not is_contiguous(made._data) else np.empty(
            made._data.shape, target._data.dtype)
    if records:
        target.copy_(made)
    else:
        overwrite(target, made._data)


def _check_dtype(name: str, out, made) -> None:
    same, text = dtype_rule(name)
    if out is made or name in ANY or (not same and _RANK[made.numpy.kind] <= _RANK[out.numpy.kind]):
        return
    error = TypeError if text.startswith("torch.cat") else RuntimeError
    raise error(text.format(out=out.legacy, made=made.legacy, out_c=out.c_name, made_c=made.c_name, is_narrow=made.name == "int32", name=name,
                            dotted=name.replace("_", ".", 1)))
