"""Batches: the results of each row are those of a call, whatever the layout, the number of rows and of threads."""

import ctypes
import itertools
import mmap
import os
import re
import subprocess
import sys
import threading
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from codegen.batch import threads
from codegen.batch.kernel import LaneKernel, Leaf
from tracer import ArgumentError, ShapeError, UnsupportedError, grad, hessian, jacobian, jit, value_and_grad


def wave(x):
    a, b = x[:-1], x[1:]
    return np.sum(np.sin(a) * np.exp(-a * b) + (a - b) ** 2)


def rows(count, n=4, dtype=np.float64, seed=0):
    return np.random.default_rng(seed).normal(size=(count, n)).astype(dtype)


def kernel_of(loss):
    return list(loss._batches._made.values())[-1].kernel


# Values --------------------------------------------------------------------------------------------------------------------------

LOSS = value_and_grad(wave)


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 15, 16, 17, 127, 128, 129, 1000])
def test_rows_are_calls(count):
    X = rows(count)
    value, gradient = LOSS.batch(X)
    assert value.shape == (count,) and gradient.shape == (count, 4) and value.dtype == gradient.dtype == np.float64
    for x, v, g in zip(X, value, gradient):
        expected = LOSS(x)
        np.testing.assert_allclose(v, expected[0], rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(g, expected[1], rtol=1e-12, atol=1e-13)


def test_against_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    X = rows(1003)

    def same(x):
        a, b = x[:-1], x[1:]
        return jax.numpy.sum(jax.numpy.sin(a) * jax.numpy.exp(-a * b) + (a - b) ** 2)
    value, gradient = jax.vmap(jax.value_and_grad(same))(X)
    found = LOSS.batch(X)
    np.testing.assert_allclose(found[0], value, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found[1], gradient, rtol=1e-11, atol=1e-12)


def layouts(X):
    """The same numbers in other places of memory."""
    wide = np.zeros((2 * X.shape[0], 2 * X.shape[1]))
    wide[::-2, 1::2] = X
    padded = np.zeros((X.shape[0], X.shape[1] + 3))
    padded[:, 2:-1] = X
    return {"columns": np.asfortranarray(X), "reversed and strided": wide[::-2, 1::2], "padded rows": padded[:, 2:-1],
            "negative columns": np.ascontiguousarray(X[:, ::-1])[:, ::-1]}


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 8, 9, 13, 30])
def test_bits_do_not_depend_on_layout_or_place(n):
    X = rows(300, n)
    loss = grad(lambda x: np.sum(np.exp(-x * x) * np.sin(3 * x)) + x[0] * x[-1])
    expected = loss.batch(X)
    for name, same in layouts(X).items():
        assert np.array_equal(same, X)
        np.testing.assert_array_equal(loss.batch(same), expected, err_msg=name)
    for start in (1, 3, 150, 299):
        np.testing.assert_array_equal(loss.batch(X[start:]), expected[start:])
    for name, out in layouts(np.zeros((300, n))).items():
        assert loss.batch(X, out=out) is out
        np.testing.assert_array_equal(out, expected, err_msg=name)


def at_the_end_of_memory(shape: tuple, dtype) -> np.ndarray:
    """Zeros, behind which lies a page that may not be touched."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
    memory = mmap.mmap(-1, pages + mmap.PAGESIZE)
    whole = np.frombuffer(memory, np.uint8)
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(whole.ctypes.data + pages), ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    return whole[pages - size:pages].view(dtype).reshape(shape)


@pytest.mark.skipif(sys.platform != "linux", reason="pages are protected by Linux's mprotect")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [2, 3, 4, 5, 7, 8, 9, 17])
def test_nothing_behind_the_last_row_is_touched(n, dtype):
    loss = grad(lambda x: np.sum(x * x) * x[0])
    for count in (16, 21):
        X, out = at_the_end_of_memory((count, n), dtype), at_the_end_of_memory((count, n), dtype)
        X[:] = rows(count, n, dtype)
        np.testing.assert_array_equal(loss.batch(X, out=out), loss.batch(np.asfortranarray(X)))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_])
def test_rows_of_every_length_and_stride_keep_what_is_beside_them(dtype):
    doubles = {n: jit(lambda x: (np.where(x > 0, x, x[0]), x)) for n in (1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 65)}
    for n, count in itertools.product(doubles, (1, 7, 8, 16, 19, 33)):
        X = (10 * rows(count, n)).astype(dtype)
        wide = np.zeros((count, n + 5), dtype)
        wide[:, 3:-2] = X
        out = np.zeros((count, n + 4), dtype), np.zeros((2 * count, n + 1), dtype)
        found = doubles[n].batch(wide[:, 3:-2], out=(out[0][:, 1:-3], out[1][::-2, 1:]))
        np.testing.assert_array_equal(found[0], np.where(X > 0, X, X[:, :1]))
        np.testing.assert_array_equal(found[1], X)
        assert not out[0][:, [0, -3, -2, -1]].any() and not out[1][:, 0].any() and not out[1][0::2].any()


def test_rows_are_transposed_in_registers():
    loss, X = value_and_grad(wave), rows(100)
    loss.batch(X)
    kernel = kernel_of(loss)
    results = [Leaf(np.empty(100)), Leaf(np.empty((100, 4)))]
    assert kernel.takes_rows == [True, False, True]
    assert kernel.runner([Leaf(X)], results).layout.is_direct and kernel.runner([Leaf(X[::-3])], results).layout.is_direct
    assert not kernel.runner([Leaf(X[:, ::2])], results).layout.is_direct, "elements that are no neighbours go through tiles"
    body = kernel.text[kernel.text.index("void @lanes0("):kernel.text.index("@lanes0_far(ptr %places, ptr %slots, i64 %first")]
    assert len(re.findall("shufflevector <8 x double>", body)) >= 16 and "llvm.prefetch" in body


def test_two_vectors_go_together_where_operations_wait_for_one_another():
    price = value_and_grad(black_scholes, argnums=(0, 3))
    S, sigma = 100 + 20 * rows(300, 1)[:, 0], 0.2 + 0.1 * np.abs(rows(300, 1, seed=2)[:, 0])
    S[[5, 77]] = np.nan, -1.0  # outside of what the logarithm in line is right for
    whole = price.batch(S, 100.0, 0.02, sigma, 1.0)
    assert kernel_of(price).text.count("; log") >= 3, "once for each of two vectors, and once where the library is called"
    for count in range(1, 60):
        found = price.batch(S[:count], 100.0, 0.02, sigma[:count], 1.0)
        for a, b in zip((found[0], *found[1]), (whole[0], *whole[1])):
            np.testing.assert_array_equal(a, b[:count])
    for k in (0, 5, 77, 299):
        with np.errstate(all="ignore"):
            value, slopes = price(S[k], 100.0, 0.02, sigma[k], 1.0)
        np.testing.assert_allclose([whole[0][k], whole[1][0][k], whole[1][1][k]], [value, *slopes], rtol=1e-12)


def test_results_come_in_the_layout_of_the_input():
    assert LOSS.batch(rows(50))[1].flags.c_contiguous
    assert LOSS.batch(np.asfortranarray(rows(50)))[1].flags.f_contiguous


def test_float32_takes_twice_the_lanes():
    X = rows(100, dtype=np.float32)
    loss = value_and_grad(wave)
    value, gradient = loss.batch(X)
    assert value.dtype == gradient.dtype == np.float32 and kernel_of(loss).width == 16
    exact = LOSS.batch(X.astype(np.float64))
    np.testing.assert_allclose(value, exact[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(gradient, exact[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(loss.batch(np.asfortranarray(X))[1], gradient)


def test_float32_beside_float64():
    x, s = rows(20, 3, np.float32), rows(20, 1)[:, 0]
    mixed = grad(lambda x, s: np.sum(np.exp(x) * np.sin(x.astype(np.float64) * s)), argnums=(0, 1))
    for found, k in zip(zip(*mixed.batch(x, s)), range(20)):
        for a, b in zip(found, mixed(x[k], s[k])):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_neighbours_of_nan_and_inf_are_untouched():
    X = rows(64)
    expected = LOSS.batch(X)
    for bad in (np.nan, np.inf, 1e300, -1e5):
        spoiled = X.copy()
        spoiled[[3, 8, 63], 1] = bad
        kept = np.delete(np.arange(64), [3, 8, 63])
        for found, whole in zip(LOSS.batch(spoiled), expected):
            np.testing.assert_array_equal(found[kept], whole[kept])


def test_any_number_of_rows_with_one_kernel():
    loss = grad(wave)
    for count in (1, 5, 1000, 12345):
        loss.batch(rows(count))
    explained = loss.explain()
    assert explained.traces == 1 and explained.compiles <= 1
    assert "batch:    8 samples at a time, one in each lane" in str(explained)


FAR = np.concatenate([[0.0, -0.0, 1e-300, -1e-8, np.pi, np.pi / 2, 1e5, 1e9, 1.1e9, 1e15, 1e22, np.inf, np.nan, -np.inf],
                      [709.7, 709.8, -708.4, -740.0, -745.2, -800.0],
                      np.linspace(-30, 30, 3001), np.pi / 2 * np.arange(1, 400)])


POSITIVE = np.concatenate([[5e-324, 1e-310, 2.0**-1022, np.nextafter(2.0**-1022, 0), 0.5, np.sqrt(0.5), np.nextafter(np.sqrt(0.5), 0), 1.5, 2.0, 1.8e308],
                           np.nextafter(1.0, [0.0, 2.0]), np.geomspace(1e-300, 1e300, 1001), np.linspace(0.3, 3, 3001)])


@pytest.mark.parametrize("name", ["sin", "cos", "exp", "log"])
def test_elementary_functions_within_four_ulp(name):
    mpmath = pytest.importorskip("mpmath")
    arguments = FAR if name != "log" else np.concatenate([FAR[:20], POSITIVE])
    found = jit(lambda x: getattr(np, name)(x)).batch(arguments)
    with np.errstate(all="ignore"):
        reference = getattr(np, name)(arguments)
    special_values = ~np.isfinite(reference) | (reference == 0)
    np.testing.assert_array_equal(found[special_values], reference[special_values])
    assert np.array_equal(np.signbit(found[:2]), np.signbit(reference[:2]))
    with mpmath.workdps(60):
        for x, y in zip(arguments[~special_values], found[~special_values]):
            exact = getattr(mpmath, name)(mpmath.mpf(x))
            assert abs(mpmath.mpf(y) - exact) <= 4 * np.spacing(abs(float(exact))), x


def test_numbers_outside_of_functions_in_line_leave_neighbours_untouched():
    loss = value_and_grad(lambda x: np.sin(x[0]) * np.exp(x[1]) + np.log(x[1]) * np.cos(x[1]))
    X = np.abs(rows(64, 2)) + 0.1
    plain = loss.batch(X)
    outside = {3: (2e9, 1.0), 17: (1e22, 1e-310), 18: (np.inf, 3.0), 40: (1.0, 0.0), 41: (1.0, -2.0), 63: (-5e15, np.nan)}
    for row, numbers in outside.items():
        X[row] = numbers
    found = loss.batch(X)
    others = [k for k in range(64) if k not in outside]
    for before, after in zip(plain, found):
        np.testing.assert_array_equal(before[others], after[others])
    for row in outside:
        with np.errstate(all="ignore"):
            value, slope = loss(X[row])
        np.testing.assert_allclose(found[0][row], value, rtol=1e-14)
        np.testing.assert_allclose(found[1][row], slope, rtol=1e-14)


def test_normal_distribution_within_four_ulp():
    mpmath = pytest.importorskip("mpmath")
    drawn = np.random.default_rng(0)
    x = np.concatenate([np.linspace(-37, 9, 3001), -np.geomspace(1e-9, 38.0, 2000), drawn.uniform(-38, 1, 5000), drawn.normal(size=3000),
                        [0.0, -0.0, np.inf, -np.inf, np.nan, -40.0, 1e300, -1e300, 1e-300]])
    found = jit(lambda x: special.ndtr(x)).batch(x)
    np.testing.assert_array_equal(found[13_001:], special.ndtr(x[13_001:]))
    with mpmath.workdps(60):
        for at, y in zip(x[:13_001], found):
            exact = mpmath.ncdf(mpmath.mpf(at))
            assert abs(mpmath.mpf(y) - exact) <= 4 * np.spacing(float(exact)), at


def test_the_density_shares_its_exponential_with_the_distribution_function():
    both = value_and_grad(special.ndtr)
    both.batch(np.ones(10))
    x = np.linspace(-5, 5, 1001)
    value, slope = both.batch(x)
    np.testing.assert_allclose(value, special.ndtr(x), rtol=1e-14)
    np.testing.assert_allclose(slope, np.exp(-x * x / 2) / np.sqrt(2 * np.pi), rtol=1e-14)
    assert "call double" not in kernel_of(both).text and "_ZGV" not in kernel_of(both).text


# Lanes ---------------------------------------------------------------------------------------------------------------------------

def black_scholes(S, K, r, sigma, T):
    d1 = (np.log(S / K) + (r + sigma * sigma / 2) * T) / (sigma * np.sqrt(T))
    return S * special.ndtr(d1) - K * np.exp(-r * T) * special.ndtr(d1 - sigma * np.sqrt(T))


IN_LANES = {
    "wave": (value_and_grad(wave), (rows(20),)),
    "softplus": (grad(lambda w: np.sum(np.log1p(np.exp(w)))), (rows(20, 7),)),
    "rotation": (grad(lambda t: np.sum((np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) @ np.array([1.0, 2.0])) ** 3)), (rows(20, 1)[:, 0],)),
    "product": (grad(lambda x: np.sum((x[:4].reshape(2, 2) @ x[4:].reshape(2, 2)) ** 2)), (rows(20, 8),)),
    "select": (grad(lambda x: np.sum(np.where(x > 0, x * x, np.sin(x)))), (rows(20, 3),)),
    "maximum": (grad(lambda x: np.max(x) * np.prod(x)), (rows(20, 3),)),
    "one element": (grad(lambda x: np.sum(np.sin(x)) * np.max(x)), (rows(20, 1),)),
    "jacobian": (jacobian(lambda x: np.array([x[0] * x[1], np.exp(x[1])])), (rows(20, 2),)),
    "hessian": (hessian(wave), (rows(20),)),
    "Black-Scholes": (grad(black_scholes, argnums=(0, 3)), (100 + rows(20, 1)[:, 0], 100.0, 0.02, 0.2 + np.zeros(20), 1.0)),
    "long": (grad(lambda x: sum(np.sin(x[i % 6] * x[(i + 1) % 6] + i) for i in range(200))), (rows(20, 6),)),
}


@pytest.mark.parametrize("name", IN_LANES)
def test_takes_lanes(name):
    loss, arguments = IN_LANES[name]
    found = loss.batch(*arguments)
    assert isinstance(kernel_of(loss), LaneKernel) and kernel_of(loss).width == 8
    found = found if isinstance(found, tuple) else (found,)
    for k in range(20):
        expected = loss(*(a[k] if isinstance(a, np.ndarray) else a for a in arguments))
        for batch, one in zip(found, expected if isinstance(expected, tuple) else (expected,)):
            np.testing.assert_allclose(batch[k], one, rtol=1e-11, atol=1e-12)


def test_code_is_vectors_without_calls_of_one_lane():
    loss = value_and_grad(wave)
    loss.batch(rows(10))
    text = kernel_of(loss).text
    assert not re.findall(r"= f\w+ double|= load double|call double", text), "scalar arithmetic in lanes"
    body, seldom = text[text.index("void @lanes0("):].split("define internal void @lanes0_far")
    assert len(re.findall(r"fmul <8 x double>", body)) > 20
    assert body.count("; exp") == 3 and "@exp(" not in text
    called = set(re.findall(r"call .* @(?!llvm)(\w+)\(", body))
    assert called == {"lanes0_far"}, "a call between the instructions of a sample"
    called = re.findall(r"call <(\d) x double> @_ZGV", seldom)
    assert not called or len(called) == 6 * 8 // int(called[0]), "sine and cosine of three angles, in as many parts as the machine's vectors need"


def test_what_is_shared_is_computed_once():
    price = jit(lambda x, r: x * np.exp(-r) * np.sin(r))
    found = price.batch(np.arange(5.0), 0.3)
    np.testing.assert_allclose(found, np.arange(5.0) * np.exp(-0.3) * np.sin(0.3), rtol=1e-15)
    text = kernel_of(price).text
    once, body = text[text.index("@once0"):text.index("@lanes0")], text[text.index("@lanes0"):]
    assert "call double @exp" in once and "exp" not in body and "sin" not in body


A = rows(30, 30)
LOOPED = {"sort": grad(lambda x: np.sum(np.sort(x) * x) + np.median(x)),
          "solve": grad(lambda x: np.sum(np.linalg.solve(A + np.diag(x), x))), "large": grad(lambda x: np.sum(np.sin(np.outer(x, x))) + np.sum(np.cumsum(x)))}


@pytest.mark.parametrize("name", LOOPED)
def test_other_functions_are_run_sample_by_sample(name):
    loss, X = LOOPED[name], rows(20, 30, seed=5)
    expected = np.array([loss(x) for x in X])
    np.testing.assert_array_equal(loss.batch(X), expected)
    np.testing.assert_allclose(loss.batch(np.asfortranarray(X)), expected, rtol=1e-12, atol=1e-12)
    out = np.asfortranarray(np.zeros_like(X))
    loss.batch(X, out=out)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_allclose(loss.batch(X, reduce="sum"), expected.sum(axis=0), rtol=1e-12)
    assert "batch:    a loop over samples, because `" in str(loss.explain())


# Arguments -----------------------------------------------------------------------------------------------------------------------

def test_every_array_is_mapped_and_numbers_are_shared():
    k = value_and_grad(lambda x, d: np.sum(x) * np.sum(d))
    X, d = np.ones((3, 2)), np.arange(3.0)
    np.testing.assert_array_equal(k.batch(X, d)[0], [0, 2, 4])
    for in_axes in ((0, None), {"d": None}, (0, None)):
        np.testing.assert_array_equal(k.batch(X, d, in_axes=in_axes)[0], [6, 6, 6])
    np.testing.assert_array_equal(k.batch(X, 2.0)[0], [4, 4, 4])


def test_other_axes():
    X = rows(7)
    expected = LOSS.batch(X)[0]
    np.testing.assert_array_equal(LOSS.batch(X.T, in_axes=1)[0], expected)
    np.testing.assert_array_equal(LOSS.batch(X.T, in_axes=(-1,))[0], expected)


@dataclass
class Model:
    w: np.ndarray
    b: float


def test_trees():
    loss = value_and_grad(lambda p, y: np.sum((p["m"].w * p["s"][0] + p["m"].b - y) ** 2))
    W, s, y = rows(6, 3), rows(6, 1)[:, 0], rows(6, 3, seed=2)
    value, gradient = loss.batch({"m": Model(W, 0.5), "s": [s, "name"]}, y)
    assert gradient["s"][1] is None and gradient["m"].w.shape == (6, 3) and gradient["m"].b.shape == (6,)
    for k in range(6):
        v, g = loss({"m": Model(W[k], 0.5), "s": [s[k], "name"]}, y[k])
        np.testing.assert_allclose([value[k], gradient["m"].b[k], gradient["s"][0][k]], [v, g["m"].b, g["s"][0]], rtol=1e-12)
        np.testing.assert_allclose(gradient["m"].w[k], g["m"].w, rtol=1e-12)
    shared = loss.batch({"m": Model(W, 0.5), "s": [2.0, "name"]}, y[0], in_axes=({"m": 0, "s": None}, None))
    np.testing.assert_allclose(shared[0][3], loss({"m": Model(W[3], 0.5), "s": [2.0, "name"]}, y[0])[0], rtol=1e-12)


def test_out_is_a_tree_as_the_result():
    parts = jit(lambda x: {"sum": np.sum(x), "pair": [x * 2.0, (x[0], x > 0)]})
    X = rows(19, 3)
    fresh = parts.batch(X)
    out = {"sum": np.zeros(19), "pair": [np.zeros((3, 19)).T, (np.zeros(38)[::-2], np.zeros((19, 3), bool))]}
    assert parts.batch(X, out=out) is out
    for a, b in ((out["sum"], fresh["sum"]), (out["pair"][0], fresh["pair"][0]), (out["pair"][1][0], fresh["pair"][1][0]), (out["pair"][1][1], X > 0)):
        np.testing.assert_array_equal(a, b)
    slopes = grad(lambda m, y: np.sum(m.w * m.b * y))
    given = Model(np.zeros((6, 2)), np.zeros(6))
    assert slopes.batch(Model(rows(6, 2), rows(6, 1)[:, 0]), 2.0, out=given) is given
    np.testing.assert_allclose(given.b, 2 * rows(6, 2).sum(axis=1))


class Scaled:
    def __init__(self, k):
        self.k = k

    @grad
    def loss(self, x):
        return self.k * np.sum(x * x)


def test_methods_read_their_instance():
    model, X = Scaled(2.0), rows(5)
    np.testing.assert_allclose(model.loss.batch(X), 4 * X)
    model.k = 3.0
    np.testing.assert_allclose(model.loss.batch(X), 6 * X)
    np.testing.assert_allclose(model.loss.value.batch(X), 3 * np.sum(X * X, axis=1))


def test_integers_and_bools():
    pick = jit(lambda x, n, flag: np.where(flag, x * n, -x))
    found = pick.batch(np.array([1.0, 2.0, 3.0]), np.array([4, 5, 6]), np.array([True, False, True]))
    np.testing.assert_array_equal(found, [4, -2, 18])


# Sums ----------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("count", [1, 8, 127, 1000, 20_001])
def test_sums_and_means(count):
    X = rows(count)
    value, gradient = LOSS.batch(X)
    total = LOSS.batch(X, reduce="sum")
    np.testing.assert_allclose(total[0], value.sum(), rtol=1e-13)
    np.testing.assert_allclose(total[1], gradient.sum(axis=0), rtol=1e-12, atol=1e-11)
    np.testing.assert_allclose(LOSS.batch(X, reduce="mean")[1], gradient.mean(axis=0), rtol=1e-12, atol=1e-14)


def test_sums_do_not_depend_on_threads(monkeypatch):
    X = rows(30_011)
    loss = grad(wave)
    expected = loss.batch(X, reduce="sum", parallel=False)
    for count in (2, 3, 8):
        monkeypatch.setattr(threads, "thread_count", lambda count=count: count)
        np.testing.assert_array_equal(loss.batch(X, reduce="sum", parallel=True), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_sums_do_not_depend_on_the_layout(dtype):
    loss = value_and_grad(wave)
    X = rows(3_001, dtype=dtype)
    expected = loss.batch(X, reduce="sum")
    for same in (np.asfortranarray(X), np.repeat(X, 2, axis=0)[::2], X[::-1].copy()[::-1]):
        for a, b in zip(loss.batch(same, reduce="sum"), expected):
            np.testing.assert_array_equal(a, b)


def test_sums_are_accurate():
    big = jit(lambda x: x)
    X = np.tile([1e16, 1.0, -1e16, 1.0], 5000)
    assert abs(big.batch(X, reduce="sum") - 10_000) <= 10_000 * 0.2  # lanes lose what is far below their own sum, blocks do not
    assert big.batch(np.full(10**6, 0.1), reduce="sum") == pytest.approx(1e5, rel=1e-15)
    assert np.isnan(big.batch(np.array([np.inf, -np.inf]), reduce="sum")) and big.batch(np.array([np.inf, 1.0]), reduce="sum") == np.inf


def test_sums_of_no_rows():
    assert np.array_equal(grad(wave).batch(rows(0), reduce="sum"), np.zeros(4))
    assert np.isnan(grad(wave).batch(rows(0), reduce="mean")).all()


# Threads -------------------------------------------------------------------------------------------------------------------------

def test_threads_give_the_same_bits(monkeypatch):
    X = rows(50_003)
    expected = LOSS.batch(X, parallel=False)
    used = set()
    monkeypatch.setattr(threads, "thread_count", lambda: 4)
    original = threads._Job.help
    monkeypatch.setattr(threads._Job, "help", lambda job: (used.add(threading.get_ident()), original(job))[1])
    for found, whole in zip(LOSS.batch(X, parallel=True), expected):
        np.testing.assert_array_equal(found, whole)
    assert threading.get_ident() in used


@pytest.mark.parametrize("count", [1, 129, 5_000, 40_961])
def test_threads_leave_no_sample_out(count, monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 5)
    mark, looped = jit(lambda x: x + 1.0), jit(lambda x, i: x[i] + 1.0)
    X, at = np.arange(2.0 * count).reshape(count, 2), np.arange(count) % 2
    out = np.zeros((count, 2))
    np.testing.assert_array_equal(mark.batch(X, out=out, parallel=True), X + 1)
    np.testing.assert_array_equal(looped.batch(X, at, parallel=True), X[np.arange(count), at] + 1)


def test_called_from_several_threads_at_once(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    loss = value_and_grad(wave)
    batches = [rows(5_000 + k, seed=k) for k in range(6)]
    found = [None] * 6

    def call(k):
        found[k] = loss.batch(batches[k], parallel=True)
    callers = [threading.Thread(target=call, args=(k,)) for k in range(6)]
    [caller.start() for caller in callers]
    [caller.join() for caller in callers]
    for X, result in zip(batches, found):
        for a, b in zip(result, LOSS.batch(X, parallel=False)):
            np.testing.assert_array_equal(a, b)
    assert loss.explain().traces == 1


def test_an_exception_in_one_thread_is_raised(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    pick = jit(lambda x, i: np.sum(x[i]))
    X, at = rows(4_000, 30), np.random.default_rng(0).integers(0, 30, (4_000, 2))
    np.testing.assert_allclose(pick.batch(X, at, parallel=True), np.take_along_axis(X, at, 1).sum(axis=1))
    at[2_345, 1] = 30
    for parallel in (True, False):
        with pytest.raises(IndexError, match="an integer index computed from the data is out of bounds"):
            pick.batch(X, at, parallel=parallel)
    at[2_345, 1] = 29
    np.testing.assert_allclose(pick.batch(X, at, parallel=True), np.take_along_axis(X, at, 1).sum(axis=1))


def test_an_exception_is_raised_in_the_call_that_it_belongs_to(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    pick = jit(lambda x, i: np.sum(x[i]))
    X, good = rows(4_000, 30), np.random.default_rng(0).integers(0, 30, (4_000, 2))
    bad = good.copy()
    bad[1_234, 0] = 30
    pick.batch(X, good)
    found = [None] * 6

    def call(k):
        try:
            found[k] = pick.batch(X, (good, bad)[k % 2], parallel=True)
        except IndexError as error:
            found[k] = error
    callers = [threading.Thread(target=call, args=(k,)) for k in range(6)]
    [caller.start() for caller in callers]
    [caller.join() for caller in callers]
    assert all(isinstance(each, IndexError) for each in found[1::2])
    for each in found[::2]:
        np.testing.assert_allclose(each, np.take_along_axis(X, good, 1).sum(axis=1))


FORKED = """
import os
import numpy as np
from codegen.batch import threads
from tracer import grad
threads.thread_count = lambda: 3
loss = grad(lambda x: np.sum(np.sin(x)))
X = np.random.default_rng(0).normal(size=(20_000, 4))
expected = loss.batch(X, parallel=True)
child = os.fork()
if not child:
    os._exit(0 if np.array_equal(loss.batch(X, parallel=True), expected) else 1)
assert os.waitpid(child, 0)[1] == 0
assert np.array_equal(loss.batch(X, parallel=True), expected)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_after_fork():
    found = subprocess.run([sys.executable, "-c", FORKED], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize("asked", ["3", None])
def test_thread_count_is_numbas(asked):
    environment = {name: text for name, text in os.environ.items() if name != "NUMBA_NUM_THREADS"} | ({"NUMBA_NUM_THREADS": asked} if asked else {})
    program = "from codegen.batch import threads; from codegen.batch.placement import cores; print(threads.thread_count(), len(cores() or []))"
    found = subprocess.run([sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100, env=environment)
    count, allowed = map(int, found.stdout.split())
    assert count == 3 if asked else 1 <= count <= (allowed or os.cpu_count())


def test_size_decides_on_threads(monkeypatch):
    counts = []
    original = threads.run
    monkeypatch.setattr(threads, "run", lambda start, pieces, count: (counts.append(count), original(start, pieces, count))[1])
    monkeypatch.setattr(threads, "thread_count", lambda: 4)
    for count, asked in ((100, {}), (100, {"parallel": True}), (1_000_000, {}), (1_000_000, {"parallel": False}), (1_000_000, {"reduce": "sum"})):
        LOSS.batch(np.broadcast_to(rows(1), (count, 4)), **asked)
    assert counts == [1, 4, 4, 1, 4]


@pytest.mark.parametrize("parallel", [False, True])
def test_a_long_batch_can_be_interrupted(parallel, monkeypatch):
    from tracer.batch import calls
    monkeypatch.setattr(calls, "PATIENCE", 1e-4)
    monkeypatch.setattr(threads, "thread_count", lambda: 3)
    original, rounds = threads.run, []

    def interrupted(*arguments):
        rounds.append(arguments)
        if len(rounds) == 3:
            raise KeyboardInterrupt
        original(*arguments)
    monkeypatch.setattr(threads, "run", interrupted)
    X = rows(100_000)
    with pytest.raises(KeyboardInterrupt):
        LOSS.batch(X, parallel=parallel)
    for found, whole in zip(LOSS.batch(X, parallel=parallel), LOSS.batch(np.asfortranarray(X))):
        np.testing.assert_array_equal(found, whole)
    assert len(rounds) > 20


def test_other_python_threads_run_during_a_batch():
    loss = value_and_grad(wave)
    loss.batch(rows(10))
    runner = kernel_of(loss).runner([Leaf(rows(200_000))], [Leaf(np.empty(200_000)), Leaf(np.empty((200_000, 4)))])
    workspace = runner.workspace()
    ended, turns = threading.Event(), [0]

    def turn():
        while not ended.is_set():
            turns[0] += 1
            time.sleep(0)
    other = threading.Thread(target=turn)
    interval = sys.getswitchinterval()
    try:
        sys.setswitchinterval(1000.0)  # nobody is asked for the interpreter's lock: the other thread turns only while it is given up
        other.start()
        for _ in range(200):
            before = turns[0]
            runner.over(workspace, 0, 200_000)
            if turns[0] > before:
                break
        else:
            pytest.fail("the interpreter's lock was held by 200 runs of a kernel")
    finally:
        ended.set()
        sys.setswitchinterval(interval)
        other.join()


def test_memory_does_not_grow_with_the_number_of_rows():
    def peak(count, **asked):
        X = rows(count)
        asked = asked or {"out": (np.empty(count), np.empty((count, 4)))}
        LOSS.batch(X, parallel=False, **asked)
        tracemalloc.start()
        try:
            LOSS.batch(X, parallel=False, **asked)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    for asked in ({}, {"reduce": "sum"}):
        few, many = peak(1_000, **asked), peak(100_000, **asked)
        assert many < few + 64 * 1024, asked  # its results alone would be 4 MB


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs two cores that threads can be put on")
def test_helpers_stay_off_the_core_of_the_caller():
    allowed = os.sched_getaffinity(0)
    caller, helped, seen = threading.get_ident(), threading.Event(), []

    def work(_):
        if threading.get_ident() == caller:
            helped.wait(30)
        else:
            seen.append(os.sched_getaffinity(0))
            helped.set()
    threads.run(lambda: work, range(2), 2)
    assert seen and all(cores < allowed and len(cores) == len(allowed) - 1 for cores in seen)


def test_inside_the_pool_work_is_serial():
    seen = []

    def outer():
        return lambda piece: threads.run(lambda: lambda inner: seen.append((threading.get_ident(), piece, inner)), [0, 1], 4)
    threads.run(outer, [0, 1, 2], 2)
    assert sorted(each[1:] for each in seen) == [(p, i) for p in range(3) for i in range(2)]


# What is refused -----------------------------------------------------------------------------------------------------------------

def bad_calls():
    X, d = np.ones((3, 2)), np.arange(2.0)
    k = grad(lambda x, d: np.sum(x) * np.sum(d))
    frozen = np.zeros((3, 2))
    frozen.flags.writeable = False
    same = np.zeros((6, 2))
    yield ShapeError, lambda: k.batch(X, d), (
        "<lambda>.batch(): `x` has 3 samples (axis 0), but `d` has 2 (axis 0). An argument that is the same for all samples is named in in_axes with None, "
        "as in in_axes={'d': None}.")
    yield ArgumentError, lambda: k.batch(1.0, 2.0), (
        "<lambda>.batch(): no argument has an axis of samples, so that there is no batch. Pass an array with one sample in each row, and in_axes=0 or an entry "
        "that is not None for it.")
    yield ArgumentError, lambda: k.batch(X, d, in_axes={"e": 0}), "<lambda>.batch(): in_axes names `e`, but the arguments are x, d."
    yield ArgumentError, lambda: k.batch(X, d, in_axes=(0, 0, 0)), "<lambda>.batch(): in_axes has 3 entries for 2 arguments (x, d)."
    yield ArgumentError, lambda: k.batch(X, d, in_axes="x"), (
        "<lambda>.batch(): in_axes='x'; it takes an axis, None, a tuple with one entry per argument, or a dict by name.")
    yield ArgumentError, lambda: k.batch(X, 1.0, in_axes=(0, 0)), (
        "<lambda>.batch(): in_axes asks for axis 0 of `d`, which is one number. Its entry in in_axes is None.")
    yield ShapeError, lambda: k.batch(X, d, in_axes=(2, None)), "<lambda>.batch(): in_axes asks for axis 2 of `x`, which has 2 axes."
    yield ArgumentError, lambda: k.batch(X, X, reduce="max"), '<lambda>.batch(): reduce=\'max\'; it takes "sum", "mean" or None.'
    yield ShapeError, lambda: k.batch(X, X, out=np.zeros((2, 2))), "<lambda>.batch(): out has shape (2, 2), but the result has (3, 2)."
    yield ArgumentError, lambda: k.batch(X, X, out=np.zeros((3, 2), np.float32)), (
        "<lambda>.batch(): out is an array of float32, but the result is of float64. Pass np.empty((3, 2), np.float64).")
    yield ArgumentError, lambda: k.batch(X, X, out=frozen), "<lambda>.batch(): out is read-only."
    yield ArgumentError, lambda: k.batch(X, X, out=[[0.0]]), "<lambda>.batch(): out[0][0] is a float; out takes arrays, in the structure of the result."
    yield ArgumentError, lambda: k.batch(X, X, out=(np.zeros((3, 2)),)), "<lambda>.batch(): out has the structure (array,), but the results have array."
    yield ArgumentError, lambda: k.batch(same[:3], X, out=same[1:4]), (
        "<lambda>.batch(): out shares memory with x, which would change while it is read or written. Pass other memory.")
    yield ArgumentError, lambda: k.batch(X, X, out=np.broadcast_to(np.zeros(2), (3, 2))), "<lambda>.batch(): out is read-only."
    both = value_and_grad(lambda x: np.sum(x * x))
    unaligned = np.zeros(49, np.uint8)[1:].view(np.float64).reshape(3, 2)
    repeated = np.lib.stride_tricks.as_strided(np.zeros(2), (3, 2), (0, 8))
    yield ShapeError, lambda: both.batch(X, out=(np.zeros(4), np.zeros((3, 2)))), "<lambda>.batch(): out[0] has shape (4,), but the result has (3,)."
    yield ArgumentError, lambda: both.batch(X, out=(np.zeros(3), unaligned)), (
        "<lambda>.batch(): out[1] is not aligned to its dtype. Pass np.empty((3, 2), np.float64).")
    yield ArgumentError, lambda: both.batch(X, out=(np.zeros(3), repeated)), (
        "<lambda>.batch(): elements of out[1] share memory with one another (a stride is 0). Pass np.empty((3, 2), np.float64).")
    yield ArgumentError, lambda: both.batch(X, out=(same[:3, 0], same[:3])), (
        "<lambda>.batch(): out[1] shares memory with out[0], which would change while it is read or written. Pass other memory.")
    yield ArgumentError, lambda: both.batch(X, out=(np.zeros(3), np.zeros((3, 2), ">f8"))), (
        "<lambda>.batch(): out[1] is an array of >f8, but the result is of float64. Pass np.empty((3, 2), np.float64).")
    yield ArgumentError, lambda: both.batch([[1.0, 2.0], [3.0]]), (
        "<lambda>.batch(): no argument has an axis of samples, so that there is no batch. Pass an array with one sample in each row, and in_axes=0 or an entry "
        "that is not None for it.")
    yield ShapeError, lambda: both.batch([np.ones(2), np.ones(3)]), (
        "<lambda>.batch(): `x[0]` has 2 samples (axis 0), but `x[1]` has 3 (axis 0). An argument that is the same for all samples is named in in_axes with "
        "None, as in in_axes={'x': None}.")
    yield ArgumentError, lambda: both.batch(np.array([np.ones(2), np.ones(3)], dtype=object)), (
        "argument `x` is an array of Python objects. Pass x.astype(float).")
    yield ArgumentError, lambda: jit(lambda x: x > 0).batch(X, reduce="sum"), "<lambda>.batch(): reduce='sum' is of floats, but a result is bool."
    yield UnsupportedError, lambda: grad(lambda x: np.sum(LOSS.batch(x)[0]))(X), (
        "wave.batch() is not called inside a traced function; write the function of all samples there.")


@pytest.mark.parametrize("number", [k for k, (_, _, message) in enumerate(bad_calls()) if message])
def test_refused(number):
    error, call, message = list(bad_calls())[number]
    with pytest.raises(error) as raised:
        call()
    assert str(raised.value) == message


def test_interleaved_memory_does_not_overlap():
    both = np.zeros((10, 8))
    both[:, :4] = rows(10)
    expected = LOSS.batch(rows(10))[1]
    LOSS.batch(both[:, :4], out=(np.zeros(10), both[:, 4:]))
    np.testing.assert_array_equal(both[:, 4:], expected)


def test_retrace_forgets_batches():
    scale = 2.0
    loss = grad(lambda x: scale * np.sum(x * x))
    assert loss.batch(np.ones((1, 1)))[0, 0] == 4
    scale = 3.0
    loss.retrace()
    assert loss.batch(np.ones((1, 1)))[0, 0] == 6


def test_progress_is_shown_for_long_batches_only(monkeypatch, capsys):
    from tracer.batch import progress
    X = rows(5_000)
    expected = LOSS.batch(X)[1]
    np.testing.assert_array_equal(LOSS.batch(X, progress=True)[1], expected)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "SILENT", -1.0)
    monkeypatch.setattr(progress, "_bar", progress._Plain)
    np.testing.assert_array_equal(LOSS.batch(X, progress=True)[1], expected)
    assert "wave: 100%" in capsys.readouterr().err
