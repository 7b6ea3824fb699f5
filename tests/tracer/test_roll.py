"""Rolling: unrolled traces become loops with the same values and derivatives, and how long they run is not part of the code."""

import random

import numpy as np
import pytest

from codegen.pipeline import compile_graph
from codegen.simplify import simplify
from tests.benchmarks.counting import unique_operations
from tests.codegen.kernel_call import call
from tracer import value_and_grad
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.types import array_type
from tracer.graph.verify import verify
from tracer.ops import TABLE
from tracer.rolling.roll import roll
from tracer.trace.context import Trace
from tracer.trace.value import Traced, as_traced

LOOP = TABLE["loop"]
OPERATIONS = {
    "add": lambda a, b: (a + b) * 0.5, "sub": lambda a, b: a * 0.9 - b, "mul": lambda a, b: a * b * 0.8, "sin": lambda a, b: np.sin(a) + b,
    "minimum": lambda a, b: np.minimum(a, b), "tanh": lambda a, b: np.tanh(a - b), "where": lambda a, b: np.where(a > b, a, b * 0.5),
}
X, A = (700,), (90, 45)


def random_program(seed: int, x, a):
    """Loops one behind the other, whose bodies take values of this and earlier rounds, of other loops, elements, numbers and tables; all that is left."""
    rng = random.Random(seed)
    made, kept = [x[0] * 1.0, x[1] + 0.5, np.sin(x[2])], []
    for _ in range(rng.randint(1, 3)):
        body = [(rng.choice(list(OPERATIONS)), rng.choice(list(OPERANDS)), rng.randint(1, 9)) for _ in range(rng.randint(1, 9))]
        before, start, step = list(made), rng.randint(0, 99), rng.choice([-2, -1, 0, 1, 2])
        table = np.random.default_rng(rng.randint(0, 9999)).uniform(-1, 1, 100)
        for k in range(rng.randint(3, 90)):
            for operation, operand, c in body:
                made.append(OPERATIONS[operation](made[-1], OPERANDS[operand](made, before, x, a, table, start, step, k, c)))
            if rng.random() < 0.01:
                made.append(np.cos(made[-1]))  # here the repetition breaks off
        kept.append(made[-1])
    return kept + rng.sample(made, len(made) // 3)


OPERANDS = {
    "last": lambda made, before, x, a, table, start, step, k, c: made[-1 - c % 3],
    "lag": lambda made, before, x, a, table, start, step, k, c: made[-min(c, len(made))],
    "fixed": lambda made, before, x, a, table, start, step, k, c: before[-c % len(before)],
    "strided": lambda made, before, x, a, table, start, step, k, c: before[k * c % len(before)],
    "backwards": lambda made, before, x, a, table, start, step, k, c: before[-1 - k % len(before)],
    "element": lambda made, before, x, a, table, start, step, k, c: x[300 + k * step + start],
    "row": lambda made, before, x, a, table, start, step, k, c: a[k % 30 if c % 2 else k, (k + c) % 40 if c % 3 == 0 else c],
    "number": lambda made, before, x, a, table, start, step, k, c: 0.7,
    "table": lambda made, before, x, a, table, start, step, k, c: float(table[k]),
}


@pytest.mark.parametrize("first", range(0, 18, 6))
@pytest.mark.parametrize("kind", ["sequences", "tables"])
def test_random_programs(kind, first):
    """Values as NumPy has them for the program itself, gradients as the unrolled graph has them, whose rules are tested elsewhere."""
    rolled, program = 0, random_program if kind == "sequences" else random_table
    for seed in range(first, first + 6):
        trace = Trace()
        inputs = [Traced(trace.builder.input(array_type("float64", shape), k), trace) for k, shape in enumerate((X, A))]
        kept = as_traced(program(seed, *inputs), trace)
        total = np.sum(kept * np.random.default_rng(seed).uniform(0.5, 1.5, kept.shape))
        plain = Graph([each.node for each in inputs], [each.node for each in gradients(trace, total, inputs)])
        again, its_total = roll(trace, [kept, total], 0)
        graph = verify(Graph([each.node for each in inputs], [each.node for each in (again, its_total, *gradients(trace, its_total, inputs))]))
        rolled += any(node.op is LOOP for node in graph.nodes)
        arguments = [np.random.default_rng(seed).uniform(-1, 1, shape) for shape in (X, A)]
        values = np.array(program(seed, *arguments))
        expected = [values, evaluate(Graph([each.node for each in inputs], [total.node]), *arguments)[0], *evaluate(plain, *arguments)]
        simple = simplify(graph)
        for found in (evaluate(graph, *arguments), call(compile_graph(simple), simple, *arguments)):
            for a, b in zip(found, expected, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * np.abs(b).max(), err_msg=f"seed {seed}")
    assert rolled >= 1


def checked(function, *arguments, rtol=1e-7):
    """The compiled object, after its value and gradients by all arguments have been checked along a random direction."""
    compiled = value_and_grad(function, argnums=tuple(range(len(arguments))), cache=False)
    value, found = compiled(*arguments)
    rng = np.random.default_rng(5)
    directions = [rng.normal(size=np.shape(each)) for each in arguments]

    def along(step):
        return function(*[each + step * direction for each, direction in zip(arguments, directions)])
    np.testing.assert_allclose(value, function(*arguments), rtol=1e-12)
    expected = (8 * (along(1e-4) - along(-1e-4)) - (along(2e-4) - along(-2e-4))) / 12e-4
    np.testing.assert_allclose(sum(np.sum(a * b) for a, b in zip(directions, found)), expected, rtol=rtol)
    return compiled


def operations(compiled) -> int:
    """Unique operations of value and gradient, those in loops and walks counted once; inputs and numbers are none."""
    return unique_operations(compiled.gradient_graph)


def thomas(a, b, c, d):
    n = len(d)
    cp, dp, x = np.zeros(n), np.zeros(n), np.zeros(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x[n - 1] = dp[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return np.sum(x * x)


def test_forward_and_back_substitution():
    rng = np.random.default_rng(0)

    def arguments(n):
        return rng.normal(size=n) * 0.1, 2 + rng.random(n), rng.normal(size=n) * 0.1, rng.normal(size=n)
    compiled = checked(thomas, *arguments(300))
    longer = checked(thomas, *arguments(411))
    assert operations(compiled) == operations(longer) < 170


def test_a_longer_loop_runs_the_same_machine_code():
    def f(x, n):
        for _ in range(n):
            x = x + 0.001 * np.sin(x)
        return x
    compiled = value_and_grad(f, cache=False)
    for n in (600, 6000):
        x, product = 0.3, 1.0
        for _ in range(n):
            product *= 1 + 0.001 * np.cos(x)
            x = x + 0.001 * np.sin(x)
        np.testing.assert_allclose(compiled(0.3, n), [x, product], rtol=1e-11)
    assert str(compiled.explain()).startswith("f: 2 specialisations, 2 traces, 1 kernel compiled")


def test_what_needs_no_earlier_round_is_array_code():
    def f(x):
        total = 0.0
        for i in range(len(x)):
            total += np.log1p(np.exp(-abs(x[i]))) * x[i]
        return total
    compiled = checked(f, np.random.default_rng(0).normal(size=500))
    for node in compiled.gradient_graph.nodes:
        if node.op is LOOP:
            assert {each.op.name for each in node.attrs[0].nodes} <= {"input", "add"}


def test_states_of_small_arrays():
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])

    def f(x, k):
        total = 0.0
        for _ in range(100):
            x = turn @ x + k * np.array([np.sin(x[1]), x[0] * x[1]])
            total += x @ x
        return total
    assert operations(checked(f, np.array([0.3, 0.4]), 0.01)) < 200


def test_rows_of_arrays_and_a_last_row_apart():
    def f(a, w):
        s = np.zeros(3)
        for row in a[:-1]:
            s = 0.5 * np.tanh(s + row * w) + 0.1 * row[::-1]
        return np.sum(s * a[-1])
    rng = np.random.default_rng(2)
    assert operations(checked(f, rng.normal(size=(150, 3)), rng.normal(size=3))) < 150


def test_flat_walk_over_two_axes():
    """Elements at a constant distance in memory, which no single axis has."""
    def f(a):
        s = 0.3
        for k in range(a.size):
            s = np.sin(s + a[divmod(k, a.shape[1])])
        return s
    assert operations(checked(f, np.random.default_rng(3).normal(size=(60, 7)), rtol=1e-6)) < 40


def test_values_of_several_rounds_ago():
    def f(x):
        seen = [x[0], x[1], x[2]]
        for k in range(3, len(x)):
            seen.append(np.cos(seen[-3] * x[k]) + 0.3 * seen[-1])
        return sum(seen)
    assert operations(checked(f, np.random.default_rng(4).normal(size=400))) < 100


def test_a_branch_in_each_round():
    def f(x):
        total = 0.0
        for i in range(len(x)):
            if x[i] > 0:
                total += x[i] * x[i]
            else:
                total += np.exp(x[i])
        return total
    assert operations(checked(f, np.random.default_rng(6).normal(size=300), rtol=1e-6)) < 50


def test_a_nested_sum_is_array_code():
    def f(a, x):
        y = np.zeros(a.shape[0])
        for i in range(a.shape[0]):
            for j in range(a.shape[1]):
                y[i] += a[i, j] * x[j]
        return np.sum(np.sin(y))
    rng = np.random.default_rng(7)
    small, large = (checked(f, rng.normal(size=shape), rng.normal(size=shape[1])) for shape in ((40, 30), (50, 70)))
    assert operations(small) == operations(large) <= 60
    assert LOOP not in {node.op for node in small.gradient_graph.nodes}


def test_a_table_that_is_filled_from_its_neighbours():
    """Dynamic time warping: a loop in a loop, both in order."""
    def f(a, b):
        n, m = len(a), len(b)
        table = np.full((n + 1, m + 1), np.inf)
        table[0, 0] = 0.0
        for i in range(1, n + 1):
            for j in range(1, m + 1):
                table[i, j] = abs(a[i - 1] - b[j - 1]) + min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
        return table[n, m]
    rng = np.random.default_rng(8)
    small, large = (checked(f, rng.normal(size=n), rng.normal(size=m)) for n, m in ((60, 50), (70, 90)))
    assert operations(small) == operations(large) <= 400


def test_a_stencil_in_an_element_loop():
    def f(u, rate):
        for _ in range(60):
            new = np.zeros(len(u))
            new[0] = u[0]
            new[-1] = u[-1]
            for i in range(1, len(u) - 1):
                new[i] = u[i] + rate * (u[i - 1] - 2 * u[i] + u[i + 1])
            u = new
        return np.sum(u * u)
    compiled = checked(f, np.random.default_rng(9).uniform(size=100), 0.2)
    assert max(node.type.ndim for node in compiled.graph.nodes if node.op is LOOP) == 2


def random_table(seed: int, x, a):
    """Loops in loops over a table: cells take others of this row and earlier ones, elements by row, column and both, numbers, and a value of the row."""
    rng = random.Random(seed)
    n, m = rng.randint(3, 25), rng.randint(3, 40)
    numbers = np.random.default_rng(seed).uniform(-1, 1, (n + 2, m + 2))
    sources = {
        "up": lambda i, j: cells.get((i - 1, j), 0.2), "left": lambda i, j: cells.get((i, j - 1), 0.2),
        "diagonal": lambda i, j: cells.get((i - 1, j - 1), 0.1),
        "up right": lambda i, j: cells.get((i - 1, j + 1), 0.2), "two up": lambda i, j: cells.get((i - 2, j), 0.3),
        "first row": lambda i, j: cells.get((1, j), 0.4),
        "element": lambda i, j: a[i, j], "transposed": lambda i, j: a[j, i], "by row": lambda i, j: x[i], "by column": lambda i, j: x[j],
        "number": lambda i, j: 0.7, "table": lambda i, j: float(numbers[i, j]), "row": lambda i, j: kept,
    }
    body = [(rng.choice(list(OPERATIONS)), rng.choice(list(sources))) for _ in range(rng.randint(2, 6))]
    is_reset, is_backwards, is_triangular, is_kept = rng.random() < 0.5, rng.random() < 0.2, rng.random() < 0.1, rng.random() < 0.5
    cells = {(i, j): x[(i + j) % 60] * 1.0 for i in range(n + 2) for j in (0, m + 1)} | {(0, j): x[j] + 0.1 for j in range(m + 2)}
    kept, sums = x[5] * 1.0, []
    for i in range(1, n + 1):
        kept = 0.1 * x[i] if is_reset else kept
        for j in range(1, (min(i, m) if is_triangular else m) + 1):
            j = m + 1 - j if is_backwards else j
            value = cells.get((i, j - 1), x[0])
            for operation, source in body:
                value = OPERATIONS[operation](value, sources[source](i, j))
            cells[i, j] = value
            kept = kept * 0.9 + value * 0.1 if is_kept else kept
        sums.append(kept)
    wanted = sorted(cells) if rng.random() < 0.5 else [max(key for key in cells if key[0] == n)]
    return sums + [cells[key] for key in wanted]


def test_second_derivatives_through_rolled_loops():
    from tracer import grad, hessian

    def f(x):
        s = x[0]
        for k in range(200):
            s = np.sin(s) * x[1] + 0.1 * s * x[k % 2]
        return s
    x = np.array([0.4, 1.1])
    first, step = grad(f, cache=False), 1e-5
    expected = [(first(x + step * e) - first(x - step * e)) / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(hessian(f, cache=False)(x), expected, rtol=1e-6, atol=1e-8)


def test_a_first_round_that_reads_arguments_is_in_the_loop():
    """Runge-Kutta: what stands in front are elements, later what the round before has made."""
    def rate(p, x, y):
        return p[0] * x - p[1] * x * y, p[3] * x * y - p[2] * y

    def f(p, start):
        x, y, h = start[0], start[1], 0.01
        for _ in range(150):
            k1, l1 = rate(p, x, y)
            k2, l2 = rate(p, x + h / 2 * k1, y + h / 2 * l1)
            x, y = x + h * k2, y + h * l2
        return x * x + y * y
    compiled = checked(f, np.array([1.5, 1.0, 3.0, 1.0]), np.array([1.0, 0.8]))
    loops = {node.attrs[1] for node in compiled.gradient_graph.nodes if node.op is LOOP}
    assert loops == {150} and operations(compiled) < 150


def test_a_first_round_that_reads_what_another_loop_has_left_is_in_the_loop():
    def f(x):
        a = x[0]
        for k in range(120):
            a = 0.5 * np.sin(a) * x[k] + 0.1
        b, c = a, np.sin(x[1])
        for k in range(120):
            b, c = 0.5 * np.cos(b * x[k]) + c * a, c * 0.4 + 0.1 * b
        return b + c
    compiled = checked(f, np.random.default_rng(11).normal(size=120))
    assert 120 in {node.attrs[1] for node in compiled.gradient_graph.nodes if node.op is LOOP}


def test_a_first_round_of_another_kind_stays_in_front():
    """Two values that begin as the same one, and a first round that adds where later ones subtract."""
    def f(x):
        a, b = x[0], x[0]
        for k in range(150):
            a, b = np.sin(b) + x[k], (b + a if k == 0 else b - a) * 0.5
        return a * b
    checked(f, np.random.default_rng(12).normal(size=150))


def test_short_loops_become_arrays_but_no_loops():
    """From 100 operations on, where nothing is carried from one round to the next; below 400 a chain stays straight code."""
    def smooth(x):
        return sum((x[i - 1] - 2 * x[i] + x[i + 1]) ** 2 for i in range(1, len(x) - 1))

    def chain(x):
        s = x[0]
        for each in x[1:]:
            s = np.sin(s) * each + 0.1
        return s
    rng = np.random.default_rng(13)
    compiled = checked(smooth, rng.normal(size=30))
    compiled(rng.normal(size=45))
    assert operations(compiled) < 20 and "2 traces, 1 kernel compiled" in str(compiled.explain())
    graph = checked(chain, rng.normal(size=60)).graph
    assert LOOP not in {node.op for node in graph.nodes} and len(graph.nodes) > 170


def implicit(steps):
    def f(u, rate):
        n, r = len(u), 0.3 * rate
        u = u.copy()
        for _ in range(steps):
            bend = np.zeros(n)
            bend[1:-1] = u[:-2] - 2 * u[1:-1] + u[2:]
            right = u + r * bend
            c, d, x = np.zeros(n), np.zeros(n), np.zeros(n)
            c[0], d[0] = -r / (1 + 2 * r), right[0] / (1 + 2 * r)
            for i in range(1, n):
                m = 1 + 2 * r + r * c[i - 1]
                c[i] = -r / m
                d[i] = (right[i] + r * d[i - 1]) / m
            x[n - 1] = d[n - 1]
            for i in range(n - 2, -1, -1):
                x[i] = d[i] - c[i] * x[i + 1]
            u = x
        return np.sum(u * u)
    return f


def test_steps_that_make_an_array_of_many_elements():
    """A Crank-Nicolson step: array operations, then a tridiagonal solve by elements, whose result is an array again."""
    few, many = (checked(implicit(steps), np.random.default_rng(14).uniform(size=40), 0.7) for steps in (12, 30))
    assert operations(few) == operations(many) < 2500


def test_an_array_of_many_elements_that_come_from_elsewhere_each_time():
    """Elements of it are values of this round and of the one before, numbers, and values that do not change; one of them has no constant stride."""
    def f(x):
        made, total = [x[0] * 1.5, x[1] + 0.5], 0.0
        for k in range(60):
            made.append(np.sin(made[-1]) * 0.5 + x[k % 7])
            row = np.array([made[-1], made[-2], 1.0, made[0], float(k)] + [made[-1] * (j + 1) for j in range(14)] + [made[k * k % len(made)]])
            total += np.sum(np.tanh(row * 0.1))
        return total
    checked(f, np.random.default_rng(15).normal(size=7))
