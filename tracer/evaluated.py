"""Define by run: a trace whose operations are computed at once, and recorded on the tape of eager mode.

The user's NumPy function runs as it does when it is compiled, on the same traced values, over the same operations and conventions; but each node has
its number, so that Python may branch on it, and nothing is shared, folded or simplified: the nodes are a tape of what was executed, which the engine of
:mod:`tracer.eager` runs backwards.
"""

from __future__ import annotations

import contextlib
import functools
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from .eager.autograd.anomaly_mode import set_detect_anomaly
from .eager.engine import Pass
from .eager.tensor import made_of
from .eager_steps import Constant, Source, Step, kind_of
from .graph.graph import live_nodes
from .graph.node import INPUT, Builder, Node
from .graph.op import Op
from .graph.types import ArrayType, array_type
from .ops import TABLE
from .ops.families import same_dtype
from .trace.context import Trace, user_location
from .trace.session import Session, tracing
from .trace.value import Traced


@functools.lru_cache(maxsize=65536)
def _inferred(op: Op, types: tuple[ArrayType, ...], attrs: tuple) -> ArrayType:
    return op.infer(types, attrs)  # kept over runs: a third of the time of a small operation


# Python's operators compute what the ufuncs do, of two NumPy scalars in a fifth of the time.
_OPERATORS = {TABLE["add"]: operator.add, TABLE["subtract"]: operator.sub, TABLE["multiply"]: operator.mul, TABLE["divide"]: operator.truediv,
              TABLE["negative"]: operator.neg}
# How an operation is executed: the class of its steps, its meaning, and does its result have the type of its operands where they have one?
_EXECUTED = {op: (kind_of(op), _OPERATORS.get(op, op.evaluate), op.infer is same_dtype) for op in TABLE.values()}


class Tape(Builder):
    """Makes a new node for every operation, computes it, and records it where a gradient flows."""

    def __init__(self):
        super().__init__()
        self.nodes: list[Step] = []

    def node(self, op: Op, inputs: tuple[Node, ...], attrs: tuple = (), where=None) -> Node:
        self._next += 1
        if op.kind == "source":
            return Source(op, attrs, attrs[0], self._next - 1, where)
        kind, evaluate, keeps_type = _EXECUTED[op]
        type = inputs[0].type
        if not keeps_type or inputs[-1].type is not type or len(inputs) > 2:
            type = _inferred(op, tuple([each.type for each in inputs]), attrs)
        made = kind(op, inputs, attrs, type, self._next - 1, where, _of_type(evaluate(*[each.value for each in inputs], *attrs), type))
        if type.is_float and kind is not Constant:
            made.record()
        self.nodes.append(made)
        return made

    def live(self, outputs: Iterable[Node]) -> list[Node]:
        return live_nodes(outputs)  # there is no table to go through

    def given(self, value: np.ndarray, type: ArrayType, position: int) -> Source:
        """An argument of the function."""
        self._next += 1
        return Source(INPUT, (type, position), type, self._next - 1, None, value)


def _of_type(value, type: ArrayType):
    """A value in the dtype of its node; what has no axes as a scalar, since arithmetic on these takes a third of the time."""
    if value.dtype is not type.dtype and value.dtype != type.dtype:
        value = value.astype(type.dtype)
    return value if type.ndim else value[()]


class EvaluatedTrace(Trace):
    """A trace whose every value is known. ``branches`` has the user's location and the outcome of each question that Python asked, ``updates``
    the locations that write into arrays; lines are made of them when somebody reads."""

    __slots__ = ("branches", "updates")
    computes = True

    def __init__(self, name: str):
        super().__init__(name)
        self.begin()

    def begin(self) -> None:
        """Begin a call, with nothing on the tape."""
        self.builder = Tape()
        self.branches: list[tuple] = []
        self.updates: list = []

    def overwriting(self) -> None:
        self.updates.append(user_location())

    def depends_on_integers_only(self, node: Node) -> bool:
        return True

    def concrete_value(self, node: Node, wanted: str):
        value = node.value
        if wanted == "a branch":
            self.branches.append((user_location(), bool(value)))
        return value

    def argument(self, value) -> Traced:
        """A traced value of a number or an array that the function is called with."""
        array = np.asarray(value)[()]
        weak = type(value) if type(value) in (float, int) else None
        return Traced(self.builder.given(array, array_type(array.dtype, array.shape), len(self.builder)), self, weak)

    def value_of(self, traced: Traced) -> np.ndarray:
        """The number or array that a traced value stands for."""
        return np.array(traced.node.value)


class EvaluatedSession(Session):
    """A session of such a trace."""

    def __init__(self, name: str):
        super().__init__(name)
        self.trace = EvaluatedTrace(name)


@contextlib.contextmanager
def evaluating(name: str, root: Callable | None = None) -> Iterator[EvaluatedSession]:
    """A new session that computes as it goes. Floating-point errors are results, as in compiled code."""
    with np.errstate(all="ignore"), tracing(name, root, EvaluatedSession) as session:
        yield session


def gradients(trace: EvaluatedTrace, output: Traced, leaves: Sequence) -> list[np.ndarray]:
    """Run the tape backwards from a number, to leaf tensors; zeros for those that it does not depend on."""
    step = output.node
    if step.edge is not None:
        with set_detect_anomaly(False):  # a NaN is a result
            Pass(keep=False, create=False).run([(step.edge, 0, made_of(step.type.dtype.type(1)))])
    for each in trace.builder.nodes:
        each.edge = each.reads = None  # a step on the tape refers to itself, and would wait for the collector
    return [np.zeros_like(leaf._data) if leaf._grad is None else np.asarray(leaf._grad._data) for leaf in leaves]
