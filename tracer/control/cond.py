"""``cond``: a branch of which only one arm is computed."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import ArgumentError, CarryError, InPlaceError
from ..ops import TABLE
from ..trace.arm_memory import Memory
from ..trace.capture import capture_since
from ..trace.context import Trace, user_location
from ..trace.trees import Describer, Spec, build
from ..trace.value import Traced, as_traced, cast
from .calls import holds, kind, leaf, place

BRANCH = TABLE["branch"]


def cond(pred: Any, true_fun: Callable, false_fun: Callable, *operands: Any) -> Any:
    """``true_fun(*operands)`` where ``pred`` is true, else ``false_fun(*operands)``: a branch of which only the arm that is taken is computed, and derived.

    ``pred`` is a bool or a number without axes. Operands and results are trees of numbers and arrays; the arms must return the same structure with the same
    shapes and dtypes. They change nothing in place that comes from around them. Semantics are those of ``jax.lax.cond``.

    Raises CarryError (a TypeError) where the arms return what does not fit together, InPlaceError where one changes an array, a list or a dict from around it.
    """
    if type(pred) is not Traced:
        return (true_fun if pred else false_fun)(*operands)
    if pred.shape:
        raise ArgumentError(f"cond(){place()} is asked to choose by an array of shape {pred.shape}; it takes one bool. Reduce it with np.any or np.all, or "
                            f"choose element by element with np.where.")
    if pred.owner.computes:
        return (true_fun if holds(pred) else false_fun)(*operands)
    return _Branch(pred.owner, (true_fun, false_fun), operands).run(pred)


def _without_names() -> None:
    """Stands for a callable of which nothing says what it reaches."""


class _Branch:
    """A branch in a trace."""

    def __init__(self, trace: Trace, arms: tuple[Callable, Callable], operands: tuple):
        self.trace, self.arms = trace, arms
        describer = Describer(leaf)
        self.spec = describer(operands)
        self.leaves = describer.leaves

    def run(self, pred: Traced):
        first = len(self.trace.builder)
        (spec, left), (other, right) = [self._trace_arm(arm) for arm in self.arms]
        if spec != other:
            raise CarryError(f"the arms of cond(){place()} return {kind(build(spec, iter(left)))} and {kind(build(other, iter(right)))}: they must return "
                             f"the same structure.")
        pairs = [self._fitted(*pair) for pair in zip(left, right)]
        arms = capture_since(self.trace, first, list(zip(*pairs)) or [(), ()])
        condition = (pred if pred.dtype == bool else pred != 0).node
        attrs = tuple([self.trace.body(each.graph) for each in arms])
        made = [Traced(self.trace.builder.node(BRANCH, (condition, *arms[0].taken), (*attrs, k), user_location()), self.trace,
                       a.weak if b.weak else None) for k, (a, b) in enumerate(pairs)]
        return build(spec, iter(made))

    def _trace_arm(self, arm: Callable) -> tuple[Spec, list[Traced]]:
        names = arm if isinstance(arm, types.FunctionType) else _without_names
        around = Memory({"operands": self.leaves}, self.trace, names, None)
        result = arm(*build(self.spec, iter(self.leaves)))
        if around.was_written():
            raise InPlaceError(f"an arm of cond(){place()} changes an array, a list or a dict from around it, which would happen whether the arm is taken or "
                               f"not. Change a copy, and return it from both arms.")
        describer = Describer(leaf)
        spec = describer(result)
        return spec, [as_traced(each, self.trace) for each in describer.leaves]

    def _fitted(self, a: Traced, b: Traced) -> tuple[Traced, Traced]:
        if a.shape != b.shape:
            raise CarryError(f"the arms of cond(){place()} return shapes {a.shape} and {b.shape}: they must be the same.")
        if a.dtype != b.dtype:
            if a.weak is not None and np.can_cast(a.dtype, b.dtype, "same_kind"):
                return cast(a, b.dtype), b
            if b.weak is not None and np.can_cast(b.dtype, a.dtype, "same_kind"):
                return a, cast(b, a.dtype)
            raise CarryError(f"the arms of cond(){place()} return dtypes {a.dtype} and {b.dtype}: they must be the same. Convert one of them with "
                             f".astype({a.dtype.name!r}).")
        return a, b


__all__ = ["cond"]
