"""Forward mode: dual numbers, ``torch.autograd.forward_ad``.

Inside ``dual_level()`` a tensor may carry a tangent, and operations give their results theirs; how is in ``tracer/eager/tangents.py``.
"""

from __future__ import annotations

import weakref
from typing import NamedTuple

from ..modes import _Mode, state
from ..tangents import check_tangent, paused, set_tangent, tangent_of
from ..tensor import Tensor


class UnpackedDualTensor(NamedTuple):
    """A primal and its tangent, or None."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level; its number, which is 0, as there is only one at a time."""
    if state.level:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    state.levels += 1
    state.level, state.pending = state.levels, weakref.WeakSet()
    state.refresh()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level; tangents are gone."""
    if not state.level and level is None:
        raise RuntimeError("Dual level must be a positive number.")
    if not state.level or level not in (None, 0):
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not supported.")
    state.level, state.pending = 0, None
    state.refresh()


class dual_level(_Mode):
    """For the length of a ``with``, or of a function that it decorates: a level of forward mode."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of ``tensor`` that carries ``tangent``, which has its shape."""
    if not state.level:
        raise RuntimeError("Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first.")
    for what, each in (("primal", tensor), ("tangent", tangent)):
        if not each.is_floating_point():
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {each.dtype}")
    if tangent_of(tensor) is not None:
        raise RuntimeError("Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not supported.")
    check_tangent(tensor, tangent)
    dual = _apart(tensor)
    set_tangent(dual, tangent)
    return dual


def _apart(tensor: Tensor) -> Tensor:
    """A view whose tangent has nothing to do with the tensor's."""
    with paused():
        made = tensor.view_as(tensor)
    if made._view is not None:
        made._view.root = None
    return made


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a tensor; no tangent outside of a level, or where nothing depends on a dual."""
    tangent = tangent_of(tensor)
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(_apart(tensor), tangent)
