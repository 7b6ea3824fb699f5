"""The tangents of forward mode, operation by operation.

The backward of an operation is linear in the gradient that comes in. So its derivative with respect to that, times the tangents of the inputs, is the
Jacobian times the tangents: each operation has a forward rule that cannot drift from its reverse one, and tangents can be differentiated in turn.
An operation's node is complete only after its result is made; the tangent is computed when the next operation, or somebody else, asks for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np

from .modes import state
from .node import UNTRACKED, Node
from .tensor import Pending, Tensor, made_of


def tangent_of(tensor: Tensor) -> Tensor | None:
    """The tangent that a tensor carries at the open level."""
    held = tensor._tangent
    if held is None or not state.level or held[0] != state.level:
        return None
    if type(held[1]) is Pending:
        tensor._tangent = held = held[0], _pushed(tensor, held[1])
    return held[1]


def check_tangent(tensor: Tensor, tangent: Tensor) -> None:
    """RuntimeError unless the tangent has the shape of its tensor."""
    if tensor._data.shape != tangent._data.shape:
        raise RuntimeError(f"Trying to set a forward gradient that has a different size than that of the original Tensor, this is not supported. "
                           f"Tensor is of size {list(tensor.shape)} while the given forward gradient is of size {list(tangent.shape)}.")


def settle() -> None:
    """Compute the tangents that are not computed yet, before something overwrites what they are computed from."""
    if state.pending:
        waiting, state.pending = state.pending, []
        for reference in waiting:
            tensor = reference()
            if tensor is not None:
                tangent_of(tensor)


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


def pushed(made: Tensor, node: Node) -> Tensor:
    """The tangent of the only result of a node, at once."""
    return _pushed(made, Pending(node, 0, node.tangents))


def _pushed(made: Tensor, pending: Pending) -> Tensor:
    node, tangents = pending.node, pending.tangents
    create = state.recording and (made._rg or any(each is not None and each._rg for each in tangents))
    with paused():
        before, state.recording = state.recording, True
        try:
            return _transposed(node, pending.number, tangents, made, create)
        finally:
            state.recording = before


def _transposed(node: Node, number: int, tangents: Sequence, made: Tensor, create: bool) -> Tensor:
    from .backward import grad  # which stands above operations, as these above tangents

    seed = made_of(np.zeros(made._data.shape, made._data.dtype))
    seed._rg = True
    pulled = node.backward(*[seed if k == number else None for k in range(node.outputs)])
    pulled = pulled if isinstance(pulled, tuple) else (pulled,)
    ways = [(each, tangent) for each, tangent in zip(pulled, tangents) if tangent is not None and each is not None and each._rg]
    found = None
    if ways:
        found, = grad([each for each, _ in ways], seed, [tangent for _, tangent in ways], create_graph=create, allow_unused=True)
    return made_of(np.zeros(made._data.shape, made._data.dtype)) if found is None else found
