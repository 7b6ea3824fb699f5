"""Value and gradient written by hand for ``@njit``: one pass, what an expert would write."""

import numba
import numpy as np

from . import Contender, peer


@peer("njit by hand", results="fresh")
def fresh(problem, arguments):
    """Results are new arrays."""
    return Contender(problem.own("njit", numba, arguments), arguments)


@peer("njit by hand, out=", results="out=", is_variant=True)
def in_place(problem, arguments):
    """Gradients are written into arrays that are given; the value is returned."""
    gradients = tuple(np.empty_like(each) for each in arguments[:problem.parameters])
    return Contender(problem.own("njit out=", numba, arguments), (*arguments, *gradients), lambda value: (value, *gradients))
