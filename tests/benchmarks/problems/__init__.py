"""What is differentiated: functions in plain NumPy, with a gradient by hand and, where a peer is better served by words of its own, those.

A formulation is a function ``build(module, *arguments)`` that is given the peer's package and example arguments.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


class Inapplicable(Exception):
    """A peer cannot express a problem, or nobody would wait for it; the text says why."""


@dataclass(frozen=True)
class Problem:
    """A function of some arrays, differentiated with respect to the first ``parameters`` of them.

    ``loss`` is what a user writes, in plain NumPy. ``hand`` returns ``(value, gradients...)`` and is the reference.
    """

    loss: Callable
    hand: Callable
    parameters: int = 1
    formulations: dict[str, Callable] = field(default_factory=dict)

    @property
    def argnums(self) -> int | tuple[int, ...]:
        """0 for one parameter, which makes the gradient an array and no tuple."""
        return 0 if self.parameters == 1 else tuple(range(self.parameters))

    def formulation(self, language: str) -> Callable:
        """Register a peer's own formulation."""
        def register(build: Callable) -> Callable:
            self.formulations[language] = build
            return build
        return register

    def own(self, language: str, module: Any, arguments: tuple) -> Any:
        """A peer's own formulation; it must have one."""
        if language not in self.formulations:
            raise Inapplicable(f"there is no formulation for {language}")
        return self.formulations[language](module, *arguments)

    def loss_for(self, languages: tuple[str, ...], module: Any, namespace: Any, arguments: tuple) -> tuple[Callable, tuple]:
        """The loss and its arguments: in the first of ``languages`` that it is formulated in, or the NumPy text with ``namespace`` as ``np``.

        A formulation gives the loss alone, or with arguments of its own, which hold the same data in another layout.
        """
        for language in languages:
            if language in self.formulations:
                own = self.own(language, module, arguments)
                return own if isinstance(own, tuple) else (own, arguments)
        return with_numpy(self.loss, namespace), arguments


def with_numpy(function: Callable, namespace: Any) -> Callable:
    """The same code with another module in the place of ``np``, for its helpers in the same file too."""
    names = dict(function.__globals__, np=namespace)
    for name, each in function.__globals__.items():
        if isinstance(each, types.FunctionType) and each.__globals__ is function.__globals__:
            names[name] = types.FunctionType(each.__code__, names, each.__name__, each.__defaults__, each.__closure__)
    return types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)


TOLERANCE = 1e-9


def disagreement(found: list, expected: list) -> str:
    """Where numbers differ by more than 1e-9, relative to each entry or, for small ones, to the median entry of their array; else empty."""
    if len(found) != len(expected):
        return f"{len(found)} results where {len(expected)} are expected"
    for index, (a, b) in enumerate(zip(found, expected)):
        if np.size(a) != np.size(b):
            return f"result {index} has shape {np.shape(a)}, expected {np.shape(b)}"
        size = np.abs(np.ravel(b))
        error = np.abs(np.ravel(a) - np.ravel(b)) / np.maximum(size, np.median(size))
        if not np.all(error <= TOLERANCE):
            return f"result {index} differs by {np.max(error):.1e} (relative)"
    return ""
