"""The backward pass.

Nodes run in the order of their numbers, the youngest first. A node is always younger than those that its edges lead to, so that all contributions to
its gradient have arrived when its turn comes: nothing has to be counted beforehand, and nothing recurses. Leaves are summed up on the way and get
their ``grad`` at the end; only when hooks could observe the order is it found beforehand when each leaf is complete.
"""

from __future__ import annotations

from heapq import heappop, heappush
from sys import getrefcount

import numpy as np

from .accumulation import ACCUMULATION, HELD_BY_ENTRY, accumulate, add_to_entry, owned
from .hook_calls import checked_change, run_hooks
from .modes import state
from .node import UNTRACKED, Node
from .operations.filling import CopyBackwards
from .origins import evaluating
from .record import recorded, result
from .tangents import compute_pending
from .tensor import Tensor, made_of

_AT_ONCE = 2**62  # more than any node's number: such nodes come next


class Pass:
    """One backward pass. On NumPy data, or on tensors if the gradient itself is to be recorded.

    ``wanted``: (node, output) or id of a leaf -> positions in ``found``, where their gradients are caught. Leaves then accumulate only if they are wanted and
    the pass ``accumulates``, in which case the wanted nodes run too.
    """

    def __init__(self, keep: bool, create: bool, wanted: dict | None = None, accumulates: bool = True):
        self.keep = keep
        self.create = create
        self.wanted = wanted
        self.tensors = create or wanted is not None  # what is handed out may be a view
        self.accumulates = accumulates
        self.found: dict = {}
        self.heap: list[int] = []
        self.current: Node | None = None
        self.nodes: dict[int, Node] = {}
        self.pending: dict[int, object] = {}
        self.leaves: dict[int, list] = {}   # id -> [leaf, gradient]
        self.missing: dict[int, int] | None = None  # contributions that leaves with hooks still wait for
        self.needed: set[int] | None = None
        self.running: set[int] = set()
        self.reached: set[int] | None = None

    # Gradients on their way ------------------------------------------------------------------------------------------------
    def push(self, target, number: int, g, together: tuple = (), written: int = 0) -> None:
        """A contribution to the gradient of an output of a node, or of a leaf.

        ``together``: all that its node gives; ``written``: how often it was written to in place, as PyTorch makes it.
        """
        if isinstance(target, Tensor):
            entry = self.leaves.get(id(target))
            if entry is None:
                self.leaves[id(target)] = [target, g, written]
            elif g is not None:
                add_to_entry(entry, g, together, written)
            if target._hooks or target._post_hooks:
                self._count_down(target)
            return
        if target is UNTRACKED:
            return
        sequence = target.seq
        if self.needed is not None and sequence not in self.needed:
            return
        pending = self.pending
        if target.at_once:
            self._complete_at_once(target, number, g)
        elif sequence not in pending:
            self.nodes[sequence] = target
            heappush(self.heap, -sequence)
            pending[sequence] = g if target.outputs == 1 else {number: g}
        elif target.outputs == 1:
            before = pending[sequence]
            pending[sequence] = g if before is None else before if g is None else before + g
        else:
            outputs = pending[sequence]
            before = outputs.get(number)
            outputs[number] = g if before is None else before if g is None else before + g

    def run(self, roots) -> None:
        """Start from ``(target, output, gradient)`` and run what can be reached."""
        self.roots = [target for target, _, _ in roots]
        if state.level:
            compute_pending()  # nodes may be freed here
        if self.wanted is not None:
            self._find_needed()
        before, hooks = (state.recording, state.passing), state.hooks
        state.recording, state.passing = self.create, self
        try:
            if self.needed is not None and len(roots) == 1 and not self._is_needed(roots[0][0]):
                _tell_root(*roots[0])
            for target, number, g in roots:
                self.push(target, number, self._given(g))
            self._run()
            for entry in list(self.leaves.values()):
                self._arrive(entry)
        finally:
            state.recording, state.passing = before
            if state.hooks is not hooks:  # left open by an unpack hook
                state.hooks = hooks
                state.refresh()

    def reaches(self, tensor: Tensor) -> bool:
        """Will the gradient of this tensor be known in this pass?"""
        if self.reached is None:
            self.reached = {id(root) for root in self.roots} | {id(node) for node in self._reachable().values()} | {
                id(edge) for node in self._reachable().values() for edge in node.edges if edge is not None}
        return id(tensor._grad_fn or tensor) in self.reached

    def _run(self) -> None:
        heap, nodes, pending, leaves = self.heap, self.nodes, self.pending, self.leaves
        plain = not self.create and self.wanted is None and not state.anomaly
        keep = self.keep
        try:
            self._run_nodes(heap, nodes, pending, leaves, plain, keep)
        except BaseException:
            if self.current is not None and not self.current.at_once:
                self._arrive_complete()
            raise

    def _run_nodes(self, heap, nodes, pending, leaves, plain: bool, keep: bool) -> None:
        while heap:
            sequence = -heappop(heap)
            node = self.current = nodes.pop(sequence)
            g = pending.pop(sequence)
            fast = node.fast
            if not plain or fast is None or g is None or node.packed or node.node_hooks or node.pre_hooks or node.node_pre_hooks or node.retained:
                given = [g]
                g = gradients = None  # nobody but the step is to hold them
                self._step(node, given)
                continue
            gradients = fast(g)
            if not keep and node.saved:
                node.saved = None
            # What push() does, for the one case that makes up most of most passes.
            if node.numbers is not None:
                self._push_all(node, gradients)
                continue
            for target, g in zip(node.edges, gradients):
                if target is None:
                    continue
                if isinstance(target, Tensor):
                    if g is None or target._hooks or target._post_hooks:
                        self.push(target, 0, g, gradients, node.written)
                        continue
                    entry = leaves.get(id(target))
                    if entry is None:
                        leaves[id(target)] = [target, g, node.written]
                    elif isinstance(entry[1], np.ndarray):
                        add_to_entry(entry, g, gradients, node.written)
                    else:  # scalars, in half the time: not looked at is who holds them
                        entry[1] = g if entry[1] is None else entry[1] + g
                        entry[2] += 1
                    continue
                if target is UNTRACKED:
                    continue
                sequence = target.seq
                if target.outputs != 1 or g is None:
                    self.push(target, 0, g)
                elif sequence in pending:
                    before = pending[sequence]
                    pending[sequence] = g if before is None else before + g
                else:
                    pending[sequence] = g
                    nodes[sequence] = target
                    heappush(heap, -sequence)

    def _push_all(self, node: Node, gradients) -> None:
        numbers = node.numbers
        for k, (target, g) in enumerate(zip(node.edges, gradients)):
            if target is not None:
                self.push(target, numbers[k] if numbers else 0, g, gradients, node.written)

    # One node, with all that may hang on it --------------------------------------------------------------------------------
    def _step(self, node: Node, given: list) -> None:
        g = given.pop()
        outputs = [g] if node.outputs == 1 else [g[0]] if node.at_once else [g.get(k) for k in range(node.outputs)]
        outputs = [self._as_tensor(each) for each in outputs]
        self._before(node, outputs)
        if self.needed is not None and node.seq not in self.running:
            return
        for hook in list((node.node_pre_hooks or {}).values()):
            changed = hook(tuple(outputs))
            if changed is not None:
                outputs = list(checked_change(outputs, changed, hook))
        gradients = self._gradients(node, outputs)
        if node.node_hooks and not node.computes_all:
            gradients = tuple([each if self._is_needed(edge) else None for edge, each in zip(node.edges, gradients)])
        for hook in list((node.node_hooks or {}).values()):
            changed = hook(tuple(gradients), tuple(outputs))
            if changed is not None:
                gradients = checked_change(gradients, changed, hook)
        if not self.keep:
            node.release()
        written = [0 if each is None or each._counter is None else each._counter[0] for each in gradients]
        gradients = tuple([None if each is None else self._given(each) for each in gradients])
        del g, outputs  # so that it can be seen what is held by nobody else
        for k, target in enumerate(node.edges):
            if target is not None:
                self.push(target, node.numbers[k] if node.numbers else 0, gradients[k], gradients, written[k])

    def _gradients(self, node: Node, outputs: list) -> tuple:
        if not node.runs_without_gradient and all(each is None for each in outputs):
            return (None,) * len(node.edges)
        if not state.anomaly:
            gradients = node.backward(*outputs)
            return gradients if isinstance(gradients, tuple) else (gradients,)
        with evaluating(node):
            gradients = node.backward(*outputs)
            if not isinstance(gradients, tuple):
                gradients = (gradients,)
            check_anomaly(node, gradients)
        return gradients

    def _before(self, node: Node, outputs: list) -> None:
        """Hooks of the tensors that the node made, retained and wanted gradients."""
        for number, hooks in (node.pre_hooks or {}).items():
            outputs[number] = run_hooks(hooks, outputs[number])
        for number, reference in (node.retained or {}).items():
            tensor = reference()
            if tensor is not None and outputs[number] is not None:
                self._retain(tensor, outputs[number])
        if self.wanted is not None:
            for number, each in enumerate(outputs):
                for position in self.wanted.get((node.seq, number), ()):
                    self.found[position] = each

    def _retain(self, tensor: Tensor, g: Tensor) -> None:
        if tensor._grad is None:
            tensor._grad = g.clone() if self.create else made_of(owned(g._data))
        else:
            tensor._grad = tensor._grad + g

    def _as_tensor(self, g) -> Tensor | None:
        return g if g is None or isinstance(g, Tensor) else made_of(g)

    def _given(self, g: Tensor | None):
        """A gradient in the form in which this pass hands them on."""
        return g if g is None or self.tensors else g._data

    # Leaves ----------------------------------------------------------------------------------------------------------------
    def _arrive(self, entry: list) -> None:
        """All contributions to a leaf are there."""
        leaf, g, written = entry
        if not self.tensors and getrefcount(g) > HELD_BY_ENTRY:
            written = None  # others hold it: the leaf gets a copy
        del self.leaves[id(leaf)]
        positions = self.wanted.get(id(leaf), ()) if self.wanted is not None else ()
        if self.wanted is not None and not positions:
            return
        if leaf._hooks:
            g = self._given(run_hooks(leaf._hooks, self._as_tensor(g)))
        for position in positions:
            self.found[position] = self._as_tensor(g)
        if self.accumulates:
            self._at_leaf(leaf, g, written)

    def _at_leaf(self, leaf: Tensor, g, written: int | None) -> None:
        """What an AccumulateGrad does, and the hooks on it."""
        node = leaf._accumulator and leaf._accumulator()
        for hook in list(((node and node.node_pre_hooks) or {}).values()):
            changed = hook((self._as_tensor(g),))
            if changed is not None:
                g = self._given(changed[0] if isinstance(changed, tuple) else changed)
        self._accumulate(leaf, g, written)
        for hook in list(((node and node.node_hooks) or {}).values()):
            hook((), (self._as_tensor(g),))

    def _accumulate(self, leaf: Tensor, g, written: int | None) -> None:
        if g is not None and leaf._rg:  # else detached in place since
            shape = (g._data if isinstance(g, Tensor) else g).shape
            if shape != leaf._data.shape:
                raise RuntimeError(f"the gradient of a leaf has the shape {list(shape)}, but expected shape compatible with {list(leaf._data.shape)}: the leaf "
                                   "was reshaped in place since it was used")
            with ACCUMULATION:
                if self.create:
                    leaf._grad = self._copied(g) if leaf._grad is None else leaf._grad + g
                else:
                    accumulate(leaf, g._data if self.tensors else g, written)
        if leaf._post_hooks:
            before, state.recording = state.recording, self.create
            try:
                for hook in list(leaf._post_hooks.values()):
                    answer = hook(leaf)
                    if isinstance(answer, Tensor):
                        raise RuntimeError("Tensor post accumulate grad hooks should return None.")
                    if answer is not None:
                        raise TypeError(f"expected Variable, but hook returned '{type(answer).__name__}'")
            finally:
                state.recording = before

    def _copied(self, g: Tensor) -> Tensor:
        """A recorded copy, which nobody else holds."""
        node = recorded(CopyBackwards, (None, g))
        if node is not None:
            node.fit = g._data.shape, g._data.dtype
        return result(node, owned(g._data))

    def _count_down(self, leaf: Tensor) -> None:
        """A leaf whose hooks can tell runs as soon as it is complete, before other nodes, as in PyTorch."""
        if self.missing is None:
            self.missing = self._contributions()
        self.missing[id(leaf)] -= 1
        if not self.missing[id(leaf)]:
            self._arrive(self.leaves[id(leaf)])

    def _complete_at_once(self, node: Node, number: int, g) -> None:
        outputs = self.pending.setdefault(node.seq, {})
        before = outputs.get(number)
        outputs[number] = g if before is None else before if g is None else before + g
        if self.missing is None:
            self.missing = self._contributions()
        self.missing[node.seq] -= 1
        if not self.missing[node.seq]:
            self._arrive_complete(node)  # what follows is an error
            first = _AT_ONCE + node.seq
            self.nodes[first], self.pending[first] = node, self.pending.pop(node.seq)
            heappush(self.heap, -first)

    def _arrive_complete(self, before: Node | None = None) -> None:
        """At an error: leaves that nothing more would have reached have their gradient, as in PyTorch, where they run first.

        ``before``: the node that runs into it, one of those that the current one leads to.
        """
        rest = list(self.current.edges) if self.current is not None else []
        if before is not None:
            rest = rest[next((k + 1 for k, each in enumerate(rest) if each is before), 0):]
        reachable = self._reachable([before, *rest, *self.nodes.values()]).values()
        waiting = {id(edge) for edges in (rest, *[node.edges for node in reachable]) for edge in edges if isinstance(edge, Tensor)}
        for entry in list(self.leaves.values()):
            if id(entry[0]) not in waiting:
                self._arrive(entry)

    def _reachable(self, roots=None) -> dict[int, Node]:
        seen: dict[int, Node] = {}
        stack = [root for root in (self.roots if roots is None else roots) if isinstance(root, Node)]
        while stack:
            node = stack.pop()
            if node.seq not in seen:
                seen[node.seq] = node
                stack += [edge for edge in node.edges if isinstance(edge, Node)]
        return seen

    def _contributions(self) -> dict[int, int]:
        """How often each leaf is reached, and each node that runs at once."""
        count: dict[int, int] = {}
        reached = list(self.roots)
        for node in self._reachable().values():
            if self.needed is None or node.seq in self.running:
                reached += node.edges
        for each in reached:
            if isinstance(each, Tensor):
                count[id(each)] = count.get(id(each), 0) + 1
            elif each is not None and each.at_once:
                count[each.seq] = count.get(each.seq, 0) + 1
        return count

    def _find_needed(self) -> None:
        """Set ``needed``, the numbers of nodes that are visited, and ``running``, those among them that have to run."""
        nodes = self._reachable()
        caught = {key[0] for key in self.wanted if isinstance(key, tuple)}
        self.running, self.needed = set(), set()
        for sequence in sorted(nodes):
            if any([self._is_needed(edge) for edge in nodes[sequence].edges]) or (sequence in caught and self.accumulates):
                self.running.add(sequence)
            if sequence in self.running or sequence in caught:
                self.needed.add(sequence)

    def _is_needed(self, edge) -> bool:
        """Does an edge lead to what is wanted?"""
        if edge is None or self.needed is None:
            return edge is not None
        return edge.seq in self.needed if isinstance(edge, Node) else id(edge) in self.wanted


def _tell_root(target, number: int, g: Tensor) -> None:
    """Call the hooks of a root that leads to nothing wanted, as PyTorch does where it is the only one."""
    run_hooks((target._hooks if isinstance(target, Tensor) else (target.pre_hooks or {}).get(number)) or {}, g)


def check_anomaly(node: Node, gradients: tuple) -> None:
    """Raise if a node made a NaN while anomalies are looked for."""
    if state.anomaly == 2:
        for number, g in enumerate(gradients):
            if isinstance(g, Tensor) and g._data.dtype.kind == "f" and np.isnan(g._data).any():
                raise RuntimeError(f"Function '{node.name()}' returned nan values in its {number}th output.")


__all__ = ["Pass"]
