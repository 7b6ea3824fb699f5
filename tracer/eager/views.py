"""Views: who shares memory with whom, and how the gradient of a view gets back to what it is a view of."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable

import numpy as np

from .modes import state
from .node import INFERENCE, UNTRACKED, Node
from .record import recorded, result
from .tensor import Tensor, counter_of, shared, unsigned, with_logical_strides

_new = object.__new__


class View:
    """What a tensor is a view of.

    ``origin``   "", or why it cannot be updated where that is recorded: "no_grad" | "inference" | "several" (one of several outputs) | "function"
    ``version``  of the memory when the view's node was made
    ``root``     the tensor of whose tangent this one's is a part, in forward mode; None if it has one of its own
    """

    __slots__ = ("base", "origin", "version", "root", "__weakref__")

    def __init__(self, base: Tensor, origin: str, version: int, root: Tensor | None):
        self.base, self.origin, self.version, self.root = base, origin, version, root


class ViewNode(Node):
    """Backward of a view: the gradient goes to its places in zeros of the input's shape, unless a kind knows a shorter way."""

    arguments = {"self_sym_sizes": "shape"}
    shape: tuple = ()
    apply: Callable
    overlaps = False
    given: dict = {}  # the arguments of the view, as they were given

    def __getattr__(self, name: str):
        return unsigned(self.given[name]) if name in self.given else super().__getattr__(name)

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
    """A view by ``apply``, a function from arrays to views of them. ``attributes``: the arguments of the view, which its node has for attributes."""
    array = input._data
    if array.__class__ is not np.ndarray:
        array = shared(input)
    elif not array.size and input._view is None:
        array = with_logical_strides(array)
    if data is None:
        data = apply(array)
    counter = input._counter
    if state.special or not state.recording or counter is None or counter is INFERENCE or not input._rg or array.dtype.kind != "f":
        node = recorded(kind, (input,))
        made = result(node, data)
        if node is not None:
            node.shape, node.apply, node.given = array.shape, apply, attributes
        share(made, input, origin)
        return made
    # The same without a call: two thirds of the time, for what most programs do all the time.
    made = _new(Tensor)
    made._data, made._rg = data, True
    made._grad_fn = node = kind((input._grad_fn or input,), (input._number,) if input._number else None)
    node.shape, node.apply, node.given = array.shape, apply, attributes
    made._counter = counter
    over = input._view
    if over is None:
        made._view = View(input, origin, counter[0], input)
        register(made, input)
    else:
        made._view = View(over.base, origin or over.origin, counter[0], input if over.root is None else over.root)
        register(made, over.base)
    return made


def share(made: Tensor, input: Tensor, origin: str = "") -> None:
    """Make a tensor a view of another, whose memory it has. ``origin``: of views that are recorded."""
    if input._inference:
        made._inference, made._counter = True, INFERENCE
        made._rg, made._grad_fn = False, None
        return
    counter = input._counter
    if counter is None:
        counter = counter_of(input)
    made._counter = counter
    if state.special:
        made._inference = False
    over = input._view
    base = input if over is None else over.base
    if not state.recording or state.inference:
        origin = "inference" if state.inference else "no_grad"
        if base._rg and made._grad_fn is None:
            made._rg, made._grad_fn = True, UNTRACKED
    elif over is not None:
        origin = origin or over.origin
    made._view = View(base, origin, counter[0], input if over is None or over.root is None else over.root)
    register(made, base)


def register(view: Tensor, base: Tensor) -> None:
    """Let the base know a view, which has to be told of updates."""
    views = base._views
    if views is None:
        views = base._views = []
        counter_of(base).bases.append(weakref.ref(base))
    else:
        count = len(views)
        if count >= 16 and not count & (count - 1):  # at powers of two, so that many views take linear time
            views = base._views = [each for each in views if each() is not None]
    views.append(weakref.ref(view))


__all__ = ["View", "ViewNode", "share", "view_of"]
