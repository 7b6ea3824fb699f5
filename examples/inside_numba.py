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

CHAINS, DRAWS, LEAPS, STEP = 8, 2000, 6, 0.03
STANDARD_ERRORS = 5.0


@value_and_grad
def energy(w, X, y):
    """Minus the logarithm of the posterior of a linear regression with unit noise and a standard normal prior."""
    residual = y - X @ w
    return 0.5 * np.sum(residual * residual) + 0.5 * np.sum(w * w)


@njit
def moved(vector, direction, length):
    """vector + length * direction, as a loop: Numba compiles it faster than an array expression."""
    result = np.empty_like(vector)
    for i in range(len(vector)):
        result[i] = vector[i] + length * direction[i]
    return result


@njit
def hmc(start, X, y, momenta, uniforms, draws):
    """One chain, written to ``draws`` (number, d). ``momenta`` (number, d) and ``uniforms`` (number) are its random numbers."""
    w = start
    potential, slope = energy(w, X, y)
    for n in range(len(draws)):
        position, momentum, new_potential, new_slope = w, momenta[n], potential, slope
        for _ in range(LEAPS):
            momentum = moved(momentum, new_slope, -0.5 * STEP)
            position = moved(position, momentum, STEP)
            new_potential, new_slope = energy(position, X, y)
            momentum = moved(momentum, new_slope, -0.5 * STEP)
        gain = potential - new_potential
        for i in range(len(w)):
            gain += 0.5 * (momenta[n, i] ** 2 - momentum[i] ** 2)
        if np.log(uniforms[n]) < gain:
            w, potential, slope = position, new_potential, new_slope
        draws[n] = w


@njit(parallel=True)
def chains(start, X, y, momenta, uniforms, draws):
    """All chains, in parallel."""
    for c in prange(len(draws)):
        hmc(start, X, y, momenta[c], uniforms[c], draws[c])


def main() -> int:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 4))
    y = X @ np.array([1.0, -2.0, 0.5, 0.0]) + rng.normal(size=100)
    precision = X.T @ X + np.eye(4)
    exact = np.linalg.solve(precision, X.T @ y)
    momenta, uniforms = rng.normal(size=(CHAINS, DRAWS, 4)), rng.random((CHAINS, DRAWS))
    draws, by_python = np.empty_like(momenta), np.empty_like(momenta[0])

    chains(np.zeros(4), X, y, momenta, uniforms, draws)  # compiles
    started = time.perf_counter()
    chains(np.zeros(4), X, y, momenta, uniforms, draws)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    hmc.py_func(np.zeros(4), X, y, momenta[0], uniforms[0], by_python)
    python_seconds = (time.perf_counter() - started) * CHAINS
    same = np.array_equal(by_python, draws[0])

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
