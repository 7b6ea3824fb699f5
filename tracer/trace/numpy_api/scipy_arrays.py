"""Functions of ``scipy.linalg`` and ``scipy.spatial.distance`` that end in compiled code: the same from NumPy's functions on traced values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...errors import UnsupportedError
from .common import operand, operands
from .scipy_special import TABLES

# scipy.linalg -----------------------------------------------------------------------------------------------------------

def norm(a, ord=None, axis=None, keepdims=False, check_finite=True):
    """A norm of a vector or matrix."""
    return np.linalg.norm(operand(a), ord, axis, keepdims)


def det(a, overwrite_a=False, check_finite=True):
    """The determinant."""
    return np.linalg.det(operand(a))


def inv(a, overwrite_a=False, check_finite=True, **assume):
    """The inverse."""
    return np.linalg.inv(operand(a))


def _turned(matrix, trans):
    if trans not in (0, 1, "N", "T", False, True):
        raise UnsupportedError(f"trans={trans!r} is for complex matrices, which are not supported.")
    return np.swapaxes(matrix, -1, -2) if trans in (1, "T") and trans is not False else matrix


def solve(a, b, lower=False, overwrite_a=False, overwrite_b=False, check_finite=True, assume_a=None, transposed=False):
    """x of a @ x = b."""
    matrix, right = operands(a, b)
    return np.linalg.solve(_turned(matrix, transposed), right)


def solve_triangular(a, b, trans=0, lower=False, unit_diagonal=False, overwrite_b=False, check_finite=True):
    """x of a @ x = b, for one triangle of a."""
    matrix, right = operands(a, b)
    matrix = np.tril(matrix) if lower else np.triu(matrix)
    if unit_diagonal:
        matrix = matrix - np.diag(np.diagonal(matrix)) + np.eye(matrix.shape[-1])
    return np.linalg.solve(_turned(matrix, trans), right)


def cholesky(a, lower=False, overwrite_a=False, check_finite=True):
    """The Cholesky factor, the upper one unless it is said."""
    factor = np.linalg.cholesky(operand(a))
    return factor if lower else np.swapaxes(factor, -1, -2)


def cho_factor(a, lower=False, overwrite_a=False, check_finite=True):
    """The Cholesky factor, and which one it is."""
    return cholesky(a, lower), lower


def cho_solve(c_and_lower, b, overwrite_b=False, check_finite=True):
    """x of a @ x = b, by the factor of a."""
    factor, lower = c_and_lower
    matrix, right = operands(factor, b)
    matrix = np.tril(matrix) if lower else np.swapaxes(np.triu(matrix), -1, -2)
    return np.linalg.solve(np.matmul(matrix, np.swapaxes(matrix, -1, -2)), right)


def block_diag(*arrs):
    """A matrix of blocks on the diagonal."""
    blocks = [np.atleast_2d(each) for each in operands(*arrs)]
    rows = []
    for k, block in enumerate(blocks):
        before, after = [sum(each.shape[1] for each in part) for part in (blocks[:k], blocks[k + 1:])]
        rows.append(np.pad(block, ((0, 0), (before, after))))
    return np.concatenate(rows)


# scipy.spatial.distance ---------------------------------------------------------------------------------------------------

def _root(square):
    return np.where(square == 0, 0.0, np.sqrt(square))  # slope 0 where two points are one, as a norm


def _correlation(a, b):
    return _cosine(a - np.mean(a, axis=-1, keepdims=True), b - np.mean(b, axis=-1, keepdims=True))


def _cosine(a, b):
    return 1 - np.sum(a * b, axis=-1) / np.sqrt(np.sum(a * a, axis=-1) * np.sum(b * b, axis=-1))


def _minkowski(a, b, p=2, w=None):
    terms = np.abs(a - b) ** p
    return np.sum(terms if w is None else terms * w, axis=-1) ** (1.0 / p)


METRICS: dict[str, Callable] = {
    "euclidean": lambda a, b: _root(np.sum((a - b) ** 2, axis=-1)), "sqeuclidean": lambda a, b: np.sum((a - b) ** 2, axis=-1),
    "cityblock": lambda a, b: np.sum(np.abs(a - b), axis=-1), "chebyshev": lambda a, b: np.max(np.abs(a - b), axis=-1),
    "canberra": lambda a, b: np.sum(np.where((a == 0) & (b == 0), 0.0, np.abs(a - b) / (np.abs(a) + np.abs(b))), axis=-1),
    "braycurtis": lambda a, b: np.sum(np.abs(a - b), axis=-1) / np.sum(np.abs(a + b), axis=-1),
    "cosine": _cosine, "correlation": _correlation, "minkowski": _minkowski,
    "mahalanobis": lambda a, b, VI: _root(np.sum(np.matmul(a - b, VI) * (a - b), axis=-1)),
    "seuclidean": lambda a, b, V: _root(np.sum((a - b) ** 2 / V, axis=-1)),
}


def _metric(metric, of: str) -> Callable:
    if callable(metric):
        return metric
    if metric not in METRICS:
        raise UnsupportedError(f"{of} with metric={metric!r} is not supported on traced values. Those that are: {', '.join(METRICS)}.")
    return METRICS[metric]


def cdist(XA, XB, metric="euclidean", *, out=None, **kwargs):
    """The distances of all points of one set from all of another."""
    a, b = operands(XA, XB)
    function = _metric(metric, "cdist")
    if callable(metric):
        return np.array([[metric(x, y, **kwargs) for y in b] for x in a])
    return function(a[:, None, :], b[None, :, :], **kwargs)


def pdist(X, metric="euclidean", *, out=None, **kwargs):
    """The distances of all pairs of points."""
    x = operand(X)
    first, second = np.triu_indices(x.shape[0], 1)
    if callable(metric):
        return np.array([metric(x[i], x[j], **kwargs) for i, j in zip(first.tolist(), second.tolist())])
    return _metric(metric, "pdist")(x[first], x[second], **kwargs)


def _of_vectors(name: str) -> Callable:
    def function(u, v, *args, w=None, **kwargs):
        a, b = operands(u, v)
        if w is not None and name != "minkowski":
            raise UnsupportedError(f"scipy.spatial.distance.{name}(..., w=) is not supported on traced values. Multiply by the weights.")
        return METRICS[name](a, b, *args, **kwargs, **({} if w is None else {"w": w}))
    return function


TABLES["scipy.linalg"] = {function.__name__: function for function in (norm, det, inv, solve, solve_triangular, cholesky, cho_factor, cho_solve, block_diag)}
TABLES["scipy.spatial.distance"] = {"cdist": cdist, "pdist": pdist, **{name: _of_vectors(name) for name in METRICS}}
