"""Gradients that SymPy visibly shrinks.

The length of a parabola has a long formula; its derivative, taken by the chain rule, is longer still. By real-number algebra it is sqrt(1 + x*x).
That changes what happens where x*x overflows, so it is done with simplify="fast" only. The geometric mean of two rates, written
with logarithms, loses two logarithms and an exponential under the default "safe": NaN, inf and accuracy stay what they were.
"""
import math

import numpy as np

from tracer import grad


def arc_length(x):
    """The length of the parabola y = t*t/2 between t = 0 and t = x."""
    return 0.5 * (x * np.sqrt(1.0 + x * x) + np.arcsinh(x))


def geometric_mean(a, b):
    return np.exp(0.5 * (np.log(a) + np.log(b)))


def show(function, arguments, expected):
    print(f"{function.__name__}: value and gradient")
    for level in (False, "safe", "fast"):
        slope = grad(function, simplify=level)
        value = slope(*arguments)
        assert math.isclose(value, expected, rel_tol=1e-14)
        graph = slope.gradient_graph
        print(f"\nsimplify={level!r}: {len(graph.nodes)} nodes, slope {value:.15f}")
        print(graph)
    print(f"\nWhat was rewritten:\n{slope.explain()}\n\nThe slope in SymPy's words: {slope.gradient_expr}\n")


if __name__ == "__main__":
    show(arc_length, (1.5,), math.sqrt(1.0 + 1.5**2))
    show(geometric_mean, (2.0, 8.0), 1.0)
