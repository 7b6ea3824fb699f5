"""NumPy's functions and operators on traced values. Importing this package registers them all."""

from .. import operators
from . import (
    contractions,
    creation,
    diagonals,
    differences,
    einsum,
    indexing,
    joining,
    linear_algebra,
    picking,
    real,
    rearranging,
    reductions,
    scipy_arrays,
    scipy_special,
    selection,
    shaping,
    sorting,
    statistics,
    writing,
)
from .scipy_special import REBOUND, rebound

__all__ = ["REBOUND", "contractions", "creation", "diagonals", "differences", "einsum", "indexing", "joining", "linear_algebra", "operators", "picking", "real",
           "rearranging", "rebound", "reductions", "scipy_arrays", "scipy_special", "selection", "shaping", "sorting", "statistics", "writing"]
