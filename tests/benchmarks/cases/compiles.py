"""How many kernels are compiled when sizes and integers change."""

import numpy as np
from scipy import special

from ..peers import reason
from ..problems import Inapplicable, disagreement, with_numpy
from ..registry import Ask, Row, case


def mean_of_losses(x):
    return np.sum(np.logaddexp(0.0, x))


def call_price(spot, strike, rate, volatility, years):
    """Black–Scholes, European call."""
    deviation = volatility * np.sqrt(years)
    d = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / deviation
    return spot * special.ndtr(d) - strike * np.exp(-rate * years) * special.ndtr(d - deviation)


def delta(spot, strike, rate, volatility, years):
    """The derivative of the price with respect to the spot, as textbooks give it."""
    return special.ndtr((np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / (volatility * np.sqrt(years)))


def by_tracer(function):
    from tracer import grad
    compiled = grad(function)
    return compiled, lambda: compiled.explain().compiles


def by_jax(function):
    import jax
    jax.config.update("jax_enable_x64", True)
    names = with_numpy(function, jax.numpy)
    names.__globals__["special"] = jax.scipy.special
    compiled = jax.jit(jax.grad(names))
    return compiled, compiled._cache_size


def counted(function, calls, expected):
    """Compiles after all calls, whose results are checked."""
    for name, make in {"tracer": by_tracer, "JAX": by_jax}.items():
        try:
            compiled, count = make(function)
            wrong = disagreement([np.asarray(compiled(*arguments)) for arguments in calls], expected)
            if wrong:
                raise Inapplicable(f"WRONG: {wrong}")
            yield Row(name, count(), "compiled")
        except Exception as error:  # whatever a peer raises belongs into its row
            yield Row(name, None, "compiled", note=reason(error))


def lengths(chosen):
    rng = np.random.default_rng(0)
    vectors = [rng.normal(size=length) for length in chosen]
    return counted(mean_of_losses, [(x,) for x in vectors], [special.expit(x) for x in vectors])


@case("lengths", "Gradient of the sum of logaddexp over 200 lengths from 100 to 7,463", Ask(3))
def _(effort):
    return lengths(range(100, 100 + 200 * 37, 37))


@case("lengths-short", "The same over the lengths 1 to 200")
def _(effort):
    return lengths(range(1, 201))


@case("strikes", "Derivative of a Black–Scholes price at 41 integer strikes", Ask(1))
def _(effort):
    calls = [(100.0, strike, 0.03, 0.2, 1.5) for strike in range(80, 121)]
    return counted(call_price, calls, [delta(*arguments) for arguments in calls])
