"""Views: who shares memory with whom, and how the gradient of a view gets back to what it is a view of."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable

import numpy as np

from .modes import state
from .node import INFERENCE, UNTRACKED, Node
from .record import recorded, result
from .tensor import Tensor, counter_of, shared, with_logical_strides


class View:
    """What a tensor is a view of.

    ``origin``   "", or why it cannot be updated where that is recorded: "no_grad" | "inference" | "several" (one of several outputs) | "function"
    ``version``  of the memory when the view's node was made
    """

    __slots__ = ("base", "origin", "version", "__weakref__")

    def __init__(self, base: Tensor, origin: str, version: int):
        self.base, self.origin, self.version = base, origin, version


class ViewNode(Node):
    """Backward of a view: the gradient goes to its places in zeros of the input's shape, unless a kind knows a shorter way."""

    arguments = {"self_sym_sizes": "shape"}
    shape: tuple = ()
    apply: Callable
    overlaps = False

    def fast(self, g):
        return (scattered(g, self.shape, self.apply, self.overlaps),)

    def backward(self, g):
        return (scatter(g, self.shape, self.apply, self.overlaps, type(self).__name__),)


def scattered(g, shape: tuple, apply: Callable, overlaps: bool = False):
    """Zeros of ``shape`` with ``g`` at the places that ``apply`` picks; where these overlap it adds up."""
    if overlaps:
        places = apply(np.arange(int(np.prod(shape))).reshape(shape))
        return np.bincount(places.ravel(), np.ravel(g), int(np.prod(shape))).astype(g.dtype).reshape(shape)
    zeros = np.zeros(shape, g.dtype)
    apply(zeros)[...] = g
    return zeros


class Scattered(Node):
    """Backward of :func:`scatter`."""

    def fast(self, g):
        return (self.apply(g),)

    def backward(self, g):
        return (pick(g, self.apply, self.overlaps),)


@functools.cache
def _scattered_kind(view: str) -> type[Scattered]:
    name = view.replace("Backward0", "BackwardBackward0") if view[:6] in ("Select", "SliceB", "Diagon", "Unfold") else "CopySlices"
    shown = {"name": lambda self: "torch::autograd::CopySlices"} if name == "CopySlices" else {}
    return type(name, (Scattered,), shown | {"__doc__": f"{name} of PyTorch."})


def scatter(g: Tensor, shape: tuple, apply: Callable, overlaps: bool = False, view: str = "") -> Tensor:
    """:func:`scattered` on tensors, recorded. ``view``: the name of the backward function."""
    node = recorded(_scattered_kind(view), (g,))
    if node is not None:
        node.apply, node.overlaps = apply, overlaps
    return result(node, scattered(g._data, shape, apply, overlaps))


class _Picked(ViewNode):
    pass


_Picked.__name__ = "AsStridedBackward0"


def pick(g: Tensor, apply: Callable, overlaps: bool = False) -> Tensor:
    """The elements that ``apply`` picks, copied, recorded."""
    node = recorded(_Picked, (g,))
    if node is not None:
        node.shape, node.apply, node.overlaps = g._data.shape, apply, overlaps
    return result(node, np.array(apply(np.asarray(g._data))))


def view_of(input: Tensor, kind: type[ViewNode], apply: Callable, data=None, origin: str = "", **attributes) -> Tensor:
    """A view by ``apply``, a function from arrays to views of them. ``attributes`` are the node's."""
    array = shared(input)
    if not array.size and input._view is None:
        array = with_logical_strides(array)
    node = recorded(kind, (input,))
    made = result(node, apply(array) if data is None else data)
    if node is not None:
        node.shape, node.apply = array.shape, apply
        if attributes:
            node.__dict__.update(attributes)
    share(made, input, origin)
    return made


def share(made: Tensor, input: Tensor, origin: str = "") -> None:
    """Make a tensor a view of another, whose memory it has. ``origin``: of views that are recorded."""
    if input._inference:
        made._inference, made._counter = True, INFERENCE
        return
    made._inference = False
    made._counter = counter = counter_of(input)
    if input._view is None:
        base = input
    else:
        base = input._view.base
        origin = origin or input._view.origin
    if state.inference or not state.recording:
        origin = "inference" if state.inference else "no_grad"
        if base._rg and made._grad_fn is None:
            made._rg, made._grad_fn = True, UNTRACKED
    made._view = View(base, origin, counter[0])
    register(made, base)


def register(view: Tensor, base: Tensor) -> None:
    """Let the base know a view, which has to be told of updates."""
    if base._views is None:
        base._views = []
        counter_of(base).bases.append(weakref.ref(base))
    elif len(base._views) >= 16 and not len(base._views) & (len(base._views) - 1):  # at powers of two, so that many views take linear time
        base._views = [each for each in base._views if each() is not None]
    base._views.append(weakref.ref(view))


__all__ = ["View", "ViewNode", "share", "view_of"]
