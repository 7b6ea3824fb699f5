"""``scan`` and ``fori_loop``: loops with a known number of iterations.

In a traced function the body is traced once and becomes one node of the graph, whatever the number of iterations. Called with plain numbers and
arrays, or with eager tensors, they are the Python loops that they stand for.
"""

from __future__ import annotations

import operator
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ArgumentError, CarryError
from ..graph.types import ArrayType, array_type
from ..rolling.bodies import Body, reshaped, row_of, rows_of
from ..rolling.distribute import outputs_of
from ..rolling.segments import segmented
from ..trace.capture import capture, variables
from ..trace.context import Trace
from ..trace.trees import Describer, Spec, build, data_count, path_text
from ..trace.value import Traced, as_traced
from .calls import is_tensor, kind, leaf, leaves_of, place, trace_of
from .carried import RETRACED, Carried


def scan(f: Callable, init: Any, xs: Any = None, length: int | None = None, reverse: bool = False, checkpoint: bool = False) -> tuple[Any, Any]:
    """``carry, y = f(carry, x)`` for each x along the first axis of ``xs``; returns ``(last carry, ys stacked along a new first axis)``.

    ``init`` (the first carry), ``xs`` and what ``f`` returns may be trees of numbers and arrays. The carry keeps its structure, shapes and dtypes. ``xs``
    may be None, with ``length`` iterations. With ``reverse`` the loop runs from the last x to the first, and ``ys[i]`` is made from ``xs[i]``.
    Semantics are those of ``jax.lax.scan``.

    A gradient keeps the carries of all iterations; with ``checkpoint=True`` it keeps about 2√length of them and computes the others once more.

    Raises CarryError (a TypeError) where the carry does not fit, ArgumentError where lengths disagree.
    """
    describer = Describer(leaf)
    specs = describer(init, (("arg", "init"),)), describer(xs, (("arg", "xs"),))
    trace = trace_of(describer.leaves)
    if trace is None:
        return _plain_scan(f, init, describer, specs[1], length, reverse)
    return _Scan(trace, f, describer, specs, length, bool(reverse), bool(checkpoint)).run()


def fori_loop(lower: int, upper: int, body: Callable, init: Any) -> Any:
    """``value = body(i, value)`` for i from ``lower`` to ``upper`` (exclusive), beginning with ``init``; returns the last value.

    Semantics are those of ``jax.lax.fori_loop``. The value keeps its structure, shapes and dtypes. The bounds are integers that are known when the
    graph is built; integer arguments are part of the key then.
    """
    low, high = operator.index(lower), operator.index(upper)
    if trace_of(leaves_of(init)) is None:
        value = init
        for i in range(low, high):
            value = body(i, value)
        return value
    if high <= low:
        return init
    return scan(lambda value, i: (body(i, value), None), init, np.arange(low, high))[0]


# What is asked for -----------------------------------------------------------------------------------------------------

def _iterations(describer: Describer, first: int, length: int | None, name: str) -> int:
    """How often a loop over the leaves behind the first turns."""
    found = {} if length is None else {"length": operator.index(length)}
    for value, path in zip(describer.leaves[first:], describer.paths[first:]):
        shape = np.shape(value)
        if not shape:
            raise ArgumentError(f"{name}(){place()} goes through {path_text(path)} row by row, and it is a single number. Hand over an array, or take the "
                                f"number from around the body.")
        found[path_text(path)] = shape[0]
    if not found:
        raise ArgumentError(f"{name}(){place()} is given neither xs nor length, so how often it turns is not said. Write length=n.")
    if len(set(found.values())) > 1:
        raise ArgumentError(f"{name}(){place()} is given different numbers of iterations: {', '.join(f'{key} {n}' for key, n in found.items())}.")
    count = next(iter(found.values()))
    if count < 0:
        raise ArgumentError(f"{name}(){place()} is given length={count}; it takes 0 or more.")
    return count


def _pair(result, name: str) -> tuple:
    if type(result) is not tuple or len(result) != 2:
        raise CarryError(f"the body of {name}(){place()} returns {kind(result)}; it must return a pair (carry, y), with None for y where there is none.")
    return result


# Without a trace ------------------------------------------------------------------------------------------------------------------

def _plain_scan(f: Callable, init, describer: Describer, spec: Spec, length, reverse: bool) -> tuple:
    first = len(leaves_of(init))
    count = _iterations(describer, first, length, "scan")
    rows = describer.leaves[first:]
    carry, made = init, [None] * count
    for i in reversed(range(count)) if reverse else range(count):
        carry, made[i] = _pair(f(carry, build(spec, iter([each[i] for each in rows]))), "scan")
    return carry, _stacked(made)


def _stacked(values: list):
    """The leaves of equal trees, each stacked along a new first axis."""
    if not values:
        return None
    trees = []
    for value in values:
        describer = Describer(leaf)
        trees.append((describer(value), describer.leaves))
    stack = sys.modules["tracer.eager"].stack if any(map(is_tensor, trees[0][1])) else np.stack
    return build(trees[0][0], iter([stack(list(leaves)) for leaves in zip(*[each for _, each in trees])]))


# In a trace---

class _Traced(NamedTuple):
    """What tracing a body gave: its variables and results, and the structure of what it made beside the carry."""

    given: list[Traced]
    carry: list[Traced]
    made: list[Traced]
    spec: Spec


class _Scan:
    """A scan in a trace."""

    def __init__(self, trace: Trace, f: Callable, describer: Describer, specs: tuple[Spec, Spec], length, reverse: bool, checkpoint: bool):
        self.trace, self.f, self.spec = trace, f, specs[1]
        first = data_count(specs[0])
        self.length = _iterations(describer, first, length, "scan")
        self.carried = Carried(trace, specs[0], describer.leaves[:first], describer.paths[:first], "scan")
        self.rows = [as_traced(each, trace) for each in describer.leaves[first:]]
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
                describer = Describer(leaf)
                spec = describer(y)
                return _Traced(given, fitted, [as_traced(each, self.trace) for each in describer.leaves], spec)
        raise CarryError(f"the body of scan(){place()} returns another dtype for its carry each time: start with an array of the dtype that it is to have.")


def _row_type(rows: Traced) -> ArrayType:
    return array_type(rows.dtype, rows.shape[1:])


def _number(node):
    return np.frombuffer(node.attrs[1], node.type.dtype)[0]


__all__ = ["fori_loop", "scan"]
