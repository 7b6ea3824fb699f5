"""Loops and branches that the user says: ``scan``, ``fori_loop``, ``cond``.

In a traced function the body is traced once and becomes one node of the graph, whatever the number of iterations. Called with plain numbers and
arrays, or with eager tensors, they are the Python loops that they stand for.
"""

from __future__ import annotations

import operator
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .errors import ArgumentError, CarryError, InPlaceError
from .graph.types import ArrayType, array_type
from .ops import TABLE
from .rolling.bodies import Body, reshaped, row_of, rows_of
from .rolling.capture import capture, capture_since, variables
from .rolling.distribute import outputs_of
from .rolling.segments import segmented
from .trace.arm_memory import Memory
from .trace.buffers import Buffer
from .trace.context import Trace, user_location
from .trace.session import current_session
from .trace.static import Static
from .trace.trees import DATA, Describer, Spec, build, data_count, path_text
from .trace.value import Traced, as_traced, cast, user_line_of

_NUMBERS = (Traced, Buffer, bool, int, float, np.generic, np.ndarray)
BRANCH = TABLE["branch"]
RETRACED = 3  # times that a body may be traced until what goes in and what comes out have the same dtypes


def scan(f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, checkpoint: bool = False) -> tuple[Any, Any]:
    """``carry, y = f(carry, x)`` for each x along the first axis of ``xs``; returns ``(last carry, ys stacked along a new first axis)``.

    ``init`` (the first carry), ``xs`` and what ``f`` returns may be trees of numbers and arrays. The carry keeps its structure, shapes and dtypes. ``xs``
    may be None, with ``length`` iterations. With ``reverse`` the loop runs from the last x to the first, and ``ys[i]`` is made from ``xs[i]``.
    Semantics are those of ``jax.lax.scan``.

    A gradient keeps the carries of all iterations; with ``checkpoint=True`` it keeps about 2√length of them and computes the others once more.

    Raises CarryError (a TypeError) where the carry does not fit, ArgumentError where lengths disagree.
    """
    describer = Describer(_leaf)
    specs = describer(init, (("arg", "init"),)), describer(xs, (("arg", "xs"),))
    trace = _trace_of(describer.leaves)
    if trace is None:
        return _plain_scan(f, init, describer, specs[1], length, reverse)
    return _Scan(trace, f, describer, specs, length, bool(reverse), bool(checkpoint)).run()


def fori_loop(lower: int, upper: int, body: Callable, init: Any) -> Any:
    """``value = body(i, value)`` for i from ``lower`` to ``upper`` (exclusive), beginning with ``init``; returns the last value.

    Semantics are those of ``jax.lax.fori_loop``. The value keeps its structure, shapes and dtypes. The bounds are integers that are known when the
    graph is built; integer arguments are part of the key then.
    """
    low, high = operator.index(lower), operator.index(upper)
    if _trace_of(_leaves_of(init)) is None:
        value = init
        for i in range(low, high):
            value = body(i, value)
        return value
    if high <= low:
        return init
    return scan(lambda value, i: (body(i, value), None), init, np.arange(low, high))[0]


def cond(pred: Any, true_fun: Callable, false_fun: Callable, *operands: Any) -> Any:
    """``true_fun(*operands)`` where ``pred`` is true, else ``false_fun(*operands)``: a branch of which only the arm that is taken is computed, and derived.

    ``pred`` is a bool or a number without axes. Operands and results are trees of numbers and arrays; the arms must return the same structure with the same
    shapes and dtypes. They change nothing in place that comes from around them. Semantics are those of ``jax.lax.cond``.

    Raises CarryError (a TypeError) where the arms return what does not fit together, InPlaceError where one changes an array, a list or a dict from around it.
    """
    if type(pred) is not Traced:
        return (true_fun if pred else false_fun)(*operands)
    if pred.shape:
        raise ArgumentError(f"cond(){_place()} is asked to choose by an array of shape {pred.shape}; it takes one bool. Reduce it with np.any or np.all, or "
                            f"choose element by element with np.where.")
    return _Branch(pred.owner, (true_fun, false_fun), operands).run(pred)


# Where a call stands ------------------------------------------------------------------------------------------------------------

def _leaf(value, path):
    return DATA if isinstance(value, _NUMBERS) or _is_tensor(value) else Static(value, None if value is None else (id(value),))


def _leaves_of(value) -> list:
    describer = Describer(_leaf)
    describer(value)
    return describer.leaves


def _is_tensor(value) -> bool:
    eager = sys.modules.get("tracer.eager")
    return eager is not None and isinstance(value, eager.Tensor)


def _trace_of(leaves: Sequence) -> Trace | None:
    """The trace that a loop over these values belongs to; None where it runs as it is."""
    for leaf in leaves:
        if type(leaf) is Traced:
            return leaf.owner
    session = current_session()
    return session.trace if session is not None and not any(map(_is_tensor, leaves)) else None


def _place() -> str:
    line = user_line_of(user_location(2))
    return f" ({line})" if line else ""


def _iterations(describer: Describer, first: int, length: int | None, name: str) -> int:
    """How often a loop over the leaves behind the first turns."""
    found = {} if length is None else {"length": operator.index(length)}
    for leaf, path in zip(describer.leaves[first:], describer.paths[first:]):
        shape = np.shape(leaf)
        if not shape:
            raise ArgumentError(f"{name}(){_place()} goes through {path_text(path)} row by row, and it is a single number. Hand over an array, or take the "
                                f"number from around the body.")
        found[path_text(path)] = shape[0]
    if not found:
        raise ArgumentError(f"{name}(){_place()} is given neither xs nor length, so how often it turns is not said. Write length=n.")
    if len(set(found.values())) > 1:
        raise ArgumentError(f"{name}(){_place()} is given different numbers of iterations: {', '.join(f'{key} {n}' for key, n in found.items())}.")
    count = next(iter(found.values()))
    if count < 0:
        raise ArgumentError(f"{name}(){_place()} is given length={count}; it takes 0 or more.")
    return count


def _pair(result, name: str) -> tuple:
    if type(result) is not tuple or len(result) != 2:
        raise CarryError(f"the body of {name}(){_place()} returns {_kind(result)}; it must return a pair (carry, y), with None for y where there is none.")
    return result


def _kind(value) -> str:
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list, dict)) else f"a {type(value).__name__}"


# Without a trace ------------------------------------------------------------------------------------------------------------------

def _plain_scan(f: Callable, init, describer: Describer, spec: Spec, length, reverse: bool) -> tuple:
    first = len(_leaves_of(init))
    count = _iterations(describer, first, length, "scan")
    rows = describer.leaves[first:]
    carry, made = init, [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        carry, made[i] = _pair(f(carry, build(spec, iter([leaf[i] for leaf in rows]))), "scan")
    return carry, _stacked(made)


def _stacked(values: list):
    """The leaves of equal trees, each stacked along a new first axis."""
    if not values:
        return None
    trees = []
    for value in values:
        describer = Describer(_leaf)
        trees.append((describer(value), describer.leaves))
    stack = sys.modules["tracer.eager"].stack if any(map(_is_tensor, trees[0][1])) else np.stack
    return build(trees[0][0], iter([stack(list(leaves)) for leaves in zip(*[each for _, each in trees])]))


# In a trace -----------------------------------------------------------------------------------------------------------------------

class _Traced(NamedTuple):
    """What tracing a body gave: its variables and results, and the structure of what it made beside the carry."""

    given: list[Traced]
    carry: list[Traced]
    made: list[Traced]
    spec: Spec


class _Carried:
    """A tree that goes from one iteration to the next, as the leaves that it has now."""

    def __init__(self, trace: Trace, spec: Spec, leaves: Sequence, paths: Sequence, name: str):
        self.trace, self.spec, self.paths, self.name = trace, spec, paths, name
        self.leaves = [as_traced(leaf, trace) for leaf in leaves]

    def types(self) -> list[ArrayType]:
        return [leaf.type for leaf in self.leaves]

    def weak(self) -> list[type | None]:
        return [leaf.weak for leaf in self.leaves]

    def fitted(self, result) -> list[Traced] | None:
        """The leaves of what the body returned for it; None when its own dtypes had to follow, and the body has to be traced again."""
        describer = Describer(_leaf)
        spec = describer(result, self.paths[0][:1] if self.paths else ())
        if spec != self.spec:
            raise CarryError(f"the body of {self.name}(){_place()} is given {_kind(build(self.spec, iter(self.leaves)))} and returns {_kind(result)} in its "
                             f"place: it must return the same structure.")
        again, found = False, []
        for k, value in enumerate(describer.leaves):
            value, mine = as_traced(value, self.trace), self.leaves[k]
            if value.shape != mine.shape:
                raise CarryError(f"the body of {self.name}(){_place()} is given {path_text(self.paths[k])} of shape {mine.shape} and returns shape "
                                 f"{value.shape} for it: shapes must stay. Start with an array of the shape that it is to have.")
            if value.dtype != mine.dtype:
                value, again = self._converted(k, value, again)
            found.append(value)
        return None if again else found

    def _converted(self, k: int, value: Traced, again: bool) -> tuple[Traced, bool]:
        mine = self.leaves[k]
        if value.weak is not None and np.can_cast(value.dtype, mine.dtype, "same_kind"):
            return cast(value, mine.dtype), again
        if mine.weak is not None and np.can_cast(mine.dtype, value.dtype, "same_kind"):
            self.leaves[k] = cast(mine, value.dtype)
            return value, True
        raise CarryError(f"the body of {self.name}(){_place()} is given {path_text(self.paths[k])} of dtype {mine.dtype} and returns {value.dtype} for it: "
                         f"dtypes must stay. Convert one of them with .astype({value.dtype.name!r}) or .astype({mine.dtype.name!r}).")


class _Scan:
    """A scan in a trace."""

    def __init__(self, trace: Trace, f: Callable, describer: Describer, specs: tuple[Spec, Spec], length, reverse: bool, checkpoint: bool):
        self.trace, self.f, self.spec = trace, f, specs[1]
        first = data_count(specs[0])
        self.length = _iterations(describer, first, length, "scan")
        self.carried = _Carried(trace, specs[0], describer.leaves[:first], describer.paths[:first], "scan")
        self.rows = [as_traced(leaf, trace) for leaf in describer.leaves[first:]]
        self.reverse, self.checkpoint = reverse, checkpoint

    def run(self) -> tuple:
        traced = self._trace_body()
        found = capture(traced.given, [*traced.carry, *traced.made], self.trace.name)
        states, made = len(traced.carry), range(len(traced.carry), len(traced.carry) + len(traced.made))
        if not self.length:
            finals, outputs = self.carried.leaves, [as_traced(np.zeros((0, *each.shape), each.dtype), self.trace) for each in traced.made]
        else:
            rows = [rows_of(each, self.length - 1, self.length, -1) for each in self.rows] if self.reverse else self.rows
            wholes = [Traced(node, self.trace) for node in found.taken]
            before = [reshaped(each, (1, *each.shape)) for each in self.carried.leaves]
            body = Body(found.graph, self.length, before, [(k, 1) for k in range(states)], rows, wholes)
            finals, outputs = self._looped(body, states, made)
        if self.reverse and self.length:
            outputs = [rows_of(each, self.length - 1, self.length, -1) for each in outputs]
        finals = [Traced(each.node, self.trace, before.weak if value.weak else None) for each, before, value in zip(finals, self.carried.leaves, traced.carry)]
        return build(self.carried.spec, iter(finals)), build(traced.spec, iter(outputs))

    def _looped(self, body: Body, states: int, made: range) -> tuple[list[Traced], list[Traced]]:
        if not (body.before or body.rows or body.wholes):
            # Numbers that are the same in every iteration.
            return [], [as_traced(np.repeat(np.asarray(_number(node))[None], body.length, 0), self.trace) for node in body.graph.outputs]
        if self.checkpoint and states:
            return segmented(body, made, self.trace)
        found = outputs_of(body, [*range(states), *made], self.trace)
        return [row_of(each, body.length - 1) for each in found[:states]], found[states:]

    def _trace_body(self) -> _Traced:
        for _ in range(RETRACED):
            given = variables(self.trace, [*self.carried.types(), *[_row_type(each) for each in self.rows]], [*self.carried.weak(), *[None] * len(self.rows)])
            leaves = iter(given)
            carry, y = _pair(self.f(build(self.carried.spec, leaves), build(self.spec, leaves)), "scan")
            fitted = self.carried.fitted(carry)
            if fitted is not None:
                describer = Describer(_leaf)
                spec = describer(y)
                return _Traced(given, fitted, [as_traced(leaf, self.trace) for leaf in describer.leaves], spec)
        raise CarryError(f"the body of scan(){_place()} returns another dtype for its carry each time: start with an array of the dtype that it is to have.")


def _without_names() -> None:
    """Stands for a callable of which nothing says what it reaches."""


class _Branch:
    """A branch in a trace."""

    def __init__(self, trace: Trace, arms: tuple[Callable, Callable], operands: tuple):
        self.trace, self.arms = trace, arms
        describer = Describer(_leaf)
        self.spec = describer(operands)
        self.leaves = describer.leaves

    def run(self, pred: Traced):
        first = len(self.trace.builder)
        (spec, left), (other, right) = [self._trace_arm(arm) for arm in self.arms]
        if spec != other:
            raise CarryError(f"the arms of cond(){_place()} return {_kind(build(spec, iter(left)))} and {_kind(build(other, iter(right)))}: they must return "
                             f"the same structure.")
        pairs = [self._fitted(*pair) for pair in zip(left, right)]
        arms = capture_since(self.trace, first, list(zip(*pairs)) or [(), ()])
        condition = (pred if pred.dtype == bool else pred != 0).node
        attrs = tuple([each.graph for each in arms])
        made = [Traced(self.trace.builder.node(BRANCH, (condition, *arms[0].taken), (*attrs, k), user_location()), self.trace,
                       a.weak if b.weak else None) for k, (a, b) in enumerate(pairs)]
        return build(spec, iter(made))

    def _trace_arm(self, arm: Callable) -> tuple[Spec, list[Traced]]:
        names = arm if isinstance(arm, types.FunctionType) else _without_names
        around = Memory({"operands": self.leaves}, self.trace, names, None)
        result = arm(*build(self.spec, iter(self.leaves)))
        if around.was_written():
            raise InPlaceError(f"an arm of cond(){_place()} changes an array, a list or a dict from around it, which would happen whether the arm is taken or "
                               f"not. Change a copy, and return it from both arms.")
        describer = Describer(_leaf)
        spec = describer(result)
        return spec, [as_traced(leaf, self.trace) for leaf in describer.leaves]

    def _fitted(self, a: Traced, b: Traced) -> tuple[Traced, Traced]:
        if a.shape != b.shape:
            raise CarryError(f"the arms of cond(){_place()} return shapes {a.shape} and {b.shape}: they must be the same.")
        if a.dtype != b.dtype:
            if a.weak is not None and np.can_cast(a.dtype, b.dtype, "same_kind"):
                return cast(a, b.dtype), b
            if b.weak is not None and np.can_cast(b.dtype, a.dtype, "same_kind"):
                return a, cast(b, a.dtype)
            raise CarryError(f"the arms of cond(){_place()} return dtypes {a.dtype} and {b.dtype}: they must be the same. Convert one of them with "
                             f".astype({a.dtype.name!r}).")
        return a, b


def _row_type(rows: Traced) -> ArrayType:
    return array_type(rows.dtype, rows.shape[1:])


def _number(node):
    return np.frombuffer(node.attrs[1], node.type.dtype)[0]


__all__ = ["cond", "fori_loop", "scan"]
