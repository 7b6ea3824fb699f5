"""Rosenbrock's function of n variables."""

from itertools import pairwise

import numpy as np

from . import Inapplicable, Problem

FAST = {"reassoc", "contract", "nsz", "arcp"}  # what lets sums use vector lanes; NaN and inf keep their meaning


def loss(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def by_hand(x):
    first, next_ = x[:-1], x[1:]
    t = next_ - first * first
    u = 1.0 - first
    gradient = np.empty_like(x)
    gradient[:-1] = -400.0 * first * t - 2.0 * u
    gradient[-1] = 0.0
    gradient[1:] += 200.0 * t
    return 100.0 * (t @ t) + u @ u, gradient


rosenbrock = Problem(loss, by_hand)


def point(n: int) -> tuple:
    """Arguments: a vector near the minimum."""
    return (np.random.default_rng(n).normal(1.0, 0.1, n),)


@rosenbrock.formulation("njit out=")
def _(numba, x):
    @numba.njit(fastmath=FAST)
    def value_and_gradient(x, gradient):
        # Entry i is written once, from its two neighbours, so that iterations do not depend on each other and lanes can be used.
        n = x.size
        t = x[1] - x[0] * x[0]
        u = 1.0 - x[0]
        value = 100.0 * t * t + u * u
        gradient[0] = -400.0 * x[0] * t - 2.0 * u
        for i in range(1, n - 1):
            before = x[i] - x[i - 1] * x[i - 1]
            t = x[i + 1] - x[i] * x[i]
            u = 1.0 - x[i]
            value += 100.0 * t * t + u * u
            gradient[i] = 200.0 * before - 400.0 * x[i] * t - 2.0 * u
        gradient[n - 1] = 200.0 * (x[n - 1] - x[n - 2] * x[n - 2])
        return value
    return value_and_gradient


@rosenbrock.formulation("njit")
def _(numba, x):
    into = rosenbrock.own("njit out=", numba, (x,))

    @numba.njit
    def value_and_gradient(x):
        gradient = np.empty_like(x)
        value = into(x, gradient)
        return value, gradient
    return value_and_gradient


@rosenbrock.formulation("casadi")
def _(casadi, x):
    def loss(x):
        first, next_ = x[:-1], x[1:]
        return casadi.sumsqr(10.0 * (next_ - first * first)) + casadi.sumsqr(1.0 - first)
    return casadi.SX if x.size <= 10_000 else casadi.MX, loss


@rosenbrock.formulation("heyoka")
def _(heyoka, x):
    if x.size > 10_000:
        raise Inapplicable("has scalars only: as many expressions as elements")
    return x.size > 100, lambda x: heyoka.sum([100.0 * (b - a * a) ** 2 + (1.0 - a) ** 2 for a, b in pairwise(x)])
