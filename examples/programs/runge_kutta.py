"""Predators and prey by the classical Runge-Kutta method."""

import numpy as np


def lotka_volterra(t, y, alpha, beta, delta, gamma):
    prey, predators = y
    return np.array([alpha * prey - beta * prey * predators, delta * prey * predators - gamma * predators])


def rk4(f, y0, t, args=()):
    """The solution at the times t, one row each."""
    n = len(t)
    y = np.zeros((n, len(y0)))
    y[0] = y0
    for i in range(n - 1):
        h = t[i + 1] - t[i]
        k1 = f(t[i], y[i], *args)
        k2 = f(t[i] + h / 2.0, y[i] + k1 * h / 2.0, *args)
        k3 = f(t[i] + h / 2.0, y[i] + k2 * h / 2.0, *args)
        k4 = f(t[i] + h, y[i] + k3 * h, *args)
        y[i + 1] = y[i] + (h / 6.0) * (k1 + 2 * k2 + 2 * k3 + k4)
    return y


def squared_error(parameters, observed, t_end=5.0):
    """How far the model is from what was observed at equal intervals."""
    t = np.linspace(0.0, t_end, len(observed))
    solution = rk4(lotka_volterra, [10.0, 5.0], t, args=tuple(parameters))
    return ((solution - observed) ** 2).sum()
