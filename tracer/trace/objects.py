"""Instances as arguments: what a trace reads of them is recorded.

While a function is traced, an instance (``self`` above all) is represented by an object of a subclass of its class, made for this.
``isinstance`` stays true, methods and properties run with the representative as ``self``, and each plain attribute that is read
becomes an input of the trace or a static value. What is written to it lives as long as the trace, with a warning.
"""

from __future__ import annotations

import functools
import types
import warnings
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import InPlaceError, SideEffectWarning, UnsupportedError
from .context import user_line_of, user_location
from .static import MISSING
from .trees import Maker, Path, container_kind, field_names, path_text
from .value import Traced

_SLOT = "__tracer_record__"


class Record:
    """What a representative knows: the object behind it, where it was found, and how its attributes are read."""

    __slots__ = ("attributes", "path", "read", "see", "target")

    def __init__(self, target, path: Path, attributes: dict[str, Any], read: Callable, see: Callable):
        self.target = target          # the user's object
        self.path = path
        self.attributes = attributes  # traced or static values by name, as far as they are known
        self.read = read              # (path, value) -> traced or static value; notes that the trace reads it
        self.see = see                # rebinding of functions


def represent(record: Record):
    """The representative of an instance in a trace."""
    made = object.__new__(_subclass(type(record.target)))
    object.__setattr__(made, _SLOT, record)
    return made


class SeenMaker(Maker):
    """Puts values together for a trace: functions, and the methods of dataclasses, are seen through."""

    def __init__(self, see: Callable):
        self._see = see

    def static(self, value):
        return self._see(value)

    def dataclass(self, made, path: Path):
        if not has_own_functions(type(made)):
            return made
        attributes = {name: getattr(made, name) for name in field_names(made)}
        return represent(Record(made, path, attributes, lambda path, value: value, self._see))


    def named_tuple(self, made):
        kind = self._see(type(made))
        return made if kind is type(made) else tuple.__new__(kind, made)


def has_own_functions(kind: type) -> bool:
    """Has a dataclass functions that were written, not generated?"""
    found = (value for base in kind.__mro__[:-1] for value in vars(base).values())
    return any(isinstance(value, (property, functools.cached_property, classmethod, staticmethod))
               or (isinstance(value, types.FunctionType) and value.__code__.co_filename != "<string>") for value in found)


def record_of(value) -> Record | None:
    """The record of a representative; None for any other value."""
    return object.__getattribute__(value, _SLOT) if _SLOT in type(value).__dict__ else None


_subclasses: weakref.WeakKeyDictionary[type, type] = weakref.WeakKeyDictionary()


def _subclass(kind: type) -> type:
    found = _subclasses.get(kind)
    if found is None:
        names = {**_operators(kind), "__slots__": (_SLOT,), "__getattribute__": _getattribute, "__setattr__": _setattr, "__delattr__": _delattr,
                 "__new__": lambda cls, *args, **kwargs: kind(*args, **kwargs), "__init_subclass__": lambda **_: None,
                 "__module__": kind.__module__, "__qualname__": kind.__qualname__, "__reduce_ex__": _refuse_copy, "__dir__": _dir}
        try:
            # type.__new__ leaves metaclass hooks of the user's class alone (abc, registries) but for its own layout.
            found = type(kind).__new__(type(kind), kind.__name__, (kind,), names)
            object.__new__(found)
        except TypeError as error:
            raise UnsupportedError(f"an argument of type {kind.__qualname__} cannot be traced through: {error}. "
                                   f"Pass the arrays and numbers that the function needs.") from None
        _subclasses[kind] = found
    return found


def _operators(kind: type) -> dict[str, Callable]:
    """The special methods that the user wrote, which Python looks up on the class: ``__call__``, ``__getitem__``, ``__add__`` …"""
    found = {}
    for base in reversed(kind.__mro__):
        found |= {name: value for name, value in vars(base).items()
                  if name.startswith("__") and name.endswith("__") and isinstance(value, types.FunctionType)}
    return {name: _seen_through(value) for name, value in found.items()}


def _seen_through(function: types.FunctionType) -> Callable:
    @functools.wraps(function)
    def method(self, *args, **kwargs):
        return object.__getattribute__(self, _SLOT).see(function)(self, *args, **kwargs)
    return method


def _getattribute(self, name: str):
    record = object.__getattribute__(self, _SLOT)
    target, kind = record.target, type(record.target)
    if name == "__class__":
        return record.see(kind)
    if name == "__dict__":
        return {key: _getattribute(self, key) for key in vars(target)}
    if name in record.attributes:
        return _known(record, name)
    on_class = _class_attribute(kind, name)
    in_instance = name in getattr(target, "__dict__", ())
    if on_class is not MISSING and (not in_instance or hasattr(type(on_class), "__set__")):
        bound = _from_class(self, record, on_class)
        if bound is not MISSING:
            return bound
    if name.startswith("__") and name.endswith("__"):
        return getattr(target, name)
    value = getattr(target, name, MISSING)
    record.attributes[name] = record.read((*record.path, ("attr", name)), value)
    return _known(record, name)


def _known(record: Record, name: str):
    value = record.attributes[name]
    if value is MISSING:
        kind = type(record.target)
        raise AttributeError(f"{kind.__name__!r} object has no attribute {name!r}", name=name, obj=record.target)
    return value


def _class_attribute(kind: type, name: str):
    return next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), MISSING)


def _from_class(self, record: Record, found):
    """What a class attribute is on the representative, or MISSING when it is plain data."""
    if isinstance(found, property):
        if found.fget is None:
            raise AttributeError("unreadable attribute")
        return record.see(found.fget)(self)
    if isinstance(found, functools.cached_property):
        return record.see(found.func)(self)
    if isinstance(found, staticmethod):
        return record.see(found.__func__)
    if isinstance(found, classmethod):
        return types.MethodType(record.see(found.__func__), record.see(type(record.target)))
    if isinstance(found, types.FunctionType):
        return types.MethodType(record.see(found), self)
    if hasattr(type(found), "_numba_type_"):  # a compiled function, @njit or one of ours, used as a method
        return types.MethodType(record.see(found), self)
    return MISSING


def _setattr(self, name: str, value) -> None:
    """What is assigned is there for the rest of the trace; the object itself, which compiled calls do not change, stays as it is."""
    record = object.__getattribute__(self, _SLOT)
    on_class = _class_attribute(type(record.target), name)
    if isinstance(on_class, property):
        if on_class.fset is None:
            raise AttributeError(f"property {name!r} of {type(record.target).__name__!r} object has no setter")
        record.see(on_class.fset)(self, value)
        return
    line = user_line_of(user_location(2))
    file, _, number = line.rpartition(":")
    warnings.warn_explicit(f"assignment to the attribute `{path_text(record.path)}.{name}` inside a traced function ({line}): the function is traced once, "
                           f"and compiled calls do not repeat it. The object keeps the value that it has; return the new value if it is wanted.",
                           SideEffectWarning, file or "unknown", int(number or 0))
    record.attributes[name] = value


def _delattr(self, name: str) -> None:
    record = object.__getattribute__(self, _SLOT)
    raise InPlaceError(f"`del {path_text(record.path)}.{name}` inside a traced function ({user_line_of(user_location(2))}). "
                       f"The function is traced once, and compiled calls would not repeat it.")


def _refuse_copy(self, protocol):
    record = object.__getattribute__(self, _SLOT)
    raise UnsupportedError(f"copying `{path_text(record.path)}` inside a traced function is not supported. Read its attributes instead.")


def _dir(self):
    return dir(object.__getattribute__(self, _SLOT).target)


def traced_in(value) -> Iterator:
    """The traced values and representatives in a tree of arguments."""
    if type(value) is Traced or record_of(value) is not None:
        yield value
    elif (kind := container_kind(value)) is not None:
        for part in kind.open(value)[1]:
            yield from traced_in(part)
