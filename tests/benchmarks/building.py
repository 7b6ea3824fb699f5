"""What happens once: the first result of a new function, and its trace."""

from __future__ import annotations

import gc
import resource
import statistics
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence

from .peers import Contender, Peer, load_peers, reason
from .problems import Problem, disagreement, with_numpy
from .registry import Row
from .timing import Effort, Timed, clocked, summary

Posed = tuple[Problem, tuple]


def first_result(pose: Callable[[int], Posed], small: Posed, effort: Effort, excluded: Mapping[str, str]) -> list[Row]:
    """Seconds from a peer's loss to its first value and gradient, peers in turn.

    ``pose(seed)`` makes problems; each is used once, so that nothing of it can have been compiled before. ``small`` is computed
    before, so that libraries are loaded.
    """
    peers, missing = load_peers()
    seconds: dict[str, list[float]] = {peer.name: [] for peer in peers}
    notes = {peer.name: excluded.get(peer.name) or _loaded(peer, small) for peer in peers}
    for build in range(effort.builds):
        for number, peer in enumerate(peers):
            if not notes[peer.name]:
                taken, notes[peer.name] = _first(peer, *pose(build * len(peers) + number))
                seconds[peer.name].append(taken)
    rows = [Row(peer.name, None, "s", peer.results, note=notes[peer.name]) if notes[peer.name] else _row(peer, summary(seconds[peer.name]))
            for peer in peers if not (peer.is_variant and notes[peer.name])]
    return rows + [Row(name, None, "s", note=note) for name, note in missing.items()]


def _loaded(peer: Peer, small: Posed) -> str:
    """Load what a peer loads at first; an error's text if there is one."""
    return _first(peer, *small)[1]


def _first(peer: Peer, problem: Problem, arguments: tuple) -> tuple[float, str]:
    """Seconds, and what went wrong or nothing."""
    expected = Contender(problem.hand, arguments).outputs()
    try:
        seconds, found = clocked(lambda: peer.make(problem, arguments).outputs())
    except Exception as error:  # whatever a peer raises belongs into its row
        return 0.0, reason(error)
    wrong = disagreement(found, expected)
    return seconds, f"WRONG: {wrong}" if wrong else ""


def _row(peer: Peer, timed: Timed) -> Row:
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


# Memory -------------------------------------------------------------------------------------------------------------------------

def kept(losses: Sequence[Callable], arguments: tuple, operations: int) -> Iterator[Row]:
    """Bytes for each traced operation that stay with Python after value and gradient are compiled (LLVM's own are not seen)."""
    from tracer import value_and_grad
    value_and_grad(losses[0], cache=False)(*arguments)  # what is kept once
    found = []
    for loss in losses[1:]:
        gc.collect()
        tracemalloc.start()
        compiled = value_and_grad(loss, cache=False)
        compiled(*arguments)
        gc.collect()
        found.append(tracemalloc.get_traced_memory()[0] / operations)
        tracemalloc.stop()
    yield Row("tracer", statistics.median(found), "bytes/operation")


def peak(loss: Callable, arguments: tuple) -> Iterator[Row]:
    """The most memory that this process has, with its libraries, while value and gradient are compiled."""
    from tracer import value_and_grad
    value_and_grad(loss, cache=False)(*arguments)
    yield Row("tracer", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MB")
