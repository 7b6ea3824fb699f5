"""A shorter way of writing operations: a class of nodes from one function, and a result with its node.

For operations that have their weight in the NumPy call; those that most programs consist of are written out, for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..node import Node
from ..record import recorded, result, saved_result
from ..tensor import Tensor, made_by, made_of

RESULT = object()  # stands in ``saves`` for the operation's own result


class IfNeeded(NamedTuple):
    """An entry of ``saves`` that only the gradient of one input needs."""

    entry: object
    input: int


def kind(name: str, backward: Callable, saved: tuple[str, ...] = (), outputs: int = 1, plain: Callable | None = None, keeps: str = "") -> type[Node]:
    """A class of nodes: ``backward(node, *gradients, *saved)`` on tensors gives one gradient, or a tuple with one per input.

    ``plain``: the same on NumPy data, for speed; it may return NotImplemented for the rarer cases.
    ``keeps``: the names under which PyTorch keeps arguments, each with that of our attribute behind a colon where it is another.
    """
    def run(self, *gradients):
        found = backward(self, *gradients, *self.unpack())
        return found if isinstance(found, tuple) else (found,)

    def fast(self, g):
        found = plain(self, g, *self.plain())
        if found is NotImplemented:
            return tuple([None if each is None else each._data for each in self.backward(made_of(g))])
        return found if isinstance(found, tuple) else (found,)
    pairs = [each.partition(":") for each in keeps.split()]
    parts = {"names": saved, "arguments": {theirs: ours or theirs for theirs, _, ours in pairs}, "backward": run,
             "outputs": outputs, "__doc__": f"{name} of PyTorch."}
    return type(name, (Node,), parts if plain is None else parts | {"fast": fast})


def operation(cls: type[Node], inputs: tuple, data, saves: tuple = (), **attributes) -> Tensor:
    """The result ``data`` of an operation on ``inputs``, with a node of the class where something is to be recorded."""
    node = recorded(cls, inputs)
    made = result(node, data if not isinstance(data, np.ndarray) or data.ndim else data[()])
    if node is not None:
        for name, value in attributes.items():  # half the time of __dict__.update
            setattr(node, name, value)
        if saves:
            node.save(*[saved_result(made) if each is RESULT else _needed(node, each) for each in saves])
    return made


def _needed(node: Node, each):
    if each.__class__ is not IfNeeded:
        return each
    return each.entry if node.edges[each.input] is not None else None


def operations(cls: type[Node], inputs: tuple, data: tuple, saves: tuple = (), constant: tuple[int, ...] = (), **attributes) -> list[Tensor]:
    """Several results of one node; ``saves`` may have positions in ``data`` for own results, and those in ``constant`` are not recorded."""
    node = recorded(cls, inputs)
    arrays = [each if not isinstance(each, np.ndarray) or each.ndim else each[()] for each in data]
    made = [made_of(each) if node is None or k in constant else made_by(node, each, k) for k, each in enumerate(arrays)]
    if node is not None:
        node.__dict__.update(attributes)
        if saves:
            node.save(*[_kept(made[each], each) if isinstance(each, int) else each for each in saves])
    return made


def _kept(made: Tensor, number: int):
    return saved_result(made, number) if made._rg else made


def gate(name: str) -> Callable:
    """``(g, x, mask, scale) -> g * scale where the mask holds, else 0``: the gradient of a function of pieces of lines.

    It hangs on x too, with slope 0, so that asking for a second derivative gives zeros and no error.
    """
    def backward(node, g):
        first = gated(g, node.mask, node.scale)
        return first if node.shape is None else (first, made_of(np.zeros(node.shape, g._data.dtype)[()]))
    cls = kind(name, backward)

    def gated(g: Tensor, mask, scale=1.0, x: Tensor | None = None) -> Tensor:
        data = np.where(mask, g._data if scale.__class__ is float and scale == 1.0 else g._data * np.asarray(scale, g._data.dtype), g._data.dtype.type(0))
        return operation(cls, (g,) if x is None else (g, x), data, mask=mask, scale=scale, shape=None if x is None else x._data.shape)
    return gated
