"""A `while` that data end: one round becomes the body of a loop of the graph."""

import math
import random
import re

import numpy as np
import pytest

from tracer import TracedBoolError, TraceError, grad, hessian, jit, value_and_grad
from tracer.ops import TABLE

WHILE = TABLE["while"]
RNG = np.random.default_rng(3)


def slope(function, arguments, k):
    """By five points."""
    def at(step):
        return function(*[a + step * (j == k) for j, a in enumerate(arguments)])
    return (8 * (at(1e-4) - at(-1e-4)) - (at(2e-4) - at(-2e-4))) / 12e-4


def agrees(function, *arguments, whiles=1):
    """Value and slopes of a function of numbers are those of the plain function; in its graph there are so many loops."""
    compiled = value_and_grad(function, argnums=tuple(range(len(arguments))), cache=False)
    value, slopes = compiled(*arguments)
    assert value == pytest.approx(function(*arguments), rel=1e-12)
    for k, found in enumerate(slopes):
        assert found == pytest.approx(slope(function, arguments, k), rel=1e-7, abs=1e-9)
    assert len({(n.inputs, n.attrs[:-1]) for n in compiled.graph.nodes if n.op is WHILE}) == whiles
    return compiled


def halved(x, y):
    n = 0
    while x > 1.0:
        x = x / 2.0 + 0.1 * y
        n += 1
    return x * n + y


@pytest.mark.parametrize("x", [0.5, 1.5, 30.0, 1e6])
def test_a_while(x):
    compiled = agrees(halved, x, 0.3)
    assert len(compiled.graph.nodes) < 20


def test_a_million_rounds():
    def f(x):
        n = 0
        while x < 2.0:
            x = x * 1.000001
            n += 1
        return x * n
    assert value_and_grad(f)(1.0) == (pytest.approx(f(1.0)), pytest.approx(f(1.0), rel=1e-9))


def kepler(m, e):
    k = m
    while True:
        d = (k - e * math.sin(k) - m) / (1 - e * math.cos(k))
        k -= d
        if abs(d) < 1e-14:
            return k


def test_left_in_the_middle_by_return():
    compiled = value_and_grad(kepler, argnums=(0, 1))
    value, (dm, de) = compiled(1.0, 0.3)
    assert value == kepler(1.0, 0.3)
    assert dm == pytest.approx(1 / (1 - 0.3 * math.cos(value)), rel=1e-12) and de == pytest.approx(math.sin(value) / (1 - 0.3 * math.cos(value)), rel=1e-12)


@pytest.mark.parametrize("x, y", [(0.6, 2.0), (3.0, 2.0), (10.0, 0.13), (-1.0, 1.0), (50.0, 3.0)])
def test_left_in_several_places(x, y):
    def f(x, y):
        rounds, last = 0, 0.0
        while x > 0.25:
            rounds += 1
            last = x * y
            if x > 20:
                x = x / 3
                continue
            if last < 1.0:
                break
            if rounds > 6:
                return x * y - rounds
            x = x - 0.7 * y * 0.1 * rounds
        else:
            last = last * 2.0
        return x * last + rounds
    agrees(f, x, y)


def test_loops_in_loops():
    def f(x, y):
        total = 0.0
        while x > 1.0:
            inner = y
            while inner < x:
                inner = inner * 1.5 + 0.01 * x
                if inner > 100 and total > 5:
                    break
            total += inner
            x = x * 0.6
        return total + x
    agrees(f, 40.0, 0.3)
    agrees(f, 0.5, 0.3)


def test_ifs_and_fors_in_a_while():
    def f(x, y):
        s = [x, y, 0.0]
        while s[0] < 30.0:
            for k in range(2):
                if s[k] > 4.0:
                    s[2] += math.log(s[k])
                else:
                    s[k] = s[k] * 1.3 + 0.1
            s[0] = s[0] + 1.0
        return s[0] * s[2] + s[1]
    agrees(f, 0.5, 0.2)


def test_arrays_that_a_round_writes_to():
    def f(x):
        seen, best, k = np.zeros(6), x.copy(), 0
        while np.sum(seen) < 12.0 * x[0]:
            seen[k % 6] += x[1] * (1 + k)
            best[1:] = best[:-1] * 0.9
            best = best + 0.01 * seen[:3]
            k += 1
        return np.sum(seen ** 2) + np.sum(best) * k
    x = np.array([1.0, 0.7, 0.2])
    value, gradient = value_and_grad(f)(x)
    assert value == pytest.approx(f(x), rel=1e-13)
    np.testing.assert_allclose(gradient, [slope(lambda *a: f(np.array(a)), x, k) for k in range(3)], rtol=1e-8)


class Walker:
    def __init__(self, x):
        self.x, self.steps = x, 0

    def step(self, by):
        self.x = self.x * by
        self.steps = self.steps + 1


def test_states_of_several_kinds():
    def f(x, y):
        state, flags, low = {"p": (x, 1.0), "n": 0}, [True, 0], 0
        while state["p"][0] < 9.0:
            a, b = state["p"]
            state["p"] = (a * y, b + a)
            state["n"] += 2
            flags[0] = not flags[0]
            flags[1] += 1
            low = min(low, a)
        return state["p"][0] + state["p"][1] * state["n"] + flags[0] + flags[1] * low
    agrees(f, 0.4, 1.7)


TABLE_OF_STEPS = np.array([0.5, 0.25, 0.125, 0.1, 0.05, 0.01])


def test_a_table_looked_up_by_a_number_that_counts_rounds():
    def f(x, y):
        k = 0
        while x > y:
            x = x - TABLE_OF_STEPS[k] * x
            k += 1
        return x
    agrees(f, 1.0, 0.3)
    with pytest.raises(IndexError, match="out of bounds"):
        jit(f)(1.0, 0.01)


def test_an_index_is_not_looked_up_where_the_loop_does_not_turn():
    x = np.array([3.0, 1.0, 2.0])

    def f(x, limit):
        k, total = np.argmax(x) * 0, 0.0
        while k < limit and total < 100:
            total += x[k]
            k += 1
        return total
    assert [jit(f)(x, float(n)) for n in range(4)] == [0.0, 3.0, 4.0, 6.0]


def test_what_starts_as_none_is_known_after_a_round():
    def f(x, y):
        before = None
        while before is None or abs(x - before) > 1e-3:
            before = x
            x = 0.5 * (x + y / x)
        return before
    agrees(f, 3.0, 2.0)


def test_a_constant_condition_turns_while_it_is_traced():
    def f(x, n):
        k = 0
        while k < n:
            x = x * 1.1 if x > 1 else x + 0.2
            k += 1
        return x
    assert value_and_grad(f)(0.5, 4) == (pytest.approx(f(0.5, 4)), pytest.approx(1.1**1))


def test_what_a_loop_ends_with_may_be_used_as_any_number():
    def f(x):
        n = 0
        while x > 1.0:
            x *= 0.5
            n += 1
        return np.arange(5.0)[n] * x if n < 4 else x ** n
    agrees(f, 6.0)
    agrees(f, 60.0)


def test_exceptions_and_assertions_in_a_loop():
    def f(x, y):
        while x < 10.0:
            assert y > 0, "it would not end"
            if x < -5:
                raise ValueError("too far down")
            x = x + y
        return x * y
    agrees(f, 1.0, 2.5)
    compiled = value_and_grad(f)
    value, gradient = compiled(1.0, -1.0)
    assert np.isnan(value) and np.isnan(gradient)
    assert np.isnan(compiled(-6.0, 1.0)[0]) and compiled(12.0, -1.0)[0] == -12.0


def test_hessians_and_batches():
    found = hessian(lambda p: halved(p[0], p[1]))(np.array([30.0, 0.3]))
    np.testing.assert_allclose(found, np.zeros((2, 2)), atol=1e-12)

    def f(x):
        while x < 20:
            x = x * x + 0.5
        return x
    xs = np.array([1.0, 1.5, 0.3, 25.0, 4.0, 2.0, 3.0, 0.9, 1.1])
    np.testing.assert_array_equal(value_and_grad(f).batch(xs)[1], [grad(f)(x) for x in xs])
    assert grad(grad(f))(1.5) == pytest.approx((grad(f)(1.5 + 1e-5) - grad(f)(1.5 - 1e-5)) / 2e-5, rel=1e-8)


def test_the_same_on_float32():
    def f(x):
        n = 0
        while x > 1:
            x = x / 2
            n = n + 1
        return x * n
    value, gradient = value_and_grad(f)(np.float32(6.0))
    assert (value, gradient) == (2.25, 0.375) and gradient.dtype == np.float32


def message(function, *arguments) -> str:
    with pytest.raises(TracedBoolError) as error:
        jit(function)(*arguments)
    return str(error.value)


def test_what_cannot_be_a_loop_of_the_graph():
    def f(x):
        found = []
        while x > 1.0:
            x = x / 2.0
            found.append(x)
        return sum(found)
    text = message(f, 5.0)
    assert text.startswith(f"a loop in f() ({__file__}:{f.__code__.co_firstlineno + 2}) is left by a traced condition, and after 100 rounds there is no end")
    assert "a list, a dict or an array is a list of 1 before a round and a list of 2 after it" in text and "write a `for` over a fixed range" in text

    def g(x):
        y = np.zeros(1)
        while x > 1.0:
            x = x / 2.0
            y = np.concatenate([y, [x]])
        return np.sum(y)
    assert "`y` has shape (2,) before a round and (3,) after it" in message(g, 5.0)


def test_a_bounded_loop_that_cannot_be_one_of_the_graph_is_unrolled():
    def f(x):
        found, k = [], 0
        while k < 6 and x > 1.0:
            x = x / 2.0
            found = [*found, x]
            k += 1
        return x
    agrees(f, 5.0, whiles=0)


# Random programs ------------------------------------------------------------------------------------------------------------

STATEMENTS = ["a = a * 0.9 + x * 0.1", "b = b + a * 0.3", "a, b = b, a", "c[0] = c[2] * x", "a = a - c[1] * 0.2", "t = (a, t[0] * 0.5)", "v[1] = a",
              "v = v * 0.8 + b * 0.1", "v[1:] += x * 0.1", "k += 1", "b = math.sin(b) + t[1]"]
CONDITIONS = ["a > b", "x > 0.3", "c[1] < a and x < 2", "not b > 1 or a > 2", "0 < a < 1", "v[0] < v[1]", "k % 2 == 0"]


def random_program(seed: int) -> str:
    """Nested whiles, ifs and fors over numbers, a list, a tuple and an array."""
    rng = random.Random(seed)

    def block(depth: int, indent: str, in_loop: bool) -> list[str]:
        lines, more = [], indent + "    "
        for _ in range(rng.randint(1, 3)):
            kind = rng.random()
            if kind < 0.3 and depth:
                w = f"w{depth}"
                start, step = rng.choice(["0.0", "x * 0.1", "0.25"]), rng.choice(["1.0", "0.5 + abs(x)", "1.0 + 0.1 * x * x"])
                also = rng.choice(["", f" and {rng.choice(CONDITIONS)}", f" or ({w} < 6 and {rng.choice(CONDITIONS)})"])
                if rng.random() < 0.3:
                    head = [f"{indent}while True:", f"{more}{w} = {w} + {step}", f"{more}if {w} > {rng.randint(1, 4)}: break"]
                else:
                    head = [f"{indent}while {w} < {rng.randint(1, 4)}{also}:", f"{more}{w} = {w} + {step}"]
                lines += [f"{indent}{w} = {start}", *head, *block(depth - 1, more, True)]
            elif kind < 0.45 and depth:
                lines += [f"{indent}if {rng.choice(CONDITIONS)}:", *block(depth - 1, more, in_loop)]
                if rng.random() < 0.5:
                    lines += [f"{indent}else:", *block(depth - 1, more, in_loop)]
            elif kind < 0.52 and depth:
                lines += [f"{indent}for i{depth} in range({rng.randint(1, 2)}):", *block(depth - 1, more, True)]
            elif kind < 0.6 and in_loop:
                lines += [f"{indent}if {rng.choice(CONDITIONS)}:", f"{more}{rng.choice(['break', 'continue'])}"]
            elif kind < 0.64:
                lines += [f"{indent}if {rng.choice(CONDITIONS)}:", f"{more}return a * 2.0 + b + k"]
            else:
                lines.append(indent + rng.choice(STATEMENTS))
        return lines
    return "\n".join(["def f(x):", "    a, b, c, t, v, k = x, 0.5, [x, 1.0, 0.25], (x, 0.1), np.array([0.2, x, 1.0]), 0", *block(3, "    ", False),
                      "    return a + b * 0.5 + c[0] * c[2] + c[1] + t[0] * t[1] + np.sum(v) * 0.1 + k * 0.01"])


@pytest.mark.parametrize("seed", range(60))
def test_random_programs(seed):
    source = random_program(seed)
    names = {"math": math, "np": np}
    exec(source, names)
    f = names["f"]
    compiled = value_and_grad(f, cache=False)
    for x in (0.1, 0.7, 1.9, -1.3):
        value, found = compiled(x)
        assert value == pytest.approx(f(x), rel=1e-12), source
        near = [(f(x + h) - f(x - h)) / (2 * h) for h in (1e-6, 1e-5)]
        if abs(near[0] - near[1]) < 1e-3 * (1 + abs(near[0])):  # there is no step just here
            assert min(abs(found - n) for n in near) <= 1e-4 * (1 + abs(found)), source


def test_loops_that_a_for_repeats_are_one():
    def f(ms, e):
        total = 0.0
        for m in ms:
            k = m
            while abs(k - e * math.sin(k) - m) > 1e-12:
                k = k - (k - e * math.sin(k) - m) / (1 - e * math.cos(k))
            total += k * k if k > 0.5 else k
        return total
    compiled = value_and_grad(f, argnums=(0, 1), cache=False)
    for n in (150, 170):
        ms = np.linspace(0.1, 3.0, n)
        value, (slopes, slope) = compiled(ms, 0.3)
        assert value == pytest.approx(f(ms, 0.3), rel=1e-12)
        direction = RNG.normal(size=n)
        assert slopes @ direction == pytest.approx((f(ms + 1e-6 * direction, 0.3) - f(ms - 1e-6 * direction, 0.3)) / 2e-6, rel=1e-6)
        assert slope == pytest.approx((f(ms, 0.3 + 1e-6) - f(ms, 0.3 - 1e-6)) / 2e-6, rel=1e-6)
        assert len(compiled.graph.nodes) < 40
    assert compiled.explain().compiles == 1


def test_a_loop_that_never_ends(monkeypatch):
    monkeypatch.setattr("tracer.graph.node.MOST_NODES", 2_000)

    def f(x):
        while True:
            x = x * 0.5 + 1.0
    place = re.escape(f"more than 2,000 operations were traced ({__file__}:{f.__code__.co_firstlineno + 2}): either a loop does not end")
    with pytest.raises(TraceError, match=place):
        jit(f)(1.0)

    def g(x):
        n = 0
        while n >= 0:
            x = np.where(x > 1, x * 0.5, x + n)
            n += 1
        return x
    with pytest.raises(TraceError, match="while_loop trace a round once"):
        grad(g)(1.0)
