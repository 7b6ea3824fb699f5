"""What a loop in a loop has unrolled whose trip count depends on the outer one: stretches of a stream in which few bodies stand again and again,
neither equally often nor with operands at constant strides.

The place in the user's code where an operation was made tells which are one and the same: what mostly follows one another is a *body*, as in
the flow graph of a program. A stretch is then a table: which body, how often in a row, and where each of its operands lies.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.node import CONSTANT, Node
from .periods import Run
from .stream import FEWEST, Stream, is_element

LONGEST_RARE = 32   # operations that are not repeated and yet are not a reason to end a stretch
REPEATED = 4        # operations for each one of the bodies, at least
PER_STEP = 6        # operations for each step of the table, at least: it is read, and its branch guessed, once a step
DIFFERENT = 3       # loops of different lengths or trip counts, from which on a walk is made instead of them
ROUNDS = 3          # how often operations are told apart further, by what is in front of them


@dataclass(frozen=True, slots=True)
class Ragged:
    """Tokens ``start .. stop`` as bodies. Token ``start + heads[e] + leaf`` is operation ``leaf`` of execution ``e``, which is one of body ``codes[e]``."""

    start: int
    stop: int
    codes: np.ndarray
    heads: np.ndarray
    lengths: tuple[int, ...]    # operations of each body

    @property
    def size(self) -> int:
        """Operations of all bodies."""
        return sum(self.lengths)

    @property
    def is_worth_it(self) -> bool:
        """Are the bodies few, and the steps not too short?"""
        steps = 1 + np.count_nonzero(np.diff(self.codes))
        return max(self.size * REPEATED, steps * PER_STEP) <= self.stop - self.start


def find_ragged(stream: Stream, runs: list[Run], shortest: int) -> tuple[list[Run], list[Ragged]]:
    """(the runs that are left, stretches of at least ``shortest`` operations): between the runs, or instead of many that differ in length alone."""
    kept, found = list(runs), []
    for start, stop in _stretches(stream.nodes, shortest):
        inside = [run for run in runs if start < run.stop and run.start < stop]
        ragged = _instead_of(stream, start, stop, inside, shortest) if inside else in_bodies(stream, start, stop)
        if ragged is not None:
            found.append(ragged)
            kept = [run for run in kept if run not in inside]
        elif inside:
            found += _between(stream, start, stop, runs, shortest)
    return kept, found


def _instead_of(stream: Stream, start: int, stop: int, runs: list[Run], shortest: int) -> Ragged | None:
    """The whole stretch, where its loops and what they leave are much longer code. Many iterations of one loop are best left to it."""
    cost = stop - start - sum(run.saved for run in runs)
    is_one = 2 * max(run.stop - run.start for run in runs) > stop - start
    is_within = all(start <= run.start and run.stop <= stop for run in runs)
    if cost < shortest or is_one or not is_within or len({(run.period, run.count) for run in runs}) < DIFFERENT:
        return None
    ragged = in_bodies(stream, start, stop)
    return ragged if ragged is not None and ragged.size * REPEATED <= cost else None


def _between(stream: Stream, start: int, stop: int, runs: list[Run], shortest: int) -> list[Ragged]:
    found, here = [], start
    for low, high in [*[(run.start, run.stop) for run in runs if run.stop > start and run.start < stop], (stop, stop)]:
        if low - here >= shortest:
            found += [in_bodies(stream, here + a, here + b) for a, b in _stretches(stream.nodes[here:low], shortest)]
        here = max(here, high)
    return [each for each in found if each is not None]


def _can_walk(node: Node) -> bool:
    """Is a node an operation on scalars, floats or bools?"""
    return node.op.kind == "elementwise" and _is_plain(node) and all(map(_is_plain, node.inputs))


def operands_of(node: Node) -> Sequence[Node]:
    """The operands, where their order is free numbers first: ``0 + x`` starts many a sum, and what is added further is younger than the sum."""
    inputs = node.inputs
    return inputs[::-1] if node.op.commutative and inputs[1].op is CONSTANT else inputs


def _is_plain(node: Node) -> bool:
    return not node.type.shape and node.type.dtype.kind in "fb"


def _stretches(nodes: Sequence[Node], shortest: int) -> list[tuple[int, int]]:
    """(first, stop) of neighbours that can walk, most of which are repeated, with floats of one kind."""
    keys = _numbered([(node.op, node.attrs, _written_at(node.where)) if _can_walk(node) else None for node in nodes])
    rare = np.bincount(keys)[keys] < FEWEST
    keep = np.array([_can_walk(node) for node in nodes])
    for a, b in _edges(rare):
        if b - a > LONGEST_RARE or a == 0 or b == len(nodes):
            keep[a:b] = False
    return [(a, b) for a, b in _edges(keep) if b - a >= shortest
            and len({each.type.dtype for node in nodes[a:b] for each in (node, *node.inputs) if each.type.is_float}) == 1]


@functools.lru_cache(maxsize=4096)
def _written_at(where: tuple | None) -> Hashable:
    """The user's expression. A call that CPython has specialised in the meantime is at another instruction than before."""
    if where is None:
        return None
    code, offset = where
    span = next(itertools.islice(code.co_positions(), max(offset, 0) // 2, None), (None,))
    return where if None in span else (code, span)


def _edges(flags: np.ndarray) -> list[list[int]]:
    """(first, stop) of the neighbours that are set."""
    return np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))).reshape(-1, 2).tolist()


def _numbered(keys: Sequence[Hashable]) -> np.ndarray:
    """Equal numbers for equal keys, in the order of the first ones."""
    numbers: dict = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def in_bodies(stream: Stream, start: int, stop: int) -> Ragged | None:
    """The stretch as bodies; None where these would not be few, or no more than single operations."""
    kinds = _numbered(_kinds_of(stream.nodes[start:stop]))
    for _ in range(ROUNDS):
        ragged = _wired(stream, kinds, start, stop)
        if ragged.is_worth_it:
            return ragged
        kinds = _told_apart(kinds)
    return None


def _kinds_of(nodes: Sequence[Node]) -> list[Hashable]:
    """What makes two operations one: what they do, and where it is written. A number belongs to it if it is the same everywhere."""
    keys = [(node.op, node.attrs, _written_at(node.where), *[o.type.dtype for o in node.inputs]) for node in nodes]
    numbers: dict[Hashable, set] = {}
    for key, node in zip(keys, nodes):
        for position, operand in enumerate(operands_of(node)):
            numbers.setdefault((key, position), set()).add(operand if operand.op is CONSTANT else None)
    fixed = {place for place, found in numbers.items() if len(found) == 1 and None not in found}
    return [(key, *[o if (key, k) in fixed else None for k, o in enumerate(operands_of(node))]) for key, node in zip(keys, nodes)]


def _told_apart(kinds: np.ndarray) -> np.ndarray:
    """Kinds that come behind several others, and behind none of them mostly, as several."""
    count = int(kinds.max()) + 1
    ways, number = np.unique(kinds[1:] * count + kinds[:-1], return_counts=True)
    most = np.zeros(count, np.int64)
    np.maximum.at(most, ways // count, number)
    is_vague = 2 * most <= np.bincount(kinds)
    before = np.append(-1, kinds[:-1])
    return _numbered((kinds * (count + 1) + np.where(is_vague[kinds], before + 1, 0)).tolist())


def _wired(stream: Stream, kinds: np.ndarray, start: int, stop: int) -> Ragged:
    """Bodies in which each operand comes always from the same operation of the same execution, or never."""
    apart = np.zeros(int(kinds.max()) + 1, bool)    # kinds that have to begin a body
    while True:
        ragged = _bodies(kinds, apart, start, stop)
        mixed = kinds[_mixed(stream, ragged)]
        if not len(mixed):
            return ragged
        apart[mixed] = True


def _bodies(kinds: np.ndarray, apart: np.ndarray, start: int, stop: int) -> Ragged:
    """Kinds that mostly follow one another, as bodies; where they do not, only a part of a body is executed, which is one of its own."""
    count = len(apart)
    pairs, number = np.unique(kinds[:-1] * count + kinds[1:], return_counts=True)
    before, after = np.divmod(pairs, count)
    occurrences = np.bincount(kinds, minlength=count)
    mostly = (2 * number > occurrences[before]) & (2 * number > occurrences[after]) & ~apart[after]
    following = np.full(count, -1)
    following[before[mostly]] = after[mostly]
    _open_rings(following)
    heads = np.flatnonzero(np.append(True, following[kinds[:-1]] != kinds[1:]))
    lengths = np.diff(np.append(heads, len(kinds)))
    bodies, codes = np.unique(kinds[heads] * (count + 1) + lengths, return_inverse=True)
    return Ragged(start, stop, codes, heads, tuple((bodies % (count + 1)).tolist()))


def _open_rings(following: np.ndarray) -> None:
    """What goes round is cut in front of the kind that was there first."""
    seen = np.zeros(len(following), bool)
    for first in [*np.setdiff1d(np.arange(len(following)), following).tolist(), *range(len(following))]:
        kind = first
        while kind >= 0 and not seen[kind]:
            seen[kind] = True
            if following[kind] == first:
                following[kind] = -1
            kind = following[kind]


def _mixed(stream: Stream, ragged: Ragged) -> list[int]:
    """Tokens with an operand that comes now from the same execution of their body, now from elsewhere."""
    seen: dict[tuple, int] = {}
    mixed = []
    for code, head in zip(ragged.codes.tolist(), ragged.heads.tolist()):
        first = ragged.start + head
        for leaf in range(ragged.lengths[code]):
            for position, operand in enumerate(operands_of(stream.nodes[first + leaf])):
                token = None if operand.op is CONSTANT or is_element(operand) else stream.token_of(operand)
                inside = -1 if token is None or token < first else token - first
                if seen.setdefault((code, leaf, position), inside) != inside:
                    mixed.append(head + leaf)
    return mixed


__all__ = ["Ragged", "find_ragged", "operands_of"]
