"""Rolling: what a trace has unrolled becomes loops again, before anything is derived from it, so that all later work follows the unique code.

A loop over elements is traced element by element. Here the operations are searched for runs that repeat with operands at constant strides (``periods``).
Each run becomes arrays over its iterations and loop nodes for what goes from one iteration to the next (``bodies``). Another trip count changes extents alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..graph.graph import Graph
from ..graph.node import CONSTANT, Node, constant_value
from ..ops import TABLE
from ..trace.context import Trace
from ..trace.value import Traced, as_traced, make
from .bodies import Body, all_of, row_of, rows_of
from .distribute import outputs_of
from .periods import Run, find_runs
from .stream import Stream, is_element, ordered_operands, read_stream, split

INDEX, ASSEMBLE, RESHAPE, TRANSPOSE = (TABLE[name] for name in ("index", "assemble", "reshape", "transpose"))
SHORTEST = 400  # operations; shorter code is left as it is: unrolled it runs faster


def roll(trace: Trace, outputs: Sequence[Traced], shortest: int = SHORTEST) -> list[Traced]:
    """The same values with repetitions as loops; the same nodes where there are too few operations or no repetition."""
    if len(trace.builder) < shortest:
        return list(outputs)
    stream = read_stream([output.node for output in outputs])
    if len(stream.nodes) < shortest:
        return list(outputs)
    runs = find_runs(stream)
    while runs:
        try:
            return _Roller(trace, stream, runs).run(outputs)
        except Unrollable as refused:
            runs = runs[:refused.run] + runs[refused.run + 1:]
    return list(outputs)


class Unrollable(Exception):
    """This run reads arrays in a way that no loop node has."""

    def __init__(self, run: int):
        super().__init__(run)
        self.run = run


class _Roller:
    """Makes the operations of a stream whose runs are known."""

    def __init__(self, trace: Trace, stream: Stream, runs: list[Run]):
        self.trace = trace
        self.stream = stream
        self.runs = runs
        self.run_of = np.full(len(stream.nodes), -1)
        for number, run in enumerate(runs):
            self.run_of[run.start:run.stop] = number
        self.made: dict[Node, Traced] = {}                      # single values
        self.series: dict[tuple[int, int], Traced] = {}         # (run, leaf) -> the values of all iterations
        self.wanted: list[set[int]] = [set() for _ in runs]     # leaves that something else reads

    def run(self, outputs: Sequence[Traced]) -> list[Traced]:
        self._find_wanted([output.node for output in outputs])
        here, outside = 0, self.trace.location
        for number, run in enumerate(self.runs):
            self._copy(range(here, run.start))
            self._make_loop(number)
            here = run.stop
        self._copy(range(here, len(self.stream.nodes)))
        self.trace.location = outside
        return [self.value(output.node) for output in outputs]

    def _find_wanted(self, outputs: Sequence[Node]) -> None:
        stream, run_of = self.stream, self.run_of
        producers = np.where(stream.is_value, stream.addresses, 0)
        foreign = stream.is_value & (run_of[producers] >= 0) & (run_of[producers] != run_of[:, None])
        tokens = producers[foreign]
        singles = [self._token(o) for token in np.flatnonzero(stream.kinds < 0) for o in stream.nodes[token].inputs]
        tokens = np.concatenate([tokens, np.array([t for t in (*singles, *map(self._token, outputs)) if t is not None], np.int64)])
        for token in np.unique(tokens).tolist():
            number = self.run_of[token]
            if number >= 0:
                self.wanted[number].add((token - self.runs[number].start) % self.runs[number].period)

    def _token(self, node: Node) -> int | None:
        return self.stream.token_of(node.inputs[0] if is_element(node) else node)

    # -- single values ---------------------------------------------------------------------------------------------
    def value(self, node: Node) -> Traced:
        """A node as it is now."""
        found = self.made.get(node)
        if found is None:
            token = self.stream.token_of(node)
            if token is not None and self.run_of[token] >= 0:
                run, leaf, iteration = self._place(token)
                found = row_of(self.series[run, leaf], iteration)
            elif is_element(node):
                found = make(INDEX, (self.value(node.inputs[0]),), node.attrs)
            else:
                assert node.op.kind == "source", node
                found = Traced(node, self.trace)
            self.made[node] = found
        return found

    def _place(self, token: int) -> tuple[int, int, int]:
        number = int(self.run_of[token])
        iteration, leaf = divmod(token - self.runs[number].start, self.runs[number].period)
        return number, leaf, iteration

    def _copy(self, tokens: range) -> None:
        for token in tokens:
            node = self.stream.nodes[token]
            self.trace.location = node.where
            if node.op is ASSEMBLE and len(node.inputs) > 1:
                self.made[node] = self._assembled(node)
            else:
                self.made[node] = make(node.op, tuple([self.value(operand) for operand in node.inputs]), node.attrs)

    def _assembled(self, node: Node) -> Traced:
        """An array put together from pieces: neighbours that one series has as neighbours come as one piece."""
        shape, specs = node.attrs
        pieces, places = [], []
        at = 0
        while at < len(specs):
            count, spec = self._stretch(node, at)
            if count > 1:
                number, leaf, first = self._place(self.stream.token_of(node.inputs[at]))
                step = self._place(self.stream.token_of(node.inputs[at + 1]))[2] - first
                pieces.append(rows_of(self.series[number, leaf], first, count, step))
            else:
                pieces.append(self.value(node.inputs[at]))
            places.append(spec)
            at += count
        return make(ASSEMBLE, tuple(pieces), (shape, tuple(places)))

    def _stretch(self, node: Node, at: int) -> tuple[int, tuple]:
        """How many pieces from this one on are values of one series at constant strides along one axis, and their common spec."""
        specs, tokens = node.attrs[1], self.stream.token_of
        first = tokens(node.inputs[at])
        if at + 1 >= len(specs) or first is None or self.run_of[first] < 0 or not all(isinstance(e, int) for e in (*specs[at], *specs[at + 1])):
            return 1, specs[at]
        period = self.runs[self.run_of[first]].period
        second = tokens(node.inputs[at + 1])
        moves = [k for k, (a, b) in enumerate(zip(specs[at], specs[at + 1])) if a != b]
        if second is None or self.run_of[second] != self.run_of[first] or (second - first) % period or second == first or len(moves) != 1:
            return 1, specs[at]
        axis, step, stride = moves[0], specs[at + 1][moves[0]] - specs[at][moves[0]], second - first
        count = 2
        while at + count < len(specs):
            token = tokens(node.inputs[at + count])
            expected = list(specs[at])
            expected[axis] += step * count
            if token != first + stride * count or self.run_of[token] != self.run_of[first] or specs[at + count] != tuple(expected):
                break
            count += 1
        spec = list(specs[at])
        spec[axis] = (specs[at][axis], count, step)
        return count, tuple(spec)

    def sequence(self, tokens: np.ndarray) -> Traced:
        """The values of these tokens as an array."""
        runs = self.run_of[tokens]
        starts = np.array([run.start for run in self.runs])[runs]
        periods = np.array([run.period for run in self.runs])[runs]
        iterations, leaves = np.divmod(tokens - starts, periods)
        pieces, specs, at = [], [], 0
        while at < len(tokens):
            count = 1
            if runs[at] >= 0:
                same = (runs[at:] == runs[at]) & (leaves[at:] == leaves[at])
                steps = np.diff(iterations[at:])
                regular = np.concatenate([[True], same[1:] & (steps == steps[0])]) if len(steps) else same
                count = int(np.argmin(regular)) if not regular.all() else len(regular)
            if count > 1 and iterations[at + 1] != iterations[at]:
                step = int(iterations[at + 1] - iterations[at])
                pieces.append(rows_of(self.series[int(runs[at]), int(leaves[at])], int(iterations[at]), count, step))
                specs.append(((at, count, 1),))
            else:
                count = 1
                pieces.append(self.value(self.stream.nodes[tokens[at]]))
                specs.append((at,))
            at += count
        if len(pieces) == 1 and count > 1:
            return pieces[0]
        shape = self.stream.nodes[tokens[0]].type.shape
        return make(ASSEMBLE, tuple(pieces), ((len(tokens), *shape), tuple([(*spec, *all_of(shape)) for spec in specs])))

    # -- loops -----------------------------------------------------------------------------------------------------
    def _make_loop(self, number: int) -> None:
        wanted = sorted(self.wanted[number])
        loop = _Loop(self, number)
        for leaf, values in zip(wanted, loop.outputs(wanted)):
            self.series[number, leaf] = values


class _Loop:
    """One run as the body of a loop. Operands are named by where they come from; equal names are one input."""

    def __init__(self, roller: _Roller, number: int):
        self.roller = roller
        self.stream = roller.stream
        self.number = number
        self.run = run = roller.runs[number]
        self.states: dict[int, int] = {}                # leaf -> the largest lag it is read with
        self.reads: dict[tuple[int, int], int] = {}     # (leaf, lag) -> its number
        self.rows: dict[tuple, Traced] = {}
        self.wholes: dict[tuple, Traced] = {}
        self.numbers: dict[tuple, Node] = {}
        self.operands = [self._operands(leaf) for leaf in range(run.period)]

    def _operands(self, leaf: int) -> list[tuple]:
        """The name of each operand of a token of the body."""
        token = self.run.start + leaf
        first = ordered_operands(self.stream.nodes[token])
        second = ordered_operands(self.stream.nodes[token + self.run.period])
        return [self._name(leaf, position, a, b) for position, (a, b) in enumerate(zip(first, second))]

    def _name(self, leaf: int, position: int, first: Node, second: Node) -> tuple:
        if first.op is CONSTANT:
            return self._number(leaf, position)
        token = self.stream.token_of(first)
        if token is not None:
            return self._value(token, self.stream.token_of(second) - token)
        if first is second:
            return self._whole(("node", first), first)
        array, other = (self.stream.token_of(each.inputs[0]) for each in (first, second))
        if array == other:
            return self._elements(first, second)
        if first.attrs != second.attrs:
            raise Unrollable(self.number)
        return "element", self._value(array, other - array), first.attrs[0]

    def _value(self, token: int, step: int) -> tuple:
        run = self.run
        if step == 0:
            return self._whole(("node", self.stream.nodes[token]), self.stream.nodes[token])
        back, leaf = divmod(token - run.start, run.period)
        if step == run.period and token >= run.start:
            return "leaf", leaf
        if step == run.period and -back < run.count:
            self.states[leaf] = max(self.states.get(leaf, 0), -back)
            self.reads.setdefault((leaf, -back), len(self.reads))
            return "read", leaf, -back
        name = "values", token, step
        if name not in self.rows:
            self.rows[name] = self.roller.sequence(token + step * np.arange(run.count))
        return name

    def _whole(self, name: tuple, node: Node) -> tuple:
        if name not in self.wholes:
            self.wholes[name] = self.roller.value(node)
        return name

    def _elements(self, first: Node, second: Node) -> tuple:
        """Elements of an array at a constant stride: a slice of it, or of its elements in a row."""
        a, b = first.attrs[0], second.attrs[0]
        name = "elements", first.inputs[0], a, b
        if name in self.rows:
            return name
        array, count = self.roller.value(first.inputs[0]), self.run.count
        moves = [axis for axis, (x, y) in enumerate(zip(a, b)) if x != y]
        if len(moves) == 1 and 0 <= a[moves[0]] + (count - 1) * (b[moves[0]] - a[moves[0]]) < array.shape[moves[0]]:
            axis = moves[0]
            spec = tuple([(x, count, y - x) if k == axis else x for k, (x, y) in enumerate(zip(a, b))])
            place = sum(not isinstance(each, int) for each in a[:axis])
            rows = make(INDEX, (array,), (spec,))
            order = (place, *[k for k in range(rows.ndim) if k != place])
            self.rows[name] = make(TRANSPOSE, (rows,), (order,)) if place else rows
            return name
        axes = [axis for axis, each in enumerate(a) if isinstance(each, int)]
        if axes != list(range(len(axes))):
            raise Unrollable(self.number)
        start, after = (split(each)[0] for each in (first, second))
        flat = make(RESHAPE, (array,), ((math.prod(array.shape[:len(axes)]), *array.shape[len(axes):]),))
        rows = rows_of(flat, start, count, after - start)
        self.rows[name] = make(INDEX, (rows,), (((0, count, 1), *a[len(axes):]),))
        return name

    def _number(self, leaf: int, position: int) -> tuple:
        nodes = self.stream.nodes
        found = [ordered_operands(nodes[token])[position] for token in range(self.run.start + leaf, self.run.stop, self.run.period)]
        first = found[0]
        if all(each is first for each in found):
            self.numbers["number", first] = first
            return "number", first
        name = "numbers", *found
        if name not in self.rows:
            self.rows[name] = as_traced(np.array([constant_value(each) for each in found], first.type.dtype), self.roller.trace)
        return name

    def outputs(self, wanted: Sequence[int]) -> list[Traced]:
        """The values of these leaves over all iterations."""
        inner = Trace(self.roller.trace.name)
        inputs: list[Node] = []

        def given(type) -> Node:
            inputs.append(inner.builder.input(type, len(inputs)))
            return inputs[-1]
        nodes = self.stream.nodes
        found: dict[tuple, Node] = {("read", *read): given(nodes[self.run.start + read[0]].type) for read in self.reads}
        found |= {name: given(value.node.type.with_shape(value.shape[1:])) for name, value in self.rows.items()}
        found |= {name: given(value.node.type) for name, value in self.wholes.items()}
        for name, number in self.numbers.items():
            found[name] = inner.builder.node(CONSTANT, (), number.attrs)
        for leaf, operands in enumerate(self.operands):
            node = nodes[self.run.start + leaf]
            for name in operands:
                if name[0] == "element":
                    found[name] = inner.builder.node(INDEX, (found[name[1]],), (name[2],), node.where)
            found["leaf", leaf] = inner.builder.node(node.op, tuple([found[name] for name in operands]), node.attrs, node.where)
        states = list(self.states)
        leaves = [*states, *[leaf for leaf in wanted if leaf not in self.states]]
        made = [found["leaf", leaf] for leaf in leaves]
        body = Body(Graph(inputs, made, name=inner.name), self.run.count, [self._before(leaf) for leaf in states],
                    [(states.index(leaf), lag) for leaf, lag in self.reads], list(self.rows.values()), list(self.wholes.values()))
        return outputs_of(body, [leaves.index(leaf) for leaf in wanted], self.roller.trace)

    def _before(self, leaf: int) -> Traced:
        """What the first iterations read of a state."""
        return self.roller.sequence(self.run.start + leaf + self.run.period * np.arange(-self.states[leaf], 0))
