"""A recurrence as a problem: a Python loop over scalars, which tracing unrolls."""

import math

import numpy as np

from . import Problem


def recurrence(steps: int) -> Problem:
    """The last of ``steps`` iterates plus the square of the first: alone, the last one's derivative sinks below the smallest number."""
    def loss(x):
        first = x = x[0]
        for _ in range(steps):
            x = np.sin(x) * 1.01 + 0.1 * x
        return x + first * first

    def gradient(x):
        first = x = x[0]
        slope = 1.0
        for _ in range(steps):
            slope *= math.cos(x) * 1.01 + 0.1
            x = math.sin(x) * 1.01 + 0.1 * x
        return x + first * first, np.array([slope + 2.0 * first])
    problem = Problem(loss, gradient)

    @problem.formulation("njit")
    def _(numba, x):
        return numba.njit(gradient)
    return problem
