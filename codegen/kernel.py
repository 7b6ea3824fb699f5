"""Machine code with the numbers it runs with; machine code is linked once for each key, and comes from the cache where it is there."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from .cache.fingerprint import fingerprint
from .cache.store import Entry, Store, digest_of
from .llvm.abi import BAD_INDEX, KERNEL, NO_MEMORY
from .llvm.target import Linked, is_callable

if TYPE_CHECKING:
    from .loops import Program

KEPT_KERNELS = 1024
KIND = "kernel"         # of cache entries
KEPT_BYTES = 1 << 16    # of object code beside what is linked of it; of a long program it would be half of all that is kept

# Where machine code came from.
COMPILED, REUSED, LOADED = "compiled", "reused", "loaded"


@dataclass(frozen=True, slots=True)
class Options:
    """What changes the code that is made of a graph."""

    fast: bool = False
    checked: bool = False


@dataclass(eq=False, slots=True)
class Kernel:
    """Machine code for one graph and the numbers it runs with.

    ``key``      identity of the machine code: kernels of one key differ in ``params`` only
    ``origin``   was the machine code compiled for it, reused from another kernel of this process, or loaded from the cache
    ``arrays``   captured arrays, whose addresses stand in ``params`` at ``places``
    ``seconds``  by stage: schedule, emit, compile, link; or load
    ``program``, ``text``  the loops and the LLVM text, where they were made
    """

    params: np.ndarray
    workspace_bytes: int
    key: str
    origin: str
    seconds: dict[str, float]
    arrays: tuple[np.ndarray, ...]
    places: tuple[int, ...]
    code: Linked = field(repr=False)
    program: Program | None = None
    text: str | None = None

    @property
    def address(self) -> int:
        return self.code.address(KERNEL)

    @property
    def compiled(self) -> bool:
        """Whether machine code was made for it."""
        return self.origin == COMPILED

    def error(self, status: int) -> Exception:
        """The exception that a kernel's return code stands for."""
        if status == BAD_INDEX:
            return IndexError("an integer index computed from the data is out of bounds")
        if status == NO_MEMORY:
            return out_of_memory()
        return AssertionError("a kernel has left its buffers; this is a bug of tracegrad, please report it")


def out_of_memory() -> MemoryError:
    """What a tape that cannot grow raises."""
    return MemoryError("there is no memory left for what a loop keeps of its iterations, for its gradient")


class _Codes:
    """Linked machine code of this process by its key, with what the cache has of it where that is small; the least recently used go."""

    def __init__(self):
        self._known: OrderedDict[str, tuple[Linked, Entry | None]] = OrderedDict()

    def find(self, key: str) -> tuple[Linked, Entry | None] | None:
        with global_compiler_lock:
            found = self._known.get(key)
            if found is not None:
                self._known.move_to_end(key)
            return found

    def keep(self, key: str, entry: Entry) -> Linked:
        code = Linked(entry.blocks[0])
        with global_compiler_lock:
            self._known[key] = code, entry if len(entry.blocks[0]) <= KEPT_BYTES else None
            while len(self._known) > KEPT_KERNELS:
                self._known.popitem(last=False)
        return code


_codes = _Codes()


def text_key(text: str, level: int) -> str:
    """The key of what is compiled from LLVM text at a level of optimisation."""
    return digest_of(text, str(level), fingerprint())


def find_code(key: str, store: Store | None) -> tuple[Linked, str] | None:
    """Machine code by its key, and whether it was reused or loaded; None when it has to be made."""
    known = _codes.find(key)
    if known is not None:
        code, entry = known
        # What refers to it in the cache has to find it there, or is a miss for the next process.
        if store is not None and not store.touch(KIND, key) and entry is not None:
            store.put(KIND, key, entry)
        return code, REUSED
    entry = store and store.get(KIND, key)
    if not entry or not all(map(is_callable, entry.header["imports"])):
        return None
    return _codes.keep(key, entry), LOADED


def keep_code(key: str, data: bytes, imports: frozenset[str], store: Store | None) -> Linked:
    """Link object code; keep it here and in the cache."""
    entry = Entry({"imports": sorted(imports)}, (data,))
    if store is not None:
        store.put(KIND, key, entry)
    return _codes.keep(key, entry)


def timed(seconds: dict[str, float], stage: str, work: Callable):
    """The result of a stage, whose time is noted."""
    start = time.perf_counter()
    result = work()
    seconds[stage] = time.perf_counter() - start
    return result
