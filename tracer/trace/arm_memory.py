"""What the arms of a branch leave in memory: lists, dicts, buffers and their like are put back before each arm, and joined behind them."""

from __future__ import annotations

import contextlib
import types

import numpy as np

from ..errors import InPlaceError, TracedBoolError
from .buffers import Buffer, become_traced
from .builtin_functions import SEEN_CLASS
from .memory import ELEMENTS, Storage, memory_of
from .value import Traced, as_traced

MISSING = object()  # a variable or attribute that there is none of


class Disagreement:
    """A variable that two arms leave with values that cannot be joined; an error for whoever reads it."""

    def __init__(self, text: str):
        self.text = text


class Cursor:
    """Where a loop is: an iterator whose place can be put back for the other arm."""

    def __init__(self, values):
        self.values = values if isinstance(values, (list, tuple, range)) else list(values)
        self.at = 0

    def __iter__(self):
        return self

    def __next__(self):
        value, is_there = self.step()
        if not is_there:
            raise StopIteration
        return value

    def step(self) -> tuple:
        """The next element and whether there was one."""
        if self.at >= len(self.values):
            return None, False
        self.at += 1
        return self.values[self.at - 1], True


class Memory:
    """What can be changed in place through the variables: lists, dicts, sets, attributes of objects made in the trace, buffers, places in loops. It is put
    back before each arm, and joined after. Without a trace, arrays in which nothing is traced stay so; what is kept of them can be put back only."""

    def __init__(self, env: dict, trace, function: types.FunctionType, around: Memory | None):
        self.objects: dict[int, object] = {} if around is None else dict(around.objects)
        self.attributes: dict[int, type] = {} if around is None else dict(around.attributes)  # the classes of the objects whose attributes some of them are
        for value in env.values():
            self._collect(value, trace)
        for name in function.__code__.co_names:
            self._collect(function.__globals__.get(name), trace)
        for cell in function.__closure__ or ():
            with contextlib.suppress(ValueError):  # an empty cell
                self._collect(cell.cell_contents, trace)
        self.start = self.state()

    def _collect(self, value, trace) -> None:
        kind = type(value)
        if kind is Buffer:
            if trace is None:
                self.objects[id(value.memory.base)] = value
                return
            become_traced(value, trace)
            kind = type(value)
        if kind is Traced:
            if value.memory is None and value.node.type.shape:
                with contextlib.suppress(InPlaceError):  # what is never written to
                    memory_of(value)  # now, for both arms
            if value.memory is not None:
                root = value.memory.root
                self.objects[id(root)] = root
        elif kind is set:
            self.objects[id(value)] = value
        elif hasattr(kind, SEEN_CLASS) and hasattr(value, "__dict__"):
            self.attributes[id(vars(value))] = kind
            self._collect(vars(value), trace)
        elif kind in (list, dict, tuple):
            if id(value) not in self.objects:
                if kind is not tuple:
                    self.objects[id(value)] = value
                for each in value.values() if kind is dict else value:
                    if type(each) not in (float, int, str):
                        self._collect(each, trace)
        elif kind is Cursor:
            self.objects[id(value)] = value

    def state(self) -> dict[int, object]:
        """What the objects hold now."""
        return {key: _state_of(each) for key, each in self.objects.items()}

    def was_written(self) -> bool:
        """Has any array, list or dict been changed since this was made?"""
        return any(_differs(state, self.start[key]) for key, state in self.state().items())

    def put(self, state: dict[int, object]) -> None:
        """Let them hold what they held once."""
        for key, each in self.objects.items():
            _set_state(each, state[key])

    def join(self, condition: Traced, left: dict, interpreter) -> None:
        """Leave in each object what it held in ``left`` where the condition is true, and what it holds now where it is not."""
        for key, each in self.objects.items():
            a, b = left[key], _state_of(each)
            if isinstance(each, Storage):
                _join_storage(each, condition, a, b, interpreter)
            elif isinstance(each, Cursor):
                each.at = a if a == b else len(each.values)
            elif isinstance(each, set):
                if a != b:
                    raise TracedBoolError(f"the arms of the `if` ({interpreter.place(interpreter.line)}) leave different elements in a set: what it holds "
                                          f"would depend on the arguments.")
            elif key in self.attributes:
                _join_attributes(each, condition, a, b, self.attributes[key], interpreter)
            elif len(a) == len(b) and (isinstance(each, list) or a.keys() == b.keys()):
                joined = interpreter.joined(condition, a, b, "a list" if isinstance(each, list) else "a dict", strict=True)
                _set_state(each, joined)
            else:
                raise TracedBoolError(f"the arms of the `if` ({interpreter.place(interpreter.line)}) leave a {type(each).__name__} with {len(a)} elements "
                                      f"in one and "
                                      f"{len(b)} in the other: how long it is would depend on the arguments.")


def _state_of(each):
    if isinstance(each, Storage):
        return each.ground, each.whole, dict(each.parts), each.pattern
    if type(each) is Buffer:
        return each.memory.base.copy()
    return each.at if isinstance(each, Cursor) else each.copy()


def _differs(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() != b.keys() or any(a[key] is not b[key] for key in a)
    if isinstance(a, tuple):
        return a[0] is not b[0] or a[1] is not b[1] or _differs(a[2], b[2])
    if isinstance(a, list):
        return len(a) != len(b) or any(x is not y for x, y in zip(a, b))
    return a != b


def _set_state(each, state) -> None:
    if isinstance(each, Storage):
        each.ground, each.whole, each.parts, each.pattern = state[0], state[1], dict(state[2]), state[3]
        each.version += 1
    elif isinstance(state, np.ndarray):
        if type(each) is Buffer:
            each.memory.base[...] = state
        else:  # it has become a traced array
            each.memory.root.write_whole(as_traced(state, each.owner).node)
    elif isinstance(each, Cursor):
        each.at = state
    elif isinstance(each, list):
        each[:] = state
    else:
        each.clear()
        each.update(state)


def _join_attributes(attributes: dict, condition: Traced, a: dict, b: dict, kind: type, interpreter) -> None:
    """An attribute that an object has not got is that of its class."""
    joined = {}
    for name in dict.fromkeys((*a, *b)):
        sides = [each[name] if name in each else _of_class(kind, name) for each in (a, b)]
        join = interpreter.one_sided if any(each is MISSING for each in sides) else interpreter.joined
        joined[name] = join(condition, *sides, f"`.{name}`")
        if isinstance(joined[name], Disagreement):
            if kind.__getattribute__ not in (object.__getattribute__, attribute_or_error):
                raise TracedBoolError(joined[name].text)
            kind.__getattribute__ = attribute_or_error  # of this trace's copy of the class
    _set_state(attributes, joined)


def _of_class(kind: type, name: str):
    return next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), MISSING)


def attribute_or_error(instance, name: str):
    """An attribute of an object that has one of which two arms disagree."""
    found = object.__getattribute__(instance, name)
    if isinstance(found, Disagreement):
        raise TracedBoolError(found.text)
    return found


def _join_storage(storage: Storage, condition: Traced, a: tuple, b: tuple, interpreter) -> None:
    trace = condition.owner
    if a[0] is b[0] and a[3] is b[3] is ELEMENTS:
        changed = [key for key in a[2].keys() | b[2].keys() if a[2].get(key) is not b[2].get(key)]
        _set_state(storage, a)
        first = {key: storage.element_node(key) for key in changed}
        _set_state(storage, b)
        for key in sorted(changed):
            node = interpreter._selected(condition, Traced(first[key], trace), Traced(storage.element_node(key), trace), "an element").node
            storage.write_element(key, node)
        return
    _set_state(storage, a)
    first = storage.current()
    _set_state(storage, b)
    second = storage.current()
    if first is not second:
        node = interpreter._selected(condition, Traced(first, trace), Traced(second, trace), "an array").node
        _set_state(storage, (node, node, {}, ELEMENTS))


__all__ = ["MISSING", "Cursor", "Disagreement", "Memory", "attribute_or_error"]
