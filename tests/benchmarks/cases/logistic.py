"""Logistic regression on a small and on a long table."""

from ..comparison import per_call
from ..problems.logistic import logistic, table
from ..registry import Ask, case


@case("logistic-569", "Logistic loss, 569 × 30", Ask(0.3, ("JAX NumPy in/out",)), threads=(2, 1))
def _(effort):
    return per_call(logistic, table(569, 30), effort)


@case("logistic-100000", "Logistic loss, 100,000 × 30", Ask(1.0, ("JAX device data", "torch eager")), threads=(2, 1))
def _(effort):
    return per_call(logistic, table(100_000, 30), effort)
