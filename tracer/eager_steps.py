"""Operations of the table as nodes of the eager tape.

A step is both: to the trace the node of its graph, of which every number is known, and to :class:`tracer.eager.engine.Pass` the node of a tensor's
operation, which it runs backwards. Slopes are those of the table, taken of NumPy data.

A cotangent that has passed through a select is guarded, as in :mod:`tracer.derive.reverse`: its products are zero where it is.
"""

from __future__ import annotations

import operator

import numpy as np

from .derive.rules import refuse_derivative
from .eager.node import Node as TapeNode
from .eager.node import now
from .eager.record import summed_to
from .eager.tensor import Tensor, made_of
from .graph.node import Node, constant_value
from .graph.op import NOT_DIFFERENTIABLE, ZERO, Op
from .graph.types import ArrayType
from .ops import TABLE
from .ops.movement import slices_of
from .ops.reduction import restore

_strong = TABLE["strong_multiply"].evaluate


class Source(Node):
    """An argument or a constant. ``value``: its number or array; ``edge``: the leaf tensor, of an argument that a gradient is taken of."""

    __slots__ = ("value", "edge", "reads")

    def __init__(self, op: Op, attrs: tuple, type: ArrayType, id: int, where, value=None):
        self.op, self.inputs, self.attrs, self.type, self.id, self.where = op, (), attrs, type, id, where
        self.value = constant_value(self) if value is None else value
        self.edge = self.reads = None

    def require_gradient(self) -> Tensor:
        """A leaf tensor of the value, on which what is computed from it hangs."""
        leaf = self.edge = made_of(self.value)
        leaf._rg = True
        return leaf


class Step(Node, TapeNode):
    """An operation that was executed; this class, one that no gradient flows through.

    ``value``: what it gave; ``edge``: where the gradient of that goes, the step itself or None; ``reads``: the node in which the gradients of all that
    is read from it by index meet; ``guarded``: has its cotangent passed a select?
    """

    __slots__ = ("value", "edge", "edges", "seq", "reads", "guarded")

    def __init__(self, op: Op, inputs: tuple, attrs: tuple, type: ArrayType, id: int, where, value):
        self.op, self.inputs, self.attrs, self.type, self.id, self.where, self.value = op, inputs, attrs, type, id, where, value
        self.edge = self.reads = None
        self.edges = ()
        self.guarded = False

    def record(self) -> None:
        """Go on the tape if an operand is on it."""
        edges = tuple([each.edge for each in self.inputs])
        for edge in edges:
            if edge is not None:
                self.edges, self.edge, self.seq = edges, self, now()
                return

    def name(self) -> str:
        """The name of the backward function, as ``MulBackward0``."""
        return self.op.grad_fn

    def _guard(self) -> None:
        for edge in self.edges:
            if isinstance(edge, (Step, Reads)):
                edge.guarded = True


class Constant(Step):
    """An operation that is constant in pieces, or gives integers or bools."""

    __slots__ = ()

    def record(self) -> None:
        pass


class Elementwise(Step):
    """The cotangent times a partial."""

    __slots__ = ()

    def fast(self, g):
        inputs, guarded = self.inputs, self.guarded
        values = [each.value for each in inputs]
        found = []
        for edge, operand, partial in zip(self.edges, inputs, self.op.partials):
            if edge is None or partial is ZERO:
                found.append(None)
                continue
            if partial is NOT_DIFFERENTIABLE:
                raise refuse_derivative(self)
            if callable(partial):
                by = partial(*values, self.value)
                product = _strong_times(g, by) if guarded else g * by
            else:
                product = g if partial == 1.0 else -g if partial == -1.0 else g * partial
            type = operand.type
            found.append(product if product.shape == type.shape and product.dtype is type.dtype else _fitted(product, type))
        if guarded:
            self._guard()
        return found


class Refused(Step):
    """An operation without derivative."""

    __slots__ = ()

    def fast(self, g):
        raise refuse_derivative(self)


class Select(Step):
    """``where``: each arm is given its part of the cotangent, and what lies behind is guarded."""

    __slots__ = ()

    def fast(self, g):
        condition, zero = self.inputs[0].value, g.dtype.type(0)
        sides = None, (g, zero), (zero, g)
        self._guard()
        return [None if edge is None else _fitted(np.where(condition, *side), operand.type) for edge, side, operand in zip(self.edges, sides, self.inputs)]


class Structured(Step):
    """By the vector-Jacobian rule of the record."""

    __slots__ = ()

    def fast(self, g):
        guarded = self.guarded
        if guarded:
            self._guard()
        found = self.op.vjp(g, tuple([each.value for each in self.inputs]), self.value, self.attrs, _strong_times if guarded else operator.mul)
        return [None if edge is None else result for edge, result in zip(self.edges, found)]


class Total(Step):
    """``sum``."""

    __slots__ = ()

    def fast(self, g):
        if self.guarded:
            self._guard()
        shape = self.inputs[0].type.shape
        whole = np.empty(shape, g.dtype)
        whole[...] = restore(g, self.attrs[0], shape) if g.ndim else g
        return (whole,)


class Product(Step):
    """``matmul``, of which the products that nobody asks for are left out."""

    __slots__ = ()

    def fast(self, g):
        if self.guarded:
            self._guard()
        (left, right), (to_left, to_right) = self.inputs, self.edges
        return (None if to_left is None else np.matmul(g, np.swapaxes(right.value, -1, -2)),
                None if to_right is None else np.matmul(np.swapaxes(left.value, -1, -2), g))


class Read(Step):
    """``index``. Its cotangent goes to that of all reads, as one output of many."""

    __slots__ = ("numbers",)

    def record(self) -> None:
        array = self.inputs[0]
        if array.edge is None:
            return
        if array.reads is None:
            array.reads = Reads(array)
        self.numbers = (len(array.reads.places),)
        array.reads.places.append(slices_of(self.attrs[0]))
        self.edges, self.edge, self.seq = (array.reads,), self, now()

    def fast(self, g):
        if self.guarded:
            self._guard()
        return (g,)


class Reads(TapeNode):
    """All that is read from one array by index: their cotangents are put in one array, so that n reads of n elements do not take n² time."""

    outputs = 2  # or more: the engine hands over what there is, by number
    guarded = False

    def __init__(self, array: Node):
        super().__init__((array.edge,))
        self.places: list[tuple] = []
        self.type = array.type

    def fast(self, arrived: dict):
        whole = np.zeros(self.type.shape, self.type.dtype)
        for number in sorted(arrived):
            whole[self.places[number]] += arrived[number]
        if self.guarded and isinstance(self.edges[0], Step):
            self.edges[0].guarded = True
        return (whole,)


def _strong_times(value, by):
    """Zero where the value is, whatever the factor."""
    return value * by if type(by) is float else _strong(value, by.astype(value.dtype))


def _fitted(g, type: ArrayType):
    """Summed over what was broadcast, and cast back."""
    if g.shape != type.shape:
        g = summed_to(g, type.shape)
    return g if g.dtype is type.dtype or g.dtype == type.dtype else g.astype(type.dtype)


def kind_of(op: Op) -> type[Step]:
    """The class of an operation's steps."""
    if op.name in _OF_THEIR_OWN:
        return _OF_THEIR_OWN[op.name]
    rule = op.partials if op.kind == "elementwise" else op.vjp
    return Constant if rule is ZERO else Refused if rule is NOT_DIFFERENTIABLE else Elementwise if op.kind == "elementwise" else Structured


_OF_THEIR_OWN = {"where": Select, "matmul": Product, "index": Read, "sum": Total}
