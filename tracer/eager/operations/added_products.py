"""Products of matrices added to something: addmm and its like."""

from __future__ import annotations

import numpy as np

from ..record import fitted
from ..tensor import Tensor
from ..updates import in_place
from .define import IfNeeded, kind, operation
from .numbers import times
from .operands import check_kernel
from .products import OfMatrices, by_first, by_second, check_batches, check_dtypes, extents_text, laid_out, layouts
from .shaping import expand

_KERNELS = {"addmm": "addmm_impl_cpu_", "addbmm": "addmm_impl_cpu_", "addmv": "addmv_impl_cpu", "baddbmm": "baddbmm"}


def _added_backward(node, g, a, b):
    to_self = fitted(g if node.beta == 1 else times(g, node.beta), node.fit) if node.edges[0] is not None else None
    g = g if node.alpha == 1 else times(g, node.alpha)
    return (to_self, node.left(g, b) if node.edges[1] is not None else None, node.right(g, a) if node.edges[2] is not None else None)


def _added(name: str, names: tuple[str, str], ranks: tuple[int, int], check, left, right, extents: dict[str, str]):
    cls = kind(f"{name.title()}Backward0", _added_backward, names, keeps="alpha beta")
    cls = type(cls.__name__, (OfMatrices, cls), {"arguments": cls.arguments | extents, "left": left, "right": right, "__doc__": cls.__doc__})

    def function(input: Tensor, first: Tensor, second: Tensor, *, beta=1, alpha=1, out=None) -> Tensor:
        if name == "addmm" and input.dtype is not second.dtype:
            raise RuntimeError("self and mat2 must have the same dtype, but got " + f"{input.dtype.legacy} and {second.dtype.legacy}")
        check(input, first, second)
        check_kernel(_KERNELS.get(name, name), first, "fiu" if name in _KERNELS else "fiub")
        check_dtypes(first, second)
        scalar = first._data.dtype.type
        product = np.multiply.outer(first._data, second._data) if ranks == (1, 1) else first._data @ second._data
        product = product.sum(0) if name == "addbmm" else product
        if input.dtype is not first.dtype:
            raise RuntimeError("self and mat2 must have the same dtype, but got " + f"{input.dtype.legacy} and {second.dtype.legacy}")
        try:
            wide = np.broadcast_to(input._data, product.shape)
        except ValueError:
            expand(input, *product.shape)
        product = product if alpha == 1 else product * scalar(alpha)
        data = product if beta == 0 else (wide if beta == 1 else wide * scalar(beta)) + product
        return operation(cls, (input, first, second), data, (IfNeeded(first, 2), IfNeeded(second, 1)), alpha=alpha, beta=beta,
                         fit=(input._data.shape, input._data.dtype), operands=(laid_out(first._data), laid_out(second._data)))
    function.__name__ = name
    function.__doc__ = f"``beta * input + alpha * (first @ second)``: ``torch.{name}``."
    return function


def _check_addmm(_, a: Tensor, b: Tensor) -> None:
    for number, each in enumerate((a, b), 1):
        if each.ndim != 2:
            raise RuntimeError(f"mat{number} must be a matrix, got {each.ndim}-D tensor")
    if a._data.shape[1] != b._data.shape[0]:
        raise RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({extents_text(a)} and {extents_text(b)})")


def _check_addmv(input: Tensor, a: Tensor, v: Tensor) -> None:
    if a.ndim != 2 or v.ndim != 1 or input.ndim > 1:
        raise RuntimeError(f"vector + matrix @ vector expected, got {input.ndim}, {a.ndim}, {v.ndim}")
    if a._data.shape[1] != v._data.shape[0] or input.numel() not in (1, a._data.shape[0]):
        raise RuntimeError(f"size mismatch, got input ({input.numel() if input.ndim else 1}), mat ({extents_text(a)}), vec ({v.shape[0]})")


def _check_addr(_, a: Tensor, b: Tensor) -> None:
    if a.ndim != 1 or b.ndim != 1:
        raise RuntimeError(f"addr: Expected 1-D argument {'vec1' if a.ndim != 1 else 'vec2'}, but got {(a if a.ndim != 1 else b).ndim}-D")


def _check_batches(_, a: Tensor, b: Tensor) -> None:
    check_batches(a, b)


addmm = _added("addmm", ("mat1", "mat2"), (2, 2), _check_addmm, by_first, by_second, layouts("mat1", "mat2"))
addmv = _added("addmv", ("mat", "vec"), (2, 1), _check_addmv, lambda _, g, v: g.unsqueeze(1) * v, lambda _, g, a: a.t().mv(g), {})
addr = _added("addr", ("vec1", "vec2"), (1, 1), _check_addr, lambda _, g, b: g.mv(b), lambda _, g, a: g.t().mv(a), {})
baddbmm = _added("baddbmm", ("batch1", "batch2"), (3, 3), _check_batches, lambda _, g, b: g.bmm(b.transpose(1, 2)),
                 lambda _, g, a: a.transpose(1, 2).bmm(g), {})
addbmm = _added("addbmm", ("batch1", "batch2"), (3, 3), _check_batches, lambda _, g, b: g @ b.transpose(1, 2), lambda _, g, a: a.transpose(1, 2) @ g,
                {"batch1_sym_argsize_0": "batches", "batch1_sym_argsize_1": "rows", "batch2_sym_argsize_2": "columns"})


FUNCTIONS = {f.__name__: f for f in (addmm, addmv, addr, baddbmm, addbmm)}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, f"{_name}_", in_place(f"{_name}_", _function))
