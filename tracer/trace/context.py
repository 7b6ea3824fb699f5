"""What one trace knows: its builder, the concrete integers behind data integers, and the user's lines."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterable, Iterator

import numpy as np

from ..errors import LeakedValueError, TracedIndexError
from ..graph.evaluate import evaluate_nodes
from ..graph.graph import Graph, live_nodes
from ..graph.identity import identity
from ..graph.node import INPUT, Builder, Node, user_line
from ..graph.types import ArrayType

_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GENERATED = "<call of "  # how the file names of generated calls begin
_INTERNAL_FILES = (GENERATED, *(folder + os.sep for folder in (
    os.path.join(_ROOT, "tracer"), os.path.join(_ROOT, "codegen"), os.path.dirname(os.path.abspath(np.__file__)))))
_internal: dict[str, bool] = {}


def is_internal(code) -> bool:
    """Is code ours or NumPy's?"""
    found = _internal.get(code.co_filename)
    if found is None:
        found = _internal[code.co_filename] = code.co_filename.startswith(_INTERNAL_FILES)
    return found


def user_location(depth: int = 2):
    """(code, instruction offset) of the innermost frame that is neither ours nor NumPy's.

    Decoding a line number costs time linear in the function, so it waits until somebody reads it.
    """
    frame = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        internal = _internal.get(code.co_filename)
        if not (is_internal(code) if internal is None else internal):
            return code, frame.f_lasti
        frame = frame.f_back
    return None


def user_line_of(location) -> str:
    """``file:line`` of a location, or ''."""
    if location is None:
        return ""
    code, offset = location
    return next((f"{code.co_filename}:{line}" for start, end, line in code.co_lines() if start <= offset < end), code.co_filename)


class Trace:
    """One run of the user's function on traced values.

    ``concrete`` maps INPUT nodes of Python integers to their value in this call; ``needed`` collects those whose value
    the trace asked for, which thereby become part of the specialisation's key.
    ``location``, while a pass sets it, is the user's line that new nodes are given: that of the node which they are derived from.
    """

    __slots__ = ("builder", "concrete", "needed", "active", "name", "_copies", "location", "refusal", "variables", "path", "failures", "bodies", "_of_integers")
    computes = False  # does it compute each node as it is made, so that every value is known?

    def __init__(self, name: str = "f"):
        self.builder = Builder()
        self.concrete: dict[Node, int] = {}
        self.needed: set[Node] = set()
        self.active = True
        self.name = name
        self._copies = 0
        self.location = None
        self.refusal: Exception | None = None  # the last conversion that was refused
        self.path: list = []                   # what makes the conditions under which the traced code is run, the outermost first
        self.failures: list = []               # (condition under which an exception would be raised, its kind, the user's line)
        self.bodies: dict[str, Graph] = {}     # of loops and branches, by what they compute: equal ones are one, so that what repeats is seen to
        # Whether nodes depend on integers alone, so that a loop that asks in each round does not go through all earlier rounds again.
        self._of_integers: dict[Node, bool] = {}
        self.variables: set[Node] = set()      # inputs of the bodies of loops and of arms, which nothing outside of these may use

    def body(self, graph: Graph) -> Graph:
        """The first body of a loop or an arm of a branch that computes what this one does."""
        key = identity(graph)
        return graph if key is None else self.bodies.setdefault(key, graph)

    def fresh_tag(self) -> int:
        """A number that no other copy of this trace has."""
        self._copies += 1
        return self._copies

    def variable(self, type: ArrayType) -> Node:
        """A new input of a body that is about to be traced."""
        node = self.builder.input(type, -1 - self.fresh_tag())
        self.variables.add(node)
        return node

    def check_closed(self, outputs: Iterable[Node]) -> None:
        """Nothing that was made inside a body may be needed outside of it other than through what the body returns."""
        if not self.variables:
            return
        nodes = live_nodes(outputs)
        if self.variables.isdisjoint(nodes):
            return
        inside: set[Node] = set(self.variables)
        first = next((node for node in nodes if not inside.isdisjoint(node.inputs) and user_line(node)), None)
        raise LeakedValueError(
            f"a value that the body of a loop or an arm of a branch made is used outside of it{f': `{first.op.name}` ({user_line(first)})' if first else ''}. "
            f"The body is traced once and has no number of its own per iteration: return the value from the body (as carry or as output) instead of "
            f"storing it in a variable, a list or an array outside.")

    def concrete_value(self, node: Node, wanted: str):
        """The value of a node that depends on integer arguments and constants alone.

        Raises TracedIndexError when a float or an array is among what it depends on.
        """
        nodes = live_nodes((node,))
        sources = [n for n in nodes if n.op is INPUT]
        if any(n not in self.concrete for n in sources):
            raise TracedIndexError(self.explain_index(node, wanted))
        self.needed.update(sources)
        values = {n: np.asarray(self.concrete[n], n.type.dtype) for n in sources}
        return evaluate_nodes(nodes, values)[node]

    def overwriting(self) -> None:
        """Called before an array is written to."""

    def depends_on_integers_only(self, node: Node) -> bool:
        known, pending = self._of_integers, [node]
        while pending:
            top = pending[-1]
            unknown = [each for each in top.inputs if each not in known]
            if top.op is INPUT:
                known[top] = top in self.concrete
            elif not unknown or any(not known.get(each, True) for each in top.inputs):
                known[top] = all(known.get(each, True) for each in top.inputs)
            else:
                pending += unknown
                continue
            pending.pop()
        return known[node]

    def explain_index(self, node: Node, wanted: str) -> str:
        line = user_line(node) or user_line_of(user_location(3))
        return (f"{wanted} needs a concrete integer, but `{node.op.name}`{f' ({line})' if line else ''} is traced data. "
                f"Its value is not known when the graph is built. "
                f"Pass the number as a Python int argument or take it from a shape; of an array that is the same in each call it is known "
                f"where the function has that from outside (a global, a closure variable) and not as an argument; "
                f"to look up by a computed index use np.take or an integer array.")

    def check_active(self, node: Node) -> None:
        if not self.active:
            raise LeakedValueError(
                f"a traced value of {self.name!r} (`{node.op.name}`, made at {user_line(node) or 'its arguments'}) is used after its "
                f"trace has ended. It has no number: it stands for a step of the graph. "
                f"Return it from the function instead of storing it in a global, an attribute or a list outside.")


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """The collector stands still: a trace and the passes after it make many objects and no garbage (2.7 → 1.2 µs a traced operation)."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
