"""A NumPy function run eagerly: value and gradients operation by operation, and what was seen on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from .chosen import Chosen, classify_traced, scalar_output
from .eager_steps import Step
from .evaluated import EvaluatedSession, EvaluatedTrace, evaluating, gradients
from .graph.node import user_line
from .trace.arguments import Callee, select
from .trace.trees import Describer, build


@dataclass(eq=False)
class EagerRun:
    """One eager call. ``names`` and ``gradients``: one per float that was asked for; ``tape``: the operations of the function itself, in order;
    ``branches``: location and outcome of each question that Python asked; ``updates``: the locations that write into arrays."""

    value: np.ndarray
    names: list[str]
    gradients: list[np.ndarray]
    tape: list[Step]
    branches: list[tuple]
    updates: list

    def line_of(self, node: Step) -> str:
        """The user's ``file:line`` of an operation."""
        return user_line(node)

    def operands(self, node: Step) -> list[np.ndarray]:
        """The numbers that an operation was applied to."""
        return [each.value for each in node.inputs]


def run_eagerly(callee: Callee, argnums, args: Sequence) -> EagerRun:
    """Value and gradients of a function that returns one float, computed as it goes."""
    with eager_calls(callee, argnums) as call:
        return call(*args)


@contextlib.contextmanager
def eager_calls(callee: Callee, argnums) -> Iterator[Callable[..., EagerRun]]:
    """A callable that runs a function eagerly, as often as one likes: what stands for the function and for what it names is made once."""
    with evaluating(callee.name, callee.function) as session:
        def call(*args) -> EagerRun:
            return _run(session, callee, argnums, args)
        yield call


def _run(session: EvaluatedSession, callee: Callee, argnums, args: Sequence) -> EagerRun:
    trace = session.trace
    trace.begin()
    values = [_opened(trace, each) for each in callee.bind((*callee.hidden, *args), {})]
    chosen = Chosen(session, callee, select(argnums, callee, values), values, is_inner=False)
    leaves = [each.node.require_gradient() for each in chosen.floats]
    output = callee.call(session.rebinder.see, chosen.values)
    value, _ = scalar_output(session, callee, output, has_aux=False)
    return EagerRun(trace.value_of(value), chosen.names, gradients(trace, value, leaves), trace.builder.nodes, trace.branches, trace.updates)


def _opened(trace: EvaluatedTrace, value):
    if type(value) in (float, int, np.ndarray):  # nearly always
        return trace.argument(value)
    describer = Describer(classify_traced)
    spec = describer(value)
    return build(spec, iter([trace.argument(leaf) for leaf in describer.leaves]))
