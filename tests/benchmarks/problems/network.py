"""A multi-layer perceptron with tanh and squared loss, differentiated with respect to its three weight arrays."""

from itertools import pairwise

import numpy as np

from . import Problem


def loss(first, second, third, X, y):
    hidden = np.tanh(np.tanh(X @ first) @ second)
    return np.mean((hidden @ third - y) ** 2)


def by_hand(first, second, third, X, y):
    one = np.tanh(X @ first)
    two = np.tanh(one @ second)
    residual = two @ third - y
    back = residual * (2.0 / len(y))
    back_two = (back @ third.T) * (1.0 - two * two)
    back_one = (back_two @ second.T) * (1.0 - one * one)
    return np.mean(residual * residual), X.T @ back_one, one.T @ back_two, two.T @ back


network = Problem(loss, by_hand, parameters=3)


def batch(rows: int, *widths: int) -> tuple:
    """Arguments: three weight arrays, inputs and targets."""
    rng = np.random.default_rng(rows)
    weights = [rng.normal(size=shape) / np.sqrt(shape[0]) for shape in pairwise(widths)]
    return *weights, rng.normal(size=(rows, widths[0])), rng.normal(size=(rows, widths[-1]))


@network.formulation("njit")
def _(numba, *arguments):
    @numba.njit
    def value_and_gradient(first, second, third, X, y):
        # BLAS for the products, which @njit reaches through SciPy; everything between two of them in one loop.
        one = np.dot(X, first)
        for i in range(one.size):
            one.flat[i] = np.tanh(one.flat[i])
        two = np.dot(one, second)
        for i in range(two.size):
            two.flat[i] = np.tanh(two.flat[i])
        back = np.dot(two, third)
        value = 0.0
        for i in range(back.size):
            residual = back.flat[i] - y.flat[i]
            value += residual * residual
            back.flat[i] = residual * (2.0 / y.size)
        third_gradient = np.dot(two.T, back)
        back_two = np.dot(back, third.T)
        for i in range(two.size):
            back_two.flat[i] *= 1.0 - two.flat[i] * two.flat[i]
        second_gradient = np.dot(one.T, back_two)
        back_one = np.dot(back_two, second.T)
        for i in range(one.size):
            back_one.flat[i] *= 1.0 - one.flat[i] * one.flat[i]
        return value / y.size, np.dot(X.T, back_one), second_gradient, third_gradient
    return value_and_gradient


@network.formulation("torch")
def _(torch, *arguments):
    def loss(first, second, third, X, y):
        hidden = torch.tanh(torch.tanh(X @ first) @ second)
        return torch.nn.functional.mse_loss(hidden @ third, y)
    return loss


@network.formulation("casadi")
def _(casadi, *arguments):
    def loss(first, second, third, X, y):
        hidden = casadi.tanh(casadi.tanh(X @ first) @ second)
        return casadi.sumsqr(hidden @ third - y) / X.shape[0]
    return casadi.MX, loss
