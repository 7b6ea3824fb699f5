"""What becomes of the values of a nest: stores, totals, running totals, positions of extremes, scattered additions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codegen.loops import ArgReduce, Gather, Load, Reduce, Root, Scan, Scatter, Store, accumulates, register_axes
from codegen.schedule.structured import identity_of
from tracer.ops import TABLE

from .expressions import Expression, number, template
from .text import INDENT

if TYPE_CHECKING:
    from .nests import NestWriter

# How two values of a reduction, scan or scatter are combined: an in-place operator, or a function.
_OPERATORS = {TABLE["sum"]: "+", TABLE["cumsum"]: "+", TABLE["prod"]: "*", TABLE["cumprod"]: "*", TABLE["any"]: "|", TABLE["all"]: "&"}
_FUNCTIONS = {TABLE["max"]: "np.maximum({0}, {1})", TABLE["min"]: "np.minimum({0}, {1})"}  # NaN wins in both
_START = {TABLE["cumsum"]: TABLE["sum"], TABLE["cumprod"]: TABLE["prod"]}
_BEYOND = {TABLE["argmax"]: (">", TABLE["max"]), TABLE["argmin"]: ("<", TABLE["min"])}


def write_root(nest: NestWriter, root: Root) -> None:
    """Add the statements of a root to its nest."""
    _WRITERS[type(root)](nest, root)


def _store(nest: NestWriter, root: Store) -> None:
    if nest.variables.get(root.value) is root:
        return
    value = nest.values[root.value]
    target = nest.target(root)
    if root.accumulate:
        nest.innermost(_combined(TABLE["sum"], target, value, root.buffer.dtype), value.line)
    else:
        nest.innermost(f"{target} = {value.text}", value.line)


def _reduce(nest: NestWriter, root: Reduce) -> None:
    value, dtype = nest.values[root.value], root.buffer.dtype
    axes = register_axes(root, nest.rank)
    if not axes:
        nest.innermost(_combined(root.op, nest.target(root), value, dtype), value.line)
        return
    first = min(axes)
    adds = accumulates(root, nest.rank)
    in_memory = bool(root.buffer.shape) or adds
    target = nest.target(root)
    total = nest.text.names.take(root.op.name) if in_memory else target
    nest.before[first].append(f"{total} = {number(identity_of(root.op, dtype), dtype).text}")
    nest.innermost(_combined(root.op, total, value, dtype), value.line)
    if adds:
        nest.after[first].append(_combined(root.op, target, Expression(total), dtype))
    elif in_memory:
        nest.after[first].append(f"{target} = {total}")


def _scan(nest: NestWriter, root: Scan) -> None:
    value, dtype = nest.values[root.value], root.buffer.dtype
    running = nest.text.names.take("running")
    nest.before[root.axis].append(f"{running} = {number(identity_of(_START[root.op], dtype), dtype).text}")
    nest.innermost(_combined(root.op, running, value, dtype), value.line)
    nest.innermost(f"{nest.target(root)} = {running}")


def _arg_reduce(nest: NestWriter, root: ArgReduce) -> None:
    """Strictly beyond the best so far, or the first NaN."""
    sign, extreme = _BEYOND[root.op]
    names, value = nest.text.names, nest.values[root.value]
    instruction = nest.nest.body[root.value]
    dtype = instruction.buffer.dtype if isinstance(instruction, (Load, Gather)) else instruction.dtype
    if not value.text.isidentifier():
        name = names.take("value")
        nest.innermost(f"{name} = {value.text}", value.line)
        value = Expression(name)
    best, position = names.take("best"), names.take("position")
    nest.before[root.axis] += [f"{best} = {number(identity_of(extreme, dtype), dtype).text}", f"{position} = 0"]
    first_nan = f" or ({value.text} != {value.text} and {best} == {best})" if dtype.kind == "f" else ""
    nest.innermost(f"if {value.text} {sign} {best}{first_nan}:")
    nest.innermost(f"{INDENT}{best} = {value.text}")
    nest.innermost(f"{INDENT}{position} = {nest.text.counters[root.axis]}")
    nest.after[root.axis].append(f"{nest.target(root)} = {position}")


def _scatter(nest: NestWriter, root: Scatter) -> None:
    value = nest.values[root.value]
    nest.innermost(_combined(TABLE["sum"], nest.at_indices(root), value, root.buffer.dtype), value.line)


def _combined(op, old: str, value: Expression, dtype: np.dtype) -> str:
    """The statement that takes a value into a total. Numba would widen a small integer."""
    operator = _OPERATORS.get(op)
    wide = dtype.kind in "fb" or dtype.itemsize == 8
    if operator is not None and (wide or "[" in old):
        return f"{old} {operator}= {value.text}"
    text = _FUNCTIONS[op] if operator is None else f"{{0}} {operator} {{1}}"
    pattern = template(text if wide else f"np.{dtype.name}({text})")
    return f"{old} = {pattern.fill([Expression(old), value])}"


_WRITERS = {Store: _store, Reduce: _reduce, Scan: _scan, ArgReduce: _arg_reduce, Scatter: _scatter}
