"""Arrays that a caller gives for results: checks, in the machine code of both kinds of entry, that they can be written into."""
from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from llvmlite import ir

from .emit import BIT, WORD, ZERO, Emitter, item_bytes
from .table import RecordWord
from .types import Signature


class Call(NamedTuple):
    """What a call has laid out: head, buffers, words and strides."""

    signature: Signature
    head: ir.Value
    buffers: ir.Value
    words: ir.Value
    strides: ir.Value


class Given(NamedTuple):
    """An array that was given for a result whose extents stand at `place` of the record; `others`: the ranges of those before it."""

    dtype: str
    place: int
    data: ir.Value
    extents: list[ir.Value]
    others: list[tuple[ir.Value, ir.Value]]


def check_given(emit: Emitter, call: Call, record: ir.Value, number: int, given: Given, failure: ir.Block) -> None:
    """Go to `failure`, with an exception set, if an array that was given for a result has not its shape, or shares memory with another."""
    wrong = BIT(0)
    for k, extent in enumerate(given.extents):
        wrong = emit.or_(wrong, emit.icmp_signed("!=", extent, emit.get(record, RecordWord.EXTENTS + given.place + k)))
    with emit.if_then(wrong, likely=False):
        emit.ask_python(call.head, "refuse_shape", emit.ptrtoint(record, WORD), WORD(number))
        emit.branch(failure)
    start, stop = emit.ptrtoint(given.data, WORD), WORD(item_bytes(given.dtype))
    for extent in given.extents:
        stop = emit.mul(stop, extent)
    stop = emit.add(start, stop)
    shared = BIT(0)
    for low, high in [*_ranges(emit, call), *given.others]:
        shared = emit.or_(shared, emit.and_(emit.icmp_unsigned("<", low, stop), emit.icmp_unsigned("<", start, high)))
    with emit.if_then(shared, likely=False):
        emit.ask_python(call.head, "refuse_overlap", WORD(number))
        emit.branch(failure)
    given.others.append((start, stop))


def _ranges(emit: Emitter, call: Call) -> Iterator[tuple[ir.Value, ir.Value]]:
    """First and last address of each array argument; the same twice for empty ones."""
    axis = 0
    for i, leaf in enumerate(call.signature.leaves):
        if not leaf.is_array:
            continue
        low = high = emit.get(call.buffers, i)
        empty = BIT(0)
        for k in range(axis, axis + leaf.ndim):
            extent = emit.get(call.words, k)
            reach = emit.mul(emit.sub(extent, WORD(1)), emit.get(call.strides, k))
            backwards = emit.icmp_signed("<", reach, ZERO)
            low = emit.add(low, emit.select(backwards, reach, ZERO))
            high = emit.add(high, emit.select(backwards, ZERO, reach))
            empty = emit.or_(empty, emit.icmp_signed("==", extent, ZERO))
        axis += leaf.ndim
        yield low, emit.select(empty, low, emit.add(high, WORD(item_bytes(leaf.dtype))))
