"""Eager against compiled: one NumPy function, run both ways, with the figures side by side."""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .api import Argnums, Level, value_and_grad
from .comparison_text import Row, as_html, as_text
from .eager_run import EagerRun, eager_calls, run_eagerly
from .errors import ArgumentError, TraceError
from .kinds import differences_in_kind
from .trace.arguments import Callee, callee_of, check_argnums, select
from .trace.static import Static
from .trace.trees import DATA, Describer

SECONDS_OF_TIMING = 0.05


@dataclass
class Comparison:
    """What :func:`compare` found. Prints as a table; in a notebook it is one.

    ``value`` and ``gradients`` hold ``(eager, compiled)`` pairs, the latter by argument; ``seconds`` the time of one call of many by "eager", "compiled"
    and, if it was asked for, "torch"; ``compile_seconds`` those of each stage; ``pays_after`` the number of calls after which compiling has paid (inf:
    never); ``nodes`` the operations on the eager "tape", "traced", "derived" and "simplified"; ``kinds`` the differences in kind, in words; ``refusal`` why
    the function cannot be compiled, or None.
    """

    name: str
    value: tuple
    gradients: dict[str, tuple]
    seconds: dict[str, float]
    compile_seconds: dict[str, float]
    nodes: dict[str, int]
    kinds: list[str] = field(default_factory=list)
    refusal: str | None = None

    @property
    def pays_after(self) -> float:
        saved = self.seconds["eager"] - self.seconds.get("compiled", math.inf)
        return math.ceil(sum(self.compile_seconds.values()) / saved) if saved > 0 else math.inf

    @property
    def rows(self) -> list[Row]:
        """Every number: the value, then the elements of each gradient."""
        found = [Row("value", float(self.value[0]), _number(self.value[1]), str(self.value[0].dtype))]
        for name, (eager, compiled) in self.gradients.items():
            for index in np.ndindex(eager.shape):
                label = f"d/d{name}" + (f"[{', '.join(map(str, index))}]" if index else "")
                found.append(Row(label, float(eager[index]), None if compiled is None else float(compiled[index]), str(eager.dtype)))
        return found

    @property
    def worst(self) -> Row:
        """The row that differs most, in units in the last place."""
        return max(self.rows, key=lambda row: row.ulps if row.compiled is not None else 0.0)

    def to_dict(self) -> dict[str, Any]:
        """All figures, of plain Python types."""
        rows = [asdict(row) | {"absolute": row.absolute, "relative": row.relative, "ulps": row.ulps} for row in self.rows]
        return {"name": self.name, "rows": rows, "seconds": dict(self.seconds), "compile_seconds": dict(self.compile_seconds),
                "pays_after": self.pays_after, "nodes": dict(self.nodes), "kinds": list(self.kinds), "refusal": self.refusal}

    def __str__(self) -> str:
        return as_text(self)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self)


def _number(value) -> float | None:
    return None if value is None else float(value)


# Measuring ---------------------------------------------------------------------------------------------------------------------------

def compare(f: Callable, *args: Any, argnums: Argnums | None = None, simplify: Level = "safe", torch: Callable | None = None) -> Comparison:
    """Run ``f`` at ``args`` eagerly and compiled, value and gradient, and set the figures side by side.

    ``f`` is plain NumPy code that returns one float, or what `grad` and its kin have made of it. ``argnums`` says with respect to which arguments, as in
    `grad`; without it, with respect to all that hold floats. ``torch``, if given, is the same function written for PyTorch; it is called with
    tensors of the same dtypes, and its time is measured too.
    """
    f = getattr(f, "py_func", f) if hasattr(f, "explain") else f
    callee = callee_of(f)
    argnums = check_argnums(_float_arguments(callee, args) if argnums is None else argnums)
    run = run_eagerly(callee, argnums, args)
    with eager_calls(callee, argnums) as call:
        seconds = _seconds(lambda: call(*args))
    found = Comparison(callee.name, (run.value, None), {name: (each, None) for name, each in zip(run.names, run.gradients)},
                       {"eager": seconds}, {}, {"tape": len(run.tape)}, differences_in_kind(run))
    try:
        _add_compiled(found, run, value_and_grad(f, argnums, simplify=simplify, cache=False), args)
    except TraceError as error:
        found.refusal = f"{type(error).__name__}: {error}"
    if torch is not None:
        _add_torch(found, torch, callee, argnums, args)
    return found


def _add_compiled(found: Comparison, run: EagerRun, compiled, args: Sequence) -> None:
    value, gradients = compiled(*args)
    leaves = [np.asarray(leaf) for leaf in _leaves(gradients)]
    record = compiled.explain().records[-1]
    found.value = run.value, np.asarray(value)
    found.gradients = {name: (eager, leaf) for name, eager, leaf in zip(run.names, run.gradients, leaves, strict=True)}
    found.seconds["compiled"] = _seconds(lambda: compiled(*args))
    found.compile_seconds = dict(record.seconds)
    found.nodes |= dict(zip(("traced", "derived", "simplified"), record.nodes))


def _leaves(tree) -> list:
    describer = Describer(lambda value, path: DATA if isinstance(value, (float, np.ndarray, np.generic)) else Static(None))
    describer(tree)
    return describer.leaves


def _float_arguments(callee: Callee, args: Sequence) -> tuple[int, ...]:
    def has_float(value):
        return any(np.asarray(leaf).dtype.kind == "f" for leaf in _leaves(value))
    found = tuple([k for k, each in enumerate(args) if has_float(each)])
    if any(hasattr(each, "detach") and hasattr(each, "numpy") for each in args):
        raise ArgumentError(f"{callee.name}() was given a tensor. compare() runs a function of NumPy's on arrays: pass x.detach().numpy(), and the same "
                            f"function written for PyTorch as torch=.")
    if not found:
        raise ArgumentError(f"{callee.name}() was given no float to differentiate with respect to. Write its numbers as floats, 3.0 instead of 3.")
    return found


def _seconds(call: Callable) -> float:
    """The median time of a call, over some hundredths of a second."""
    times, end = [], time.perf_counter() + SECONDS_OF_TIMING
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def _add_torch(found: Comparison, function: Callable, callee: Callee, argnums, args: Sequence) -> None:
    if not callable(function):
        raise ArgumentError(f"compare({callee.name}, ..., torch=...) takes the same function written for PyTorch, not {type(function).__name__}.")
    library = sys.modules.get("torch")
    if library is None:
        raise ArgumentError(f"compare({callee.name}, ..., torch=...) measures a function written for PyTorch, which has not been imported. "
                            f"Write `import torch` first, or leave torch= away.")
    wanted = {place[0] - len(callee.hidden) for place in select(argnums, callee, callee.bind((*callee.hidden, *args), {})).places}
    variables: list = []
    tensors = [_as_tensors(library, each, k in wanted, variables) for k, each in enumerate(args)]
    value = float(function(*tensors).detach())
    tolerance = 1e-5 if found.value[0].dtype == np.float64 else 1e-3
    if not math.isclose(value, float(found.value[0]), rel_tol=tolerance, abs_tol=1e-12) and not (math.isnan(value) and math.isnan(found.value[0])):
        found.kinds.append(f"torch: the function that was given gives {value:.6g}, and {callee.name} gives {float(found.value[0]):.6g}: they are not the same.")
    found.seconds["torch"] = _seconds(lambda: library.autograd.grad(function(*tensors), variables, allow_unused=True))


def _as_tensors(library, value, wanted: bool, variables: list):
    """An argument as PyTorch's tensors, tree by tree; the floats that gradients are wanted of are appended to ``variables``."""
    if isinstance(value, dict):
        return {key: _as_tensors(library, each, wanted, variables) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        parts = [_as_tensors(library, each, wanted, variables) for each in value]
        return parts if isinstance(value, list) else type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        return value
    made = library.tensor(array, requires_grad=wanted and array.dtype.kind == "f")
    if made.requires_grad:
        variables.append(made)
    return made
