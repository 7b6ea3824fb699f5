"""What stands in a traced function for what Numba makes beside ``@njit`` functions: its ufuncs, typed lists and dicts, classes and intrinsics."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from ..errors import UnsupportedError
from .buffers import array
from .context import user_line_of, user_location
from .math_functions import any_traced
from .numpy_api.common import find_trace
from .value import as_traced


def element_by_element(function: Callable, original: Callable) -> Callable:
    """A function of numbers that NumPy or Numba maps over arrays: it is traced once for each element. What ``np.vectorize`` excludes is passed on whole."""
    excluded = getattr(original, "excluded", None) or frozenset()

    @functools.wraps(function)
    def mapped(*args, **kwargs):
        if not any_traced((*args, *kwargs.values())):
            return original(*args, **kwargs)
        given = {**dict(enumerate(args)), **kwargs}
        trace = find_trace(tuple(given.values()))
        operands = {place: as_traced(value, trace) for place, value in given.items() if place not in excluded}
        shape = np.broadcast_shapes(*[x.shape for x in operands.values()])
        spread = {place: np.broadcast_to(x, shape) if shape else x for place, x in operands.items()}

        def at_place(at: tuple[int, ...]):
            each = given | {place: x[at] if shape else x for place, x in spread.items()}
            return function(*[each[k] for k in range(len(args))], **{name: each[name] for name in kwargs})
        if not shape:
            return at_place(())
        made = [at_place(at) for at in np.ndindex(shape)]
        if type(made[0]) is tuple:
            return tuple([np.reshape(array(list(column)), shape) for column in zip(*made)])
        return np.reshape(array(made), shape)
    return mapped


def row_by_row(function: Callable, original) -> Callable:
    """A function under ``@guvectorize``: it is traced once for each of the leading places, and fills arrays that are made for it."""
    builder = original.gufunc_builder
    inputs, outputs = builder.sin, builder.sout
    is_number = [not hasattr(each, "ndim") for each in builder._sigs[0].args] if builder._sigs else [not names for names in inputs]

    @functools.wraps(function)
    def mapped(*args, out=None):
        if not any_traced(args):
            return original(*args) if out is None else original(*args, out=out)
        if len(args) != len(inputs) or out is not None:
            raise UnsupportedError(f"{original.__name__}() writes its results into arrays that are given ({user_line_of(user_location())}), which is not "
                                   f"supported on traced values. Call it with its {len(inputs)} arguments and take what it returns.")
        operands = [as_traced(value, find_trace(args)) for value in args]
        leading = np.broadcast_shapes(*[x.shape[: x.ndim - len(names)] for x, names in zip(operands, inputs)])
        extents = {name: n for x, names in zip(operands, inputs) for name, n in zip(names, x.shape[x.ndim - len(names):])}
        spread = [np.broadcast_to(x, (*leading, *x.shape[x.ndim - len(names):])) for x, names in zip(operands, inputs)]
        found: list[list] = [[] for _ in outputs]
        for at in np.ndindex(leading):
            given = [x[at] if names or plain else np.reshape(x[at], (1,)) for x, names, plain in zip(spread, inputs, is_number)]
            made = [array(np.zeros(tuple([extents[name] for name in names]) or (1,))) for names in outputs]
            function(*given, *made)
            for values, each, names in zip(found, made, outputs):
                values.append(each if names else each[0])
        results = [np.reshape(array(values), (*leading, *[extents[name] for name in names])) for values, names in zip(found, outputs)]
        return results[0] if len(results) == 1 else tuple(results)
    return mapped


def refused_intrinsic(name: str) -> Callable:
    """What stands for a Numba intrinsic, which has no Python function to trace."""
    def refuse(*args, **kwargs):
        raise UnsupportedError(f"{name} is a Numba intrinsic ({user_line_of(user_location(2))}): it makes machine code, and there is no Python function "
                               f"of it that could be traced. Write what it computes with NumPy or math in the function that is differentiated.")
    return refuse


def _typed_list(values=(), **_):
    """``numba.typed.List``: Python's."""
    return list(values)


def _typed_dict(values=(), **_):
    """``numba.typed.Dict``: Python's."""
    return dict(values)


_typed_list.empty_list = lambda *args, **kwargs: []
_typed_dict.empty = lambda *args, **kwargs: {}


def _plain_class(described, see: Callable) -> type:
    """The Python class that a jitclass was made of; ``described``: Numba's type of it."""
    names = {name: method.py_func for name, method in described.jit_methods.items()}
    names |= {name: property(*[part and part.py_func for part in (methods.get("get"), methods.get("set"))]) for name, methods in described.jit_props.items()}
    names |= {name: staticmethod(method.py_func) for name, method in described.jit_static_methods.items()}
    module = next(iter(described.jit_methods.values())).py_func.__module__
    return see(type(described.class_name, (), names | {"__module__": module}))


def _plain_instance(value, see: Callable):
    """An object of a jitclass as one of the Python class, with the attributes that it has."""
    described = value._numba_type_
    made = object.__new__(_plain_class(described.class_type, see))
    for name in described.struct:
        setattr(made, name, see(getattr(value, name)))
    return made


def numbas(value, kind: type, name: str, see: Callable):
    """What stands for something that Numba makes; None for anything else."""
    if not kind.__module__.startswith("numba.") and not str(getattr(value, "__module__", "")).startswith("numba.typed."):
        return None
    if kind.__name__ == "DUFunc":
        return element_by_element(see(value._dispatcher.py_func), value)
    if kind.__name__ == "GUFunc":
        return row_by_row(see(value.gufunc_builder.py_func), value)
    if kind.__name__ == "_Intrinsic":
        return refused_intrinsic(name or value._name)
    if kind.__name__ == "JitClassType":
        return _plain_class(value.class_type, see)
    if kind.__module__ == "numba.experimental.jitclass.boxing" and hasattr(value, "_numba_type_"):
        return _plain_instance(value, see)
    return {"List": _typed_list, "Dict": _typed_dict}.get(getattr(value, "__name__", "")) if isinstance(value, type) else None
