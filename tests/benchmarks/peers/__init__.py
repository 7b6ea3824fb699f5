"""The peers: each makes a callable value-and-gradient of a problem, in its own best way, or says why it cannot.

A peer's module imports the peer's package at its top; it is loaded only when something is measured, so that this package can be
imported where no peer is installed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..problems import Inapplicable, Problem

MODULES = ("tracer", "numba", "numpy", "jax", "torch", "autograd", "casadi", "heyoka")


@dataclass(frozen=True)
class Contender:
    """What is timed, ``call(*arguments)``, and how value and gradients are read out of what it returns."""

    call: Callable
    arguments: tuple
    read: Callable[[Any], Iterable] = field(default=lambda returned: flat(returned))

    def outputs(self) -> list[np.ndarray]:
        """Value and gradients as arrays, of one call."""
        return [np.asarray(each, dtype=np.float64) for each in self.read(self.call(*self.arguments))]


@dataclass(frozen=True)
class Peer:
    """A way to make contenders. ``make(problem, arguments)`` builds and compiles all that can be compiled before the first call."""

    name: str
    results: str
    make: Callable[[Problem, tuple], Contender]
    is_variant: bool = False  # of another peer: no row where it does not apply


PEERS: dict[str, Peer] = {}
_failures: dict[str, str] = {}


def peer(name: str, results: str, *, is_variant: bool = False) -> Callable:
    """Register a function that makes contenders."""
    def register(make: Callable[[Problem, tuple], Contender]) -> Callable:
        PEERS[name] = Peer(name, results, make, is_variant)
        return make
    return register


def load_peers() -> tuple[list[Peer], dict[str, str]]:
    """The peers that can be imported, and for the others the reason."""
    for module in MODULES:
        try:
            importlib.import_module(f".{module}", __name__)
        except Exception as error:  # a broken installation must not end the comparison of the others
            _failures[module] = reason(error)
    return list(PEERS.values()), _failures


def reason(error: BaseException) -> str:
    """An exception as one short line."""
    return str(error) if isinstance(error, Inapplicable) else f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def flat(returned: Any) -> list:
    """The leaves of nested tuples and lists."""
    if isinstance(returned, (tuple, list)):
        return [leaf for part in returned for leaf in flat(part)]
    return [returned]
