"""Arguments: binding by signature, which of them gradients are taken of, and what is refused, with the conversion to write."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError
from ..graph.types import NATIVE, SUPPORTED
from .buffers import Buffer
from .flatten_source import call_function, identifier_of
from .objects import record_of
from .stand_ins import Captured
from .static import Static, static_key
from .trees import DATA, Describer, Path, Spec, path_text
from .value import Traced

Argnums = int | str | Sequence[int | str]


class TracedArgument(Exception):
    """A traced value came in: the call is part of another trace. A signal, never seen by users."""


# The function and its parameters -----------------------------------------------------------------------------------------

@dataclass(frozen=True, eq=False)
class Callee:
    """A function as it is called: ``hidden`` values come before the arguments of every call (the ``self`` of a bound method).

    ``uncounted`` parameters come before the one that argnums calls 0. ``inner`` is the function behind one whose arguments are
    primals and directions.
    """

    function: Callable
    signature: inspect.Signature
    name: str
    hidden: tuple = ()
    uncounted: int = 0
    inner: Callee | None = None

    @functools.cached_property
    def parameters(self) -> tuple[inspect.Parameter, ...]:
        return tuple(self.signature.parameters.values())

    @functools.cached_property
    def is_plain(self) -> bool:
        """Can a flat entry stand for it: ordinary parameters and nothing hidden?"""
        return not self.hidden and all(p.kind is p.POSITIONAL_OR_KEYWORD for p in self.parameters)

    @functools.cached_property
    def positional(self) -> tuple[int, ...]:
        """Places of the parameters that can be given by position, after what is hidden."""
        return tuple(i for i, p in enumerate(self.parameters) if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))

    @functools.cached_property
    def star(self) -> int | None:
        """The place of ``*args``."""
        return next((i for i, p in enumerate(self.parameters) if p.kind is p.VAR_POSITIONAL), None)

    @functools.cached_property
    def keywords(self) -> int | None:
        """The place of ``**kwargs``."""
        return next((i for i, p in enumerate(self.parameters) if p.kind is p.VAR_KEYWORD), None)

    def bind(self, args: tuple, kwargs: dict) -> tuple:
        """One value per parameter; ``*args`` a tuple, ``**kwargs`` a dict. Errors read as Python's."""
        if len(args) == len(self.positional) == len(self.parameters) and not kwargs:
            return args
        try:
            bound = self.signature.bind(*args, **kwargs)
        except TypeError:
            return self._python_binding(*args, **kwargs)  # for Python's own words
        bound.apply_defaults()
        return tuple(bound.arguments.values())

    @functools.cached_property
    def _python_binding(self) -> Callable:
        return call_function(identifier_of(self.name), self.name, self.signature, slow=lambda values: values)

    def call(self, see: Callable, values: Sequence):
        """Call the function, seen through by ``see``, with one value per parameter."""
        if len(values) == len(self.positional) == len(self.parameters):
            return see(self.function)(*values)
        args, kwargs = [], {}
        for parameter, value in zip(self.parameters, values, strict=True):
            if parameter.kind is parameter.VAR_POSITIONAL:
                args.extend(value)
            elif parameter.kind is parameter.VAR_KEYWORD:
                kwargs |= value
            elif parameter.kind is parameter.KEYWORD_ONLY:
                kwargs[parameter.name] = value
            else:
                args.append(value)
        return see(self.function)(*args, **kwargs)


def callee_of(function: Any) -> Callee:
    """What is called when the user's object is called, with instances made arguments so that their attributes are seen anew each time."""
    if not callable(function):
        raise ArgumentError(f"a function is expected, not {_kind_text(function)}. Pass the function itself: grad(f), not grad(f(x)).")
    name = getattr(function, "__qualname__", type(function).__qualname__).rpartition("<locals>.")[2]
    if isinstance(function, type):
        raise ArgumentError(f"the class {name} cannot be differentiated. Pass a function, or an instance with __call__.")
    if isinstance(function, types.MethodType) and not isinstance(function.__self__, type):
        inner = callee_of(function.__func__)
        return Callee(inner.function, inner.signature, name, (function.__self__, *inner.hidden), 1 + inner.uncounted)
    if isinstance(function, (types.FunctionType, types.BuiltinFunctionType, functools.partial, types.MethodType, np.ufunc)) \
            or hasattr(type(function), "_numba_type_"):
        return Callee(function, _signature(function, name), getattr(function, "__name__", name) if isinstance(function, np.ufunc) else name)
    method = type(function).__call__
    if isinstance(method, types.FunctionType):
        return Callee(method, _signature(method, name), name, (function,), 1)
    return Callee(function, _signature(function, name), name)


def _signature(function: Callable, name: str) -> inspect.Signature:
    if isinstance(function, np.ufunc):
        return inspect.Signature([inspect.Parameter(f"x{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(function.nin)])
    try:
        try:
            signature = inspect.signature(function, follow_wrapped=False)
        except ValueError:
            signature = inspect.signature(function)  # NumPy's dispatchers are C objects around a Python function
        if [p.kind for p in signature.parameters.values()] == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]:
            # A wrapper that passes everything on has the parameters of what it wraps.
            signature = inspect.signature(function)
    except (TypeError, ValueError):
        raise ArgumentError(f"{name} has no signature that Python can tell. Wrap it: lambda x: {name}(x).") from None
    return signature.replace(parameters=[p.replace(annotation=p.empty) for p in signature.parameters.values()],
                             return_annotation=inspect.Signature.empty)


def product_callee(function, directions: str) -> Callee:
    """What is called to multiply with the derivative of a function: (primals, directions)."""
    inner = callee_of(function)
    names = [f"_self{k}" if k else "self" for k in range(len(inner.hidden))]
    parameters = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in (*names, "primals", directions)]
    return Callee(inner.function, inspect.Signature(parameters), inner.name, inner.hidden, inner.uncounted, inner)


# argnums ------------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Selection:
    """The arguments that gradients are taken of, as places: (parameter,) or (parameter, item or key inside it)."""

    places: tuple[tuple, ...]
    is_single: bool


def check_argnums(argnums) -> int | str | tuple:
    """argnums in the form that options keep: an int, a name, or a tuple of these."""
    if isinstance(argnums, (int, np.integer)) and not isinstance(argnums, (bool, np.bool_)):
        return int(argnums)
    if isinstance(argnums, str):
        return argnums
    if isinstance(argnums, (tuple, list)):
        if not argnums:
            raise ArgumentError("argnums is empty: name at least one argument, as in argnums=0 or argnums=('w', 'b').")
        return tuple(map(check_argnums, argnums))
    raise ArgumentError(f"argnums is {argnums!r}; it takes an int, an argument's name, or a tuple of these.")


def select(argnums: int | str | tuple, callee: Callee, values: Sequence | None = None) -> Selection:
    """Places of the arguments; ``values`` (one per parameter) decide where there is ``*args`` or ``**kwargs``."""
    is_single = not isinstance(argnums, tuple)
    places = tuple([_place(each, callee, values) for each in ((argnums,) if is_single else argnums)])
    known = [place for place in places if place is not None]
    if len(set(known)) < len(known):
        raise ArgumentError(f"argnums={argnums!r} names an argument of {callee.name}() twice.")
    return Selection(places, is_single)


def _place(argnum: int | str, callee: Callee, values: Sequence | None) -> tuple | None:
    shift = callee.uncounted
    star, keywords = callee.star, callee.keywords
    if isinstance(argnum, str):
        return _named_place(argnum, callee, values, keywords)
    plain = callee.positional[shift:]
    extra = 0 if star is None else (len(values[star]) if values is not None else None)
    if extra is None:
        return None
    count = len(plain) + extra
    index = argnum + count if argnum < 0 else argnum
    if not 0 <= index < count:
        given = f"{count} positional argument{'s'[:count != 1]}"
        raise ArgumentError(f"argnums={argnum} is out of range: {callee.name}() {'was called with' if star is not None else 'takes'} {given}"
                            f"{' (after self)' if shift else ''}.")
    return (plain[index],) if index < len(plain) else (star, index - len(plain))


def _named_place(name: str, callee: Callee, values, keywords: int | None) -> tuple | None:
    for i, parameter in enumerate(callee.parameters[callee.uncounted:], callee.uncounted):
        if parameter.name == name and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            return (i,)
    if keywords is not None and values is None:
        return None
    if keywords is not None and name in values[keywords]:
        return (keywords, name)
    names = ", ".join(repr(p.name) for p in callee.parameters[callee.uncounted:])
    raise ArgumentError(f"argnums={name!r}: {callee.name}() has no argument of that name; it has {names}.")


# What an argument may be ----------------------------------------------------------------------------------------------------

_OF_A_TRACE = frozenset((Traced, Buffer, Captured))


def classify(value, path: Path) -> Spec | None:
    """DATA, a Static, or None for an instance; raises ArgumentError for what is refused."""
    kind = type(value)
    if kind is float or (kind is np.ndarray and value.dtype in NATIVE):
        return DATA
    if kind in _OF_A_TRACE or record_of(value) is not None:
        raise TracedArgument
    key = static_key(value)
    if kind is int and -2**63 <= value < 2**63:
        return DATA
    if isinstance(value, (np.generic, np.memmap)) and value.dtype.name in SUPPORTED and value.dtype.isnative and value.dtype.kind != "b":
        return DATA
    problem = refusal(value)
    if problem is not None:
        what, instead = problem
        raise ArgumentError(f"argument `{path_text(path)}` is {what}. Pass {instead.format(x=path_text(path))}.")
    if key is not None:
        return Static(value, key)
    if isinstance(value, float):
        return DATA
    return None


_MODULES = {
    "pandas": ("a pandas object", "{x}.to_numpy()"),
    "polars": ("a polars object", "{x}.to_numpy()"),
    "torch": ("a PyTorch tensor", "{x}.detach().cpu().numpy()"),
    "jax": ("a JAX array", "np.asarray({x})"),
    "jaxlib": ("a JAX array", "np.asarray({x})"),
    "tensorflow": ("a TensorFlow tensor", "{x}.numpy()"),
    "cupy": ("a CuPy array", "{x}.get()"),
}


_NO_TREES = ((set, "tuple(sorted({x}))"), ((bytearray, memoryview), "np.frombuffer({x}, np.uint8)"), (Iterator, "list({x})"))


def refusal(value) -> tuple[str, str] | None:
    """What a refused value is and what to pass instead (``{x}`` stands for its name); None when it is not refused."""
    kind = type(value)
    if isinstance(value, np.ndarray) and kind.__module__.startswith("numpy.ma"):  # without importing it, 30 ms
        return "a masked array, and a mask has no gradient", "{x}.filled(np.nan), or the weights as an argument of their own"
    if isinstance(value, np.matrix):
        return "a np.matrix, whose * is a matrix product", "np.asarray({x})"
    if isinstance(value, (np.ndarray, np.generic)):
        return _refused_dtype(value)
    if isinstance(value, complex):
        return f"the complex number {value!r}", "real and imaginary part as two floats"
    if isinstance(value, int) and not isinstance(value, bool) and static_key(value) is not None and not -2**63 <= value < 2**63:
        return f"the integer {value}, which has more than 64 bits", "float({x})"
    root = (kind.__module__ or "").partition(".")[0]
    if root in _MODULES and hasattr(value, "shape"):
        what, instead = _MODULES[root]
        return f"{what} ({kind.__name__})", instead
    if hasattr(kind, "__array__") or hasattr(kind, "__array_interface__"):
        return f"a {kind.__module__}.{kind.__qualname__}", "np.asarray({x})"
    for kinds, instead in _NO_TREES:
        if isinstance(value, kinds):
            return f"a {kind.__name__}, which is no fixed tree", instead
    if isinstance(value, dict):
        return f"a {kind.__name__}, a kind of dict that could not be rebuilt", "dict({x})"
    if isinstance(value, (list, tuple)):
        return f"a {kind.__name__}, a kind of {'list' if isinstance(value, list) else 'tuple'} that could not be rebuilt", "list({x})"
    return None


def _refused_dtype(value) -> tuple[str, str] | None:
    what = "an array" if isinstance(value, np.ndarray) else "a NumPy scalar"
    dtype = value.dtype
    if dtype.kind == "c":
        return f"{what} of dtype {dtype}; complex numbers are not supported", "{x}.real and {x}.imag as two arguments"
    if dtype.kind == "O":
        return f"{what} of Python objects", "{x}.astype(float)"
    if dtype.kind in "SU":
        return f"{what} of strings", "{x}.astype(float) if they are numbers, otherwise codes: np.unique({x}, return_inverse=True)[1]"
    if dtype.kind in "Mm":
        return f"{what} of dtype {dtype}", "numbers: ({x} - {x}[0]) / np.timedelta64(1, 's')" if dtype.kind == "M" else "numbers: {x} / np.timedelta64(1, 's')"
    if dtype.kind == "V":
        return f"a structured {what.partition(' ')[2]}", "its fields as arguments of their own"
    if not dtype.isnative:
        return f"{what} of foreign byte order ({dtype.str})", "{x}.astype({x}.dtype.newbyteorder('='))"
    if dtype.name not in SUPPORTED:
        return f"{what} of dtype {dtype}, which is not supported", "{x}.astype(float)"
    if isinstance(value, np.ndarray) and type(value) not in (np.ndarray, np.memmap):
        return f"a {type(value).__module__}.{type(value).__qualname__}, a subclass of ndarray", "np.asarray({x})"
    return None


def describe_arguments(callee: Callee, values: Sequence, reads) -> tuple[tuple[Spec, ...], Describer]:
    """The specs of all parameters' values and the describer, which has the leaves."""
    describer = Describer(classify, reads)
    try:
        specs = tuple([describer(value, (("arg", p.name),)) for p, value in zip(callee.parameters, values, strict=True)])
    except RecursionError:
        raise ArgumentError(f"an argument of {callee.name}() contains itself, or is nested too deeply to be a tree.") from None
    return specs, describer


def _kind_text(value) -> str:
    return f"{type(value).__name__} {value!r}" if isinstance(value, (int, float, str, type(None))) else f"a {type(value).__name__}"
