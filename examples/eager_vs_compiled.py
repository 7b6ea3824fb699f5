"""The same NumPy functions run eagerly and compiled: values, gradients, times, and where the two differ in kind.

    python examples/eager_vs_compiled.py            # beside PyTorch too, where it is installed and asked for with --torch

Times depend on the machine.
"""

import sys

import numpy as np

from tracer import compare


def rosenbrock(x):
    """Small and smooth: eager mode is all overhead."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


def logistic(w, X, y):
    """A matrix product and a row of elementary functions: the arithmetic counts as well."""
    z = X @ w
    return np.mean(np.logaddexp(0.0, z) - y * z) + 5e-4 * np.sum(w * w)


def largest_step(x):
    """With ties and kinks: there both take the convention of PyTorch."""
    return np.max(np.abs(np.diff(x))) + np.sum(np.maximum(x, 0.0))


def huber(x, width):
    """With a branch on the data: eager mode takes one arm."""
    if abs(x) < width:
        return 0.5 * x * x
    return width * (abs(x) - 0.5 * width)


def main(arguments: list[str]) -> int:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 10))
    point = rng.normal(size=10)
    for_torch = torch_functions() if "--torch" in arguments else {}
    for function, values, argnums in (
        (rosenbrock, (np.array([-1.2, 1.0, 0.8, 1.1, 0.9]),), 0),
        (logistic, (point, X, (X[:, 0] > 0) * 1.0), "w"),
        (largest_step, (np.array([0.0, 2.0, 1.0, -1.0, 0.5]),), 0),
        (huber, (3.0, 1.0), (0, 1)),
    ):
        print(f"{'=' * 100}\n{function.__doc__}\n")
        print(compare(function, *values, argnums=argnums, torch=for_torch.get(function)))
        print()
    return 0


def torch_functions() -> dict:
    """Two of them as they are written for PyTorch."""
    import torch

    def rosenbrock_torch(x):
        return torch.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)

    def logistic_torch(w, X, y):
        z = X @ w
        return torch.mean(torch.nn.functional.softplus(z) - y * z) + 5e-4 * torch.sum(w * w)

    return {rosenbrock: rosenbrock_torch, logistic: logistic_torch}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
