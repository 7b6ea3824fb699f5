"""What the families share: how records are gathered, and the type rules that many operations have in common."""

from __future__ import annotations

import functools
import importlib

import numpy as np

from ..errors import ShapeError
from ..graph.op import DERIVED, Op
from ..graph.types import ArrayType, array_type
from .derived import PARTIALS


def records_of(module) -> list[Op]:
    """The records that a family module binds, in the order of the text."""
    return [value for value in vars(module).values() if isinstance(value, Op) and value.kind != "source"]


@functools.lru_cache(maxsize=65536)
def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these broadcast to; a ShapeError where there is none."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        raise ShapeError(f"shapes {' and '.join(map(str, shapes))} do not broadcast together") from None


def same_dtype(types: tuple[ArrayType, ...], attrs) -> ArrayType:
    """Broadcast; operands and result have one dtype."""
    first = types[0]
    if all(t is first for t in types):
        return first
    assert all(t.dtype == first.dtype for t in types), types
    return array_type(first.dtype, broadcast_shape(*[t.shape for t in types]))


def to_bool(types: tuple[ArrayType, ...], attrs) -> ArrayType:
    """Broadcast; operands have one dtype, the result is bool."""
    assert all(t.dtype == types[0].dtype for t in types), types
    return array_type("bool", broadcast_shape(*[t.shape for t in types]))


def elementwise(name: str, numpy, partials, sympy, lower, source, grad_fn: str, domain, *, infer=same_dtype, evaluate=None,
                kink: str = "", commutative: bool = False) -> Op:
    """The record of an element-wise operation. ``numpy``: the ufunc, or "scipy.special:name" (that module is imported only when a user has done so),
    or a tuple of them; ``partials`` may be DERIVED."""
    names = numpy if isinstance(numpy, tuple) else (numpy,)
    if partials is DERIVED:
        partials = PARTIALS.get(name, DERIVED)
    return Op(name=name, kind="elementwise", infer=infer, evaluate=evaluate or _evaluation(names[0]), numpy=names, partials=partials, sympy=sympy,
              lower=lower, source=source, grad_fn=grad_fn, domain=domain, kink=kink, commutative=commutative)


def _evaluation(function):
    return (lambda *arrays: resolve(function)(*arrays)) if isinstance(function, str) else function


@functools.cache
def resolve(function):
    """The callable that "module:name" stands for."""
    if isinstance(function, str):
        module, name = function.split(":")
        return getattr(importlib.import_module(module), name)
    return function
