"""A small network, whose time is matrix products and tanh."""

from ..comparison import per_call
from ..problems.network import batch, network
from ..registry import Ask, case

HALF_OF_JAX = Ask(0.5, ("JAX NumPy in/out",))


@case("network", "Network 32 × 32 × 32 × 1 on 256 rows, gradients of three arrays", HALF_OF_JAX, threads=(2, 1))
def _(effort):
    return per_call(network, batch(256, 32, 32, 32, 1), effort)


@case("network-wide", "Network 256 × 32 × 32 × 1 on 64 rows, gradients of three arrays", HALF_OF_JAX, threads=(2, 1))
def _(effort):
    return per_call(network, batch(64, 256, 32, 32, 1), effort)
