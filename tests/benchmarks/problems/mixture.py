"""Negative log-likelihood of a mixture of diagonal Gaussians; the parameters are logits, means and logarithms of inverse scales."""

import numpy as np

from . import Problem
from .rosenbrock import FAST

LOG_TWO_PI = float(np.log(2.0 * np.pi))


def log_likelihood(logits, joint):
    """Of rows that have these log densities for each component, the components weighted by softmax(logits)."""
    highest = np.max(joint, axis=1, keepdims=True)
    rows = highest[:, 0] + np.log(np.sum(np.exp(joint - highest), axis=1))
    top = np.max(logits)
    return np.sum(rows) - joint.shape[0] * (top + np.log(np.sum(np.exp(logits - top))))


def loss(logits, means, scales, X):
    z = (X[:, None, :] - means) * np.exp(scales)
    joint = logits + np.sum(scales, axis=1) - 0.5 * np.sum(z * z, axis=2)
    return 0.5 * LOG_TWO_PI * X.shape[0] * X.shape[1] - log_likelihood(logits, joint)


def expanded_loss(logits, means, scales, X):
    """The square multiplied out: matrix products instead of N×K×d differences, with cancellation where components are far off."""
    inverse = np.exp(2.0 * scales)
    squares = (X * X) @ inverse.T - 2.0 * (X @ (means * inverse).T) + np.sum(means * means * inverse, axis=1)
    return 0.5 * LOG_TWO_PI * X.shape[0] * X.shape[1] - log_likelihood(logits, logits + np.sum(scales, axis=1) - 0.5 * squares)


def by_hand(logits, means, scales, X):
    """With the square multiplied out, forwards and backwards."""
    rows, columns = X.shape
    inverse = np.exp(2.0 * scales)
    square = X * X
    scaled = means * inverse
    joint = logits + np.sum(scales - 0.5 * means * scaled, axis=1) + X @ scaled.T - 0.5 * (square @ inverse.T)
    highest = joint.max(axis=1)
    weight = np.exp(joint - highest[:, None])
    total = weight.sum(axis=1)
    weight /= total[:, None]
    share = np.exp(logits - logits.max())
    value = (0.5 * LOG_TWO_PI * rows * columns - np.sum(highest + np.log(total)) + rows * (logits.max() + np.log(share.sum())))
    count, first, second = weight.sum(axis=0), weight.T @ X, weight.T @ square
    spread = inverse * (second - 2.0 * means * first + means * means * count[:, None])
    return value, rows * share / share.sum() - count, inverse * (means * count[:, None] - first), spread - count[:, None]


mixture = Problem(loss, by_hand, parameters=3)
expanded_mixture = Problem(expanded_loss, by_hand, parameters=3)


def sample(rows: int, components: int, columns: int) -> tuple:
    """Arguments: logits, means, logarithms of inverse scales, data."""
    rng = np.random.default_rng(rows)
    shape = components, columns
    return rng.normal(size=components), rng.normal(size=shape), 0.3 * rng.normal(size=shape), rng.normal(size=(rows, columns))


@mixture.formulation("njit")
@expanded_mixture.formulation("njit")
def _(numba, *arguments):
    @numba.njit(fastmath=FAST)
    def value_and_gradient(logits, means, scales, X):
        rows, columns = X.shape
        components = logits.size
        inverse = np.exp(scales)
        offset = logits + scales.sum(axis=1)
        count = np.zeros(components)
        mean_gradient = np.zeros_like(means)
        scale_gradient = np.zeros_like(scales)
        weight = np.empty(components)
        z = np.empty_like(means)
        value = 0.5 * LOG_TWO_PI * rows * columns
        for i in range(rows):
            highest = -np.inf
            for k in range(components):
                square = 0.0
                for j in range(columns):
                    z[k, j] = (X[i, j] - means[k, j]) * inverse[k, j]
                    square += z[k, j] * z[k, j]
                weight[k] = offset[k] - 0.5 * square
                highest = max(highest, weight[k])
            total = 0.0
            for k in range(components):
                weight[k] = np.exp(weight[k] - highest)
                total += weight[k]
            value -= highest + np.log(total)
            for k in range(components):
                share = weight[k] / total
                count[k] += share
                for j in range(columns):
                    mean_gradient[k, j] -= share * z[k, j]
                    scale_gradient[k, j] += share * z[k, j] * z[k, j]
        top = logits.max()
        share = np.exp(logits - top)
        value += rows * (top + np.log(share.sum()))
        for k in range(components):
            for j in range(columns):
                mean_gradient[k, j] *= inverse[k, j]
                scale_gradient[k, j] -= count[k]
        return value, rows * share / share.sum() - count, mean_gradient, scale_gradient
    return value_and_gradient


@mixture.formulation("torch")
def _(torch, *arguments):
    def loss(logits, means, scales, X):
        z = (X[:, None, :] - means) * torch.exp(scales)
        joint = logits + scales.sum(1) - 0.5 * (z * z).sum(2)
        likelihood = torch.logsumexp(joint, 1).sum() - X.shape[0] * torch.logsumexp(logits, 0)
        return 0.5 * LOG_TWO_PI * X.numel() - likelihood
    return loss


@expanded_mixture.formulation("torch")
def _(torch, *arguments):
    def loss(logits, means, scales, X):
        inverse = torch.exp(2.0 * scales)
        scaled = means * inverse
        joint = logits + (scales - 0.5 * means * scaled).sum(1) + X @ scaled.T - 0.5 * ((X * X) @ inverse.T)
        likelihood = torch.logsumexp(joint, 1).sum() - X.shape[0] * torch.logsumexp(logits, 0)
        return 0.5 * LOG_TWO_PI * X.numel() - likelihood
    return loss


@mixture.formulation("casadi")
@expanded_mixture.formulation("casadi")
def _(casadi, *arguments):
    def log_sum_exp(rows):
        highest = casadi.mmax(rows)
        return highest + casadi.log(casadi.sum1(casadi.exp(rows - highest)))

    def loss(logits, means, scales, X):
        rows, columns = X.shape
        inverse = casadi.exp(2.0 * scales)
        scaled = means * inverse
        offset = logits + casadi.sum2(scales - 0.5 * means * scaled)
        joint = casadi.repmat(offset.T, rows, 1) + X @ scaled.T - 0.5 * ((X * X) @ inverse.T)
        # Every row has its own highest entry in the other peers; CasADi has no row-wise maximum, and one for all is safe for these data.
        highest = casadi.mmax(joint)
        likelihood = rows * highest + casadi.sum1(casadi.log(casadi.sum2(casadi.exp(joint - highest))))
        return 0.5 * LOG_TWO_PI * rows * columns - likelihood + rows * log_sum_exp(logits)
    return casadi.MX, loss
