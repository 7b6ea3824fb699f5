"""Forward mode through a user's Function: what its ``jvp`` gives, checked as PyTorch checks it."""

from __future__ import annotations

import numpy as np

from ..tangents import check_tangent, paused, set_tangent, tangent_of
from ..tensor import Tensor, made_of

_NOT_DIFFERENTIABLE = ("Function's jvp returned a gradient at position {}, but  the corresponding forward output is not a differentiable Tensor.You should "
                       "return None at that position instead.")
_NOT_CHANGED = ("An inplace custom Function is not modifying the forward mode gradients inplace. If the forward is modifying an input inplace, then the jvp "
                "function must modify the corresponding gradient inplace.")
_NOT_RETURNED = ("An inplace custom Function is not returning the forward mode gradients as-is. If the forward is modifying an input inplace, then the jvp "
                 "function must modify the gradient inplace and return it as-is.")
_NO_VIEW = "A custom Function's forward is returning a view (or an input as-is) but the jvp is not returning a view."
_OTHER_VIEW = "A custom Function is returning a view but the jvp is not returning a view of the given grad input."
_OTHER_BASE = "A custom Function is returning a view but the jvp is not returning a view of the same base as the given grad input."


def push_tangents(function, node, inputs: list, results: list, constant: set[int]) -> None:
    """Give the results of a Function the tangents that its ``jvp`` computes. ``constant``: ids of those that carry none."""
    tangents = [None if each is None else tangent_of(each) for each in inputs]
    if all(each is None for each in tangents):
        return
    versions = [None if each is None else each._version for each in tangents]
    found = _asked(function, node, inputs, tangents)
    if len(found) != len(results):
        raise RuntimeError(f"Function's jvp returned an invalid number of forward gradients (expected {len(results)} but got {len(found)})")
    for number, (result, tangent) in enumerate(zip(results, found)):
        if tangent is not None and not isinstance(tangent, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(tangent).__name__}) for grad output {number}.")
        if tangent is None or not isinstance(result, Tensor):
            continue
        if id(result) in constant or result._data.dtype.kind != "f":
            raise RuntimeError(_NOT_DIFFERENTIABLE.format(number))
        if any([result is each for each in node._dirty]):
            _check_update(result, tangent, inputs, tangents, versions)
        else:
            _set(result, tangent, inputs, tangents)


def _asked(function, node, inputs: list, tangents: list) -> tuple:
    given = [_zeros(t) if g is None and t is not None and node._materialize else g for g, t in zip(tangents, inputs)]
    with paused():
        node._forward_tensors = node._forward_tensors or ()
        found = function.jvp(node, *given)
    node._forward_tensors = None
    return found if isinstance(found, tuple) else (found,)


def _zeros(tensor: Tensor) -> Tensor | None:
    return made_of(np.zeros(tensor._data.shape, tensor._data.dtype)) if tensor._data.dtype.kind == "f" else None


def _check_update(result: Tensor, tangent: Tensor, inputs: list, tangents: list, versions: list) -> None:
    """The tangent of an input that was overwritten must have been overwritten."""
    position = next(k for k, each in enumerate(inputs) if each is result)
    before = tangents[position]
    if before is None:
        set_tangent(result, tangent)
        return
    if tangent._version == versions[position]:
        raise RuntimeError(_NOT_CHANGED)
    if tangent is not before:
        raise RuntimeError(_NOT_RETURNED)


def _set(result: Tensor, tangent: Tensor, inputs: list, tangents: list) -> None:
    root = None if result._view is None else result._view.root
    for each, of_input in zip(inputs, tangents):
        if root is None or each is None or of_input is None or (each is not root and (each._view is None or each._view.root is not root)):
            continue
        if _root(tangent) is None:
            raise RuntimeError(_NO_VIEW)
        if _root(of_input) is not None and _root(of_input) is not _root(tangent):
            raise RuntimeError(_OTHER_BASE)
        if _root(of_input) is None and of_input is not _root(tangent):
            raise RuntimeError(_OTHER_VIEW)
    check_tangent(result, tangent)
    set_tangent(result, tangent)


def _root(view: Tensor) -> Tensor | None:
    return None if view._view is None else view._view.root
