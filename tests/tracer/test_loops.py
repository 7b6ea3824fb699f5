"""Loop nodes: their meaning, their parts as arrays, their derivatives of any order, their machine code."""

import mpmath
import numpy as np
import pytest

from codegen.pipeline import compile_graph
from codegen.simplify import simplify
from tests.codegen.kernel_call import call
from tracer.derive.forward import tangents
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.serial import from_json, to_json
from tracer.graph.types import FLOAT64, array_type
from tracer.graph.verify import verify
from tracer.ops import TABLE
from tracer.rolling.bodies import Body, whole_loop
from tracer.rolling.distribute import outputs_of, strong_components
from tracer.trace import numpy_api  # noqa: F401  registers NumPy's functions
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced, constant

LENGTH = 7
RNG = np.random.default_rng(0)
ARGUMENTS = [RNG.normal(size=2), RNG.normal(size=1), RNG.normal(size=LENGTH), np.array(0.7)]


def body() -> Graph:
    """x reads itself one and two rounds ago, y reads x, s adds up; z is of each round alone."""
    trace = Trace()
    x1, x2, y1, s1, r, c = inputs = [Traced(trace.builder.input(FLOAT64, k), trace) for k in range(6)]
    u = np.exp(-r) * c
    x = np.sin(x1) * u + 0.3 * x2
    y = y1 * 0.5 + x * r + x2
    return Graph([each.node for each in inputs], [each.node for each in (x, y, s1 + x * y, np.cos(x) * u)])


def loss_of(outputs):
    """(trace, arguments, a number made of all outputs of the loop); ``outputs``: how it is put together."""
    trace = Trace()
    inputs = [Traced(trace.builder.input(array_type("float64", each.shape), k), trace) for k, each in enumerate(ARGUMENTS)]
    x, y, r, c = inputs
    loop = Body(body(), LENGTH, [x, y, as_traced(np.zeros(1), trace)], [(0, 1), (0, 2), (1, 1), (2, 1)], [r], [c])
    xs, ys, sums, zs = outputs(loop, range(4), trace)
    return trace, inputs, np.sum(zs) + sums[-1] + np.sum(xs[1:4] * ys[2:5])


def reference(before_x, before_y, r, c):
    """The same in 40 digits."""
    x, y, total, zs = list(before_x), list(before_y), 0, 0
    for k in range(LENGTH):
        u = mpmath.exp(-r[k]) * c
        x.append(mpmath.sin(x[-1]) * u + 0.3 * x[-2])
        y.append(y[-1] * 0.5 + x[-1] * r[k] + x[-3])
        total += x[-1] * y[-1]
        zs += mpmath.cos(x[-1]) * u
    return zs + total + sum(a * b for a, b in zip(x[3:6], y[3:6], strict=True))


def moved(arguments, directions, step):
    """The arguments, as lists, a step further."""
    return [[a + step * b for a, b in zip(argument, direction, strict=True)] if isinstance(argument, list) else argument + step * direction
            for argument, direction in zip(arguments, directions, strict=True)]


def slope(function, arguments, directions):
    """Central differences in 40 digits."""
    step = mpmath.mpf("1e-12")
    return (function(*moved(arguments, directions, step)) - function(*moved(arguments, directions, -step))) / (2 * step)


def slopes(function, arguments, wrt=range(4)):
    """By each element of the arguments, as flat lists."""
    zeros = [[0] * len(each) if isinstance(each, list) else 0 for each in arguments]
    found = []
    for position in wrt:
        argument = arguments[position]
        if isinstance(argument, list):
            units = [[int(i == k) for i in range(len(argument))] for k in range(len(argument))]
            found.append([slope(function, arguments, [*zeros[:position], unit, *zeros[position + 1:]]) for unit in units])
        else:
            found.append(slope(function, arguments, [*zeros[:position], 1, *zeros[position + 1:]]))
    return found


EXACT = [[mpmath.mpf(float(a)) for a in each] if each.shape else mpmath.mpf(float(each)) for each in ARGUMENTS]


@pytest.fixture(params=[outputs_of, whole_loop], ids=["distributed", "whole"])
def loss(request):
    with mpmath.workdps(60):
        yield loss_of(request.param)


def close(found, expected, rtol):
    np.testing.assert_allclose(found, np.array(expected, dtype=object).astype(float), rtol=rtol, atol=rtol / 100)


def graph_of(inputs, outputs) -> Graph:
    return verify(Graph([each.node for each in inputs], [each.node for each in outputs]))


def test_value_and_gradients(loss):
    trace, inputs, value = loss
    graph = graph_of(inputs, [value, *gradients(trace, value, inputs)])
    expected = [reference(*EXACT), *slopes(reference, EXACT)]
    for found in (evaluate(graph, *ARGUMENTS), call(compile_graph(simplify(graph)), graph, *ARGUMENTS)):
        for a, b in zip(found, expected, strict=True):
            close(a, b, 1e-12)


def test_tangents(loss):
    trace, inputs, value = loss
    directions = [RNG.normal(size=each.shape) for each in ARGUMENTS]
    traced = [as_traced(each, trace) if each.shape else constant(trace, each[()], "float64") for each in directions]
    graph = graph_of(inputs, tangents(trace, [value], inputs, traced))
    close(evaluate(graph, *ARGUMENTS)[0], slope(reference, EXACT, [each.tolist() for each in directions]), 1e-12)


def test_derivatives_of_derivatives(loss):
    trace, inputs, value = loss
    first = gradients(trace, value, inputs[2:])
    graph = graph_of(inputs, gradients(trace, np.sum(first[0] * first[0]) + first[1], inputs))

    def length(*arguments):
        by_r, by_c = slopes(reference, arguments, (2, 3))
        return sum(each * each for each in by_r) + by_c
    for a, b in zip(evaluate(graph, *ARGUMENTS), slopes(length, EXACT), strict=True):
        close(a, b, 1e-11)


def test_what_needs_no_earlier_round_is_arrays():
    _, inputs, value = loss_of(outputs_of)
    loops = [node for node in graph_of(inputs, [value]).nodes if node.op is TABLE["loop"]]
    assert [len(node.attrs[0].outputs) for node in loops] == [1, 1, 1]   # x, y and the sum do not need one another
    assert all(TABLE["exp"] not in {each.op for each in node.attrs[0].nodes} for node in loops)


def test_a_sum_over_rounds_needs_no_loop_backwards():
    trace, inputs, value = loss_of(outputs_of)
    graph = graph_of(inputs, gradients(trace, value, inputs))
    backwards = [node.attrs[0] for node in graph.nodes if node.op is TABLE["loop"]]
    assert sum(len(each.nodes) == 3 for each in backwards) <= 2  # the forward sum and y's: that of the sum's cotangent is a constant


def test_json_keeps_one_body_for_the_outputs_of_a_loop():
    _, inputs, value = loss_of(whole_loop)
    graph = graph_of(inputs, [value])
    again = verify(from_json(to_json(graph), TABLE))
    assert str(again) == str(graph)
    assert len({id(node.attrs[0]) for node in again.nodes if node.op is TABLE["loop"]}) == 1


def test_strong_components_come_behind_what_they_point_to():
    assert strong_components({0: [1], 1: [2], 2: [1], 3: [0, 3], 4: []}) == [[1, 2], [0], [3], [4]]
