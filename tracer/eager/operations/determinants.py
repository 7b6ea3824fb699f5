"""Determinants of (batches of) matrices, and their logarithms."""

from __future__ import annotations

import numpy as np

from ..tensor import Tensor, made_of
from .choices import where
from .decompositions import svd
from .define import RESULT, kind, operation, operations
from .reductions import products_of_others
from .solving import adjoint, check_matrix, factored, return_type, solve


def _det_backward(node, g, a, out):
    scaled = (g * out).unsqueeze(-1).unsqueeze(-1)
    if np.all(out._data != 0):
        return solve(adjoint(a), scaled * made_of(np.eye(a._data.shape[-1], dtype=a._data.dtype)))
    return g.unsqueeze(-1).unsqueeze(-1) * _cofactors(a)


def _cofactors(a: Tensor) -> Tensor:
    """The matrix of cofactors, by way of singular values, so that singular matrices have one."""
    u, s, vh = svd(a)
    others = products_of_others(s, s.ndim - 1)
    sign = np.asarray(np.linalg.det(u._data @ vh._data), a._data.dtype)
    return (u * (others * made_of(np.rint(sign)[..., None])).unsqueeze(-2)) @ vh


DET = factored(kind("LinalgDetBackward0", _det_backward, ("A", "result")))


def det(A: Tensor, *, out=None) -> Tensor:
    """Determinants."""
    check_matrix("linalg.det", A)
    return operation(DET, (A,), np.asarray(np.linalg.det(A._data), A._data.dtype), (A, RESULT))


def _slogdet_backward(node, _, g, a, sign):
    if g is None:
        return None
    unit = made_of(np.eye(a._data.shape[-1], dtype=a._data.dtype))
    return solve(adjoint(a), g.unsqueeze(-1).unsqueeze(-1) * unit)


SLOGDET = factored(kind("LinalgSlogdetBackward0", _slogdet_backward, ("A", "sign"), outputs=2))


def _slogdet(pair):
    def slogdet(A: Tensor, *, out=None):
        """Sign and logarithm of the absolute value of determinants."""
        check_matrix("linalg.slogdet", A)
        return pair(*operations(SLOGDET, (A,), tuple([np.asarray(x) for x in np.linalg.slogdet(A._data)]), (A, 0)))
    return slogdet


slogdet, linalg_slogdet = _slogdet(return_type("slogdet", "sign", "logabsdet")), _slogdet(return_type("linalg_slogdet", "sign", "logabsdet"))


def logdet(A: Tensor) -> Tensor:
    """The logarithm of determinants; NaN where they are negative."""
    check_matrix("logdet", A)
    sign, logarithm = linalg_slogdet(A)
    return where(sign == -1, float("nan"), logarithm)


FUNCTIONS = {"det": det, "slogdet": slogdet, "logdet": logdet}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
