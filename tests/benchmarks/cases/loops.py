"""Code with explicit loops and buffers, as it stands: the first result, and a call beside a hand-written adjoint and JAX's scan."""

import math

import numpy as np

from ..building import first_result
from ..comparison import per_call
from ..counting import unique_operations
from ..problems import Problem
from ..problems.elements import logistic_elements, piecewise, table
from ..problems.kalman import kalman, observations
from ..problems.nbody import bodies, cluster
from ..problems.pendulum import pendulum, start
from ..problems.sequences import diagonals, diffusion, populations, rod, runge_kutta, thomas
from ..problems.tables import lower, product, sequences, triangular, warping
from ..registry import Ask, Row, case

# Peers that unroll the loop, or walk through it at every call.
UNROLLED = {name: "not tried: it runs the loop operation by operation, or unrolls it" for name in (
    "torch eager", "autograd", "CasADi", "heyoka", "NumPy by hand", "tracer, simplify=False")}
FACTOR = 1.0 + 2.0**-10  # to the power of the seed: an exact factor that makes another program of the same problem
HAND, SCAN = ("njit by hand",), ("JAX device data",)


def scaled(problem: Problem, factor: float) -> Problem:
    """The same times a number, which nothing has been compiled for."""
    def times(function):
        def scaled_function(*arguments):
            found = function(*arguments)
            return tuple([each * factor for each in found]) if isinstance(found, tuple) else found * factor
        return scaled_function
    formulations = {language: lambda module, *arguments, build=build: times(build(module, *arguments)) for language, build in problem.formulations.items()}
    return Problem(times(problem.loss), times(problem.hand), problem.parameters, formulations)


def pair(name: str, title: str, posed, first: float, *asks: Ask) -> None:
    """The first result and a call of one problem."""
    @case(f"{name}-first", f"{title}: first result, all compiled anew", Ask(first), threads=(2,))
    def _(effort):
        problem, arguments = posed()
        return first_result(lambda seed: (scaled(problem, FACTOR ** (seed + 1)), arguments), (problem, arguments), effort, UNROLLED)

    @case(f"{name}-call", f"{title}: a call", *asks)
    def _(effort):
        problem, arguments = posed()
        return per_call(problem, arguments, effort, UNROLLED)


pair("elements-logistic", "Logistic loss, an element loop over 5,000 × 10", lambda: (logistic_elements, table(5_000, 10)), 3.0, Ask(1.2, HAND))
pair("elements-piecewise", "An `if` on each of 5,000 elements", lambda: (piecewise, (table(1, 5_000)[0],)), 3.0)
pair("loop-thomas", "Tridiagonal solve, n = 1,000", lambda: (thomas, diagonals(1_000)), 3.0, Ask(2.0, HAND))
pair("loop-nbody", "N-body, 5 bodies × 1,000 steps", lambda: (bodies(1_000), cluster(5)), 3.0, Ask(0.5, SCAN))
pair("loop-kalman", "Kalman filter, 4 states × 500 steps", lambda: (kalman, observations(500)), 3.0, Ask(0.5, SCAN))
pair("loop-runge-kutta", "Runge–Kutta of Lotka–Volterra, 2,000 steps", lambda: (runge_kutta(2_000), populations()), 3.0, Ask(2.0, HAND))
pair("loop-diffusion", "Explicit heat equation, 100 points × 500 steps", lambda: (diffusion(500), rod(100)), 5.0, Ask(2.0, HAND))
pair("loop-pendulum", "A pendulum until it rests: a `while` of some 10,000 rounds", lambda: (pendulum, start()), 3.0, Ask(2.0, HAND))
pair("loop-triangular", "Triangular solve, n = 60", lambda: (triangular, lower(60)), 3.0, Ask(0.5, SCAN))


def count(name: str, title: str, posed, most: int) -> None:
    """The operations of value and gradient, those in loops counted once."""
    @case(f"{name}-operations", f"{title}: unique operations, value and gradient", Ask(most))
    def _(effort):
        from tracer import value_and_grad

        problem, arguments = posed()
        made = value_and_grad(problem.loss, problem.argnums, cache=False)
        made(*arguments)
        return [Row("tracer", unique_operations(made.gradient_graph), "operations")]


count("elements-product", "Matrix times vector by elements, 40 × 30", lambda: (product, (np.ones((40, 30)), np.ones(30))), 60)
count("loop-nbody", "N-body, 5 bodies × 1,000 steps", lambda: (bodies(1_000), cluster(5)), 3_000)
count("loop-runge-kutta", "Runge–Kutta, 2,000 steps", lambda: (runge_kutta(2_000), populations()), 400)
count("loop-triangular", "Triangular solve, n = 60", lambda: (triangular, lower(60)), 200)
count("loop-kalman", "Kalman filter, 4 states × 500 steps", lambda: (kalman, observations(500)), 1_200)
count("loop-warping", "Dynamic time warping, 60 × 50", lambda: (warping, sequences(60, 50)), 400)

STEPS, WIDTH = 100_000, 100
TRAJECTORY, THEORY = STEPS * WIDTH * 8e-6, 2 * math.sqrt(STEPS) * WIDTH * 8e-6  # MB: all states; √n checkpoints and the states of one segment


def memory_of_scan(checkpoint: bool) -> list[Row]:
    """MB of workspace that a gradient through the scan takes; beyond it a call has its results alone."""
    from tracer import grad, scan

    def loss(x):
        return np.sum(scan(lambda c, _: (np.sin(c) * 0.999 + 0.001 * c[::-1], None), x, length=STEPS, checkpoint=checkpoint)[0])
    made = grad(loss, cache=False)
    made(np.linspace(-1.0, 1.0, WIDTH))
    return [Row("tracer", made.explain().records[-1].kernel.workspace_bytes * 1e-6, "MB")]


@case("scan-memory", "Gradient through a scan of 100,000 steps × 100 floats: workspace", Ask(1.2 * TRAJECTORY))
def _(effort):
    return memory_of_scan(False)


@case("scan-memory-checkpoint", "The same with checkpoint=True", Ask(3 * THEORY))
def _(effort):
    return memory_of_scan(True)
