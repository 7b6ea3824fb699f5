"""Hamiltonian Monte Carlo in one @njit function: the posterior of a logistic regression on the breast-cancer table of scikit-learn.

    pip install ".[test]" && python examples/hmc.py

The sampler calls the gradient, which comes from plain NumPy code, in every step. Prints R-hat, the effective sample size and gradients per second, beside
JAX's where it is installed. Ends with an error unless the chains have met (R-hat below 1.01).
"""

import sys
import time

import numpy as np
from numba import njit

from tracer import hessian, value_and_grad

try:
    from sklearn.datasets import load_breast_cancer
except ModuleNotFoundError:
    sys.exit('This example takes its table from scikit-learn, which is not installed. It is in the extra "test": pip install ".[test]"')

CHAINS, DRAWS, WARM_UP, LEAPS, STEP = 4, 2000, 200, 7, 0.3
WORST_R_HAT = 1.01


@value_and_grad
def energy(z, A, offset, F, mode, y):
    """Minus the logarithm of the posterior at the coefficients mode + F z, with standard normal priors; the logits are offset + A z."""
    logits = offset + A @ z
    w = mode + F @ z
    return np.sum(np.logaddexp(0.0, logits) - y * logits) + 0.5 * np.sum(w * w)


@njit
def sample(seed, draws, warm_up, A, offset, F, mode, y):
    """Fill ``draws`` (chains, number, d); returns the number of gradients and the share of accepted proposals."""
    np.random.seed(seed)
    chains, number, d = draws.shape
    gradients = accepted = 0
    position, momentum = np.empty(d), np.empty(d)
    for chain in range(chains):
        z = np.random.normal(0.0, 1.0, d)
        potential, slope = energy(z, A, offset, F, mode, y)
        for n in range(-warm_up, number):
            step = STEP * np.random.uniform(0.8, 1.2)  # no path has the period of a mode
            before = potential
            for i in range(d):
                momentum[i] = np.random.normal()
                before += 0.5 * momentum[i] ** 2
                position[i] = z[i]
            new_slope, new_potential = slope, potential
            for _ in range(LEAPS):
                for i in range(d):
                    momentum[i] -= 0.5 * step * new_slope[i]
                    position[i] += step * momentum[i]
                new_potential, new_slope = energy(position, A, offset, F, mode, y)
                for i in range(d):
                    momentum[i] -= 0.5 * step * new_slope[i]
            gradients += LEAPS
            after = new_potential
            for i in range(d):
                after += 0.5 * momentum[i] ** 2
            if np.log(np.random.uniform()) < before - after:
                z[:] = position
                potential, slope = new_potential, new_slope
                accepted += n >= 0
            if n >= 0:
                draws[chain, n] = z
    return gradients, accepted / (chains * number)


def r_hat_and_size(draws):
    """The largest split R-hat and the smallest effective sample size (Vehtari et al., Bayesian Analysis 16, 2021; without ranks)."""
    halves = draws.reshape(2 * len(draws), -1, draws.shape[2])
    m, n, _ = halves.shape
    centred = halves - halves.mean(axis=1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * n, axis=1)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), axis=1)[:, :n] / n
    within = covariance[:, 0].mean(axis=0) * n / (n - 1)
    total = within * (n - 1) / n + halves.mean(axis=1).var(axis=0, ddof=1)
    correlation = 1.0 - (within - covariance.mean(axis=0)) / total
    pairs = correlation[0:n - n % 2:2] + correlation[1:n:2]
    pairs = np.minimum.accumulate(np.where(np.logical_and.accumulate(pairs > 0), pairs, 0.0))  # Geyer's initial monotone sequence
    return np.sqrt(total / within).max(), (m * n / (2 * pairs.sum(axis=0) - 1)).min()


def posterior_mode(X, y):
    """The mode and the Cholesky factor of the inverse Hessian there, by Newton's method."""
    slope = value_and_grad(energy.__wrapped__)
    curvature = hessian(energy.__wrapped__)
    mode, one = np.zeros(X.shape[1]), np.eye(X.shape[1])
    for _ in range(30):
        arguments = np.zeros(len(mode)), X, X @ mode, one, mode, y
        gradient, matrix = slope(*arguments)[1], curvature(*arguments)
        if np.abs(gradient).max() < 1e-10:
            break
        mode = mode - np.linalg.solve(matrix, gradient)
    return mode, np.linalg.cholesky(np.linalg.inv(matrix))


def jax_rate(arguments, count=2000):
    """Gradients per second of JAX in a compiled loop, each at a point that depends on the last; None where it is not installed."""
    try:
        import jax
        import jax.numpy as jnp
    except ModuleNotFoundError:
        return None
    jax.config.update("jax_enable_x64", True)
    z, *rest = map(jnp.asarray, arguments)

    def potential(z, A, offset, F, mode, y):
        logits, w = offset + A @ z, mode + F @ z
        return jnp.sum(jnp.logaddexp(0.0, logits) - y * logits) + 0.5 * jnp.sum(w * w)

    @jax.jit
    def many(z, *rest):
        return jax.lax.fori_loop(0, count, lambda _, z: z - 1e-6 * jax.value_and_grad(potential)(z, *rest)[1], z)
    many(z, *rest).block_until_ready()
    started = time.perf_counter()
    many(z, *rest).block_until_ready()
    return count / (time.perf_counter() - started)


def main() -> int:
    table = load_breast_cancer()
    X = np.column_stack([(table.data - table.data.mean(axis=0)) / table.data.std(axis=0), np.ones(len(table.data))])
    y = table.target.astype(float)
    mode, F = posterior_mode(X, y)
    data = X @ F, X @ mode, F, mode, y

    draws = np.empty((CHAINS, DRAWS, X.shape[1]))
    sample(0, draws[:, :1], 0, *data)  # compiles
    started = time.perf_counter()
    gradients, accepted = sample(1, draws, WARM_UP, *data)
    seconds = time.perf_counter() - started

    r_hat, size = r_hat_and_size(draws)
    print(f"{CHAINS} chains of {DRAWS} draws in {X.shape[1]} dimensions: {seconds:.2f} s, {100 * accepted:.0f} % accepted")
    print(f"largest R-hat:                  {r_hat:.4f}")
    print(f"smallest effective sample size: {size:.0f}")
    print(f"gradients per second:           {gradients / seconds:.0f}")
    rate = jax_rate((np.zeros(X.shape[1]), *data))
    print(f"gradients per second of JAX:    {rate:.0f}" if rate else "gradients per second of JAX:    not installed")
    w = draws.reshape(-1, X.shape[1]) @ F.T + mode
    print("\n                             mean   standard deviation")
    for name, mean, spread in zip([*table.feature_names[:5], "intercept"], w.mean(axis=0)[[0, 1, 2, 3, 4, -1]], w.std(axis=0)[[0, 1, 2, 3, 4, -1]]):
        print(f"  {name:24} {mean: .3f}   {spread:.3f}")
    if r_hat >= WORST_R_HAT:
        print(f"The chains have not met: R-hat is not below {WORST_R_HAT}.")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
