"""A steady temperature along a rod: the Thomas algorithm for a tridiagonal system."""

import numpy as np


def thomas(a, b, c, d):
    """Solve the system with diagonals a (below), b and c (above); a[0] and c[-1] are not used."""
    n = len(d)
    cp = np.empty(n)
    dp = np.empty(n)
    cp[0] = c[0] / b[0]
    dp[0] = d[0] / b[0]
    for i in range(1, n):
        m = b[i] - a[i] * cp[i - 1]
        cp[i] = c[i] / m
        dp[i] = (d[i] - a[i] * dp[i - 1]) / m
    x = np.empty(n)
    x[n - 1] = dp[n - 1]
    for i in range(n - 2, -1, -1):
        x[i] = dp[i] - cp[i] * x[i + 1]
    return x


def misfit(conductivity, source, measured):
    """Squared difference between measured temperatures and those of a rod of varying conductivity, both ends at zero."""
    n = len(source)
    h = 1.0 / (n + 1)
    a, b, c = np.zeros(n), np.zeros(n), np.zeros(n)
    for i in range(n):
        left, right = conductivity[i], conductivity[i + 1]
        a[i] = -left / h**2
        b[i] = (left + right) / h**2
        c[i] = -right / h**2
    temperature = thomas(a, b, c, source)
    return np.sum((temperature - measured) ** 2)
