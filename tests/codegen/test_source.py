"""Generated source three ways (plain Python, under Numba, and the kernel of the same graph) against the graph's meaning."""

import numpy as np
import pytest

from codegen import functions
from codegen.pipeline import compile_graph
from codegen.schedule.scheduler import schedule
from codegen.source import compile_source
from tests.codegen.kernel_call import call
from tests.codegen.source_checks import as_tuple, assert_same, check, graph_of, run_plain
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.op import Convert, Expand, Instruction, Special, lowering
from tracer.graph.types import array_type
from tracer.ops import TABLE
from tracer.trace.context import Trace

RNG = np.random.default_rng(5)
FLOATS = ("float64", "float32")
ATTRS = {"cast": ("float32",), "copy_of": (1,)}
SAMPLED = [op for op in TABLE.values() if op.kind == "elementwise" and op.domain is not None]


# The table --------------------------------------------------------------------------------------------------------------

def sample(op, dtype, size=11):
    return [RNG.uniform(low, high, size).astype(dtype) for low, high in op.domain]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("op", SAMPLED, ids=lambda op: op.name)
def test_each_operation(op, dtype):
    arguments = sample(op, dtype)
    trace = Trace(op.name)
    inputs = [trace.builder.input(array_type(a.dtype, a.shape), k) for k, a in enumerate(arguments)]
    graph = Graph(inputs, [trace.builder.node(op, tuple(inputs), ATTRS.get(op.name, ()))], name=op.name)
    check(graph, *arguments, njit=False)


@pytest.mark.parametrize("dtype", FLOATS)
def test_all_operations_in_one_compiled_text(dtype):
    """In one function, since Numba takes long to start; scalars, so that every operation stands in straight-line code too."""
    trace = Trace("table")
    arguments, inputs, outputs = [], [], []
    for op in SAMPLED:
        own = []
        for value in sample(op, dtype, 1):
            own.append(trace.builder.input(array_type(value.dtype), len(inputs)))
            inputs.append(own[-1])
            arguments.append(value[0])
        outputs.append(trace.builder.node(op, tuple(own), ATTRS.get(op.name, ())))
    check(Graph(inputs, outputs, name="table"), *arguments)


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint8", "bool"])
def test_every_operation_with_an_instruction_has_text(dtype):
    """What is not expanded for a class of operands reaches the generated text."""
    direct = [op for op in TABLE.values() if op.kind == "elementwise" and _reaches_the_text(lowering(op, np.dtype(dtype)), dtype)]
    assert direct and not [op.name for op in direct if not isinstance(op.source, str)]


def _reaches_the_text(lower, dtype):
    if isinstance(lower, Instruction):
        return getattr(lower, {"f": "float", "i": "signed", "u": "unsigned", "b": "bool"}[np.dtype(dtype).kind]) is not None
    return not isinstance(lower, (Expand, Convert, type(None)))


def test_every_special_function_is_found_by_the_name_in_its_record():
    names = {op.source.partition("(")[0] for op in TABLE.values() if isinstance(lowering(op, np.dtype("float64")), Special)}
    assert names and all(callable(getattr(functions, name)) for name in names)
    assert not hasattr(functions, "no_such_function")


# Structure --------------------------------------------------------------------------------------------------------------

def positive_definite(n):
    a = RNG.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


N = RNG.normal
INDICES = RNG.integers(-4, 4, 3)
SIGNED, DIVISORS = RNG.integers(-9, 9, 8), np.array([3, -2, 1, 5, -1, 2, 0, 4])
SHIFTS = np.array([0, 1, 2, 3, 4, 5, 6, 7])
BOOLS = np.array([[True, True, False, False], [True, False, True, False]])


def integer_arithmetic(i, j):
    return (i // j, i % j, i * j, i - j, i + j, abs(i), -i, i > j, np.sum(i), np.maximum(i, j), i & j, i | j, i ^ j, ~i, np.sum(i, axis=0), np.cumsum(i), i / j)


STRUCTURED = {
    "rosenbrock": (lambda x: np.sum(100.0 * (x[1:] - x[:-1]**2)**2 + (1.0 - x[:-1])**2), N(size=7)),
    "reductions": (lambda X: (np.sum(X), np.sum(X, axis=0), np.sum(X, axis=1), np.max(X, axis=0), np.min(X, axis=1), np.prod(X, axis=(0, 2)),
                              np.sum(X, axis=1, keepdims=True), np.mean(X, axis=(0, 1)), np.std(X)), N(size=(3, 4, 5))),
    "any_all": (lambda X: (np.any(X > 1.0, axis=0), np.all(X > -2.0, axis=1), np.all(X > 0.0)), N(size=(3, 4))),
    "nan_extremes": (lambda X: (np.max(X), np.min(X, axis=0), np.argmax(X, axis=1), np.argmin(X)), np.array([[1.0, np.nan, 2.0], [-np.inf, 0.0, -1.0]])),
    "positions": (lambda X, i: (np.argmax(X, axis=0), np.argmin(X, axis=1), np.argmax(X), np.argmin(i), np.argmax(X > 0)), N(size=(4, 5)), SIGNED),
    "orders": (lambda X, i, k, b: (np.argsort(X), np.argsort(X, axis=0), np.argsort(i, kind="stable"), np.argsort(k, kind="stable"),
                                   np.argsort(b, kind="stable"), np.sort(X, axis=None)[::-1]),
               np.where(abs(N(size=(4, 9))) < 0.3, np.nan, N(size=(4, 9))), SIGNED, (SIGNED + 200).astype("uint64"), BOOLS[0]),
    "an_order_of_few": (lambda x: (np.argsort(x[:1]), np.argsort(x[:2]), np.sort(x[:3])), N(size=3)),
    "scans": (lambda X: (np.cumsum(X, axis=0), np.cumprod(X, axis=1), np.cumsum(X)), N(size=(3, 4))),
    "slices": (lambda X: (X[1:, ::2], X[::-1], X[2, :], X[:, 1] * X[:, 2], X[-1, -1], X[::-2, 3:0:-1]), N(size=(5, 6))),
    "movements": (lambda X: (X.T.reshape(-1), X.reshape(10, 2) * 2.0, X.T @ X, np.flip(X), np.roll(X, 1, axis=0), np.diff(X, axis=1),
                             np.diag(X[:4, :4]), np.trace(X), np.tile(X, 2), np.repeat(X, 2, axis=0)), N(size=(4, 5))),
    "joins": (lambda x, y: (np.concatenate([x, y * 2.0, x]), np.stack([x, x])), N(size=3), N(size=4)),
    "gathers": (lambda X, i: (X[i] * 2.0, X[:, i], X[i, i]), N(size=(4, 4)), INDICES),
    "products": (lambda A, B: (A @ B, A.T @ A, (A @ B)[1:, :] @ (A[:2] @ B).T, A[1:, 1:] @ B[1:], B.T @ A.T, (2.0 * A).T @ A), N(size=(4, 3)), N(size=(3, 5))),
    "vectors": (lambda A, b: (A @ b, b @ A.T, b @ b, np.exp(A) @ b, np.outer(b, b)), N(size=(4, 3)), N(size=3)),
    "batches": (lambda A, B: (A @ B, np.swapaxes(A, -1, -2) @ A, A[..., 1:, :] @ B), N(size=(2, 3, 4, 3)), N(size=(2, 3, 3, 5))),
    "einsum": (lambda A, B: (np.einsum("ij,jk->ki", A, B), np.einsum("ii->i", B[:3, :3]), np.tensordot(A, B, 1)), N(size=(4, 3)), N(size=(3, 5))),
    "factorisations": (lambda A, b: (np.linalg.inv(A), np.linalg.solve(A, b), np.linalg.cholesky(A), np.linalg.det(A), *np.linalg.slogdet(A)),
                       positive_definite(4), N(size=4)),
    "batched_factorisations": (lambda A, b: (np.linalg.inv(A), np.linalg.solve(A, b), np.linalg.cholesky(A), np.linalg.det(A), *np.linalg.slogdet(A)),
                               np.stack([positive_definite(3), -positive_definite(3)]), N(size=(2, 3, 2))),
    "singular": (lambda A: (np.linalg.inv(A), np.linalg.cholesky(A), np.linalg.det(A), *np.linalg.slogdet(A)), np.zeros((3, 3))),
    "int64": (integer_arithmetic, SIGNED, DIVISORS),
    "int32": (integer_arithmetic, SIGNED.astype("int32"), DIVISORS.astype("int32")),
    "int8": (integer_arithmetic, (SIGNED * 14).astype("int8"), DIVISORS.astype("int8")),
    "uint8": (integer_arithmetic, (SIGNED + 200).astype("uint8"), abs(DIVISORS).astype("uint8")),
    "uint64": (integer_arithmetic, (SIGNED + 200).astype("uint64"), abs(DIVISORS).astype("uint64")),
    "shifts": (lambda i, j, k, n: (i << n, i >> n, j << n.astype("int32"), j >> n.astype("int32"), k + 3),
               SIGNED, SIGNED.astype("int32"), abs(SIGNED).astype("uint64"), SHIFTS),
    "bools": (lambda a, b: (a & b, a | b, a ^ b, ~a, np.logical_not(a), np.sum(a), a == b, np.where(a, 1.0, 2.0), a + b, a * b, np.maximum(a, b)), *BOOLS),
    "scalars": (lambda x, n, b: (x * n, x**2, n // 2, np.where(b, x, 0.0), b & (x > 0), ~(x > 0), -x**2), 1.5, 3, True),
    "float32": (lambda x, s: (x * s + 0.1, np.sum(x * 0.3), np.exp(x) * s, np.mean(x), np.max(x), np.cumsum(x), x @ x, np.argmax(x), s * s),
                N(size=6).astype("float32"), np.float32(0.7)),
    "float32_algebra": (lambda A: (A @ A.T, np.linalg.inv(A @ A.T + np.eye(3, dtype="float32")), np.linalg.slogdet(A[:, :3])[1]),
                        N(size=(3, 4)).astype("float32")),
    "captured": (lambda x: (x * np.array([1.0, 2.0, 3.0]), np.array([[1.0, 2.0, 3.0]]) @ x), N(size=3)),
    "empty_rows": (lambda X: (np.sum(X, axis=0), np.sum(X, axis=1), np.sum(X), X * 2.0, np.cumsum(X), X @ np.ones((0, 2))), N(size=(3, 0))),
    "copies": (lambda x, y: (x, x, y, y + 0.0, np.ones_like(y)), 2.0, N(size=3)),
    "softmax": (lambda X: (e := np.exp(X - np.max(X, axis=1, keepdims=True))) / np.sum(e, axis=1, keepdims=True), N(size=(3, 4))),
}


@pytest.mark.parametrize("name", STRUCTURED)
def test_structured_operations(name):
    function, *arguments = STRUCTURED[name]
    check(graph_of(function, *arguments, name=name), *arguments)


def logistic_loss(w, X, y):
    z = X @ w
    return np.mean(np.logaddexp(0.0, z) - y * z) + 5e-4 * np.sum(w * w)


def perceptron(X, V, w):
    return np.sum(np.tanh(np.tanh(X @ V) @ w) ** 2)


def normal_density(L):
    S = L @ L.T + np.eye(3)
    d = np.array([1.0, 2.0, 3.0])
    return 0.5 * np.linalg.slogdet(S)[1] + 0.5 * d @ np.linalg.solve(S, d)


GRADIENTS = {
    "logistic": (logistic_loss, N(size=5), N(size=(40, 5)), (N(size=40) > 0).astype(float)),
    "perceptron": (perceptron, N(size=(6, 4)), N(size=(4, 3)), N(size=(3, 1))),
    "normal": (normal_density, np.arange(9.0).reshape(3, 3) / 10),
    "gather": (lambda x, i: np.sum(x[i] ** 2 * np.arange(3.0)), N(size=5), INDICES),
    "stepped": (lambda x: np.sum(x[::2] ** 2) + np.sum(x[1::2] * x[:-1:2]) + np.max(x), N(size=8)),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients(name):
    function, *arguments = GRADIENTS[name]
    wrt = tuple(k for k, a in enumerate(arguments) if np.asarray(a).dtype.kind == "f")
    check(graph_of(function, *arguments, name=name, wrt=wrt), *arguments)


def test_inputs_of_any_strides():
    function, *arguments = GRADIENTS["logistic"]
    graph = graph_of(function, *arguments, wrt=(0,))
    w, X, y = arguments
    strided = [np.repeat(w, 2)[::2], np.asfortranarray(X), np.concatenate([y, y])[::-1][:40][::-1]]
    strided[2] = np.repeat(y, 3)[::3]
    expected = evaluate(graph, *arguments)
    program = schedule(graph)
    assert_same(run_plain(program, *strided), expected, "plain")
    assert_same(as_tuple(compile_source(program)(*strided)), expected, "njit")
    assert_same(call(compile_graph(graph, strided=frozenset((0, 1, 2))), graph, *strided), expected, "kernel")
    assert_same(run_plain(schedule(graph, frozenset((0, 1, 2))), *strided), expected, "strided program")
