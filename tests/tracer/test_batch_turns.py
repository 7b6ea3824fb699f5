"""Batches of functions with loops that the data end: a sample in each lane, masked, with the results of one call a sample."""

import re
import resource
import subprocess
import sys
import textwrap
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy import special

from codegen.batch.kernel import LaneKernel, LoopKernel
from tests.tracer.test_batch_programs import flat
from tracer import grad, hessian, jit, value_and_grad, while_loop

ROOT = Path(__file__).parents[2]
WEIGHTS = np.array([0.3, 0.5, 0.7])
NUMBERS = np.array([2.0, 4.0, 0.5, np.nan, 1e10, 1.0, -3.0, np.inf, 7.0, 8.0, 0.0, 1e-300, 5.0])


def newton(a):
    x, rounds = a, 0
    while abs(x * x - a) > 1e-13 * a and rounds < 60:
        x, rounds = 0.5 * (x + a / x), rounds + 1
    return x


def anomaly(m, e):
    k = m
    while True:
        step = (k - e * np.sin(k) - m) / (1.0 - e * np.cos(k))
        k -= step
        if abs(step) < 1e-12:
            return k


def slow(x):
    y = x
    while y < 1000.0:
        y = y + x
    return y


def two_in_a_row(x):
    y = x
    while y < 10.0:
        y = y * 1.7 + 0.1
    z = y
    while z > x + 1.0:
        z = z * 0.6
    return y * z


def sum_of_loops(a, b):
    total, rest = 0.0, a
    while rest > 0.5:
        inner = 1.0
        while inner < rest:
            inner = inner * 1.5 + b * 0.1
        total, rest = total + inner * b, rest - 1.0
    return total


def inner_that_does_not_end_for_lanes_that_have(a):
    x, total = a, 0.0
    while x > 0.5:
        y = x
        while y < 8.0:
            y = y * 2.0
        total = total + y * a
        x = (x - 1.0) * (x > 1.5)  # 0 at the end, of which the inner loop would never come to 8
    return total


def with_a_branch(x):
    y, rounds = x, 0
    while abs(y - 1) > 1e-3 and rounds < 30:
        if y > 1:
            y = y * 0.5 + 0.4
        else:
            y = y + 0.1 * x
        rounds += 1
    return y


def with_a_flag(x):
    y, is_done = x, False
    while not is_done:
        y = y * 0.5
        is_done = y < 0.3
    return y


def with_a_captured_array(x):
    y, rounds = x, 0
    while abs(y) > 0.1 and rounds < 40:
        y, rounds = y * WEIGHTS[1] + 0.01 * WEIGHTS[0], rounds + 1
    return y * WEIGHTS[2]


def of_small_arrays(x, w):
    v, rounds = x * 1.0, 0
    while np.max(v * v) > 1.0 and rounds < 50:
        v, rounds = v * 0.7 + w * 0.01, rounds + 1
    return v[0] * w[1] + v[2]


LINE, ROWS = np.linspace(0.1, 3.0, 21), np.random.default_rng(1).normal(size=(2, 21, 3))
NESTED = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 0.2, 0.6, 20.0, 3.0, np.nan]), np.linspace(0.1, 1.0, 11)
EXACT = [(newton, (NUMBERS,)), (newton, (NUMBERS.astype(np.float32),)), (slow, (LINE,)), (two_in_a_row, (LINE,)), (sum_of_loops, NESTED),
         (inner_that_does_not_end_for_lanes_that_have, (NESTED[0],)), (with_a_branch, (LINE - 1.5,)), (with_a_flag, (LINE,)),
         (with_a_captured_array, (LINE - 1.5,)), (of_small_arrays, tuple(ROWS))]


def kernel_of(loss):
    return list(loss._batches._made.values())[-1].kernel


def one_by_one(loss, arrays):
    calls = [flat(loss(*(each[k] for each in arrays))) for k in range(len(arrays[0]))]
    return [np.array([call[leaf] for call in calls]) for leaf in range(len(calls[0]))]


@pytest.mark.parametrize("f, arrays", EXACT, ids=lambda each: getattr(each, "__name__", ""))
def test_values_and_gradients_are_those_of_calls_to_the_bit(f, arrays):
    loss = value_and_grad(f, argnums=tuple(range(len(arrays))), cache=False)
    expected = one_by_one(loss, arrays)
    for order in "CF":
        for found, each in zip(flat(loss.batch(*(np.asarray(a, order=order) for a in arrays))), expected, strict=True):
            np.testing.assert_array_equal(found, each)
    assert isinstance(kernel_of(loss), LaneKernel)


@pytest.mark.parametrize("count", [1, 2, 7, 8, 9, 16, 17, 300])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_any_number_of_samples_at_any_place(count, dtype):
    loss = value_and_grad(newton, cache=False)
    every = np.random.default_rng(0).uniform(0.1, 50.0, 300).astype(dtype)
    value, slope = loss.batch(every)
    for part in (slice(300 - count, None), slice(0, 2 * count, 2)):
        found = loss.batch(every[part])
        np.testing.assert_array_equal(found[0], value[part])
        np.testing.assert_array_equal(found[1], slope[part])


def test_anomalies_against_the_theorem_of_implicit_functions_and_mpmath():
    rng = np.random.default_rng(3)
    m, e = rng.uniform(0.0, 3.0, 1000), rng.uniform(0.0, 0.9, 1000)
    loss = value_and_grad(anomaly, argnums=(0, 1), cache=False)
    k, (by_m, by_e) = loss.batch(m, e)
    np.testing.assert_allclose(k - e * np.sin(k), m, rtol=0, atol=2e-15)
    np.testing.assert_allclose(by_m, 1 / (1 - e * np.cos(k)), rtol=1e-13)
    np.testing.assert_allclose(by_e, np.sin(k) / (1 - e * np.cos(k)), rtol=1e-12, atol=1e-15)
    with mpmath.workdps(30):
        root = mpmath.findroot(lambda k: k - mpmath.mpf(e[7]) * mpmath.sin(k) - mpmath.mpf(m[7]), k[7])
    assert k[7] == pytest.approx(float(root), rel=1e-15)
    kernel = kernel_of(loss)
    assert isinstance(kernel, LaneKernel) and kernel.width == 8
    assert "8 samples at a time" in str(loss.explain())
    assert re.search(r"fdiv <8 x double>", kernel.text) and "fdiv double" not in kernel.text
    assert "@realloc" in kernel.text and "@free" in kernel.text


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 24])
def test_two_vectors_turn_together_where_operations_wait_for_one_another(count):
    def far(x):
        y, rounds = x, 0
        while abs(y) < 10.0 and rounds < 20:
            y, rounds = np.sin(y) * 1.5 + y * x, rounds + 1
        return y
    loss = value_and_grad(far, cache=False)
    x = np.linspace(-3.0, 3.0, 24)
    x[[0, 11, 23]] = 1e300, -1e9, np.nan  # outside of what a sine in line is right for
    value, slope = loss.batch(x)
    found = loss.batch(x[24 - count:])
    np.testing.assert_array_equal(found[0], value[24 - count:])
    np.testing.assert_array_equal(found[1], slope[24 - count:])
    for each, expected in zip((value, slope), one_by_one(loss, (x,)), strict=True):
        np.testing.assert_allclose(each, expected, rtol=1e-9)
    assert re.search(r"@lanes\(.*?add i64 %i\d+, 2\n", kernel_of(loss).text, re.DOTALL)


def test_values_alone_need_no_memory_that_grows():
    loss = jit(anomaly, cache=False)
    loss.batch(LINE, LINE / 4)
    assert "@realloc" not in kernel_of(loss).text and not kernel_of(loss).has_tapes


def test_elementary_functions_outside_of_their_range_in_some_lanes():
    def f(x):
        y, rounds = x, 0
        while rounds < 3:
            y, rounds = np.sin(y) * x, rounds + 1
        return y
    loss = value_and_grad(f, cache=False)
    x = np.array([1.0, 1e300, np.nan, 2.0, np.inf, -1e12, 3.0, 0.5, 0.25])
    for found, each in zip(flat(loss.batch(x)), one_by_one(loss, (x,)), strict=True):
        np.testing.assert_allclose(found, each, rtol=1e-11)


def test_integers_as_states():
    def steps(n):
        count = 0
        while n != 1:
            n, count = n // 2 if n % 2 == 0 else 3 * n + 1, count + 1
        return count

    def divisor(a, b):
        while b != 0:  # lanes that have ended go on dividing, by zero
            a, b = b, a % b
        return a
    counts = jit(steps, cache=False)
    assert counts.batch(np.arange(1, 10)).tolist() == [0, 1, 7, 2, 5, 8, 16, 3, 19]
    a, b = np.array([12, 18, 7, 0, 5, 100, 9, 1071, 2]), np.array([8, 27, 0, 5, 0, 75, 6, 462, 3])
    common = jit(divisor, cache=False)
    np.testing.assert_array_equal(common.batch(a, b), np.gcd(a, b))
    assert isinstance(kernel_of(counts), LaneKernel) and isinstance(kernel_of(common), LaneKernel)


def test_no_round_at_all():
    loss = value_and_grad(two_in_a_row, cache=False)
    value, slope = loss.batch(np.array([20.0, 30.0]))
    np.testing.assert_array_equal(value, [20.0 * 20.0, 30.0 * 30.0])
    np.testing.assert_array_equal(slope, [40.0, 60.0])
    value, slope = value_and_grad(newton, cache=False).batch(np.zeros(9))
    assert value.tolist() == [0.0] * 9 and slope.tolist() == [1.0] * 9


def test_what_all_samples_share():
    loss = value_and_grad(anomaly, argnums=(0, 1), cache=False)
    shared = loss.batch(LINE, 0.3)
    for found, each in zip(flat(shared), flat(loss.batch(LINE, np.full(21, 0.3))), strict=True):
        np.testing.assert_array_equal(found, each)
    np.testing.assert_array_equal(jit(lambda x, y: slow(y) + x, cache=False).batch(LINE, 1.5), LINE + slow(1.5))


def test_derivatives_of_higher_order():
    for loss, arrays in ((hessian(two_in_a_row, cache=False), (LINE,)), (hessian(sum_of_loops, argnums=(0, 1), cache=False), NESTED)):
        for found, each in zip(flat(loss.batch(*arrays)), one_by_one(loss, arrays), strict=True):
            np.testing.assert_allclose(found, each, rtol=1e-12, atol=1e-13)
        assert isinstance(kernel_of(loss), LaneKernel)


def test_a_loop_said_outright():
    def f(x):
        return while_loop(lambda s: s["a"] < 9.0, lambda s: {"a": s["a"] * s["b"][0], "b": s["b"] * 1.1}, {"a": x[0], "b": x})["b"][1]
    loss = value_and_grad(f, cache=False)
    X = np.random.default_rng(4).uniform(1.1, 2.0, size=(11, 2))
    for found, each in zip(flat(loss.batch(X)), one_by_one(loss, (X,)), strict=True):
        np.testing.assert_array_equal(found, each)
    assert isinstance(kernel_of(loss), LaneKernel)


def test_sums_and_threads(monkeypatch):
    monkeypatch.setenv("NUMBA_NUM_THREADS", "2")
    loss = value_and_grad(slow, cache=False)
    x = np.random.default_rng(5).uniform(0.5, 3.0, 5001)
    one, two = (loss.batch(x, parallel=each) for each in (False, True))
    for a, b, total in zip(flat(one), flat(two), flat(loss.batch(x, reduce="sum")), strict=True):
        np.testing.assert_array_equal(a, b)
        assert total == pytest.approx(a.sum(), rel=1e-13)


def test_a_kernel_from_the_cache_has_its_tapes(tmp_path):
    first = value_and_grad(slow, cache=tmp_path)
    expected = first.batch(LINE)
    again = value_and_grad(slow, cache=tmp_path)
    for found, each in zip(again.batch(LINE), expected, strict=True):
        np.testing.assert_array_equal(found, each)
    assert not kernel_of(again).compiled and kernel_of(again).has_tapes


def test_memory_of_rounds_is_given_back():
    loss = grad(slow, cache=False)
    loss.batch(np.full(8, 1.0))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(30):
        loss.batch(np.full(8, 0.01))  # 100,000 rounds of 64 bytes: 8 MB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000


def test_no_memory_left_is_an_error():
    code = """
        import resource
        import numpy as np
        from tracer import value_and_grad
        def f(x):
            y = x
            while y < 1e9:
                y = y * (1.0 + 1e-15) + x
            return y
        loss = value_and_grad(f, cache=False)
        loss.batch(np.full(9, 1e9))
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (200 << 20), -1))
        for parallel in (False, True):
            try:
                loss.batch(np.full(3, 1.0), parallel=parallel)
            except MemoryError as error:
                assert "what a loop keeps of its iterations" in str(error)
            else:
                raise SystemExit("no error")
        assert loss.batch(np.full(9, 1e9))[1].tolist() == [1.0] * 9
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, cwd=ROOT)


def test_other_loops_are_run_sample_by_sample():
    def f(x):
        y = x
        while np.linalg.det(np.array([[y, 1.0], [0.5, 2.0]])) < 10.0:
            y = y * 1.4 + 0.1
        return y

    def large(x):
        v = x * np.ones(300)
        while np.sum(v) < 1000.0:
            v = v * 1.5
        return v[0]

    def special_functions(x):
        y = x
        while y < 2.5:
            y = y + special.gammainc(1.5, y)
        return y
    for each, why in ((f, "`det` works on whole arrays"), (large, "300 elements"), (special_functions, "`gammainc` in a `while` is called for one lane")):
        loss = value_and_grad(each, cache=False)
        expected = one_by_one(loss, (LINE,))
        for found, one in zip(loss.batch(LINE), expected, strict=True):
            np.testing.assert_allclose(found, one, rtol=1e-13)
        assert isinstance(kernel_of(loss), LoopKernel) and why in str(loss.explain())
