"""Loops that the user says, and loops over arrays: one node of the graph, whatever the number of iterations, with derivatives of any order."""

import re

import numpy as np
import pytest

import tracer
from codegen.schedule.scheduler import schedule
from codegen.source import to_source
from codegen.source.module import captured_arrays
from tracer import CarryError, LeakedValueError, eager, fori_loop, grad, hessian, jit, jvp, scan, value_and_grad
from tracer.errors import ArgumentError
from tracer.ops import TABLE

LOOP = TABLE["loop"]
RNG = np.random.default_rng(0)


def along(function, arguments, directions):
    """The slope along a direction, from five points."""
    def at(step):
        return function(*[each + step * direction for each, direction in zip(arguments, directions)])
    return (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 12e-4


def program_of(compiled):
    """The loops of the last specialisation."""
    return schedule(compiled._history.last.graphs.simplified)


def checked(function, *arguments, rtol=1e-8):
    """The compiled object, after value and gradients are compared with those of the plain function, those of the source text too."""
    compiled = value_and_grad(function, argnums=tuple(range(len(arguments))), cache=False)
    value, found = compiled(*arguments)
    directions = [RNG.normal(size=np.shape(each)) for each in arguments]
    np.testing.assert_allclose(value, function(*arguments), rtol=1e-12)
    np.testing.assert_allclose(sum(np.sum(a * b) for a, b in zip(directions, found)), along(function, arguments, directions), rtol=rtol, atol=1e-9)
    program, made = program_of(compiled), {}
    exec(compile(to_source(program), "<made>", "exec"), made)
    written = next(each for each in made.values() if getattr(getattr(each, "__code__", None), "co_filename", "") == "<made>")
    again, *slopes = written(*arguments, *captured_arrays(program))
    np.testing.assert_allclose(again, value, rtol=1e-12)
    for a, b in zip(slopes, found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)
    return compiled


def loops(graph) -> int:
    return sum(node.op is LOOP for node in graph.nodes)


def cell(w):
    def step(state, u):
        state = np.tanh(w @ state + u)
        return state, np.sum(state) * state[0]
    return step


X, W, U = RNG.normal(size=20), RNG.normal(size=(20, 20)) / 6, RNG.normal(size=(50, 20))


@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"checkpoint": True}, {"checkpoint": True, "reverse": True}], ids=str)
@pytest.mark.parametrize("length", [1, 2, 3, 10, 16, 50])
def test_scan(options, length):
    def f(x, w, u):
        last, made = scan(cell(w), x, u, **options)
        return np.sum(last * last) + np.sum(made * np.arange(length)) + made[0]
    checked(f, X, W, U[:length])


def test_scan_is_one_node_whatever_the_length():
    def f(x, u):
        return np.sum(scan(lambda c, row: (np.sin(c) * 0.9 + row, None), x, u)[0])
    compiled = value_and_grad(f, cache=False)
    counts = []
    for n in (10, 500):
        compiled(X, RNG.normal(size=(n, 20)))
        counts.append(len(compiled.gradient_graph.nodes))
    assert counts[0] == counts[1] < 40
    assert str(compiled.explain()).startswith("f: 2 specialisations, 2 traces, 1 kernel compiled")


@pytest.mark.parametrize("checkpoint", [False, True])
def test_trees_numbers_and_no_rows(checkpoint):
    def f(x, k):
        def body(carry, _):
            position, (speed, steps) = carry["at"], carry["rest"]
            return {"at": position + 0.1 * speed, "rest": (speed - 0.1 * k * np.sin(position), steps + 1)}, (position, {"speed": speed})
        last, (positions, other) = scan(body, {"at": x, "rest": (0.0, 0)}, length=30, checkpoint=checkpoint)
        return last["at"] + np.sum(positions * positions) + other["speed"][7] * last["rest"][1]
    checked(f, 0.3, 1.7)


def test_no_iterations():
    def f(x, u):
        last, made = scan(lambda c, row: (c * row, c), x, u)
        return np.sum(last) + np.sum(made)
    value, slope = value_and_grad(f, cache=False)(X, np.ones((0, 20)))
    assert value == pytest.approx(np.sum(X)) and slope.tolist() == [1.0] * 20
    assert grad(lambda x: fori_loop(3, 3, lambda i, c: c * i, x))(2.0) == 1.0


def test_loops_in_loops():
    def f(x, w, u):
        def outer(carry, row):
            def inner(c, k):
                return 0.7 * np.tanh(c + row[k] * w[0]), np.sum(c * row)
            carry, made = scan(inner, carry, np.arange(5))
            return carry, np.sum(made)
        last, made = scan(outer, x, u)
        return np.sum(last * last) + np.sum(made)
    checked(f, X, W, U[:9])


def test_a_loop_in_an_unrolled_loop():
    def f(x, u):
        for row in u:
            x = fori_loop(0, 4, lambda i, c: np.sin(c) + 0.1 * i * row, x) * 0.5
        return np.sum(x)
    checked(f, X, U[:30])


def test_fori_loop_counts():
    def f(x):
        return fori_loop(2, 9, lambda i, c: c * 0.5 + 0.1 * np.sin(i * c), x)
    checked(f, 0.4)


def test_derivatives_of_derivatives():
    def f(x):
        last, made = scan(lambda c, k: (np.sin(c) * x[0] + 0.1 * c[::-1] * x, c[0] * c[1]), x, np.arange(20))
        return np.sum(last) + np.sum(made)
    x = RNG.normal(size=3)
    slope = grad(f, cache=False)
    step = 1e-5
    expected = [(slope(x + step * e) - slope(x - step * e)) / (2 * step) for e in np.eye(3)]
    np.testing.assert_allclose(hessian(f, cache=False)(x), expected, rtol=1e-6, atol=1e-8)
    direction = RNG.normal(size=3)
    np.testing.assert_allclose(jvp(f, (x,), (direction,))[1], slope(x) @ direction, rtol=1e-12)


def test_checkpointed_derivatives_of_derivatives():
    def f(x, checkpoint):
        last, made = scan(lambda c, k: (np.sin(c) * x[0] + 0.1 * c[::-1] * x, c[0] * c[1]), x, np.arange(12), checkpoint=checkpoint)
        return np.sum(last) + np.sum(made)
    x = RNG.normal(size=5)
    np.testing.assert_allclose(hessian(f, cache=False)(x, True), hessian(f, cache=False)(x, False), rtol=1e-10, atol=1e-12)


def test_arrays_in_a_python_loop_are_rolled():
    def heat(u, rate):
        u = u.copy()
        for _ in range(120):
            u[1:-1] = u[1:-1] + rate * (u[:-2] - 2 * u[1:-1] + u[2:])
        return np.sum(u * u)
    compiled = checked(heat, RNG.uniform(size=60), 0.2)
    assert loops(compiled.graph) and len(compiled.gradient_graph.nodes) < 60


def test_a_matrix_recurrence_in_a_python_loop_is_rolled():
    def f(p, a):
        total = 0.0
        for _ in range(100):
            p = a @ p @ a.T + np.eye(6)
            p = 0.5 * (p + p.T)
            total += np.log(np.linalg.det(p))
        return total
    compiled = checked(f, np.eye(6) * 2, RNG.normal(size=(6, 6)) / 5)
    assert loops(compiled.graph) and len(compiled.gradient_graph.nodes) < 250


@pytest.mark.parametrize("checkpoint", [False, True])
def test_memory_of_a_gradient(checkpoint):
    def f(x, r):
        last, _ = scan(lambda c, k: (np.sin(c) * r + 0.1 * c[::-1] * x, None), x, length=10_000, checkpoint=checkpoint)
        return np.sum(last * last)
    compiled = grad(f, argnums=(0, 1), cache=False)
    compiled(np.linspace(0, 1, 20), 1.2)
    trajectory = 10_000 * 20 * 8
    limit = 3 * 2 * trajectory / 10_000**0.5 if checkpoint else 1.2 * trajectory
    assert program_of(compiled).workspace_bytes <= limit


# Without a trace, and under other readings ------------------------------------------------------------------------------------

def test_without_a_trace_it_is_the_loop_that_it_stands_for():
    last, made = scan(lambda c, row: (c + row, {"twice": 2 * c}), np.zeros(2), np.arange(6.0).reshape(3, 2), reverse=True)
    assert last.tolist() == [6.0, 9.0] and made["twice"].tolist() == [[12.0, 16.0], [8.0, 10.0], [0.0, 0.0]]
    assert fori_loop(0, 5, lambda i, c: c + i, 1) == 11


def test_eagerly():
    x = eager.tensor([0.3, 0.4], requires_grad=True)
    last, made = scan(lambda c, k: (eager.sin(c) * 0.9, c.sum()), x, length=3)
    (last.sum() + made.sum()).backward()
    expected = grad(lambda x: (lambda last, made: np.sum(last) + np.sum(made))(*scan(lambda c, k: (np.sin(c) * 0.9, np.sum(c)), x, length=3)))
    np.testing.assert_allclose(x.grad.numpy(), expected(np.array([0.3, 0.4])), rtol=1e-6)


def test_a_function_of_numba_is_traced_through():
    import numba

    @numba.njit
    def step(c, u):
        return np.sin(c) * u
    assert grad(lambda x: scan(lambda c, u: (step(c, u), None), x, np.array([0.5, 2.0]))[0])(0.3) == pytest.approx(
        np.cos(0.3) * 0.5 * np.cos(np.sin(0.3) * 0.5) * 2.0)


def test_float32_stays_float32():
    _, slope = value_and_grad(lambda x: scan(lambda c, k: (np.sin(c) * 1.1, None), x, length=40)[0].sum())(np.ones(20, np.float32))
    assert slope.dtype == np.float32


def test_batches():
    def f(x, u):
        return np.sum(scan(lambda c, row: (np.sin(c) * row, None), x, u)[0])
    xs = RNG.normal(size=(7, 3))
    u = RNG.normal(size=(12, 3))
    compiled = grad(f)
    np.testing.assert_allclose(compiled.batch(xs, u, in_axes=(0, None)), [compiled(x, u) for x in xs], rtol=1e-12)


# Bad input -----------------------------------------------------------------------------------------------------------------------

def message(kind, function, *arguments) -> str:
    with pytest.raises(kind) as caught:
        jit(function, cache=False)(*arguments)
    return re.sub(r"\([^()]*test_control\.py:\d+\)", "(HERE)", str(caught.value))


def test_a_carry_of_another_shape():
    assert message(CarryError, lambda x: scan(lambda c, k: (np.concatenate([c, c]), None), x, length=3)[0], np.ones(2)) == (
        "the body of scan() (HERE) is given init of shape (2,) and returns shape (4,) for it: shapes must stay. Start with an array of the shape that it "
        "is to have.")


def test_a_carry_of_another_structure():
    assert message(CarryError, lambda x: scan(lambda c, k: ((c, c), None), x, length=3)[0], 1.0) == (
        "the body of scan() (HERE) is given a Traced and returns a tuple of 2 in its place: it must return the same structure.")


def test_a_carry_of_another_dtype():
    assert message(CarryError, lambda x: scan(lambda c, k: (c.astype(np.float32), None), x, length=3)[0], np.ones(2)) == (
        "the body of scan() (HERE) is given init of dtype float64 and returns float32 for it: dtypes must stay. Convert one of them with "
        ".astype('float32') or .astype('float64').")


def test_no_pair():
    assert message(CarryError, lambda x: scan(lambda c, k: c * 2, x, length=3)[0], 1.0) == (
        "the body of scan() (HERE) returns a Traced; it must return a pair (carry, y), with None for y where there is none.")


def test_lengths():
    assert message(ArgumentError, lambda x: scan(lambda c, k: (c, c), 1.0, (x, x[1:]))[0], np.ones(4)) == (
        "scan() (HERE) is given different numbers of iterations: xs[0] 4, xs[1] 3.")
    assert message(ArgumentError, lambda x: scan(lambda c, k: (c, c), x)[0], 1.0) == (
        "scan() (HERE) is given neither xs nor length, so how often it turns is not said. Write length=n.")


def test_a_value_that_leaves_its_body():
    def f(x):
        kept = []

        def body(c, k):
            kept.append(c * 2)
            return c * 3, None
        return scan(body, x, length=4)[0] + kept[0]
    assert message(LeakedValueError, f, 1.0) == (
        "a value that the body of a loop or an arm of a branch made is used outside of it: `multiply` (HERE). The body is traced once and has no number of "
        "its own per iteration: return the value from the body (as carry or as output) instead of storing it in a variable, a list or an array outside.")


def test_names_are_public():
    assert {"scan", "fori_loop", "CarryError"} <= set(tracer.__all__)
