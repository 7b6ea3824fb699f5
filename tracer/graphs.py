"""What one trace becomes, step by step: each step is taken when it is first asked for, so that what the cache knows is not made again."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from numba.core.compiler_lock import global_compiler_lock

from codegen.kernel import Kernel, Options
from codegen.report import Report

from .derivation import expanded
from .graph.graph import Graph
from .graph.node import Node
from .settings import Settings
from .trace.session import Session


@dataclass(eq=False)
class TracedNodes:
    """The nodes of one trace; derivatives are stand-ins.

    ``value`` and ``derivatives``: nodes and names of the function's outputs, and of what was derived.
    """

    session: Session | None
    inputs: Sequence[Node]
    input_names: Sequence[str]
    leaves: Sequence[Node]          # of what a call returns
    leaf_names: Sequence[str]
    value: tuple[list[Node], list[str]]
    derivatives: tuple[list[Node], list[str]]
    name: str


@dataclass(eq=False)
class Graphs:
    """The graphs of one trace. ``strided``: positions of the inputs whose strides are known at run time only."""

    traced: TracedNodes
    settings: Settings
    strided: frozenset[int]
    report: Report = field(default_factory=Report)  # of the simplification
    _expanded: dict[Node, Node] | None = None

    def _graph(self, outputs: Sequence[Node], names: Sequence[str]) -> Graph:
        return Graph(self.traced.inputs, outputs, self.traced.input_names, names, self.traced.name)

    @cached_property
    def request(self) -> Graph:
        """What a call computes; derivatives are only asked for. Equal requests have equal kernels."""
        return self._graph(self.traced.leaves, self.traced.leaf_names)

    @cached_property
    def graph(self) -> Graph:
        """The user's function."""
        return self._graph(*self.traced.value)

    @property
    def _made(self) -> dict[Node, Node]:
        """What each stand-in stands for."""
        with global_compiler_lock:  # threads may look at the same specialisation
            if self._expanded is None:
                session = self.traced.session
                with contextlib.nullcontext() if session.trace.active else session.reopened():
                    self._expanded = expanded(session)
                self.traced.session = None  # it holds every node that was ever made
            return self._expanded

    @cached_property
    def derived(self) -> Graph:
        """What a call computes."""
        return self._graph([self._made.get(node, node) for node in self.traced.leaves], self.traced.leaf_names)

    @cached_property
    def simplified(self) -> Graph:
        """What a call computes, simplified."""
        from .compiling import simplify  # what a hit of the cache does without takes 0.1 s to import

        return simplify(self.derived, self.settings.simplify, self.report)

    @cached_property
    def gradient_graph(self) -> Graph:
        """Value and derivative, simplified."""
        from .compiling import simplify

        (nodes, names), (derivatives, derivative_names) = self.traced.value, self.traced.derivatives
        shown = self._graph([self._made.get(node, node) for node in (*nodes, *derivatives)], [*names, *derivative_names])
        return self.simplified if shown.outputs == self.derived.outputs else simplify(shown, self.settings.simplify, Report())

    @cached_property
    def source(self) -> str:
        """The loops that are compiled, as readable, runnable Python for Numba."""
        from .compiling import source_of

        return source_of(self.simplified, self.strided)

    def compiled(self, options: Options, store) -> Kernel:
        """The kernel, made."""
        from .compiling import compile_graph

        return compile_graph(self.simplified, options, self.strided, store)
