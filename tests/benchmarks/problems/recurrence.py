"""A recurrence as a problem: a Python loop over scalars, which tracing unrolls."""

import math

import numpy as np

from . import Problem


def recurrence(steps: int) -> Problem:
    """The value of the last of ``steps`` iterates, and its derivative with respect to the first."""
    def loss(x):
        x = x[0]
        for _ in range(steps):
            x = np.sin(x) * 1.01 + 0.1 * x
        return x

    def gradient(x):
        x, slope = x[0], 1.0
        for _ in range(steps):
            slope *= math.cos(x) * 1.01 + 0.1
            x = math.sin(x) * 1.01 + 0.1 * x
        return x, np.array([slope])
    problem = Problem(loss, gradient)

    @problem.formulation("njit")
    def _(numba, x):
        return numba.njit(gradient)
    return problem
