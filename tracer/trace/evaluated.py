"""Define by run: a trace whose operations are computed at once.

The user's NumPy function runs as it does when it is compiled, on the same traced values, over the same operations and conventions; but each node has
its number, so that Python may branch on it, and nothing is shared, folded or simplified: the nodes are a tape of what was executed.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from ..graph.graph import live_nodes
from ..graph.node import Builder, Node, constant_value
from ..graph.op import Op
from ..graph.types import ArrayType, array_type
from .context import Trace, user_line_of, user_location
from .session import Session, tracing
from .value import Traced


@functools.lru_cache(maxsize=65536)
def _inferred(op: Op, types: tuple[ArrayType, ...], attrs: tuple) -> ArrayType:
    return op.infer(types, attrs)  # kept over runs: a third of the time of a small operation


class Tape(Builder):
    """Makes a new node for every operation, and computes it."""

    def __init__(self):
        super().__init__()
        self.values: dict[Node, np.ndarray | np.generic] = {}
        self.nodes: list[Node] = []

    def node(self, op: Op, inputs: tuple[Node, ...], attrs: tuple = (), where=None) -> Node:
        made = Node(op, inputs, attrs, _inferred(op, tuple([each.type for each in inputs]), attrs), self._next, where)
        self._next += 1
        if op.kind == "source":
            self.values[made] = constant_value(made)
        else:
            self.nodes.append(made)
            value = op.evaluate(*[self.values[each] for each in inputs], *attrs)
            self.values[made] = value if type(value) is np.ndarray and value.dtype == made.type.dtype else np.asarray(value, made.type.dtype)
        return made

    def live(self, outputs: Iterable[Node]) -> list[Node]:
        return live_nodes(outputs)  # there is no table to go through

    def given(self, value: np.ndarray, type: ArrayType, position: int) -> Node:
        """An argument of the function."""
        made = self.input(type, position)
        self.values[made] = value
        return made


class EvaluatedTrace(Trace):
    """A trace whose every value is known. ``branches`` has the user's line and the outcome of each question that Python asked, ``updates``
    the lines that write into arrays."""

    __slots__ = ("branches", "updates")
    computes = True

    def __init__(self, name: str):
        super().__init__(name)
        self.builder = Tape()
        self.branches: list[tuple[str, bool]] = []
        self.updates: dict[str, None] = {}

    def overwriting(self) -> None:
        self.updates[user_line_of(user_location())] = None

    def depends_on_integers_only(self, node: Node) -> bool:
        return True

    def concrete_value(self, node: Node, wanted: str):
        value = self.builder.values[node]
        if wanted == "a branch":
            self.branches.append((user_line_of(user_location()), bool(value)))
        return value

    def argument(self, value) -> Traced:
        """A traced value of a number or an array that the function is called with."""
        array = np.asarray(value)
        weak = type(value) if type(value) in (float, int) else None
        return Traced(self.builder.given(array, array_type(array.dtype, array.shape), len(self.builder)), self, weak)

    def value_of(self, traced: Traced) -> np.ndarray:
        """The number or array that a traced value stands for."""
        return np.array(self.builder.values[traced.node])


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
