"""Rosenbrock: all overhead at 5 variables, memory traffic at a million."""

from ..comparison import per_call
from ..problems.rosenbrock import point, rosenbrock
from ..registry import Ask, case


@case("rosenbrock-5", "Rosenbrock, n = 5, from Python", Ask(1.2, ("njit by hand",)))
def _(effort):
    return per_call(rosenbrock, point(5), effort)


@case("rosenbrock-1000", "Rosenbrock, n = 1,000", Ask(0.1, ("JAX NumPy in/out",)), threads=(2, 1))
def _(effort):
    return per_call(rosenbrock, point(1_000), effort)


@case("rosenbrock-1000000", "Rosenbrock, n = 1,000,000", Ask(0.8, ("JAX NumPy in/out",)), threads=(2, 1))
def _(effort):
    return per_call(rosenbrock, point(1_000_000), effort)
