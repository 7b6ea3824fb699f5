"""``while_loop``: a loop that turns as long as a condition holds, known when it runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import CarryError
from ..trace.capture import variables
from ..trace.context import Trace
from ..trace.trees import Describer, build
from ..trace.turning import turned
from ..trace.value import Traced, as_traced
from .calls import holds, kind, leaf, place, trace_of
from .carried import RETRACED, Carried


def while_loop(cond_fun: Callable, body_fun: Callable, init_val: Any) -> Any:
    """``value = body_fun(value)`` as long as ``cond_fun(value)`` is true, beginning with ``init_val``; returns the last value.

    The value is a tree of numbers and arrays that keeps its structure, shapes and dtypes; ``cond_fun`` returns one bool. Semantics are those of
    ``jax.lax.while_loop``, but this one has gradients: a gradient keeps what its way back asks of the value in each iteration, in memory that grows with
    their number, and gives it back when the call ends. Derivatives have any order.

    Raises CarryError (a TypeError) where the value does not fit; MemoryError where there is none left.
    """
    describer = Describer(leaf)
    spec = describer(init_val, (("arg", "init_val"),))
    trace = trace_of(describer.leaves)
    if trace is None:
        value = init_val
        while holds(cond_fun(value)):
            value = body_fun(value)
        return value
    carried = Carried(trace, spec, describer.leaves, describer.paths, "while_loop")
    for _ in range(RETRACED):
        going = _asked(cond_fun(build(spec, iter(carried.leaves))), trace)
        given = variables(trace, carried.types(), carried.weak())
        value = carried.fitted(body_fun(build(spec, iter(given))))
        if value is not None:
            again = _asked(cond_fun(build(spec, iter(value))), trace)
            return build(spec, iter(turned(trace, going, carried.leaves, given, again, value)))
    raise CarryError(f"the body of while_loop(){place()} returns another dtype for its value each time: start with an array of the dtype that it is to have.")


def _asked(answer, trace: Trace) -> Traced:
    """The condition as a bool of the graph."""
    value = as_traced(answer, trace) if not isinstance(answer, (tuple, list, dict, type(None))) else None
    if value is None or value.shape:
        what = kind(answer) if value is None else f"an array of shape {value.shape}"
        raise CarryError(f"the condition of while_loop(){place()} returns {what}; it must return one bool. Reduce it with np.any or np.all.")
    return value if value.dtype == bool else value != 0


__all__ = ["while_loop"]
