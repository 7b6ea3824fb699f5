"""Kernels against the evaluated graph: every kind of statement, lengths around the lanes, strides, dtypes; what the emitted text contains."""

import re
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codegen.llvm.compute as compute
import codegen.llvm.pack as pack
from codegen.llvm.target import machine
from codegen.loops import Blocked
from codegen.pipeline import Options, compile_graph
from codegen.verify import verify
from tests.codegen.kernel_call import call, graph_of
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.trace import numpy_api  # noqa: F401  registers NumPy's functions

RNG = np.random.default_rng(11)


def check(function, *arguments, wrt=(), strided=(), tolerance=1e-13):
    """The kernel's outputs, plain and with checked accesses, against NumPy's evaluation of the same graph."""
    graph = graph_of(function, *arguments, wrt=wrt)
    expected = evaluate(graph, *arguments)
    for checked in (False, True):
        kernel = compile_graph(graph, Options(checked=checked), frozenset(strided))
        verify(kernel.program)
        for found, value in zip(call(kernel, graph, *arguments), expected):
            assert found.dtype == value.dtype
            scale = np.max(np.abs(value[np.isfinite(value)]), initial=1.0) if value.dtype.kind == "f" else 0
            np.testing.assert_allclose(found, value, rtol=tolerance, atol=tolerance * scale)
    return kernel


A, B, C = RNG.normal(size=(7, 9)), RNG.normal(size=9), RNG.normal(size=(7, 1))
D = RNG.normal(size=(3, 4, 5, 6))


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 257, 1000, 100_003])
def test_lengths_around_lanes_and_blocks(n):
    x = RNG.normal(size=n)
    check(lambda x: (np.sum(x * x), np.exp(x) * 2.0, np.prod(1.0 + x * 1e-3), np.sum(x > 0)), x, wrt=(0,))


@pytest.mark.parametrize("n", [2, 3, 5, 8, 9, 10, 17, 100])
def test_overlapping_slices_assemble(n):
    check(lambda x: np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2), RNG.normal(size=n), wrt=(0,))


@pytest.mark.parametrize("axis", [0, 1, 2, 3, (0, 1), (0, 2), (1, 3), (2, 3), (0, 1, 3), (0, 1, 2, 3)])
def test_reductions_over_any_axes(axis):
    check(lambda d: (np.sum(d * d, axis=axis), np.max(d + 0.0, axis=axis), np.any(d > 1.5, axis=axis), np.sum(d)), D)


@pytest.mark.parametrize("shape", [(200, 3), (200, 33), (3, 200), (5, 128), (5, 129), (300, 8), (300, 31), (2, 3, 17), (40, 25, 10)])
def test_short_and_long_rows(shape):
    x, row, column = RNG.normal(size=shape), RNG.normal(size=shape[-1]), RNG.normal(size=(*shape[:-1], 1))
    check(lambda x, r, c: (np.sum(np.tanh(x * r + c)), np.sum(x * r, axis=-1), np.sum(x * c, axis=0), x - r * c), x, row, column, wrt=(0, 1, 2))


STATEMENTS = {
    "broadcast": lambda a, b, c: np.exp(a * b) + c,
    "transposed": lambda a, b, c: np.exp(a).T * 2.0 + c[:, 0],
    "reshaped": lambda a, b, c: np.reshape(a.T * 2.0, (7, 9)) + a,
    "reversed": lambda a, b, c: a[::-1, ::-1] * b[::-1],
    "stepped": lambda a, b, c: (a[::2, ::3] * 2.0, a[::-2, 1::4] + 1.0, b[7:1:-3]),
    "elements": lambda a, b, c: a[0, 0] * b[3] + a[-1, -1] * np.sin(b[3]),
    "joined": lambda a, b, c: (np.concatenate([a, a[:3] * 2.0]), np.stack([b, b * b], axis=1), np.concatenate([c, c, a], axis=1) * 2.0),
    "gathered": lambda a, b, c: (a[np.array([3, 1, 1, 6])] * 2.0, b[np.array([[0, 8], [2, 2]])], a[np.array([0, 6]), np.array([8, 0])]),
    "running": lambda a, b, c: (np.cumsum(a, axis=0), np.cumsum(a, axis=1), np.cumprod(b), np.cumsum(np.exp(b))),
    "orders": lambda a, b, c: (np.sort(a, axis=0), np.argsort(b, axis=-1), np.sort(np.where(a > 0.5, np.nan, a), axis=1),
                               np.argsort(a > 0, axis=None, kind="stable")),
    "positions": lambda a, b, c: (np.argmax(a, axis=0), np.argmin(a, axis=1), np.argmax(b), np.argmin(a)),
    "products": lambda a, b, c: (a @ b, b @ a.T, a @ a.T, a.T @ a, a[1:4, 2:6] @ a[2:6, ::-1], (a * 2.0) @ (b * b)),
    "chained": lambda a, b, c: np.sum(np.tanh(np.tanh(a @ a.T) @ c) * c),
    "variance": lambda a, b, c: (np.var(a, axis=0), np.std(a), np.mean(a, axis=1, keepdims=True)),
    "square": lambda a, b, c: (np.linalg.inv(a @ a.T + np.eye(7)), np.linalg.det(a[:, :7]), np.linalg.slogdet(a[:, :7]),
                               np.linalg.solve(a @ a.T + np.eye(7), c), np.linalg.cholesky(a @ a.T + np.eye(7)), np.linalg.solve(a[:, :7], c[:, 0]))[:2]
                              + (np.linalg.slogdet(a[:, :7])[1], np.linalg.solve(a @ a.T + np.eye(7), c), np.linalg.cholesky(a @ a.T + np.eye(7))),
    "two fates": lambda a, b, c: (np.exp(a), np.sum(np.exp(a), axis=0), np.sum(np.exp(a)[1:] * np.exp(a)[:-1])),
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements(name):
    check(STATEMENTS[name], A, B, C, tolerance=1e-11)


@pytest.mark.parametrize("name", ["broadcast", "transposed", "reshaped", "elements", "products", "chained", "two fates"])
def test_strided_inputs(name):
    a = np.asfortranarray(RNG.normal(size=(14, 9)))[::2, ::-1]
    check(STATEMENTS[name], a, np.broadcast_to(0.5, (9,)), C[::-1], strided=(0, 1, 2), tolerance=1e-11)


def test_batched_products_and_factorisations():
    s = RNG.normal(size=(5, 4, 4))
    s = s @ np.swapaxes(s, 1, 2) + np.eye(4)
    check(lambda s, b: (s @ b, np.linalg.inv(s), np.linalg.solve(s, b), np.linalg.cholesky(s), np.linalg.det(s), np.linalg.slogdet(s)[1]),
          s, RNG.normal(size=(5, 4, 3)), tolerance=1e-11)


@pytest.mark.parametrize("routine", [np.linalg.inv, np.linalg.cholesky, lambda a: np.linalg.solve(a, np.eye(3))])
def test_a_failed_factorisation_gives_nan(routine):
    graph = graph_of(routine, np.zeros((3, 3)))
    assert np.isnan(call(compile_graph(graph), graph, np.zeros((3, 3)))[0]).all()


def test_nan_wins_in_extremes_and_positions():
    a = A.copy()
    a[2, 3] = a[4, 3] = np.nan
    check(lambda a: (np.max(a, axis=0), np.min(a, axis=1), np.argmax(a, axis=0), np.argmin(a, axis=0)), a)


@pytest.mark.parametrize("dtype", ["float32", "int8", "int32", "int64", "uint8", "bool"])
def test_dtypes(dtype):
    x = (RNG.normal(size=37) * 3).astype(dtype)

    def f(x):
        base = (x + x, x * 2.5, np.sum(x), np.where(x > 1, x, x), x == x[3], np.max(x))
        return base if x.dtype.kind == "b" else (*base, -x if x.dtype.kind != "u" else x, x // 2, x % 3, np.exp(x * 1.0))
    check(f, x, tolerance=1e-5)


def test_nothing_to_do():
    check(lambda x: (x, np.float64(2.0), x), np.arange(3.0))
    check(lambda x: (np.sum(x), np.exp(x), np.sum(x, axis=0)), np.zeros((0, 3)))
    check(lambda a, b: a @ b, np.zeros((2, 0)), np.zeros((0, 3)))


def test_an_index_out_of_bounds_is_an_error_not_a_read():
    graph = graph_of(lambda x, i: x[i] * 2.0, np.arange(4.0), np.arange(10))
    kernel = compile_graph(graph)
    assert (call(kernel, graph, np.arange(4.0), np.full(10, 3))[0] == 6.0).all()
    with pytest.raises(IndexError, match="out of bounds"):
        call(kernel, graph, np.arange(4.0), np.arange(10))


def test_long_straight_line_code_with_packed_calls():
    def f(x):
        values = [x[0], x[1]]
        for i in range(700):
            a, b = values[-1], values[i // 2]
            values.append([np.sin(a) * b, a * 0.5 + np.cos(b), np.exp(-(a * a)), a - b * 0.25][i % 4])
        return sum(values[-8:], 0.0)
    kernel = check(f, np.array([0.3, 0.7]), wrt=(0,), tolerance=1e-10)
    if machine().vector_class:
        assert len(re.findall(r"call void @packed", kernel.text)) >= 5


# What the text contains -----------------------------------------------------------------------------------------------------

def test_loops_are_fused():
    """Value and gradient of an element-wise sum: one pass over the array."""
    x = RNG.normal(size=50)
    kernel = compile_graph(graph_of(lambda x: np.sum(np.exp(np.sin(x)) * x), x, wrt=(0,)))
    assert len(kernel.program.statements) == 1
    assert kernel.text.count("_sin(<") <= 3  # a declaration, full vectors and the tail


def test_lanes_of_the_machine_and_vector_mathematics():
    kernel = compile_graph(graph_of(lambda x: np.sum(np.exp(x)), np.ones(40)))
    assert "fadd <8 x double>" in kernel.text
    letter = machine().vector_class
    if letter:
        assert re.search(rf"@_ZGV{letter}N\d+v_exp\(<\d+ x double>", kernel.text)


def test_float32_takes_twice_the_lanes():
    kernel = compile_graph(graph_of(lambda x: np.sum(x * x), np.ones(40, np.float32)))
    assert "fadd <16 x float>" in kernel.text and "double" not in kernel.text.split("define void @piece0")[0].replace("double", "", 0).split("declare")[0]


def test_another_length_is_the_same_kernel():
    kernels = [compile_graph(graph_of(lambda x: np.mean(np.logaddexp(0.0, x)), np.ones(n), wrt=(0,))) for n in (50, 51, 333, 1000)]
    assert len({kernel.key for kernel in kernels}) == 1
    assert [kernel.compiled for kernel in kernels[1:]] == [False] * 3


def test_passes_over_the_same_rows_share_the_cache():
    x, w = RNG.normal(size=(20_000, 30)), RNG.normal(size=30)
    kernel = check(lambda w, x: np.mean(np.logaddexp(0.0, x @ w)) + 0.5 * np.sum(w * w), w, x, wrt=(0,), tolerance=1e-11)
    blocked = [s for s in kernel.program.statements if isinstance(s, Blocked)]
    assert len(blocked) == 1 and len(blocked[0].nests) == 3 and blocked[0].rows % 128 == 0


def test_bits_of_a_sum_do_not_depend_on_blocking():
    """The tree of a sum is fixed by its length: 20,000 rows in blocks and the same numbers as one vector."""
    x = RNG.normal(size=300_000)
    blocked = graph_of(lambda x: (np.sum(x * x), np.sum(np.exp(x * x * 1e-3))), x)
    alone = graph_of(lambda x: np.sum(x * x), x)
    assert call(compile_graph(blocked), blocked, x)[0] == call(compile_graph(alone), alone, x)[0]


def test_sums_are_as_accurate_as_pairwise():
    x = RNG.uniform(size=1_000_000)
    graph = graph_of(lambda x: np.sum(x), x)
    import math

    assert abs(call(compile_graph(graph), graph, x)[0] - math.fsum(x)) <= 4 * np.spacing(math.fsum(x))


def test_safe_code_is_not_contracted():
    """x*x - y*y at x = y is exactly 0 without fused multiply-add."""
    x = RNG.normal(size=64)
    graph = graph_of(lambda x, y: x * x - y * y, x, x)
    kernel = compile_graph(graph)
    assert (call(kernel, graph, x, x)[0] == 0.0).all() and "contract" not in kernel.text
    assert "contract" in compile_graph(graph, Options(fast=True)).text


def test_without_a_vector_library_results_are_right(monkeypatch):
    monkeypatch.setattr(compute, "vector_symbol", lambda *_: None)
    monkeypatch.setattr(pack, "vector_symbol", lambda *_: None)
    kernel = check(lambda x: np.sum(np.exp(x) * np.sin(x) + np.power(np.abs(x), 1.5)), RNG.normal(size=100), wrt=(0,))
    assert "_ZGV" not in kernel.text


@pytest.mark.parametrize("sizes", list(product((1, 2, 3, 4), repeat=3)))
def test_products_of_small_matrices_call_nothing(sizes):
    """Term by term in order, as a person would write it, to the last bit; in any layout, and of batches."""
    m, n, k = sizes
    a, b, batches = RNG.normal(size=(m, k)), RNG.normal(size=(k, n)), (RNG.normal(size=(5, m, k)), RNG.normal(size=(5, k, n)))

    def f(a, b, c, d, e, f):
        return a @ b, c.T @ b, a @ d.T, (c.T @ d.T).T, e @ f, a[::-1] @ b[:, ::-1]
    kernel = check(f, a, b, a.T.copy(), b.T.copy(), *batches)
    assert "gem" not in kernel.text
    graph = graph_of(lambda a, b: a @ b, a, b)
    total = a[:, :1] * b[:1]
    for r in range(1, k):
        total = total + a[:, r:r + 1] * b[r:r + 1]
    if m > 1 and n > 1:   # others are sums, which have a tree of their own
        np.testing.assert_array_equal(call(compile_graph(graph), graph, a, b)[0], total)


def test_the_checked_build_finds_a_planted_stray_access(monkeypatch):
    from codegen.schedule.nests import OpenNest

    true = OpenNest.place

    def stray(self, buffer, map):
        place = true(self, buffer, map)
        return place._replace(offset=place.offset + 1) if buffer.kind == "input" and buffer.shape == (20,) else place
    monkeypatch.setattr(OpenNest, "place", stray)
    graph = graph_of(lambda x: np.exp(x) * 2.0, np.ones(20))
    with pytest.raises(AssertionError, match="left its buffers"):
        call(compile_graph(graph, Options(checked=True)), graph, np.ones(20))


def rotated(angles, point):
    a, b, c = angles[0], angles[1], angles[2]
    rx = np.stack([np.stack([1.0 + 0.0 * a, 0.0 * a, 0.0 * a]), np.stack([0.0 * a, np.cos(a), -np.sin(a)]), np.stack([0.0 * a, np.sin(a), np.cos(a)])])
    rz = np.stack([np.cos(b), -np.sin(b), 0.0 * b, np.sin(b), np.cos(b), 0.0 * b, 0.0 * b, 0.0 * b, 1.0 + 0.0 * b]).reshape(3, 3)
    moved = rx @ rz @ point + c * np.cross(point, rz[:, 0])
    return np.sum(moved**2 * np.array([1.0, 2.0, 3.0])) + moved[0] * np.max(moved), rx.T


def test_small_structured_arrays_become_scalars():
    """A rotation and a cross product: no loop, no call of BLAS, no workspace but for the outputs."""
    kernel = check(rotated, np.array([0.3, -0.8, 0.5]), np.array([1.0, 2.0, -0.5]), wrt=(0, 1))
    assert [s.extents for s in kernel.program.statements] == [()] * len(kernel.program.statements)


def test_an_element_of_an_array_is_read_behind_the_code_that_assembles_it():
    """The scalar code that writes an array does not read it again before it has."""
    def f(x):
        rows = [gradient_of(x, y) for y in (x[0] * x[1], x[2] * x[2])]
        return np.stack(rows)[:, :2] * 2.0, rows[0][1] * rows[1][2]

    def gradient_of(x, y):
        return gradients(x.owner, y, [x])[0]
    check(f, np.array([1.0, 2.0, 3.0]))
    check(lambda x: (np.stack([x[0], x[1]]).reshape(2, 1)[1, 0] * x[0], np.concatenate([x, x[:1]])), np.arange(20.0))


def test_short_vectors_in_formulas_stay_vectors():
    texts = {compile_graph(graph_of(lambda x: np.sum(np.exp(x) * x), np.ones(n))).key for n in (3, 5, 12)}
    assert len(texts) == 1


def test_same_input_same_text():
    graphs = [graph_of(STATEMENTS["chained"], A, B, C, wrt=(0, 2)) for _ in range(2)]
    assert compile_graph(graphs[0]).text == compile_graph(graphs[1]).text


# Anything -------------------------------------------------------------------------------------------------------------------

UNARY = [np.sin, np.tanh, lambda v: v * v, lambda v: np.exp(-np.abs(v)), lambda v: v[::-1], lambda v: np.cumsum(v, axis=0), lambda v: v.T if v.ndim == 2 else v,
         lambda v: v[1:] if v.shape[0] > 2 else v, lambda v: v.reshape(-1), lambda v: np.where(v > 0, v, 0.1 * v), lambda v: np.concatenate([v, v[:1]]),
         lambda v: v - np.mean(v, axis=0), lambda v: v * np.max(v), lambda v: np.sum(v, axis=-1, keepdims=True) * v, lambda v: v[::2]]
BINARY = [lambda a, b: a + b, lambda a, b: a * b, lambda a, b: np.maximum(a, b), lambda a, b: a - 0.5 * b]


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.integers(0, len(UNARY) - 1), st.integers(0, len(BINARY) - 1), st.integers(0, 50), st.booleans()), min_size=1, max_size=8),
       st.sampled_from([(5,), (9,), (3, 4), (17, 2), (2, 33)]))
def test_random_programs(steps, shape):
    """Whatever is composed: kernel and evaluated graph agree, value and gradient, accesses checked."""
    def program(x):
        values = [x]
        for unary, binary, which, combine in steps:
            v = UNARY[unary](values[which % len(values)])
            partners = [u for u in values if u.shape == v.shape]
            values.append(BINARY[binary](v, partners[-1]) if combine and partners else v)
        return sum([np.sum(np.sin(v)) for v in values[1:]], 0.0)
    check(program, np.random.default_rng(3).normal(size=shape), wrt=(0,), tolerance=1e-9)
