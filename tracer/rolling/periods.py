"""Runs of a stream that repeat: the same kinds of instructions again and again, with addresses that advance by constant strides.

Everything here is arithmetic on whole arrays; the time is O(n log n) for n instructions and does not depend on what repeats.
"""

from __future__ import annotations

import heapq

import numpy as np

from .runs import Run, is_regular
from .stream import FEWEST, Stream

SMALLEST = 150    # instructions that a loop has to save
LOOP = 100        # what a loop itself costs to compile, in instructions
CANDIDATES = 3    # periods that are looked at for each length of a window
MOST_TIMES = 8    # so many times the same kinds of instructions in one iteration


def find_runs(stream: Stream, smallest: int = SMALLEST) -> list[Run]:
    """Runs that do not overlap, in order; periods that save the most come first. ``smallest``: instructions that a loop has to save."""
    free = np.ones(len(stream.kinds), bool)
    found: list[Run] = []
    spans = {period: _regular_spans(stream, period, smallest) for period in candidate_periods(stream.kinds)}
    for period in [period for period in spans if not len(spans[period]) and _is_of_kinds(stream.kinds, period)]:
        # An iteration in which the same is done several times, to other operands: a function that is called twice.
        for times in range(2, 1 + min(MOST_TIMES, len(stream.kinds) // (FEWEST * period))):
            spans[times * period] = _regular_spans(stream, times * period, smallest)
            if len(spans[times * period]):
                break
    # What a period saves only falls as others take their tokens, so that the best by an old count is looked at again before it is taken.
    queue = [(-len(stream.kinds), period) for period in spans if len(spans[period])]
    heapq.heapify(queue)
    while queue:
        _, period = heapq.heappop(queue)
        runs = [run for run in _runs(stream, spans[period], period, free, smallest) if is_regular(stream, run)]
        saved = sum(min(LOOP, smallest // 2) - run.saved for run in runs)
        if queue and saved > queue[0][0]:
            if runs:
                heapq.heappush(queue, (saved, period))
            continue
        found += runs
        for run in runs:
            free[run.start:run.stop] = False
    return sorted(found)


def _is_of_kinds(kinds: np.ndarray, period: int) -> bool:
    """Do the kinds of instructions repeat with this period, for the most part?"""
    return 2 * np.count_nonzero(kinds[period:] == kinds[:-period]) > len(kinds)


def candidate_periods(kinds: np.ndarray) -> list[int]:
    """The most frequent distances from a window of kinds to its next occurrence, for windows of 1, 2, 4, … instructions."""
    found: set[int] = set()
    names, length = kinds.astype(np.uint64), 1
    while len(names) > FEWEST:
        if length <= 16 or length.bit_length() % 2:   # of long windows every other length will do
            distances = _distances(names)
            if not len(distances):
                break
            counts = np.bincount(distances)
            common = np.argsort(-counts, kind="stable")[:CANDIDATES]
            found.update(int(p) for p in common if counts[p] >= FEWEST and p * FEWEST <= len(kinds))
        # Windows of double length by a hash: a collision only proposes a period that is then found to be none.
        names = _mixed(names[:-length]) + names[length:]
        length *= 2
    return sorted(found)


def _distances(names: np.ndarray) -> np.ndarray:
    """From each name to its next occurrence."""
    order = np.argsort(names, kind="stable")
    return np.diff(order)[np.diff(names[order]) == 0]


def _mixed(names: np.ndarray) -> np.ndarray:
    """A hash of each number (the finaliser of SplitMix64, Steele, Lea & Flood 2014)."""
    names = (names ^ (names >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    names = (names ^ (names >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return names ^ (names >> np.uint64(31))


def _regular_spans(stream: Stream, period: int, smallest: int) -> np.ndarray:
    """(first, stop) of the stretches in which every token agrees with the next two periods: same kind, same stride."""
    kinds, addresses = stream.kinds, stream.addresses
    same = kinds[:-period] == kinds[period:]
    good = same[:-period] & same[period:]
    steps = addresses[period:] - addresses[:-period]
    good &= (steps[period:] == steps[:-period]).all(axis=1)
    return _stretches(good, max((FEWEST - 2) * period, smallest - period))


def _stretches(good: np.ndarray, shortest: int) -> np.ndarray:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]]).astype(np.int8)))
    spans = edges.reshape(-1, 2)
    return spans[spans[:, 1] - spans[:, 0] >= max(shortest, 1)]


def _runs(stream: Stream, spans: np.ndarray, period: int, free: np.ndarray, smallest: int) -> list[Run]:
    """The runs of a period inside these spans, as far as their tokens are free."""
    found = []
    taken = np.concatenate([[0], np.cumsum(~free)])
    for first, stop in spans:
        last = stop + 2 * period
        while taken[last] > taken[first]:   # cut at what another run has
            blocked = np.flatnonzero(~free[first:last]) + first
            gaps = np.concatenate([[first - 1], blocked, [last]])
            widest = int(np.argmax(np.diff(gaps)))
            first, last = int(gaps[widest]) + 1, int(gaps[widest + 1])
        shortest = _shortest(stream, int(first), int(last), period)
        first += _phase(stream, int(first), shortest) if last - first >= (FEWEST + 1) * shortest else 0
        run = _causal(stream, Run(int(first), shortest, int(last - first) // shortest), smallest)
        if run is not None:
            found.append(run)
    return found


def _shortest(stream: Stream, first: int, last: int, period: int) -> int:
    """The shortest part of a period that these tokens have as period too: what repeats with 2 repeats with 6."""
    kinds, addresses = stream.kinds[first:last], stream.addresses[first:last]
    for part in (d for d in range(1, period // 2 + 1) if period % d == 0):
        steps = addresses[part:] - addresses[:-part]
        if (kinds[part:] == kinds[:-part]).all() and (steps[part:] == steps[:-part]).all():
            return part
    return period


def _phase(stream: Stream, first: int, period: int) -> int:
    """By how many tokens a run should begin later, so that the fewest values go from one iteration to the next."""
    here = slice(first + period, first + 2 * period)
    step = stream.addresses[first + 2 * period:first + 3 * period] - stream.addresses[here]
    users, columns = np.nonzero(stream.is_value[here] & (step == period))
    back, makers = np.divmod(stream.addresses[here][users, columns] - first, period)
    lags = 1 - back
    near, next_ = np.full(period, -1), np.full(period, -1)     # the last user of each value, in its own iteration and in the one after
    np.maximum.at(near, makers[lags == 0], users[lags == 0])
    np.maximum.at(next_, makers[lags == 1], users[lags == 1])
    far = np.zeros(period, bool)
    far[makers[lags > 1]] = True
    # A value crosses a boundary before token s if it is made before s and used in its own iteration from s on, or used in the next one and not: made
    # from s on and used before s. ``changes`` counts the boundaries where values begin to cross, or cease to.
    changes = np.zeros(period + 1, np.int64)
    for maker in np.flatnonzero(far | (near > np.arange(period)) | (next_ >= 0)).tolist():
        if far[maker] or next_[maker] >= maker:
            changes[0] += 1
        elif next_[maker] >= 0:
            changes[[0, maker + 1]] += 1
            changes[next_[maker] + 1] -= 1
        else:
            changes[maker + 1] += 1
            changes[near[maker] + 1] -= 1
    return int(np.argmin(np.cumsum(changes)[:period]))


def _causal(stream: Stream, run: Run, smallest: int) -> Run | None:
    """The run without first iterations that use values of their own as if these came from before the loop."""
    while run.count >= FEWEST and run.saved >= smallest:
        first = stream.addresses[run.start:run.start + run.period]
        step = stream.addresses[run.start + run.period:run.start + 2 * run.period] - first
        outer = stream.is_value[run.start:run.start + run.period] & ~((first >= run.start) & (step == run.period))
        end = first + (run.count - 1) * step
        if (end >= run.start + (run.count - 1) * run.period)[outer].any():
            return None
        if not (first >= run.start)[outer].any():
            return run
        run = Run(run.start + run.period, run.period, run.count - 1)
    return None
