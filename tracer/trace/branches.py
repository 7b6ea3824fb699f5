"""Branches on traced values: both arms are traced, and joined where they meet.

A function runs natively until it asks for the truth of a traced value. From then on it is interpreted, over the intermediate representation that
Numba's front end makes of its bytecode (no source text is needed). At a branch on a traced condition both arms are traced, on the same variables and
the same memory. Of several paths through the function the one that is behind goes on; where paths come together, what they have left is joined by
selects (``joining``), so that code behind a branch is traced once, however many there are. A loop that a traced condition ends is one of the
graph (``turning``). What is dear in one arm becomes a real branch once the trace is there (``tracer.arms``). No NaN of the arm that is not taken
gets through, since cotangents that pass a select or a branch are guarded.
"""

from __future__ import annotations

import contextlib
import dis
import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator

import numpy as np
from numba.core import ir

from ..errors import TracedBoolError, TracerError
from .arm_memory import Memory
from .choice import Choice, answers, choice_in, same_question
from .flow import LIBRARIES, OURS, RAISES, YIELDED, can_be_followed, compares_with_true
from .joining import Joining
from .outcomes import EXIT, Outcome, Raised
from .turning import Turning, Unturnable
from .value import Traced

_INTERPRETERS = Joining.call_.__code__.co_filename
ROUNDS = 100  # of a loop that a traced condition alone can end, where it cannot be a loop of the graph


def interpreted(function: types.FunctionType, branching: set[types.CodeType]) -> Callable:
    """The function, run by :class:`Interpreter`; ``branching``: the code of functions inside that branches on traced values, too."""
    @functools.wraps(function)
    def call_interpreted(*args, **kwargs):
        result = Interpreter(function, branching).call(args, kwargs)
        unanswered = choice_in(result)
        # Only who is interpreted too can ask what it is; the error makes the caller that, if it is a function of the user.
        if unanswered is not None and sys._getframe(1).f_code.co_filename != _INTERPRETERS:
            raise TracedBoolError(unanswered.text)
        return result
    return call_interpreted


class Interpreter(Joining):
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
                return [self._outcome(EXIT, env, self.read_choice(last.value, env))]
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
            if not again:
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
            yield {name: self._known_to_be(each, condition, is_true) if isinstance(each, Choice) else each for name, each in env.items()}
        finally:
            self.known.pop()

    def _known_to_be(self, choice: Choice, condition: Traced, is_true: bool):
        """A choice where a condition is true, or where it is not. The condition may be that it is None, which several branches have had a part in."""
        is_none = choice.equals(None, self.placed)
        if type(is_none) is not Traced or not same_question(condition, is_none):
            return choice.where(condition, is_true)
        if answers(condition, is_none) is is_true:
            return None
        return choice.without_none(lambda asked, a, b: self.joined(asked, a, b, "the results"))

    def _count_round(self, label: int) -> None:
        if label in self.flow.endless:
            self.rounds[label] = self.rounds.get(label, 0) + 1
            if self.rounds[label] > ROUNDS:
                why = next((text for first, text in self.unrolled.items() if label in self.flow.inside[first]), "")
                raise TracedBoolError(
                    f"a loop in {self.code.co_name}() ({self.place(self.line)}) is left by a traced condition, and after {ROUNDS} rounds there is no end: "
                    f"how often it turns depends on the arguments. It cannot be a loop of the graph: {why} Have each round leave what the next one needs "
                    f"as numbers and arrays that keep their shapes, or write a `for` over a fixed range with an `if` inside.")

def _is_raised_on_purpose(error: Exception) -> bool:
    """Does the error come from a `raise` or `assert` of the user's, and not from an operation or a library?"""
    step = error.__traceback__
    while step.tb_next is not None:
        step = step.tb_next
    code = step.tb_frame.f_code
    is_theirs = code is Interpreter._until.__code__ or not code.co_filename.startswith((*LIBRARIES, *OURS))
    return is_theirs and not isinstance(error, TracerError) and code.co_code[step.tb_lasti] == dis.opmap["RAISE_VARARGS"]


__all__ = ["ROUNDS", "Interpreter", "interpreted"]
