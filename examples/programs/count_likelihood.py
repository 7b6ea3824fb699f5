"""A piecewise likelihood: counts whose rate rises, peaks and falls, some of them censored."""

import math


def rate(t, start, peak, height, decay):
    if t < start:
        return 0.1
    elif t < peak:
        return 0.1 + height * (t - start) / (peak - start)
    return 0.1 + height * math.exp(-decay * (t - peak))


def log_likelihood(parameters, times, counts, limit=12):
    """Poisson counts; those at the limit say only that there were as many or more."""
    start, peak, height, decay = parameters
    if decay <= 0.0 or peak <= start:
        return -math.inf
    total = 0.0
    for t, n in zip(times, counts):
        mu = rate(t, start, peak, height, decay)
        if n >= limit:
            below = sum(math.exp(-mu) * mu**k / math.factorial(k) for k in range(limit))
            total += math.log(max(1e-300, 1.0 - below))
        else:
            total += n * math.log(mu) - mu - math.lgamma(n + 1)
    return total
