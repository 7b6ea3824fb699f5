"""What one trace becomes, step by step: each step is taken when it is first asked for, so that what the cache knows is not made again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice

from numba.core.compiler_lock import global_compiler_lock

from codegen.kernel import Kernel, Options
from codegen.report import Report

from .derivation import expanded
from .graph.graph import Graph, live_nodes
from .graph.node import Builder, Node
from .graph.packed import PackedNodes
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
    """The graphs of one trace, packed once they are compiled. ``strided``: positions of the inputs whose strides are known at run time only."""

    _traced: TracedNodes
    settings: Settings
    strided: frozenset[int]
    report: Report = field(default_factory=Report)  # of the simplification
    _builder: Builder | None = None  # of the trace, while it is compiled
    _expanded: dict[Node, Node] | None = None
    _packed: PackedNodes | None = None
    _packed_simplified: PackedNodes | None = None

    @property
    def traced(self) -> TracedNodes:
        """The nodes of the trace."""
        if self._packed is not None:
            with global_compiler_lock:  # threads may look at the same specialisation
                self._unpack()
        return self._traced

    def pack(self) -> None:
        """Keep the graphs as small as they can be, until somebody looks at one: nothing that runs needs them."""
        traced = self._traced
        if self._expanded is None or self._packed is not None:
            return  # derivatives that are not made yet need their trace
        graph = self.__dict__.get("simplified")
        if graph is not None:
            self._packed_simplified = PackedNodes((*graph.inputs, *graph.outputs), graph.nodes)
        groups = (traced.inputs, traced.leaves, traced.value[0], traced.derivatives[0], list(self._expanded), list(self._expanded.values()))
        roots = [node for group in groups for node in group]
        self._packed = PackedNodes(roots, live_nodes(roots) if self._builder is None else self._builder.live(roots))
        self._builder = None
        self._traced = replace(traced, inputs=len(groups[0]), leaves=len(groups[1]), value=(len(groups[2]), traced.value[1]),
                               derivatives=(len(groups[3]), traced.derivatives[1]))
        self._expanded = {}
        for name in ("request", "graph", "derived", "simplified", "gradient_graph"):
            self.__dict__.pop(name, None)

    def _unpack(self) -> None:
        if self._packed is None:
            return
        traced, nodes = self._traced, iter(self._packed.unpacked())
        inputs, leaves, value, derivatives = [list(islice(nodes, count)) for count in (traced.inputs, traced.leaves, traced.value[0], traced.derivatives[0])]
        rest = list(nodes)
        self._expanded = dict(zip(rest[:len(rest) // 2], rest[len(rest) // 2:]))
        self._traced = replace(traced, inputs=inputs, leaves=leaves, value=(value, traced.value[1]), derivatives=(derivatives, traced.derivatives[1]))
        self._packed = None

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
        with global_compiler_lock:
            self._unpack()
            if self._expanded is None:
                session = self.traced.session
                if session.trace.active:  # all is packed soon
                    self._expanded, self._builder = expanded(session), session.trace.builder
                else:
                    with session.reopened():
                        self._expanded = expanded(session)
                self.traced.session = None  # it holds every node that was ever made
            return self._expanded

    @cached_property
    def derived(self) -> Graph:
        """What a call computes."""
        graph = self._graph([self._made.get(node, node) for node in self.traced.leaves], self.traced.leaf_names)
        if self._builder is not None:
            graph.nodes = self._builder.live((*graph.inputs, *graph.outputs))
        return graph

    @cached_property
    def simplified(self) -> Graph:
        """What a call computes, simplified."""
        if self._packed_simplified is not None:
            nodes = self._packed_simplified.unpacked()
            count = len(self.traced.inputs)
            return Graph(nodes[:count], nodes[count:], self.traced.input_names, self.traced.leaf_names, self.traced.name)
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
