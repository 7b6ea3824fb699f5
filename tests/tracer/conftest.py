"""Compiled objects are tested twice: with kernels that evaluate their graph with NumPy, and with machine code."""

import pytest
from evaluated import EvaluatedKernel


@pytest.fixture(params=["evaluated", "machine code"])
def kernels(request, monkeypatch):
    """What runs the graphs; the entry, the trace and the derivative are the real ones in both."""
    if request.param == "evaluated":
        import tracer.compiling

        monkeypatch.setenv("TRACER_CACHE_DIR", "")
        monkeypatch.setattr(tracer.compiling, "compile_graph", EvaluatedKernel)
        monkeypatch.setattr(tracer.compiling, "simplify", lambda graph, level, report: graph)
    return request.param
