"""Which arguments of a batch differ from sample to sample, and along which axis: said by ``in_axes``, never guessed from sizes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..trace.arguments import Callee
from ..trace.trees import Path, container_kind, path_text

InAxes = Any  # an int, None, or a tree of them: a tuple with one entry per argument, or a dict by name


@dataclass(frozen=True)
class Samples:
    """One leaf of the arguments: all samples with their axis in front, or, ``is_shared``, one value for all of them."""

    value: Any
    is_shared: bool

    @property
    def row(self):
        """A value of the type and shape of one sample."""
        if self.is_shared:
            return self.value
        if self.value.ndim > 1 or self.value.dtype.kind != "f":
            return np.ones(self.value.shape[1:], self.value.dtype)
        return self.value.dtype.type(1)

    @property
    def is_strided(self) -> bool:
        """Whether the elements of a sample are not in C order."""
        return isinstance(self.value, np.ndarray) and not (self.value if self.is_shared else self.value[:1]).flags.c_contiguous

    @property
    def kind(self) -> tuple:
        """All that a kernel may depend on, quickly told."""
        value = self.value
        if isinstance(value, np.ndarray):
            return self.is_shared, value.dtype, value.shape if self.is_shared else value.shape[1:], self.is_strided
        return type(value), value if isinstance(value, (int, np.integer)) else None


def samples_of(callee: Callee, leaves: Sequence, paths: Sequence[Path], in_axes: InAxes) -> tuple[list[Samples], int]:
    """Each leaf with its samples in front, and how many there are."""
    name = f"{callee.name}.batch()"
    _check_tree(callee, in_axes, name)
    found, sizes = [], []
    for leaf, path in zip(leaves, paths):
        axis, is_blanket = _axis(callee, in_axes, path, name)
        if axis is None or (is_blanket and np.ndim(leaf) == 0):
            found.append(Samples(leaf, True))
            continue
        moved = _moved(leaf, axis, path, name)
        found.append(Samples(moved, False))
        sizes.append((len(moved), axis, path))
    if not sizes:
        raise ArgumentError(f"{name}: no argument has an axis of samples, so that there is no batch. Pass an array with one sample in each row, "
                            f"and in_axes=0 or an entry that is not None for it.")
    for size, axis, path in sizes:
        if size != sizes[0][0]:
            text = path_text(path)
            raise ShapeError(f"{name}: `{path_text(sizes[0][2])}` has {sizes[0][0]} samples (axis {sizes[0][1]}), but `{text}` has {size} (axis {axis}). "
                             f"An argument that is the same for all samples is named in in_axes with None, as in in_axes={{{text.partition('[')[0]!r}: None}}.")
    return found, sizes[0][0]


def _moved(leaf, axis: int, path: Path, name: str) -> np.ndarray:
    if not isinstance(leaf, np.ndarray) or leaf.ndim == 0:
        raise ArgumentError(f"{name}: in_axes asks for axis {axis} of `{path_text(path)}`, which is one number. Its entry in in_axes is None.")
    if not -leaf.ndim <= axis < leaf.ndim:
        raise ShapeError(f"{name}: in_axes asks for axis {axis} of `{path_text(path)}`, which has {leaf.ndim} {'axis' if leaf.ndim == 1 else 'axes'}.")
    moved = leaf if axis == 0 else np.moveaxis(leaf, axis, 0)
    return moved if moved.flags.aligned else moved.copy()


def _is_axis(value) -> bool:
    return value is None or (isinstance(value, (int, np.integer)) and not isinstance(value, bool))


def _check_tree(callee: Callee, in_axes: InAxes, name: str) -> None:
    visible = [p.name for p in callee.parameters[len(callee.hidden):]]
    if isinstance(in_axes, dict):
        unknown = [key for key in in_axes if key not in visible]
        if unknown:
            raise ArgumentError(f"{name}: in_axes names `{unknown[0]}`, but the arguments are {', '.join(visible)}.")
    elif isinstance(in_axes, (tuple, list)):
        if len(in_axes) > len(visible):
            raise ArgumentError(f"{name}: in_axes has {len(in_axes)} entries for {len(visible)} {'argument' if len(visible) == 1 else 'arguments'} "
                                f"({', '.join(visible)}).")
    elif not _is_axis(in_axes):
        raise ArgumentError(f"{name}: in_axes={in_axes!r}; it takes an axis, None, a tuple with one entry per argument, or a dict by name.")


def _axis(callee: Callee, in_axes: InAxes, path: Path, name: str) -> tuple[int | None, bool]:
    """The axis for a leaf, and whether it was said for a whole container or for all arguments."""
    if _is_axis(in_axes):
        return in_axes, True
    argument = path[0][1]
    if isinstance(in_axes, dict):
        entry = in_axes.get(argument, 0)
        said = argument in in_axes
    else:
        number = [p.name for p in callee.parameters[len(callee.hidden):]].index(argument)
        said = number < len(in_axes)
        entry = in_axes[number] if said else 0
    for depth, (_, key) in enumerate(path[1:], 1):
        if _is_axis(entry):
            return entry, True
        entry = _part(entry, key, path[:depth], name)
    if not _is_axis(entry):
        raise ArgumentError(f"{name}: the entry of in_axes for `{path_text(path)}` is {entry!r}; it takes an axis or None.")
    return entry, not said


def _part(entry, key, path: Path, name: str):
    kind = container_kind(entry)
    parts = dict(zip(*kind.open(entry))) if kind is not None else {}
    if key not in parts:
        raise ArgumentError(f"{name}: in_axes has no entry for {key!r} in `{path_text(path)}`. Give each part an axis or None, or the whole one.")
    return parts[key]
