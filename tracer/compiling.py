"""Simplification and code generation, as compiled objects use them. Imported once something has to be compiled."""

from __future__ import annotations

from codegen.batch.build import compile_batch
from codegen.pipeline import compile_graph
from codegen.schedule.scheduler import schedule
from codegen.simplify import simplify
from codegen.source import to_source

from .graph.graph import Graph


def source_of(graph: Graph, strided: frozenset[int]) -> str:
    """The loops of a graph as Python."""
    return to_source(schedule(graph, strided))


__all__ = ["compile_batch", "compile_graph", "simplify", "source_of"]
