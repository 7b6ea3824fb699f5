"""Code as Numba users write it, unmodified: explicit loops, preallocated arrays, tuples, lists, callees, integers, whiles; its gradients against
differences of the compiled functions, extrapolated."""

import math

import numba
import numpy as np
import pytest
from numba import guvectorize, njit, prange, vectorize
from numba.experimental import jitclass
from numba.typed import List

from tracer import value_and_grad

X = np.array([0.9, -0.7, 1.3, 0.4, 2.1, -0.2])
PLACES = np.array([3, 0, 5, 1])
PRIMES = (2, 3, 5, 7)


# Loops and arrays ---------------------------------------------------------------------------------------------------------

@njit
def empty_and_fill(x):
    n = x.shape[0]
    out = np.empty((n, n), dtype=np.float64)
    for i in range(n):
        for j in range(n):
            out[i, j] = x[i] * math.cos(x[j]) / (1.0 + i + j)
    return np.sum(out * out)


@njit(parallel=True)
def parallel_loop(x):
    out = np.zeros_like(x)
    for i in prange(len(x)):
        s = 0.0
        for j in range(len(x)):
            if i != j:
                s += math.exp(-(x[i] - x[j]) ** 2)
        out[i] = s * x[i]
    return out.sum()


@njit(fastmath=True, cache=False)
def reduction_over_a_parallel_loop(x):
    total = 0.0
    for i in prange(x.size):
        total += x[i] ** 3
    return total / x.size


@njit
def lower_triangle(x):
    n = 3
    low = np.zeros((n, n))
    k = 0
    for i in range(n):
        for j in range(i + 1):
            low[i, j] = x[k] + (2.0 if i == j else 0.0)
            k += 1
    a = low @ low.T
    for j in range(n):  # Cholesky in place
        for k in range(j):
            for i in range(j, n):
                a[i, j] -= a[i, k] * a[j, k]
        a[j, j] = math.sqrt(a[j, j])
        for i in range(j + 1, n):
            a[i, j] /= a[j, j]
    return a[2, 0] + 2 * a[2, 1] + 3 * a[2, 2] * a[0, 0]


@njit
def gauss_elimination(x):
    a = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, 0.2], [0.3, 0.1, 2.0]])
    b = x[:3].copy()
    a[0, 1] = x[3]
    n = 3
    for k in range(n):
        for i in range(k + 1, n):
            f = a[i, k] / a[k, k]
            a[i, k:] -= f * a[k, k:]
            b[i] -= f * b[k]
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            b[i] -= a[i, j] * b[j]
        b[i] /= a[i, i]
    return b[0] + b[1] ** 2 + b[2] * x[4]


@njit
def stencil_in_time(x):
    u, new = x.copy(), np.empty_like(x)
    for _ in range(8):
        new[0], new[-1] = u[0], u[-1]
        for i in range(1, u.size - 1):
            new[i] = u[i] + 0.1 * (u[i - 1] - 2.0 * u[i] + u[i + 1])
        u, new = new, u
    return np.sum(u ** 2)


@njit
def views_and_slices(x):
    table = np.zeros((2, 3))
    row = table[0]
    row[:] = x[::2]
    table[1, ::-1] = x[1::2]
    table[:, 1] *= 2.0
    return (table[0] * table[1]).sum() + table.T[2, 1] ** 2


@njit
def gather_and_scatter(x):
    counts = np.zeros(3)
    for i in range(PLACES.size):
        counts[PLACES[i] % 3] += x[PLACES[i]] * (i + 1)
    return counts[0] * counts[1] + counts[2] ** 2


@njit
def prefix_sums_in_place(x):
    out = x * 1.0
    for i in range(1, out.size):
        out[i] += out[i - 1]
    for i in range(out.size - 2, -1, -1):
        out[i] = out[i] * 0.5 + out[i + 1]
    return out[0]


# Scalars, tuples and lists ----------------------------------------------------------------------------------------------------

@njit
def tuples_of_state(x):
    state = (x[0], x[1], 0.0)
    for _ in range(4):
        a, b, t = state
        state = (a + 0.1 * b, b - 0.1 * math.sin(a), t + 0.1)
    return state[0] * state[1] + state[2]


@njit
def two_results(x, k=2, scale=0.5):
    return x[k] * scale, x[k + 1] ** 2


@njit
def default_arguments(x):
    a, b = two_results(x)
    c, d = two_results(x, 1, scale=2.0)
    return a * b + c / (1.0 + d)


@njit
def list_of_numbers(x):
    values = []
    for v in x:
        if v > 0:
            values.append(v * v)
        else:
            values.append(-v)
    total = 0.0
    for v in values:
        total += math.sqrt(1.0 + v)
    return total + len(values)


@njit
def typed_list(x):
    values = List()
    for v in x:
        values.append(math.sin(v))
    values.append(2.0)
    total = 1.0
    for k in range(len(values)):
        total += values[k] * (k + 1)
    return total * values[0]


@njit
def early_returns(x):
    if x[0] < 0.0:
        return -1.0 * x[1]
    s = 0.0
    for i in range(x.size):
        s += x[i]
        if s > 1.4:
            return s * x[i]
    return s


@njit
def clamp(v, low, high):
    if v < low:
        return low
    if v > high:
        return high
    return v


@njit(inline="always")
def inlined(v):
    return v * v + 1.0


@njit
def callees(x):
    total = 0.0
    for i in range(x.shape[0]):
        total += clamp(inlined(x[i]), 1.2, 4.0) * (i + 1)
    return total


@njit
def functions_as_arguments(x):
    return applied(inlined, x) + applied(math_of, x)


@njit
def math_of(v):
    return math.atan2(v, 2.0) + math.hypot(v, 1.0) + math.erf(v) + math.log1p(v * v) + math.copysign(v, -1.0)


@njit
def applied(f, x):
    total = 0.0
    for v in x:
        total += f(v)
    return total


# Integers -------------------------------------------------------------------------------------------------------------------

@njit
def integer_arithmetic(x):
    total, k = 0.0, 7
    for i in range(1, 12):
        k = (k * 5 + i) % 13
        total += x[k // 3] * (i % 3 - 1) + (k >> 1) * x[k & 3] * 0.1
    return total + x[0] ** 2


@njit
def while_on_integers(x):
    low, high, total = 0, x.size - 1, 0.0
    while low < high:
        total += x[low] * x[high]
        low += 1
        high -= 1
    return total * total


@njit
def power_by_squaring(x):
    result, base, n = 1.0, 1.0 + 0.1 * x[0], 13
    while n > 0:
        if n % 2 == 1:
            result *= base
        base *= base
        n //= 2
    return result * x[1]


@njit
def break_and_continue(x):
    total = 0.0
    for i in range(100):
        if i % 2 == 0:
            continue
        if i >= x.size:
            break
        total += x[i] / i
    return total * x[0]


@njit
def tuple_of_constants(x):
    total = 0.0
    for i, p in enumerate(PRIMES):
        total += x[i] ** 2 / p
    for a, p in zip(x, PRIMES):
        total += a * p
    return total


@njit
def bitonic_network(x):
    y = x.copy()
    for i in range(y.size):  # odd-even transposition sort
        for j in range(i % 2, y.size - 1, 2):
            if y[j] > y[j + 1]:
                y[j], y[j + 1] = y[j + 1], y[j]
    return y[0] + 2 * y[1] + 3 * y[2] + 5 * y[5]


@njit
def sorted_by_numpy(x):
    y = np.sort(x)
    order = np.argsort(x)
    return y[1] * y[2] + x[order[4]] ** 2 + np.median(x)


@njit
def numpys_functions(x):
    a = x.reshape(2, 3)
    return np.linalg.norm(a @ a.T) + np.dot(x, x[::-1].copy()) + np.trace(np.outer(x, x)) + np.cumsum(x)[3] + np.diff(x).std() + np.argmax(x) * x[0]


@njit
def table_lookup(x):
    position = (abs(x[0]) + 1.0) * 1.3
    i = int(math.floor(position))  # noqa: RUF046  Numba's floor gives a float
    f = position - i
    table = np.array([0.0, 1.0, 4.0, 9.0, 16.0])
    return table[i] * (1.0 - f) + table[i + 1] * f


# Compiled in other ways -----------------------------------------------------------------------------------------------------

@vectorize(["float64(float64, float64)"], nopython=True)
def soft_threshold(v, t):
    if v > t:
        return v - t
    if v < -t:
        return v + t
    return 0.0


@njit
def elementwise(x):
    return np.sum(soft_threshold(x, 0.3) ** 2 * np.arange(x.size))


@guvectorize(["void(float64[:], float64, float64[:])"], "(n),()->(n)", nopython=True)
def smoothed(row, weight, out):
    out[0] = row[0]
    for i in range(1, row.shape[0]):
        out[i] = weight * row[i] + (1.0 - weight) * out[i - 1]


def generalised(x):
    return np.sum(smoothed(x.reshape(2, 3), 0.3) ** 2 * np.arange(3.0)) + np.sum(smoothed(x, x[0]))


@njit
def kahan(x):
    total = carry = 0.0
    for v in x:
        y = v * v - carry
        t = total + y
        carry = (t - total) - y
        total = t
    return total


@njit("float64(float64[:])")
def with_a_signature(x):
    return math.tanh(x[0] * x[1]) + x[2:].prod()


@jitclass([("stiffness", numba.float64), ("rest", numba.float64[:])])
class Spring:
    def __init__(self, stiffness, rest):
        self.stiffness = stiffness
        self.rest = rest

    @property
    def period(self):
        return 1.0 / math.sqrt(self.stiffness)

    def energy(self, x):
        total = 0.0
        for i in range(x.size):
            total += 0.5 * self.stiffness * (x[i] - self.rest[i]) ** 2
        return total


@njit
def classes(x):
    spring = Spring(2.0 + x[0] ** 2, np.zeros(x.size))
    return spring.energy(x) * spring.period


made_outside = Spring(2.0, np.ones(6))


def objects_from_outside(x):
    return made_outside.energy(x) * made_outside.period


PROGRAMS = [empty_and_fill, parallel_loop, reduction_over_a_parallel_loop, lower_triangle, gauss_elimination, stencil_in_time, views_and_slices,
            gather_and_scatter, prefix_sums_in_place, tuples_of_state, default_arguments, list_of_numbers, typed_list, early_returns, callees,
            functions_as_arguments, integer_arithmetic, while_on_integers, power_by_squaring, break_and_continue, tuple_of_constants, bitonic_network,
            sorted_by_numpy, numpys_functions, table_lookup, elementwise, generalised, kahan, with_a_signature, classes, objects_from_outside]


def differences(function, x, h=1e-3):
    """Central differences, extrapolated twice."""
    def of_step(h):
        return np.array([(function(x + d) - function(x - d)) / (2 * h) for d in h * np.eye(x.size)])
    coarse, middle, fine = of_step(h), of_step(h / 2), of_step(h / 4)
    first, second = (4 * middle - coarse) / 3, (4 * fine - middle) / 3
    return (16 * second - first) / 15


@pytest.mark.parametrize("function", PROGRAMS, ids=lambda function: function.__name__)
def test_the_gradient_of_numba_code_is_that_of_its_differences(function):
    value, gradient = value_and_grad(function)(X)
    assert value == pytest.approx(function(X), rel=1e-13)
    np.testing.assert_allclose(gradient, differences(function, X), rtol=1e-9, atol=1e-10)
