"""A root by bisection, polished by Newton's method: Kepler's equation for the place of a planet."""

import math


def bisect(f, low, high, tolerance=1e-10):
    """A root between low and high, where f changes its sign."""
    f_low = f(low)
    while high - low > tolerance:
        middle = 0.5 * (low + high)
        f_middle = f(middle)
        if (f_low < 0) == (f_middle < 0):
            low, f_low = middle, f_middle
        else:
            high = middle
    return 0.5 * (low + high)


def eccentric_anomaly(mean_anomaly, eccentricity):
    """E of M = E - e sin(E)."""
    guess = bisect(lambda E: E - eccentricity * math.sin(E) - mean_anomaly, 0.0, 2.0 * math.pi, 1e-3)
    E = guess
    while True:
        step = (E - eccentricity * math.sin(E) - mean_anomaly) / (1.0 - eccentricity * math.cos(E))
        E -= step
        if abs(step) < 1e-12:
            return E


def distance_from_sun(mean_anomaly, eccentricity, semi_major_axis=1.0):
    """Of a planet, in the unit of its semi-major axis."""
    return semi_major_axis * (1.0 - eccentricity * math.cos(eccentric_anomaly(mean_anomaly, eccentricity)))
