"""Logistic regression with an L2 penalty: the mean of logaddexp."""

import numpy as np

from . import Problem
from .rosenbrock import FAST

PENALTY = 5e-4


def loss(w, X, y):
    z = X @ w
    return np.mean(np.logaddexp(0.0, z) - y * z) + 5e-4 * np.sum(w * w)


def by_hand(w, X, y):
    z = X @ w
    e = np.exp(-np.abs(z))  # one exponential serves value and gradient
    value = np.mean(np.log1p(e) + np.maximum(z, 0.0) - y * z) + PENALTY * (w @ w)
    residual = np.where(z >= 0.0, 1.0, e) / (1.0 + e) - y
    return value, residual @ X / len(y) + 2.0 * PENALTY * w


logistic = Problem(loss, by_hand)


def table(rows: int, columns: int) -> tuple:
    """Arguments: weights, standard normal data, and labels from a logistic model."""
    rng = np.random.default_rng(rows)
    X = rng.normal(size=(rows, columns))
    truth = rng.normal(size=columns) / np.sqrt(columns)
    y = (rng.random(rows) < 1.0 / (1.0 + np.exp(-X @ truth))).astype(np.float64)
    return 0.5 * truth + 0.1 * rng.normal(size=columns), X, y


@logistic.formulation("njit")
def _(numba, w, X, y):
    # Two loops of their own are faster than one: the inner ones vectorise, and a row of X stays in the first-level cache between them.
    @numba.njit(fastmath=FAST)
    def value_and_gradient(w, X, y):
        rows, columns = X.shape
        total = 0.0
        gradient = np.zeros(columns)
        for i in range(rows):
            z = 0.0
            for j in range(columns):
                z += X[i, j] * w[j]
            e = np.exp(-abs(z))
            total += np.log1p(e) + max(z, 0.0) - y[i] * z
            residual = (1.0 if z >= 0.0 else e) / (1.0 + e) - y[i]
            for j in range(columns):
                gradient[j] += residual * X[i, j]
        value = total / rows
        for j in range(columns):
            value += PENALTY * w[j] * w[j]
            gradient[j] = gradient[j] / rows + 2.0 * PENALTY * w[j]
        return value, gradient
    return value_and_gradient


@logistic.formulation("jax")
def _(jax, w, X, y):
    def loss(w, X, y):
        z = X @ w
        softplus = jax.numpy.log1p(jax.numpy.exp(-jax.numpy.abs(z))) + jax.numpy.maximum(z, 0.0)
        return jax.numpy.mean(softplus - y * z) + PENALTY * jax.numpy.sum(w * w)
    return loss


@logistic.formulation("jax device")
def _(jax, w, X, y):
    def loss(w, transposed, y):
        z = w @ transposed
        softplus = jax.numpy.log1p(jax.numpy.exp(-jax.numpy.abs(z))) + jax.numpy.maximum(z, 0.0)
        return jax.numpy.mean(softplus - y * z) + PENALTY * jax.numpy.sum(w * w)
    # Three times as fast as with rows; data that stay on the device are transposed once for all.
    return loss, (w, np.ascontiguousarray(X.T), y)


@logistic.formulation("torch")
def _(torch, w, X, y):
    def loss(w, X, y):
        return torch.nn.functional.binary_cross_entropy_with_logits(X @ w, y) + PENALTY * (w @ w)
    return loss, (w, np.asfortranarray(X), y)  # faster by columns, as JAX


@logistic.formulation("casadi")
def _(casadi, w, X, y):
    def loss(w, X, y):
        z = X @ w
        softplus = casadi.log1p(casadi.exp(-casadi.fabs(z))) + casadi.fmax(z, 0.0)
        return casadi.sum1(softplus - y * z) / X.shape[0] + PENALTY * casadi.sumsqr(w)
    return casadi.MX, loss
