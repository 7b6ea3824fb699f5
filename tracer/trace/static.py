"""Static values: what a trace takes as it is. They are compared by type and bits, or by identity."""

from __future__ import annotations

import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import struct
import types
import uuid

import numpy as np

SEEN_CLASS = "__tracer_class__"  # of the class that stands for a user's: that class


class Missing:
    """Stands for an attribute that an instance does not have, which a trace has seen with ``hasattr`` or a default."""

    def __repr__(self):
        return "<missing>"

    def __reduce__(self):
        return "MISSING"


MISSING = Missing()


class Identity:
    """A function, a type or a module: compared by identity, and kept alive so that the identity stays its own."""

    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value

    def __eq__(self, other):
        return isinstance(other, Identity) and self.value is other.value

    def __hash__(self):
        return id(self.value)


class Static:
    """A value that the trace takes as it is; compared by type and bits."""

    __slots__ = ("key", "value")

    def __init__(self, value, key=None):
        self.value = value
        self.key = static_key(value) if key is None else key

    def __eq__(self, other):
        return isinstance(other, Static) and self.key == other.key

    def __hash__(self):
        return hash(self.key)

    def __repr__(self):
        return repr(self.value)


BY_VALUE = (str, bytes, type(None), decimal.Decimal, fractions.Fraction, pathlib.PurePath, datetime.date, datetime.time,
            datetime.timedelta, uuid.UUID, re.Pattern, np.dtype, type(Ellipsis), type(NotImplemented))
BY_IDENTITY = (type, type(np._NoValue), types.FunctionType, types.BuiltinFunctionType, types.ModuleType, np.ufunc, functools.partial, Missing,
               types.MethodWrapperType, types.WrapperDescriptorType, types.MethodDescriptorType, types.GenericAlias)


def static_key(value):
    """What a static value is compared by, or None when it is not static."""
    kind = type(value)
    if isinstance(value, enum.Enum):
        return Identity(value)
    if kind is bool or isinstance(value, np.bool_):
        return kind, bool(value)
    if kind is int:
        return kind, value
    if kind is float:
        return kind, struct.pack("d", value)
    if kind in (range, slice):
        return kind, tuple(map(static_key, (value.start, value.stop, value.step)))
    if kind is frozenset:
        return kind, frozenset(map(static_key, value))
    if kind is tuple:
        return kind, tuple(map(static_key, value))
    if kind is decimal.Decimal:
        return kind, value.as_tuple()  # 1.0 and 1.00 compare equal and print differently
    if isinstance(value, BY_VALUE):
        return kind, value
    if isinstance(value, types.MethodType):
        return kind, Identity(value.__func__), Identity(value.__self__)
    if isinstance(value, BY_IDENTITY) or hasattr(kind, "_numba_type_"):
        return Identity(value)
    return None
