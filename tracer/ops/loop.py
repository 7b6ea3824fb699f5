"""Loops as nodes: a body that is evaluated again and again, with states that go from one iteration to later ones.

A loop has several outputs, and each that is needed is a node of its own: the nodes of one loop have the same operands and differ in the last
attribute. Operands, in this order:

states   values in front of the first iteration: state k is an array (depth, ...), of which row ``depth - lag`` is what a read with this lag finds first
rows     arrays of one row per iteration
wholes   values that every iteration sees whole

Attributes: ``(body, length, states, rows, reads, which)``. ``body`` is a Graph whose inputs are what is read of states, ``reads`` (state, lag) for each,
then a row of each of the rows, then the wholes; its outputs are the new value of each state and whatever else is made. Output ``which`` of all
iterations is the value of the node: an array (length, ...). Behind the outputs are counted the *trajectories* of the states: what stands in front
of the first iteration and all that was made behind it, an array (depth + length, ...).
"""

from __future__ import annotations

import numpy as np

from ..graph.evaluate import evaluate
from ..graph.op import JOINTLY, STRUCTURAL, Op
from ..graph.types import ArrayType, array_type


def _made(types, attrs) -> ArrayType:
    body, length, states, rows, reads, which = attrs
    wholes = len(types) - states - rows
    assert len(body.inputs) == len(reads) + rows + wholes and len(body.outputs) >= states, attrs
    for node, (state, lag) in zip(body.inputs, reads):
        assert node.type is body.outputs[state].type and types[state].shape[1:] == node.type.shape and 1 <= lag <= types[state].shape[0], (types, attrs)
    for node, type in zip(body.inputs[len(reads):len(reads) + rows], types[states:]):
        assert type.shape == (length, *node.type.shape) and type.dtype == node.type.dtype, (types, attrs)
    for node, type in zip(body.inputs[len(reads) + rows:], types[states + rows:]):
        assert type is node.type, (types, attrs)
    if which >= len(body.outputs):
        before = types[which - len(body.outputs)]
        return array_type(before.dtype, (before.shape[0] + length, *before.shape[1:]))
    out = body.outputs[which].type
    return array_type(out.dtype, (length, *out.shape))


def _run(*operands_and_attrs):
    *operands, body, length, states, rows, reads, which = operands_and_attrs
    values = [list(state) for state in operands[:states]]
    depths = [len(each) for each in values]
    is_trajectory = which >= len(body.outputs)
    out = body.outputs[which - len(body.outputs) if is_trajectory else which].type
    result = np.empty((length, *out.shape), out.dtype)
    for i in range(length):
        arguments = [values[state][depths[state] + i - lag] for state, lag in reads]
        made = evaluate(body, *arguments, *[each[i] for each in operands[states:states + rows]], *operands[states + rows:])
        for each, new in zip(values, made):
            each.append(new)
        if not is_trajectory:
            result[i] = made[which]
    return np.stack(values[which - len(body.outputs)]) if is_trajectory else result


LOOP = Op(name="loop", kind="loop", infer=_made, evaluate=_run, vjp=JOINTLY, jvp=JOINTLY, lower=STRUCTURAL, source=STRUCTURAL,
          grad_fn="LoopBackward0", domain=None)
