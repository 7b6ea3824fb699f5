"""Gradients of @njit functions as Numba users write them: explicit loops, preallocated arrays, ifs on the data; against the compiled functions themselves."""

import math

import numpy as np
import pytest
from numba import njit

from tracer import value_and_grad

POINTS = np.array([0.9, -0.7, 0.2, 1.4, -0.1]), np.array([-0.3, 0.8, 0.7, -0.9, 0.4])


@njit
def piecewise_into_a_buffer(x):
    out = np.zeros(x.shape[0])
    for i in range(x.shape[0]):
        if x[i] > 0.5:
            out[i] = x[i] ** 2
        elif x[i] < -0.5:
            out[i] = -x[i]
        else:
            out[i] = math.sin(x[i])
    total = 0.0
    for i in range(out.shape[0]):
        total += out[i] * (i + 1)
    return total


@njit
def larger_first(a, b):
    if a > b:
        return a * b
    return a - b


@njit
def table_of_another_function(x):
    table = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            table[i, j] = larger_first(x[i], x[j])
    total = 0.0
    for i in range(3):
        for j in range(3):
            if i == j:
                continue
            total += table[i, j] * (i + 2 * j + 1)
    return total


@njit
def largest_and_its_place(x):
    best = x[0]
    place = 0
    for i in range(1, len(x)):
        if x[i] > best:
            best = x[i]
            place = i
    return best * best + place * best


@njit
def time_warping(x):
    n = 4
    table = np.full((n + 1, n + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            least = table[i - 1, j]
            if table[i, j - 1] < least:
                least = table[i, j - 1]
            if table[i - 1, j - 1] < least:
                least = table[i - 1, j - 1]
            table[i, j] = abs(x[i - 1] - 0.3 * j) + least
    return table[n, n]


@njit
def returns_from_the_loop(x):
    total = 0.0
    for i in range(len(x)):
        total += x[i] * x[i]
        if total > 2.0:
            return total * x[i]
    return -total


@njit
def recurrence(x):
    y = np.empty_like(x)
    y[0] = x[0]
    for i in range(1, len(x)):
        y[i] = y[i - 1] * 0.5 + x[i]
        if y[i] < 0:
            y[i] = -0.1 * x[i]
    return y.sum()


@njit
def two_sums(x):
    sums = np.zeros(2)
    for value in x:
        if value > 0:
            sums[0] += value
        else:
            sums[1] += value * value
    weights = np.zeros_like(x)
    for i, value in enumerate(x):
        weights[i] = value * sums[0] + sums[1]
    return weights.mean()


CODE = [piecewise_into_a_buffer, table_of_another_function, largest_and_its_place, time_warping, returns_from_the_loop, recurrence, two_sums]


@pytest.mark.parametrize("function", CODE, ids=lambda function: function.__name__)
def test_values_and_gradients_of_njit_functions(function):
    compiled = value_and_grad(function)
    for x in POINTS:
        value, gradient = compiled(x)
        assert value == pytest.approx(function(x), rel=1e-14)
        differences = [(function(x + h) - function(x - h)) / 2e-6 for h in 1e-6 * np.eye(len(x))]
        np.testing.assert_allclose(gradient, differences, rtol=1e-7, atol=1e-8)
        assert np.count_nonzero(gradient) >= 1
    assert compiled.explain().compiles == 1
