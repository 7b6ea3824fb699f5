"""The tangents of forward mode, operation by operation.

The backward of an operation is linear in the gradient that comes in. So its derivative with respect to that, times the tangents of the inputs, is the
Jacobian times the tangents: each operation has a forward rule that cannot drift from its reverse one, and tangents can be differentiated in turn.
An operation's node is complete only after its result is made; the tangent is computed when the next operation, or somebody else, asks for it.
The tangent of a view is a view of the tangent of what it is a view of.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from .geometry import geometry_in, geometry_of
from .modes import state
from .node import UNTRACKED, Node
from .tensor import Pending, Tensor, made_of, shared


def tangent_of(tensor: Tensor) -> Tensor | None:
    """The tangent that a tensor carries at the open level."""
    level, held = state.level, tensor._tangent
    if not level:
        return None
    if held is None or held[0] != level:
        found = _of_root(tensor)
    elif type(held[1]) is Pending:
        found = _of_root(tensor)
        if found is None:
            found = _in_layout(computed(held[1]), tensor)
    else:
        return held[1]
    if found is not None:
        tensor._tangent = level, found
    return found


def _of_root(view: Tensor) -> Tensor | None:
    """The part of the root's tangent that a view's is, so that an update of the one is one of the other."""
    root = None if view._view is None else view._view.root
    found = None if root is None else tangent_of(root)
    return None if found is None else _part(found, view, root)


def _part(tangent: Tensor, view: Tensor, root: Tensor) -> Tensor:
    place = geometry_in(shared(view), shared(root))
    before, state.recording = state.recording, True
    try:
        with paused():
            return tangent.as_strided(place.shape, place.steps, tangent.storage_offset() + place.offset)
    finally:
        state.recording = before


def _in_layout(tangent: Tensor, tensor: Tensor) -> Tensor:
    """The tangent itself if it lies in memory as its tensor does, else a copy that does."""
    if tangent.stride() == tensor.stride():
        return tangent
    with paused():
        return _zeros_like(tensor).copy_(tangent)


def _zeros_like(tensor: Tensor) -> Tensor:
    place = geometry_of(shared(tensor))
    return made_of(place.window(np.zeros(place.extent(), tensor._data.dtype)))


def set_tangent(tensor: Tensor, tangent: Tensor) -> None:
    """Give a tensor that has none a tangent."""
    tensor._tangent = state.level, _in_layout(tangent, tensor)


def update_tangent(tensor: Tensor, tangent: Tensor | None) -> None:
    """The tangent after an update of the tensor; None is zero. The one that there is, or the root's, is overwritten."""
    before = tangent_of(tensor)
    if before is None and tangent is None:
        return
    if before is None:
        root = None if tensor._view is None else tensor._view.root
        if root is not None:
            set_tangent(root, _zeros_like(root))
        else:
            set_tangent(tensor, _zeros_like(tensor))
        before = tangent_of(tensor)
    with paused():
        before.zero_() if tangent is None else before.copy_(tangent)


def check_tangent(tensor: Tensor, tangent: Tensor) -> None:
    """RuntimeError unless the tangent has the shape of its tensor, and none of its own."""
    if tangent_of(tangent) is not None:
        raise RuntimeError("Setting a forward grad that itself has a forward gradient at the same level0 is not supported.")
    if tensor._data.shape != tangent._data.shape:
        raise RuntimeError(f"Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
                           f"Tensor is of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}.")


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Operations in here give no tangents."""
    level, state.level = state.level, 0
    state.refresh()
    try:
        yield
    finally:
        state.level = level
        state.refresh()


def forward_edges(inputs: Sequence, edges: list) -> tuple[list, list | None]:
    """The edges of a node over inputs some of which carry tangents: these need gradients, if only for tangents. And the tangents, or None."""
    tangents = [tangent_of(each) if isinstance(each, Tensor) else None for each in inputs]
    if all(each is None for each in tangents):
        return edges, None
    return [UNTRACKED if edge is None and tangent is not None else edge for edge, tangent in zip(edges, tangents)], tangents


def compute_pending() -> None:
    """Compute the tangents that wait, before what they depend on changes."""
    for each in list(state.pending):
        computed(each)


def follow(target: Tensor, node: Node | None) -> None:
    """Give a tensor that is about to be overwritten by the only result of a node its tangent."""
    compute_pending()
    follows = node is not None and node.tangents is not None
    update_tangent(target, computed(Pending(node, 0, state.recording, np.asarray(target._data))) if follows else None)


def computed(pending: Pending) -> Tensor:
    """The tangent."""
    if pending.value is None:
        with paused():
            before, state.recording = state.recording, True
            try:
                pending.value = _owned(_transposed(pending), pending)
            finally:
                state.recording = before
        state.pending.discard(pending)
    return pending.value


def _owned(tangent: Tensor, pending: Pending) -> Tensor:
    """A tangent that may be overwritten without changing one that it was computed from."""
    if not any([each is not None and np.may_share_memory(tangent._data, each._data) for each in pending.tangents]):
        return tangent
    state.recording = pending.create
    return tangent.clone()


def _transposed(pending: Pending) -> Tensor:
    from .backward import grad  # which stands above operations, as these above tangents

    node, data = pending.node, pending.data
    seed = made_of(np.zeros(data.shape, data.dtype))
    seed._rg = True
    pulled = node.backward(*[seed if k == pending.number else None for k in range(node.outputs)])
    pulled = pulled if isinstance(pulled, tuple) else (pulled,)
    ways = [(each, tangent) for each, tangent in zip(pulled, pending.tangents) if tangent is not None and each is not None and each._rg]
    found = None
    if ways:
        found, = grad([each for each, _ in ways], seed, [tangent for _, tangent in ways], create_graph=pending.create, allow_unused=True)
    return made_of(np.zeros(data.shape, data.dtype)) if found is None else found
