"""Branches as nodes: two arms, of which only the one that the condition chooses is evaluated.

Operands: the condition, a bool without axes, then what the arms are given. Attributes: ``(arm, other, which)``, two Graphs with the same inputs and
outputs of the same types, for a true condition and for a false one. As with loops, each output that is needed is a node of its own.
"""

from __future__ import annotations

import numpy as np

from ..graph.evaluate import evaluate
from ..graph.op import JOINTLY, STRUCTURAL, Op
from ..graph.types import ArrayType


def _made(types, attrs) -> ArrayType:
    arm, other, which = attrs
    assert types[0].shape == () and types[0].dtype == np.bool_, types
    for each in (arm, other):
        assert [node.type for node in each.inputs] == list(types[1:]), (types, attrs)
    assert [node.type for node in arm.outputs] == [node.type for node in other.outputs], attrs
    return arm.outputs[which].type


def _run(condition, *operands_and_attrs):
    *operands, arm, other, which = operands_and_attrs
    return evaluate(arm if condition else other, *operands)[which]


BRANCH = Op(name="branch", kind="loop", infer=_made, evaluate=_run, vjp=JOINTLY, jvp=JOINTLY, lower=STRUCTURAL, source=STRUCTURAL,
            grad_fn="BranchBackward0", domain=None)
