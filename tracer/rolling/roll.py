"""Rolling: what a trace has unrolled becomes loops again, before anything is derived from it, so that all later work follows the unique code.

A loop over elements is traced element by element. Here the operations are searched for runs that repeat with operands at constant strides (``periods``).
Each run becomes arrays over its iterations and loop nodes for what goes from one iteration to the next (``bodies``). Another trip count changes extents alone.
What is left and repeats, but not as often each time, becomes walks (``ragged``).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..graph.graph import live_nodes
from ..graph.node import Node
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, make
from .bodies import all_of, final, joined, row_of, rows_of
from .periods import SMALLEST, find_runs
from .ragged import Ragged, find_ragged
from .repetition import Repetition, Unrollable
from .runs import Run
from .stream import Stream, is_element, read_stream
from .unpeel import Front, unpeeled
from .walks import Walk

INDEX, ASSEMBLE, RESHAPE, TRANSPOSE = (TABLE[name] for name in ("index", "assemble", "reshape", "transpose"))
SHORTEST = 400  # operations; shorter code is left as it is: unrolled it runs faster
SHORTEST_ARRAYS = 100   # if all its loops become operations on arrays, which are as fast, and one kernel for all lengths


def roll(trace: Trace, outputs: Sequence[Traced], shortest: int = SHORTEST, smallest: int = SMALLEST, shortest_walk: int = SHORTEST) -> list[Traced]:
    """The same values with repetitions as loops; the same nodes where there are fewer than ``shortest`` operations or no repetition.

    ``smallest``: operations that a loop has to save; ``shortest_walk``: operations that a walk has to stand for.
    """
    if len(trace.builder) < shortest:
        return list(outputs)
    stream = read_stream(trace.builder.live([output.node for output in outputs]))
    return list(outputs) if len(stream.nodes) < shortest else _rolled(trace, stream, outputs, smallest, shortest_walk)


def roll_trace(trace: Trace, outputs: Sequence[Traced]) -> list[Traced]:
    """The same for what a user's function has made. Of less code loops are made if all of them become operations on arrays."""
    stream = read_stream(trace.builder.live([output.node for output in outputs]))
    count = len(stream.nodes)
    if count < SHORTEST_ARRAYS:
        return list(outputs)
    if count >= SHORTEST:
        return _rolled(trace, stream, outputs, SMALLEST, SHORTEST)
    made = _rolled(trace, stream, outputs, SHORTEST_ARRAYS // 2, SHORTEST)
    in_order = any(node.op.kind == "loop" for node in live_nodes([each.node for each in made]))
    return list(outputs) if in_order else made


def _rolled(trace: Trace, stream: Stream, outputs: Sequence[Traced], smallest: int, shortest_walk: int) -> list[Traced]:
    runs, ragged = find_ragged(stream, find_runs(stream, smallest), shortest_walk)
    runs, fronts = unpeeled(stream, runs, ragged)
    while True:
        if not runs and not ragged:
            return list(outputs)
        try:
            return _Roller(trace, stream, runs, fronts, ragged).run(outputs)
        except Unrollable as refused:
            del runs[refused.run], fronts[refused.run]


class _Roller:
    """Makes the operations of a stream whose runs are known."""

    def __init__(self, trace: Trace, stream: Stream, runs: list[Run], fronts: list[Front], ragged: list[Ragged]):
        self.trace = trace
        self.stream = stream
        self.runs = runs
        self.fronts = fronts
        self.run_of = np.full(len(stream.nodes), -1)
        for number, run in enumerate(runs):
            self.run_of[run.start:run.stop] = number
        self.ragged = ragged
        self.walk_of = np.full(len(stream.nodes), -1)
        for number, each in enumerate(ragged):
            self.walk_of[each.start:each.stop] = number
        self.walks: list[Walk] = []
        self.made: dict[Node, Traced] = {}                      # single values
        self.series: dict[tuple[int, int], Traced] = {}         # (run, leaf) -> the values of all iterations
        self.wanted: list[set[int]] = [set() for _ in runs]     # leaves that something else reads
        self.again = roll                                       # for what stands inside loops

    def run(self, outputs: Sequence[Traced]) -> list[Traced]:
        self._find_wanted([output.node for output in outputs])
        here, outside = 0, self.trace.location
        for each in sorted([*self.runs, *self.ragged], key=lambda each: each.start):
            self._copy(range(here, each.start))
            if isinstance(each, Run):
                self._make_loop(self.runs.index(each))
            else:
                self.trace.location = self.stream.nodes[each.start].where
                self.walks.append(Walk(self, each, self._read_outside(each)))
            here = each.stop
        self._copy(range(here, len(self.stream.nodes)))
        self.trace.location = outside
        return [self.value(output.node) for output in outputs]

    def _find_wanted(self, outputs: Sequence[Node]) -> None:
        stream, run_of = self.stream, self.run_of
        producers = np.where(stream.is_value, stream.addresses, 0)
        foreign = stream.is_value & (run_of[producers] >= 0) & (run_of[producers] != run_of[:, None])
        tokens = producers[foreign]
        singles = [self._token(o) for token in np.flatnonzero(stream.kinds < 0) for o in stream.nodes[token].inputs]
        tokens = np.concatenate([tokens, np.array([t for t in (*singles, *map(self._token, outputs)) if t is not None], np.int64)])
        for token in np.unique(tokens).tolist():
            number = self.run_of[token]
            if number >= 0:
                self.wanted[number].add((token - self.runs[number].start) % self.runs[number].period)
        self.outputs = {token for token in map(self._token, outputs) if token is not None}

    def _read_outside(self, ragged: Ragged) -> set[int]:
        """The tokens of a ragged stretch that something behind it reads."""
        behind = (o for node in self.stream.nodes[ragged.stop:] for o in node.inputs)
        found = {token for token in map(self._token, behind) if token is not None}
        return {token for token in found | self.outputs if ragged.start <= token < ragged.stop}

    def _token(self, node: Node) -> int | None:
        return self.stream.token_of(node.inputs[0] if is_element(node) else node)

    # -- single values ---------------------------------------------------------------------------------------------
    def value(self, node: Node) -> Traced:
        """A node as it is now."""
        found = self.made.get(node)
        if found is None:
            token = self.stream.token_of(node)
            if token is not None and self.run_of[token] >= 0:
                run, leaf, iteration = self._place(token)
                series = self.series[run, leaf]
                found = final(series) if iteration == self.runs[run].count - 1 else row_of(series, iteration)
            elif token is not None and self.walk_of[token] >= 0:
                found = self.walks[self.walk_of[token]].value(token)
            elif is_element(node):
                found = make(INDEX, (self.value(node.inputs[0]),), node.attrs)
            else:
                assert node.op.kind == "source", node
                found = Traced(node, self.trace)
            self.made[node] = found
        return found

    def _place(self, token: int) -> tuple[int, int, int]:
        number = int(self.run_of[token])
        iteration, leaf = divmod(token - self.runs[number].start, self.runs[number].period)
        return number, leaf, iteration

    def _copy(self, tokens: range) -> None:
        for token in tokens:
            node = self.stream.nodes[token]
            self.trace.location = node.where
            if node.op is ASSEMBLE and len(node.inputs) > 1:
                self.made[node] = self._assembled(node)
            else:
                self.made[node] = make(node.op, tuple([self.value(operand) for operand in node.inputs]), node.attrs)

    def _assembled(self, node: Node) -> Traced:
        """An array put together from pieces: neighbours that one series has as neighbours come as one piece."""
        shape, specs = node.attrs
        pieces, places = [], []
        at = 0
        while at < len(specs):
            if self._is_walked(node.inputs[at]):
                at += 1
                continue
            count, spec = self._stretch(node, at)
            if count > 1:
                number, leaf, first = self._place(self.stream.token_of(node.inputs[at]))
                step = self._place(self.stream.token_of(node.inputs[at + 1]))[2] - first
                pieces.append(rows_of(self.series[number, leaf], first, count, step))
            else:
                pieces.append(self.value(node.inputs[at]))
            places.append(spec)
            at += count
        for number in range(len(self.walks)):
            which = [k for k, each in enumerate(node.inputs) if self._is_walked(each) and self.walk_of[self.stream.token_of(each)] == number]
            if which:
                piece, spec = self.walks[number].assembled(np.array([self.stream.token_of(node.inputs[k]) for k in which]), [specs[k] for k in which], shape)
                pieces.append(piece)
                places.append(spec)
        return pieces[0] if places == [all_of(shape)] else make(ASSEMBLE, tuple(pieces), (shape, tuple(places)))

    def _is_walked(self, node: Node) -> bool:
        token = self.stream.token_of(node)
        return token is not None and self.walk_of[token] >= 0

    def _stretch(self, node: Node, at: int) -> tuple[int, tuple]:
        """How many pieces from this one on are values of one series at constant strides along one axis, and their common spec."""
        specs, tokens = node.attrs[1], self.stream.token_of
        first = tokens(node.inputs[at])
        if at + 1 >= len(specs) or first is None or self.run_of[first] < 0 or not all(isinstance(e, int) for e in (*specs[at], *specs[at + 1])):
            return 1, specs[at]
        period = self.runs[self.run_of[first]].period
        second = tokens(node.inputs[at + 1])
        moves = [k for k, (a, b) in enumerate(zip(specs[at], specs[at + 1])) if a != b]
        if second is None or self.run_of[second] != self.run_of[first] or (second - first) % period or second == first or len(moves) != 1:
            return 1, specs[at]
        axis, step, stride = moves[0], specs[at + 1][moves[0]] - specs[at][moves[0]], second - first
        count = 2
        while at + count < len(specs):
            token = tokens(node.inputs[at + count])
            expected = list(specs[at])
            expected[axis] += step * count
            if token != first + stride * count or self.run_of[token] != self.run_of[first] or specs[at + count] != tuple(expected):
                break
            count += 1
        spec = list(specs[at])
        spec[axis] = (specs[at][axis], count, step)
        return count, tuple(spec)

    def sequence(self, tokens: np.ndarray) -> Traced:
        """The values of these tokens as an array."""
        runs = self.run_of[tokens]
        walks = self.walk_of[tokens]
        if (walks >= 0).any():
            cuts = np.concatenate([[0], np.flatnonzero(np.diff(walks)) + 1, [len(tokens)]])
            parts = [tokens[a:b] for a, b in pairwise(cuts.tolist())]
            return joined([self.walks[self.walk_of[each[0]]].values(each) if self.walk_of[each[0]] >= 0 else self.sequence(each) for each in parts])
        starts = np.array([*[run.start for run in self.runs], 0])[runs]     # the last: of no run
        periods = np.array([*[run.period for run in self.runs], 1])[runs]
        iterations, leaves = np.divmod(tokens - starts, periods)
        pieces, specs, at = [], [], 0
        while at < len(tokens):
            count = 1
            if runs[at] >= 0:
                same = (runs[at:] == runs[at]) & (leaves[at:] == leaves[at])
                steps = np.diff(iterations[at:])
                regular = np.concatenate([[True], same[1:] & (steps == steps[0])]) if len(steps) else same
                count = int(np.argmin(regular)) if not regular.all() else len(regular)
            if count > 1 and iterations[at + 1] != iterations[at]:
                step = int(iterations[at + 1] - iterations[at])
                pieces.append(rows_of(self.series[int(runs[at]), int(leaves[at])], int(iterations[at]), count, step))
                specs.append(((at, count, 1),))
            else:
                count = 1
                pieces.append(self.value(self.stream.nodes[tokens[at]]))
                specs.append((at,))
            at += count
        if len(pieces) == 1 and count > 1:
            return pieces[0]
        shape = self.stream.nodes[tokens[0]].type.shape
        return make(ASSEMBLE, tuple(pieces), ((len(tokens), *shape), tuple([(*spec, *all_of(shape)) for spec in specs])))

    # -- loops -----------------------------------------------------------------------------------------------------
    def _make_loop(self, number: int) -> None:
        wanted = sorted(self.wanted[number])
        loop = Repetition(self, number)
        for leaf, values in zip(wanted, loop.outputs(wanted)):
            self.series[number, leaf] = values
