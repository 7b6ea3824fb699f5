"""How a branch becomes statements: those of each arm behind the condition, into the same memory."""

from __future__ import annotations

from codegen.loops import Loop
from tracer.graph.graph import Graph
from tracer.graph.node import Node


def lower_branch(schedule, node: Node) -> None:
    """All outputs of a branch."""
    if node in schedule.made_at:
        return
    outputs = schedule.graph.siblings(node)
    condition, *operands = node.inputs
    asked = schedule.dense(condition)
    if asked.kind != "work":
        asked = schedule.new_work(condition.type.dtype, ())
        schedule.store_into(condition, asked, (), ())
    arms = [Graph(arm.inputs, [arm.outputs[each.attrs[-1]] for each in outputs], arm.input_names, None, arm.name) for arm in node.attrs[:2]]
    live = [set(arm.nodes) for arm in arms]
    given = [{inside: schedule.dense(operand) for inside, operand in zip(arm.inputs, operands) if inside in nodes} for arm, nodes in zip(arms, live)]
    targets = [schedule.allocate(each) for each in outputs]
    for truth, arm, buffers in zip((True, False), arms, given):
        schedule.statements.append(Loop(1, schedule.level, schedule.inner(arm, buffers, targets), (asked, truth)))
    for each in outputs:
        schedule.made_at[each] = len(schedule.statements) - 1


__all__ = ["lower_branch"]
