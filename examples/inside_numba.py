"""A gradient inside @njit: Hamiltonian Monte Carlo whose whole loop is machine code, its chains in parallel.

    python examples/inside_numba.py

The sampler is an ordinary Numba function that calls the gradient, and the gradient comes from plain NumPy code. Ends with an error unless the chains
are bit for bit those that the same sampler draws as plain Python, and the means are those of the exact posterior.
"""

import sys
import time

import numpy as np
from numba import njit, prange

from tracer import value_and_grad

CHAINS, DRAWS, LEAPS, STEP = 8, 2000, 10, 0.12
STANDARD_ERRORS = 5.0


@value_and_grad
def energy(w, X, y):
    """Minus the logarithm of the posterior of a linear regression with unit noise and a standard normal prior."""
    residual = y - X @ w
    return 0.5 * np.sum(residual * residual) + 0.5 * np.sum(w * w)


@njit
def hmc(start, X, y, momenta, uniforms, scale):
    """One chain. ``momenta`` (draws, d) and ``uniforms`` (draws) are its random numbers."""
    draws = np.empty_like(momenta)
    w = start.copy()
    potential, force = energy(w, X, y)
    for n in range(len(momenta)):
        position, p, new_potential, new_force = w, momenta[n], potential, force
        for _ in range(LEAPS):
            p = p - 0.5 * scale * new_force
            position = position + scale * p
            new_potential, new_force = energy(position, X, y)
            p = p - 0.5 * scale * new_force
        gain = potential + 0.5 * np.sum(momenta[n] ** 2) - new_potential - 0.5 * np.sum(p ** 2)
        if np.log(uniforms[n]) < gain:
            w, potential, force = position, new_potential, new_force
        draws[n] = w
    return draws


@njit(parallel=True)
def chains(start, X, y, momenta, uniforms, scale):
    """All chains, in parallel."""
    draws = np.empty_like(momenta)
    for c in prange(len(momenta)):
        draws[c] = hmc(start, X, y, momenta[c], uniforms[c], scale)
    return draws


def main() -> int:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = X @ np.array([1.0, -2.0, 0.5, 0.0]) + rng.normal(size=100)
    precision = X.T @ X + np.eye(4)
    exact = np.linalg.solve(precision, X.T @ y)
    momenta, uniforms = rng.normal(size=(CHAINS, DRAWS, 4)), rng.random((CHAINS, DRAWS))
    problem = np.zeros(4), X, y, momenta, uniforms, STEP

    chains(*problem)  # compiles
    started = time.perf_counter()
    draws = chains(*problem)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    first = hmc.py_func(np.zeros(4), X, y, momenta[0], uniforms[0], STEP)
    python_seconds = (time.perf_counter() - started) * CHAINS
    same = np.array_equal(first, draws[0])

    kept = draws[:, DRAWS // 10:].reshape(-1, 4)
    error = np.sqrt(np.diag(np.linalg.inv(precision)) / len(kept))
    print(f"{CHAINS} chains of {DRAWS} draws, {CHAINS * DRAWS * LEAPS} gradients: {seconds:.3f} s, all of it in machine code")
    print(f"the loop in Python, the gradient compiled:      {python_seconds:.3f} s")
    print(f"the first chain, drawn by Python, bit for bit:  {'the same' if same else 'DIFFERENT'}\n")
    print("           mean of draws   exact posterior mean")
    for k, (mean, true) in enumerate(zip(kept.mean(axis=0), exact)):
        print(f"  w[{k}]     {mean: .6f}       {true: .6f}")
    good = bool(np.all(np.abs(kept.mean(axis=0) - exact) < STANDARD_ERRORS * error))
    if not good:
        print("The means are off.")
    return 0 if same and good else 1


if __name__ == "__main__":
    sys.exit(main())
