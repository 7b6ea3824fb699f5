"""How compiled objects travel: those of a module by their name, others as the function and the options."""

from __future__ import annotations

import importlib.util
import pickle
import sys
from collections.abc import Callable
from contextvars import ContextVar


def by_name(module: str | None, qualname: str):
    """What a module binds to a dotted name, or None."""
    found = sys.modules.get(module or "")
    for part in qualname.split("."):
        found = getattr(found, part, None)
    return found


_being_shipped: ContextVar[tuple] = ContextVar("tracer_being_shipped", default=())


def travels_by_name_alone(module: str, function: Callable) -> bool:
    """Whether what a module binds need not be sent along with its name.

    A worker of joblib has a ``__main__`` of its own, which lacks what the script has defined. A function that refers to itself
    travels once.
    """
    return module != "__main__" or importlib.util.find_spec("cloudpickle") is None or any(each is function for each in _being_shipped.get())


class Shipped:
    """A function as bytes of cloudpickle."""

    def __init__(self, function: Callable):
        import cloudpickle

        token = _being_shipped.set((*_being_shipped.get(), function))
        try:
            self.data = cloudpickle.dumps(function)
        finally:
            _being_shipped.reset(token)

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
