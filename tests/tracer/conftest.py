"""Compiled objects are tested here apart from code generation: their kernels evaluate the graph with NumPy."""

import pytest
from evaluated import EvaluatedKernel


@pytest.fixture
def evaluated(monkeypatch):
    """Kernels that evaluate their graph; the entry, the trace and the derivative are the real ones."""
    import tracer.plan

    monkeypatch.setattr(tracer.plan, "compile_graph", EvaluatedKernel)
    monkeypatch.setattr(tracer.plan, "simplify", lambda graph, level, report: graph)
