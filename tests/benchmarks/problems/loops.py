"""Element loops that fill arrays, for the cost of tracing reads and writes."""

import numpy as np

STEPS = 2_500  # of four operations: a read, a product, a sum, a write


def filled(x):
    """A recurrence whose values are kept in an array."""
    out = np.zeros(STEPS + 1)
    out[0] = x[0]
    for i in range(STEPS):
        out[i + 1] = out[i] * 1.01 + x[1]
    return out[STEPS]
