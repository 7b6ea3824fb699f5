"""What a loop in a loop has unrolled whose trip count depends on the outer one: stretches of a stream in which few bodies stand again and again,
neither equally often nor with operands at constant strides.

The place in the user's code where an operation was made tells which are one and the same: what always follows one another is a *body*, as in
the flow graph of a program. A stretch is then a table: which body, how often in a row, and where each of its operands lies.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from ..graph.node import CONSTANT, Node
from .periods import Run
from .stream import FEWEST, Stream, is_element

LONGEST_RARE = 32   # operations that are not repeated and yet are not a reason to end a stretch
REPEATED = 4        # operations for each one of the bodies, at least
PER_STEP = 6        # operations for each step of the table, at least: it is read, and its branch guessed, once a step
MOST_RUNS = 8       # loops that differ in their trip count alone, from which on they are one walk


@dataclass(frozen=True, slots=True)
class Ragged:
    """Tokens ``start .. stop`` as bodies. Token ``start + heads[e] + leaf`` is operation ``leaf`` of execution ``e``, which is one of body ``codes[e]``."""

    start: int
    stop: int
    codes: np.ndarray
    heads: np.ndarray
    lengths: tuple[int, ...]    # operations of each body


def without_ragged(stream: Stream, runs: list[Run]) -> list[Run]:
    """The runs without those that are one loop with another trip count each time."""
    alike: dict[Hashable, list[Run]] = {}
    for run in runs:
        alike.setdefault((run.period, tuple(np.sort(stream.kinds[run.start:run.start + run.period]).tolist())), []).append(run)
    ragged = {run for group in alike.values() if len(group) >= MOST_RUNS and len({run.count for run in group}) > 1 for run in group}
    return [run for run in runs if run not in ragged]


def find_ragged(stream: Stream, runs: list[Run], shortest: int) -> list[Ragged]:
    """Stretches between the runs, of at least ``shortest`` operations."""
    found, here = [], 0
    for stop, after in [*[(run.start, run.stop) for run in runs], (len(stream.nodes), 0)]:
        if stop - here >= shortest:
            for a, b in _stretches(stream.nodes[here:stop], shortest):
                ragged = in_bodies(stream, here + a, here + b)
                if ragged is not None:
                    found.append(ragged)
        here = after
    return found


def can_walk(node: Node) -> bool:
    """Is a node an operation on scalars, of one kind of float or bools?"""
    return node.op.kind == "elementwise" and _is_plain(node) and all(map(_is_plain, node.inputs))


def operands_of(node: Node) -> Sequence[Node]:
    """The operands, where their order is free numbers first: ``0 + x`` starts many a sum, and what is added further is younger than the sum."""
    inputs = node.inputs
    return inputs[::-1] if node.op.commutative and inputs[1].op is CONSTANT else inputs


def _is_plain(node: Node) -> bool:
    return not node.type.shape and node.type.dtype.kind in "fb"


def _stretches(nodes: Sequence[Node], shortest: int) -> list[tuple[int, int]]:
    """(first, stop) of neighbours that can walk, most of which are repeated."""
    keys = _numbers([(node.op, node.attrs, node.where) if can_walk(node) else None for node in nodes])
    rare = np.bincount(keys)[keys] < FEWEST
    walks = np.array([can_walk(node) for node in nodes])
    edges = np.flatnonzero(np.diff(np.concatenate([[0], rare.astype(np.int8), [0]]))).reshape(-1, 2)
    keep = walks.copy()
    for a, b in edges:
        if b - a > LONGEST_RARE or a == 0 or b == len(nodes):
            keep[a:b] = False
    spans = np.flatnonzero(np.diff(np.concatenate([[0], keep.astype(np.int8), [0]]))).reshape(-1, 2)
    dtype_of = [node.type.dtype if node.type.is_float else None for node in nodes]
    return [(int(a), int(b)) for a, b in spans if b - a >= shortest and len({d for d in dtype_of[a:b] if d is not None}) == 1]


def _numbers(keys: Sequence[Hashable]) -> np.ndarray:
    numbers: dict = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], np.int64)


def in_bodies(stream: Stream, start: int, stop: int) -> Ragged | None:
    """The stretch as bodies; None where these would not be few."""
    nodes = stream.nodes[start:stop]
    kinds = _numbers(_kinds_of(nodes))
    apart = np.zeros(int(kinds.max()) + 1, bool)    # kinds that have to begin a body
    while True:
        ragged = _bodies(kinds, apart, start, stop)
        mixed = _mixed(stream, ragged, kinds)
        if not len(mixed):
            break
        apart[mixed] = True
    steps = 1 + np.count_nonzero(np.diff(ragged.codes))
    return ragged if sum(ragged.lengths) * REPEATED <= stop - start and steps * PER_STEP <= stop - start else None


def _kinds_of(nodes: Sequence[Node]) -> list[Hashable]:
    """What makes two operations one: what they do, and where it is written. A number belongs to it if it is the same everywhere."""
    keys = [(node.op, node.attrs, node.where, *[o.type.dtype for o in node.inputs]) for node in nodes]
    numbers: dict[Hashable, set] = {}
    for key, node in zip(keys, nodes):
        for position, operand in enumerate(operands_of(node)):
            numbers.setdefault((key, position), set()).add(operand if operand.op is CONSTANT else None)
    fixed = {place for place, found in numbers.items() if len(found) == 1 and None not in found}
    return [(key, *[o if (key, k) in fixed else None for k, o in enumerate(operands_of(node))]) for key, node in zip(keys, nodes)]


def _bodies(kinds: np.ndarray, apart: np.ndarray, start: int, stop: int) -> Ragged:
    """Kinds that always follow one another, as bodies."""
    count = len(apart)
    pairs = np.unique(kinds[:-1] * count + kinds[1:])
    before, after = np.divmod(pairs, count)
    ways_out, ways_in = np.bincount(before, minlength=count), np.bincount(after, minlength=count)
    ways_in[kinds[0]] += 1
    ways_out[kinds[-1]] += 1
    joined = (ways_out[before] == 1) & (ways_in[after] == 1) & ~apart[after]
    following = dict(zip(before[joined].tolist(), after[joined].tolist()))
    is_head = np.ones(count, bool)
    is_head[after[joined]] = False
    lengths, code_of = [], np.full(count, -1)
    for head in np.flatnonzero(is_head).tolist():
        code_of[head], length = len(lengths), 1
        while head in following:
            head, length = following[head], length + 1
        lengths.append(length)
    heads = np.flatnonzero(is_head[kinds])
    return Ragged(start, stop, code_of[kinds[heads]], heads, tuple(lengths))


def _mixed(stream: Stream, ragged: Ragged, kinds: np.ndarray) -> np.ndarray:
    """The kinds with an operand that comes now from the same execution of their body, now from elsewhere."""
    execution = np.repeat(np.arange(len(ragged.heads)), np.diff(np.append(ragged.heads, len(kinds))))
    seen: dict[tuple, tuple] = {}
    mixed = set()
    for at, node in enumerate(stream.nodes[ragged.start:ragged.stop]):
        head = ragged.heads[execution[at]]
        for position, operand in enumerate(operands_of(node)):
            token = None if operand.op is CONSTANT or is_element(operand) else stream.token_of(operand)
            inside = -1 if token is None or token < ragged.start + head else token - ragged.start - int(head)
            if seen.setdefault((int(kinds[at]), position), inside) != inside:
                mixed.add(int(kinds[at]))
    return np.array(sorted(mixed), np.int64)


__all__ = ["Ragged", "find_ragged", "operands_of", "without_ragged"]
