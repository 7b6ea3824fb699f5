"""A progress bar for batches that take more than a second."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

SLICES = 100
SILENT = 1.0  # seconds; shorter batches show nothing


def slices(count: int, step: int, name: str) -> Iterator[tuple[int, int]]:
    """Ranges of samples one after another, each a multiple of ``step``, with a bar on stderr once a second has gone."""
    size = max(1, -(-count // (SLICES * step))) * step
    start, bar = time.perf_counter(), None
    try:
        for low in range(0, count, size):
            high = min(low + size, count)
            yield low, high
            if bar is None and time.perf_counter() - start > SILENT:
                bar = _bar(count, name)
                bar.update(low)
            if bar is not None:
                bar.update(high - low)
    finally:
        if bar is not None:
            bar.close()


def _bar(count: int, name: str):
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Plain(count, name)
    return tqdm(total=count, desc=name, unit=" samples", unit_scale=True)


class _Plain:
    """A line on stderr where tqdm is not installed."""

    def __init__(self, count: int, name: str):
        self.count, self.name, self.done = count, name, 0

    def update(self, more: int) -> None:
        self.done += more
        print(f"\r{self.name}: {100 * self.done // self.count}%", end="", file=sys.stderr, flush=True)

    def close(self) -> None:
        print(file=sys.stderr)
