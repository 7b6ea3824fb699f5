"""Code with explicit loops and buffers, as it stands: the first result, and a call beside a hand-written adjoint and JAX's scan."""

from ..building import first_result
from ..comparison import per_call
from ..problems import Problem
from ..problems.elements import logistic_elements, piecewise, table
from ..problems.kalman import kalman, observations
from ..problems.nbody import bodies, cluster
from ..problems.sequences import diagonals, diffusion, populations, rod, runge_kutta, thomas
from ..registry import Ask, case

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
