"""What happens once: the first result of a new function, and its trace."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from .peers import Contender, Peer, load_peers, reason
from .problems import Problem, disagreement, with_numpy
from .registry import Row
from .timing import clocked, summary

Posed = tuple[Problem, tuple]


def first_result(posed: Sequence[Posed], small: Posed, excluded: Mapping[str, str]) -> list[Row]:
    """Seconds from a peer's loss to its first value and gradient, for one new problem after the other, peers in turn.

    ``small`` is computed before, so that libraries are loaded. Every problem is another one: nothing of it was compiled before.
    """
    peers, missing = load_peers()
    rows = {peer.name: list(_first_results(peer, posed, small)) if peer.name not in excluded else [excluded[peer.name]] for peer in peers}
    return [_row(peer, rows[peer.name]) for peer in peers if not (peer.is_variant and isinstance(rows[peer.name][0], str))] + [
        Row(name, None, "s", note=note) for name, note in missing.items()]


def _first_results(peer: Peer, posed: Sequence[Posed], small: Posed) -> Iterator[float | str]:
    try:
        peer.make(*small).outputs()
        for problem, arguments in posed:
            seconds, found = clocked(lambda: peer.make(problem, arguments).outputs())
            wrong = disagreement(found, Contender(problem.hand, arguments).outputs())
            yield f"WRONG: {wrong}" if wrong else seconds
    except Exception as error:  # whatever a peer raises belongs into its row
        yield reason(error)


def _row(peer: Peer, found: Sequence[float | str]) -> Row:
    notes = [each for each in found if isinstance(each, str)]
    if notes:
        return Row(peer.name, None, "s", peer.results, note=notes[0])
    timed = summary(found)
    return Row(peer.name, timed.median, "s", peer.results, timed.spread)


# Tracing ------------------------------------------------------------------------------------------------------------------------

def tracing(losses: Sequence[Callable], arguments: tuple, operations: int) -> Iterator[Row]:
    """Microseconds an operation that it takes to record functions, without derivative and compiler."""
    for name, trace in {"tracer": _trace, "JAX": _jaxpr, "CasADi": _casadi}.items():
        try:
            trace(losses[0], arguments)
            yield Row(name, statistics.median(trace(loss, arguments) for loss in losses) / operations * 1e6, "µs/operation")
        except Exception as error:  # as above
            yield Row(name, None, "µs/operation", note=reason(error))


def _trace(loss: Callable, arguments: tuple) -> float:
    from tracer import jit
    compiled = jit(loss, simplify=False)
    compiled.lower(*arguments)
    return compiled.explain().records[-1].seconds["trace"]


def _jaxpr(loss: Callable, arguments: tuple) -> float:
    import jax
    return clocked(jax.make_jaxpr(with_numpy(loss, jax.numpy)), *arguments)[0]


def _casadi(loss: Callable, arguments: tuple) -> float:
    import casadi
    return clocked(with_numpy(loss, casadi), casadi.SX.sym("x", arguments[0].size))[0]
