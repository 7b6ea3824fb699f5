"""The hash of a graph: the same for the same computation, another for any other."""

import numpy as np
import pytest

from tracer.graph.graph import Graph
from tracer.graph.identity import captured_arrays, identity
from tracer.graph.node import DERIVATIVE, Builder
from tracer.graph.types import array_type
from tracer.ops import TABLE

F8 = array_type("float64", (3,))


def graph(*, dtype="float64", shape=(3,), constant=2.0, run_time=False, captured=(1., 2., 3.), op="multiply", index=(0, 2, 1), swapped=False,
          derivative=0, names=None, outputs=2, unused=False):
    make = Builder()
    x, y = make.input(array_type(dtype, shape), 0), make.input(array_type(dtype, shape), 1)
    number = make.node(TABLE["broadcast_to"], (make.constant(constant, dtype, run_time),), (shape,))
    product = make.node(TABLE[op], (x, number))
    total = make.node(TABLE["subtract"], (y, product) if swapped else (product, y))
    total = make.node(TABLE["add"], (total, make.array(np.array(captured, dtype))))
    if unused:
        make.node(TABLE["sin"], (x,))
    part = make.node(TABLE["index"], (total,), ((index,),))
    request = make.node(DERIVATIVE, (total, x), (array_type(dtype, shape), "gradient", derivative))
    return Graph((x, y), (part, request, total)[:outputs], names and names[:2])


CHANGED = {
    "dtype": {"dtype": "float32"}, "constant": {"constant": np.nextafter(2.0, 3)}, "sign of zero": {"constant": -0.0},
    "run-time number": {"run_time": True}, "captured array": {"captured": (1., 2., np.nextafter(3., 4))}, "operation": {"op": "maximum"},
    "order of operands": {"swapped": True}, "derivative": {"derivative": 1}, "outputs": {"outputs": 3},
    "attribute": {"index": (1, 2, 1)}, "kind of attribute": {"index": 0},
}


def test_the_same_again():
    assert identity(graph()) == identity(graph()) == identity(graph(names=("a", "b"))) == identity(graph(unused=True))
    assert len(captured_arrays(graph())) == 1


@pytest.mark.parametrize("name", CHANGED)
def test_any_change_shows(name):
    assert identity(graph(**CHANGED[name])) != identity(graph())
    assert identity(graph(**CHANGED[name])) == identity(graph(**CHANGED[name]))


def test_zero_and_minus_zero():
    assert identity(graph(constant=0.0)) != identity(graph(constant=-0.0))


def test_the_order_of_inputs_counts():
    make = Builder()
    x, y = make.input(F8, 0), make.input(F8, 1)
    total = make.node(TABLE["subtract"], (x, y))
    assert identity(Graph((x, y), (total,))) != identity(Graph((y, x), (total,)))


def test_what_has_no_text_has_no_identity():
    make = Builder()
    x = make.input(F8, 0)
    assert identity(Graph((x,), (make.node(DERIVATIVE, (x,), (F8, lambda: None)),))) is None
    inner = Graph((x,), (make.node(TABLE["sin"], (x,)),))
    other = Graph((x,), (make.node(TABLE["cos"], (x,)),))
    found = {identity(Graph((x,), (make.node(DERIVATIVE, (x,), (F8, part)),))) for part in (inner, other)}
    assert None not in found and len(found) == 2
