"""The records of reductions, movements, indexing and linear algebra: conventions, adjoints, second derivatives, and what each refuses."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tracer.arrays import central_differences, finish, gradient, run, start
from tracer.derive.reverse import gradients
from tracer.errors import ShapeError
from tracer.graph.evaluate import evaluate
from tracer.graph.op import ZERO
from tracer.graph.types import array_type
from tracer.graph.verify import IllegalGraph, verify
from tracer.ops import TABLE, indexing, linalg, movement, reduction
from tracer.ops.apply import apply
from tracer.ops.families import records_of

OURS = [op for family in (reduction, movement, indexing, linalg) for op in records_of(family)]


def test_the_table_holds_every_record_of_these_families():
    assert all(TABLE[op.name] is op for op in OURS)
    assert {op.name for op in OURS} == {
        "sum", "prod", "max", "min", "any", "all", "argmax", "argmin", "argsort", "cumsum", "cumprod", "reshape", "transpose", "broadcast_to", "index",
        "concatenate", "assemble", "gather", "scatter_add", "matmul", "inv", "solve", "cholesky", "det", "logabsdet", "detsign"}


# Conventions ------------------------------------------------------------------------------------------------------------

# (function, argument, gradient); the numbers are what torch 2.13 gives, where torch has the function.
CONVENTIONS = {
    "max shares ties evenly": (np.max, [1.0, 3.0, 3.0, 2.0], [0, 0.5, 0.5, 0]),
    "min shares ties evenly": (np.min, [1.0, 3.0, 1.0, 1.0], [1 / 3, 0, 1 / 3, 1 / 3]),
    "max with axis shares too": (lambda x: np.sum(np.max(x, axis=1)), [[2.0, 2.0], [0.0, 1.0]], [[0.5, 0.5], [0, 1]]),
    "max with a nan is nan": (np.max, [1.0, np.nan], [np.nan, np.nan]),
    "max of infinities": (np.max, [np.inf, 1.0, np.inf], [0.5, 0, 0.5]),
    "ptp of a constant": (np.ptp, [2.0, 2.0], [0, 0]),
    "prod with a zero": (np.prod, [0.0, 2.0, 3.0], [6, 0, 0]),
    "prod with two zeros": (np.prod, [0.0, 2.0, 0.0], [0, 0, 0]),
    "prod with axis and zeros": (lambda x: np.sum(np.prod(x, axis=0)), [[0.0, 2.0], [3.0, 4.0]], [[3, 4], [0, 2]]),
    "prod of one": (np.prod, [5.0], [1]),
    "cumprod with a zero": (lambda x: np.sum(np.cumprod(x)), [2.0, 0.0, 3.0, 4.0], [1, 2 + 6 + 24, 0, 0]),
    "cumprod with two zeros": (lambda x: np.sum(np.cumprod(x)), [2.0, 0.0, 3.0, 0.0, 5.0], [1, 2 + 6, 0, 0, 0]),
    "std of a constant": (np.std, [2.0, 2.0, 2.0], [0, 0, 0]),
    "norm of zero": (np.linalg.norm, [0.0, 0.0], [0, 0]),
    "Frobenius norm of zero": (np.linalg.norm, [[0.0, 0.0], [0.0, 0.0]], [[0, 0], [0, 0]]),
    "1-norm at zero": (lambda x: np.linalg.norm(x, 1), [0.0, -2.0], [0, -1]),
    "3-norm of zero": (lambda x: np.linalg.norm(x, 3), [0.0, 0.0], [0, 0]),
    "half norm with a zero": (lambda x: np.linalg.norm(x, 0.5), [0.0, 4.0], [0, 1]),
    "0-norm": (lambda x: np.linalg.norm(x, 0), [0.0, 4.0], [0, 0]),
    "largest norm shares ties": (lambda x: np.linalg.norm(x, np.inf), [-3.0, 3.0, 1.0], [-0.5, 0.5, 0]),
    "sqrt of a sum of squares at zero": (lambda x: np.sqrt(np.sum(x * x)), [0.0, 0.0], [np.nan, np.nan]),
    "var of one": (np.var, [3.0], [0]),
    "mean of where": (lambda x: np.mean(x, where=np.array([True, False, True])), [1.0, np.nan, 3.0], [0.5, 0, 0.5]),
    "sum of an untaken nan": (lambda x: np.sum(np.log(x), where=np.array([True, False])), [2.0, 0.0], [0.5, 0]),
    "clip at its bounds": (lambda x: np.sum(np.clip(x, -1.0, 1.0)), [-1.0, 1.0, 0.0, 2.0], [1, 1, 1, 0]),
    "clip at one bound": (lambda x: np.sum(np.clip(x, None, 1.0)), [-1.0, 1.0, 3.0], [1, 1, 0]),
    "det of a singular matrix": (np.linalg.det, [[1.0, 2.0], [2.0, 4.0]], [[4, -2], [-2, 1]]),
    "det of a singular 3 by 3 matrix": (np.linalg.det, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]], [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]]),
    "det of zero": (np.linalg.det, [[0.0]], [[1]]),
    "sign of a determinant": (lambda a: np.linalg.slogdet(a)[0], [[2.0, 1.0], [1.0, 2.0]], [[0, 0], [0, 0]]),
    "logarithm of a singular determinant": (lambda a: np.linalg.slogdet(a)[1], [[0.0, 0.0], [0.0, 0.0]], [[np.nan, np.nan], [np.nan, np.nan]]),
    "round": (lambda x: np.sum(np.round(x, 1)), [0.26, 1.0], [0, 0]),
    "argmax carries nothing": (lambda x: np.sum(x) * np.argmax(x), [1.0, 2.0], [1, 1]),
    "sinc at zero": (lambda x: np.sum(np.sinc(x)), [0.0, 1.0], [0, -1]),
    "reads meet": (lambda x: x[0] * x[1] + x[0] + x[-1] * x[1], [2.0, 3.0, 5.0], [4, 7, 3]),
    "repeated indices add up": (lambda x: np.sum(x[[0, 0, 2]] * np.array([1.0, 2.0, 3.0])), [1.0, 1.0, 1.0], [3, 0, 3]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CONVENTIONS)
def test_convention(name):
    function, argument, expected = CONVENTIONS[name]
    np.testing.assert_allclose(gradient(function, np.array(argument))[0], np.array(expected, float), rtol=1e-14, atol=1e-14)


def test_cholesky_shares_its_gradient_between_the_triangles():
    a = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.5, 0.2, 2.0]])
    weights = np.array([[1.0, 0.0, 0.0], [2.0, 3.0, 0.0], [4.0, 5.0, 6.0]])
    found = gradient(lambda x: np.sum(np.linalg.cholesky(x) * weights), a)[0]
    np.testing.assert_allclose(found, found.T)
    expected = central_differences(lambda x: np.sum(np.linalg.cholesky((x + x.T) / 2) * weights), a)[0]
    np.testing.assert_allclose(found, expected, rtol=1e-7)


def _torch_cases():
    def loss(y, np_or_torch):
        return (y * y).sum() + y.sum()
    matrix = np.array([[2.0, 0.3, -0.1], [0.2, 1.5, 0.4], [0.1, -0.3, 1.2]])
    positive = matrix @ matrix.T + np.eye(3)
    right = np.array([[1.0, 2.0], [0.5, -1.0], [3.0, 0.1]])
    zeros = np.array([1.5, 0.0, -2.0, 0.0, 3.0])
    ties = np.array([[1.0, 2.0, 2.0], [3.0, 3.0, 0.0]])
    return {
        "amax": (lambda x: np.max(x, axis=1), lambda t, x: t.amax(x, 1), ties), "amin": (lambda x: np.min(x), lambda t, x: t.amin(x), ties),
        "prod": (lambda x: np.prod(x), lambda t, x: t.prod(x), zeros[:3]), "cumprod": (lambda x: np.cumprod(x), lambda t, x: t.cumprod(x, 0), zeros),
        "std": (lambda x: np.std(x, axis=0), lambda t, x: t.std(x, 0, correction=0), np.array([[1.0, 2.0], [1.0, 5.0]])),
        "norm": (lambda x: np.linalg.norm(x, axis=1), lambda t, x: t.linalg.vector_norm(x, dim=1), np.array([[0.0, 0.0], [3.0, 4.0]])),
        "cholesky": (np.linalg.cholesky, lambda t, x: t.linalg.cholesky(x), positive), "inv": (np.linalg.inv, lambda t, x: t.linalg.inv(x), matrix),
        "det": (np.linalg.det, lambda t, x: t.linalg.det(x), matrix),
        "slogdet": (lambda x: np.linalg.slogdet(x)[1], lambda t, x: t.linalg.slogdet(x)[1], -matrix),
        "solve": (lambda x: np.linalg.solve(x, right), lambda t, x: t.linalg.solve(x, t.tensor(right)), matrix),
        "clip": (lambda x: np.clip(x, 1.0, 2.0), lambda t, x: t.clamp(x, 1.0, 2.0), ties),
        "max norm": (lambda x: np.linalg.norm(x, np.inf, axis=1), lambda t, x: t.linalg.vector_norm(x, float("inf"), dim=1),
                     np.array([[2.0, -2.0, 1.0], [0.0, 0.0, 0.0]])),
    }, loss


@pytest.mark.parametrize("name", _torch_cases()[0])
def test_same_gradient_as_torch(name):
    torch = pytest.importorskip("torch")
    cases, loss = _torch_cases()
    ours, theirs, argument = cases[name]
    x = torch.tensor(argument, requires_grad=True)
    loss(theirs(torch, x), torch).backward()
    np.testing.assert_allclose(gradient(lambda x: loss(ours(x), np), argument)[0], x.grad.numpy(), rtol=1e-12, atol=1e-13)


# Impossible matrices ----------------------------------------------------------------------------------------------------

def test_a_singular_matrix_gives_nan_for_itself_alone():
    batch = np.stack([np.eye(2) * 2, np.zeros((2, 2))])
    inverse = run(np.linalg.inv, batch)[0]
    np.testing.assert_array_equal(inverse, [np.eye(2) / 2, np.full((2, 2), np.nan)])
    np.testing.assert_array_equal(run(np.linalg.solve, batch, np.ones((2, 2, 1)))[0], [[[0.5], [0.5]], [[np.nan], [np.nan]]])
    np.testing.assert_array_equal(run(np.linalg.cholesky, -batch[0])[0], np.full((2, 2), np.nan))
    assert run(lambda a: tuple(np.linalg.slogdet(a)), batch[1]) == (0.0, -np.inf)


# Second derivatives -----------------------------------------------------------------------------------------------------

def _wave(y):
    return np.sum(np.sin(y))


MATRIX = np.array([[2.0, 0.3, -0.1], [0.2, 1.5, 0.4], [0.1, -0.3, 1.2]])
SECOND = {
    "prod": (np.prod, np.array([1.5, -2.0, 0.5])), "prod at a zero": (np.prod, np.array([0.0, 2.0, 3.0])),
    "prod at two zeros": (np.prod, np.array([0.0, 2.0, 0.0])),
    "cumprod": (lambda x: _wave(np.cumprod(x)), np.array([1.5, -2.0, 0.5, 1.1])),
    "cumprod at zeros": (lambda x: _wave(np.cumprod(x)), np.array([1.5, 0.0, 0.5, 0.0, 2.0])),
    "cumsum": (lambda x: _wave(np.cumsum(x)), np.array([1.5, -2.0, 0.5])), "max": (lambda x: np.max(x) ** 3, np.array([1.0, 2.0])),
    "std": (lambda x: np.std(x) ** 3, np.array([1.0, 2.0, 4.0])), "norm": (lambda x: np.linalg.norm(x) ** 3, np.array([1.0, 2.0, 4.0])),
    "matmul": (lambda x: _wave(x @ x), MATRIX), "inv": (lambda x: _wave(np.linalg.inv(x)), MATRIX),
    "solve": (lambda x: _wave(np.linalg.solve(x, x[0])), MATRIX),
    "det": (lambda x: np.linalg.det(x) ** 2, MATRIX), "det of order 4": (np.linalg.det, np.pad(MATRIX, (0, 1), constant_values=0.5) + np.diag([0, 0, 0, 1.0])),
    "slogdet": (lambda x: np.linalg.slogdet(x)[1], MATRIX), "cholesky": (lambda x: _wave(np.linalg.cholesky(x @ x.T + 0.5 * np.eye(3))), MATRIX),
    "gather": (lambda x: _wave(x[[0, 2, 0]] * x[[1, 1, 2]]), np.array([1.5, -2.0, 0.5])),
    "index": (lambda x: _wave(x[::-1] * x[1] + x[:1]), np.array([1.5, -2.0, 0.5])),
    "concatenate": (lambda x: _wave(np.concatenate([x, x[:2] * x[1:]])), np.array([1.5, -2.0, 0.5])),
    "diag": (lambda x: _wave(np.diag(x) @ np.diag(x, 0)), np.array([1.5, -2.0, 0.5])),
}


@pytest.mark.parametrize("name", SECOND)
def test_second_derivative(name):
    function, at = SECOND[name]
    weights = np.cos(1.0 + np.arange(at.size)).reshape(at.shape)

    def slope(x):
        return gradient(function, x)[0]

    trace, (x,) = start((at,))
    first = gradients(trace, function(x), [x])[0]
    second = gradients(trace, np.sum(first * weights), [x])[0]
    found = evaluate(finish([x], [second]), at)[0]
    expected = central_differences(lambda x: np.sum(slope(x) * weights), at)[0]
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-7)


# On plain arrays --------------------------------------------------------------------------------------------------------

ON_ARRAYS = {"sum": ((MATRIX,), ((0,),)), "prod": ((MATRIX,), ((0, 1),)), "max": ((MATRIX,), ((1,),)), "min": ((MATRIX,), ((0,),)), "cumsum": ((MATRIX,), (1,)),
             "cumprod": ((MATRIX,), (0,)), "reshape": ((MATRIX,), ((9,),)), "transpose": ((MATRIX,), ((1, 0),)), "broadcast_to": ((MATRIX,), ((2, 3, 3),)),
             "index": ((MATRIX,), ((1, (2, 2, -1)),)), "concatenate": ((MATRIX, MATRIX[:1]), (0,)),
             "assemble": ((MATRIX,), ((4, 3), (((1, 3, 1), (0, 3, 1)),))),
             "gather": ((MATRIX, np.array([2, 2, 0])), ()), "scatter_add": ((MATRIX, np.array([1, 1, 0])), ((2, 3),)), "matmul": ((MATRIX, MATRIX), ()),
             "inv": ((MATRIX,), ()), "solve": ((MATRIX, MATRIX), ()), "cholesky": ((MATRIX @ MATRIX.T,), ()), "det": ((MATRIX,), ()),
             "logabsdet": ((MATRIX,), ())}


@pytest.mark.parametrize("name", ON_ARRAYS)
def test_rules_run_on_arrays_as_on_traced_values(name):
    op, (inputs, attrs) = TABLE[name], ON_ARRAYS[name]
    out = op.evaluate(*inputs, *attrs)
    cotangent = np.cos(np.arange(out.size, dtype=float)).reshape(out.shape)
    found = op.vjp(cotangent, inputs, out, attrs, lambda value, factor: value * factor)

    def pulled(cotangent, *inputs):
        return [x for x in op.vjp(cotangent, inputs, apply(op, inputs, attrs), attrs, lambda value, factor: value * factor) if x is not None]
    for ours, expected in zip([x for x in found if x is not None], run(pulled, cotangent, *inputs)):
        np.testing.assert_allclose(ours, expected, rtol=1e-13, atol=1e-14)


def test_every_differentiable_record_is_among_them():
    assert ON_ARRAYS.keys() == {op.name for op in OURS if op.vjp is not ZERO}


# Adjoints ---------------------------------------------------------------------------------------------------------------

SPECS = [((3, 4), (1, (3, 4, -1))), ((3, 4), ((0, 3, 1), 2)), ((5,), ((4, 3, -2),)), ((5,), ((1, 2, 3),)), ((2, 3), ((0, 0, 1), (1, 2, 1))), ((3,), (0,))]


@pytest.mark.parametrize("shape, spec", SPECS)
def test_assemble_is_the_adjoint_of_index(shape, spec):
    random = np.random.default_rng(0)
    x = random.normal(size=shape)
    read = apply(TABLE["index"], (x,), (spec,))
    y = random.normal(size=read.shape)
    assert array_type("float64", shape).with_shape(read.shape) is TABLE["index"].infer((array_type("float64", shape),), (spec,))
    np.testing.assert_allclose(np.sum(read * y), np.sum(x * apply(TABLE["assemble"], (y,), (shape, (spec,)))), rtol=1e-14)


def test_scatter_add_is_the_adjoint_of_gather():
    random = np.random.default_rng(0)
    x, i, j = random.normal(size=(4, 3, 2)), np.array([[3, 0], [3, 3]]), np.array([1, 2])
    read = apply(TABLE["gather"], (x, i, j))
    y = random.normal(size=read.shape)
    np.testing.assert_array_equal(read, x[i, j])
    np.testing.assert_allclose(np.sum(read * y), np.sum(x * apply(TABLE["scatter_add"], (y, i, j), (x.shape,))), rtol=1e-14)


def test_all_reads_of_one_array_meet_in_one_assemble():
    trace, (x,) = start((np.ones(50),))
    total = sum([x[k] * x[k + 1] for k in range(49)])
    graph = finish([x], gradients(trace, total, [x]))
    assert [node.op.name for node in graph.nodes].count("assemble") == 1
    np.testing.assert_array_equal(evaluate(graph, np.ones(50))[0], [1, *[2] * 48, 1])


@pytest.mark.parametrize("name, arguments", [("gather", (np.arange(3.0), np.array([3]))), ("gather", (np.arange(3.0), np.array([-1]))),
                                             ("scatter_add", (np.ones(1), np.array([5]), (3,)))])
def test_an_index_out_of_bounds_is_an_error(name, arguments):
    with pytest.raises(IndexError, match=r"index -?\d is out of bounds for axis 0 with size 3"):
        TABLE[name].evaluate(*arguments)


# What is refused --------------------------------------------------------------------------------------------------------

F, K, B = array_type("float64", (3, 4)), array_type("int64", (2,)), array_type("bool", (3, 4))
ILLEGAL = [("sum", (F,), ((1, 0),)), ("sum", (F,), ((0, 2),)), ("any", (F,), ((0,),)), ("cumsum", (F,), (2,)), ("transpose", (F,), ((0, 0),)),
           ("index", (F,), ((3, (0, 4, 1)),)), ("index", (F,), ((0, (0, 5, 1)),)), ("index", (F,), ((0, (0, 2, -1)),)), ("index", (F,), ((0,),)),
           ("assemble", (F,), ((3, 4), (((0, 3, 1), (0, 3, 1)),))), ("assemble", (), ((3,), ())), ("gather", (F, F), ()), ("gather", (K, K, K), ()),
           ("scatter_add", (F, K), ((5, 4),)), ("matmul", (F, array_type("float32", (4, 2))), ()), ("matmul", (array_type("int64", (3, 4)),) * 2, ()),
           ("concatenate", (F, B), (0,)), ("inv", (B,), ()), ("argmax", (F,), (-1,))]


@pytest.mark.parametrize("name, types, attrs", ILLEGAL)
def test_an_illegal_node_is_our_bug(name, types, attrs):
    with pytest.raises(AssertionError):
        TABLE[name].infer(types, attrs)


UNFIT = [("reshape", (F,), ((5, 2),), "cannot reshape array of size 12 into shape (5, 2)"),
         ("broadcast_to", (F,), ((3, 5),), "shapes (3, 4) and (3, 5) do not broadcast together"),
         ("concatenate", (F, array_type("float64", (2, 3))), (0,), "arrays of shapes (3, 4) and (2, 3) do not fit together along axis 0"),
         ("matmul", (F, F), (), "shapes (3, 4) and (3, 4) do not fit in a matrix product: 4 (axis -1) and 3 (axis -2)"),
         ("inv", (F,), (), "Last 2 dimensions of the array must be square, and are (3, 4)"),
         ("solve", (array_type("float64", (3, 3)), array_type("float64", (2, 1))), (), "a system of 3 equations with a right-hand side of shape (2, 1)"),
         ("max", (array_type("float64", (0,)),), ((0,),), "zero-size array to reduction operation maximum which has no identity"),
         ("argmin", (array_type("float64", (0,)),), (0,), "attempt to get argmin of an empty sequence")]


@pytest.mark.parametrize("name, types, attrs, message", UNFIT)
def test_shapes_that_do_not_fit(name, types, attrs, message):
    with pytest.raises(ShapeError) as caught:
        TABLE[name].infer(types, attrs)
    assert str(caught.value) == message


def test_verify_sees_a_node_whose_type_is_not_what_its_operation_infers():
    _, (x,) = start((np.ones((3, 4)),))
    graph = finish([x], [np.sum(x, axis=0)])
    graph.outputs[0].type = array_type("float64", (3,))
    with pytest.raises(IllegalGraph, match="its type is not what its operation infers"):
        verify(graph)
