"""How much code there is to compile."""

from __future__ import annotations


def unique_operations(graph) -> int:
    """The operations of a graph, those in loops, walks and branches counted once; inputs, numbers and captured arrays are none."""
    seen, pending = set(), [graph]
    while pending:
        for node in pending.pop().nodes:
            if node.op.kind != "source" and node not in seen:
                seen.add(node)
                pending += [each for each in node.attrs if hasattr(each, "nodes")]
    return len(seen)
