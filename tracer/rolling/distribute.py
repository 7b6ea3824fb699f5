"""Loops as whole arrays where that is possible, as loop nodes where it is not.

A body is taken apart: what no earlier iteration is needed for becomes operations on arrays over all iterations, which later run in lanes; what does not
change becomes one value; and what remains, states that need one another, becomes one loop node for each group of them (loop distribution along the
strongly connected components of the states).
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.graph import Graph
from ..graph.node import ARRAY, CONSTANT, INPUT, Node
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, make
from .bodies import Body, is_scalar, read_before, row_of, whole_loop
from .mapped import can_map, mapped
from .unpack import elements_of, packed, unpacked

BROADCAST = TABLE["broadcast_to"]


def outputs_of(body: Body, wanted: Sequence[int], trace: Trace) -> list[Traced]:
    """The outputs of these numbers: arrays of ``trace`` with a row for each iteration."""
    if is_scalar(body.graph):
        return _Distribution(body, trace).outputs(wanted)
    if not body.before and can_map(body.graph):
        return mapped(body, wanted, trace)
    flat = unpacked(body)
    if flat is None:
        return whole_loop(body, wanted, trace)
    numbers = elements_of(body.graph, wanted)
    made = iter(_Distribution(flat, trace).outputs([k for each in numbers for k in each]))
    return [packed([next(made) for _ in each], body.graph.outputs[k].type.shape) for k, each in zip(wanted, numbers)]


class _Distribution:
    """A body of scalars, taken apart."""

    def __init__(self, body: Body, trace: Trace):
        self.body = body
        self.trace = trace
        self.graph = body.graph
        self.states = self.graph.outputs[:len(body.before)]
        count = len(body.reads)
        self.reads = dict(zip(self.graph.inputs, body.reads))
        self.arrays: dict[Node, Traced] = dict(zip(self.graph.inputs[count:], body.rows))        # a row for each iteration
        self.uniform: dict[Node, Traced] = dict(zip(self.graph.inputs[count + len(body.rows):], body.wholes))
        self._settle_constants()
        self.needs = self._needs()
        self.wanted: list[Node] = []

    def outputs(self, wanted: Sequence[int]) -> list[Traced]:
        self.wanted = nodes = [self.graph.outputs[k] for k in wanted]
        live = self._live(nodes)
        for group in self._groups(live):
            self._make_states(group, live)
        return [self._as_array(node) for node in nodes]

    # -- what depends on what ------------------------------------------------------------------------------------------
    def _settle_constants(self) -> None:
        """States that keep their value are no states."""
        for node, (state, lag) in self.reads.items():
            before = self.body.before[state]
            if self.states[state] is node and (lag == 1 or before.shape[0] == 1) and all(each[1] == 1 for each in self.body.reads if each[0] == state):
                self.uniform[node] = row_of(before, before.shape[0] - 1)

    def _needs(self) -> dict[Node, int]:
        """The states that each node reads, as bits."""
        needs: dict[Node, int] = {}
        for node in self.graph.nodes:
            bits = 0
            for operand in node.inputs:
                bits |= needs[operand]
            if node in self.reads and node not in self.uniform:
                bits |= 1 << self.reads[node][0]
            needs[node] = bits
        return needs

    def _live(self, wanted: Sequence[Node]) -> set[Node]:
        """What the wanted outputs need, through states too."""
        live: set[Node] = set()
        pending = list(wanted)
        while pending:
            node = pending.pop()
            if node in live:
                continue
            live.add(node)
            pending.extend(node.inputs)
            if node in self.reads and node not in self.uniform:
                pending.append(self.states[self.reads[node][0]])
        return live

    def _groups(self, live: set[Node]) -> list[list[int]]:
        """The strongly connected components of the live states, each behind what it reads (Tarjan's order)."""
        edges = {k: [j for j in range(len(self.states)) if self.needs[node] >> j & 1] for k, node in enumerate(self.states) if node in live}
        return strong_components(edges)

    # -- states --------------------------------------------------------------------------------------------------------
    def _make_states(self, group: list[int], live: set[Node]) -> None:
        first = self.states[group[0]]
        if len(group) > 1 or self.needs[first] >> group[0] & 1:
            self._make_loop(group, live)
        for node, (state, lag) in self.reads.items():
            if state in group and node in live and node not in self.uniform:
                self.arrays[node] = read_before(self.body.before[state], self._as_array(self.states[state]), lag)

    def _make_loop(self, group: list[int], live: set[Node]) -> None:
        """One loop node for states that need one another."""
        bits = sum(1 << k for k in group)
        nodes = [node for node in self.graph.nodes if node in live]
        behind = {node for node in nodes if self.needs[node] & bits}     # what needs these states
        inside = self._ancestors([self.states[k] for k in group], behind)
        exported = self._exported(nodes, inside, group)
        inner = Trace(self.trace.name)
        reads = [node for node in self.reads if node in inside and node in behind]
        new: dict[Node, Node] = {node: inner.builder.input(node.type, position) for position, node in enumerate(reads)}
        rows, wholes = self._bring_in([node for node in nodes if node in inside], behind, new, inner)
        for node in nodes:
            if node in inside and node not in new:
                new[node] = inner.builder.node(node.op, tuple([new[o] for o in node.inputs]), node.attrs, node.where)
        number = {state: k for k, state in enumerate(group)}
        inputs = sorted((node for node in new.values() if node.op is INPUT), key=lambda node: node.attrs[1])
        outputs = [new[self.states[k]] for k in group] + [new[node] for node in exported]
        body = Body(Graph(inputs, outputs, name=self.graph.name), self.body.length, [self.body.before[k] for k in group],
                    [(number[self.reads[node][0]], self.reads[node][1]) for node in reads], rows, wholes)
        made = whole_loop(body, range(len(outputs)), self.trace)
        for node, value in zip([*(self.states[k] for k in group), *exported], made):
            self.arrays[node] = value

    def _ancestors(self, outputs: Sequence[Node], among: set[Node]) -> set[Node]:
        found: set[Node] = set()
        pending = list(outputs)
        while pending:
            node = pending.pop()
            if node in among and node not in found:
                found.add(node)
                pending.extend(node.inputs)
        return found

    def _exported(self, nodes: list[Node], inside: set[Node], group: list[int]) -> list[Node]:
        """What is made in the loop and needed elsewhere."""
        outside = {o for node in nodes if node not in inside for o in node.inputs}
        outside.update(node for k, node in enumerate(self.states) if k not in group)
        outside.update(self.wanted)
        own = {self.states[k] for k in group}
        return [node for node in nodes if node in inside and node in outside and node not in own and node not in self.reads]

    def _bring_in(self, inside: list[Node], behind: set[Node], new: dict, inner: Trace) -> tuple[list[Traced], list[Traced]]:
        """Inputs of the loop for what is made outside: rows first, then what does not change; numbers are written in the body."""
        start = len(new)
        needed = dict.fromkeys(o for node in inside for o in node.inputs if o not in behind)
        rows, wholes = [], []
        for node in needed:
            if node.op is CONSTANT:
                new[node] = inner.builder.node(CONSTANT, (), node.attrs)
                continue
            value, is_uniform = self._value(node)
            (wholes if is_uniform else rows).append((node, value))
        for position, (node, _) in enumerate((*rows, *wholes), start):
            new[node] = inner.builder.input(node.type, position)
        return [value for _, value in rows], [value for _, value in wholes]

    # -- values over all iterations ---------------------------------------------------------------------------------------
    def _value(self, node: Node) -> tuple[Traced, bool]:
        """The value of a node, and whether it is the same in all iterations."""
        pending = [node]
        while pending:
            current = pending[-1]
            if current in self.arrays or current in self.uniform:
                pending.pop()
                continue
            missing = [o for o in current.inputs if o not in self.arrays and o not in self.uniform]
            if missing:
                pending.extend(missing)
                continue
            pending.pop()
            self._apply(current)
        return (self.uniform[node], True) if node in self.uniform else (self.arrays[node], False)

    def _apply(self, node: Node) -> None:
        if not node.inputs:
            assert node.op in (CONSTANT, ARRAY), node
            self.uniform[node] = Traced(self.trace.builder.node(node.op, (), node.attrs, node.where), self.trace)
            return
        is_uniform = all(o in self.uniform for o in node.inputs)
        outside, self.trace.location = self.trace.location, node.where
        operands = tuple([self.uniform[o] if o in self.uniform else self.arrays[o] for o in node.inputs])
        (self.uniform if is_uniform else self.arrays)[node] = make(node.op, operands, node.attrs)
        self.trace.location = outside

    def _as_array(self, node: Node) -> Traced:
        value, is_uniform = self._value(node)
        return make(BROADCAST, (value,), ((self.body.length, *value.shape),)) if is_uniform else value


def strong_components(edges: dict[int, list[int]]) -> list[list[int]]:
    """The strongly connected components of a graph, each behind those that it points to; without recursion."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found: list[list[int]] = []
    for root in edges:
        if root in order:
            continue
        pending = [(root, iter(edges[root]))]
        order[root] = low[root] = len(order)
        stack.append(root)
        while pending:
            node, following = pending[-1]
            after = next(following, None)
            if after is None:
                pending.pop()
                if pending:
                    low[pending[-1][0]] = min(low[pending[-1][0]], low[node])
                if low[node] == order[node]:
                    at = stack.index(node)
                    found.append(sorted(stack[at:]))
                    del stack[at:]
            elif after not in order:
                order[after] = low[after] = len(order)
                stack.append(after)
                pending.append((after, iter(edges[after])))
            elif after in stack:
                low[node] = min(low[node], order[after])
    return found
