"""The graph: hash-consing, constants by bits, legality, texts, depth."""

import gc
import json
import random
import tracemalloc

import numpy as np
import pytest
from arrays import finish, start

from tracer import grad, jit
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.node import CONSTANT, Builder, Node
from tracer.graph.op import Op
from tracer.graph.packed import PackedNodes
from tracer.graph.serial import from_json, to_json
from tracer.graph.text import format_graph, to_html
from tracer.graph.types import FLOAT64, INT64, array_type
from tracer.graph.verify import IllegalGraph, verify
from tracer.ops import TABLE

ADD, MULTIPLY, SIN = TABLE["add"], TABLE["multiply"], TABLE["sin"]


def small():
    builder = Builder()
    x, y = builder.input(FLOAT64, 0), builder.input(FLOAT64, 1)
    return builder, x, y


def test_equal_nodes_are_one_node():
    builder, x, y = small()
    assert builder.node(SIN, (x,)) is builder.node(SIN, (x,))
    assert builder.node(MULTIPLY, (y, x)) is builder.node(MULTIPLY, (x, y))
    assert builder.node(TABLE["subtract"], (y, x)) is not builder.node(TABLE["subtract"], (x, y))


@pytest.mark.parametrize("a, b", [((0.0, "float64"), (-0.0, "float64")), ((1, "int64"), (True, "bool")), ((1.0, "float64"), (1.0, "float32"))])
def test_constants_are_keyed_on_dtype_and_bits(a, b):
    builder = Builder()
    assert builder.constant(*a) is not builder.constant(*b)
    assert builder.constant(*a) is builder.constant(*a)


def test_captured_arrays_are_copied_and_keyed_on_content():
    builder, values = Builder(), np.arange(3.0)
    first = builder.array(values)
    assert builder.array(np.arange(3.0)) is first
    values[0] = 7.0
    assert first.attrs[1].values[0] == 0.0
    assert builder.array(values) is not first
    with pytest.raises(ValueError, match="read-only"):
        first.attrs[1].values[0] = 1.0


def test_types_are_interned():
    assert array_type("float64", (2, 3)) is array_type(np.dtype(float), (2, 3))
    with pytest.raises(TypeError, match="complex128 is not supported"):
        array_type("complex128")


def test_an_operation_with_a_blank_is_refused():
    with pytest.raises(TypeError, match=r"'half' leaves out .*partials"):
        Op(name="half", kind="elementwise", infer=lambda t, a: t[0], evaluate=lambda x: x / 2, lower=None, source="", grad_fn="", domain=None)


def planted(change):
    builder, x, y = small()
    product = builder.node(MULTIPLY, (x, y))
    return change(builder, x, y, product)


def forged(op, inputs, attrs, type, id):
    return Node(op, inputs, attrs, type, id, None)


FAULTS = {
    "operand .* comes later": lambda b, x, y, p: Graph([x, y], [forged(MULTIPLY, (x, forged(SIN, (x,), (), FLOAT64, 9)), (), FLOAT64, 4)]),
    "two nodes of one id": lambda b, x, y, p: Graph([x, y], [p, forged(SIN, (x,), (), FLOAT64, p.id)]),
    "stands twice": lambda b, x, y, p: Graph([x, y], [p, forged(MULTIPLY, p.inputs, (), FLOAT64, 7)]),
    "not what its operation infers": lambda b, x, y, p: Graph([x, y], [forged(SIN, (x,), (), INT64, 7)]),
    "not in the order of creation": lambda b, x, y, p: Graph([x, y], [forged(ADD, (y, x), (), FLOAT64, 7)]),
    "is not input 1": lambda b, x, y, p: Graph([x, x], [p]),
    "not listed": lambda b, x, y, p: Graph([x], [p]),
    "constant is 0-d": lambda b, x, y, p: Graph([x, y], [forged(CONSTANT, (), (FLOAT64, b"123", False), FLOAT64, 7)]),
    "states its type": lambda b, x, y, p: Graph([x, y], [forged(CONSTANT, (), (INT64, bytes(8), False), FLOAT64, 7)]),
    "its operation is no record": lambda b, x, y, p: Graph([x, y], [Node("sin", (x,), (), FLOAT64, 7, None)]),
    "type is not interned": lambda b, x, y, p: Graph([x, y], [forged(SIN, (x,), (), type(FLOAT64)(np.dtype(float), ()), 7)]),
    "are tuples": lambda b, x, y, p: Graph([x, y], [forged(SIN, (x,), [], FLOAT64, 7)]),
}


@pytest.mark.parametrize("rule", FAULTS)
def test_verify_finds_a_planted_fault_of_every_rule(rule):
    if rule == "its operation is no record":
        class NoRecord:
            name, kind = "sin", "elementwise"
        graph = planted(lambda b, x, y, p: Graph([x, y], [Node(NoRecord, (x,), (), FLOAT64, 7, None)]))
    else:
        graph = planted(FAULTS[rule])
    with pytest.raises(IllegalGraph, match=rule):
        verify(graph)


def test_a_legal_graph_passes_and_evaluates():
    graph = planted(lambda b, x, y, p: Graph([x, y], [b.node(ADD, (p, b.constant(1.0, "float64")))]))
    assert verify(graph) is graph
    assert evaluate(graph, 2.0, 3.0)[0] == 7.0
    with pytest.raises(TypeError, match="2 inputs, 1 arguments"):
        evaluate(graph, 2.0)
    with pytest.raises(ValueError, match="shape"):
        evaluate(graph, np.ones(2), 3.0)


def rich():
    def f(x, w):
        table = np.array([[1.0, -0.0], [np.inf, 2.5]])
        return np.sum(np.where(x[::-1, 1:] > 0.5, np.exp(w), 0.0)) + np.sum(table @ x[:2, :2]) + np.float32(3.0) * x[0, 0]
    compiled = jit(f)
    compiled(np.ones((3, 4)), 0.25)
    return compiled.graph


def test_json_gives_the_same_graph_back():
    graph = rich()
    again = verify(from_json(to_json(graph), TABLE))
    assert format_graph(again) == format_graph(graph)
    x = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_array_equal(evaluate(again, x, 0.25)[0], evaluate(graph, x, 0.25)[0])
    assert json.loads(to_json(graph))["inputs"][0][0] == "x"


def test_text_is_the_same_for_the_same_function():
    assert str(rich()) == str(rich())


def test_text_names_inputs_and_numbers_lines():
    compiled = jit(lambda x, y: np.sin(x) * y + 2.0)
    compiled(1.0, 2.0)
    assert str(compiled.graph).splitlines() == [
        "<lambda>(x: float64[], y: float64[])", "  %0 = sin(x) : float64[]", "  %1 = multiply(y, %0) : float64[]",
        "  %2 = add(%1, 2.0) : float64[]", "  return value=%2"]
    assert "test_graph.py:" in compiled.graph.to_text(lines=True)


def test_drawings_name_every_operation():
    graph = rich()
    dot = graph.to_dot()
    for name in ("matmul", "where", "exp", "array"):
        assert name in dot
    assert dot.count("{") == dot.count("}")
    assert "<pre>" in to_html(graph) and "&lt;lambda&gt;" not in format_graph(graph)


def test_depth_100_000_without_recursion():
    def deep(x):
        for _ in range(25_000):
            x = np.sin(x) * 1.01 + 0.1 * x
        return x

    trace, (x,) = start([np.float64(0.3)])
    y = deep(x)
    graph = finish([x], [y, *gradients(trace, y, [x])])
    assert len(graph.nodes) > 100_000
    value, slope = evaluate(graph, 0.3)
    assert format_graph(graph).count("\n") > 100_000
    expected, tangent = 0.3, 1.0
    for _ in range(25_000):
        expected, tangent = np.sin(expected) * 1.01 + 0.1 * expected, tangent * (np.cos(expected) * 1.01 + 0.1)
    np.testing.assert_allclose([value, slope], [expected, tangent], rtol=1e-10, atol=1e-300)


def test_packed_nodes_come_back_as_they_were():
    def f(x):
        y = np.zeros(4)
        for i in range(3):
            y[i] = np.sin(x[i]) * -0.0 + x[i + 1]
        return np.sum(y * y), x[0] + 1.5
    graph = jit(f).lower(np.arange(4.0)).graph
    again = PackedNodes((*graph.inputs, *graph.outputs), graph.nodes).unpacked()
    unpacked = Graph(again[:1], again[1:], graph.input_names, graph.output_names, graph.name)
    assert unpacked.to_text(lines=True) == graph.to_text(lines=True) and "test_graph.py" in graph.to_text(lines=True)
    verify(unpacked)
    assert len(unpacked.nodes) == len(graph.nodes) and not set(unpacked.nodes) & set(graph.nodes)


def test_graphs_are_packed_after_compilation_and_unpacked_when_somebody_looks():
    def f(x):
        return np.sum(np.sin(x) ** 2 / (1.0 + x * x))
    slope = grad(f, cache=False)
    slope(np.ones(3))
    graphs = slope._history.last.graphs
    assert not {"graph", "derived", "simplified", "gradient_graph"} & set(vars(graphs)) and graphs._packed is not None
    assert slope._history.last.kernel.program is slope._history.last.kernel.text is None
    lowered = slope.lower(np.ones(3))
    assert lowered.graph is slope.graph and lowered.gradient_graph is slope.gradient_graph and graphs._packed is None
    verify(slope.gradient_graph)
    assert slope.gradient_graph.output_names == ("value", "gradient") and slope.graph.outputs[0].type.shape == ()
    assert "def f" in slope.source


def irregular(operations, seed):
    """A function of straight-line code in an order that does not repeat."""
    def f(x):
        rng, values = random.Random(seed), [x[k] for k in range(8)]
        for _ in range(operations):
            a, b = rng.choice(values[-50:]), rng.choice(values)
            values.append(rng.choice([lambda: a + b, lambda: a * b, lambda: np.sin(a), lambda: a - 0.5 * b])())
        return sum(values)
    return f


def test_nothing_of_a_trace_outlives_its_compilation():
    x = np.linspace(0.1, 0.8, 8)
    made = grad(irregular(700, 0), cache=False)
    gc.collect()
    gc.disable()  # what is in no circle goes at once
    try:
        before = sum(type(each) is Node for each in gc.get_objects())
        made(x)
        assert sum(type(each) is Node for each in gc.get_objects()) == before
    finally:
        gc.enable()


def test_what_is_kept_of_a_compilation_is_small():
    x = np.linspace(0.1, 0.8, 8)
    grad(irregular(1000, 0), cache=False)(x)  # what is kept once
    made = grad(irregular(3000, 1), cache=False)
    gc.collect()
    tracemalloc.start()
    try:
        made(x)
        gc.collect()
        kept = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    traced, derived, _ = made._history.last.nodes
    assert traced > 3000 and kept < 200 * traced and kept < 70 * derived
