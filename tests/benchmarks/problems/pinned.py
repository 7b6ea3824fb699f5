"""One process on one core: ``python -m tests.benchmarks.problems.pinned CORE`` runs the batch that threads share, when told to, and prints its median time.

Two of them at once share nothing but the machine, so that their times say what two cores are good for here.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracer import jit

SECONDS = 1.0
ROOT = Path(__file__).parents[3]


def sines(count: int = 200_000) -> tuple:
    """A batch that is not bound by memory, its argument and memory for its results."""
    x = np.random.default_rng(0).random((count, 2))
    return jit(lambda x: sum(np.sin(x[0] * k) * np.exp(-x[1] * k) for k in range(1, 20))).batch, x, np.zeros(len(x))


def medians(cores: Sequence[int]) -> list[float]:
    """The median seconds of a call in each of so many processes, all at once."""
    processes = [subprocess.Popen([sys.executable, "-m", __name__, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
                 for core in cores]
    for process in processes:
        process.stdout.readline()
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    return [float(process.communicate()[0]) for process in processes]


def main(core: str) -> None:
    """Compile, say so, wait, measure."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(core)})
    batch, x, out = sines()
    batch(x, out=out, parallel=False)
    print("ready", flush=True)
    sys.stdin.readline()
    times, end = [], time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        start = time.perf_counter()
        batch(x, out=out, parallel=False)
        times.append(time.perf_counter() - start)
    print(statistics.median(times))


if __name__ == "__main__":
    main(sys.argv[1])
