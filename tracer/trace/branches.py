"""Branches on traced values: both arms are traced, and joined where they meet.

A function runs natively until it asks for the truth of a traced value. From then on it is interpreted, over the intermediate representation that
Numba's front end makes of its bytecode (no source text is needed). At a branch on a traced condition both arms are traced, on the same variables and
the same memory. Of several paths through the function the one that is behind goes on; where paths come together, what they have left is joined by
selects. A branch therefore costs both of its arms, forward and backward, but no more: code behind it is traced once, however many branches there
are. No NaN of the arm that is not taken gets through, since cotangents that pass a select are guarded.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import types
from collections.abc import Callable, Iterator

import numpy as np
from numba.core import ir

from ..errors import InPlaceError, TracedBoolError, TracerError
from .arm_memory import Cursor, Memory
from .buffers import Buffer
from .flow import LIBRARIES, OURS, RAISES, YIELDED, can_be_followed, compares_with_true
from .memory import memory_of
from .outcomes import EXIT, Outcome, Raised
from .statements import MISSING, Choice, Disagreement, Statements
from .turning import Turning, Unturnable
from .value import Traced, as_traced

ROUNDS = 100  # of a loop that a traced condition alone can end, where it cannot be a loop of the graph


def interpreted(function: types.FunctionType, branching: set[types.CodeType]) -> Callable:
    """The function, run by :class:`Interpreter`; ``branching``: the code of functions inside that branches on traced values, too."""
    @functools.wraps(function)
    def run(*args, **kwargs):
        return Interpreter(function, branching).call(args, kwargs)
    return run


class Interpreter(Statements):
    """Runs one call of a function block by block."""

    def __init__(self, function: types.FunctionType, branching: set[types.CodeType]):
        super().__init__(function)
        self.branching = branching
        self.around: Memory | None = None             # of the branch whose arm is being traced
        self.rounds: dict[int, int] = {}              # of endless loops, by the branch that ends them
        self.unrolled: dict[int, str] = {}            # loops that cannot be loops of the graph, by their first block, and why

    def make_function(self, e, env):
        made = super().make_function(e, env)
        code = made.__code__
        return interpreted(made, self.branching) if code in self.branching or (compares_with_true(code) and can_be_followed(code)) else made

    def call(self, args: tuple, kwargs: dict):
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        self.arguments = list(bound.arguments.values())
        yielded = [] if self.code.co_flags & inspect.CO_GENERATOR else None
        outcomes = self.run(min(self.flow.blocks), {} if yielded is None else {YIELDED: yielded}, frozenset())
        assert all(each.end is EXIT for each in outcomes)
        result = self._result(outcomes)
        return result if yielded is None else iter(yielded)

    # Control ---------------------------------------------------------------------------------------------------------------
    def run(self, label, env: dict, stops: frozenset) -> list[Outcome]:
        """From a block to one of ``stops`` or to the function's end. Of several paths the one that is behind goes on, and takes others up where they wait."""
        return self.continued([self._outcome(label, env)], stops)

    def continued(self, outcomes: list[Outcome], stops: frozenset) -> list[Outcome]:
        """The same for several paths."""
        outside = self.conditional
        while True:
            label = self._behind(outcomes, stops)
            if label is None:
                self.conditional = outside
                return outcomes
            waiting, env = self._arrived(outcomes, label)
            # Whether a path that raises has been left makes no difference to what others may do.
            others = [each.condition for each in waiting if not isinstance(each.value, Raised)]
            self.conditional = outside + bool(others)
            with self._on_path(lambda others=others: self._all(*map(self._not, others)) if others else None):
                made = self._until(label, env, stops, frozenset([each.end for each in waiting]))
            outcomes = [*waiting, *made]

    def _behind(self, outcomes: list[Outcome], stops: frozenset):
        """Where to go on: at the first block of those that paths have come to, unless it is a stop."""
        found = None
        for label in {each.end for each in outcomes}:
            if label is not EXIT and (found is None or self.flow.comes_before(label, found)):
                found = label
        return None if found in stops else found

    def _until(self, label: int, env: dict, stops: frozenset, ends: frozenset, is_inside: bool = False) -> list[Outcome]:
        """From a block to a branch on a traced value and through it, to a stop, or as far as other paths are. ``is_inside``: this is a round of a loop."""
        while True:
            if label in self.flow.turning and label not in self.unrolled and not is_inside:
                return self._turn(label, env)
            is_inside = False
            self._leave_loops(label)
            *body, last = self.flow.blocks[label].body
            for at, statement in enumerate(body):
                try:
                    self.execute(statement, env)
                except Exception as error:
                    if self.caught(error, body, at, env):
                        continue
                    if not self.conditional or not _is_raised_on_purpose(error):
                        raise
                    return [Outcome(EXIT, None, env, Raised(error, self.line), None, None)]
            self.line = last.loc.line
            if isinstance(last, ir.Return):
                return [self._outcome(EXIT, env, self.read(last.value, env))]
            if isinstance(last, RAISES):
                if not self.conditional:
                    raise self._exception(last, env)
                return [Outcome(EXIT, None, env, Raised(self._exception(last, env), self.line), None, None)]
            if isinstance(last, ir.Jump):
                label = last.target
            elif isinstance(last, ir.Branch):
                condition = self.read(last.cond, env)
                if self.is_traced(condition):
                    return self.both(label, last, condition, env, stops | (ends - {EXIT}))
                label = last.truebr if condition else last.falsebr
            else:
                self.execute(last, env)
                raise AssertionError(f"a block ends with {last}")
            if label in stops or any(each is not EXIT and (each == label or self.flow.comes_before(each, label)) for each in ends):
                return [self._outcome(label, env)]

    def _turn(self, label: int, env: dict) -> list[Outcome]:
        """A loop that no iterator ends, round by round until a round is left on a traced condition: from that on, it is a loop of the graph."""
        stops = self.flow.turning[label]
        kept = Memory(env, None, self.function, self.around)
        outcomes = self._until(label, dict(env), stops, frozenset(), is_inside=True)
        while True:
            outcomes = self.continued(outcomes, stops)
            again = [each for each in outcomes if each.end == label]
            if not again or (kept is None and self.trace is None):
                return outcomes
            if len(again) < len(outcomes):
                return self._turned(label, env, kept, outcomes)
            _, env = self._arrived(outcomes, label)
            kept = None
            outcomes = self._until(label, dict(env), stops, frozenset(), is_inside=True)

    def _turned(self, label: int, env: dict, kept: Memory | None, outcomes: list[Outcome]) -> list[Outcome]:
        """The ways out of a loop whose round has ended in several ways: from the beginning of its first round, or behind the round that there was."""
        try:
            if kept is not None:
                kept.put(kept.start)
                return Turning(self, label, env, self.flow.turning[label]).outcomes()
        except (Unturnable, TracerError):
            pass  # its first round may be another than all later ones
        waiting, env = self._arrived(outcomes, label)
        others = [each.condition for each in waiting]
        try:
            with self._on_path(lambda: self._all(*map(self._not, others))):
                return [*waiting, *Turning(self, label, env, self.flow.turning[label]).outcomes()]
        except (Unturnable, TracerError) as error:
            self.unrolled[label] = str(error)
            return outcomes

    def _outcome(self, end, env: dict, value=None) -> Outcome:
        memory = self.around
        if memory is None and self.trace is not None:
            memory = Memory(env, self.trace, self.function, None)
        return Outcome(end, None, env, value, memory, None if memory is None else memory.state())

    def _leave_loops(self, label: int) -> None:
        """Forget the rounds of loops that have ended."""
        for branch in [each for each in self.rounds if label not in self.flow.endless[each]]:
            del self.rounds[branch]

    def both(self, label: int, branch: ir.Branch, condition: Traced, env: dict, stops: frozenset) -> list[Outcome]:
        """Trace both arms, up to where they come together or leave."""
        line, around = self.line, self.around
        self.trace = condition.owner
        condition = condition if condition.node.type.is_bool else condition != 0
        condition = np.reshape(condition, ()) if condition.shape else condition
        self._count_round(label)
        stops = stops | self.flow.stops[label]
        self.around = memory = Memory(env, self.trace, self.function, around)
        self.conditional += 1
        arms = []
        for target, is_taken in ((branch.truebr, lambda: condition), (branch.falsebr, lambda: self._not(condition))):
            memory.put(memory.start)
            with self._on_path(is_taken), self._knowing(condition, target == branch.truebr, env) as known:
                arms.append(self.run(target, known, stops))
        self.conditional -= 1
        self.around, self.line = around, line
        yes, no = [[each if each.line else each._replace(line=line) for each in arm] for arm in arms]
        return [*[each._replace(condition=self._all(condition, each.condition)) for each in yes], *no]

    @contextlib.contextmanager
    def _on_path(self, condition: Callable) -> Iterator[None]:
        """What functions are called meanwhile is run under this condition; it is made when it is needed."""
        if self.trace is None:
            yield
            return
        self.trace.path.append(condition)
        try:
            yield
        finally:
            self.trace.path.pop()

    @contextlib.contextmanager
    def _knowing(self, condition: Traced, is_true: bool, env: dict) -> Iterator[dict]:
        """The variables where a condition is true, or where it is not; what is done meanwhile is done there."""
        self.known.append((condition, is_true))
        try:
            yield {name: each.where(condition, is_true) if isinstance(each, Choice) else each for name, each in env.items()}
        finally:
            self.known.pop()

    def _not(self, condition: Traced) -> Traced:
        return self.placed(np.logical_not, condition)

    def _count_round(self, label: int) -> None:
        if label in self.flow.endless:
            self.rounds[label] = self.rounds.get(label, 0) + 1
            if self.rounds[label] > ROUNDS:
                why = next((text for first, text in self.unrolled.items() if label in self.flow.inside[first]), "")
                raise TracedBoolError(
                    f"a loop in {self.code.co_name}() ({self.place(self.line)}) is left by a traced condition, and after {ROUNDS} rounds there is no end: "
                    f"how often it turns depends on the arguments. It cannot be a loop of the graph: {why} Have each round leave what the next one needs "
                    f"as numbers and arrays that keep their shapes, or write a `for` over a fixed range with an `if` inside.")

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
            value = self.joined(each.condition, each.value, value, "the results", strict=True)
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



def _is_raised_on_purpose(error: Exception) -> bool:
    """Does the error come from a `raise` or `assert` of the user's, and not from an operation or a library?"""
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    code = step.tb_frame.f_code
    is_theirs = code is Interpreter._until.__code__ or not code.co_filename.startswith((*LIBRARIES, *OURS))
    return is_theirs and not isinstance(error, TracerError) and code.co_code[step.tb_lasti] == dis.opmap["RAISE_VARARGS"]


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


__all__ = ["ROUNDS", "Interpreter", "interpreted"]
