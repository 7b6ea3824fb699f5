"""One problem, all peers: their numbers are checked, then their calls are timed in turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .peers import Contender, Peer, load_peers, reason
from .problems import Problem, disagreement
from .registry import Row
from .timing import Effort, interleaved


@dataclass(frozen=True)
class Entrant:
    """A peer with its contender, or the reason why it has none."""

    peer: Peer
    contender: Contender | None
    note: str = ""


def per_call(problem: Problem, arguments: tuple, effort: Effort, excluded: Mapping[str, str] | None = None) -> list[Row]:
    """Seconds a call of every peer. ``excluded`` names peers that are not tried, with the reason."""
    peers, missing = load_peers()
    expected = Contender(problem.hand, arguments).outputs()
    entrants = [enter(peer, problem, arguments, expected, excluded or {}) for peer in peers]
    entrants = [each for each in entrants if each.contender or not each.peer.is_variant]
    running = [each for each in entrants if each.contender]
    times = iter(interleaved([(each.contender.call, each.contender.arguments) for each in running], effort))
    rows = []
    for each in entrants:
        timed = next(times) if each.contender else None
        rows.append(Row(each.peer.name, timed and timed.median, "s", each.peer.results, timed and timed.spread, each.note))
    return rows + [Row(name, None, "s", note=note) for name, note in missing.items()]


def enter(peer: Peer, problem: Problem, arguments: tuple, expected: list, excluded: Mapping[str, str]) -> Entrant:
    """Build a peer's contender and check its numbers: a wrong one is not timed."""
    if peer.name in excluded:
        return Entrant(peer, None, excluded[peer.name])
    try:
        contender = peer.make(problem, arguments)
        wrong = disagreement(contender.outputs(), expected)
    except Exception as error:  # whatever a peer raises belongs into its row, and the others go on
        return Entrant(peer, None, reason(error))
    return Entrant(peer, None, f"WRONG: {wrong}") if wrong else Entrant(peer, contender)
