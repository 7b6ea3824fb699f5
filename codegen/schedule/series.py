"""Where the values of a folded stream lie: one array over the iterations of a loop for each value that is read elsewhere.

What a loop reads must advance through one array by constant steps. A value that a loop carries is read one place behind where it is written,
and the first one comes from in front of the loop: the array is longer by that place, and whoever makes that value stores it there as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from codegen.loops import Affine, Buffer
from tracer.rolling.periods import Run

from .stream import Stream

BEYOND = 16  # values from outside a loop that one of its arrays takes up; with more, the reader has an array of its own


@dataclass(eq=False, slots=True)
class Series:
    """Values in one array; ``low <= index < high``. ``extras``: the tokens of values that no iteration of its loop makes, by index."""

    dtype: np.dtype
    low: int
    high: int
    extras: dict[int, int] = field(default_factory=dict)
    buffer: Buffer | None = None

    def place(self, first: int, *coefs: int) -> Affine:
        return Affine(first - self.low, coefs)


class Reading(NamedTuple):
    """``series[first + step*i]`` in iteration i, or the scalar value of a straight token."""

    series: Series | None
    first: int
    step: int = 0


class Unfoldable(Exception):
    """The values of this run do not lie in arrays as its loop would need them."""

    def __init__(self, run: int):
        super().__init__(run)
        self.run = run


class Values:
    """Finds and remembers where each value is read from."""

    def __init__(self, stream: Stream, runs: list[Run]):
        self.stream = stream
        self.runs = runs
        self.run_of = np.full(len(stream.kinds), -1)
        for number, run in enumerate(runs):
            self.run_of[run.start:run.stop] = number
        self.series: dict[tuple[int, int], Series] = {}
        self.gathered: dict[tuple[int, int, int], Series] = {}
        self.scalars: dict[int, Buffer | None] = {}   # straight tokens whose value another statement reads

    def of_leaf(self, run: int, leaf: int) -> Series:
        """The array of what a token of a loop's body gives."""
        found = self.series.get((run, leaf))
        if found is None:
            dtype = self.stream.dtype(self.runs[run].start + leaf)
            found = self.series[run, leaf] = Series(dtype, 0, self.runs[run].count)
        return found

    def split(self, token: int) -> tuple[int, int, int]:
        """(run, leaf, iteration) of a token inside a run."""
        number = int(self.run_of[token])
        iteration, leaf = divmod(token - self.runs[number].start, self.runs[number].period)
        return number, leaf, iteration

    def at(self, token: int) -> Reading:
        """One value."""
        if self.run_of[token] < 0:
            self.scalars.setdefault(token, None)
            return Reading(None, token)
        number, leaf, iteration = self.split(token)
        return Reading(self.of_leaf(number, leaf), iteration)

    def along(self, reader: int, first: int, step: int) -> Reading:
        """What a loop reads from the tokens ``first + step*i``, one in each iteration."""
        if step == 0:
            return self.at(first)
        count = self.runs[reader].count
        middle = first + step * (count // 2)
        if self.run_of[middle] >= 0:
            found = self._in_loop(reader, first, step, *self.split(middle))
            if found is not None:
                return found
        return Reading(self._gather(reader, first, step), 0, 1)

    def _in_loop(self, reader: int, first: int, step: int, number: int, leaf: int, _: int) -> Reading | None:
        run = self.runs[number]
        stride, left = divmod(step, run.period)
        if left:
            return None
        origin = run.start + leaf
        start = (first - origin) // run.period
        indices = start + stride * np.arange(self.runs[reader].count)
        outside = indices[(indices < 0) | (indices >= run.count)]
        tokens = origin + outside * run.period
        dtype = self.stream.dtype(origin)
        if len(outside) > BEYOND or any(not self._is_value(t, dtype) or self.run_of[t] == reader for t in tokens):
            return None
        series = self.of_leaf(number, leaf)
        series.low, series.high = min(series.low, int(indices.min())), max(series.high, int(indices.max()) + 1)
        series.extras.update((int(index), int(token)) for index, token in zip(outside, tokens))
        return Reading(series, start, stride)

    def _is_value(self, token: int, dtype: np.dtype) -> bool:
        return self.stream.positions[token] >= 0 and self.stream.dtype(token) == dtype

    def _gather(self, reader: int, first: int, step: int) -> Series:
        count = self.runs[reader].count
        tokens = first + step * np.arange(count)
        dtype = self.stream.dtype(first)
        if (self.run_of[tokens] == reader).any() or not all(self.stream.dtype(t) == dtype for t in tokens):
            raise Unfoldable(reader)
        key = first, step, count
        if key not in self.gathered:
            self.gathered[key] = Series(dtype, 0, count, dict(enumerate(tokens.tolist())))
        return self.gathered[key]

    def all_series(self) -> list[Series]:
        return [*self.series.values(), *self.gathered.values()]

    def settle(self, new_work: Callable[[np.dtype, tuple], Buffer]) -> None:
        """Give everything that is read its memory, once all readings are known."""
        pending = [token for series in self.all_series() for token in series.extras.values() if self.run_of[token] >= 0]
        for token in pending:
            self.at(token)
        for series in self.all_series():
            series.buffer = new_work(series.dtype, (series.high - series.low,))
        for token in self.scalars:
            self.scalars[token] = new_work(self.stream.dtype(token), ())

    def memory(self, reading: Reading, *iteration: int) -> tuple[Buffer, Affine]:
        """Buffer and place of a reading; ``iteration``: (1,) inside a loop, () outside."""
        if reading.series is None:
            return self.scalars[reading.first], Affine(0, (0,) * len(iteration))
        return reading.series.buffer, reading.series.place(reading.first, *[reading.step for _ in iteration])
