"""One specialisation to look at: its graphs, expressions and generated code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import NotCompiledError
from .graph.graph import Graph
from .history import Explanation, History, Record

if TYPE_CHECKING:
    from .run import Program


class Lowered:
    """What was made of a function for arguments of certain types, shapes and static values."""

    def __init__(self, record: Record, owner: Shown):
        self.record = record
        self.owner = owner
        self.graphs = record.graphs  # kept here, also when the record lets go of them

    @property
    def graph(self) -> Graph:
        """The traced function."""
        return self.graphs.graph

    @property
    def gradient_graph(self) -> Graph:
        """Value and derivative, after simplification."""
        self.owner.check_has_gradient("gradient_graph")
        return self.graphs.gradient_graph

    @property
    def expr(self) -> Any:
        """The traced function as a SymPy expression; a tuple for several outputs."""
        return self._expressions(self.graphs.graph, 0)

    @property
    def gradient_expr(self) -> Any:
        """The derivative as a SymPy expression; a tuple for several arguments."""
        self.owner.check_has_gradient("gradient_expr")
        return self._expressions(self.graphs.gradient_graph, len(self.graphs.graph.outputs))

    @property
    def source(self) -> str:
        """The generated code, as readable and runnable Python."""
        return self.graphs.source

    def _expressions(self, graph: Graph, first: int):
        from .symbolic import expressions  # SymPy: 0.3 s, only when somebody asks

        found = tuple(expressions(graph))[first:]
        return found[0] if len(found) == 1 else found

    def __repr__(self) -> str:
        return f"<{self.owner!r} for {self.record.what()}>"


class Shown:
    """What a compiled object shows of its last specialisation; before any call it says so."""

    __name__: str
    _history: History
    _program: Program

    def explain(self) -> Explanation:
        """What was compiled for which types and shapes, why, what simplification saved, and how long each stage took."""
        return Explanation(self._history)

    def check_has_gradient(self, what: str) -> None:
        """Refuse to show a derivative of an object that has none."""
        if not self._program.transform.has_derivative:
            name = self.__name__
            raise NotCompiledError(f"{name}.{what}: jit({name}) has no derivative. Use grad({name}) or value_and_grad({name}).")

    def _last(self, what: str) -> Lowered:
        """The specialisation made last, of which ``what`` is asked."""
        if self._history.last is None:
            raise NotCompiledError(f"{self.__name__}.{what} shows what the last call compiled, and there was no call yet. "
                                   f"Call {self.__name__}, or name a specialisation: {self.__name__}.lower(*args).{what}.")
        return Lowered(self._history.last, self)

    @property
    def graph(self):
        """The traced function of the last specialisation, as a DAG."""
        return self._last("graph").graph

    @property
    def gradient_graph(self):
        """Value and derivative of the last specialisation, simplified."""
        return self._last("gradient_graph").gradient_graph

    @property
    def expr(self):
        """The traced function of the last specialisation as a SymPy expression."""
        return self._last("expr").expr

    @property
    def gradient_expr(self):
        """The derivative of the last specialisation as SymPy expressions."""
        return self._last("gradient_expr").gradient_expr

    @property
    def source(self) -> str:
        """The generated code of the last specialisation as readable, runnable Python."""
        return self._last("source").source
