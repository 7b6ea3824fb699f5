"""Products over several axes, of blocks, and of chains of matrices."""

from __future__ import annotations

import itertools

import numpy as np

from ..tensor import Tensor, wrapped_dim
from .products import dot, mm, unsafe_view


def tensordot(a: Tensor, b: Tensor, dims=2, out=None) -> Tensor:
    """Sums of products over axes of each operand: the last of the first and the first of the second, or those named."""
    if isinstance(dims, int):
        if dims < 0:
            raise RuntimeError(f"tensordot expects dims >= 0, but got dims={dims}")
        if dims > min(a.ndim, b.ndim):
            raise RuntimeError(f"tensordot expects dims < ndim_a or ndim_b, but got dims={dims}")
        first, second = list(range(-dims, 0)), list(range(dims))
    else:
        first, second = [list(each) if isinstance(each, (tuple, list)) else [each] for each in (dims.tolist() if isinstance(dims, Tensor) else dims)]
    if len(first) != len(second):
        raise RuntimeError("both dimension lists should have same length")
    for m, n in zip(first, second):
        if a._data.shape[m] == 1:
            b = b.sum(n, keepdim=True)
        elif b._data.shape[n] == 1:
            a = a.sum(m, keepdim=True)
        elif a._data.shape[m] != b._data.shape[n]:
            raise RuntimeError(f"contracted dimensions need to match, but first has size {a._data.shape[m]} in dim {m} and second has size "
                               f"{b._data.shape[n]} in dim {n}")
    free_a, free_b = [[k for k in range(t.ndim) if k not in [wrapped_dim(d, t.ndim) for d in dims]] for t, dims in ((a, first), (b, second))]
    shape = [a._data.shape[k] for k in free_a] + [b._data.shape[k] for k in free_b]
    inside = int(np.prod([a._data.shape[k] for k in first]))
    left, right = a.permute(*free_a, *first), b.permute(*second, *free_b)
    if a._data.size == b._data.size == inside:  # a number
        if left.is_contiguous() and right.is_contiguous():
            return dot(*[t if t.ndim == 1 else t.reshape(inside) for t in (left, right)]).view(shape)
        return (left.squeeze() * right.squeeze()).sum().view(shape)
    left = left.reshape(int(np.prod([a._data.shape[k] for k in free_a])), inside)
    return mm(left, right.reshape(inside, int(np.prod([b._data.shape[k] for k in free_b])))).view(shape)


def inner(input: Tensor, other: Tensor, *, out=None) -> Tensor:
    """Sums of products over the last axes."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input._data.shape[-1] != other._data.shape[-1]:
        raise RuntimeError("inner() the last dimension must match on both input tensors but got shapes "
                           f"{list(input.shape)} and {list(other.shape)}")
    return tensordot(input, other, ([input.ndim - 1], [other.ndim - 1]))


def kron(input: Tensor, other: Tensor, *, out=None) -> Tensor:
    """The Kronecker product."""
    ndim = max(input.ndim, other.ndim)
    shapes = [(1,) * (ndim - t.ndim) + t._data.shape for t in (input, other)]
    a = unsafe_view(input, [n for m in shapes[0] for n in (m, 1)])
    b = unsafe_view(other, [n for m in shapes[1] for n in (1, m)])
    return unsafe_view(a * b, [m * n for m, n in zip(*shapes)])


def multi_dot(tensors, *, out=None) -> Tensor:
    """The product of matrices (vectors at the ends) in the order that takes the fewest multiplications."""
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for number, each in enumerate(tensors):
        if number in (0, len(tensors) - 1):
            if each.ndim not in (1, 2):
                where = "first" if number == 0 else "last"
                raise RuntimeError(f"multi_dot(): the {where} tensor must be 1D or 2D but got {each.ndim}D")
        elif each.ndim != 2:
            raise RuntimeError(f"multi_dot(): tensor {number} must be 2D but got {each.ndim}D")
    shape = tensors[0].shape[:-1] + tensors[-1].shape[1:]
    tensors[0] = tensors[0].unsqueeze(0) if tensors[0].ndim == 1 else tensors[0]
    tensors[-1] = tensors[-1].unsqueeze(-1) if tensors[-1].ndim == 1 else tensors[-1]
    for number, (a, b) in enumerate(itertools.pairwise(tensors)):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(f"multi_dot(): tensors {number} and {number + 1} with shapes {list(a.shape)} and {list(b.shape)} cannot be multiplied")
    return _chained(tensors, _best_cuts([t.shape[0] for t in tensors] + [tensors[-1].shape[1]])).view(shape)


def _best_cuts(extents: list[int]) -> dict:
    """Where to split each range of factors: the textbook dynamic programme."""
    count = len(extents) - 1
    cost, cut = {(k, k): 0 for k in range(count)}, {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            options = [(cost[i, k] + cost[k + 1, j] + extents[i] * extents[k + 1] * extents[j + 1], k) for k in range(i, j)]
            cost[i, j], cut[i, j] = min(options)
    return cut


def _chained(tensors: list[Tensor], cut: dict) -> Tensor:
    def product(i: int, j: int) -> Tensor:
        return tensors[i] if i == j else mm(product(i, cut[i, j]), product(cut[i, j] + 1, j))
    return product(0, len(tensors) - 1)


FUNCTIONS = {"kron": kron, "inner": inner}
Tensor.kron, Tensor.inner = kron, inner
FUNCTIONS |= {"tensordot": tensordot, "chain_matmul": lambda *matrices: multi_dot(matrices)}
