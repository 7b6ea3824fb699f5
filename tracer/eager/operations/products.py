"""Matrix products."""

from __future__ import annotations

import numpy as np

from ..node import Node
from ..record import broadcast_shape, look_up_nodes, recorded, result
from ..tensor import Tensor, count_updates, unsigned, wrapped_dim
from .operands import check_kernel
from .shaping import RESHAPED


class OfMatrices(Node):
    """PyTorch keeps the layouts of two matrices. ``operands``: extents, steps in bytes and the bytes of an element, of each."""

    operands: tuple = ()
    first_sizes, second_sizes = property(lambda node: node.operands[0][0]), property(lambda node: node.operands[1][0])
    first_strides, second_strides = property(lambda node: node.steps(0)), property(lambda node: node.steps(1))

    def steps(self, number: int) -> tuple:
        """Steps of an operand, counted in elements."""
        _, steps, size = self.operands[number]
        return tuple([step // size for step in steps])

    batches, rows = property(lambda node: node.operands[0][0][0]), property(lambda node: node.operands[0][0][1])
    columns = property(lambda node: node.operands[1][0][2])

    def turned(self, number: int) -> bool:
        """Was the operand laid out by columns? Then its gradient will be."""
        (rows, _), (step, far), size = self.operands[number]
        return step == size and far == rows * size


def layouts(first: str, second: str) -> dict[str, str]:
    """The names under which PyTorch keeps the layouts of two operands."""
    return {f"{first}_sym_sizes": "first_sizes", f"{first}_sym_strides": "first_strides", f"{second}_sym_sizes": "second_sizes",
            f"{second}_sym_strides": "second_strides"}


def by_first(node: OfMatrices, g: Tensor, b: Tensor) -> Tensor:
    """The gradient of a product's left matrix, in its layout."""
    return b.mm(g.t()).t() if node.turned(0) else g.mm(b.t())


def by_second(node: OfMatrices, g: Tensor, a: Tensor) -> Tensor:
    """That of the right one."""
    return g.t().mm(a).t() if node.turned(1) else a.t().mm(g)


class MmBackward0(OfMatrices):
    """Backward of a product of two matrices."""

    names = ("self", "mat2")
    arguments = layouts("self", "mat2")

    def fast(self, g):
        self.check()
        a, b = [None if s is None else s._data for s in self.checked_saved()]
        return (None if b is None else g @ b.T if not self.turned(0) else (b @ g.T).T,
                None if a is None else a.T @ g if not self.turned(1) else (g.T @ a).T)

    def backward(self, g):
        a, b = self.unpack()
        return None if b is None else by_first(self, g, b), None if a is None else by_second(self, g, a)


class MvBackward0(Node):
    """Backward of a matrix times a vector."""

    names = ("self", "vec")

    def fast(self, g):
        self.check()
        a, v = [None if s is None else s._data for s in self.checked_saved()]
        return None if v is None else np.outer(g, v), None if a is None else a.T @ g

    def backward(self, g):
        a, v = self.unpack()
        return None if v is None else outer(g, v), None if a is None else a.t().mv(g)


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
    node = recorded(kind, (a, b))
    if node is not None:
        node.save(a if node.edges[1] is not None else None, b if node.edges[0] is not None else None)
        if kind is MmBackward0:
            node.operands = laid_out(a._data), laid_out(b._data)
    return result(node, a._data @ b._data)


def laid_out(data) -> tuple:
    """Extents, steps in bytes, and the bytes of an element."""
    return data.shape, data.strides, data.itemsize


def check_dtypes(a: Tensor, b: Tensor) -> None:
    """PyTorch's error for operands of two dtypes."""
    if a.dtype is not b.dtype:
        raise RuntimeError(f"expected m1 and m2 to have the same dtype, but got: {a.dtype.c_name} != {b.dtype.c_name}")


def mm(input: Tensor, mat2: Tensor, *, out=None) -> Tensor:
    """The product of two matrices."""
    look_up_nodes((input, mat2))
    for each, name in ((input, "self"), (mat2, "mat2")):
        if each.ndim != 2:
            raise RuntimeError(f"{name} must be a matrix")
    if input._data.shape[1] != mat2._data.shape[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({extents_text(input)} and {extents_text(mat2)})")
    check_dtypes(input, mat2)
    check_kernel("addmm_impl_cpu_", input, "fiu")
    return _product(MmBackward0, input, mat2)


def extents_text(matrix: Tensor) -> str:
    """The extents as messages have them: 2x3."""
    return "x".join(map(str, matrix.shape))


def mv(input: Tensor, vec: Tensor, *, out=None) -> Tensor:
    """A matrix times a vector."""
    look_up_nodes((input, vec))
    if input.ndim != 2 or vec.ndim != 1:
        if not input.ndim:
            raise IndexError("Dimension specified as 0 but tensor has no dimensions")
        raise RuntimeError(f"vector + matrix @ vector expected, got 1, {input.ndim}, {vec.ndim}")
    if input._data.shape[1] != vec._data.shape[0]:
        raise RuntimeError(f"size mismatch, got input ({input.shape[0]}), mat ({extents_text(input)}), vec ({vec.shape[0]})")
    if input.dtype is not vec.dtype:
        raise RuntimeError(f"addmv input tensors must have the same dtype, but got {vec.dtype.legacy}, {input.dtype.legacy}, and {vec.dtype.legacy}")
    check_kernel("addmv_impl_cpu", input, "fiu")
    return _product(MvBackward0, input, vec)


def _check_vectors(a: Tensor, b: Tensor) -> None:
    if a.dtype is not b.dtype:
        raise RuntimeError(f"dot : expected both vectors to have same dtype, but found {a.dtype.legacy} and {b.dtype.legacy}")
    if a._data.shape != b._data.shape:
        raise RuntimeError(f"inconsistent tensor size, expected tensor [{a.shape[0]}] and src [{b.shape[0]}] to have the same number of elements, "
                           f"but got {a.shape[0]} and {b.shape[0]} elements respectively")
    check_kernel("dot", a, "fiu")


def dot(input: Tensor, tensor: Tensor, *, out=None) -> Tensor:
    """The inner product of two vectors."""
    look_up_nodes((input, tensor))
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    _check_vectors(input, tensor)
    return _product(DotBackward0, input, tensor)


def check_batches(a: Tensor, b: Tensor) -> None:
    """PyTorch's errors where two batches of matrices cannot be multiplied."""
    for number, each in enumerate((a, b), 1):
        if each.ndim != 3:
            raise RuntimeError(f"batch{number} must be a 3D tensor")
    (n, _, k), (m, j, _) = a._data.shape, b._data.shape
    if n != m or k != j:
        raise RuntimeError(f"Expected size for first two dimensions of batch2 tensor to be: [{n}, {k}] but got: [{m}, {j}].")


def bmm(input: Tensor, mat2: Tensor, *, out=None) -> Tensor:
    """Products of batches of matrices."""
    check_batches(input, mat2)
    check_kernel("bmm", input, "fiu")
    if input.dtype is not mat2.dtype:
        raise RuntimeError(f"expected scalar type {input.dtype.legacy} but found {mat2.dtype.legacy}")
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
        return without_axis(mm(input.unsqueeze(0), other), 0)
    return _folded(input, other) if _folds(input, other) else _by_batches(input, other)


def _folds(a: Tensor, b: Tensor) -> bool:
    """Does PyTorch make the batch of the larger operand rows of one matrix?"""
    larger, smaller = (a, b) if a.ndim >= b.ndim else (b.mT, a)
    if larger.ndim < 3 or smaller.ndim > 2:
        return False
    if smaller._rg:
        return True
    if a.ndim == 2:
        return False
    shape, steps = larger._data.shape, larger._data.strides
    return not larger._data.size or all([steps[k] == steps[k + 1] * shape[k + 1] for k in range(len(shape) - 2)])


def _folded(a: Tensor, b: Tensor) -> Tensor:
    turned = b.ndim > a.ndim
    larger, smaller = (b.mT, a.t() if a.ndim == 2 else a) if turned else (a, b)
    lead = larger._data.shape[:-1]
    rows = larger.reshape(int(np.prod(lead)), larger._data.shape[-1])
    if smaller.ndim == 1:
        return unsafe_view(mv(rows, smaller), lead)
    made = unsafe_view(mm(rows, smaller), (*lead, smaller._data.shape[1]))
    return made.mT.contiguous() if turned else made


def _by_batches(a: Tensor, b: Tensor) -> Tensor:
    if a.ndim == 3 and b.ndim == 3 and a._data.shape[0] != b._data.shape[0]:
        if a._data.shape[0] == 1 and a._rg:
            return matmul(a.squeeze(0), b)
        if b._data.shape[0] == 1 and b._rg:
            return matmul(a, b.squeeze(0))
    rows, inner = (a._data.shape[-2] if a.ndim > 1 else 1), a._data.shape[-1]
    lead = broadcast_shape(a._data.shape[:-2], b._data.shape[:-2])
    count = int(np.prod(lead))
    left = a.expand(*lead, rows, inner).reshape(count, rows, inner)
    if b.ndim == 1:
        right = b.expand(*lead, b._data.shape[0]).reshape(count, b._data.shape[0]).unsqueeze(2)
        return unsafe_view(bmm(left, right).squeeze(-1), (*lead, rows) if a.ndim > 1 else lead)
    right = b.expand(*lead, *b._data.shape[-2:]).reshape(count, *b._data.shape[-2:])
    return unsafe_view(bmm(left, right), (*lead, *((rows,) if a.ndim > 1 else ()), b._data.shape[-1]))


def unsafe_view(input: Tensor, shape) -> Tensor:
    """A fresh result under another shape, which counts as no view of it."""
    node = recorded(RESHAPED["UnsafeViewBackward0"], (input,))
    if node is not None:
        node.shape = input._data.shape
    return result(node, np.reshape(input._data, tuple(shape)))


def without_axis(input: Tensor, axis: int) -> Tensor:
    """A fresh result without an axis of extent 1."""
    node = recorded(_SQUEEZED, (input,))
    if node is not None:
        node.shape, node.dim, node.gone = input._data.shape, unsigned(axis), (wrapped_dim(axis, input.ndim),)
    made = result(node, np.squeeze(input._data, axis))
    count_updates(made, 1)  # PyTorch squeezes in place
    return made


_SQUEEZED = type("SqueezeBackward4", (RESHAPED["SqueezeBackward1"],), {"__doc__": "Backward of a squeeze of a fresh result."})


def outer(input: Tensor, vec2: Tensor, *, out=None) -> Tensor:
    """All products of the elements of two vectors."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise RuntimeError(f"outer: Expected 1-D argument {'self' if input.ndim != 1 else 'vec2'}, but got {(input if input.ndim != 1 else vec2).ndim}-D")
    return input.reshape(input._data.shape[0], 1) * vec2


def vdot(input: Tensor, other: Tensor, *, out=None) -> Tensor:
    """The inner product of two vectors."""
    if input.ndim != 1 or other.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {input.ndim}D and {other.ndim}D tensors")
    _check_vectors(input, other)
    return _product(VdotBackward0, input, other)


class VdotBackward0(DotBackward0):
    """Backward of vdot."""

    names = ("self", "other")


FUNCTIONS = {f.__name__: f for f in (mm, mv, dot, bmm, matmul, outer, vdot)} | {"ger": outer}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
Tensor.__matmul__ = lambda self, other: matmul(self, other) if isinstance(other, Tensor) else NotImplemented
