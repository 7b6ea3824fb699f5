"""Gradients of leaves: how contributions come together, and how they get into ``grad``."""

from __future__ import annotations

import threading
from sys import getrefcount

import numpy as np

from .geometry import in_layout_of
from .tensor import Tensor, count_updates, made_of
from .updates import is_expanded

ACCUMULATION = threading.Lock()  # several threads may add to the grad of one leaf


def owned(data):
    """A copy that nobody else holds; scalars cannot be changed anyway."""
    return np.array(data) if isinstance(data, np.ndarray) else data


def add_to_entry(entry: list, g, together: tuple, written: int) -> None:
    """Add a contribution to what is known of a leaf's gradient. ``together``: all that its node gives."""
    held = entry[1]
    if held is None:
        entry[1], entry[2] = g, written
        return
    entry[1] = held + g
    # PyTorch adds in place to what nobody else holds, which the version of the leaf's grad tells.
    more = getrefcount(held) - _HELD_ALONE
    if held is g or (more and more != sum([each is held for each in together])):
        entry[2] = 0
    else:
        data = held._data if held.__class__ is Tensor else held
        entry[2] = entry[2] + 1 if data.__class__ is not np.ndarray or data.flags.c_contiguous or data.flags.f_contiguous else 0


def _references() -> int:
    """What :func:`getrefcount` says of an object that an entry and one local variable hold."""
    entry = [None, object()]
    held = entry[1]
    return getrefcount(held)


HELD_BY_ENTRY = _references()
_HELD_ALONE = HELD_BY_ENTRY - 1  # by a local variable


def first(leaf: Tensor, g, written: int | None) -> Tensor:
    """The first gradient of a leaf: in the leaf's layout, as PyTorch promises.

    ``written``: how often the gradient was written to, which the leaf takes over; None if others hold it too. Then it is copied, as one with another
    layout is, which counts as an update.
    """
    like = leaf._data
    if not isinstance(g, np.ndarray) or g.ndim == 0:
        made = made_of(g if not isinstance(g, np.ndarray) else np.array(g))
    elif g.strides == like.strides or not like.size:
        made = made_of(np.array(g))
    else:
        made, written = made_of(in_layout_of(np.array(g), like)), None
    if written != 0:
        count_updates(made, int(not is_expanded(like)) if written is None else written)
    return made


def accumulate(leaf: Tensor, g, written: int | None = 0) -> None:
    """Add NumPy data to a leaf's ``grad``."""
    if leaf._grad is None:
        leaf._grad = first(leaf, g, written)
    else:
        data = leaf._grad._data
        if isinstance(data, np.ndarray):
            data += g
        else:
            leaf._grad._data = data + g
        count_updates(leaf._grad, 1)
