"""How compiled objects travel: those of a module by their name, others as the function and the options."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from collections.abc import Callable


def by_name(module: str | None, qualname: str):
    """What a module binds to a dotted name, or None."""
    found = sys.modules.get(module or "")
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


class Shipped:
    """A function as bytes of cloudpickle."""

    def __init__(self, function: Callable):
        import cloudpickle

        self.data = cloudpickle.dumps(function)

    def __call__(self):
        return pickle.loads(self.data)


def unpickled(function) -> Callable:
    """The function that :func:`pickled` took in."""
    return function() if isinstance(function, Shipped) else function


def pickled(function, of: str):
    """The function itself where pickle finds it by name, otherwise as bytes; a clear error when that takes a missing package."""
    if by_name(getattr(function, "__module__", None), getattr(function, "__qualname__", "")) is function or not hasattr(function, "__code__"):
        return function
    if importlib.util.find_spec("cloudpickle") is None:
        raise pickle.PicklingError(f"{of} cannot be pickled: its function is defined inside another or is a lambda. "
                                   f"Define it at the top of a module, or install cloudpickle: pip install cloudpickle.")
    return Shipped(function)
