"""Memory for the results of a batch: fresh, in the layout of the input, or what the caller gives with ``out=``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ArgumentError, ShapeError
from ..trace.static import Static
from ..trace.trees import DATA, Describer, Path, Spec, path_text, structure_text


def fresh(shape: tuple[int, ...], dtype: np.dtype, count: int, in_columns: bool) -> np.ndarray:
    """Memory for ``count`` samples; ``in_columns``: neighbouring samples are neighbours in memory.

    NumPy asks for huge pages from 4 MiB on; a fresh array costs what filling it by ``np.ones`` does.
    """
    if not in_columns:
        return np.empty((count, *shape), dtype)
    return np.moveaxis(np.empty((*shape, count), dtype), -1, 0)


def given(out, spec: Spec, shapes: Sequence[tuple[int, ...]], dtypes: Sequence[np.dtype],
          inputs: Sequence[tuple[Path, np.ndarray]], name: str) -> list[np.ndarray]:
    """The arrays of ``out``, which has the structure of the result, checked. ``shapes``: of the whole results."""
    describer = Describer(lambda value, path: _classify(value, path, name))
    found = describer(out, (("arg", "out"),))
    if found != spec:
        raise ArgumentError(f"{name}: out has the structure {structure_text(found)}, but the results have {structure_text(spec)}.")
    for array, path, shape, dtype in zip(describer.leaves, describer.paths, shapes, dtypes):
        _check(array, path, shape, dtype, name)
    known = list(inputs)
    for array, path in zip(describer.leaves, describer.paths):
        for other_path, other in known:
            if _overlap(array, other):
                raise ArgumentError(f"{name}: {path_text(path)} shares memory with {path_text(other_path)}, which would change while it is read or written. "
                                    f"Pass other memory.")
        known.append((path, array))
    return describer.leaves


def _classify(value, path: Path, name: str) -> Spec | None:
    if type(value) in (np.ndarray, np.memmap):
        return DATA
    if value is None:
        return Static(None)
    raise ArgumentError(f"{name}: {path_text(path)} is a {type(value).__name__}; out takes arrays, in the structure of the result.")


def _check(array: np.ndarray, path: Path, shape: tuple[int, ...], dtype: np.dtype, name: str) -> None:
    flags = array.flags
    if array.dtype == dtype and array.dtype.isnative and array.shape == shape and flags.writeable and flags.aligned and 0 not in array.strides:
        return
    text = path_text(path)
    if array.dtype != dtype or not array.dtype.isnative:
        raise ArgumentError(f"{name}: {text} is an array of {array.dtype}, but the result is of {dtype}. Pass np.empty({shape}, np.{dtype.name}).")
    if array.shape != shape:
        raise ShapeError(f"{name}: {text} has shape {array.shape}, but the result has {shape}.")
    if not array.flags.writeable:
        raise ArgumentError(f"{name}: {text} is read-only.")
    if not array.flags.aligned:
        raise ArgumentError(f"{name}: {text} is not aligned to its dtype. Pass np.empty({shape}, np.{dtype.name}).")
    if any(stride == 0 and n > 1 for stride, n in zip(array.strides, array.shape)) and array.size:
        raise ArgumentError(f"{name}: elements of {text} share memory with one another (a stride is 0). Pass np.empty({shape}, np.{dtype.name}).")


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=10_000)
    except np.exceptions.TooHardError:
        return True
