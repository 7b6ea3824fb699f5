"""Forward mode: dual numbers, ``torch.autograd.forward_ad``.

Inside ``dual_level()`` a tensor may carry a tangent, and operations give their results theirs; how is in ``tracer/eager/tangents.py``.
"""

from __future__ import annotations

from typing import NamedTuple

from ..modes import _Mode, state
from ..operations.shaping import RESHAPED
from ..tangents import check_tangent, paused, tangent_of
from ..tensor import Tensor
from ..views import view_of


class UnpackedDualTensor(NamedTuple):
    """A primal and its tangent, or None."""

    primal: Tensor
    tangent: Tensor | None


def enter_dual_level() -> int:
    """Open a level; its number, which is 0, as there is only one at a time."""
    if state.level:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    state.levels += 1
    state.level = state.levels
    state.refresh()
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """Close the level; tangents are gone."""
    if not state.level and level is None:
        raise RuntimeError("Dual level must be a positive number.")
    if not state.level or level not in (None, 0):
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created. This is not supported.")
    state.level = 0
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
    check_tangent(tensor, tangent)
    with paused():
        dual = tensor.view_as(tensor)
    dual._tangent = state.level, tangent
    return dual


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """The primal and the tangent of a tensor; no tangent outside of a level, or where nothing depends on a dual."""
    tangent = tangent_of(tensor)
    if tangent is None:
        return UnpackedDualTensor(tensor, None)
    with paused():
        return UnpackedDualTensor(view_of(tensor, _IDENTITY, lambda a: a[...]), tangent)


_IDENTITY = type("Identity", (RESHAPED["AliasBackward0"],), {"__doc__": "Backward of taking the primal."})
