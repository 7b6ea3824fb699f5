"""Hash-consed nodes and the builder that makes them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice

import numpy as np

from ..errors import TraceError
from .op import STRUCTURAL, Op
from .types import ArrayType, array_type


class Node:
    """One operation applied to nodes. Immutable; within one Builder, identity is equality.

    ``id`` is the order of creation: inputs always have smaller ids, so sorting by id is a topological order.
    ``where`` is the user's (code object, instruction offset), for messages and comments; not part of the identity.
    """

    __slots__ = ("op", "inputs", "attrs", "type", "id", "where")

    def __init__(self, op: Op, inputs: tuple[Node, ...], attrs: tuple, type: ArrayType, id: int, where):
        self.op = op
        self.inputs = inputs
        self.attrs = attrs
        self.type = type
        self.id = id
        self.where = where

    def __repr__(self) -> str:
        return f"%{self.id} = {self.op.name}: {self.type}"


class ConstantArray:
    """A captured array: copied, read-only, compared by dtype, shape and content."""

    __slots__ = ("values", "digest")

    def __init__(self, values):
        values = np.array(values, order="C")
        values.flags.writeable = False
        self.values = values
        self.digest = (values.dtype.str, values.shape, hashlib.blake2b(values.tobytes(), digest_size=16).digest())

    def __eq__(self, other):
        return isinstance(other, ConstantArray) and self.digest == other.digest

    def __hash__(self):
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"array<{self.digest[2].hex()[:8]}>"


def _stored_type(types, attrs) -> ArrayType:
    return attrs[0]


def _no_evaluation(*_):
    raise AssertionError("inputs and constants are given, not evaluated")


def _source_op(name: str) -> Op:
    return Op(name=name, kind="source", infer=_stored_type, evaluate=_no_evaluation,
              lower=STRUCTURAL, source=STRUCTURAL, grad_fn="", domain=None)


INPUT = _source_op("input")        # attrs: (type, position)
CONSTANT = _source_op("constant")  # attrs: (type, bits, run_time)
ARRAY = _source_op("array")        # attrs: (type, ConstantArray)
DERIVATIVE = _source_op("derivative")  # attrs: (type, what is asked, ...); stands for a derivative of its inputs until it is made


MOST_NODES = 20_000_000  # of one graph: some 5 GB, and a minute of tracing


def _endless(node: Node) -> TraceError:
    where = user_line(node)
    return TraceError(f"more than {MOST_NODES:,} operations were traced{f' ({where})' if where else ''}: either a loop does not end, or it is longer than "
                      f"can be traced round by round. Say it outright: tracer.scan, tracer.fori_loop or tracer.while_loop trace a round once.")


class Builder:
    """Makes nodes and keeps the one copy of each."""

    def __init__(self):
        self._nodes: dict[tuple, Node] = {}
        self._inferred: dict[tuple, ArrayType] = {}
        self._numbers: dict[tuple, Node] = {}
        self._next = 0

    def __len__(self) -> int:
        return self._next

    def node(self, op: Op, inputs: tuple[Node, ...], attrs: tuple = (), where=None) -> Node:
        """The node of this operation on these inputs; operands of commutative ones are ordered by creation."""
        if op.commutative and inputs[0].id > inputs[1].id:
            inputs = (inputs[1], inputs[0])
        key = (op, inputs, attrs)
        found = self._nodes.get(key)
        if found is None:
            found = self._nodes[key] = Node(op, inputs, attrs, self._infer(op, inputs, attrs), self._next, where)
            self._next += 1
            if self._next > MOST_NODES:
                raise _endless(found)
        return found

    def has(self, op: Op) -> bool:
        """Was a node of this operation made?"""
        return any(made is op for made, _, _ in self._nodes)
    def live(self, outputs: Iterable[Node]) -> list[Node]:
        """All nodes of this builder that the outputs need, in topological order (that of creation): half the time of a walk from the outputs."""
        needed = bytearray(self._next)
        for node in outputs:
            needed[node.id] = 1
        newer, found = self._next - 1 - needed.rfind(1), []
        for node in islice(reversed(self._nodes.values()), newer, None):
            if needed[node.id]:
                found.append(node)
                for operand in node.inputs:
                    needed[operand.id] = 1
        found.reverse()
        return found

    def _infer(self, op, inputs, attrs) -> ArrayType:
        if attrs:  # hardly any are met twice: each element that is read has its own
            return op.infer(tuple([node.type for node in inputs]), attrs)
        key = (op, inputs[0].type, inputs[1].type) if len(inputs) == 2 else (op, *[node.type for node in inputs])
        found = self._inferred.get(key)
        if found is None:
            found = self._inferred[key] = op.infer(key[1:], attrs)
        return found

    def input(self, type: ArrayType, position: int) -> Node:
        return self.node(INPUT, (), (type, position))

    def constant(self, value, dtype, run_time: bool = False, where=None) -> Node:
        """A 0-d constant, keyed on dtype and bit pattern.

        ``run_time`` marks numbers that follow from extents (the n of a mean): they are handed to the kernel when it runs,
        so that another length does not make another kernel.
        """
        key = (value, type(value), dtype, run_time)
        found = self._numbers.get(key)  # making the bits takes 0.6 µs
        if found is None:
            dtype = np.dtype(dtype)
            found = self.node(CONSTANT, (), (array_type(dtype), dtype.type(value).tobytes(), run_time), where)
            if value:  # of equal numbers, zeros alone may differ in their bits
                self._numbers[key] = found
        return found

    def array(self, values, where=None) -> Node:
        """A captured array of one or more dimensions."""
        constant = ConstantArray(values)
        return self.node(ARRAY, (), (array_type(constant.values.dtype, constant.values.shape), constant), where)


def constant_value(node: Node):
    """The NumPy scalar or array of a constant node; None for any other node."""
    if node.op is CONSTANT:
        return np.frombuffer(node.attrs[1], node.type.dtype)[0]
    if node.op is ARRAY:
        return node.attrs[1].values
    return None


def loop_of(node: Node) -> tuple:
    """What the outputs of one loop or branch have in common: all but which of them they are."""
    return node.op, node.inputs, node.attrs[:-1]


def user_line(node: Node) -> str:
    """``file:line`` of the user's code that made the node, or ''."""
    if node.where is None:
        return ""
    code, offset = node.where
    for start, end, line in code.co_lines():
        if start <= offset < end:
            return f"{code.co_filename}:{line}"
    return code.co_filename
