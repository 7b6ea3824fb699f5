"""Matrix products."""

from __future__ import annotations

import numpy as np

from .node import Node
from .record import broadcast_shape, fitted, recorded, result
from .tensor import Tensor


class MmBackward0(Node):
    """Backward of a product of two matrices."""

    names = ("self", "mat2")

    def fast(self, g):
        self.check()
        a, b = [None if s is None else s._data for s in self.checked_saved()]
        return None if b is None else g @ b.T, None if a is None else a.T @ g

    def backward(self, g):
        a, b = self.unpack()
        return None if b is None else g.mm(b.t()), None if a is None else a.t().mm(g)


class MvBackward0(Node):
    """Backward of a matrix times a vector."""

    names = ("self", "vec")

    def fast(self, g):
        self.check()
        a, v = [None if s is None else s._data for s in self.checked_saved()]
        return None if v is None else np.outer(g, v), None if a is None else a.T @ g

    def backward(self, g):
        a, v = self.unpack()
        return None if v is None else g.unsqueeze(1) * v, None if a is None else a.t().mv(g)


class DotBackward0(Node):
    """Backward of an inner product."""

    names = ("self", "tensor")

    def fast(self, g):
        self.check()
        a, b = [None if s is None else s._data for s in self.checked_saved()]
        return None if b is None else g * b, None if a is None else g * a

    def backward(self, g):
        a, b = self.unpack()
        return None if b is None else g * b, None if a is None else g * a


class BmmBackward0(Node):
    """Backward of products of batches of matrices."""

    names = ("self", "mat2")

    def fast(self, g):
        self.check()
        a, b = [None if s is None else s._data for s in self.checked_saved()]
        return None if b is None else g @ np.swapaxes(b, 1, 2), None if a is None else np.swapaxes(a, 1, 2) @ g

    def backward(self, g):
        a, b = self.unpack()
        return None if b is None else g.bmm(b.transpose(1, 2)), None if a is None else a.transpose(1, 2).bmm(g)


def _product(kind: type[Node], a: Tensor, b: Tensor) -> Tensor:
    _check_dtypes(a, b)
    node = recorded(kind, (a, b))
    if node is not None:
        node.save(a if node.edges[1] is not None else None, b if node.edges[0] is not None else None)
    return result(node, a._data @ b._data)


def _check_dtypes(a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {_C_NAMES.get(a.dtype.name, a.dtype.name)} != "
                           f"{_C_NAMES.get(b.dtype.name, b.dtype.name)}")


_C_NAMES = {"float32": "float", "float64": "double", "float16": "c10::Half", "int64": "long long", "int32": "int"}


def mm(input: Tensor, mat2: Tensor, *, out=None) -> Tensor:
    """The product of two matrices."""
    for each, name in ((input, "self"), (mat2, "mat2")):
        if each.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix")
    if input._data.shape[1] != mat2._data.shape[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({_x(input)} and {_x(mat2)})")
    return _product(MmBackward0, input, mat2)


def _x(matrix: Tensor) -> str:
    return "x".join(map(str, matrix.shape))


def mv(input: Tensor, vec: Tensor, *, out=None) -> Tensor:
    """A matrix times a vector."""
    if input.ndim != 2 or vec.ndim != 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {vec.ndim}, {input.ndim}, {vec.ndim}")
    if input._data.shape[1] != vec._data.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({input.shape[0]}), mat ({_x(input)}), vec ({vec.shape[0]})")
    return _product(MvBackward0, input, vec)


def dot(input: Tensor, tensor: Tensor, *, out=None) -> Tensor:
    """The inner product of two vectors."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    if input._data.shape != tensor._data.shape:
        raise RuntimeError(f"inconsistent tensor size, expected tensor [{input.shape[0]}] and src [{tensor.shape[0]}] to have the same number of elements, "
                           f"but got "
                           f"{input.shape[0]} and {tensor.shape[0]} elements respectively")
    if input.dtype is not tensor.dtype:
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {input.dtype.legacy} and {tensor.dtype.legacy}")
    return _product(DotBackward0, input, tensor)


def bmm(input: Tensor, mat2: Tensor, *, out=None) -> Tensor:
    """Products of batches of matrices."""
    for number, each in enumerate((input, mat2), 1):
        if each.ndim != 3:
            raise RuntimeError(f"batch{number} must be a 3D tensor")
    (n, _, k), (m, j, _) = input._data.shape, mat2._data.shape
    if n != m or k != j:
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{n}, {k}] but got: [{m}, {j}].")
    return _product(BmmBackward0, input, mat2)


def matmul(input: Tensor, other: Tensor, *, out=None) -> Tensor:
    """The product as ``@`` has it: vectors, matrices, and batches that broadcast."""
    a, b = input.ndim, other.ndim
    if a == 0 or b == 0:
        raise RuntimeError(f"both arguments to matmul need to be at least 1D, but they are {a}D and {b}D")
    if a == 1 and b == 1:
        return dot(input, other)
    if a == 2 and b == 1:
        return mv(input, other)
    if a == 2 and b == 2:
        return mm(input, other)
    if a == 1 and b == 2:
        if input._data.shape[0] != other._data.shape[0]:
            raise RuntimeError(f"size mismatch, got input ({other.shape[1]}), mat ({other.shape[1]}x{other.shape[0]}), vec ({input.shape[0]})")
        return mm(input.unsqueeze(0), other).squeeze(0)
    return _broadcast_product(input, other)


def _broadcast_product(a: Tensor, b: Tensor) -> Tensor:
    row, column = a.ndim == 1, b.ndim == 1
    a, b = a.unsqueeze(0) if row else a, b.unsqueeze(-1) if column else b
    if a._data.shape[-1] != b._data.shape[-2]:
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{int(np.prod(b._data.shape[:-2]))}, {a.shape[-1]}] but got: "
                           f"[{int(np.prod(b._data.shape[:-2]))}, {b.shape[-2]}].")
    if b.ndim == 2 and not row:
        folded = mm(a.reshape(-1, a.shape[-1]), b)
        made = folded.view(*a.shape[:-1], b.shape[-1]) if not column else folded.view(*a.shape[:-1])
        return made
    lead = broadcast_shape(a._data.shape[:-2], b._data.shape[:-2])
    count = int(np.prod(lead))
    left = a.expand(*lead, *a.shape[-2:]).reshape(count, *a.shape[-2:])
    right = b.expand(*lead, *b.shape[-2:]).reshape(count, *b.shape[-2:])
    made = bmm(left, right).view(*lead, a.shape[-2], b.shape[-1])
    if row:
        made = made.squeeze(-2)
    return made.squeeze(-1) if column else made


class OuterBackward0(Node):
    """Kept for its name; outer products are products of broadcast vectors."""


def outer(input: Tensor, vec2: Tensor, *, out=None) -> Tensor:
    """All products of the elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument {'self' if input.ndim != 1 else 'vec2'}, but got {(input if input.ndim != 1 else vec2).ndim}-D")
    return input.unsqueeze(1) * vec2


FUNCTIONS = {f.__name__: f for f in (mm, mv, dot, bmm, matmul, outer)}
FUNCTIONS |= {"inner": lambda a, b: matmul(a, b.transpose(-1, -2)) if a.ndim and b.ndim and b.ndim > 1 else a * b if not (a.ndim and b.ndim) else matmul(a, b),
              "ger": outer}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.__matmul__ = lambda self, other: matmul(self, other) if isinstance(other, Tensor) else NotImplemented
__all__ = ["FUNCTIONS", "fitted"]
