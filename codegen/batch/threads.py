"""Our own pool of Python threads over machine code that releases the interpreter's lock.

Numba's OpenMP layer kills a forked child, and its workqueue ends the process when two threads call at once; this pool does neither. A job is
a list of pieces that helpers take one after another; whoever calls is a helper too, so that a job ends also when all threads are busy.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Sequence

from numba.core import config

from .placement import Placement, cores

LEAST_SECONDS = 5e-4  # of work, for which waking threads (56 µs) pays


def thread_count() -> int:
    """How many threads a batch may use: NUMBA_NUM_THREADS, else the cores that this process may run on."""
    count = config.NUMBA_NUM_THREADS
    allowed = cores()
    return count if "NUMBA_NUM_THREADS" in os.environ or allowed is None else min(count, len(allowed))


class _Job:
    """Pieces of work. ``start()`` makes what one helper works with: a function of a piece."""

    def __init__(self, start: Callable[[], Callable], pieces: Sequence):
        self._start = start
        self._pieces = iter(pieces)
        self._lock = threading.Lock()
        self._helpers = 0
        self._is_done = threading.Event()
        self.error: BaseException | None = None

    def help(self) -> None:
        """Take pieces until there are none."""
        with self._lock:
            self._helpers += 1
        work = None
        try:
            while (piece := self._next()) is not None:
                work = work or self._start()
                work(piece[0])
        except BaseException as error:  # raised where the batch was called
            with self._lock:
                self.error = self.error or error
                self._pieces = iter(())
        with self._lock:
            self._helpers -= 1
            if not self._helpers:
                self._is_done.set()

    def _next(self) -> tuple | None:
        with self._lock:
            for piece in self._pieces:
                return (piece,)
        return None

    def wait(self) -> None:
        """Until the last helper has left; whoever comes later finds no pieces."""
        self._is_done.wait()
        with self._lock:
            if self.error is not None:
                raise self.error


class _Pool:
    """Threads that wait for jobs; made on first use, and anew in a forked child."""

    def __init__(self):
        self._lock = threading.Lock()
        self._clear()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._after_fork)

    def _clear(self) -> None:
        self._jobs: queue.SimpleQueue[_Job] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._here = threading.local()
        self._placement = Placement()

    def _after_fork(self) -> None:
        self._clear()
        self._lock.release()

    def is_inside(self) -> bool:
        """Is this one of the pool's threads?"""
        return getattr(self._here, "is_pool", False)

    def ask(self, job: _Job, helpers: int) -> None:
        """Have so many threads help with a job."""
        with self._lock:
            while len(self._threads) < helpers:
                thread = threading.Thread(target=self._serve, args=(self._jobs,), name=f"tracegrad-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
            self._placement.keep_off(self._threads)
            for _ in range(helpers):
                self._jobs.put(job)

    def _serve(self, jobs: queue.SimpleQueue) -> None:
        self._here.is_pool = True
        while True:
            jobs.get().help()


_pool = _Pool()


def run(start: Callable[[], Callable], pieces: Sequence, threads: int) -> None:
    """Run ``start()(piece)`` for all pieces, in any order, on so many threads; ``start`` is called once in each that takes part.

    The first exception is raised here when all have stopped. Inside a thread of the pool it runs there alone.
    """
    threads = min(threads, len(pieces))
    if threads < 2 or _pool.is_inside():
        work = start() if pieces else None
        for piece in pieces:
            work(piece)
        return
    job = _Job(start, pieces)
    _pool.ask(job, threads - 1)
    job.help()
    job.wait()
