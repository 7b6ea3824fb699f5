"""Loops in loops over tables: a triangular solve, a matrix times a vector by elements, the distance of dynamic time warping."""

import numpy as np

from . import Problem


def triangular_loss(L, b):
    """The squared norm of the solution of a lower triangular system, by forward substitution."""
    n = len(b)
    x = np.zeros(n)
    for i in range(n):
        s = b[i]
        for j in range(i):
            s -= L[i, j] * x[j]
        x[i] = s / L[i, i]
    return np.sum(x * x)


def triangular_by_hand(L, b):
    """The adjoint system: back substitution with the transposed matrix."""
    n = len(b)
    x, by_matrix, by_side = np.empty(n), np.zeros((n, n)), np.empty(n)
    value = 0.0
    for i in range(n):
        s = b[i]
        for j in range(i):
            s -= L[i, j] * x[j]
        x[i] = s / L[i, i]
        value += x[i] * x[i]
    y = 2.0 * x
    for i in range(n - 1, -1, -1):
        by_side[i] = y[i] / L[i, i]
        by_matrix[i, i] = -by_side[i] * x[i]
        for j in range(i):
            by_matrix[i, j] = -by_side[i] * x[j]
            y[j] -= by_side[i] * L[i, j]
    return value, by_matrix, by_side


triangular = Problem(triangular_loss, triangular_by_hand, parameters=2)


@triangular.formulation("njit")
def _(numba, *arguments):
    return numba.njit(triangular_by_hand)


@triangular.formulation("jax")
def _(jax, *arguments):
    def loss(L, b):
        n = len(b)

        def one(x, row):
            values, right, i = row
            return x.at[i].set((right - jax.numpy.dot(values, x)) / values[i]), None
        x = jax.lax.scan(one, jax.numpy.zeros(n), (L, b, jax.numpy.arange(n)))[0]
        return jax.numpy.sum(x * x)
    return loss


def lower(n: int) -> tuple:
    """A lower triangular matrix that is well conditioned, and a right side."""
    rng = np.random.default_rng(n)
    return np.tril(rng.normal(size=(n, n)) * 0.1, -1) + np.diag(2.0 + rng.uniform(size=n)), rng.normal(size=n)


def product_loss(a, x):
    """The sum of the sines of a matrix times a vector, by elements."""
    y = np.zeros(a.shape[0])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            y[i] += a[i, j] * x[j]
    return np.sum(np.sin(y))


def product_by_hand(a, x):
    y = a @ x
    return np.sum(np.sin(y)), np.outer(np.cos(y), x), a.T @ np.cos(y)


product = Problem(product_loss, product_by_hand, parameters=2)


def warping_loss(a, b):
    """The distance of two sequences (dynamic time warping; Sakoe & Chiba 1978)."""
    n, m = len(a), len(b)
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            table[i, j] = abs(a[i - 1] - b[j - 1]) + min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
    return table[n, m]


def warping_by_hand(a, b):
    """Back along the best way."""
    n, m = len(a), len(b)
    table = np.full((n + 1, m + 1), np.inf)
    table[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            table[i, j] = abs(a[i - 1] - b[j - 1]) + min(table[i - 1, j], table[i, j - 1], table[i - 1, j - 1])
    by_a, by_b, i, j = np.zeros(n), np.zeros(m), n, m
    while i > 0 and j > 0:
        sign = np.sign(a[i - 1] - b[j - 1])
        by_a[i - 1] += sign
        by_b[j - 1] -= sign
        up, left, before = table[i - 1, j], table[i, j - 1], table[i - 1, j - 1]
        if before <= min(up, left):
            i, j = i - 1, j - 1
        elif up <= left:
            i -= 1
        else:
            j -= 1
    return table[n, m], by_a, by_b


warping = Problem(warping_loss, warping_by_hand, parameters=2)


def sequences(n: int, m: int) -> tuple:
    """Two sequences of numbers."""
    rng = np.random.default_rng(n + m)
    return rng.normal(size=n), rng.normal(size=m)
