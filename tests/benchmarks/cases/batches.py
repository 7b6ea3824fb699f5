"""Batches: a million gradients of a function of four numbers, ten million options, threads, and fresh results."""

import statistics

import heyoka
import jax
import numba
import numpy as np
from scipy.special import ndtr

from codegen.batch import threads
from tracer import jit, value_and_grad

from ..machine import cores
from ..problems import disagreement
from ..problems.batches import COUNT, greeks, heyoka_function, jax_functions, jax_greeks, options, samples, scalar_loop, wave
from ..problems.kepler import anomaly, by_hand, by_jax, planets
from ..problems.pinned import medians, sines
from ..registry import Ask, Row, case
from ..timing import interleaved

COLUMNS, FRESH, ROWS = "tracer, columns", "tracer, columns, fresh", "tracer, rows"
OVER_FILL, OVER_ONE, OVER_COPY = "fresh results of 40 MB over filling", "two threads over one", "over copying the same bytes"
MANY_OPTIONS = 10_000_000


def compared(calls: dict, effort) -> dict:
    """Time ``name: (results, function, arguments)`` in turn; rows by name."""
    timed = interleaved([(function, arguments) for _, function, arguments in calls.values()], effort)
    return {name: Row(name, each.median, "s", results, each.spread) for (name, (results, *_)), each in zip(calls.items(), timed, strict=True)}


@case("batch-wave", "1,000,000 values and gradients of a function of four numbers",
      Ask(0.75, ("heyoka cfunc",), COLUMNS), Ask(0.2, ("JAX, vmap over rows", "JAX, vmap over columns", "JAX, four columns"), COLUMNS),
      Ask(0.4, ("scalar Numba",), COLUMNS), Ask(1.25, (COLUMNS,), ROWS))
def _(effort):
    X = samples()
    batch = value_and_grad(wave).batch
    value, gradient, both, by_hand = np.zeros(COUNT), np.zeros((4, COUNT)), np.zeros((5, COUNT)), np.zeros((4, COUNT))
    rows, row_gradient, hand_value = np.ascontiguousarray(X.T), np.zeros((COUNT, 4)), np.zeros(COUNT)
    function, loop = heyoka_function(heyoka), scalar_loop(numba)
    one = {"parallel": len(cores()) > 1}
    calls = {COLUMNS: ("out=", lambda: batch(X.T, out=(value, gradient.T), **one), ()), FRESH: ("fresh", lambda: batch(X.T, **one), ()),
             ROWS: ("out=", lambda: batch(rows, out=(value, row_gradient), **one), ()), "tracer, rows, fresh": ("fresh", lambda: batch(rows, **one), ()),
             "heyoka cfunc": ("out=", lambda: function(inputs=X, outputs=both), ()), "scalar Numba": ("out=", loop, (X, hand_value, by_hand))}
    for name, (compiled, placed) in jax_functions(jax).items():
        calls[name] = ("device", lambda *a, compiled=compiled: jax.block_until_ready(compiled(*a)), placed(X))
    found = compared(calls, effort)
    for other, text in ((both[1:], "heyoka"), (by_hand, "by hand"), (row_gradient.T, "rows")):
        assert not disagreement([other], [gradient]), text
    yield from found.values()


@case("batch-kepler", "100,000 planets: Kepler's equation by a `while`, with both derivatives")
def _(effort):
    m, e = planets()
    batch, loop, compiled = value_and_grad(anomaly, argnums=(0, 1)).batch, by_hand(numba), by_jax(jax)
    value, slopes, hand = np.zeros(len(m)), (np.zeros(len(m)), np.zeros(len(m))), [np.zeros(len(m)) for _ in range(3)]
    placed = jax.numpy.asarray(m), jax.numpy.asarray(e)
    one = {"parallel": len(cores()) > 1}
    found = compared({"tracer": ("out=", lambda: batch(m, e, out=(value, slopes), **one), ()), "scalar Numba": ("out=", loop, (m, e, *hand)),
                      "JAX, vmap of while_loop, two tangents": ("device", lambda: jax.block_until_ready(compiled(*placed)), ())}, effort)
    for other in (hand, [np.asarray(each) for each in compiled(*placed)]):
        assert not disagreement(other, [value, *slopes])
    yield from found.values()


@case("batch-greeks", "Six numbers of 10,000,000 Black–Scholes calls", Ask(0.2, ("JAX",)), Ask(1.5, subject=OVER_COPY))
def _(effort):
    given = options(MANY_OPTIONS)
    out = tuple(np.zeros(MANY_OPTIONS) for _ in range(6))
    compiled, placed = jax_greeks(jax), tuple(map(jax.numpy.asarray, given))
    calls = {"tracer": ("out=", lambda: greeks.batch(*given, out=out, parallel=len(cores()) > 1), ()),
             "JAX": ("device", lambda: jax.block_until_ready(compiled(*placed)), ()),
             "copying the same bytes": ("out=", lambda: [np.copyto(a, b) for a, b in zip(out, (*given, given[0]), strict=True)], ())}
    if len(cores()) == 1:
        calls["the functions alone, one pass each"] = _functions(given, out)
    found = compared(calls, effort)
    greeks.batch(*given, out=out)
    assert not disagreement(list(out), [np.asarray(each) for each in compiled(*placed)])
    bound = max(row.value for name, row in found.items() if name not in ("tracer", "JAX"))
    yield Row(OVER_COPY, found["tracer"].value / bound, "× the larger of copying and the vector functions")
    yield from found.values()


def _functions(given, out):
    """What the vector mathematics of one option costs in lanes and nothing else: a logarithm, an exponential, and two distribution functions with their
    densities, which share an exponential."""
    batch = jit(lambda x, y: np.log(x) + np.exp(-y) + ndtr(x * 0.01) + np.exp(-0.5 * ((x * 0.01) * (x * 0.01))) + ndtr(y) + np.exp(-0.5 * (y * y))).batch
    return "out=", lambda: batch(given[0], given[3], out=out[0], parallel=False), ()


@case("batch-threads", "Two threads: a batch of 1,000,000 samples that is not bound by memory", Ask(0.55, subject=OVER_ONE), threads=(2,))
def _(effort):
    assert threads.thread_count() == 2
    for count, name in ((COUNT, OVER_ONE), (200_000, f"{OVER_ONE}, 200,000 samples")):
        batch, x, out = sines(count)
        found = compared({"one thread": ("out=", lambda: batch(x, out=out, parallel=False), ()),
                          "two threads": ("out=", lambda: batch(x, out=out, parallel=True), ())}, effort)
        yield Row(name, found["two threads"].value / found["one thread"].value, "× one thread")
        if count == COUNT:
            yield from found.values()
    pair = cores()[:2]
    alone = statistics.mean(medians([core])[0] for core in pair)
    yield Row("two processes at once, each on its core, over one", statistics.mean(medians(pair)) / 2 / alone, "× one process",
              note="what two cores of this machine are good for")


@case("batch-fresh", "Fresh results of 40 MB", Ask(1.1, subject=OVER_FILL))
def _(effort):
    x = np.random.default_rng(0).random(625_000)
    batch = jit(lambda x: tuple([x + k for k in range(8)])).batch
    found = compared({"tracer": ("fresh", lambda: batch(x, parallel=False), ()),
                      "np.full": ("fresh", lambda: [np.full(len(x), 1.0) for _ in range(8)], ())}, effort)
    yield Row(OVER_FILL, found["tracer"].value / found["np.full"].value, "× filling a fresh array")
    yield from found.values()
