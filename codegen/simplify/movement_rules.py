"""Rewrites of movements: reads of what was just placed, placements of what was just placed. All exact: no number is computed.

Their conditions are about shapes and attributes, so the replacements are functions ``(rewriter, node, bindings) -> Node or None``.
"""

from __future__ import annotations

import math

import numpy as np

from tracer.graph.node import CONSTANT, Node, constant_value
from tracer.ops import TABLE

from .pattern import AnyElementwise, Call, Rule, Variable, operation

RESHAPE, TRANSPOSE, BROADCAST, INDEX = TABLE["reshape"], TABLE["transpose"], TABLE["broadcast_to"], TABLE["index"]


def _same_type(rewriter, node: Node, bound) -> Node | None:
    operand = node.inputs[0]
    return operand if operand.type is node.type else None


def _reshape_twice(rewriter, node: Node, bound) -> Node:
    return rewriter.node(RESHAPE, (bound["x"],), node.attrs)


def _transpose_twice(rewriter, node: Node, bound) -> Node:
    first = node.inputs[0].attrs[0]
    return rewriter.node(TRANSPOSE, (bound["x"],), (tuple([first[axis] for axis in node.attrs[0]]),))


def _transpose_ones(rewriter, node: Node, bound) -> Node | None:
    """Moving axes of length 1 about leaves every element where it is."""
    shape = bound["x"].type.shape
    moved = [axis for axis in node.attrs[0] if shape[axis] != 1]
    return rewriter.node(RESHAPE, (bound["x"],), (node.type.shape,)) if moved == sorted(moved) else None


def _reshape_number(rewriter, node: Node, bound) -> Node | None:
    """A number has one spelling as an array of one element: the one that element-wise operations take away again."""
    return rewriter.broadcast(bound["x"], node.type.shape) if not bound["x"].type.shape else None


def _reshape_stretched_number(rewriter, node: Node, bound) -> Node | None:
    return rewriter.broadcast(bound["x"], node.type.shape) if not bound["x"].type.shape else None


def _transpose_nothing(rewriter, node: Node, bound) -> Node | None:
    return node.inputs[0] if node.attrs[0] == tuple(range(node.type.ndim)) else None


def _broadcast_twice(rewriter, node: Node, bound) -> Node:
    return rewriter.broadcast(bound["x"], node.type.shape)


def _broadcast_aligned(rewriter, node: Node, bound) -> Node | None:
    """A reshape that only put axes of length 1 in front does what broadcasting does anyway."""
    x, between = bound["x"], node.inputs[0].type.shape
    return rewriter.broadcast(x, node.type.shape) if _leading_ones(x.type.shape, between) else None


def _leading_ones(shape: tuple[int, ...], longer: tuple[int, ...]) -> bool:
    lead = len(longer) - len(shape)
    return lead >= 0 and longer[lead:] == shape and all(n == 1 for n in longer[:lead])


def _broadcast_operand(rewriter, node: Node, bound) -> Node:
    """Element-wise operations broadcast by themselves; where their operands do not need the stretching, they come before it."""
    inputs = tuple([o.inputs[0] if o.op is BROADCAST else o for o in node.inputs])
    return rewriter.broadcast(rewriter.node(node.op, inputs, node.attrs), node.type.shape)


def _reshape_operand(rewriter, node: Node, bound) -> Node | None:
    """Leading axes of length 1 come by themselves where another operand has as many axes."""
    inputs = tuple([o.inputs[0] if o.op is RESHAPE and _leading_ones(o.inputs[0].type.shape, o.type.shape) else o for o in node.inputs])
    if inputs == node.inputs or max(o.type.ndim for o in inputs) < node.type.ndim:
        return None
    return rewriter.node(node.op, inputs, node.attrs)


def _index_everything(rewriter, node: Node, bound) -> Node | None:
    """A read of all elements in their order only drops axes of length 1, if anything."""
    x = node.inputs[0]
    for entry, length in zip(node.attrs[0], x.type.shape):
        if isinstance(entry, int):
            if length != 1:
                return None
        elif entry[1] != length or (length > 1 and entry[2] != 1):
            return None
    return rewriter.node(RESHAPE, (x,), (node.type.shape,))


def _index_twice(rewriter, node: Node, bound) -> Node:
    outer = iter(node.attrs[0])
    spec = []
    for entry in node.inputs[0].attrs[0]:
        if isinstance(entry, int):
            spec.append(entry)
            continue
        start, _, step = entry
        read = next(outer)
        spec.append(start + read * step if isinstance(read, int) else (start + read[0] * step, read[1], step * read[2]))
    return rewriter.node(INDEX, (bound["x"],), (_normal(spec),))


def _normal(spec) -> tuple:
    """Empty and one-element reads have one spelling each."""
    return tuple([entry if isinstance(entry, int) or entry[1] > 1 else (entry[0] if entry[1] else 0, entry[1], 1) for entry in spec])


def _index_broadcast(rewriter, node: Node, bound) -> Node:
    """Read from what was stretched, then stretch what was read."""
    x = bound["x"]
    lead = node.inputs[0].type.ndim - x.type.ndim
    spec, kept = [], []
    for length, entry in zip(x.type.shape, node.attrs[0][lead:]):
        stretched = length == 1
        if isinstance(entry, int):
            spec.append(0 if stretched else entry)
        else:
            spec.append((0, 1, 1) if stretched else entry)
            kept.append(1 if stretched else entry[1])
    read = rewriter.node(INDEX, (x,), (tuple(spec),)) if spec else x
    return rewriter.broadcast(read, node.type.shape)


def _index_concatenate(rewriter, node: Node, bound) -> Node | None:
    """A read that stays within one piece is a read from that piece."""
    joined = node.inputs[0]
    axis, spec = joined.attrs[0], node.attrs[0]
    entry = spec[axis]
    if isinstance(entry, int):
        low = high = entry
    elif entry[1]:
        low, high = sorted((entry[0], entry[0] + (entry[1] - 1) * entry[2]))
    else:
        return None
    start = 0
    for piece in joined.inputs:
        stop = start + piece.type.shape[axis]
        if start <= low and high < stop:
            inner = entry - start if isinstance(entry, int) else (entry[0] - start, entry[1], entry[2])
            return rewriter.node(INDEX, (piece,), ((*spec[:axis], inner, *spec[axis + 1:]),))
        if stop > low:
            return None
        start = stop
    return None


def _concatenate_one(rewriter, node: Node, bound) -> Node | None:
    return node.inputs[0] if len(node.inputs) == 1 else None


def _assemble_constants(rewriter, node: Node, bound) -> Node | None:
    """Pieces that are zero add nothing to the zeros below them."""
    shape, specs = node.attrs
    kept = [(piece, spec) for piece, spec in zip(node.inputs, specs) if not _is_zero(piece)]
    if len(kept) == len(specs):
        return None
    if not kept:
        return rewriter.broadcast(rewriter.constant(0, node.type.dtype), shape)
    return rewriter.node(TABLE["assemble"], tuple([piece for piece, _ in kept]), (shape, tuple([spec for _, spec in kept])))


def _is_zero(node: Node) -> bool:
    if node.op is BROADCAST:
        node = node.inputs[0]
    return node.op is CONSTANT and not node.attrs[2] and not any(node.attrs[1])  # -0.0 has a bit


def _cast_twice(rewriter, node: Node, bound) -> Node | None:
    """A detour through a dtype that holds every value of the first is none."""
    x, between = bound["x"], node.inputs[0].type.dtype
    if not np.can_cast(x.type.dtype, between, "safe"):
        return None
    return x if x.type is node.type else rewriter.node(node.op, (x,), node.attrs)


def _sum_of_equals(rewriter, node: Node, bound) -> Node | None:
    """The sum of n equal numbers is n times the number, if no partial sum is rounded. It follows from the extents, as n does."""
    number, shape = bound["x"], node.inputs[0].type.shape
    if number.op is not CONSTANT or number.attrs[2] or not number.type.is_float:
        return None
    value = constant_value(number)
    count = math.prod([shape[axis] for axis in node.attrs[0]])
    numerator = abs(float(value).as_integer_ratio()[0]) if math.isfinite(value) else math.inf
    odd_part = numerator / (numerator & -numerator) if 0 < numerator < math.inf else numerator
    if odd_part * count >= 2.0 ** np.finfo(node.type.dtype).nmant or math.copysign(1.0, value) < 0 == value:
        return None
    total = rewriter.builder.constant(value * node.type.dtype.type(count), node.type.dtype, run_time=True, where=rewriter.where)
    return rewriter.broadcast(total, node.type.shape)


def _reduce_nothing(rewriter, node: Node, bound) -> Node | None:
    return node.inputs[0] if not node.attrs[0] else None


x = Variable("x")
reshape, transpose, broadcast_to, index, cast = map(operation, ("reshape", "transpose", "broadcast_to", "index", "cast"))
concatenate = operation("concatenate")

MOVEMENT_RULES = (
    Rule(reshape(reshape(x)), _reshape_twice, on="any", label="reshape(reshape(x)) -> reshape(x)"),
    Rule(reshape(x), _same_type, on="any", label="reshape to the same shape -> x"),
    Rule(transpose(transpose(x)), _transpose_twice, on="any", label="transpose(transpose(x)) -> transpose(x)"),
    Rule(reshape(x), _reshape_number, on="any", label="reshape(number) -> broadcast_to(number)"),
    Rule(reshape(broadcast_to(x)), _reshape_stretched_number, on="any", label="reshape(broadcast_to(number)) -> broadcast_to(number)"),
    Rule(transpose(x), _transpose_nothing, on="any", label="transpose in the same order -> x"),
    Rule(transpose(x), _transpose_ones, on="any", label="transpose of axes of length 1 -> reshape(x)"),
    Rule(broadcast_to(x), _same_type, on="any", label="broadcast_to the same shape -> x"),
    Rule(broadcast_to(broadcast_to(x)), _broadcast_twice, on="any", label="broadcast_to(broadcast_to(x)) -> broadcast_to(x)"),
    Rule(broadcast_to(reshape(x)), _broadcast_aligned, on="any", label="broadcast_to(leading axes of length 1) -> broadcast_to(x)"),
    Rule(AnyElementwise(BROADCAST), _broadcast_operand, on="any", label="elementwise(broadcast_to(x), y) -> elementwise(x, y)"),
    Rule(AnyElementwise(RESHAPE), _reshape_operand, on="any", label="elementwise(leading axes of length 1, y) -> elementwise(x, y)"),
    Rule(index(x), _index_everything, on="any", label="index of all elements -> reshape(x)"),
    Rule(index(index(x)), _index_twice, on="any", label="index(index(x)) -> index(x)"),
    Rule(index(broadcast_to(x)), _index_broadcast, on="any", label="index(broadcast_to(x)) -> broadcast_to(index(x))"),
    Rule(index(concatenate(x)), _index_concatenate, on="any", label="index(concatenate(...)) -> index(piece)"),
    Rule(concatenate(x), _concatenate_one, on="any", label="concatenate of one -> x"),
    Rule(Call(TABLE["assemble"], (x,)), _assemble_constants, on="any", label="assemble of zeros -> fewer pieces"),
    Rule(cast(cast(x)), _cast_twice, on="any", label="cast(cast(x)) -> cast(x)"),
    Rule(cast(x), _same_type, on="any", label="cast to the same dtype -> x"),
    Rule(operation("sum")(broadcast_to(x)), _sum_of_equals, label="sum(broadcast_to(number)) -> n * number"),
    *(Rule(operation(name)(x), _reduce_nothing, on="any", label=f"{name} over no axes -> x") for name in ("sum", "prod", "max", "min", "any", "all")),
)
