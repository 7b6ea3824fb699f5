"""A NumPy function run eagerly: value and gradients operation by operation, and what was seen on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .chosen import Chosen, classify_traced, scalar_output
from .eager_steps import Step
from .evaluated import EvaluatedTrace, evaluating, gradients
from .graph.node import user_line
from .trace.arguments import Callee, select
from .trace.trees import Describer, build


@dataclass(eq=False)
class EagerRun:
    """One eager call. ``names`` and ``gradients``: one per float that was asked for; ``tape``: the operations of the function itself, in order."""

    value: np.ndarray
    names: list[str]
    gradients: list[np.ndarray]
    tape: list[Step]
    trace: EvaluatedTrace

    def line_of(self, node: Step) -> str:
        """The user's ``file:line`` of an operation."""
        return user_line(node)

    def operands(self, node: Step) -> list[np.ndarray]:
        """The numbers that an operation was applied to."""
        return [each.value for each in node.inputs]


def run_eagerly(callee: Callee, argnums, args: Sequence, kwargs: dict | None = None) -> EagerRun:
    """Value and gradients of a function that returns one float, computed as it goes."""
    with evaluating(callee.name, callee.function) as session:
        trace = session.trace
        values = [_opened(trace, each) for each in callee.bind((*callee.hidden, *args), kwargs or {})]
        chosen = Chosen(session, callee, select(argnums, callee, values), values, is_inner=False)
        leaves = [each.node.require_gradient() for each in chosen.floats]
        output = callee.call(session.rebinder.see, chosen.values)
        tape = list(trace.builder.nodes)
        value, _ = scalar_output(session, callee, output, has_aux=False)
        return EagerRun(trace.value_of(value), chosen.names, gradients(trace, value, leaves), tape, trace)


def _opened(trace: EvaluatedTrace, value):
    if type(value) in (float, int, np.ndarray):  # nearly always
        return trace.argument(value)
    describer = Describer(classify_traced)
    spec = describer(value)
    return build(spec, iter([trace.argument(leaf) for leaf in describer.leaves]))
