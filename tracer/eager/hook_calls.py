"""Hooks of tensors called, and what they return looked at."""

from __future__ import annotations

from collections.abc import Sequence

from .dtypes import DTYPES
from .tensor import Tensor
from .words import type_name


def run_hooks(hooks: dict, g: Tensor | None) -> Tensor | None:
    """The gradient after the hooks of a tensor; None, where nothing depends on it, stays None."""
    for hook in list(hooks.values()):
        changed = hook(g)
        if changed is not None:
            _check_hook(hook, g, changed)
            g = changed
    return g


def _check_hook(hook, g: Tensor | None, changed) -> None:
    if g is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    name = getattr(hook, "__name__", "hook")
    if not isinstance(changed, Tensor):
        raise TypeError(f"expected Variable, but hook returned '{type(changed).__name__}'")
    if changed.dtype is not g.dtype:
        raise RuntimeError(f"hook '{name}' has changed the type of value (was {_type_name(g)} got {_type_name(changed)})")
    if changed._data.shape != g._data.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")


def checked_change(gradients: Sequence, changed, hook) -> tuple:
    """What a hook of a node returned instead of the gradients."""
    if not isinstance(changed, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type_name(changed)}'")
    for each in changed:
        if each is not None and not isinstance(each, Tensor):
            raise TypeError(f"expected Variable, but hook returned '{type_name(each)}'")
    if len(changed) != len(gradients):
        raise RuntimeError(f"hook '{getattr(hook, '__name__', 'hook')}' has returned an incorrect number of values (got {len(changed)}, but expected "
                           f"{len(gradients)})")
    return changed


def _type_name(tensor: Tensor) -> str:
    return f"torch.{DTYPES[tensor._data.dtype].legacy}Tensor"
