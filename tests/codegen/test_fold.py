"""Folding: repeated straight-line code as loops, the same values bit for bit, compiled once for all trip counts."""

import random

import numpy as np
import pytest

from codegen import loops
from codegen.loops import Affine, Buffer, Compute, Gather, Literal, Load, Nest, Scatter, Store
from codegen.pipeline import compile_graph
from codegen.schedule import fold as folding
from codegen.schedule.fold import fold
from codegen.schedule.stream import read_stream
from codegen.source import to_source
from tests.codegen.kernel_call import call, graph_of
from tracer.ops import TABLE
from tracer.rolling.periods import Run, find_runs

FLOAT = np.dtype("float64")
ADD, MULTIPLY, SUBTRACT, SIN, MINIMUM = (TABLE[name] for name in ("add", "multiply", "subtract", "sin", "minimum"))


class Writer:
    """Straight-line code, written by calls."""

    def __init__(self):
        self.nest = Nest(())
        self.known = {}

    def add(self, instruction) -> int:
        found = self.known.setdefault(instruction, len(self.nest.body))
        if found == len(self.nest.body):
            self.nest.body.append(instruction)
        return found

    def load(self, buffer, index) -> int:
        return self.add(Load(buffer, Affine(index, ())))

    def number(self, value) -> int:
        return self.add(Literal(FLOAT.type(value).tobytes(), FLOAT, False))

    def __call__(self, op, *operands) -> int:
        self.nest.body.append(Compute(op, operands, FLOAT, FLOAT))
        return len(self.nest.body) - 1

    def store(self, value, buffer, index=0):
        self.nest.roots.append(Store(value, buffer, Affine(index, ())))


def folded(nest: Nest, shortest: int = 0):
    """(statements, buffers with contents) of a folded nest."""
    made, arrays = [], {}

    def new_work(dtype, shape):
        made.append(Buffer("work", len(made), dtype, shape))
        return made[-1]

    def new_array(values):
        buffer = Buffer("array", len(arrays), values.dtype, values.shape)
        arrays[buffer] = values
        return buffer
    statements = fold(nest, new_work, new_array, shortest)
    for statement in statements:
        loops._verify_nest(statement)
    return statements, arrays


def index_of(place: Affine, counters) -> int:
    return place.offset + sum(c * i for c, i in zip(place.coefs, counters))


def evaluate(nests: list[Nest], memory: dict) -> dict:
    """What nests of up to one loop leave in memory; what is read must have been written."""
    for nest in nests:
        for counters in np.ndindex(*nest.extents):
            values = []
            for i in nest.body:
                if isinstance(i, Load):
                    values.append(memory[i.buffer][index_of(i.place, counters)])
                elif isinstance(i, Literal):
                    values.append(np.frombuffer(i.bits, i.dtype)[0])
                elif isinstance(i, Gather):
                    values.append(memory[i.buffer][int(values[i.indices[0]])])
                else:
                    values.append(i.op.evaluate(*[values[k] for k in i.operands]))
            for root in nest.roots:
                target = memory.setdefault(root.buffer, {})
                if isinstance(root, Scatter):
                    target[int(values[root.indices[0]])] += values[root.value]
                else:
                    old = target.get(index_of(root.place, counters), 0.0) if root.accumulate else 0.0
                    target[index_of(root.place, counters)] = values[root.value] + old if root.accumulate else values[root.value]
    return memory


def assert_same(nest: Nest, at_most: int | None = None):
    """Folding changes no bit, and leaves at most so many instructions."""
    statements, arrays = folded(nest)
    rng = np.random.default_rng(0)
    inputs = {i.buffer: dict(enumerate(rng.uniform(0.2, 1.0, max(1, int(np.prod(i.buffer.shape)))))) for i in nest.body if isinstance(i, Load)}
    outputs = {root.buffer for root in nest.roots}
    expected, found = (evaluate(each, {b: dict(v) for b, v in inputs.items()} | {b: {} for b in outputs} | {b: dict(enumerate(v)) for b, v in arrays.items()})
                       for each in ([nest], statements))
    for buffer in outputs:
        assert {k: np.float64(v).tobytes() for k, v in found[buffer].items()} == {k: np.float64(v).tobytes() for k, v in expected[buffer].items()}
    if at_most is not None:
        assert sum(len(s.body) for s in statements) <= at_most
    return statements


# Programs ---------------------------------------------------------------------------------------------------------------

def recurrence(n: int) -> Nest:
    w = Writer()
    x, trajectory = w.load(Buffer("input", 0, FLOAT, (1,)), 0), Buffer("output", 0, FLOAT, (n,))
    for k in range(n):
        x = w(ADD, w(MULTIPLY, w(SIN, x), w.number(1.01)), w(MULTIPLY, w.number(0.1), x))
        w.store(x, trajectory, k)
    return w.nest


def test_a_recurrence_is_one_loop():
    statements = assert_same(recurrence(200), 25)
    assert [s.extents for s in statements if s.ordered] == [(199,)]


def test_lags_of_two_and_numbers_that_differ():
    w = Writer()
    source = Buffer("input", 0, FLOAT, (2,))
    a, b = w.load(source, 0), w.load(source, 1)
    for k in range(150):
        a, b = b, w(ADD, w(MULTIPLY, a, w.number(0.01 * k)), w(SUBTRACT, b, w.number(0.5)))
    w.store(b, Buffer("output", 0, FLOAT, ()))
    assert_same(w.nest, 40)


def test_what_needs_no_earlier_iteration_runs_in_lanes():
    w = Writer()
    x, total = Buffer("input", 0, FLOAT, (300,)), w.number(0.5)
    for k in range(300):
        total = w(ADD, total, w(SIN, w.load(x, 299 - k)))
    w.store(total, Buffer("output", 0, FLOAT, ()))
    statements = assert_same(w.nest, 20)
    assert any(not s.ordered and s.extents and any(isinstance(i, Compute) and i.op is SIN for i in s.body) for s in statements)
    assert all(i.op is not SIN for s in statements if s.ordered for i in s.body if isinstance(i, Compute))


def test_a_sweep_back_over_a_trajectory():
    w = Writer()
    x, xs, g = w.load(Buffer("input", 0, FLOAT, (1,)), 0), [], w.number(1.0)
    for _ in range(120):
        xs.append(x)
        x = w(SIN, w(MULTIPLY, x, x))
    for x in reversed(xs):
        g = w(MULTIPLY, g, w(ADD, x, w(SIN, x)))
    w.store(g, Buffer("output", 0, FLOAT, ()))
    assert_same(w.nest, 60)


def test_the_other_roots_come_last():
    nest = recurrence(200)
    nest.roots += [Store(700, Buffer("output", 2, FLOAT, ()), Affine(0, ()), True)]
    assert_same(nest, 45)


def test_code_without_repetition_stays():
    rng = random.Random(0)
    w = Writer()
    values = [w.load(Buffer("input", 0, FLOAT, (4,)), k) for k in range(4)]
    for _ in range(1000):
        values.append(w(rng.choice([ADD, MULTIPLY, SUBTRACT]), rng.choice(values), rng.choice(values)))
    assert find_runs(read_stream(w.nest)) == []
    assert folded(w.nest)[0] == [w.nest]


def test_short_code_stays():
    nest = recurrence(50)
    assert folded(nest, folding.SHORTEST)[0] == [nest]


@pytest.mark.parametrize("seed", range(60))
def test_random_loops_leave_the_same_bits(seed):
    """Sequences of loops whose bodies read earlier values of their own, arrays, numbers, and what other loops made."""
    rng = random.Random(seed)
    w = Writer()
    source = Buffer("input", 0, FLOAT, (2000,))
    made = [w.load(source, k) for k in range(8)]
    for number in range(rng.randint(1, 4)):
        shape = [(rng.choice([ADD, SUBTRACT, MINIMUM]), rng.choice(["value", "value", "lag", "element", "number", "old", "back", "fixed"]),
                  rng.randint(1, 9)) for _ in range(rng.randint(1, 9))]
        before, start = list(made), rng.randint(0, 500)
        step, sign = rng.randint(0, 3), rng.choice([-1, 1])
        for k in range(rng.randint(3, 90)):
            for op, kind, choice in shape:
                other = {"value": lambda: made[-1 - choice % 3], "lag": lambda: made[-choice], "fixed": lambda: before[-choice % len(before)],
                         "element": lambda: w.load(source, 1000 + sign * k * step + start), "number": lambda: w.number(rng.random()),
                         "old": lambda: before[k * choice % len(before)], "back": lambda: before[-1 - k % len(before)]}[kind]()
                made.append(w(op, made[-1], other))
            if rng.random() < 0.01:
                made.append(w(SIN, made[-1]))  # something irregular in between
        w.store(made[-1], Buffer("output", number, FLOAT, ()))
    for k, value in enumerate(rng.sample(made, len(made) // 3)):
        w.store(value, Buffer("output", 9, FLOAT, (len(made),)), k)
    assert_same(w.nest)


# Planted faults: a wrong stride and a wrong first iteration are noticed -----------------------------------------------------------

@pytest.mark.parametrize("fault", ["stride", "start", "count"])
def test_a_wrong_run_does_not_pass(fault, monkeypatch):
    def wrong(stream):
        run = find_runs(stream)[0]
        return [{"stride": Run(run.start, run.period * 2, run.count), "start": Run(run.start - run.period, run.period, run.count),
                 "count": Run(run.start, run.period, run.count + 1)}[fault]]
    monkeypatch.setattr(folding, "find_runs", wrong)
    with pytest.raises((AssertionError, AttributeError, KeyError, IndexError)):
        assert_same(recurrence(200))


# Kernels ----------------------------------------------------------------------------------------------------------------

def iterated(n):
    def f(x):
        for _ in range(n):
            x = np.sin(x) * 1.01 + 0.1 * x
        return x
    return f


def test_another_trip_count_costs_no_compile():
    first, second = (compile_graph(graph_of(iterated(n), np.float64(0.3), wrt=(0,))) for n in (500, 700))
    assert first.key == second.key
    assert second.origin == "reused"


def test_value_and_gradient_of_a_kernel():
    graph = graph_of(iterated(500), np.float64(0.3), wrt=(0,))
    kernel = compile_graph(graph)
    loops.verify(kernel.program)
    assert sum(len(s.body) for s in kernel.program.statements) < 60
    x, slope = 0.3, 1.0
    for _ in range(500):
        slope *= np.cos(x) * 1.01 + 0.1
        x = np.sin(x) * 1.01 + 0.1 * x
    results = call(kernel, graph, np.float64(0.3))
    assert np.allclose(np.sort(np.ravel(results)), np.sort([x, slope]), rtol=1e-12, atol=0)
    assert "for i in range(" in to_source(kernel.program)
