"""Sums over data written element by element, as Numba users write them."""

import numpy as np

from . import Problem
from .rosenbrock import FAST


def logistic_loss(w, X, y):
    total = 0.0
    for i in range(X.shape[0]):
        z = 0.0
        for j in range(X.shape[1]):
            z += X[i, j] * w[j]
        total += np.log1p(np.exp(-abs(z))) + max(z, 0.0) - y[i] * z
    return total / X.shape[0]


def logistic_by_hand(w, X, y):
    rows, columns = X.shape
    total, slope = 0.0, np.zeros(columns)
    for i in range(rows):
        z = 0.0
        for j in range(columns):
            z += X[i, j] * w[j]
        e = np.exp(-abs(z))
        total += np.log1p(e) + max(z, 0.0) - y[i] * z
        by_z = (1.0 if z > 0.0 else e) / (1.0 + e) - y[i]
        for j in range(columns):
            slope[j] += by_z * X[i, j]
    return total / rows, slope / rows


logistic_elements = Problem(logistic_loss, logistic_by_hand)


def piecewise_loss(x):
    total = 0.0
    for i in range(len(x)):
        if x[i] > 0.0:
            total += x[i] * x[i]
        else:
            total += np.exp(x[i]) - 1.0
    return total


def piecewise_by_hand(x):
    total, slope = 0.0, np.empty_like(x)
    for i in range(len(x)):
        if x[i] > 0.0:
            total += x[i] * x[i]
            slope[i] = 2.0 * x[i]
        else:
            slope[i] = np.exp(x[i])
            total += slope[i] - 1.0
    return total, slope


piecewise = Problem(piecewise_loss, piecewise_by_hand)


@logistic_elements.formulation("njit")
def _(numba, *arguments):
    return numba.njit(logistic_by_hand, fastmath=FAST)


@piecewise.formulation("njit")
def _(numba, *arguments):
    return numba.njit(piecewise_by_hand, fastmath=FAST)


@logistic_elements.formulation("jax")
def _(jax, *arguments):
    def loss(w, X, y):
        z = X @ w
        return jax.numpy.mean(jax.numpy.logaddexp(0.0, z) - y * z)
    return loss


@piecewise.formulation("jax")
def _(jax, *arguments):
    def loss(x):
        return jax.numpy.sum(jax.numpy.where(x > 0.0, x * x, jax.numpy.exp(jax.numpy.minimum(x, 0.0)) - 1.0))
    return loss


def table(rows: int, columns: int) -> tuple:
    """Weights, data, labels."""
    rng = np.random.default_rng(rows)
    return rng.normal(size=columns), rng.normal(size=(rows, columns)), (rng.uniform(size=rows) < 0.5) * 1.0
