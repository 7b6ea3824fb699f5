"""Loops that the data end, in lanes: rounds until the last lane has ended, masked; and the way back through them.

The last piece of a round replaces what lies in the slots of states by what the round has made, where the lane goes on: lanes that have ended keep their
bits, whatever the round makes of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codegen.loops import Affine, Buffer, Store
from codegen.schedule.while_loop import loop_of, needed, taped
from tracer.graph.graph import Graph, live_nodes
from tracer.graph.node import Node
from tracer.ops import TABLE
from tracer.ops.while_loop import states_of

from .pieces import Piece, Turning, Unwinding

if TYPE_CHECKING:
    from .lower import Lowering

_AND, _WHERE, _UNWIND = TABLE["bitwise_and"], TABLE["where"], TABLE["unwind"]
_BOOL = np.dtype(bool)
HERE = Affine(0, ())


@dataclass(eq=False, slots=True)
class Recording:
    """What a loop has left for the way back: the number of its tape, and the states on it in their order there."""

    tape: int
    states: list[int]


def turn(lowering: Lowering, node: Node) -> None:
    """All outputs of a ``while``."""
    if node not in lowering.at:
        _run(lowering, node, lowering.graph.siblings(node))


def unwind(lowering: Lowering, node: Node) -> None:
    """All outputs of an ``unwind``. What it goes back through is run now, unless its value was asked for and it has been."""
    if node in lowering.at:
        return
    recording = lowering.recordings.get(loop_of(node)) or _run(lowering, node, [])
    outputs = {each.attrs[-1]: each for each in lowering.graph.siblings(node)}
    body, backward, *_ = node.attrs
    seeds, first, count = node.inputs[1 + len(body.inputs):], len(backward.outputs), states_of(body)
    carried = needed(backward, set(outputs), backward.outputs, backward.inputs)
    mask, *states = kept = [lowering.slot(_BOOL), *[lowering.slot(body.inputs[k].type.dtype) for k in recording.states]]
    slots = {k: lowering.slot(backward.outputs[k].type.dtype) for k in carried}
    for k, slot in slots.items():
        lowering.store(seeds[k], slot) if k < len(seeds) else lowering.store_zero(slot)
    given = {backward.inputs[k]: slot for k, slot in slots.items()}
    given |= {backward.inputs[first + k]: slot for k, slot in zip(recording.states, states)}
    given |= _wholes(lowering, backward.inputs[first + count:], node.inputs[1 + count:], [backward.outputs[k] for k in carried])
    rounds = _round(lowering, backward, given, mask, slots, None)
    lowering.statement(Unwinding(rounds, kept, recording.tape))
    lowering.at |= {each: slots[k] for k, each in outputs.items()}


def _run(lowering: Lowering, node: Node, outputs: Sequence[Node]) -> Recording | None:
    unwinds = [each for each in lowering.graph.nodes if each.op is _UNWIND and loop_of(each) == loop_of(node)]
    body, (asked, *operands) = node.attrs[0], node.inputs[:1 + len(node.attrs[0].inputs)]
    count, on_tape = states_of(body), sorted(taped(body, unwinds))
    makes = body.outputs[1:]
    states = needed(body, {each.attrs[-1] - 1 for each in outputs if each.attrs[-1]} | set(on_tape), makes, body.inputs, body.outputs[:1])
    going = lowering.slot(_BOOL)
    slots = {k: lowering.slot(makes[k].type.dtype) for k in [*on_tape, *[k for k in states if k not in on_tape]]}  # neighbours, for the tape
    _begin(lowering, asked, going)
    for k, slot in slots.items():
        lowering.store(operands[k], slot)
    given = {body.inputs[k]: slot for k, slot in slots.items()}
    given |= _wholes(lowering, body.inputs[count:], operands[count:], [body.outputs[0], *[makes[k] for k in slots]])
    rounds = _round(lowering, body, given, going, {1 + k: slot for k, slot in slots.items()}, 0)
    recording = Recording(lowering.tape(), on_tape) if unwinds else None
    lowering.statement(Turning(going, rounds, [going, *[slots[k] for k in on_tape]], recording and recording.tape))
    lowering.at |= {each: slots[each.attrs[-1] - 1] if each.attrs[-1] else going for each in outputs}  # none goes on at the end
    if recording:
        lowering.recordings[loop_of(node)] = recording
    return recording


def _begin(lowering: Lowering, asked: Node, going: Buffer) -> None:
    """Which lanes have a first round: none that has ended a loop around this one, for what it keeps there may never end this one."""
    if lowering.mask is None:
        lowering.store(asked, going)
        return
    nest = lowering.nest
    both = lowering.compute(_AND, (lowering.value(asked, nest), lowering.loaded(lowering.mask, nest)), _BOOL, _BOOL)
    nest.roots.append(Store(both, going, HERE))


def _wholes(lowering: Lowering, inside: Sequence[Node], operands: Sequence[Node], outputs: Sequence[Node]) -> dict:
    live = set(live_nodes(outputs))
    return {each: lowering.place(operand) for each, operand in zip(inside, operands) if each in live}


def _round(lowering: Lowering, graph: Graph, given: dict, mask: Buffer, slots: dict[int, Buffer], again: int | None) -> list[Piece]:
    """The pieces of a round. ``slots``: the states by the outputs that are their next values; ``again``: the output that says which lanes go on."""
    def replace() -> None:
        nest = lowering.nest
        in_lanes = lowering.loaded(mask, nest)
        for k, slot in slots.items():
            new, old = lowering.value(graph.outputs[k], nest), lowering.loaded(slot, nest)
            if new != old:
                nest.roots.append(Store(lowering.compute(_WHERE, (in_lanes, new, old), slot.dtype, _BOOL), slot, HERE))
        if again is not None:
            goes_on = lowering.compute(_AND, (in_lanes, lowering.value(graph.outputs[again], nest)), _BOOL, _BOOL)
            nest.roots.append(Store(goes_on, mask, HERE))
    asked = [*slots, *([] if again is None else [again])]
    return lowering.inside(Graph(graph.inputs, [graph.outputs[k] for k in asked], graph.input_names, None, graph.name), given, mask, replace)
