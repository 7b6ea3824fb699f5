"""Views of memory that has been overwritten: the next who asks for their place on the tape finds a new one, or is told why there is none.

A view becomes ``Stale`` when its memory gets a new version, or its base begins or ceases to require grad, and is a plain tensor again when its node
has been made anew, as PyTorch does it when ``grad_fn`` is asked for. Until then it counts as what it was, a leaf for example.
"""

from __future__ import annotations

import numpy as np

from .geometry import Geometry, geometry_in, geometry_of, scattered
from .node import UNTRACKED, Node, short_name
from .record import edge, recorded, result
from .tensor import Tensor, made_of, own_node, retain, shared
from .views import ViewNode

_MODES = {"no_grad": "no_grad mode and {what} modified inplace with grad mode enabled",
          "inference": "inference mode and {what} modified inplace in normal mode"}
_AMBIGUOUS = ("Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace "
              "either both inside the {block} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked).")
_IN_FUNCTION = ("This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace "
                "would override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can "
                "fix this by cloning the output of the custom Function.")
_SEVERAL = ("This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You "
            "should replace the inplace operation by an out-of-place one.")
_REASONS = {"no_grad": _AMBIGUOUS.format(block="no_grad"), "inference": _AMBIGUOUS.format(block="inference_mode"), "several": _SEVERAL,
            "function": _IN_FUNCTION}


def view_error(view: Tensor, what: str) -> str:
    """Why a view cannot be updated, or cannot be used after an update: ``what`` has been done."""
    origin, node = view._view.origin, own_node(view)
    if origin in _MODES or node is None:
        of_view = "A view" if node is None else f"Output {view._number} of {short_name(node)} is a view of a view which"
        made = f"{of_view} was created in {_MODES.get(origin, _MODES['no_grad']).format(what=what)}."
    else:
        made = f"Output {view._number} of {short_name(node)} is a view and {what} modified inplace."
    return f"{made} {_REASONS[origin]}"


def outdate(base: Tensor) -> None:
    """All views of a base are to look for their place on the tape again."""
    for reference in base._views or ():
        view = reference()
        if view is not None:
            view.__class__ = Stale


_class_of = object.__dict__["__class__"]


class Stale:
    """A view whose node has to be looked for.

    No subclass of Tensor, whose reflected comparisons Python would try first, but it says that it is one; its methods are those of Tensor, from
    :func:`complete` on.
    """

    @property
    def __class__(self) -> type:
        return Tensor

    @__class__.setter
    def __class__(self, kind: type) -> None:
        _class_of.__set__(self, kind)

    @property
    def _rg(self) -> bool:
        return self._is_leaf_itself() or own_node(self) is not None or self._view.base._rg

    @_rg.setter
    def _rg(self, value: bool) -> None:
        self.__dict__["_rg"] = value

    @property
    def _grad_fn(self) -> Node | None:
        node, base = own_node(self), self._view.base
        if node is None and not base._rg:
            return None
        if self._view.version != self._counter[0]:
            if self._view.origin:
                raise RuntimeError(view_error(self, "its base or another view of its base has been"))
            return _renewed(self, base)
        return UNTRACKED if node is None and not self._is_leaf_itself() else node

    def _is_leaf_itself(self) -> bool:
        """Was it, not only its base, said to require grad?"""
        held = self.__dict__
        return held.get("_rg", False) and held.get("_grad_fn") is None

    @_grad_fn.setter
    def _grad_fn(self, node: Node | None) -> None:
        self.__dict__["_grad_fn"] = node

    def __getattr__(self, name: str):
        found = getattr(Tensor, name, None)  # what was added to Tensor since
        if found is None:
            raise AttributeError(f"'Tensor' object has no attribute '{name}'")
        return found.__get__(self, Tensor) if hasattr(found, "__get__") else found


Stale.__name__ = Stale.__qualname__ = "Tensor"


def complete() -> None:
    """Gives stale views what tensors have, once all of it is there."""
    for name, value in vars(Tensor).items():
        if name not in vars(Stale) and name not in ("__dict__", "__weakref__"):
            setattr(Stale, name, value)


def _renewed(view: Tensor, base: Tensor) -> Node:
    """A plain tensor again, with a new node."""
    before = own_node(view)
    node = AsStridedBackward0((edge(base),), (base._number,) if base._number else None)
    memory = shared(base)
    node.view, node.base = geometry_in(view._data, memory), geometry_of(memory)
    number = view._number
    view.__class__ = Tensor
    view._rg, view._grad_fn, view._number = True, node, 0
    view._view.version = view._counter[0]
    if before is not None:
        move_retained(view, before, number)
    return node


def move_retained(tensor: Tensor, before: Node, number: int) -> None:
    """A grad that is retained is that of the tensor's new node. Hooks stay with the node that they were registered at."""
    if tensor.retains_grad:
        before.retained = {k: kept for k, kept in (before.retained or {}).items() if k != number}
        retain(tensor)


class AsStridedBackward0(ViewNode):
    """Backward of a view by its place in memory. ``names_offset``: the offset was given, or found."""

    arguments = {"size": "size", "stride": "stride", "storage_offset": "storage_offset"}
    view: Geometry
    base: Geometry
    names_offset = True
    size, stride = property(lambda node: node.view.shape), property(lambda node: node.view.steps)
    storage_offset = property(lambda node: node.view.offset if node.names_offset else None)

    def fast(self, g):
        return (scattered(g, self.view, self.base),)

    def backward(self, g):
        view, base = self.view, self.base
        if view.overlaps() or base.overlaps():
            return (_scatter(g, view, base),)
        before = min(view.offset, base.offset)  # lies in neither
        memory = made_of(np.zeros(max(view.extent(), base.extent()) - before, g._data.dtype))
        memory.as_strided(view.shape, view.steps, view.offset - before).copy_(g)
        return (memory.as_strided(base.shape, base.steps, base.offset - before),)


class _Scattered(Node):
    """Backward of :func:`_scatter`."""

    def backward(self, g):
        return (window(g, self.view, self.base),)


_Scattered.__name__ = "AsStridedBackward0"


def _scatter(g: Tensor, view: Geometry, base: Geometry) -> Tensor:
    """:func:`scattered` on tensors, recorded."""
    node = recorded(_Scattered, (g,))
    if node is not None:
        node.view, node.base = view, base
    return result(node, scattered(np.asarray(g._data), view, base)[()])


def window(g: Tensor, view: Geometry, base: Geometry) -> Tensor:
    """The elements of a view, copied from a tensor in the shape of its base; recorded."""
    node = recorded(AsStridedBackward0, (g,))
    if node is not None:
        node.view, node.base = view, base
    memory = np.zeros(max(view.extent(), base.extent()), g._data.dtype)
    base.window(memory)[...] = g._data
    return result(node, np.array(view.window(memory))[()])
