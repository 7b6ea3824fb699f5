"""Two functions through every stage: the graph, the gradient as SymPy sees it, the generated source, and the result.

    python examples/quickstart.py

Ends with an error when a gradient disagrees with finite differences. Times are printed, and depend on the machine.
"""

import sys
import timeit

import numpy as np

from tracer import grad

RELATIVE_TOLERANCE = 1e-6  # what central differences in float64 can tell


@grad(argnums=(0, 1))
def swing(t, rate):
    """A damped oscillation: a function of two numbers."""
    return np.exp(-rate * t) * np.sin(2.0 * t)


@grad
def loss(w, X, y):
    """The logistic loss with a penalty: a function of arrays."""
    z = X @ w
    return np.mean(np.logaddexp(0.0, z) - y * z) + 5e-4 * np.sum(w * w)


def main() -> int:
    heading("A function of two numbers")
    point = (0.8, 0.3)
    gradient = swing(*point)
    show("swing.graph", swing.graph)
    show("swing.gradient_graph", swing.gradient_graph)
    show("swing.gradient_expr", *swing.gradient_expr)
    show("swing.source", swing.source.partition("\n\n\n")[2])
    agree = compare(np.array(gradient), finite_differences(lambda x: swing.__wrapped__(*x), np.array(point)), ("t", "rate"))

    heading("A function of arrays")
    w, X, y = sample_problem()
    gradient = loss(w, X, y)
    show("loss.graph", loss.graph)
    show("loss.gradient_graph", loss.gradient_graph)
    show("loss.source", loss.source.partition("\n\n\n")[2])
    show("loss.explain()", loss.explain())
    plain = loss.__wrapped__
    agree &= compare(gradient, finite_differences(lambda w: plain(w, X, y), w), [f"w[{k}]" for k in range(len(w))])

    heading("Time of one call")
    print_time("plain NumPy, the value", lambda: plain(w, X, y))
    print_time("compiled, the value", lambda: loss.value(w, X, y))
    print_time("plain NumPy, the gradient by differences", lambda: finite_differences(lambda w: plain(w, X, y), w))
    print_time("compiled, value and gradient", lambda: loss.value_and_grad(w, X, y))
    if not agree:
        print("\nA gradient disagrees with finite differences.")
    return 0 if agree else 1


def sample_problem():
    """569 observations of 30 features, and a point."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(569, 30))
    return rng.normal(size=30), X, (X[:, 0] + rng.normal(size=569) > 0) * 1.0


def finite_differences(f, x):
    """Central differences."""
    step = np.cbrt(np.finfo(float).eps) * np.maximum(1.0, np.abs(x))
    return np.array([(f(x + h) - f(x - h)) / (2.0 * h.sum()) for h in np.diag(step)])


def compare(gradient, differences, names) -> bool:
    """Print the first entries side by side; do all agree?"""
    print("\n            gradient             finite differences")
    for name, ours, other in list(zip(names, gradient, differences, strict=True))[:4]:
        print(f"  {name:8} {ours: .15f}  {other: .15f}")
    error = np.max(np.abs(gradient - differences)) / np.max(np.abs(differences))
    print(f"  largest difference of {len(gradient)} entries, relative: {error:.1e}")
    return bool(error < RELATIVE_TOLERANCE)


def print_time(what: str, call) -> None:
    call()  # compiles
    timer = timeit.Timer(call)
    number = max(1, int(0.02 / timer.timeit(1)))
    print(f"  {what:42} {min(timer.repeat(5, number)) / number * 1e6:9.1f} µs")


def heading(text: str) -> None:
    print(f"\n{text}\n{'=' * len(text)}")


def show(title: str, *values) -> None:
    print(f"\n--- {title}")
    for value in values:
        print(value)


if __name__ == "__main__":
    sys.exit(main())
