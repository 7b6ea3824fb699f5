"""Gaussian mixtures, as one writes them down, and with the square multiplied out."""

from ..comparison import per_call
from ..problems.mixture import expanded_mixture, mixture, sample
from ..registry import Ask, case


@case("mixture", "Diagonal Gaussian mixture, N = 1,000, K = 25, d = 10", Ask(0.4, ("JAX device data",)), threads=(2, 1))
def _(effort):
    return per_call(mixture, sample(1_000, 25, 10), effort)


@case("mixture-expanded", "The same with the square multiplied out into matrix products")
def _(effort):
    return per_call(expanded_mixture, sample(1_000, 25, 10), effort)
