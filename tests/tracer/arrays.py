"""What the tests of array operations share: tracing a function of arrays, its graph, its gradient, and differences to hold it against."""

from __future__ import annotations

import numpy as np

import tracer.trace.numpy_api  # noqa: F401  registers NumPy's functions
from tracer.derive.forward import tangents
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.types import array_type
from tracer.graph.verify import verify
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced


def leaves(result) -> list:
    """The arrays of a result: itself, or the parts of a tuple or list."""
    return [leaf for part in result for leaf in leaves(part)] if isinstance(result, (tuple, list)) else [result]


def start(arguments, weak=None):
    """A trace and one traced input per argument."""
    trace = Trace()
    inputs = [Traced(trace.builder.input(array_type(np.asarray(a).dtype, np.shape(a)), k), trace, weak) for k, a in enumerate(arguments)]
    return trace, inputs


def finish(inputs, outputs) -> Graph:
    return verify(Graph([x.node for x in inputs], [y.node for y in outputs]))


def run(function, *arguments):
    """What the traced function gives, evaluated by NumPy, each output checked against the type of its node."""
    trace, inputs = start(arguments)
    outputs = [as_traced(y, trace) for y in leaves(function(*inputs))]
    return evaluate(finish(inputs, outputs), *arguments)


def weighted(outputs) -> list:
    """Numbers that make one scalar of all outputs, different for each element."""
    return [np.cos(1.0 + np.arange(y.size, dtype=float)).reshape(y.shape) for y in outputs]


def scalar_of(function):
    """The function followed by a weighted sum of all floating elements of its result."""
    def scalar(*arguments):
        outputs = [y for y in leaves(function(*arguments)) if y.dtype.kind in "fc"]
        return sum(np.sum(y * w) for y, w in zip(outputs, weighted(outputs)))
    return scalar


def gradient(function, *arguments, wrt=None):
    """The gradients of a scalar function by all floating arguments (or those named), by reverse mode."""
    trace, inputs = start(arguments)
    chosen = [x for k, x in enumerate(inputs) if x.node.type.is_float and (wrt is None or k in wrt)]
    found = gradients(trace, as_traced(function(*inputs), trace), chosen)
    return evaluate(finish(inputs, found), *arguments)


def directional(function, arguments, directions):
    """The derivative of a scalar function along directions of all floating arguments, by forward mode."""
    trace, inputs = start(arguments)
    chosen = [x for x in inputs if x.node.type.is_float]
    found = tangents(trace, [as_traced(function(*inputs), trace)], chosen, [as_traced(np.asarray(d), trace) for d in directions])
    return evaluate(finish(inputs, found), *arguments)[0]


def complex_step(function, *arguments):
    """The gradients by the imaginary part at a step of 1e-30, exact to rounding; the function runs on complex arrays."""
    return _elementwise_slopes(function, arguments, lambda f, a, at: f(_moved(a, at, 1e-30j)).imag / 1e-30)


def central_differences(function, *arguments, step=1e-6):
    """The gradients by differences, good to about nine digits."""
    return _elementwise_slopes(function, arguments, lambda f, a, at: (f(_moved(a, at, step)) - f(_moved(a, at, -step))) / (2 * step))


def _moved(array, at, step):
    result = np.array(array, complex if isinstance(step, complex) else float)
    result[at] += step
    return result


def _elementwise_slopes(function, arguments, slope):
    result = []
    for k, array in enumerate(arguments):
        if np.asarray(array).dtype.kind != "f":
            continue

        def of_one(value, k=k):
            return function(*arguments[:k], value, *arguments[k + 1:])
        found = np.zeros(np.shape(array))
        for at in np.ndindex(np.shape(array)):
            found[at] = slope(of_one, array, at)
        result.append(found)
    return result
