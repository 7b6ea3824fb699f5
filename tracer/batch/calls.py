"""Batched calls of one compiled object: kernels for one sample's types, ranges of samples over threads, results put together."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from codegen.batch import threads
from codegen.batch.kernel import LaneKernel, LaneRun, Leaf, LoopKernel, LoopRun
from codegen.entry import Signature
from codegen.entry.dispatcher import _leaf as leaf_of

from ..errors import ArgumentError, UnsupportedError
from ..graph.types import FLOATS
from ..history import Record
from ..kept import Kept
from ..plan import Plan
from ..run import Again, Program, Run, live_instances
from ..trace.arguments import TracedArgument, describe_arguments
from ..trace.context import collector_paused
from ..trace.trees import build, path_text
from .axes import InAxes, Samples, samples_of
from .kept import BatchShelf
from .progress import slices
from .results import fresh, given

UNROLLED = 6000  # operations: up to here a sample is straight-line code in lanes, beyond it is loops
KEPT = 64         # kernels of one object
MOST_ROUNDS = 100  # of reading attributes that lead to further attributes
SEGMENTS = 64     # of which sums are made: how many depends on the batch alone, so that bits do not depend on the number of threads
SHARES = 32       # for each thread, at most
LEAST_SHARE = 2e-5  # seconds of work in one
PATIENCE = 0.2      # seconds of work without a look at Python's signals
REDUCTIONS = (None, "sum", "mean")

Kernel = LaneKernel | LoopKernel


@dataclass(frozen=True)
class How:
    """What a user says of a batch beside its arguments."""

    in_axes: InAxes = 0
    out: Any = None
    reduce: str | None = None
    parallel: bool | None = None
    progress: bool = False


@dataclass(eq=False)
class Made:
    """What was made for samples of certain types: the trace and the kernel."""

    run: Run
    kernel: Kernel


class Batches:
    """The batched calls of one object."""

    def __init__(self, program: Program):
        self.program = program
        self._made: OrderedDict[tuple, Made] = OrderedDict()
        self._seen: dict[tuple, Made] = {}   # the same by what is quickly told of a call: 100 µs less

    def clear(self) -> None:
        """Forget what was made."""
        self._made.clear()
        self._seen.clear()

    def __call__(self, values: tuple, how: How):
        """The results for ``values``, one per parameter."""
        name = f"{self.program.callee.name}.batch"
        if how.reduce not in REDUCTIONS:
            raise ArgumentError(f'{name}(): reduce={how.reduce!r}; it takes "sum", "mean" or None.')
        made, samples, count, paths = self._find(values, how)
        inputs = [_leaf(each, node.type.dtype) for each, node in zip(samples, made.run.graphs.traced.inputs)]
        spec, rows = made.run.spec, [(leaf.shape, leaf.dtype) for leaf in made.run.leaves]
        known = [(path, leaf.array) for path, leaf in zip(paths, inputs)]
        lead = () if how.reduce else (count,)
        targets = None
        if how.out is not None:
            shapes, dtypes = [(*lead, *shape) for shape, _ in rows], [dtype for _, dtype in rows]
            targets = given(how.out, spec, shapes, dtypes, known, f"{name}()")
        if how.reduce:
            return self._reduced(made, inputs, count, how, targets)
        in_columns = isinstance(made.kernel, LaneKernel) and _in_columns(samples)
        results = targets or [fresh(shape, dtype, count, in_columns) for shape, dtype in rows]
        self._spread(made.kernel, made.kernel.runner(inputs, [Leaf(result) for result in results]), count, how)
        return how.out if targets else build(spec, iter(results))

    # Ranges ----------------------------------------------------------------------------------------------------------------------

    def _spread(self, kernel: Kernel, runner: LaneRun | LoopRun, count: int, how: How) -> None:
        step = kernel.chunk if isinstance(kernel, LaneKernel) else 1
        for low, high in slices(count, step, self.program.callee.name) if how.progress else _rounds(kernel, count, step):
            (_shared if isinstance(kernel, LaneKernel) else _ranged)(kernel, runner, low, high, _threads(kernel, high - low, how))

    def _reduced(self, made: Made, inputs: list[Leaf], count: int, how: How, targets: list | None):
        kernel, rows = made.kernel, made.run.leaves
        for leaf in rows:
            if leaf.dtype.name not in FLOATS:
                raise ArgumentError(f"{self.program.callee.name}.batch(): reduce={how.reduce!r} is of floats, but a result is {leaf.dtype}.")
        runner = kernel.runner(inputs, [None] * len(rows))
        step = kernel.chunk if isinstance(kernel, LaneKernel) else 1
        size = max(1, -(-count // (SEGMENTS * step))) * step
        spans = [(low, min(low + size, count)) for low in range(0, count, size)]
        parts: dict[tuple, list] = {}

        def start() -> Callable:
            workspace = runner.workspace()
            return lambda span: parts.__setitem__(span, runner.summed(workspace, *span))
        for each in slices(len(spans), 1, self.program.callee.name) if how.progress else [(0, len(spans))]:
            threads.run(start, spans[slice(*each)], _threads(kernel, count, how))
        totals = [_tree_sum([parts[span][k] for span in spans], leaf.shape) for k, leaf in enumerate(rows)]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            totals = [np.asarray(total / count if how.reduce == "mean" else total).astype(leaf.dtype) for total, leaf in zip(totals, rows)]
        if targets:
            for target, total in zip(targets, totals):
                target[...] = total
            return how.out
        return build(made.run.spec, (total if total.shape else total[()] for total in totals))

    # Kernels ---------------------------------------------------------------------------------------------------------------------

    def _find(self, values: tuple, how: How) -> tuple[Made, list[Samples], int, list]:
        """What was made for samples like these, the leaves, how many samples there are, and the paths of the leaves."""
        callee = self.program.callee
        for _ in range(MOST_ROUNDS):
            try:
                specs, describer = describe_arguments(callee, values, self.program.reads)
                samples, count = samples_of(callee, describer.leaves, describer.paths, how.in_axes)
            except TracedArgument:
                raise UnsupportedError(f"{callee.name}.batch() is not called inside a traced function; write the function of all samples there.") from None
            kinds = specs, tuple([each.kind for each in samples])
            made = self._seen.get(kinds)
            if made is not None:
                return made, samples, count, describer.paths
            try:
                with global_compiler_lock, live_instances(describer.instances):
                    made = self._made_for(*_key(specs, samples), describer.paths)
                    if len(self._seen) >= KEPT:
                        self._seen.clear()
                    self._seen[kinds] = made
                    return made, samples, count, describer.paths
            except Again:
                continue
        raise AssertionError(f"the attributes that {callee.name} reads do not come to an end")

    def _made_for(self, key: tuple, strided: frozenset[int], paths: Sequence) -> Made:
        for known in (key, (*key, strided)):
            found = self._made.get(known)
            if found is not None:
                self._made.move_to_end(known)
                return found
        made = self._make(key, strided, paths)
        # Lanes take any strides; a loop over samples knows which of its inputs have them.
        self._made[key if isinstance(made.kernel, LaneKernel) else (*key, strided)] = made
        while len(self._made) > KEPT:
            self._made.popitem(last=False)
        return made

    def _make(self, key: tuple, strided: frozenset[int], paths: Sequence) -> Made:
        specs, leaves, shapes, ints, mapped = key
        plan = Plan(self.program, specs, is_flat=False, paths=paths, rolled_from=UNROLLED, shelf=BatchShelf(mapped, strided))
        signature = Signature(leaves)
        arrays = tuple(shape for shape, leaf in zip(shapes, leaves) if leaf.is_array)
        run = plan.traced(signature, arrays, ints)
        found, seconds = run.kept, run.seconds
        if found is None:
            start = time.perf_counter()
            with collector_paused():
                found = _compiled(run, mapped, strided)
            seconds = seconds | {"simplify and compile": time.perf_counter() - start}
            if run.key_on_disk is not None:
                plan.shelf.keep(run.key_on_disk, run.graphs.request, found, run.store)
        static = tuple(number if needed else None for number, needed in zip(ints, run.needed))
        self.program.history.add(Record(specs, signature, arrays, static, tuple(map(path_text, paths)), run.graphs, found.nodes, found.report, found.kernel,
                                        seconds, specialisation=_Unused(), batch=_text(found.kernel)))
        return Made(run, found.kernel)


def _compiled(run: Run, mapped: tuple[bool, ...], strided: frozenset[int]) -> Kept:
    from ..compiling import compile_batch  # what calls of one sample, and hits of the cache, do without

    graphs = run.graphs
    kernel = compile_batch(graphs.simplified, mapped, strided, run.options, run.store)
    return Kept(kernel, (len(graphs.graph.nodes), len(graphs.derived.nodes), len(graphs.simplified.nodes)), graphs.report)


class _Unused:
    """Stands for the entry's memory of a specialisation: a batch is not called through it."""

    last_used = 0


def _text(kernel: Kernel) -> str:
    if isinstance(kernel, LaneKernel):
        return f"{kernel.width} samples at a time, one in each lane"
    return f"a loop over samples, because {kernel.why}"


def _key(specs: tuple, samples: list[Samples]) -> tuple[tuple, frozenset[int]]:
    """What decides which kernel is used, and the inputs whose samples are not in C order, which matters where no lanes are taken."""
    rows = [each.row for each in samples]
    leaves = tuple([replace(leaf_of(row), layout="C") for row in rows])
    ints = tuple([int(row) if leaf.is_countable else None for row, leaf in zip(rows, leaves)])
    key = specs, leaves, tuple(map(np.shape, rows)), ints, tuple([not each.is_shared for each in samples])
    return key, frozenset([k for k, each in enumerate(samples) if each.is_strided])


def _leaf(samples: Samples, dtype: np.dtype) -> Leaf:
    value = samples.value if isinstance(samples.value, np.ndarray) else np.asarray(samples.value, dtype)
    return Leaf(value if value.flags.aligned else value.copy(), samples.is_shared)


def _in_columns(samples: list[Samples]) -> bool:
    """Do the samples of the first array of several elements a sample stand side by side?"""
    for each in samples:
        if not each.is_shared and each.value.ndim > 1:
            return each.value.strides[0] == each.value.itemsize and len(each.value) > 1 and each.value[0].size > 1
    return False


def _threads(kernel: Kernel, count: int, how: How) -> int:
    if how.parallel is False or (how.parallel is None and count * kernel.nanoseconds * 1e-9 < 2 * threads.LEAST_SECONDS):
        return 1
    return threads.thread_count()


def _rounds(kernel: Kernel, count: int, step: int) -> list[tuple[int, int]]:
    """All samples in ranges between which Python looks whether it was interrupted."""
    size = math.ceil(PATIENCE / (kernel.nanoseconds * 1e-9) / step) * step
    return [(low, min(low + size, count)) for low in range(0, count, size)]


def _shared(kernel: LaneKernel, runner: LaneRun, low: int, high: int, helpers: int) -> None:
    """Lanes: threads take small shares, as they come to them, without Python between. Two threads, 4.5 ms of work, fastest runs: 0.55 of the time
    of one; 0.58 in eight ranges that Python hands out."""
    step = _share_size(high - low, kernel.chunk, helpers, kernel.nanoseconds) if helpers > 1 else 1
    first, shares = np.array([low], np.int64), -(-(high - low) // step)

    def start() -> Callable:
        workspace = runner.workspace()
        return lambda _: runner.over(workspace, low, high) if helpers < 2 else runner.share(workspace, first, step, shares, high)
    threads.run(start, range(helpers), helpers)


def _ranged(kernel: LoopKernel, runner: LoopRun, low: int, high: int, helpers: int) -> None:
    """A loop over samples, which may raise: Python hands out its ranges."""
    step = _share_size(high - low, 1, helpers, kernel.nanoseconds) if helpers > 1 else max(1, high - low)

    def start() -> Callable:
        workspace = runner.workspace()
        return lambda span: runner.over(workspace, *span)
    threads.run(start, [(a, min(a + step, high)) for a in range(low, high, step)], helpers)


def _share_size(count: int, step: int, helpers: int, nanoseconds: float) -> int:
    """Samples that a thread takes at a time, in whole steps: few, so that one that is held up leaves work to the others, but enough to be worth the taking."""
    return math.ceil(max(count / (helpers * SHARES), LEAST_SHARE / (nanoseconds * 1e-9)) / step) * step


def _tree_sum(parts: list[np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
    """The sum of neighbours, of neighbouring sums, and so on."""
    while len(parts) > 1:
        with np.errstate(all="ignore"):
            parts = [a + b for a, b in zip(parts[::2], parts[1::2])] + ([parts[-1]] if len(parts) % 2 else [])
    return parts[0] if parts else np.zeros(shape)
