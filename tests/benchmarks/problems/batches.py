"""A million small problems: value and gradient of a function of four numbers, and the Greeks of options."""

from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from tracer import grad, jit, value_and_grad

COUNT = 1_000_000


def wave(x):
    a, b = x[:-1], x[1:]
    return np.sum(np.sin(a) * np.exp(-a * b) + (a - b) ** 2)


def samples() -> np.ndarray:
    """(4, COUNT): a column of memory for each of the four numbers."""
    return np.random.default_rng(0).random((4, COUNT))


def scalar_loop(numba):
    """By hand: one sample after another; columns in, columns out."""
    @numba.njit(error_model="numpy", fastmath={"contract", "nsz", "arcp"})
    def value_and_gradient(X, values, gradients):
        for i in range(X.shape[1]):
            total = below = 0.0
            for k in range(3):
                a, b = X[k, i], X[k + 1, i]
                e, s, gap = np.exp(-a * b), np.sin(a), a - b
                total += s * e + gap * gap
                gradients[k, i] = below + e * (np.cos(a) - b * s) + 2.0 * gap
                below = -a * s * e - 2.0 * gap
            gradients[3, i] = below
            values[i] = total
    return value_and_gradient


def heyoka_function(heyoka):
    """heyoka.py's compiled function of value and gradient."""
    x = heyoka.make_vars("a", "b", "c", "d")
    value = heyoka.sum([heyoka.sin(a) * heyoka.exp(-a * b) + (a - b) ** 2 for a, b in pairwise(x)])
    return heyoka.cfunc([value, *heyoka.diff_tensors([value], diff_args=x, diff_order=1).gradient], vars=x)


def jax_functions(jax):
    """JAX's formulations: ``vmap`` over rows, ``vmap`` over columns, and the sum over four columns."""
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def loss(x):
        a, b = x[:-1], x[1:]
        return jnp.sum(jnp.sin(a) * jnp.exp(-a * b) + (a - b) ** 2)

    def of_columns(a, b, c, d):
        values = sum(jnp.sin(p) * jnp.exp(-p * q) + (p - q) ** 2 for p, q in ((a, b), (b, c), (c, d)))
        return jnp.sum(values), values
    return {"JAX, vmap over rows": (jax.jit(jax.vmap(jax.value_and_grad(loss))), lambda X: (jnp.asarray(X.T),)),
            "JAX, vmap over columns": (jax.jit(jax.vmap(jax.value_and_grad(loss), in_axes=1, out_axes=(0, 1))), lambda X: (jnp.asarray(X),)),
            "JAX, four columns": (jax.jit(jax.value_and_grad(of_columns, argnums=(0, 1, 2, 3), has_aux=True)), lambda X: tuple(map(jnp.asarray, X)))}


# Options ----------------------------------------------------------------------------------------------------------------------

def call_price(S, K, r, sigma, T):
    spread = sigma * np.sqrt(T)
    d1 = (np.log(S / K) + (r + 0.5 * sigma * sigma) * T) / spread
    return S * ndtr(d1) - K * np.exp(-r * T) * ndtr(d1 - spread)


_slopes = value_and_grad(call_price, argnums=("S", "sigma", "T", "r"))
_gamma = grad(grad(call_price, argnums="S"), argnums="S")


@jit
def greeks(S, K, r, sigma, T):
    price, (delta, vega, decay, rho) = _slopes(S, K, r, sigma, T)
    return price, delta, _gamma(S, K, r, sigma, T), vega, -decay, rho


def jax_greeks(jax):
    """The same six of all options at once, in JAX."""
    jax.config.update("jax_enable_x64", True)
    jnp, ndtr = jax.numpy, jax.scipy.special.ndtr

    def price(S, K, r, sigma, T):
        spread = sigma * jnp.sqrt(T)
        d1 = (jnp.log(S / K) + (r + 0.5 * sigma * sigma) * T) / spread
        return S * ndtr(d1) - K * jnp.exp(-r * T) * ndtr(d1 - spread)

    def six(*option):
        value, (delta, vega, decay, rho) = jax.value_and_grad(price, argnums=(0, 3, 4, 2))(*option)
        return value, delta, jax.grad(jax.grad(price))(*option), vega, -decay, rho
    return jax.jit(jax.vmap(six))


def options(count: int) -> tuple[np.ndarray, ...]:
    """S, K, r, sigma, T."""
    rng = np.random.default_rng(0)
    return tuple(rng.uniform(low, high, count) for low, high in ((50, 150), (50, 150), (0.0, 0.05), (0.1, 0.5), (0.1, 2.0)))
