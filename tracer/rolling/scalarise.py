"""Small arrays that live element by element become scalars: a rotation built from sines, a cross product, a state of four numbers.

Only arrays with static structure are taken apart: those stacked from single elements, those whose elements are read one by one, and what small
operations make of them. A short vector in an element-wise formula stays a vector, so that its length stays out of the kernel.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection
from functools import reduce

import numpy as np

from ..graph.graph import Graph
from ..graph.node import ARRAY, Builder, Node
from ..graph.op import Op
from ..ops import TABLE

LARGEST = 16        # elements of an array that is taken apart
WIDEST = 256        # elements of an array that is taken apart for a batch
MOST_ELEMENTS = 4096  # in all; beyond, straight-line code costs more to compile than it saves

_INDEX, _CONCATENATE, _ASSEMBLE, _MATMUL, _RESHAPE = (TABLE[n] for n in ("index", "concatenate", "assemble", "matmul", "reshape"))
_TRANSPOSE, _BROADCAST = TABLE["transpose"], TABLE["broadcast_to"]
_MOVEMENTS = frozenset((_INDEX, _CONCATENATE, _ASSEMBLE, _RESHAPE, _TRANSPOSE, _BROADCAST))
_FOLDS = {TABLE["sum"]: TABLE["add"], TABLE["prod"]: TABLE["multiply"], TABLE["max"]: TABLE["maximum"], TABLE["min"]: TABLE["minimum"],
          TABLE["any"]: TABLE["bitwise_or"], TABLE["all"]: TABLE["bitwise_and"]}
_SCANS = {TABLE["cumsum"]: TABLE["add"], TABLE["cumprod"]: TABLE["multiply"]}


def scalarise(graph: Graph) -> Graph:
    """The graph with its small structured arrays as scalars; outputs are put together again."""
    chosen = _choose(graph)
    return _Rewriter(graph, chosen).run() if chosen else graph


def elements(graph: Graph, most: int, scalar: Collection[Op] = ()) -> Graph | str:
    """The graph with every array taken apart, its outputs the elements of the former ones in C order; in words why not, where that cannot be
    or takes more than ``most`` nodes. Operations of ``scalar`` have scalars alone."""
    chosen = [node for node in graph.nodes if node.op.kind != "source"]
    for node in graph.nodes:
        if node.type.size > WIDEST and node.op is not ARRAY:
            return f"`{node.op.name}` has {node.type.size} elements, which fill vectors by themselves"
    if sum(_work(node) for node in chosen) > most:
        return f"more than {most} operations on scalars"
    for node in chosen:
        if not _has_elements(node) and node.op not in scalar:
            return f"`{node.op.name}` works on whole arrays"
    return _Rewriter(graph, set(chosen)).flat()


def _work(node: Node) -> int:
    """About how many scalar nodes the elements of a node take."""
    if node.op is _MATMUL:
        return 2 * node.type.size * node.inputs[0].type.shape[-1]
    return max(node.type.size, node.inputs[0].type.size if node.op in _FOLDS else 0)


def _has_elements(node: Node) -> bool:
    """Can it be said of each element which elements of the operands it is made of?"""
    if node.op in _FOLDS:
        return node.inputs[0].type.size > 0
    if node.op in _SCANS or node.op in _MOVEMENTS:
        return True
    return node.op.kind == "elementwise" or (node.op is _MATMUL and node.type.ndim == 2 and node.inputs[0].type.size > 0)


def _supported(node: Node) -> bool:
    small = node.type.size <= LARGEST and all(o.type.size <= LARGEST for o in node.inputs)
    return small and (node.op.kind == "elementwise" or node.op in _MOVEMENTS or node.op in _FOLDS or (node.op is _MATMUL and node.type.ndim == 2))


def _choose(graph: Graph) -> set[Node]:
    wanted: set[Node] = set()
    for node in reversed(graph.nodes):
        if node.op is _INDEX and node.type.shape == () and _is_made(node.inputs[0]):
            wanted.add(node.inputs[0])
        if node.op in (_CONCATENATE, _ASSEMBLE) and _supported(node) and len(node.inputs) > 1 and all(o.type.size == 1 for o in node.inputs):
            wanted.add(node)
        if node in wanted:
            wanted.update(o for o in node.inputs if _is_made(o))
    if not wanted:
        return wanted
    chosen: set[Node] = set()
    for node in graph.nodes:
        if (node in wanted or not chosen.isdisjoint(node.inputs)) and _supported(node):
            chosen.add(node)
    read = {o for node in chosen for o in node.inputs}
    chosen -= {node for node in chosen - read if all(o.type.shape == () for o in node.inputs)}  # scalars that an output only collects
    return chosen if sum(node.type.size for node in chosen) <= MOST_ELEMENTS else set()


def _is_made(node: Node) -> bool:
    return node.type.ndim > 0 and node.op.kind != "source" and _supported(node)


class _Rewriter:
    def __init__(self, graph: Graph, chosen: set[Node]):
        self.graph = graph
        self.chosen = chosen
        self.builder = Builder()
        self.new: dict[Node, Node] = {}
        self.parts: dict[Node, np.ndarray] = {}

    def run(self) -> Graph:
        for node in self.graph.nodes:
            if node in self.chosen:
                self.parts[node] = self._elements(node)
            else:
                self.new[node] = self.builder.node(node.op, tuple([self._whole(o) for o in node.inputs]), node.attrs, node.where)
        graph = self.graph
        return Graph([self._whole(n) for n in graph.inputs], [self._whole(n) for n in graph.outputs], graph.input_names, graph.output_names, graph.name)

    def flat(self) -> Graph:
        """All as scalars, the outputs too."""
        graph = self.graph
        for node in graph.nodes:
            if node in self.chosen:
                self.parts[node] = self._elements(node)
            else:
                self.new[node] = self.builder.node(node.op, (), node.attrs, node.where)
        flat = [part for node in graph.outputs for part in self._parts_of(node).ravel()]
        return Graph([self.new[n] for n in graph.inputs], flat, graph.input_names, None, graph.name)

    def _whole(self, node: Node) -> Node:
        """The array as one node again."""
        if node not in self.new:
            parts = self.parts[node]
            if parts.shape == ():
                self.new[node] = parts[()]
            else:
                specs = tuple(np.ndindex(parts.shape))
                self.new[node] = self.builder.node(_ASSEMBLE, tuple(parts.ravel()), (parts.shape, specs))
        return self.new[node]

    def _parts_of(self, node: Node) -> np.ndarray:
        """The elements of an operand as an object array; those of an array that stays whole are read."""
        if node not in self.parts:
            whole = self.new[node]
            parts = np.empty(node.type.shape, object)
            for at in np.ndindex(node.type.shape):
                parts[at] = self.builder.node(_INDEX, (whole,), (at,)) if at else whole
            self.parts[node] = parts
        return self.parts[node]

    def _make(self, op, operands, node: Node, attrs: tuple = ()) -> Node:
        return self.builder.node(op, operands, attrs, node.where)

    def _elements(self, node: Node) -> np.ndarray:
        operands = [self._parts_of(o) for o in node.inputs]
        if node.op in _FOLDS:
            return self._folded(node, operands[0])
        if node.op in _SCANS:
            return self._scanned(node, operands[0])
        if node.op is _MATMUL:
            return self._product(node, *operands)
        if node.op in _MOVEMENTS:
            return self._moved(node, operands)
        result = np.empty(node.type.shape, object)
        spread = [np.broadcast_to(o, node.type.shape) for o in operands]
        for at in np.ndindex(node.type.shape):
            result[at] = self._make(node.op, tuple([o[at] for o in spread]), node, node.attrs)
        return result

    def _moved(self, node: Node, operands: list[np.ndarray]) -> np.ndarray:
        if node.op is _ASSEMBLE:
            return self._assembled(node, operands)
        if node.op is _CONCATENATE:
            return np.concatenate(operands, node.attrs[0])
        if node.op is _INDEX:
            spec = tuple([e if isinstance(e, int) else [e[0] + e[2] * k for k in range(e[1])] for e in node.attrs[0]])
            return _orthogonal(operands[0], spec, node.type.shape)
        move = {_RESHAPE: np.reshape, _TRANSPOSE: np.transpose, _BROADCAST: np.broadcast_to}[node.op]
        return move(operands[0], node.attrs[0])

    def _assembled(self, node: Node, pieces: list[np.ndarray]) -> np.ndarray:
        shape, specs = node.attrs
        result = np.empty(shape, object)
        for piece, spec in zip(pieces, specs):
            axes = [[e] if isinstance(e, int) else [e[0] + e[2] * k for k in range(e[1])] for e in spec]
            for at, part in zip(itertools.product(*axes), piece.ravel()):
                result[at] = part if result[at] is None else self._make(TABLE["add"], (result[at], part), node)
        zero = self.builder.constant(0, node.type.dtype)
        for at in np.ndindex(shape):
            if result[at] is None:
                result[at] = zero
        return result

    def _folded(self, node: Node, operand: np.ndarray) -> np.ndarray:
        axes = node.attrs[0]
        kept = [axis for axis in range(operand.ndim) if axis not in axes]
        rows = np.transpose(operand, (*kept, *axes)).reshape(*[operand.shape[a] for a in kept], math.prod(operand.shape[a] for a in axes))
        result = np.empty(node.type.shape, object)
        for at in np.ndindex(node.type.shape):
            result[at] = reduce(lambda a, b: self._make(_FOLDS[node.op], (a, b), node), rows[at])
        return result

    def _scanned(self, node: Node, operand: np.ndarray) -> np.ndarray:
        result = operand.copy()
        for at in np.ndindex(node.type.shape):
            axis = node.attrs[0] % len(at)
            if at[axis]:
                before = (*at[:axis], at[axis] - 1, *at[axis + 1:])
                result[at] = self._make(_SCANS[node.op], (result[before], result[at]), node)
        return result

    def _product(self, node: Node, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        result = np.empty(node.type.shape, object)
        for i, j in np.ndindex(node.type.shape):
            terms = [self._make(TABLE["multiply"], pair, node) for pair in zip(a[i], b[:, j])]
            result[i, j] = reduce(lambda s, t: self._make(TABLE["add"], (s, t), node), terms)
        return result


def _orthogonal(parts: np.ndarray, spec: tuple, shape: tuple[int, ...]) -> np.ndarray:
    """The elements at every combination of the lists, integer axes dropped."""
    lists = [[e] if isinstance(e, int) else e for e in spec]
    result = np.empty(math.prod(shape), object)
    for k, at in enumerate(itertools.product(*lists)):
        result[k] = parts[at]
    return result.reshape(shape)
