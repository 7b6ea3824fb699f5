"""Kernels of batches in the cache: a batch that a process has met before is neither derived nor simplified."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codegen.batch.kernel import LaneKernel, LoopKernel

from ..kept import Shelf

_PLAIN = ("width", "slot_bytes", "given", "takes_rows", "nanoseconds", "has_tapes")  # of what a lane kernel is, as JSON has it


class BatchShelf(Shelf):
    """Where kernels for samples of which these inputs differ stand in the cache."""

    kind = "batch"

    def __init__(self, mapped: tuple[bool, ...], strided: frozenset[int]):
        self.mapped = mapped
        self.strided = strided

    def _parts(self) -> tuple[str, ...]:
        return repr(self.mapped), repr(sorted(self.strided))

    def _written(self, kernel: LaneKernel | LoopKernel, blocks: list[bytes]) -> tuple[dict, Sequence[np.ndarray]]:
        if isinstance(kernel, LaneKernel):
            return {"key": kernel.key, "rows": _rows_text(kernel.rows), **{name: getattr(kernel, name) for name in _PLAIN}}, kernel.arrays
        header, arrays = super()._written(kernel.kernel, blocks)
        return header | {"why": kernel.why, "nanoseconds": kernel.nanoseconds, "results": _rows_text(kernel.results)}, arrays

    def _read(self, header: dict, arrays: Sequence[np.ndarray], blocks: Sequence[bytes], code, origin: str) -> LaneKernel | LoopKernel:
        if "why" in header:
            kernel = super()._read(header, arrays, blocks, code, origin)
            return LoopKernel(kernel, header["why"], header["nanoseconds"], _rows(header["results"]))
        return LaneKernel(code, header["key"], origin, rows=_rows(header["rows"]), arrays=list(arrays), **{name: header[name] for name in _PLAIN})


def _rows_text(rows: Sequence[tuple[tuple[int, ...], np.dtype]]) -> list:
    return [[shape, np.dtype(dtype).str] for shape, dtype in rows]


def _rows(texts: list) -> list[tuple[tuple[int, ...], np.dtype]]:
    return [(tuple(shape), np.dtype(dtype)) for shape, dtype in texts]
