"""Running generated source three ways, for the tests of it."""

from __future__ import annotations

import inspect
import warnings

import numpy as np

from codegen.pipeline import compile_graph
from codegen.schedule.scheduler import schedule
from codegen.source import compile_source, load_source, to_source
from codegen.source.module import captured_arrays
from tests.codegen.kernel_call import call
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.types import array_type
from tracer.trace import numpy_api  # noqa: F401  registers NumPy's functions
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced


def graph_of(function, *arguments, name="f", wrt=(), input_names=None):
    """The traced function's graph; with the gradients of its first output by the arguments ``wrt``."""
    trace = Trace(name)
    inputs = [Traced(trace.builder.input(array_type(np.asarray(a).dtype, np.shape(a)), k), trace) for k, a in enumerate(arguments)]
    outputs = function(*inputs)
    outputs = [as_traced(o, trace) for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
    outputs += gradients(trace, outputs[0], [inputs[k] for k in wrt]) if wrt else []
    names = input_names or list(inspect.signature(function).parameters)[:len(inputs)]
    return Graph([x.node for x in inputs], [y.node for y in outputs], names if len(names) == len(inputs) else None, None, name)


def as_tuple(result) -> tuple:
    return result if isinstance(result, tuple) else (result,)


def run_plain(program, *arguments):
    with np.errstate(all="ignore"):
        return as_tuple(load_source(to_source(program))(*arguments, *captured_arrays(program)))


def assert_same(found, expected, label, boxed=False):
    """Equal outputs. ``boxed``: Numba gives float32 and unsigned scalars back as Python numbers."""
    assert len(found) == len(expected), label
    for position, (value, wanted) in enumerate(zip(found, expected)):
        value = np.asarray(value)
        assert value.shape == wanted.shape, (label, position)
        assert value.dtype == wanted.dtype or (boxed and not wanted.shape and value.dtype.kind in "fi"), (label, position, value.dtype, wanted.dtype)
        tolerance = 3e-6 if wanted.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(value, wanted, rtol=tolerance, atol=tolerance, err_msg=f"{label}, output {position}")


def check(graph, *arguments, njit=True):
    """The text as plain Python, under Numba, and the kernel, all against the graph; returns the text."""
    expected = evaluate(graph, *arguments)
    program = schedule(graph)
    assert_same(run_plain(program, *arguments), expected, "plain Python")
    assert_same(call(compile_graph(graph), graph, *arguments), expected, "kernel")
    if njit:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of products of what is not contiguous
            assert_same(as_tuple(compile_source(program)(*arguments)), expected, "njit", boxed=True)
    return to_source(program)
