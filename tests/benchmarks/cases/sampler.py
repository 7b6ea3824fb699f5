"""A likelihood of 30 parameters in an @njit sampler: leapfrog steps with the compiled gradient and with one by hand."""

import numba
import numpy as np

from tracer import value_and_grad

from ..registry import Ask, Row, case
from ..timing import interleaved

STEPS, BY_HAND, COMPILED = 1000, "a gradient by hand", "tracer"
CENTRES = np.linspace(-1.0, 1.0, 30)


@value_and_grad
def energy(x, c):
    """Heavy tails, and neighbours that are coupled."""
    gap = x - c
    return np.sum(np.log1p(gap * gap)) + 0.1 * np.sum(x[1:] * x[:-1]) + 0.5 * np.sum(x * x)


@numba.njit(error_model="numpy")
def by_hand(x, c):
    n = len(x)
    slope = np.empty(n)
    value = 0.0
    for i in range(n):
        gap = x[i] - c[i]
        value += np.log1p(gap * gap) + 0.5 * x[i] * x[i]
        slope[i] = 2.0 * gap / (1.0 + gap * gap) + x[i]
        if i:
            value += 0.1 * x[i] * x[i - 1]
            slope[i] += 0.1 * x[i - 1]
            slope[i - 1] += 0.1 * x[i]
    return value, slope


def leapfrog(gradient):
    """The loop of a sampler around a gradient."""
    @numba.njit
    def run(x, p, c, steps):
        total = 0.0
        for _ in range(steps):
            value, slope = gradient(x, c)
            for i in range(len(x)):
                p[i] -= 0.01 * slope[i]
                x[i] += 0.01 * p[i]
            total += value
        return total
    return run


@case("sampler", "1,000 leapfrog steps in @njit, a likelihood of 30 parameters", Ask(1.05, (BY_HAND,)))
def _(effort):
    start = np.random.default_rng(0).normal(size=(2, 30))
    loops = {COMPILED: leapfrog(energy), BY_HAND: leapfrog(by_hand)}
    totals = [loop(*start.copy(), CENTRES, STEPS) for loop in loops.values()]
    assert abs(totals[0] / totals[1] - 1.0) < 1e-9
    timed = interleaved([(lambda loop=loop: loop(*start.copy(), CENTRES, STEPS), ()) for loop in loops.values()], effort)
    for name, each in zip(loops, timed, strict=True):
        yield Row(name, each.median, "s", "fresh", each.spread)
