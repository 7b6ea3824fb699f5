"""Compiled objects are tested twice: with kernels that evaluate their graph with NumPy, and with machine code."""

import pytest
from evaluated import EvaluatedKernel


@pytest.fixture(params=["evaluated", "machine code"])
def kernels(request, monkeypatch):
    """What runs the graphs; the entry, the trace and the derivative are the real ones in both."""
    if request.param == "evaluated":
        import tracer.plan

        monkeypatch.setattr(tracer.plan, "compile_graph", EvaluatedKernel)
        monkeypatch.setattr(tracer.plan, "simplify", lambda graph, level, report: graph)
    return request.param
