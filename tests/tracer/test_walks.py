"""Loops whose trip count depends on the outer loop: few bodies that a table puts in order, with the values of the code as it stands, and its derivatives."""

import random

import numpy as np
import pytest

from codegen.llvm import walk as walk_writer
from codegen.pipeline import Options, compile_graph
from codegen.simplify import simplify
from tests.codegen.kernel_call import call
from tests.codegen.source_checks import check
from tests.tracer.test_roll import OPERATIONS, checked, operations
from tracer import grad, hessian, value_and_grad
from tracer.derive.forward import tangents
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.serial import from_json, to_json
from tracer.graph.types import array_type
from tracer.graph.verify import verify
from tracer.ops import TABLE
from tracer.ops.walk import Slot
from tracer.rolling.periods import SMALLEST
from tracer.rolling.ragged import _Places
from tracer.rolling.roll import roll
from tracer.rolling.walks import carried, steps_of
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced

WALK = TABLE["walk"]
X, A = (60,), (40, 40)
RANGES = {
    "below": lambda n, i: range(i), "below and on": lambda n, i: range(i + 1), "above": lambda n, i: range(i + 1, n),
    "backwards": lambda n, i: range(i - 1, -1, -1),
    "other corner": lambda n, i: range(n - i), "every other": lambda n, i: range(0, i, 2), "twice": lambda n, i: range(min(2 * i, n)),
}
SOURCES = {
    "carry": lambda s, i, j, k: s.carry, "row total": lambda s, i, j, k: s.total, "cell": lambda s, i, j, k: s.cells.get((i - 1, j), s.x[3]),
    "left": lambda s, i, j, k: s.cells.get((i, j - 1), 0.25), "column": lambda s, i, j, k: s.rows[min(j, i - 1)] if i else 0.5,
    "element": lambda s, i, j, k: s.a[i, j], "transposed": lambda s, i, j, k: s.a[j, i], "by row": lambda s, i, j, k: s.x[i],
    "by column": lambda s, i, j, k: s.x[j], "innermost": lambda s, i, j, k: s.x[k], "number": lambda s, i, j, k: 0.7,
    "table": lambda s, i, j, k: 0.1 * i - 0.05 * j, "compared": lambda s, i, j, k: np.where(s.x[i] > s.x[j], s.carry, s.x[j]),
}


class Program:
    """Loops in loops whose ranges follow from the outer counters; all that is made along the way can be read again."""

    def __init__(self, seed: int, x, a):
        self.x, self.a, self.cells, self.rows = x, a, {}, []
        self.carry, self.total = x[0] * 1.0, x[1] * 0.5
        rng = random.Random(seed)
        n, deep = rng.randint(14, 24), rng.random() < 0.3
        n = n // 2 + 3 if deep else n
        middle, inner = rng.choice(list(RANGES)), rng.choice(list(RANGES))
        body = [(rng.choice(list(OPERATIONS)), rng.choice(list(SOURCES))) for _ in range(rng.randint(1, 5))]
        is_reset, is_branch = rng.random() < 0.5, rng.random() < 0.2
        for i in range(n):
            self.carry = self.x[i] * 0.5 if is_reset else self.carry
            for j in RANGES[middle](n, i):
                for k in RANGES[inner](n, j) if deep else (j,):
                    if is_branch and (i + j) % 3 == 0:
                        self.carry = self.carry * 0.5
                    for operation, source in body:
                        self.carry = OPERATIONS[operation](self.carry, SOURCES[source](self, i, j, k))
                self.cells[i, j] = self.carry
                self.total = self.total * 0.9 + self.carry * 0.1
            self.rows.append(self.carry * 0.5 + self.total)
        some = rng.sample(list(self.cells.values()), len(self.cells) // 2)
        self.kept = [*self.rows, self.total, *some] if rng.random() < 0.5 else [self.total, self.rows[-1]]


@pytest.mark.parametrize("first", range(0, 36, 6))
def test_random_programs(first):
    """Values bit for bit as NumPy has them for the program itself, gradients as the unrolled graph has them."""
    walked = 0
    for seed in range(first, first + 6):
        trace = Trace()
        inputs = [Traced(trace.builder.input(array_type("float64", shape), k), trace) for k, shape in enumerate((X, A))]
        kept = as_traced(Program(seed, *inputs).kept, trace)
        total = np.sum(kept * np.random.default_rng(seed).uniform(0.5, 1.5, kept.shape))
        plain = Graph([each.node for each in inputs], [each.node for each in gradients(trace, total, inputs)])
        again, its_total = roll(trace, [kept, total], 0, SMALLEST, 60)
        graph = verify(Graph([each.node for each in inputs], [each.node for each in (again, its_total, *gradients(trace, its_total, inputs))]))
        walked += any(node.op is WALK for node in graph.nodes)
        arguments = [np.random.default_rng(seed).uniform(-1, 1, shape) for shape in (X, A)]
        expected = [np.array(Program(seed, *arguments).kept), evaluate(Graph([each.node for each in inputs], [total.node]), *arguments)[0],
                    *evaluate(plain, *arguments)]
        simple = simplify(graph)
        for found in (evaluate(graph, *arguments), call(compile_graph(simple), simple, *arguments)):
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12 * np.abs(b).max(), err_msg=f"seed {seed}")
    assert walked >= 3


def triangular(L, b):
    n = len(b)
    x = np.zeros(n)
    for i in range(n):
        s = b[i]
        for j in range(i):
            s -= L[i, j] * x[j]
        x[i] = s / L[i, i]
    return np.sum(x * x)


def cholesky(A):
    n = A.shape[0]
    L = np.zeros((n, n))
    for j in range(n):
        s = A[j, j]
        for k in range(j):
            s -= L[j, k] ** 2
        L[j, j] = np.sqrt(s)
        for i in range(j + 1, n):
            s = A[i, j]
            for k in range(j):
                s -= L[i, k] * L[j, k]
            L[i, j] = s / L[j, j]
    return np.sum(np.sin(L) * np.arange(n))


def factors(A):
    n = A.shape[0]
    A = A.copy()
    for k in range(n):
        for i in range(k + 1, n):
            A[i, k] = A[i, k] / A[k, k]
            for j in range(k + 1, n):
                A[i, j] -= A[i, k] * A[k, j]
    return np.sum(np.log(np.diag(A)))


def pairs(x):
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            d = x[i] - x[j]
            total += np.exp(-d * d) / (1.0 + abs(i - j))
    return total


def forces(x):
    n = len(x)
    f = np.zeros(n)
    for i in range(n):
        for j in range(i + 1, n):
            d = x[j] - x[i]
            w = d / (abs(d) ** 3 + 0.01)
            f[i] += w
            f[j] -= w
    return np.sum(f * f)


def binomial(p):
    n = 30
    table = np.zeros((n, n))
    table[0, 0] = 1.0
    for i in range(1, n):
        table[i, 0] = p[0] * table[i - 1, 0]
        for j in range(1, i):
            table[i, j] = p[0] * table[i - 1, j] + p[1] * table[i - 1, j - 1]
        table[i, i] = p[1] * table[i - 1, i - 1]
    return np.sum(table[n - 1] * np.linspace(0.5, 1.5, n))


def branching(x):
    total = 0.0
    for i in range(len(x)):
        for j in range(i):
            if x[i] > x[j]:
                total += (x[i] - x[j]) ** 2
            else:
                total += 0.1 * np.tanh(total) * x[j]
    return total


def lower(rng, n):
    return np.tril(rng.normal(size=(n, n)) * 0.1) + 2 * np.eye(n)


def positive(rng, n):
    a = rng.normal(size=(n, n))
    return a @ a.T + n * np.eye(n)


@pytest.mark.parametrize(("program", "arguments", "most"), [
    (triangular, lambda rng, n: (lower(rng, n), rng.normal(size=n)), 30),
    (cholesky, lambda rng, n: (positive(rng, n),), 50),
    (factors, lambda rng, n: (positive(rng, n),), 50),
    (pairs, lambda rng, n: (rng.normal(size=n),), 40),
    (forces, lambda rng, n: (np.arange(n) + rng.normal(size=n) * 0.1,), 60),
    (branching, lambda rng, n: (rng.normal(size=n),), 60),
], ids=lambda each: getattr(each, "__name__", None))
def test_code_as_it_stands(program, arguments, most):
    """As many operations for any size, and one kernel; values are those of NumPy to the last bit, but for sums over arrays."""
    rng = np.random.default_rng(0)
    compiled = checked(program, *arguments(rng, 36), rtol=1e-6)
    few = operations(compiled)
    checked_again = compiled(*arguments(rng, 45))
    assert np.isfinite(checked_again[0]) and operations(compiled) == few <= most
    assert WALK in {node.op for node in compiled.gradient_graph.nodes}
    assert "2 traces, 1 kernel compiled" in str(compiled.explain())


def test_a_table_of_binomials():
    assert operations(checked(binomial, np.array([0.6, 0.5]))) < 80


def test_what_is_around_the_triangle_is_never_read():
    rng = np.random.default_rng(1)
    L, b = lower(rng, 40), rng.normal(size=40)
    expected = value_and_grad(triangular, argnums=(0, 1), cache=False)(L, b)
    L[np.triu_indices(40, 1)] = np.nan
    found = value_and_grad(triangular, argnums=(0, 1), cache=False)(L, b)
    assert found[0] == expected[0]
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert (found[1][0][np.triu_indices(40, 1)] == 0).all()


def test_a_few_long_loops_stay_loops_and_run_in_lanes():
    def part(x, a):
        total = 0.0
        for each in x:
            u = np.sin(each * a) + each
            v = np.exp(-u * u) * 0.5 + u / (1.0 + each * each)
            w = np.tanh(v - u) + np.log1p(v * v) * 0.25
            total += w * w + np.cos(w * a) * v - u * 0.1
        return total

    def f(x, a):
        start, total = 0, 0.0
        for length in (300, 310, 330, 350, 400, 420, 430, 440, 470, 490, 500):
            total += part(x[start:start + length], a)
            start += length
        return total
    compiled = value_and_grad(f, argnums=(0, 1), cache=False)
    x = np.random.default_rng(7).normal(size=4440)
    np.testing.assert_allclose(compiled(x, 0.7)[0], f(x, 0.7), rtol=1e-12)
    assert WALK not in {node.op for node in compiled.gradient_graph.nodes}


def test_an_arm_that_is_not_taken_makes_no_nan():
    def f(x):
        total = 0.0
        for i in range(len(x)):
            for j in range(i):
                d = 1.0 / (x[i] - x[j])
                total += np.log(d) if d > 0.0 else d * 0.0 - total * 0.1
        return total
    checked(f, np.random.default_rng(2).permutation(36) * 0.3, rtol=1e-6)


@pytest.mark.parametrize(("program", "arguments"), [
    (lambda x: triangular(np.tril(np.outer(np.sin(x), np.cos(x))) + 2 * np.eye(len(x)), x), np.linspace(-1, 1, 30)),
    (forces, np.arange(30) + 0.1 * np.sin(np.arange(30.0))), (branching, np.sin(3 * np.arange(30.0))),
    (lambda x: factors(np.outer(x, x) + 20 * np.eye(len(x))), np.linspace(0.5, 1.5, 14)),
])
def test_second_derivatives(program, arguments):
    first, step, directions = grad(program, cache=False), 1e-5, np.eye(len(arguments))[:3]
    found = hessian(program, cache=False)(arguments)
    expected = [(first(arguments + step * each) - first(arguments - step * each)) / (2 * step) for each in directions]
    np.testing.assert_allclose(found[:3], expected, rtol=1e-6, atol=1e-7 * np.abs(found).max())
    np.testing.assert_allclose(found, found.T, rtol=1e-11, atol=1e-12 * np.abs(found).max())


def test_numbers_of_another_precision_end_a_walk():
    def f(x):
        total = np.float64(0.0)
        for i in range(len(x)):
            for j in range(i):
                total = total + np.float64(x[i] * x[j]) * 0.5
        return total
    x = np.random.default_rng(6).normal(size=30).astype(np.float32)
    value, slope = value_and_grad(f, cache=False)(x)
    np.testing.assert_allclose(value, f(x), rtol=1e-6)
    np.testing.assert_allclose(slope, 0.5 * (x.sum() - x), rtol=1e-5)


def test_float32_stays_float32():
    rng = np.random.default_rng(3)
    L, b = lower(rng, 40).astype(np.float32), rng.normal(size=40).astype(np.float32)
    value, (by_matrix, by_side) = value_and_grad(triangular, argnums=(0, 1), cache=False)(L, b)
    expected, (wide_matrix, wide_side) = value_and_grad(triangular, argnums=(0, 1), cache=False)(L.astype(float), b.astype(float))
    assert by_matrix.dtype == by_side.dtype == np.float32
    np.testing.assert_allclose(value, expected, rtol=1e-5)
    np.testing.assert_allclose(by_matrix, wide_matrix, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(by_side, wide_side, rtol=1e-4, atol=1e-5)


# The parts ------------------------------------------------------------------------------------------------------------------

def walked(program, *arguments, directions=False):
    """(graph, arguments): value and gradients of a program of lists, rolled; with ``directions`` also the tangents of the gradients along them."""
    trace = Trace()
    inputs = [Traced(trace.builder.input(array_type("float64", each.shape), k), trace) for k, each in enumerate(arguments)]
    value, = roll(trace, [as_traced(program(*inputs), trace)], 0, SMALLEST, 60)
    found = gradients(trace, value, inputs)
    if directions:
        found += tangents(trace, found, inputs, [as_traced(np.cos(np.arange(each.size)).reshape(each.shape), trace) for each in arguments])
    return verify(Graph([each.node for each in inputs], [each.node for each in (value, *found)]))


def substitution(L, b):
    x, total = [], 0.0
    for i in range(16):
        s = b[i]
        for j in range(i):
            s = s - L[i, j] * x[j]
        x.append(s / L[i, i])
        total = total + x[-1] * x[-1]
    return total


ARGUMENTS = lower(np.random.default_rng(4), 16), np.random.default_rng(5).normal(size=16)


@pytest.mark.parametrize("directions", [False, True])
def test_kernel_source_and_meaning_agree(directions):
    graph = walked(substitution, *ARGUMENTS, directions=directions)
    assert WALK in {node.op for node in graph.nodes}
    check(graph, *ARGUMENTS)
    for a, b in zip(call(compile_graph(graph, Options(checked=True)), graph, *ARGUMENTS), evaluate(graph, *ARGUMENTS), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


def test_json_keeps_a_walk():
    graph = walked(substitution, *ARGUMENTS)
    again = verify(from_json(to_json(graph), TABLE))
    assert str(again) == str(graph)
    for a, b in zip(evaluate(again, *ARGUMENTS), evaluate(graph, *ARGUMENTS), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_checked_build_finds_a_planted_place_outside_of_the_memory(monkeypatch):
    true = walk_writer._Step._place
    monkeypatch.setattr(walk_writer._Step, "_place", lambda self, *arguments: self.f.add(true(self, *arguments), "1"))
    graph = walked(substitution, *ARGUMENTS)
    with pytest.raises(AssertionError, match="left its buffers"):
        call(compile_graph(graph, Options(checked=True)), graph, *ARGUMENTS)


def test_steps_are_as_long_as_strides_last():
    codes = np.array([0, 0, 0, 1, 0, 0, 0, 0])
    places = [np.array([0, 2, 4, 9, 10, 11, 20])[:, None], np.array([7])[:, None]]
    slots = [[Slot(0)], [Slot(0)]]
    assert steps_of(codes, places, slots).tolist() == [[0, 3, 0, 2], [1, 1, 7, 0], [0, 3, 9, 1], [0, 1, 20, 0]]


def test_a_value_that_is_carried_on_has_no_stride():
    places = np.array([[5, 10], [10, 11], [11, 12], [3, 13], [13, 14]])   # a sum that begins again
    assert carried(places, np.arange(5), 1) == [1, None]
    assert steps_of(np.zeros(5, np.int64), [places], [[Slot(0, 0, 1), Slot(1)]]).tolist() == [[0, 3, 5, 0, 10, 1], [0, 2, 3, 0, 13, 1]]


def test_positions_are_read_once_for_each_code():
    class Code:
        asked = 0

        def co_positions(self):
            self.asked += 1
            return iter([(1, 1, 0, 5), (2, 2, 0, 5), (None, None, None, None)])
    code, places = Code(), _Places()
    assert [places((code, offset))[1] for offset in (0, 2, 2, 4, 90)] == [(1, 1, 0, 5), (2, 2, 0, 5), (2, 2, 0, 5), 4, 90] and code.asked == 1
