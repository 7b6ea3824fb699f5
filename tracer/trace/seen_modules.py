"""Modules as a traced function sees them: their content is seen through; random numbers, clocks and ``input`` are refused, for a trace would freeze them."""

from __future__ import annotations

import operator
import random
import time
import types
from collections.abc import Callable

import numpy as np

from ..errors import ImpureError
from .context import user_line_of, user_location

IMPURE_MODULES = {np.random: "np.random", random: "random", time: "time"}


def impure(name: str) -> Callable:
    """What stands for a function whose outcome a trace would freeze."""
    draws = "Draw the numbers before the call and pass them as an argument, or make the generator inside, with a seed: np.random.default_rng(0)."
    cure = {"input": "Read the value before the call and pass it as an argument.",
            "time": "Measure time outside the function."}.get(name.partition(".")[0], draws)

    def refuse(*args, **kwargs):
        if name == "np.random.default_rng" and (seed := [*args, *kwargs.values()]) and seed[0] is not None:
            return np.random.default_rng(seed[0] if isinstance(seed[0], (list, tuple)) else operator.index(seed[0]))  # draws the same in each call
        line = user_line_of(user_location(2))
        raise ImpureError(f"{name}() inside a traced function ({line}): it is called once, while the graph is built, "
                          f"and every later call would see the same outcome. {cure}")
    return refuse


class SeenModule(types.ModuleType):
    """A module whose attributes are seen through, each when it is first read."""

    def __init__(self, module: types.ModuleType, see: Callable):
        super().__init__(module.__name__, module.__doc__)
        object.__setattr__(self, "_tracer_module", module)
        object.__setattr__(self, "_tracer_see", see)

    def __getattr__(self, name: str):
        value = self._tracer_see(getattr(self._tracer_module, name), f"{self._tracer_module.__name__}.{name}")
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value) -> None:
        setattr(self._tracer_module, name, value)
        self.__dict__[name] = value

    def __dir__(self):
        return dir(self._tracer_module)


class RefusingObject:
    """A module or generator of random numbers, or of time: what it has can be named but not called."""

    def __init__(self, target, name: str):
        self._target = target
        self._name = name

    def __getattr__(self, name: str):
        value = getattr(self._target, name)
        if isinstance(value, type) or not callable(value):
            return value
        return impure(f"{self._name}.{name}")
