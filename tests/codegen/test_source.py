"""Generated source three ways (plain Python, under Numba, and the kernel of the same graph) against the graph's meaning; and how it reads."""

import inspect
import random
import traceback
import warnings

import numpy as np
import pytest

from codegen import functions
from codegen.loops import Affine
from codegen.pipeline import compile_graph
from codegen.schedule.scheduler import schedule
from codegen.source import compile_source, expressions, load_source, to_source
from codegen.source.module import captured_arrays
from codegen.source.names import Names
from codegen.source.places import affine_text, along_axes
from tests.codegen.kernel_call import call
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.op import Special, lowering
from tracer.graph.types import array_type
from tracer.ops import TABLE
from tracer.trace import numpy_api  # noqa: F401  registers NumPy's functions
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced

RNG = np.random.default_rng(5)
FLOATS = ("float64", "float32")
ATTRS = {"cast": ("float32",), "copy_of": (1,)}
SAMPLED = [op for op in TABLE.values() if op.kind == "elementwise" and op.domain is not None]


# Helpers ----------------------------------------------------------------------------------------------------------------

def graph_of(function, *arguments, name="f", wrt=(), input_names=None):
    """The traced function's graph; with the gradients of its first output by the arguments ``wrt``."""
    trace = Trace(name)
    inputs = [Traced(trace.builder.input(array_type(np.asarray(a).dtype, np.shape(a)), k), trace) for k, a in enumerate(arguments)]
    outputs = function(*inputs)
    outputs = [as_traced(o, trace) for o in (outputs if isinstance(outputs, tuple) else (outputs,))]
    outputs += gradients(trace, outputs[0], [inputs[k] for k in wrt]) if wrt else []
    names = input_names or list(inspect.signature(function).parameters)[:len(inputs)]
    return Graph([x.node for x in inputs], [y.node for y in outputs], names if len(names) == len(inputs) else None, None, name)


def as_tuple(result):
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


def body(text):
    """The statements of a text, without the docstring."""
    return text.split('"""\n')[-1].rstrip("\n")


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


# How it reads -------------------------------------------------------------------------------------------------------------

def weighted(X, w, bias):
    total = np.sum(np.exp(X) * w, axis=1) - bias
    return total / (1.0 + total)


def test_the_text_of_a_small_function():
    text = to_source(schedule(graph_of(weighted, np.ones((40, 30)), np.ones(30), 0.5, name="weighted")))
    first = weighted.__code__.co_firstlineno
    assert body(text) == f"""\
    sum_1 = np.empty(40)
    for i in range(40):
        sum_2 = 0.0
        for j in range(30):
            sum_2 += w[j] * math.exp(X[i, j])  # test_source.py:{first + 1}
        sum_1[i] = sum_2
    y0 = np.empty(40)
    for i in range(40):
        t1 = sum_1[i] - bias  # test_source.py:{first + 1}
        y0[i] = t1 / (t1 + 1.0)  # test_source.py:{first + 2}
    return y0"""
    assert text.startswith('"""weighted: loops generated by tracegrad') and "import math\n\nimport numpy as np\n\n\ndef weighted(X, w, bias):\n" in text
    assert '    """X: float64[40, 30]\n    w: float64[30]\n    bias: float64\n\n    Returns float64[40].\n    """' in text


def test_values_stand_at_the_outermost_loop_that_they_depend_on():
    text = body(to_source(schedule(graph_of(lambda X, w, s: np.exp(X) * np.sin(w) * np.cos(s), np.ones((4, 3)), np.ones((4, 1)), 2.0))))
    lines = [line.split("  #")[0] for line in text.split("\n")]
    indents = {name: next(len(line) - len(line.lstrip()) for line in lines if f"math.{name}(" in line) for name in ("cos", "sin", "exp")}
    assert indents == {"cos": 4, "sin": 8, "exp": 12}


def test_same_input_same_bytes():
    function, *arguments = GRADIENTS["perceptron"]
    texts = {to_source(schedule(graph_of(function, *arguments, wrt=(0, 1)))) for _ in range(2)}
    assert len(texts) == 1


def test_names_do_not_collide():
    names = ["lambda", "t1", "i", "np", "sum", "y0", "a.b", "x[0]", "exp_x", "2nd", "math", "f"]
    values = [float(k + 1) for k in range(len(names))]
    graph = graph_of(lambda *x: (sum(a * a + np.exp(a) for a in x), np.sin(x[0])), *values, name="f", input_names=names)
    text = check(graph, *values)
    parameters = list(inspect.signature(load_source(text)).parameters)
    assert len(set(parameters)) == len(names) and all(name.isidentifier() for name in parameters)
    assert {"t1", "i", "y0", "exp_x"} <= set(parameters)


def test_names_are_handed_out_once():
    names = Names()
    taken = [names.take("x") for _ in range(4)] + [names.take("x_1"), names.number("x"), names.take("for"), names.take("sum")]
    assert taken == ["x", "x_1", "x_2", "x_3", "x_1_1", "x4", "for_1", "sum_1"]


def test_lambda_has_a_name():
    assert "def lambda_1(x):" in check(graph_of(lambda x: x + 1.0, 1.0, name="<lambda>"), 1.0, njit=False)


def test_captured_arrays_are_parameters_and_not_printed():
    values = np.full(5, 123.456)
    program = schedule(graph_of(lambda x: np.sum(x * values), np.ones(5)))
    text = to_source(program)
    assert "123.456" not in text and "def f(x, captured):" in text
    assert compile_source(program)(np.ones(5)) == pytest.approx(5 * 123.456)


def test_a_single_output_is_bare_and_several_are_a_tuple():
    assert isinstance(load_source(to_source(schedule(graph_of(lambda x: x * 2.0, 1.0))))(1.0), float)
    assert load_source(to_source(schedule(graph_of(lambda x: (x, x * 2.0), 1.0))))(1.0) == (1.0, 2.0)


def test_results_do_not_alias_the_arguments():
    x = np.ones(3)
    result = compile_source(schedule(graph_of(lambda x: x, x)))(x)
    result[0] = 5.0
    assert x[0] == 1.0


def test_statements_fit_a_line():
    text = to_source(schedule(graph_of(lambda x: sum(np.sin(x * float(k)) / (1.0 + x * x) for k in range(1, 40)), 1.0)))
    assert all(len(line.split("  #")[0]) <= 90 for line in text.split("\n"))


# Text as code -----------------------------------------------------------------------------------------------------------

def test_the_source_can_be_inspected_and_appears_in_tracebacks():
    graph = graph_of(lambda x, i: x[i] * 2.0, np.ones(3), np.array([0, 1]))
    text = to_source(schedule(graph))
    function = load_source(text)
    assert inspect.getsource(function) in text
    with pytest.raises(IndexError) as caught:
        function(np.ones(3), np.array([0, 7]))
    assert any("checked_index" in frame.line and frame.filename.startswith("<tracegrad f ") for frame in traceback.extract_tb(caught.value.__traceback__))


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_bounds_is_an_error(index):
    graph = graph_of(lambda x, i: (x[i], np.sum(x)), np.ones(3), np.array([0, 1]))
    indices = np.array([0, index])
    for function in (load_source(to_source(schedule(graph))), compile_source(to_source(schedule(graph)))):
        with pytest.raises(IndexError, match="out of bounds"):
            function(np.ones(3), indices)
    with pytest.raises(IndexError, match="out of bounds"):
        call(compile_graph(graph), graph, np.ones(3), indices)


def test_division_by_zero_follows_ieee_when_compiled():
    assert compile_source(schedule(graph_of(lambda x: 1.0 / x, 1.0)))(0.0) == np.inf


def test_a_long_program_is_written_without_recursion():
    def chain(x, y):
        for k in range(5_000):
            x, y = y, np.sin(x) * y + float(k % 7)
        return x
    graph = graph_of(chain, 0.3, 0.7)
    text = to_source(schedule(graph))
    assert 5_000 < text.count("\n") < 10_100
    assert load_source(text)(0.3, 0.7) == pytest.approx(float(evaluate(graph, 0.3, 0.7)[0]), rel=1e-9, nan_ok=True)


# Parentheses ------------------------------------------------------------------------------------------------------------

def random_arithmetic(seed):
    """A function of exact operations in a random order, so that a lost pair of parentheses shows in the bits."""
    def function(*leaves):
        generator = random.Random(seed)
        values = list(leaves)
        for _ in range(40):
            a, b = generator.choice(values), generator.choice(values)
            values.append(generator.choice((lambda: a + b, lambda: a - b, lambda: a * b, lambda: a / b, lambda: -a, lambda: a - 2.5,
                                            lambda: np.where(a < b, a, -b), lambda: 0.5 - a, lambda: np.maximum(a, b)))())
        return tuple(values[-8:])
    return function


def bits_agree(seed):
    arguments = [np.float64(v) for v in (0.7, -1.3, 2.1, 0.4)]
    graph = graph_of(random_arithmetic(seed), *arguments, input_names=list("abcd"))
    found = run_plain(schedule(graph), *arguments)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, evaluate(graph, *arguments)))


def test_random_arithmetic_has_the_same_bits():
    assert all(bits_agree(seed) for seed in range(60))


def test_a_planted_fault_lost_parentheses_are_noticed(monkeypatch):
    monkeypatch.setattr(expressions, "_needed_level", lambda *_: expressions.ANYTHING)
    caches = (expressions.template, expressions.template_of)
    for cache in caches:
        cache.cache_clear()
    try:
        assert not all(bits_agree(seed) for seed in range(60))
    finally:
        for cache in caches:
            cache.cache_clear()


@pytest.mark.parametrize("source, operands, text", [
    ("({0} + {1})", ("a", "b * c"), "a + b * c"),
    ("({0} * {1})", ("a + b", "c"), "(a + b) * c"),
    ("({0} - {1})", ("a - b", "c - d"), "a - b - (c - d)"),
    ("(-{0})", ("a * b",), "-(a * b)"),
    ("({0} ** {1})", ("-a", "-b"), "(-a) ** -b"),
    ("({1} if {0} else {2})", ("a < b", "a", "c if d else e"), "a if a < b else (c if d else e)"),
    ("math.exp({0})", ("a if b else c",), "math.exp(a if b else c)"),
    ("({0} & {1})", ("a < b", "c | d"), "(a < b) & (c | d)"),
])
def test_parentheses_are_those_that_are_needed(source, operands, text):
    levels = [expressions.template(operand).level for operand in operands]
    filled = expressions.template(source).fill([expressions.Expression(o, level) for o, level in zip(operands, levels)])
    assert filled == text


# Subscripts -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("place, shape, extents, parts", [
    (Affine(0, (30, 1)), (7, 30), (7, 30), ["i", "j"]),
    (Affine(0, (1, 30)), (7, 30), (30, 7), ["j", "i"]),
    (Affine(209, (-30, -1)), (7, 30), (7, 30), ["6 - i", "29 - j"]),
    (Affine(0, (31,)), (7, 30), (7,), ["i", "i"]),
    (Affine(29, (29,)), (7, 30), (7,), ["i", "29 - i"]),
    (Affine(32, (60, 2)), (7, 30), (3, 14), ["2*i + 1", "2*j + 2"]),
    (Affine(0, (1,)), (7, 30), (210,), None),
    (Affine(5, (0,)), (2, 1, 3), (4,), ["1", "0", "2"]),
])
def test_flat_places_split_along_the_axes(place, shape, extents, parts):
    found = along_axes(place, shape, extents)
    assert parts == (found and [affine_text(part, ("i", "j")) for part in found])
