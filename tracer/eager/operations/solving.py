"""Inverses of (batches of) matrices, and linear systems."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from scipy.linalg import get_lapack_funcs

from ..node import Node
from ..record import fitted
from ..tensor import Tensor, is_contiguous, made_of
from .define import RESULT, kind, operation
from .operands import check_kernel
from .products import matmul
from .shaping import transpose
from .triangles import tril, triu


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite."""


LinAlgError.__name__ = "_LinAlgError"  # as tracebacks show it


def adjoint(x: Tensor) -> Tensor:
    """Matrices transposed."""
    return transpose(x, -2, -1)


def check_float(name: str, *matrices: Tensor) -> None:
    """Refuses what is not of floats, with PyTorch's words."""
    for each in matrices:
        if each._data.dtype.kind != "f":
            raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {each.dtype.legacy}")


def check_matrix(name: str, x: Tensor, argument: str = "A", square: bool = True) -> None:
    """Refuses what has not the shape of (square) matrices of floats, with PyTorch\'s words."""
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor {argument} must have at least 2 dimensions.")
    if square and x._data.shape[-1] != x._data.shape[-2]:
        raise RuntimeError(f"{name}: {argument} must be batches of square matrices, but they are {x._data.shape[-2]} by {x._data.shape[-1]} matrices")
    check_float(name, x)


def return_type(name: str, *fields: str):
    """A named tuple that prints as PyTorch's."""
    def text(self):
        return f"torch.return_types.{name}(\n" + ",\n".join(f"{field}={value!r}" for field, value in zip(fields, self)) + ")"
    return type(name, (namedtuple(name, fields),), {"__repr__": text, "__slots__": ()})


class Factored(Node):
    """PyTorch keeps the LU factors of the matrices; here they are made for whoever looks. ``turns``: of the transposed ones, if they lie by rows."""

    turns = True

    def factors(self) -> tuple[Tensor, Tensor]:
        """The factors, in one matrix, and the rows that were exchanged, counted from 1."""
        a = np.asarray(self.unpack_one(0)._data)
        turned = np.swapaxes(a, -1, -2) if self.turns and is_contiguous(a) else a
        flat = turned.reshape(-1, *turned.shape[-2:])
        getrf, = get_lapack_funcs(("getrf",), (a,))
        found = [getrf(each)[:2] for each in flat if each.size]
        both, rows = [np.stack(each) for each in zip(*found)] if found else (flat, np.zeros((len(flat), a.shape[-1])))
        if not a.size:
            return made_of(np.array(a)), made_of(np.zeros(a.shape[:-1], np.int32))
        return made_of(both.reshape(a.shape).astype(a.dtype)), made_of((rows + bool(found)).astype(np.int32).reshape(a.shape[:-1]))

    LU, pivots = property(lambda self: self.factors()[0]), property(lambda self: self.factors()[1])


def factored(cls: type[Node]) -> type[Node]:
    """A class of nodes that knows the factors too."""
    return type(cls.__name__, (Factored, cls), {"arguments": cls.arguments | {"LU": "LU", "pivots": "pivots"}, "__doc__": cls.__doc__})


def _inv_backward(node, g, out):
    turned = adjoint(out)
    return -(turned @ (g @ turned))


INV = kind("LinalgInvExBackward0", _inv_backward, ("inverse",))


def inv(A: Tensor, *, out=None) -> Tensor:
    """Inverses; LinAlgError for singular matrices."""
    check_matrix("linalg.inv", A)
    try:
        data = np.linalg.inv(A._data)
    except np.linalg.LinAlgError:
        number = _zero_pivot(A._data)
        batch = "" if A.ndim == 2 else f" (Batch element {number[0]}):"
        raise LinAlgError(f"linalg.inv:{batch} The diagonal element {number[1]} is zero, the inversion could not be completed because the input matrix is "
                          "singular.") from None
    return operation(INV, (A,), by_columns(data), (RESULT,))


def _zero_pivot(a) -> tuple[int, int]:
    """Which matrix of a batch is singular, and which pivot of its elimination is the first to be 0, counted from 1."""
    count = a.shape[-1]
    for number, matrix in enumerate(a.reshape(-1, count, count)):
        work = np.array(matrix)
        for k in range(count):
            best = k + int(np.argmax(np.abs(work[k:, k])))
            if work[best, k] == 0:
                return number, k + 1
            work[[k, best]] = work[[best, k]]
            work[k + 1:] -= np.outer(work[k + 1:, k] / work[k, k], work[k])
    return 0, count


def _is_vector(a, b) -> bool:
    return b.ndim == 1 or (a.ndim - 1 == b.ndim and b.shape == a.shape[:-1])


def _solve_backward(node, g, a, out):
    vector = node.vector
    by_b = solve(adjoint(a), g, left=node.left) if node.edges[1] is not None or node.edges[0] is not None else None
    by_a = None
    if node.edges[0] is not None:
        if vector:
            by_a = -(by_b.unsqueeze(-1) * out.unsqueeze(-2))
        else:
            by_a = -(by_b @ adjoint(out)) if node.left else -(adjoint(out) @ by_b)
        by_a = fitted(by_a, node.fits[0])
    return by_a, fitted(by_b, node.fits[1]) if node.edges[1] is not None else None


SOLVE = factored(kind("LinalgSolveExBackward0", _solve_backward, ("A", "result"), keeps="left"))
SOLVE.turns = False


def solve(A: Tensor, B: Tensor, *, left: bool = True, out=None) -> Tensor:
    """The solution X of ``A X = B``, or of ``X A = B``; B may be a vector."""
    check_matrix("linalg.solve", A)
    a, b = A._data, B._data
    if A.dtype is not B.dtype:
        raise RuntimeError(f"linalg.solve: Expected A and B to have the same dtype, but found A of type {A.dtype.legacy} and B of type {B.dtype.legacy} "
                           f"instead")
    vector = _is_vector(a, b)
    if (b.shape[-1] if vector else b.shape[-2 if left else -1]) != a.shape[-1]:
        shown = f"{b.shape[-1]}x1" if vector else _by(b)
        raise RuntimeError(f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} ({_by(a)} and {shown})")
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False. In this case linalg.solve is "
                           "equivalent to B / "
                           "A.squeeze(-1)")
    try:
        if vector:
            data = np.linalg.solve(a, b[..., None])[..., 0]
        else:
            data = np.linalg.solve(a, b) if left else np.swapaxes(np.linalg.solve(np.swapaxes(a, -1, -2), np.swapaxes(b, -1, -2)), -1, -2)
    except np.linalg.LinAlgError:
        batch = "" if a.ndim == 2 else f" (Batch element {_zero_pivot(a)[0]}):"
        raise LinAlgError(f"torch.linalg.solve:{batch} The solver failed because the input matrix is singular.") from None
    return operation(SOLVE, (A, B), data if vector else by_columns(data), (A, RESULT), vector=vector, left=left, fits=((a.shape, a.dtype), (b.shape, b.dtype)))


def _by(a) -> str:
    return "x".join(map(str, a.shape[-2:]))


def _triangular_backward(node, g, a, out):
    by_b = solve_triangular(adjoint(a), g, upper=not node.upper, left=node.left, unitriangular=node.unit)
    by_a = None
    if node.edges[0] is not None:
        by_a = -(by_b @ adjoint(out)) if node.left else -(adjoint(out) @ by_b)
        by_a = fitted(triu(by_a, int(node.unit)) if node.upper else tril(by_a, -int(node.unit)), node.fits[0])
    return by_a, fitted(by_b, node.fits[1]) if node.edges[1] is not None else None


TRIANGULAR = kind("LinalgSolveTriangularBackward0", _triangular_backward, ("self", "result"), keeps="left unitriangular:unit upper")


def solve_triangular(input: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False, out=None) -> Tensor:
    """:func:`solve` with a triangular matrix; the other triangle is not looked at."""
    check_kernel("triangular_solve_cpu", input)
    check_matrix("linalg.solve_triangular", input)
    a = np.triu(input._data) if upper else np.tril(input._data)
    if unitriangular:
        a = np.where(np.eye(a.shape[-1], dtype=bool), a.dtype.type(1), a)
    if not left:
        a = np.swapaxes(a, -1, -2)
    b = B._data if left else np.swapaxes(B._data, -1, -2)
    if b.shape[-2] != a.shape[-1]:
        raise RuntimeError(f"linalg.solve_triangular: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} ({_by(input._data)} "
                           f"and {_by(B._data)})")
    data = _substituted(a, b, upper == left)
    fits = tuple([(t._data.shape, t._data.dtype) for t in (input, B)])
    return operation(TRIANGULAR, (input, B), by_columns(data if left else np.swapaxes(data, -1, -2)), (input, RESULT), upper=upper, left=left,
                     unit=unitriangular,
                     fits=fits)


def _substituted(a, b, upper: bool):
    """Back substitution, row by row; zeros on the diagonal give infinities and NaN, as in PyTorch."""
    count = a.shape[-1]
    x = np.array(np.broadcast_to(b, (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), *b.shape[-2:])))
    with np.errstate(divide="ignore", invalid="ignore"):
        for k in reversed(range(count)) if upper else range(count):
            known = slice(k + 1, None) if upper else slice(None, k)
            x[..., k, :] = (x[..., k, :] - (a[..., k, None, known] @ x[..., known, :])[..., 0, :]) / a[..., k, k, None]
    return x


def _cholesky_solve_backward(node, g, factor, out, _):
    by_b = cholesky_solve(g, factor, node.upper)
    by_factor = None
    if node.edges[1] is not None:
        both = matmul(by_b, adjoint(out))
        both = both + adjoint(both)
        by_factor = fitted(-(matmul(factor, both) if node.upper else matmul(both, factor)), (factor._data.shape, factor._data.dtype))
    return fitted(by_b, node.fit), by_factor


CHOLESKY_SOLVE = kind("CholeskySolveBackward0", _cholesky_solve_backward, ("input2", "result", "self"), keeps="upper")


def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False, *, out=None) -> Tensor:
    """The solution of ``A X = B`` by A's Cholesky factor."""
    for each, shown in ((B, "b"), (L, "u")):
        if each.ndim < 2:
            raise RuntimeError(f"{shown} should have at least 2 dimensions, but has {each.ndim} dimensions instead")
    check_kernel("cholesky_solve_cpu", B)
    factor = np.swapaxes(L._data, -1, -2) if upper else L._data
    half = _substituted(np.tril(factor), B._data, upper=False)
    data = _substituted(np.triu(np.swapaxes(factor, -1, -2)), half, upper=True)
    return operation(CHOLESKY_SOLVE, (B, L), by_columns(data), (L, RESULT, B), upper=upper, fit=(B._data.shape, B._data.dtype))


def by_columns(data):
    """Matrices laid out by columns, as LAPACK leaves them."""
    turned = np.swapaxes(data, -1, -2)
    copy = np.empty(turned.shape, data.dtype)
    copy[...] = turned
    return np.swapaxes(copy, -1, -2)


def matrix_power(A: Tensor, n: int, *, out=None) -> Tensor:
    """``n``-th powers by repeated squaring; of the inverse for negative ``n``."""
    if A.ndim < 2 or A._data.shape[-1] != A._data.shape[-2]:
        check_matrix("linalg.matrix_power", A)
    if n == 0:
        return A.clone().copy_(made_of(np.eye(A._data.shape[-1], dtype=A._data.dtype)))
    if n < 0:
        A, n = inv(A), -n
        if n == 1:
            return A
    if n == 1:
        return A.clone()
    if n == 3:
        return matmul(matmul(A, A), A)
    made = power = None
    while n:
        power = A if power is None else matmul(power, power)
        if n % 2:
            made = power if made is None else matmul(made, power)
        n //= 2
    return made


FUNCTIONS = {"inverse": inv, "cholesky_solve": cholesky_solve, "matrix_power": matrix_power}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
