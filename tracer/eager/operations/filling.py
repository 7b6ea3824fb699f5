"""What tensors are overwritten with: copies, fills and zeros, recorded."""

from __future__ import annotations

import numpy as np

from ..dtypes import filled
from ..node import Node
from ..record import fitted, recorded, result
from ..tensor import Tensor, made_of


def filled_from(target: Tensor, value) -> Tensor:
    """A number in every place, with the node of a fill by a tensor."""
    return result(recorded(FillBackward3, (target, None)), filled(target._data.shape, value, target._data.dtype))


def filled_by(target: Tensor, value: Tensor) -> Tensor:
    """The target's shape, all the element of a 0-d tensor."""
    return result(recorded(FillBackward3, (target, value)), np.full(target._data.shape, value._data, target._data.dtype))


filled_by.is_fill = True  # one number is read before anything is written


def _as_dtype(given, dtype):
    return np.asarray(given).astype(dtype)


def _zeros_like(g: Tensor) -> Tensor:
    """Zeros even where the gradient is infinite or NaN; nothing is recorded."""
    return made_of(np.zeros_like(g._data))


class CopyBackwards(Node):
    """Backward of a copy: all of the gradient goes to the source."""

    def name(self) -> str:
        return "torch::autograd::CopyBackwards"

    def backward(self, g):
        return None if self.edges[0] is None else _zeros_like(g), fitted(g, self.fit) if self.edges[1] is not None else None


class FillBackward2(Node):
    """Backward of a fill with a number: zeros."""

    def backward(self, g):
        return (_zeros_like(g),)


FillBackward0 = type("FillBackward0", (FillBackward2,), {"__doc__": "Not in place."})


class FillBackward3(FillBackward2):
    """Backward of a fill with a tensor."""

    def backward(self, g):
        return _zeros_like(g), None if self.edges[1] is None else g.sum()


FillBackward1 = type("FillBackward1", (FillBackward3,), {"__doc__": "Not in place."})


class ZeroBackward0(FillBackward2):
    """Backward of zero_."""


def copied_into(target: Tensor, source: Tensor) -> Tensor:
    """The source in the target's shape and dtype."""
    data = _as_dtype(source._data, target._data.dtype)
    if data.shape != target._data.shape:
        data = np.broadcast_to(data, target._data.shape)
    node = recorded(CopyBackwards, (target, source)) if target._data.dtype.kind == "f" else None
    if node is not None:
        node.fit = source._data.shape, source._data.dtype
    return result(node, data)


copied_into.is_copy = True


def filled_with(target: Tensor, value) -> Tensor:
    """The target's shape, all one number."""
    return result(recorded(FillBackward2, (target,)), filled(target._data.shape, value, target._data.dtype))


def fill(input: Tensor, value) -> Tensor:
    """One number in every place of a new tensor."""
    if isinstance(value, Tensor):
        if value.ndim:
            raise RuntimeError(f"fill only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
        return result(recorded(FillBackward1, (input, value)), np.full(input._data.shape, value._data, input._data.dtype))
    return result(recorded(FillBackward0, (input,)), filled(input._data.shape, value, input._data.dtype))


FUNCTIONS = {"fill": fill}
