"""Dynamic time warping: how far apart two series are when time may be stretched."""

import numpy as np


def dtw_distance(s, t, window=None):
    """The least sum of differences over all alignments within a window."""
    n, m = len(s), len(t)
    w = max(n, m) if window is None else max(window, abs(n - m))
    dtw = np.full((n + 1, m + 1), np.inf)
    dtw[0, 0] = 0
    for i in range(1, n + 1):
        for j in range(max(1, i - w), min(m, i + w) + 1):
            cost = (s[i - 1] - t[j - 1]) ** 2
            dtw[i, j] = cost + min(dtw[i - 1, j], dtw[i, j - 1], dtw[i - 1, j - 1])
    return np.sqrt(dtw[n, m])
