"""Loops that a traced condition ends: one round is traced, and becomes the body of a ``while`` of the graph.

What the round changes is carried from one to the next: variables, elements of lists and dicts, whole arrays. Which these are is found by tracing: what
is not what it was in front is a variable of the body when the round is traced again, until nothing else changes. Where a loop may be left in
several places, a number says in which it was, and what is needed behind it is carried too.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from ..ops import TABLE
from .arm_memory import Cursor, Disagreement, Memory
from .buffers import Buffer
from .capture import capture, variables
from .context import Trace, user_location
from .memory import Storage, copied
from .outcomes import EXIT, Outcome, Raised
from .value import Traced, as_traced, cast

WHILE = TABLE["while"]
PASSES = 12  # over the body, until it is known what goes from one round to the next, and with which dtypes
LENGTH, WAY, FAILED = object(), ("way out",), ("has failed",)  # places: of how long a list is; where the loop is left; of whether it would raise an exception
_COMPARED = (bool, int, float, str, type(None), tuple, frozenset)


def turned(trace: Trace, going: Traced, before: list[Traced], given: list[Traced], again: Traced, made: list[Traced]) -> list[Traced]:
    """What is carried behind a loop that begins with ``before`` if ``going`` is true. One round makes ``made`` of the variables ``given``, and there is
    another one if ``again`` is true then."""
    found = capture(given, [again, *made], trace.name)
    operands, body = (going.node, *[each.node for each in before], *found.taken), trace.body(found.graph)
    finals = [trace.builder.node(WHILE, operands, (body, 1 + k), trace.location or user_location()) for k in range(len(made))]
    return [Traced(node, trace, first.weak if value.weak else None) for node, first, value in zip(finals, before, made)]


class Unturnable(Exception):
    """Why a loop cannot be one of the graph."""


class Round(NamedTuple):
    """What a round leaves: the values of places for the next one, and where else it ends, each with the values that are needed there."""

    following: dict[tuple, object]
    leaving: list[Outcome]
    left: list[dict[tuple, object]]


class Turning:
    """A loop from the beginning of a round on. A place is ("variable", name, …) or ("memory", number of an object, …), and the way to a part of it."""

    def __init__(self, interpreter, label: int, env: dict, stops: frozenset):
        self.interpreter, self.label, self.stops = interpreter, label, stops
        self.trace: Trace = interpreter.trace
        live = interpreter.flow.live[label]
        self.env = {name: value for name, value in env.items() if name in live}
        self.memory = Memory(self.env, self.trace, interpreter.function, interpreter.around)
        self.start = self._places(self.env)
        self.before: dict[tuple, Traced] = {}  # what is carried, as it is in front of the loop

    def outcomes(self) -> list[Outcome]:
        """How the loop may end."""
        outside, failures = self.trace.path, self.trace.failures
        path = [condition for make in outside if (condition := make()) is not None]
        self.trace.path = []
        try:
            for _ in range(PASSES):
                self.trace.failures = []
                found = self._traced()
                if found is not None:
                    break
            else:
                raise Unturnable("its variables have another dtype in each round")
            fails = self.trace.failures
        finally:
            self.trace.path, self.trace.failures = outside, failures
        return self._behind(self.interpreter._all(*path) if path else as_traced(True, self.trace), *found, fails)

    # One round --------------------------------------------------------------------------------------------------------------
    def _traced(self) -> tuple[dict[tuple, Traced], Round] | None:
        """The variables of the body and what a round makes of them; None where something has to be carried that was not, or with another dtype."""
        carried = self.before
        given = dict(zip(carried, variables(self.trace, [each.type for each in carried.values()], [each.weak for each in carried.values()])))
        self.memory.put(self.memory.start)
        round = self._round(self._set(self.env, given))
        return (given, round) if self._fits(round.following) else None

    def _round(self, env: dict) -> Round:
        interpreter = self.interpreter
        around, interpreter.around = interpreter.around, self.memory
        interpreter.conditional += 1
        try:
            outcomes = interpreter.continued(interpreter._until(self.label, env, self.stops, frozenset(), is_inside=True), self.stops)
            if not any(each.end == self.label for each in outcomes):
                raise Unturnable("it does not turn twice")
            leaving, env = interpreter._arrived(outcomes, self.label)
            env = {name: value for name, value in env.items() if name in self.env}
            self._refuse_aliases(env)
            # Of what is the same object as in front of the loop, memory tells.
            following = self._places({name: value for name, value in env.items() if value is not self.env.get(name) or type(value) not in (list, dict, Traced)})
            return Round(following, leaving, [self._left(each) for each in leaving])
        finally:
            interpreter.conditional -= 1
            interpreter.around = around

    def _left(self, outcome: Outcome) -> dict[tuple, object]:
        """What is needed where the loop is left."""
        if isinstance(outcome.value, Raised):
            return {}
        (outcome.memory or self.memory).put(outcome.state)
        return self._places(self._needed_behind(outcome))

    def _needed_behind(self, outcome: Outcome) -> dict:
        if outcome.end is EXIT:
            return {EXIT: outcome.value}
        return {name: value for name, value in outcome.env.items() if name in self.interpreter.flow.live[outcome.end]}

    def _refuse_aliases(self, env: dict) -> None:
        """Two names of one array that a round has made would be two arrays in the next."""
        seen: dict[int, str] = {}
        for name, value in env.items():
            if type(value) is Traced and value.memory is not None and value is not self.env.get(name):
                root = id(value.memory.root)
                if root in seen or ("memory", root) in self.before:
                    raise Unturnable(f"`{_name(('variable', name))}` is the same array as another variable")
                seen[root] = name

    # Places ------------------------------------------------------------------------------------------------------------------
    def _places(self, env: dict) -> dict[tuple, object]:
        """What variables and memory hold now, taken apart."""
        found: dict[tuple, object] = {}
        for name, value in env.items():
            found.update(_parts(("variable", name), value))
        for key, each in self.memory.objects.items():
            if isinstance(each, Storage):
                found["memory", key] = Traced(each.current(), self.trace)
            elif isinstance(each, (list, dict)):
                found.update(_parts(("memory", key), each))
            else:
                found["memory", key] = each.at if isinstance(each, Cursor) else frozenset(each)
        return found

    def _set(self, env: dict, given: dict[tuple, Traced]) -> dict:
        """The variables, with these values in their places; what is in memory is changed."""
        for key, each in self.memory.objects.items():
            if isinstance(each, Storage) and ("memory", key) in given:
                each.write_whole(given["memory", key].node)
            elif isinstance(each, (list, dict)):
                for part, value in list(enumerate(each) if isinstance(each, list) else each.items()):
                    each[part] = _rebuilt(("memory", key, part), value, given)
        return {name: _rebuilt(("variable", name), value, given) for name, value in env.items()}

    def _fits(self, values: dict[tuple, object]) -> bool:
        """Are these the places that are carried, and as they are carried? What is not will be, from now on."""
        fits = True
        for place, value in values.items():
            mine = self.before.get(place)
            if mine is not None:
                fits &= self._agrees(place, mine, value)
            elif not self._is_same(place, value):
                self._carry(place, value)
                fits = False
        return fits

    def _is_same(self, place: tuple, value) -> bool:
        start = self.start.get(place, self)
        if type(start) is Traced and type(value) is Traced:
            return start.node is value.node
        return start is value or (type(start) is type(value) and isinstance(value, _COMPARED) and start == value and repr(start) == repr(value))

    def _carry(self, place: tuple, value) -> None:
        start = self.start.get(place)
        if isinstance(value, Disagreement):
            raise Unturnable(value.text)
        if place[-1] is LENGTH or not _is_number(value) or not _is_number(start):
            raise Unturnable(f"{_name(place)} is {_kind(start)} before a round and {_kind(value)} after it")
        if np.shape(start) != np.shape(value):
            raise Unturnable(f"{_name(place)} has shape {np.shape(start)} before a round and {np.shape(value)} after it")
        self.before[place] = as_traced(start, self.trace)

    def _agrees(self, place: tuple, mine: Traced, value) -> bool:
        """Does what a round makes have the dtype of what it is given? If not, what is in front of the loop is converted."""
        if isinstance(value, Disagreement):
            raise Unturnable(value.text)
        if not _is_number(value) or np.shape(value) != mine.shape:
            raise Unturnable(f"{_name(place)} has shape {mine.shape} before a round and is {_kind(value)} of shape {np.shape(value)} after it")
        value = as_traced(value, self.trace)
        if value.dtype == mine.dtype:
            if mine.weak is None or value.weak is not None:
                return True
            self.before[place] = Traced(mine.node, self.trace)
            return False
        if value.weak is not None and np.can_cast(value.dtype, mine.dtype, "same_kind"):
            return True
        if not np.can_cast(mine.dtype, value.dtype, "same_kind"):
            raise Unturnable(f"{_name(place)} has dtype {mine.dtype} before a round and {value.dtype} after it")
        self.before[place] = Traced(cast(mine, value.dtype).node, self.trace, value.weak)
        return False

    # Behind the loop -----------------------------------------------------------------------------------------------------------
    def _behind(self, going: Traced, given: dict[tuple, Traced], round: Round, fails: list[tuple]) -> list[Outcome]:
        """The node, and the ways out of it."""
        interpreter, before, inside = self.interpreter, dict(self.before), dict(given)
        made = {place: cast(as_traced(round.following[place], self.trace), mine.dtype) for place, mine in before.items()}
        ways = list(enumerate(zip(round.leaving, round.left)))
        for number, (leaving, values) in reversed(ways):
            for place, value in values.items():
                if self._is_made(place, value):
                    key = self._key(number, place, value)
                    if key not in before:
                        before[key] = made[key] = self._nothing(value)
                    made[key] = self._merged(leaving.condition, value, made[key])
        if len(ways) > 1:
            before[WAY] = made[WAY] = as_traced(0, self.trace)
            for number, (leaving, _) in reversed(ways):
                made[WAY] = self._merged(leaving.condition, number, made[WAY])
        if fails:
            before[FAILED] = as_traced(False, self.trace)
        for key in before.keys() - given.keys():
            inside[key], = variables(self.trace, [before[key].type], [before[key].weak])
        if fails:
            made[FAILED] = interpreter.placed(functools.reduce, np.logical_or, [inside[FAILED], *[each[0] for each in fails]])
        again = interpreter._all(*[interpreter._not(each.condition) for each in round.leaving])
        columns = [[values[key] for key in before] for values in (before, inside, made)]
        finals = dict(zip(before, interpreter.placed(turned, self.trace, going, columns[0], columns[1], again, columns[2])))
        if fails:
            self.trace.failures.append((finals[FAILED], *fails[0][1:]))
        return [self._outcome(number, len(ways), leaving, values, finals) for number, (leaving, values) in ways]

    def _key(self, number: int, place: tuple, value) -> tuple:
        """Where what is needed behind the loop goes on being carried."""
        mine, value = self.before.get(place), as_traced(value, self.trace)
        return place if mine is not None and (value.shape, value.dtype) == (mine.shape, mine.dtype) else ("left", number, *place)

    def _merged(self, condition: Traced, value, other: Traced) -> Traced:
        value = as_traced(value, self.trace)
        return other if value.node is other.node else cast(self.interpreter._selected(condition, value, other, "a variable"), other.dtype)

    def _is_made(self, place: tuple, value) -> bool:
        """Is a value that is needed behind the loop one of a round, and not one that is known?"""
        return _is_number(value) and place[-1] is not LENGTH and (place in self.before or (type(value) is Traced and not self._is_same(place, value)))

    def _nothing(self, value) -> Traced:
        value = as_traced(value, self.trace)
        zero = as_traced(np.zeros((), value.dtype), self.trace)
        return Traced((np.broadcast_to(zero, value.shape) if value.shape else zero).node, self.trace, value.weak)

    def _outcome(self, number: int, ways: int, leaving: Outcome, values: dict[tuple, object], finals: dict) -> Outcome:
        interpreter, value = self.interpreter, leaving.value
        condition = interpreter.placed(lambda: finals[WAY] == number) if number < ways - 1 else None
        env: dict = {}
        if not isinstance(value, Raised):
            (leaving.memory or self.memory).put(leaving.state)
            found = {place: finals[self._key(number, place, each)] for place, each in values.items() if self._is_made(place, each)}
            env = self._set(self._needed_behind(leaving), found)
            value = env.pop(EXIT, None)
        return Outcome(leaving.end, condition, env, value, self.memory, self.memory.state(), leaving.line or interpreter.line)


def _parts(place: tuple, value) -> Iterator[tuple[tuple, object]]:
    """The numbers in a tree of tuples, lists and dicts, by their places; of arrays what they hold now."""
    kind = type(value)
    if kind in (tuple, list, dict):
        yield (*place, LENGTH), (kind, len(value))
        for key, each in value.items() if kind is dict else enumerate(value):
            yield from _parts((*place, key), each)
    else:
        yield place, Traced(value.node, value.owner, value.weak) if kind is Traced else value


def _rebuilt(place: tuple, value, given: dict[tuple, Traced]):
    """A tree with other numbers in these places; the same where there are none."""
    if place in given:
        found = given[place]
        return copied(found) if found.shape else found
    kind = type(value)
    if kind not in (tuple, list, dict):
        return value
    keys = list(value) if kind is dict else range(len(value))
    parts = [_rebuilt((*place, key), value[key], given) for key in keys]
    if all([part is value[key] for key, part in zip(keys, parts)]):
        return value
    return dict(zip(keys, parts)) if kind is dict else kind(parts)


def _is_number(value) -> bool:
    return isinstance(value, (Traced, Buffer, bool, int, float, np.generic, np.ndarray))


def _kind(value) -> str:
    if type(value) is tuple:
        return f"a {value[0].__name__} of {value[1]}"
    return "a number" if _is_number(value) and not np.shape(value) else "an array" if _is_number(value) else repr(value)


def _name(place: tuple) -> str:
    """A place as the user knows it."""
    return f"`{place[1].partition('.')[0].lstrip('$')}`" if place[0] == "variable" and type(place[1]) is str else "a list, a dict or an array"


__all__ = ["Turning", "Unturnable", "turned"]
