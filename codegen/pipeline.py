"""Graph in, machine code out: schedule, emit, compile, link; kernels of the same text are compiled once."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tracer.graph.graph import Graph

from .llvm.access import BAD_INDEX
from .llvm.emit import KERNEL, emit
from .llvm.target import Linked, compile_object
from .loops import Program
from .schedule.scheduler import schedule

KEPT_KERNELS = 1024


@dataclass(frozen=True, slots=True)
class Options:
    """What changes the code that is made of a graph."""

    fast: bool = False
    checked: bool = False


@dataclass(eq=False, slots=True)
class Kernel:
    """Machine code for one graph and the numbers it runs with.

    ``key``      identity of the machine code: kernels of one key differ in ``params`` only
    ``compiled`` was machine code made for it, or found
    ``seconds``  by stage: schedule, emit, compile, link
    """

    address: int
    params: np.ndarray
    workspace_bytes: int
    key: str
    compiled: bool
    seconds: dict[str, float]
    program: Program
    text: str
    _code: Linked = field(repr=False)

    @property
    def source(self) -> str:
        """The same loops as readable, runnable Python for Numba."""
        from .source import to_source  # written only when somebody reads it

        return to_source(self.program)

    def error(self, code: int) -> Exception:
        """The exception that a kernel's return code stands for."""
        if code == BAD_INDEX:
            return IndexError("an integer index computed from the data is out of bounds")
        return AssertionError("a kernel has left its buffers; this is a bug of tracegrad, please report it")


class _Linker:
    """Machine code by the hash of its text; the least recently used go."""

    def __init__(self):
        self._known: OrderedDict[str, Linked] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: str) -> Linked | None:
        with self._lock:
            code = self._known.get(key)
            if code is not None:
                self._known.move_to_end(key)
            return code

    def keep(self, key: str, code: Linked) -> None:
        with self._lock:
            self._known[key] = code
            while len(self._known) > KEPT_KERNELS:
                self._known.popitem(last=False)


_linker = _Linker()


def compile_graph(graph: Graph, options: Options = Options(), strided: frozenset[int] = frozenset()) -> Kernel:
    """The kernel of a graph. ``strided``: the inputs whose strides are known at run time only."""
    seconds: dict[str, float] = {}
    program = _timed(seconds, "schedule", lambda: schedule(graph, strided))
    module = _timed(seconds, "emit", lambda: emit(program, options.fast, options.checked))
    key = hashlib.blake2b(module.text.encode(), digest_size=20).hexdigest()
    code = _linker.find(key)
    compiled = code is None
    if compiled:
        obj = _timed(seconds, "compile", lambda: compile_object(module.text, module.level))
        code = _timed(seconds, "link", lambda: Linked(obj))
        _linker.keep(key, code)
    params = np.array(module.params or [0], dtype=object)
    params = np.array([int(p) & 0xFFFFFFFFFFFFFFFF for p in params], dtype=np.uint64).view(np.int64)
    return Kernel(code.address(KERNEL), params, program.workspace_bytes, key, compiled, seconds, program, module.text, code)


def _timed(seconds: dict[str, float], stage: str, work: Callable):
    start = time.perf_counter()
    result = work()
    seconds[stage] = time.perf_counter() - start
    return result


__all__ = ["Kernel", "Options", "compile_graph"]
