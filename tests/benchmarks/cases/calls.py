"""What a call costs beside the work: Rosenbrock of 5 variables from Python, with the same mathematics by hand in Numba."""

import numba
import numpy as np

from tracer import value_and_grad

from ..problems.rosenbrock import loss, point, rosenbrock
from ..registry import Ask, Row, case
from ..timing import interleaved

FLAT, TREE = "tracer over njit by hand", "tracer, a dict as argument, over njit by hand"


def in_a_dict(parameters):
    return loss(parameters["x"])


@case("calls", "Calls from Python, Rosenbrock of 5 variables", Ask(0.3, subject=FLAT), Ask(2.0, subject=TREE))
def _(effort):
    x, = point(5)
    out, flat, tree = np.empty_like(x), value_and_grad(loss), value_and_grad(in_a_dict)
    by_hand, into = (rosenbrock.own(name, numba, (x,)) for name in ("njit", "njit out="))
    names = "njit by hand", "njit by hand, out=", "tracer", "tracer, out=", "tracer, a dict as argument"
    calls = (by_hand, (x,)), (into, (x, out)), (flat, (x,)), (flat, (x, out)), (tree, ({"x": x},))
    found = dict(zip(names, interleaved(calls, effort)))
    for subject, name in ((FLAT, "tracer"), (TREE, "tracer, a dict as argument")):
        yield Row(subject, (found[name].median - found["njit by hand"].median) * 1e6, "µs")
    for name, timed in found.items():
        yield Row(name, timed.median, "s", "out=" if "out=" in name else "fresh", timed.spread)
