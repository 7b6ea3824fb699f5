"""Price and Greeks of a million options, one in each lane of a vector, from one Black–Scholes formula in plain NumPy.

    python examples/option_greeks.py [plot.png]

With the name of a file it draws them over the price of the share (with matplotlib). Ends with an error unless the Greeks agree with their closed forms.
"""

import sys
import time

import numpy as np
from scipy.special import ndtr

from tracer import grad, jit, value_and_grad

COUNT = 1_000_000
NAMES = ("price", "delta", "gamma", "vega", "theta", "rho")
TOLERANCE = 1e-10


def call_price(S, K, r, sigma, T):
    """A European call: share at S, strike K, interest r, volatility sigma, T years to go."""
    spread = sigma * np.sqrt(T)
    d1 = (np.log(S / K) + (r + 0.5 * sigma * sigma) * T) / spread
    return S * ndtr(d1) - K * np.exp(-r * T) * ndtr(d1 - spread)


price_and_slopes = value_and_grad(call_price, argnums=("S", "sigma", "T", "r"))
gamma_of = grad(grad(call_price, argnums="S"), argnums="S")


@jit
def greeks(S, K, r, sigma, T):
    """All six share one graph: what they have in common is computed once."""
    price, (delta, vega, decay, rho) = price_and_slopes(S, K, r, sigma, T)
    return price, delta, gamma_of(S, K, r, sigma, T), vega, -decay, rho


def closed_forms(S, K, r, sigma, T):
    """The same six from the textbook (Hull, Options, Futures, and Other Derivatives)."""
    spread = sigma * np.sqrt(T)
    d1 = (np.log(S / K) + (r + 0.5 * sigma * sigma) * T) / spread
    d2, discounted = d1 - spread, K * np.exp(-r * T)
    density = np.exp(-0.5 * d1 * d1) / np.sqrt(2.0 * np.pi)
    return (S * ndtr(d1) - discounted * ndtr(d2), ndtr(d1), density / (S * spread), S * density * np.sqrt(T),
            -S * density * sigma / (2.0 * np.sqrt(T)) - r * discounted * ndtr(d2), T * discounted * ndtr(d2))


def plot(file):
    """The Greeks of one option over the price of the share, for three times to expiry."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        sys.exit("The plot needs matplotlib: pip install matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    S = np.linspace(50.0, 150.0, 401)
    figure, panels = pyplot.subplots(2, 3, figsize=(12, 6), constrained_layout=True)
    for T in (0.1, 0.5, 2.0):
        for panel, name, values in zip(panels.flat, NAMES, greeks.batch(S, 100.0, 0.03, 0.2, T)):
            panel.plot(S, values, label=f"{T} years")
            panel.set_title(name)
    panels[0, 0].legend()
    figure.supxlabel("price of the share (strike 100, rate 3 %, volatility 20 %)")
    figure.savefig(file)
    print(f"drawn: {file}")


def main() -> int:
    rng = np.random.default_rng(0)
    options = tuple(rng.uniform(low, high, COUNT) for low, high in ((50, 150), (50, 150), (0.0, 0.05), (0.1, 0.5), (0.1, 2.0)))
    found = greeks.batch(*options)  # compiles
    started = time.perf_counter()
    greeks.batch(*options, out=found)
    seconds = time.perf_counter() - started
    print(f"{COUNT} options with six numbers each: {seconds * 1e3:.0f} ms\n")
    worst = 0.0
    for name, values, exact in zip(NAMES, found, closed_forms(*options)):
        error = np.max(np.abs(values - exact)) / np.max(np.abs(exact))
        worst = max(worst, error)
        print(f"  {name:6} mean {values.mean(): .6f}   largest difference from the closed form, relative to the largest: {error:.1e}")
    total = greeks.batch(*options, reduce="sum")[1]
    print(f"\ndelta of all options together, summed without a table: {total:.3f}")
    if len(sys.argv) > 1:
        plot(sys.argv[1])
    return 0 if worst < TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
