"""What paths have left behind, joined where they come together: variables, results, and what an arm alone has given a value."""

from __future__ import annotations

import contextlib
import functools

import numpy as np

from ..errors import InPlaceError, TracedBoolError
from .arm_memory import MISSING, Cursor, Disagreement
from .buffers import Buffer
from .choice import Choice
from .memory import memory_of
from .outcomes import Outcome, Raised
from .statements import Statements
from .value import Traced, as_traced


class Joining(Statements):
    """How one call of a function goes on behind its arms."""

    def _not(self, condition: Traced) -> Traced:
        return self.placed(np.logical_not, condition)

    def _all(self, *conditions: Traced | None) -> Traced:
        """Are all of these true? None is."""
        given = [each for each in conditions if each is not None]
        return functools.reduce(functools.partial(self.placed, np.logical_and), given)

    def _arrived(self, outcomes: list[Outcome], label) -> tuple[list[Outcome], dict]:
        """(the outcomes that end elsewhere, the variables at a block, joined from all that end here); in memory is then what these left."""
        here = [each for each in outcomes if each.end == label]
        elsewhere, not_here = [], None
        for each in outcomes:
            if each.end != label:
                elsewhere.append(each._replace(condition=self._all(each.condition, not_here)) if not_here is not None else each)
            elif each.condition is not None:
                not_here = self._all(not_here, self._not(each.condition))
        *first, last = here
        if last.memory is not None:
            last.memory.put(last.state)
        live, env = self.flow.live[label], last.env
        for each in reversed(first):
            self.line, line = each.line, self.line
            each.memory.join(each.condition, each.state, self)
            env = self._merged(each.condition, {k: v for k, v in each.env.items() if k in live}, {k: v for k, v in env.items() if k in live})
            self.line = line
        return elsewhere, env

    def _merged(self, condition: Traced, first: dict, second: dict) -> dict:
        env = {}
        for name in first.keys() | second.keys():
            if name in first and name in second:
                env[name] = self.joined(condition, first[name], second[name], _named(name))
                if first[name] is not second[name] and _is_mutable(first[name]) and (_has_other_names(name, first) or _has_other_names(name, second)):
                    env[name] = self._one_of(env[name], name, (first[name], second[name]))
            else:
                env[name] = self.one_sided(condition, first.get(name, MISSING), second.get(name, MISSING), _named(name))
        return env

    def one_sided(self, condition: Traced, a, b, what: str):
        """What one arm alone gives a value: a float is NaN behind the other, as where code would raise an exception."""
        value = b if a is MISSING else a
        if _is_numeric(value) and np.issubdtype(as_traced(value, self.trace).dtype, np.floating):
            sides = (np.nan, value) if a is MISSING else (value, np.nan)
            return self.placed(lambda: np.where(condition, *sides))
        return Disagreement(f"{what} is given a value by one arm of the `if` only ({self.place(self.line)}). Give it one before.")

    def _one_of(self, value, name: str, given: tuple):
        """What stands for one of two objects that others see: they may be read, if they are arrays, and not be written to."""
        if type(value) in (list, dict):
            return Disagreement(f"`{_shown(name)}` is one {type(value).__name__} or another that other variables show too, depending on the `if` "
                                f"({self.place(self.line)}). Do in both arms what is to be done with it.")
        if type(value) is Traced and _is_array(value):
            text = (f"`{_shown(name)}` is one array or another that other variables show too, depending on the `if` ({self.place(self.line)}), and one of "
                    f"these is written to. Write to it in both arms, or to a copy: x = x.copy().")
            for each in (value, *given):
                with contextlib.suppress(InPlaceError):  # arguments, which nothing writes to
                    memory_of(each).root.joined = text
        return value

    def _result(self, outcomes: list[Outcome]):
        """The function's result, from all of its ends; NaN where an exception is raised."""
        fails, earlier = [], None
        for each in outcomes:
            if isinstance(each.value, Raised):
                fails.append((self._all(each.condition, earlier), each.value))
            if each.condition is not None:
                earlier = self._all(earlier, self._not(each.condition))
        outcomes = [each for each in outcomes if not isinstance(each.value, Raised)]
        if not outcomes:
            raise fails[-1][1].exception
        *first, last = outcomes
        if last.memory is not None:
            last.memory.put(last.state)
        value = last.value
        for each in reversed(first):
            self.line = each.line
            each.memory.join(each.condition, each.state, self)
            value = self.joined(each.condition, each.value, value, "the results")
            if isinstance(value, Disagreement) and not isinstance(value, Choice):
                raise TracedBoolError(value.text)
        for condition, raised in fails:
            value = self._marked(value, condition, raised)
        return value

    def _marked(self, value, condition: Traced, raised: Raised):
        """A result with NaN for its floats where the condition is true; where it has none, the results of the whole trace will be NaN."""
        marked = 0

        def mark(each):
            nonlocal marked
            if type(each) in (tuple, list):
                return type(each)([mark(part) for part in each])
            if type(each) is dict:
                return {key: mark(part) for key, part in each.items()}
            if isinstance(each, float) or (_is_numeric(each) and np.issubdtype(as_traced(each, self.trace).dtype, np.floating)):
                marked += 1
                return self.placed(lambda: each * np.where(condition, np.nan, 1.0))  # a product, so that slopes are NaN too
            return each
        value = mark(value)
        if not marked:
            path = [make() for make in self.trace.path]
            self.trace.failures.append((self._all(*path, condition), _kind_of(raised.exception), self.place(raised.line)))
        return value

    # Joining ---------------------------------------------------------------------------------------------------------------
    def joined(self, condition: Traced, a, b, what: str, strict: bool = False):
        """One value for both arms; a :class:`Disagreement`, or if ``strict`` the error at once, where there is none."""
        if a is b or (type(a) is type(b) and isinstance(a, (str, bool, int, float, complex, type(None))) and a == b and repr(a) == repr(b)):
            return a
        for each in (a, b):
            if isinstance(each, Disagreement) and not isinstance(each, Choice):
                return each
        if type(a) is type(b) and type(a) in (tuple, list) and len(a) == len(b):
            return type(a)([self.joined(condition, x, y, what, strict) for x, y in zip(a, b)])
        if type(a) is dict and type(b) is dict and a.keys() == b.keys():
            return {key: self.joined(condition, a[key], b[key], what, strict) for key in a}
        if isinstance(a, Cursor) and isinstance(b, Cursor) and a.values is b.values and a.at == b.at:
            return a
        if _is_numeric(a) and _is_numeric(b):
            return self._selected(condition, a, b, what)
        text = (f"the arms of the `if` ({self.place(self.line)}) disagree in {what}: {_kind(a)} in one, {_kind(b)} in the other. Both arms must leave the same "
                f"structure behind.")
        if strict:
            raise TracedBoolError(next((each.text for each in (a, b) if isinstance(each, Choice)), text))
        if any(each is None or isinstance(each, (str, Choice)) for each in (a, b)):
            return Choice(next((each.text for each in (a, b) if isinstance(each, Choice)), text), condition, a, b)
        return Disagreement(text)

    def _selected(self, condition: Traced, a, b, what: str):
        shapes = np.shape(a), np.shape(b)
        if shapes[0] != shapes[1]:
            return Disagreement(f"the arms of the `if` ({self.place(self.line)}) disagree in {what}: shape {shapes[0]} in one, {shapes[1]} in the other.")
        weak = {_weak(a), _weak(b)}
        self.trace.location = self.where()
        made = np.where(condition, a, b)
        self.trace.location = None
        return Traced(made.node, made.owner, float if weak == {float, int} else weak.pop()) if weak <= {float, int, bool} else made


def _kind_of(exception) -> str:
    return exception.__name__ if isinstance(exception, type) else type(exception).__name__


def _is_array(value) -> bool:
    return isinstance(value, (Traced, Buffer, np.ndarray)) and bool(np.shape(value))


def _is_mutable(value) -> bool:
    return type(value) in (list, dict) or _is_array(value)


def _has_other_names(name: str, env: dict) -> bool:
    """Do other variables show what this one does?"""
    value = _root(env[name])
    return any(_root(each) is value or (type(each) in (list, tuple) and any(_root(part) is value for part in each))
               for other, each in env.items() if other != name)


def _root(value):
    """What a value shares with its views."""
    if isinstance(value, np.ndarray):
        return value if value.base is None else value.base
    memory = value.memory if type(value) is Traced else None
    return value if memory is None else memory.root


def _is_numeric(value) -> bool:
    return isinstance(value, (Traced, Buffer, bool, int, float, np.generic, np.ndarray))


def _weak(value):
    if type(value) is Traced:
        return value.weak
    return type(value) if type(value) in (float, int, bool) else None


def _kind(value) -> str:
    return "None" if value is None else f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list, dict)) else type(value).__name__


def _named(name: str) -> str:
    return "what they give" if name.startswith("$") else f"`{_shown(name)}`"


def _shown(name: str) -> str:
    """A variable as the user knows it."""
    return name.partition(".")[0].lstrip("$")


__all__ = ["Joining"]
