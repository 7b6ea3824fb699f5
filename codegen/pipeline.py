"""Graph in, machine code out: schedule, emit, compile, link; kernels of the same text are compiled once."""

from __future__ import annotations

import numpy as np

from tracer.graph.graph import Graph

from .cache.store import Store
from .kernel import COMPILED, Kernel, Options, find_code, keep_code, text_key, timed
from .llvm.emit import emit
from .llvm.target import compile_object
from .schedule.scheduler import schedule

DEFAULT = Options()


def compile_graph(graph: Graph, options: Options = DEFAULT, strided: frozenset[int] = frozenset(), store: Store | None = None) -> Kernel:
    """The kernel of a graph. ``strided``: the inputs whose strides are known at run time only; ``store``: where machine code is kept."""
    seconds: dict[str, float] = {}
    program = timed(seconds, "schedule", lambda: schedule(graph, strided))
    module = timed(seconds, "emit", lambda: emit(program, options.fast, options.checked))
    key = text_key(module.text, module.level)
    found = timed(seconds, "load", lambda: find_code(key, store))
    if found is None:
        data = timed(seconds, "compile", lambda: compile_object(module.text, module.level))
        found = timed(seconds, "link", lambda: keep_code(key, data, module.imports, store)), COMPILED
    params = np.array([int(p) & 0xFFFFFFFFFFFFFFFF for p in module.params or [0]], dtype=np.uint64).view(np.int64)
    code, origin = found
    places, arrays = zip(*[(place, program.arrays[k]) for k, place in sorted(module.arrays.items())]) if module.arrays else ((), ())
    return Kernel(params, program.workspace_bytes, key, origin, seconds, arrays, places, code, program, module.text)


__all__ = ["Kernel", "Options", "compile_graph"]
