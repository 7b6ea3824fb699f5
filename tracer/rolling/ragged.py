"""What a loop in a loop has unrolled whose trip count depends on the outer one: stretches of a stream in which few bodies stand again and again,
neither equally often nor with operands at constant strides.

The place in the user's code where an operation was made tells which are one and the same: what mostly follows one another is a *body*, as in
the flow graph of a program. A stretch is then a table: which body, how often in a row, and where each of its operands lies.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.node import CONSTANT, Node
from .runs import Run
from .stream import FEWEST, Stream

LONGEST_RARE = 32   # operations that are not repeated and yet are not a reason to end a stretch
REPEATED = 4        # operations for each one of the bodies, at least
PER_STEP = 6        # operations for each step of the table, at least: it is read, and its branch guessed, once a step
DIFFERENT = 3       # loops of different lengths or trip counts, from which on a walk is made instead of them
FEW, LONG = 16, 200  # so few loops of so many iterations each are worth their code: a walk has no lanes
ROUNDS = 3          # how often operations are told apart further, by what is in front of them
NONE = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Ragged:
    """Tokens ``start .. stop`` as bodies.

    ``codes, heads``  for each execution which body it is of, and its first token, counted from ``start``
    ``lengths``       operations of each body
    ``operands``      of each token: the number of a token from ``start`` on, or -1 - the number of what is outside; ``NONE`` where there are fewer
    ``outside``       what comes from outside
    """

    start: int
    stop: int
    codes: np.ndarray
    heads: np.ndarray
    lengths: tuple[int, ...]
    operands: np.ndarray
    outside: list[Node]

    @property
    def size(self) -> int:
        """Operations of all bodies."""
        return sum(self.lengths)

    @property
    def is_worth_it(self) -> bool:
        """Are the bodies few, and the steps not too short?"""
        steps = 1 + np.count_nonzero(np.diff(self.codes))
        return max(self.size * REPEATED, steps * PER_STEP) <= self.stop - self.start

    def inside(self) -> np.ndarray:
        """Which operation of its own execution each operand is; -1 for what comes from elsewhere."""
        first = np.repeat(self.heads, np.diff(np.append(self.heads, len(self.operands))))[:, None]
        return np.where(self.operands >= first, self.operands - first, -1)


def find_ragged(stream: Stream, runs: list[Run], shortest: int) -> tuple[list[Run], list[Ragged]]:
    """(the runs that are left, stretches of at least ``shortest`` operations): between the runs, or instead of many that differ in length alone."""
    left = len(stream.nodes) - sum(run.stop - run.start for run in runs)
    if left < shortest and len(runs) < DIFFERENT:
        return runs, []
    kept, found, kinds = list(runs), [], _Kinds(stream.nodes)
    for start, stop in kinds.stretches(0, len(stream.nodes), shortest):
        inside = [run for run in runs if start < run.stop and run.start < stop]
        ragged = _instead_of(stream, kinds, start, stop, inside, shortest) if inside else in_bodies(stream, kinds, start, stop)
        if ragged is not None:
            found.append(ragged)
            kept = [run for run in kept if run not in inside]
        elif inside:
            found += _between(stream, kinds, start, stop, inside, shortest)
    return kept, found


def _instead_of(stream: Stream, kinds: _Kinds, start: int, stop: int, runs: list[Run], shortest: int) -> Ragged | None:
    """The whole stretch, where its loops and what they leave are much longer code. Many iterations of one loop are best left to it."""
    cost = stop - start - sum(run.saved for run in runs)
    is_one = 2 * max(run.stop - run.start for run in runs) > stop - start
    is_wide = len(runs) <= FEW and sum(run.count for run in runs) >= LONG * len(runs)
    is_within = all(start <= run.start and run.stop <= stop for run in runs)
    if cost < shortest or is_one or is_wide or not is_within or len({(run.period, run.count) for run in runs}) < DIFFERENT:
        return None
    ragged = in_bodies(stream, kinds, start, stop)
    return ragged if ragged is not None and ragged.size * REPEATED <= cost else None


def _between(stream: Stream, kinds: _Kinds, start: int, stop: int, runs: list[Run], shortest: int) -> list[Ragged]:
    found, here = [], start
    for low, high in [*[(run.start, run.stop) for run in runs], (stop, stop)]:
        if low - here >= shortest:
            found += [in_bodies(stream, kinds, *each) for each in kinds.stretches(here, low, shortest)]
        here = max(here, high)
    return [each for each in found if each is not None]


class _Kinds:
    """What makes two operations one: what they do, and where it is written."""

    def __init__(self, nodes: Sequence[Node]):
        self.nodes = nodes
        keys: dict[tuple, int] = {}
        examples: list[Node] = []
        found = np.empty(len(nodes), np.int64)
        for k, node in enumerate(nodes):
            code, offset = node.where or (None, 0)
            key = node.op, node.attrs, id(code), offset, node.type, *[operand.type for operand in node.inputs]   # to hash a code object takes 1 µs
            number = found[k] = keys.setdefault(key, len(keys))
            if number == len(examples):
                examples.append(node)
        places = _Places()
        self.numbers = _numbered([(n.op, n.attrs, places(n.where), n.type, *[o.type for o in n.inputs]) for n in examples])[found]
        self.walks = np.array([_can_walk(node) for node in examples])[found]
        floats = [{each.type.dtype for each in (node, *node.inputs) if each.type.is_float} for node in examples]
        self.precision = _numbered([frozenset(each) for each in floats])[found]
        self.no_float = np.array([not each for each in floats])[found]

    def stretches(self, start: int, stop: int, shortest: int) -> list[tuple[int, int]]:
        """(first, stop) of neighbours that can walk, most of which are repeated, with floats of one kind."""
        here = slice(start, stop)
        numbers, keep = self.numbers[here], self.walks[here].copy()
        rare = (np.bincount(numbers)[numbers] < FEWEST) | ~keep
        for a, b in _edges(rare):
            if b - a > LONGEST_RARE or a == 0 or b == len(rare):
                keep[a:b] = False
        return [(start + a, start + b) for a, b in _edges(keep) if b - a >= shortest and self._is_of_one_precision(start + a, start + b)]

    def _is_of_one_precision(self, start: int, stop: int) -> bool:
        return len(np.unique(self.precision[start:stop][~self.no_float[start:stop]])) == 1


def _can_walk(node: Node) -> bool:
    """Is a node an operation on scalars, floats of one kind or bools?"""
    nodes = node, *node.inputs
    is_plain = all(not each.type.shape and each.type.dtype.kind in "fb" for each in nodes)
    return node.op.kind == "elementwise" and is_plain and len({each.type.dtype for each in nodes if each.type.is_float}) <= 1


class _Places:
    """Where in the user's text operations are written. Positions are read once for each code: one by one they would take time that grows with its square."""

    def __init__(self):
        self._spans: dict[int, list[tuple]] = {}

    def __call__(self, where: tuple | None) -> Hashable:
        """The user's expression. A call that CPython has specialised in the meantime is at another instruction than before."""
        if where is None:
            return None
        code, offset = where
        spans = self._spans.get(id(code))
        if spans is None:
            spans = self._spans[id(code)] = list(code.co_positions())
        span = spans[max(offset, 0) // 2] if max(offset, 0) // 2 < len(spans) else (None,)
        return (id(code), offset) if None in span else (id(code), span)


def _edges(flags: np.ndarray) -> list[list[int]]:
    """(first, stop) of the neighbours that are set."""
    return np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))).reshape(-1, 2).tolist()


def _numbered(keys: Sequence[Hashable]) -> np.ndarray:
    """Equal numbers for equal keys, in the order of the first ones."""
    numbers: dict = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def _renumbered(numbers: np.ndarray) -> np.ndarray:
    """The same, for an array."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def in_bodies(stream: Stream, kinds: _Kinds, start: int, stop: int) -> Ragged | None:
    """The stretch as bodies; None where these would not be few, or no more than single operations."""
    numbers = _renumbered(kinds.numbers[start:stop])
    operands, outside = _operands(stream, start, stop)
    for _ in range(ROUNDS):
        ragged = _wired(numbers, operands, outside, start, stop)
        if ragged.is_worth_it:
            return ragged
        numbers = _told_apart(numbers)
    return None


def _operands(stream: Stream, start: int, stop: int) -> tuple[np.ndarray, list[Node]]:
    """(operands, outside) as in :class:`Ragged`. Of commutative operations numbers come first: ``0 + x`` starts many a sum, and what is added further is
    younger than the sum."""
    nodes = stream.nodes[start:stop]
    counts = np.fromiter((len(node.inputs) for node in nodes), np.int64, len(nodes))
    flat = [operand for node in nodes for operand in node.inputs]
    ids = np.fromiter((operand.id for operand in flat), np.int64, len(flat))
    tokens = stream.places[ids] - start
    beyond = np.flatnonzero(tokens < 0)
    _, first, number = np.unique(ids[beyond], return_index=True, return_inverse=True)
    outside = [flat[k] for k in beyond[first].tolist()]
    tokens[beyond] = -1 - number
    found = np.full((len(nodes), max(2, int(counts.max()))), NONE)
    found[np.arange(found.shape[1]) < counts[:, None]] = tokens
    is_number = np.array([node.op is CONSTANT for node in outside], bool)
    turned = np.fromiter((node.op.commutative for node in nodes), bool, len(nodes)) & (found[:, 1] < 0)
    turned[turned] = is_number[-1 - found[turned, 1]]
    found[turned, :2] = found[turned, 1::-1]
    return found, outside


def _told_apart(kinds: np.ndarray) -> np.ndarray:
    """Kinds that come behind several others, and behind none of them mostly, as several."""
    count = int(kinds.max()) + 1
    ways, number = np.unique(kinds[1:] * count + kinds[:-1], return_counts=True)
    most = np.zeros(count, np.int64)
    np.maximum.at(most, ways // count, number)
    is_vague = 2 * most <= np.bincount(kinds)
    before = np.append(-1, kinds[:-1])
    return _renumbered(kinds * (count + 1) + np.where(is_vague[kinds], before + 1, 0))


def _wired(kinds: np.ndarray, operands: np.ndarray, outside: list[Node], start: int, stop: int) -> Ragged:
    """Bodies in which each operand comes always from the same operation of the same execution, or never."""
    apart = np.zeros(int(kinds.max()) + 1, bool)    # kinds that have to begin a body
    while True:
        ragged = Ragged(start, stop, *_bodies(kinds, apart), operands, outside)
        mixed = kinds[_mixed(ragged)]
        if not len(mixed):
            return ragged
        apart[mixed] = True


def _bodies(kinds: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
    """(codes, heads, lengths): kinds that mostly follow one another, as bodies; where they do not, a part of a body is executed, which is one of its own."""
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
    bodies, codes = np.unique(kinds[heads] * (len(kinds) + 1) + lengths, return_inverse=True)
    return codes, heads, tuple((bodies % (len(kinds) + 1)).tolist())


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


def _mixed(ragged: Ragged) -> np.ndarray:
    """Tokens with an operand that comes now from the same execution of their body, now from elsewhere."""
    lengths = np.diff(np.append(ragged.heads, len(ragged.operands)))
    firsts = np.cumsum([0, *ragged.lengths[:-1]])
    leaves = np.repeat(firsts[ragged.codes] - ragged.heads, lengths) + np.arange(len(ragged.operands))   # of all bodies, one after another
    inside = ragged.inside()
    seen = np.empty((ragged.size, inside.shape[1]), np.int64)
    seen[leaves] = inside
    return np.flatnonzero((seen[leaves] != inside).any(axis=1))


__all__ = ["NONE", "Ragged", "find_ragged"]
