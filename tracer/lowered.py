"""One specialisation to look at: its graphs, expressions and generated code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .graph.graph import Graph
from .history import Record

if TYPE_CHECKING:
    from .compiled import Compiled


class Lowered:
    """What was made of a function for arguments of certain types, shapes and static values."""

    def __init__(self, record: Record, owner: Compiled):
        self.record = record
        self.owner = owner

    @property
    def graph(self) -> Graph:
        """The traced function."""
        return self.record.graphs.graph

    @property
    def gradient_graph(self) -> Graph:
        """Value and derivative, after simplification."""
        self.owner.check_has_gradient("gradient_graph")
        return self.record.graphs.gradient_graph

    @property
    def expr(self) -> Any:
        """The traced function as a SymPy expression; a tuple for several outputs."""
        return self._expressions(self.record.graphs.graph, 0)

    @property
    def gradient_expr(self) -> Any:
        """The derivative as a SymPy expression; a tuple for several arguments."""
        self.owner.check_has_gradient("gradient_expr")
        return self._expressions(self.record.graphs.gradient_graph, len(self.record.graphs.graph.outputs))

    @property
    def source(self) -> str:
        """The generated code, as readable and runnable Python."""
        return self.record.kernel.source

    def _expressions(self, graph: Graph, first: int):
        from .symbolic import expressions  # SymPy: 0.3 s, only when somebody asks

        found = tuple(expressions(graph))[first:]
        return found[0] if len(found) == 1 else found

    def __repr__(self) -> str:
        return f"<{self.owner!r} for {self.record.what()}>"


class Shown:
    """What a compiled object shows of its last specialisation; before any call it says so."""

    def last(self, what: str) -> Lowered:
        """The last specialisation, of which ``what`` is asked."""
        raise NotImplementedError

    @property
    def graph(self):
        """The traced function of the last specialisation, as a DAG."""
        return self.last("graph").graph

    @property
    def gradient_graph(self):
        """Value and derivative of the last specialisation, simplified."""
        return self.last("gradient_graph").gradient_graph

    @property
    def expr(self):
        """The traced function of the last specialisation as a SymPy expression."""
        return self.last("expr").expr

    @property
    def gradient_expr(self):
        """The derivative of the last specialisation as SymPy expressions."""
        return self.last("gradient_expr").gradient_expr

    @property
    def source(self) -> str:
        """The generated code of the last specialisation as readable, runnable Python."""
        return self.last("source").source
