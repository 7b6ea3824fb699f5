"""Kepler's equation by Newton's method, for many planets: a `while` whose number of rounds differs from one to the next."""

import math

import numpy as np

COUNT = 100_000


def anomaly(m, e):
    """The eccentric anomaly."""
    k = m
    while abs(k - e * np.sin(k) - m) > 1e-12:
        k = k - (k - e * np.sin(k) - m) / (1.0 - e * np.cos(k))
    return k


def planets() -> tuple[np.ndarray, np.ndarray]:
    """Mean anomalies and eccentricities."""
    rng = np.random.default_rng(0)
    return rng.uniform(0.1, 3.0, COUNT), rng.uniform(0.0, 0.8, COUNT)


def by_hand(numba):
    """One planet after another, with the derivatives beside the iterate."""
    @numba.njit
    def all_of_them(m, e, value, by_m, by_e):
        for i in range(len(m)):
            k, k_m, k_e = m[i], 1.0, 0.0
            sine = math.sin(k)
            gap = k - e[i] * sine - m[i]
            while abs(gap) > 1e-12:
                cosine = math.cos(k)
                slope = 1.0 - e[i] * cosine
                step = gap / slope
                k_m -= (slope * k_m - 1.0 - step * e[i] * sine * k_m) / slope
                k_e -= (slope * k_e - sine - step * (e[i] * sine * k_e - cosine)) / slope
                k -= step
                sine = math.sin(k)
                gap = k - e[i] * sine - m[i]
            value[i], by_m[i], by_e[i] = k, k_m, k_e
    return all_of_them


def by_jax(jax):
    """Its while_loop has tangents, and no gradient."""
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def one(m, e):
        def turns(k):
            return jnp.abs(k - e * jnp.sin(k) - m) > 1e-12
        return jax.lax.while_loop(turns, lambda k: k - (k - e * jnp.sin(k) - m) / (1.0 - e * jnp.cos(k)), m)

    def both(m, e):
        value, by_m = jax.jvp(one, (m, e), (1.0, 0.0))
        return value, by_m, jax.jvp(one, (m, e), (0.0, 1.0))[1]
    return jax.jit(jax.vmap(both))
