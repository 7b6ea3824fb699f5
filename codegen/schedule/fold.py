"""Folding: straight-line code that repeats becomes loops again, so that what is compiled follows the unique code.

A loop over elements is traced element by element. Here the trace, and the derivative made from it, is searched for runs of equal instructions
whose operands advance by constant strides (``periods``); each run is a loop, and what crosses loops lies in arrays over their iterations
(``series``). Numbers that differ between iterations come from a table. Extents are run-time parameters: another trip count costs no compile.

A loop is written in up to three parts: what needs no earlier iteration, in lanes; what earlier iterations are needed for and which later
ones need, in order; and what only follows from that, in lanes again.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from codegen.loops import Affine, Buffer, Compute, Literal, Load, Nest, Store
from tracer.rolling.periods import Run, find_runs

from .series import Reading, Unfoldable, Values
from .stream import Stream, offsets_of, operand_positions, read_stream

SHORTEST = 400  # instructions; shorter code is left as it is: unrolled it runs faster
PART = 150      # instructions of one nest in lanes: more of them find no registers

NewArray = Callable[[np.ndarray], Buffer]
NewWork = Callable[[np.dtype, tuple], Buffer]


def fold(nest: Nest, new_work: NewWork, new_array: NewArray, shortest: int = SHORTEST) -> list[Nest]:
    """The same computation with its repetitions as loops. ``new_work`` makes buffers, ``new_array`` one with known contents."""
    if nest.extents or len(nest.body) < shortest:
        return [nest]
    stream = read_stream(nest)
    runs = find_runs(stream)
    while runs:
        try:
            return _Folder(stream, runs, new_array).run(new_work)
        except Unfoldable as refused:
            runs = runs[:refused.run] + runs[refused.run + 1:]
    return [nest]


class _Folder:
    """Writes the statements of a stream whose runs are known."""

    def __init__(self, stream: Stream, runs: list[Run], new_array: NewArray):
        self.stream = stream
        self.values = Values(stream, runs)
        self.runs = runs
        self.new_array = new_array
        self.token_of = {position: token for token, position in enumerate(stream.positions) if position >= 0}
        self.segment_of = self._segments()
        self.loops = [_Loop(self, number) for number in range(len(runs))]

    def _segments(self) -> np.ndarray:
        """A number for each stretch of straight code; loops have numbers of their own."""
        starts = np.zeros(len(self.stream.kinds) + 1, np.int64)
        for run in self.runs:
            starts[run.start] += 1
            starts[run.stop] += 1
        return np.cumsum(starts)[:-1]

    def run(self, new_work: NewWork) -> list[Nest]:
        """The statements in order."""
        self._note_straight_readings()
        self.values.settle(new_work)
        self.extras: dict[int, list] = {}
        for series in self.values.all_series():
            for index, token in series.extras.items():
                self.extras.setdefault(token, []).append((series, index))
        statements, here = [], 0
        for number, run in enumerate(self.runs):
            statements.append(self._straight(range(here, run.start)))
            statements += self.loops[number].nests()
            statements.append(self._copies(range(run.start, run.stop)))
            here = run.stop
        statements.append(self._straight(range(here, len(self.stream.kinds)), self.stream.rest))
        return [s for s in statements if s.roots]

    def _note_straight_readings(self) -> None:
        """What straight code reads from other statements."""
        stream, values = self.stream, self.values
        straight = np.flatnonzero(values.run_of < 0)
        is_value = stream.is_value[straight]
        wanted = np.where(is_value, stream.addresses[straight], 0)
        foreign = is_value & (self.segment_of[wanted] != self.segment_of[straight][:, None])
        for token in np.unique(wanted[foreign]).tolist():
            values.at(token)
        last = self.segment_of[-1] if values.run_of[-1] < 0 else -1
        for root in stream.rest:
            for position in (root.value, *getattr(root, "indices", ())):
                token = self.token_of.get(position)
                if token is not None and self.segment_of[token] != last:
                    values.at(token)

    # -- straight code ---------------------------------------------------------------------------------------------
    def _straight(self, tokens: range, rest=()) -> Nest:
        body, made = [], {}
        nest = Nest((), body)

        def value(position: int) -> int:
            found = made.get(position)
            if found is None:
                token = self.token_of.get(position)
                instruction = self.stream.nest.body[position] if token is None else Load(*self.values.memory(self.values.at(token)))
                found = made[position] = len(body)
                body.append(instruction)
            return found
        for token in tokens:
            instruction = self.stream.instruction(token)
            operands = [value(position) for position in operand_positions(instruction)]
            if isinstance(instruction, Store):
                nest.roots.append(instruction._replace(value=operands[0]))
                continue
            made[self.stream.positions[token]] = len(body)
            body.append(_with_operands(instruction, operands))
            self._keep(nest, token, len(body) - 1)
        for root in rest:
            if hasattr(root, "indices"):
                root = root._replace(indices=tuple([value(k) for k in root.indices]))
            nest.roots.append(root._replace(value=value(root.value)))
        return nest

    def _keep(self, nest: Nest, token: int, value: int) -> None:
        """Store a straight value wherever it is read from."""
        buffer = self.values.scalars.get(token)
        if buffer is not None:
            nest.roots.append(Store(value, buffer, Affine(0, ())))
        self._add_extras(nest, token, value)

    def _add_extras(self, nest: Nest, token: int, value: int) -> None:
        for series, index in self.extras.get(token, ()):
            nest.roots.append(Store(value, series.buffer, series.place(index)))

    def _copies(self, tokens: range) -> Nest:
        """Values of a loop that arrays of other loops hold too."""
        nest = Nest(())
        for token in sorted(t for t in self.extras if t in tokens):
            nest.body.append(Load(*self.values.memory(self.values.at(token))))
            self._add_extras(nest, token, len(nest.body) - 1)
        return nest


def _with_operands(instruction, operands: list[int]):
    if isinstance(instruction, Compute):
        return Compute(instruction.op, tuple(operands), instruction.dtype, instruction.operand_dtype, instruction.node)
    return instruction._replace(indices=tuple(operands))


# Loops ------------------------------------------------------------------------------------------------------------------

class _Loop:
    """One run: what each operand of its body is, and in which part each token stands."""

    def __init__(self, folder: _Folder, number: int):
        self.folder = folder
        self.stream = folder.stream
        self.values = folder.values
        self.number = number
        self.run = folder.runs[number]
        # Per token of the body, per operand: a token of the body, a Reading, or a position in the straight body.
        self.operands = [self._operands(leaf) for leaf in range(self.run.period)]
        self.part = self._parts()
        for leaf, operands in enumerate(self.operands):
            for operand in operands:
                if isinstance(operand, int) and operand >= 0 and self.part[operand] != self.part[leaf]:
                    self.values.of_leaf(number, operand)

    def _operands(self, leaf: int) -> list:
        run, folder = self.run, self.folder
        token = run.start + leaf
        later = self.stream.operands(token + run.period)
        found = []
        for position, following in zip(self.stream.operands(token), later):
            producer = folder.token_of.get(position)
            if producer is None:
                found.append(None)
                continue
            step = folder.token_of[following] - producer
            inside = producer >= run.start and step == run.period
            found.append(producer - run.start if inside else self.values.along(self.number, producer, step))
        return found

    def _parts(self) -> list[int]:
        """The part of each token: those of what needs no earlier iteration, the ordered one, those of what follows from it."""
        own = {id(series): leaf for (run, leaf), series in self.values.series.items() if run == self.number}
        after, before = [False] * self.run.period, [False] * self.run.period
        for leaf, operands in enumerate(self.operands):
            for operand in operands:
                if isinstance(operand, Reading) and id(operand.series) in own:
                    after[leaf] = before[own[id(operand.series)]] = True
                elif isinstance(operand, int) and after[operand]:
                    after[leaf] = True
        for leaf in reversed(range(self.run.period)):
            if before[leaf]:
                for operand in self.operands[leaf]:
                    if isinstance(operand, int):
                        before[operand] = True
        self.ordered = self.run.period
        parts, counts = [], [0, 0]
        for leaf in range(self.run.period):
            if after[leaf] and before[leaf]:
                parts.append(self.ordered)
                continue
            parts.append(counts[after[leaf]] // PART + (self.ordered + 1 if after[leaf] else 0))
            counts[after[leaf]] += 1
        return parts

    def nests(self) -> list[Nest]:
        """The loop, part after part."""
        return [self._nest(part) for part in sorted(set(self.part))]

    def _nest(self, part: int) -> Nest:
        nest = Nest((self.run.count,), ordered=part == self.ordered)
        made: dict = {}

        def add(instruction) -> int:
            found = made.get(instruction)
            if found is None:
                found = made[instruction] = len(nest.body)
                nest.body.append(instruction)
            return found
        here: dict[int, int] = {}
        for leaf in range(self.run.period):
            if self.part[leaf] != part:
                continue
            operands = [self._value(leaf, number, here, add) for number in range(len(self.operands[leaf]))]
            instruction = self.stream.instruction(self.run.start + leaf)
            if isinstance(instruction, Store):
                nest.roots.append(Store(operands[0], instruction.buffer, self._advancing(instruction, leaf)))
                continue
            here[leaf] = add(_with_operands(instruction, operands))
            series = self.values.series.get((self.number, leaf))
            if series is not None:
                nest.roots.append(Store(here[leaf], series.buffer, series.place(0, 1)))
        return nest

    def _value(self, leaf: int, number: int, here: dict[int, int], add: Callable) -> int:
        operand = self.operands[leaf][number]
        if isinstance(operand, int):
            if operand in here:
                return here[operand]
            series = self.values.series[self.number, operand]
            return add(Load(series.buffer, series.place(0, 1)))
        if isinstance(operand, Reading):
            return add(Load(*self.values.memory(operand, 1)))
        return add(self._source(leaf, number))

    def _source(self, leaf: int, number: int) -> Load | Literal:
        """A number or an element as the iterations take it."""
        run, body = self.run, self.stream.nest.body
        first, second = (body[self.stream.operands(run.start + leaf + k * run.period)[number]] for k in (0, 1))
        if isinstance(first, Load):
            return Load(first.buffer, _between(first.place, second.place))
        positions = [self.stream.operands(token)[number] for token in range(run.start + leaf, run.stop, run.period)]
        if len(set(positions)) == 1:
            return first
        table = np.frombuffer(b"".join([body[k].bits for k in positions]), first.dtype)
        return Load(self.folder.new_array(table), Affine(0, (1,)))

    def _advancing(self, store: Store, leaf: int):
        return _between(store.place, self.stream.instruction(self.run.start + leaf + self.run.period).place)


def _between(first, second):
    """The place that is ``first`` in iteration 0 and ``second`` in iteration 1."""
    parts = [Affine(a, (b - a,)) for a, b in zip(offsets_of(first), offsets_of(second))]
    return parts[0] if isinstance(first, Affine) else tuple(parts)

