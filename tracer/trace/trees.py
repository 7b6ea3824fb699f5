"""Argument trees: what of an argument is data, what is static, and how the data is put back in its place.

``describe`` turns a value into a *spec* and the list of its data leaves. A spec is hashable and says all that a trace may depend on
beside dtypes, shapes and integers: containers with their keys, static values by type and bits, and of other instances the
class and the attributes that the trace reads. Equal specs share one trace.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from .static import MISSING, SEEN_CLASS, Static


class Data:
    """The spec of a leaf that is handed over at run time: a number or an array."""

    def __repr__(self):
        return "data"

    def __reduce__(self):
        return "DATA"


DATA = Data()


class Branch(NamedTuple):
    """A container: ``kind`` rebuilds it, ``keys`` are the keys or field names (with their types), ``parts`` the specs inside."""

    kind: Any
    type: type
    keys: tuple
    parts: tuple


class Instance(NamedTuple):
    """Any other object: its class, and the attributes that traces have read so far."""

    type: type
    keys: tuple[str, ...]
    parts: tuple


Spec = Data | Static | Branch | Instance
Path = tuple  # of steps: ("item", key) or ("attr", name), from an argument inwards; the first step is ("arg", name)


# Containers ---------------------------------------------------------------------------------------------------------------

class Kind(NamedTuple):
    """How a kind of container is taken apart and put together, at run time and in generated code.

    ``test`` is a condition on ``{v}`` (``{t}`` is its type, ``{k}`` its keys, ``{n}`` its length), ``take`` an expression that unpacks
    into its parts, ``make`` one that builds it from ``{parts}``.
    """

    name: str
    open: Callable[[Any], tuple[tuple, tuple]]
    close: Callable[[type, tuple, tuple], Any]
    test: str
    take: Callable[[tuple], str]
    make: Callable[[tuple], str]


def field_names(value) -> tuple[str, ...]:
    """The fields of a dataclass instance that are set, then whatever else its ``__dict__`` holds."""
    names = [field.name for field in dataclasses.fields(value) if hasattr(value, field.name)]
    return (*names, *(name for name in getattr(value, "__dict__", ()) if name not in names))


def rebuild_dataclass(kind: type, names: tuple[str, ...], values: tuple):
    """An instance with these attributes; its ``__init__`` and a frozen ``__setattr__`` are not run."""
    made = object.__new__(kind)
    for name, value in zip(names, values):
        object.__setattr__(made, name, value)
    return made


def _attributes(keys: tuple) -> str:
    return "(" + "".join(f"{{v}}.{name}, " for name in keys) + ")"


def _listed(keys: tuple) -> str:
    return "({parts})"


_DICT_TEST = "type({v}) is {t} and tuple({v}) == {k}"

TUPLE = Kind("tuple", lambda v: (tuple(range(len(v))), tuple(v)), lambda t, k, p: tuple(p),
             "type({v}) is tuple and len({v}) == {n}", lambda keys: "{v}", _listed)
LIST = Kind("list", lambda v: (tuple(range(len(v))), tuple(v)), lambda t, k, p: list(p),
            "type({v}) is list and len({v}) == {n}", lambda keys: "{v}", lambda keys: "[{parts}]")
DICT = Kind("dict", lambda v: (tuple(v), tuple(v.values())), lambda t, k, p: dict(zip(k, p)),
            _DICT_TEST, lambda keys: "{v}.values()", lambda keys: "dict(zip({k}, ({parts})))")
ORDERED_DICT = Kind("OrderedDict", DICT.open, lambda t, k, p: OrderedDict(zip(k, p)),
                    _DICT_TEST, DICT.take, lambda keys: "{t}(zip({k}, ({parts})))")
NAMED_TUPLE = Kind("namedtuple", lambda v: (type(v)._fields, tuple(v)), lambda t, k, p: tuple.__new__(t, p),
                   "type({v}) is {t}", lambda keys: "{v}", lambda keys: "tuple.__new__({t}, ({parts}))")
DATACLASS = Kind("dataclass", lambda v: (field_names(v), tuple([getattr(v, n) for n in field_names(v)])), rebuild_dataclass,
                 "type({v}) is {t} and field_names({v}) == {k}", _attributes, lambda keys: "rebuild_dataclass({t}, {k}, ({parts}))")

_LEAVES = frozenset((np.ndarray, float))  # what nearly all arguments are, told at once
_EXACT = {tuple: TUPLE, list: LIST, dict: DICT, OrderedDict: ORDERED_DICT}


def container_kind(value) -> Kind | None:
    """The kind of container that a value is, or None."""
    kind = type(value)
    found = _EXACT.get(kind)
    if found is not None:
        return found
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return NAMED_TUPLE
    if dataclasses.is_dataclass(kind):
        return DATACLASS
    return None


def step_kind(kind: Kind) -> str:
    """How a path names the parts of such a container."""
    return "attr" if kind in (NAMED_TUPLE, DATACLASS) else "item"


# Taking apart and putting together ----------------------------------------------------------------------------------------

class Describer:
    """Takes values apart. ``classify(value, path)`` gives DATA, a Static, None for an instance, or raises.

    ``reads`` maps the path of an instance to the names of its attributes that traces have read.
    """

    def __init__(self, classify: Callable, reads: dict[Path, dict[str, None]] | None = None):
        self._classify = classify
        self._reads = reads or {}
        self.leaves: list = []
        self.paths: list[Path] = []
        self.instances: dict[Path, Any] = {}

    def __call__(self, value, path: Path = ()) -> Spec:
        kind = None if type(value) in _LEAVES else container_kind(value)
        if kind is None:
            return self._leaf(value, path)
        keys, parts = kind.open(value)
        step = step_kind(kind)
        typed = keys if all(type(k) is str for k in keys) else tuple(map(Static, keys))
        # Not type(value): in a trace the representative of a dataclass says that it is one.
        type_ = value.__class__
        return Branch(kind, vars(type_).get(SEEN_CLASS, type_), typed, tuple([self(part, (*path, (step, key))) for key, part in zip(keys, parts)]))

    def _leaf(self, value, path: Path) -> Spec:
        found = self._classify(value, path)
        if found is DATA:
            self.leaves.append(value)
            self.paths.append(path)
        if found is not None:
            return found
        self.instances[path] = value
        names = tuple(self._reads.get(path, ()))
        parts = [getattr(value, name, MISSING) for name in names]
        return Instance(type(value), names, tuple([self(part, (*path, ("attr", name))) for name, part in zip(names, parts)]))


def plain_keys(spec: Branch) -> tuple:
    """The keys or field names of a container, as the user has them."""
    return tuple([key.value if isinstance(key, Static) else key for key in spec.keys])


class Maker:
    """How values are put together; a trace puts others in place of instances, dataclasses and functions."""

    def static(self, value):
        return value

    def instance(self, spec: Instance, path: Path, parts: tuple):
        raise AssertionError(f"{spec.type} is no tree")

    def dataclass(self, made, path: Path):
        return made

    def named_tuple(self, made):
        return made


PLAIN = Maker()


def build(spec: Spec, leaves: Iterator, maker: Maker = PLAIN, path: Path = ()):
    """The value that a spec describes, with the next leaves in place of the data."""
    if spec is DATA:
        return next(leaves)
    if isinstance(spec, Static):
        return maker.static(spec.value)
    step = "attr" if isinstance(spec, Instance) else step_kind(spec.kind)
    keys = spec.keys if isinstance(spec, Instance) else plain_keys(spec)
    parts = tuple([build(part, leaves, maker, (*path, (step, key))) for key, part in zip(keys, spec.parts)])
    if isinstance(spec, Instance):
        return maker.instance(spec, path, parts)
    made = spec.kind.close(spec.type, keys, parts)
    if spec.kind is DATACLASS:
        return maker.dataclass(made, path)
    return maker.named_tuple(made) if spec.kind is NAMED_TUPLE else made


def data_count(spec: Spec) -> int:
    """The number of data leaves."""
    if isinstance(spec, (Branch, Instance)):
        return sum(map(data_count, spec.parts))
    return int(spec is DATA)


def map_data(spec: Spec, replace: Callable[[], Spec]) -> Spec:
    """The spec with every data leaf replaced, in order; statics and instances become None, which is what gradients have there."""
    if spec is DATA:
        return replace()
    if isinstance(spec, Branch):
        return spec._replace(parts=tuple([map_data(part, replace) for part in spec.parts]))
    return NOTHING


NOTHING = Static(None)


def path_text(path: Path) -> str:
    """A path as the user would write it: ``params['w'][0].k``."""
    parts = []
    for step, key in path:
        parts.append({"arg": f"{key}", "attr": f".{key}", "item": f"[{key!r}]"}[step])
    return "".join(parts).lstrip(".")


def structure_text(spec: Spec) -> str:
    """The structure of a tree as the user would write it: ``(array, {'w': array})``."""
    if spec is DATA:
        return "array"
    if isinstance(spec, Static):
        return repr(spec.value)
    texts = [structure_text(part) for part in spec.parts]
    parts = ", ".join([f"{key!r}: {text}" for key, text in zip(plain_keys(spec), texts)] if spec.kind.name.endswith("ict") else texts)
    return {"tuple": f"({parts}{',' * (len(spec.parts) == 1)})", "list": f"[{parts}]"}.get(spec.kind.name, f"{spec.type.__name__}({parts})")


def identifier(path: Path, taken: set[str]) -> str:
    """A Python name for a path that is not among those taken: ``params_w_0_k``."""
    text = "_".join("".join(c if c.isalnum() else "_" for c in str(key)).strip("_") for _, key in path if str(key)) or "x"
    if not text.isidentifier():
        text = f"x{text}" if f"x{text}".isidentifier() else "x"
    name, count = text, 1
    while name in taken:
        count += 1
        name = f"{text}_{count}"
    taken.add(name)
    return name
