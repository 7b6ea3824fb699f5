"""Rebinding: a copy of the user's function that sees through what does not dispatch by NumPy's protocols.

The copy has the same code. Its globals and closure hold, in place of ``math``, of SciPy's Python-level functions, of ``@njit`` functions
and of the user's own functions, what these are on traced values. Only the names that the code looks up are looked at; the user's
module is not changed, and no source text is needed. Random numbers, clocks and ``input`` are refused: a trace would freeze them.
"""

from __future__ import annotations

import abc
import builtins
import collections
import dataclasses
import enum
import functools
import math
import random
import statistics
import sys
import time
import types
from collections.abc import Callable

import numpy as np

from ..errors import TracedBoolError, UnsupportedError
from .branches import interpreted
from .buffers import NAMES, NUMPY
from .builtin_functions import BUILTINS, SEEN_CLASS, Super
from .code_names import names_of, stored_globals
from .flow import branching_code, can_be_followed, compares_with_true
from .functions import FUNCTIONS, call
from .libraries import CLOSED, carries, entered, entered_always, file_of, is_open, is_own, is_plain_python
from .math_functions import MATH, any_traced
from .numba_objects import element_by_element, numbas
from .numpy_api import rebound
from .objects import Record, has_own_functions, record_of, represent
from .scipy_interpolate import Interpolator, interpolator, made_inside
from .scipy_stats import Distribution, FrozenNormal, MultivariateNormal, distribution
from .seen_modules import IMPURE_MODULES, RefusingObject, SeenModule, impure
from .stand_ins import OBJECTS, TYPES, Captured
from .statistics_functions import STATISTICS
from .value import Traced

_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
_CACHED = type(functools.lru_cache(len))


class Rebinder:
    """The copies of one trace: of each function one, so that recursion ends and closures are shared."""

    def __init__(self):
        self._seen: dict[int, tuple] = {}              # id -> (original, which keeps the id its own, and what stands for it)
        self._globals: dict[int, tuple[dict, dict, set]] = {}
        self._cells: dict[int, tuple] = {}             # id -> (a cell of the user's, what stands for it, what it held to begin with)
        self._containers: list[tuple] = []             # (a list or dict of the user's, what stands for it, what that held to begin with)
        self._builtins = vars(builtins).copy()
        self._builtins["__import__"] = self._import
        self._own_package = None
        self.branching: set[types.CodeType] = set()    # code that branches on traced values: it is interpreted

    def asking(self, error: TracedBoolError) -> types.CodeType | None:
        """The function of the user that asked for the truth of a traced value; None if it was not one that can be interpreted."""
        return branching_code(error, {id(copy) for _, copy, _ in self._globals.values()}, self.branching)

    def own(self, root) -> None:
        """The package of the function that is traced is the user's own, wherever it is installed."""
        module = getattr(root, "__module__", None) or ""
        package = module.partition(".")[0]
        self._own_package = package if package not in CLOSED else None

    def see(self, value, name: str = ""):
        """What stands for a value in the trace: the value itself unless it has to be seen through."""
        kind = type(value)
        if kind in _PLAIN:
            return value
        if kind in _CONTAINERS:
            return self._container(value, kind)
        if kind in _METACLASSES or kind is np.ndarray:
            return self._class(value) if kind in _METACLASSES else self._captured(value)
        if kind in _NUMPY_KINDS and value in NUMPY:
            return NUMPY[value]
        found = self._seen.get(id(value))
        if found is not None:
            return found[1]
        if kind in _NUMPY_KINDS and kind is not types.FunctionType and value in FUNCTIONS:
            return self._remember(value, _of_sequences(value))
        if kind is types.FunctionType:
            return self._function(value)
        return self._remember(value, self._see_other(value, kind, name))

    def _class(self, value: type):
        """A class of the user, whose instances are made inside: their methods are seen through."""
        found = self._seen.get(id(value))
        if found is not None:
            return found[1]
        if value in TYPES:
            return TYPES[value]
        if value.__module__.startswith(("scipy.interpolate.", "numba.typed.")):
            found = made_inside(value) if value.__module__[0] == "s" else numbas(value, type(value), "", self.see)
            return self._remember(value, found or value)
        if not self._can_be_seen(value):
            return self._remember(value, value)
        found = {name: each for base in reversed(value.__mro__[:-1]) for name, each in vars(base).items() if name not in _LEFT_ALONE}
        named = {"__module__": value.__module__, "__qualname__": value.__qualname__, SEEN_CLASS: value}
        made = self._remember(value, type(value)(value.__name__, (value,), named | {"__slots__": ()} if issubclass(value, tuple) else named))
        for name, each in found.items():
            seen = self._member(each)
            if seen is not each:
                setattr(made, name, seen)
                if isinstance(seen, functools.cached_property):
                    seen.__set_name__(made, name)
        return made

    def _can_be_seen(self, kind: type) -> bool:
        """Has a class methods that are seen through? Named tuples and dataclasses may have none but those that Python generates."""
        if not self._is_own_class(kind) or SEEN_CLASS in vars(kind):
            return False
        is_tuple = issubclass(kind, tuple) and hasattr(kind, "_fields")
        bases = [base for base in kind.__mro__[:-1] if not (is_tuple and base is tuple)]
        if not all(type(base) in _METACLASSES and base.__flags__ & _PLAIN_LAYOUT for base in bases) or (issubclass(kind, _KEPT_CLASSES) and not is_tuple):
            return False
        if is_tuple:
            written = (types.FunctionType, property, staticmethod, classmethod)
            return any(isinstance(each, written) and name not in vars(_EMPTY_TUPLE) for base in bases for name, each in vars(base).items())
        return not dataclasses.is_dataclass(kind) or has_own_functions(kind)

    def _is_own_class(self, kind: type) -> bool:
        """Are the methods of a class seen through: is it the user's, or of a library that is all Python?"""
        if kind.__flags__ & _PLAIN_LAYOUT == 0:
            return False
        path, module = file_of(kind.__module__), kind.__module__
        return is_own(path, module, self._own_package) or (is_open(path, module) and is_plain_python(module))

    def _member(self, found):
        """What stands for something in the body of a class. Methods of a library are copied when they are first called: there are many."""
        if isinstance(found, property):
            return property(*[each and self._method(each) for each in (found.fget, found.fset, found.fdel)])
        if isinstance(found, (staticmethod, classmethod)):
            return type(found)(self._method(found.__func__))
        if isinstance(found, functools.cached_property):
            return functools.cached_property(self._method(found.func))
        if isinstance(found, types.FunctionType):
            return self._method(found)
        return found if type(found) in _DESCRIPTORS else self.see(found)

    def _method(self, found):
        if isinstance(found, types.FunctionType) and found.__code__.co_filename == "<string>" and found.__name__[:2] == "__":
            return found  # what a dataclass or a named tuple has generated
        if isinstance(found, types.FunctionType) and not self._is_own_file(found.__code__.co_filename, found.__module__ or ""):
            return entered_always(found, self._copy) if is_open(found.__code__.co_filename, found.__module__ or "") else found
        return self.see(found)

    def _captured(self, value: np.ndarray):
        found = self._seen.get(id(value))
        return found[1] if found is not None else self._remember(value, value.view(Captured))

    def _container(self, value, kind: type):
        """A list, tuple or dict from outside: one with seen elements, if there is anything among them that has to be seen through."""
        parts = value.values() if kind is dict else value
        if not _INERT.issuperset(map(type, parts)):
            found = self._seen.get(id(value))
            if found is not None:
                return found[1]
            if kind is not tuple:
                self._remember(value, made := kind())
            seen = [self.see(each) for each in parts]
            if any(a is not b for a, b in zip(seen, parts)):
                if kind is tuple:
                    return self._remember(value, tuple(seen))
                made.update(zip(map(self.see, value), seen)) if kind is dict else made.extend(seen)
                self._containers.append((value, made, _contents(made)))
                return made
            self._seen.pop(id(value), None)
        return value

    def _instance(self, value, kind: type, name: str):
        """An object of the user from outside: its methods are seen through, and what is in it is constant."""
        is_seen = hasattr(kind, SEEN_CLASS) or record_of(value) is not None or (dataclasses.is_dataclass(kind) and not has_own_functions(kind))
        if is_seen or kind in _METACLASSES or isinstance(value, (enum.Enum, *_KEPT_CLASSES)) or not self._is_own_class(kind):
            return value
        try:
            return represent(Record(value, (("arg", name or kind.__name__),), {}, lambda _, found: self.see(found), self.see))
        except UnsupportedError:
            return value  # what has a layout of its own computes as it does without a trace

    def _import(self, name, globals=None, locals=None, fromlist=(), level=0):
        """What stands for ``__import__``: statements inside of functions import what is seen through, too."""
        return self.see(builtins.__import__(name, globals, locals, fromlist, level), name)

    def _remember(self, value, result):
        self._seen[id(value)] = (value, result)
        return result

    def _see_other(self, value, kind: type, name: str):
        if kind is np.ufunc:
            return value  # NumPy dispatches
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if kind is types.BuiltinFunctionType:
            return self._builtin(value)
        if kind is types.MethodType:
            owner = self.see(value.__self__)
            if isinstance(owner, STAND_INS):
                return getattr(owner, value.__name__)
            return types.MethodType(self.see(value.__func__), owner)
        if kind is functools.partial:
            return functools.partial(self.see(value.func), *map(self.see, value.args), **{k: self.see(v) for k, v in value.keywords.items()})
        if kind is _CACHED:
            return self._cached(value)
        if isinstance(value, _GENERATORS):
            return RefusingObject(value, name or kind.__name__)
        if kind is np.vectorize and value.signature is None:
            return element_by_element(self.see(value.pyfunc), value)
        found = numbas(value, kind, name, self.see)
        if found is not None:
            return found
        if id(value) in OBJECTS:
            return OBJECTS[id(value)]
        if hasattr(kind, "_numba_type_") and hasattr(value, "py_func") and not hasattr(value, "inline"):
            return self.see(value.py_func)  # @njit: its Python function is traced instead
        if callable(value) and not isinstance(value, type) and str(getattr(value, "__module__", "")).startswith("numpy.random"):
            return impure(f"np.random.{value.__name__}")
        found = (_dispatched(value) if callable(value) else None) or distribution(value, kind) or interpolator(value, kind)
        return self._instance(value, kind, name) if found is None else found

    def _cached(self, function):
        """A function under `functools.lru_cache`: traced values are no keys, so they go past the cache."""
        @functools.wraps(function)
        def call(*args, **kwargs):
            return (self.see(function.__wrapped__) if carries(args) or carries(kwargs.values()) else function)(*args, **kwargs)
        return call

    def _module(self, module: types.ModuleType):
        if module in IMPURE_MODULES:
            return RefusingObject(module, IMPURE_MODULES[module])
        if module in (math, statistics, np, np.linalg) or self._is_own_module(module):
            return SeenModule(module, self.see)
        return module

    def _is_own_module(self, module: types.ModuleType) -> bool:
        """Is a module's content seen through: is it the user's, or an installed library's?"""
        path = getattr(module, "__file__", None)
        return path is not None and path.endswith(".py") and (self._is_own_file(path, module.__name__) or is_open(path, module.__name__))

    def _is_own_file(self, path: str, module: str) -> bool:
        return is_own(path, module, self._own_package)

    def _builtin(self, value):
        if value in MATH:
            return MATH[value]
        if value is builtins.input:
            return impure("input")
        owner = value.__self__
        if isinstance(owner, _GENERATORS):
            return impure(f"{'np.random' if isinstance(owner, np.random.RandomState) else type(owner).__module__}.{value.__name__}")
        if owner in (time, random) and value is not time.sleep:
            return impure(f"{owner.__name__}.{value.__name__}")
        return value

    def _function(self, function: types.FunctionType):
        result = _dispatched(function)
        if result is None and self._is_own_file(function.__code__.co_filename, function.__module__ or ""):
            return self._copy(function)
        if result is None and is_open(function.__code__.co_filename, function.__module__ or ""):
            result = entered(function, self._copy)
        if result is None:
            module = sys.modules.get(function.__module__ or "")
            result = impure(f"{module.__name__}.{function.__name__}") if module in IMPURE_MODULES else function
        self._seen[id(function)] = (function, result)
        return result

    def _copy(self, function: types.FunctionType) -> types.FunctionType:
        code = function.__code__
        is_inside = any(function.__globals__ is copy for _, copy, _ in self._globals.values())
        cells = [cell if name == "__class__" or _stays(cell, is_inside) else self._cell(cell)
                 for name, cell in zip(code.co_freevars, function.__closure__ or ())]
        names = self._globals_of(function)
        copy = types.FunctionType(code, names, function.__name__, None, tuple(cells) or None)
        stand_in = interpreted(copy, self.branching) if code in self.branching or (compares_with_true(code) and can_be_followed(code)) else copy
        self._seen[id(function)] = (function, stand_in)  # before anything is looked at: functions refer to themselves
        for old, new, name in zip(function.__closure__ or (), cells, code.co_freevars):
            if new is not old and self._cells[id(old)][2] is _EMPTY:
                self._cells[id(old)] = old, new, None
                new.cell_contents = self.see(old.cell_contents, name)
                self._cells[id(old)] = old, new, new.cell_contents
        self._look_up(function, names)
        copy.__defaults__ = tuple(map(self.see, function.__defaults__)) if function.__defaults__ else function.__defaults__
        copy.__kwdefaults__ = {k: self.see(v) for k, v in function.__kwdefaults__.items()} if function.__kwdefaults__ else None
        copy.__dict__.update(function.__dict__)
        copy.__module__, copy.__qualname__, copy.__doc__ = function.__module__, function.__qualname__, function.__doc__
        return stand_in

    def _cell(self, cell: types.CellType) -> types.CellType:
        """The cell that stands for a cell in this trace: functions that share one still do."""
        return self._cells.setdefault(id(cell), (cell, types.CellType(), _EMPTY))[1]

    def _globals_of(self, function: types.FunctionType) -> dict:
        """The copy of a module's globals that all its functions share in this trace."""
        original = function.__globals__
        if id(original) not in self._globals:
            fresh = {name: original[name] for name in ("__name__", "__package__", "__spec__", "__file__") if name in original}
            fresh["__builtins__"] = self._builtins
            self._globals[id(original)] = (original, fresh, set())
        return self._globals[id(original)][1]

    def _look_up(self, function: types.FunctionType, copy: dict) -> None:
        """Bring the names that a function's code looks up into the copy of its globals."""
        original, _, stored = self._globals[id(function.__globals__)]
        stored |= stored_globals(function.__code__)
        names = names_of(function.__code__)
        for name in names - copy.keys():
            if name in original:
                # NumPy dispatches by itself; only its random numbers have to be caught, and the arrays that it makes of nothing.
                value = original[name]
                copy[name] = value if value is np and names.isdisjoint(_OF_NUMPY) else self.see(value, name)
            elif name in _BUILTINS:
                copy[name] = _BUILTINS[name]
            elif name == "super":
                copy[name] = Super(self.see)
        if not names.isdisjoint(_OF_NUMPY):
            copy |= {name: self.see(np) for name in names & original.keys() if original[name] is np}

    def write_back(self) -> None:
        """Give the user's module, closures, lists and dicts what the traced function assigned, as an ordinary call would have."""
        originals = {id(seen): value for value, seen in self._seen.values()}
        for old, made, before in self._containers:
            after = _contents(made)
            if len(after) != len(before) or any(a is not b for a, b in zip(after, before)):
                parts = [originals.get(id(each), each) for each in after]
                old.clear()
                old.update(zip(parts[::2], parts[1::2])) if type(old) is dict else old.extend(parts)
        for old, new, given in self._cells.values():
            if given is not _EMPTY and new.cell_contents is not given:
                old.cell_contents = new.cell_contents
        for original, copy, stored in self._globals.values():
            for name in stored & copy.keys():
                if copy[name] is not self._seen.get(id(original.get(name)), (None, original.get(name)))[1]:
                    original[name] = copy[name]


def _contents(container) -> list:
    """The elements of a list; the keys and values of a dict."""
    return [part for item in container.items() for part in item] if type(container) is dict else list(container)


def _stays(cell: types.CellType, is_inside: bool) -> bool:
    """Is a closure's cell the user's own in the copy too, so that `nonlocal` reaches it? Unless its content is to be seen through. ``is_inside``: it
    belongs to a function that was made in the trace."""
    try:
        content = cell.cell_contents
    except ValueError:
        return True
    if not is_inside:
        return type(content) in _PLAIN
    return not isinstance(content, (types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, functools.partial, type, *_GENERATORS)) \
        and not hasattr(type(content), "_numba_type_")


_PLAIN = frozenset((int, float, str, bool, type(None), set, bytes, np.float64, Traced))
STAND_INS = Distribution, FrozenNormal, Interpolator, MultivariateNormal
_EMPTY = object()
_EMPTY_TUPLE = collections.namedtuple("_EMPTY_TUPLE", "")
_CONTAINERS = frozenset((tuple, list, dict))
_INERT = _PLAIN | {np.float32, np.int64, np.bool_, complex, range, slice}
_DESCRIPTORS = frozenset((types.GetSetDescriptorType, types.MemberDescriptorType, types.WrapperDescriptorType, types.MethodDescriptorType))
_METACLASSES = type, abc.ABCMeta
_PLAIN_LAYOUT = 1 << 9  # made by a class statement
_KEPT_CLASSES = (BaseException, tuple, int, float, str, dict, list, set, np.ndarray)
_LEFT_ALONE = frozenset(("__init_subclass__", "__class_getitem__"))
_BUILTINS = {"input": impure("input"), **BUILTINS}
_NAMES_IN_NUMPY = {"random", "r_", "c_", "linalg", "polynomial"} | {t.__name__ for t in TYPES}
_OF_NUMPY = NAMES | _NAMES_IN_NUMPY | {f.__name__ for f in FUNCTIONS if type(f) in map(type, NUMPY)}
_NUMPY_KINDS = frozenset(map(type, NUMPY))


@functools.cache  # the functions of NumPy are few, and each wrapper takes 8 µs
def _of_sequences(function: Callable) -> Callable:
    """A function of NumPy, which does not look for traced values in the lists that it is given."""
    @functools.wraps(function)
    def of_sequences(*args, **kwargs):
        for value in args:
            if type(value) in (list, tuple) and any_traced(value):
                return call(function, args, kwargs)
        return function(*args, **kwargs)
    return of_sequences


def _dispatched(function) -> Callable | None:
    """For a function of SciPy that NumPy's protocols do not reach: it, or ours when something traced comes in. None for any other."""
    module = getattr(function, "__module__", None) or ""
    implementation = rebound(function) if module.startswith("scipy.") else STATISTICS.get(function) if module == "statistics" else None
    if implementation is None:
        return None

    @functools.wraps(function)
    def call(*args, **kwargs):
        return (implementation if carries(args) or carries(kwargs.values()) else function)(*args, **kwargs)
    return call
