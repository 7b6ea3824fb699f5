"""What is measured: cases, the figures asked for, and the rows that measuring gives."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from .timing import Effort

SUBJECT = "tracer"  # the peer that the others are compared with


@dataclass(frozen=True)
class Row:
    """One figure of one peer; ``value`` is None where there is none, and ``note`` says why."""

    peer: str
    value: float | None
    unit: str                      # "s" for times, otherwise what is counted
    results: str = ""              # "fresh", "out=", "device": who owns the memory of the results
    spread: tuple[float, float] | None = None
    note: str = ""


@dataclass(frozen=True)
class Ask:
    """A figure to reach: at most ``at_most`` times the fastest row of ``peers``, or, without peers, at most so many units."""

    at_most: float
    peers: tuple[str, ...] = ()
    subject: str = SUBJECT


@dataclass(frozen=True)
class Case:
    """A measurement with a name; ``threads`` are the numbers of cores on which it is run, one process each."""

    name: str
    title: str
    threads: tuple[int, ...]
    asks: tuple[Ask, ...]
    measure: Callable[[Effort], Iterable[Row]] = field(repr=False)


CASES: dict[str, Case] = {}


def case(name: str, title: str, *asks: Ask, threads: tuple[int, ...] = (1,)) -> Callable:
    """Register a function that measures and returns rows."""
    def register(measure: Callable[[Effort], Iterable[Row]]) -> Callable:
        assert name not in CASES, name
        CASES[name] = Case(name, title, threads, asks, measure)
        return measure
    return register


def load_cases() -> dict[str, Case]:
    """All cases, in the order of the report."""
    for module in ("rosenbrock", "logistic", "network", "mixture", "programs", "loops", "compiles", "eager", "startup", "warm", "calls", "batches", "sampler"):
        importlib.import_module(f".cases.{module}", __package__)
    return CASES
