"""Times that can be compared: all contenders in one process, one sample of each in turn, the median of the samples."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .machine import cores

# Seconds to wait before each sample when there are several cores: idle threads of a pool may spin before they sleep (OpenBLAS's default is
# 2**26 cycles), and would take a core from the next contender. A precaution: on a quiet machine no difference was seen.
SETTLE = 5e-2


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    samples: int     # of calls
    least: float     # seconds that one sample lasts
    builds: int      # samples of what is made anew each time
    processes: int   # samples of fresh processes


FULL = Effort(samples=11, least=8e-3, builds=3, processes=9)
QUICK = Effort(samples=9, least=5e-3, builds=1, processes=7)


@dataclass(frozen=True)
class Timed:
    """Seconds a call: the median of the samples, and the fastest and slowest."""

    median: float
    spread: tuple[float, float]


def interleaved(calls: Sequence[tuple[Callable, tuple]], effort: Effort) -> list[Timed]:
    """Time ``function(*arguments)`` for each pair, in turn, with the collector off."""
    repetitions = [repetitions_for(function, arguments, effort.least) for function, arguments in calls]
    samples: list[list[float]] = [[] for _ in calls]
    pause = SETTLE if len(cores()) > 1 else 0.0
    gc.collect()
    gc.disable()
    try:
        for _ in range(effort.samples):
            for (function, arguments), count, found in zip(calls, repetitions, samples):
                time.sleep(pause)
                function(*arguments)
                found.append(seconds(function, arguments, count) / count)
    finally:
        gc.enable()
    return [summary(found) for found in samples]


def seconds(function: Callable, arguments: tuple, count: int) -> float:
    """Seconds that ``count`` calls take."""
    counter = range(count)
    start = time.perf_counter()
    for _ in counter:
        function(*arguments)
    return time.perf_counter() - start


def repetitions_for(function: Callable, arguments: tuple, least: float) -> int:
    """How many calls last at least ``least`` seconds."""
    count = 1
    function(*arguments)
    while (taken := seconds(function, arguments, count)) < least:
        count = max(2 * count, int(count * 1.2 * least / max(taken, 1e-9)))
    return count


def summary(samples: Sequence[float]) -> Timed:
    """The median and the spread."""
    return Timed(statistics.median(samples), (min(samples), max(samples)))


def clocked(function: Callable, *arguments: Any) -> tuple[float, Any]:
    """Seconds of one call, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result
