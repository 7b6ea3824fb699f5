"""What functions are called with: NumPy's names of arguments are understood, and what does not fit is told in PyTorch's words.

Both are looked at only where a call has failed, so that one that does not fail costs nothing more.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping

import numpy as np

from .tensor import Tensor
from .words import type_name

NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim", "x": "input", "a": "input", "x1": "input", "x2": "other"}
FAILURES = (TypeError, AttributeError, ValueError, IndexError, KeyError, RuntimeError)
SIZES = ("dims", "repeats", "shape", "size", "sizes")
_PLACES = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def called(function: Callable, name: str, bound: bool = False) -> Callable:
    """The same function, whose failed calls are looked at again. ``bound``: the first argument is not counted, as it is the tensor of a method."""
    @functools.wraps(function)
    def call(*args, **named):
        try:
            return function(*args, **named)
        except FAILURES as error:
            return again(function, name, args, named, error, bound)
    return call


def watch_methods(functions: Mapping[str, Callable]) -> None:
    """Do this for the methods along dims and those of several tensors; sum and mean have NumPy's names written out, for speed."""
    for name in (*functions, "expand_as", "reshape_as", "view_as"):
        method = getattr(Tensor, name, None)
        others = list(inspect.signature(method).parameters.values())[1:] if callable(method) else ()
        watched = any(each.name in ("dim", "dims", "repeats") or each.annotation in ("Tensor", "int", "bool") for each in others)
        if watched and name not in ("sum", "mean"):
            setattr(Tensor, name, called(method, name, bound=True))


def again(function: Callable, name: str, args: tuple, named: Mapping, error: Exception, bound: bool = False):
    """Call once more with NumPy's names translated; else say what is wrong with the arguments, or raise what was raised."""
    if "received an invalid combination" in str(error):
        raise error
    parameters = inspect.signature(function).parameters
    spelled = {NUMPY_NAMES.get(key, key) if key not in parameters and NUMPY_NAMES.get(key) in parameters else key: value for key, value in named.items()}
    listed = next((key for key, each in parameters.items() if each.kind is inspect.Parameter.VAR_POSITIONAL), None)
    if list(spelled) != list(named) or listed in spelled:
        if listed in spelled:
            args = (*args, spelled.pop(listed))
        try:
            return function(*args, **spelled)
        except FAILURES as second:
            error, named = second, spelled
    parameters = {key: each for key, each in parameters.items() if key != "out"}
    text = _wrong_number(name, parameters, args, named, bound) or _wrong_type(name, parameters, args, named, bound)
    if text is None:
        raise error
    raise TypeError(text) from None


def _wrong_number(name: str, parameters: Mapping, args: tuple, named: Mapping, bound: bool) -> str | None:
    places = [key for key, each in parameters.items() if each.kind in _PLACES]
    if any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters.values()):
        return None
    if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in parameters.values()):
        for key in named:
            if key not in parameters:
                return f"{name}() got an unexpected keyword argument '{key}'"
    if len(args) > len(places):
        count = len(places) - bound
        return f"{name}() takes {count} positional argument{'s' * (count != 1)} but {len(args) - bound} were given"
    missing = [key for key in places[len(args):] if parameters[key].default is inspect.Parameter.empty and key not in named]
    if missing:
        quoted = ", ".join([f'"{key}"' for key in missing])
        return f"{name}() missing {len(missing)} required positional arguments: {quoted}"
    return None


def _wrong_type(name: str, parameters: Mapping, args: tuple, named: Mapping, bound: bool) -> str | None:
    for position, (key, each) in enumerate(parameters.items(), 1 - bound):
        index = position - 1 + bound
        if index < len(args) and each.kind in _PLACES:
            value, place = args[index], f" (position {position})"
        elif key in named:
            value, place = named[key], ""
        elif each.kind is inspect.Parameter.VAR_POSITIONAL and index < len(args):
            alone = len(args) == index + 1 and isinstance(args[index], (list, tuple))
            value, place = args[index] if key != "tensors" or alone else args[index:], f" (position {position})"
        else:
            continue
        wanted = _wanted(each, value)
        if wanted:
            return f"{name}(): argument '{key}'{place} must be {wanted}, not {type_name(value)}"
        if key == "tensors" and isinstance(value, (list, tuple)):
            for number, element in enumerate(value):
                if not isinstance(element, Tensor):
                    return f"expected Tensor as element {number} in argument {index}, but got {type_name(element)}"
    return None


# What arguments of these names are, where they are not annotated; and those that are annotated.
_NAMED = {"input": ("Tensor", Tensor), "condition": ("Tensor", Tensor), "tensors": ("tuple of Tensors", (list, tuple)),
          "dim": ("int", (int, np.integer, list, tuple, Tensor, type(None))), "alpha": ("Number", (int, float, np.number))}
_ANNOTATED = {"Tensor": Tensor, "int": (int, np.integer, Tensor), "bool": (bool, np.bool_), "float": (int, float, np.number, Tensor)}


def _wanted(parameter: inspect.Parameter, value) -> str | None:
    """What a value should have been, or None if it will do."""
    kind = parameter.annotation.removesuffix(" | None") if isinstance(parameter.annotation, str) else None
    if value is None and parameter.default is None:
        return None
    if kind in _ANNOTATED:
        right = isinstance(value, _ANNOTATED[kind]) and not (kind == "int" and isinstance(value, bool))
        return None if right else kind
    if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
        return "tuple of ints" if parameter.name in SIZES and not isinstance(value, (int, np.integer, list, tuple, Tensor)) else None
    wanted, kinds = _NAMED.get(parameter.name, ("", object))
    return None if isinstance(value, kinds) else wanted
