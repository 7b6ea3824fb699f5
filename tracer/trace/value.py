"""Traced values: what stands for a number or an array while a function is traced.

Operators, ufuncs and NumPy functions on them make nodes. dtypes follow NumPy itself: the loop that a ufunc would take is asked of
NumPy (``ufunc.resolve_dtypes``), Python scalars being weak (NEP 50).
"""

from __future__ import annotations

import os

import numpy as np

from ..errors import (
    MissingMethodError,
    ShapeError,
    TracedBoolError,
    TracedConversionError,
    TracedIndexError,
    UnsupportedError,
    VaryingLengthError,
)
from ..graph.node import Node, user_line
from ..graph.op import Op
from ..graph.types import SUPPORTED, ArrayType
from ..ops import TABLE, UFUNCS
from ..ops.families import resolve
from .context import Trace, user_line_of, user_location
from .functions import FUNCTIONS, METHODS, call, unsupported


class Slots:
    """The layout of traced values and of what may become one."""

    __slots__ = ("node", "owner", "weak", "memory")

    def __init__(self, node: Node, trace: Trace, weak: type | None = None):
        self.node = node
        self.owner = trace
        self.weak = weak
        self.memory = None


class Traced(Slots):
    """A node of a running trace, with the behaviour of a NumPy array or scalar.

    ``weak`` is ``int``, ``float`` or ``bool`` for what would be a Python scalar (it takes its partner's dtype), else None.
    An array that was written to, or that has views, has a ``memory`` (see :mod:`tracer.trace.memory`) and no ``node`` of its own: reading
    ``node`` then asks the memory for the value of the moment, so that arrays without one pay nothing.
    """

    __slots__ = ()
    __array_priority__ = 1000
    __pandas_priority__ = 5000  # Series and DataFrames leave operators to us

    # -- what it is ------------------------------------------------------------------------------------------------
    @property
    def type(self) -> ArrayType:
        return self.node.type if self.memory is None else self.memory.type

    @property
    def shape(self) -> tuple[int, ...]:
        return self.type.shape

    @property
    def dtype(self) -> np.dtype:
        return self.type.dtype

    @property
    def ndim(self) -> int:
        return self.type.ndim

    @property
    def size(self) -> int:
        return self.type.size

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def T(self):
        return call(np.transpose, (self,), {})

    @property
    def mT(self):
        return call(np.matrix_transpose, (self,), {})

    @property
    def real(self):
        return self

    @property
    def flat(self):
        return iter(call(np.ravel, (self,), {}))

    def __repr__(self) -> str:
        return f"Traced<{self.node.op.name}: {self.node.type}>"

    def __format__(self, spec) -> str:
        return repr(self)

    def __len__(self) -> int:
        shape = self.shape
        if not shape:
            raise TypeError("len() of unsized object")
        return shape[0]

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    # -- what it refuses to become ---------------------------------------------------------------------------------
    def __bool__(self) -> bool:
        if self.size != 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()")
        if self.owner.depends_on_integers_only(self.node):
            return bool(self.owner.concrete_value(self.node, "a branch"))
        raise TracedBoolError(
            f"`if`, `while`, `and`, `or`, `not` and `assert` need a concrete True or False, but {_describe(self)} is traced. "
            f"Which way it goes depends on the arguments, and both ways can be followed in functions only, not in generators and libraries. "
            f"Write np.where(condition, a, b); for bools & | ~ instead of and, or, not.")

    def __index__(self) -> int:
        if not (self.node.type.is_integer or self.node.type.is_bool) or self.shape:
            raise TracedIndexError(self.owner.explain_index(self.node, "an index, `range`, shape or axis"))
        return int(self.owner.concrete_value(self.node, "an index, `range`, shape or axis"))

    def _refuse_conversion(self, what: str, instead: str):
        asked = user_line_of(user_location(3))
        made = user_line(self.node)
        where = f" ({asked})" if asked and made and asked != made else ""
        if asked and f"{os.sep}pandas{os.sep}" in asked:
            instead = "pandas computes with numbers only: take those of the table before, with .to_numpy()."
        error = TracedConversionError(f"{what} of a traced value{where}: {_describe(self)} has no number while the graph is built. {instead}")
        self.owner.refusal = error  # raised again at the end if the user's function catches it: there is no such error without tracing
        raise error

    def __float__(self):
        self._refuse_conversion("float()", "Leave the float() away, or use the np. function of the same name instead of a compiled one; "
                                "for \"%.3f\" % x write an f-string, which shows the node.")

    def __int__(self):
        if (self.node.type.is_integer or self.node.type.is_bool) and self.owner.depends_on_integers_only(self.node):
            return int(self.owner.concrete_value(self.node, "int()"))
        self._refuse_conversion("int()", "Use math.floor, np.trunc or np.rint, which keep it in the graph; "
                                "math.floor(x) also is an index.")

    def __complex__(self):
        self._refuse_conversion("complex()", "Complex numbers are not supported; write real and imaginary parts.")

    def __array__(self, dtype=None, copy=None):
        self._refuse_conversion("np.asarray()", "Write np.array([a, b]) around traced values in a list; "
                                "to look up in an array that is kept in a list or dict, np.take(table, i).")

    def __hash__(self):
        self._refuse_conversion("hash()", "It cannot be looked up in a dict or set, or be remembered by a cache: use a key "
                                "that is known, such as a place in a list.")

    def __setitem__(self, index, value):
        FUNCTIONS["setitem"](self, index, value)

    def __getattr__(self, name):
        if name == "node":
            return self.memory.current()
        # Reached only for what is not here: methods of arrays refuse with what to write, anything else is no attribute.
        if hasattr(np.ndarray, name) and not name.startswith("__"):
            raise MissingMethodError(str(unsupported(getattr(np, name, None) or getattr(np.ndarray, name))))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def item(self, *args):
        at = args[0] if len(args) == 1 and type(args[0]) is tuple else args
        if not args and self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        element = call(np.ravel, (self,), {})[0 if not args else at[0]] if len(at) < 2 and (self.shape or at) else self[at] if at else self
        return Traced(element.node, element.owner, PYTHON[element.dtype.kind])

    def tolist(self):
        return [each.tolist() for each in self] if self.shape else self.item()

    def sort(self, axis=-1, kind=None, order=None, *, stable=None):
        self[...] = FUNCTIONS[np.sort](self, axis, kind, order)

    device = "cpu"

    # -- NumPy's protocols -----------------------------------------------------------------------------------------
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if not kwargs and method == "__call__":
            op = UFUNCS.get(ufunc)
            if op is not None:
                try:
                    return elementwise(op, inputs)
                except VaryingLengthError:
                    return NotImplemented  # x[mask] is among the operands, and knows what to do
        if kwargs.get("out") is not None:
            return FUNCTIONS["out"](ufunc, method, inputs, kwargs)
        kwargs.pop("out", None)
        if method == "__call__":
            op = UFUNCS.get(ufunc)
            if op is not None:
                if kwargs:
                    raise UnsupportedError(f"np.{ufunc.__name__} with {', '.join(kwargs)}= is not supported on traced values; "
                                           f"use .astype(...) for dtype= and np.where for where=.")
                return elementwise(op, inputs)
            function = FUNCTIONS.get(ufunc)
        else:
            function = FUNCTIONS.get(getattr(ufunc, method)) or METHODS.get((ufunc, method))
        if function is None:
            raise unsupported(ufunc, method)
        return FUNCTIONS["owned"](function(*inputs, **kwargs))

    def __array_function__(self, function, types, args, kwargs):
        if function not in FUNCTIONS:
            raise unsupported(function)
        # NumPy's own mark for "not given", passed on where somebody binds all defaults.
        while args and args[-1] is np._NoValue:
            args = args[:-1]
        if kwargs:
            kwargs = {name: value for name, value in kwargs.items() if value is not np._NoValue}
        return call(function, args, kwargs)

    def __getitem__(self, index):
        memory = self.memory
        if memory is not None:
            found = memory.read(index)
            if found is not None:
                return found
        return FUNCTIONS["subscript"](self, index)

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        result = cast(self, np.dtype(dtype))
        return self if result.node is self.node and not copy else FUNCTIONS["copy"](result)

    def copy(self, order="C"):
        return FUNCTIONS["copy"](self)

    def __copy__(self):
        return FUNCTIONS["copy"](self)

    def __deepcopy__(self, memo):
        return FUNCTIONS["copy"](self)


def _describe(value: Traced) -> str:
    line = user_line(value.node) or user_line_of(user_location(3))
    return f"`{value.node.op.name}`: {value.node.type}{f' ({line})' if line else ''}"


PYTHON = {"f": float, "i": int, "u": int, "b": bool}
WEAK = (float, int, bool)
_FLOAT64 = np.dtype(np.float64)
# Functions of one and of two numbers that NumPy computes in float64 when they are given such.
_OF_FLOAT64, _OF_TWO_FLOAT64 = [
    frozenset(op for ufunc, op in ((f, UFUNCS[f]) for f in UFUNCS) if ufunc.nin == len(kinds) and any(loop.startswith(f"{kinds}-") for loop in ufunc.types))
    for kinds in ("d", "dd")]
_loops: dict[tuple, tuple] = {}


def trace_of(operands) -> Trace:
    """The trace that the traced ones among the operands belong to."""
    for operand in operands:
        if type(operand) is Traced:
            return operand.owner
    raise AssertionError("no traced operand")


def as_traced(value, trace: Trace) -> Traced:
    """A traced value of anything that NumPy would take as an array: numbers, arrays, and sequences of traced values."""
    kind = type(value)
    if kind is Traced:
        if value.owner is not trace:
            value.owner.check_active(value.node)
            trace.check_active(value.node)
            raise TracedConversionError("values of two different traces meet in one operation; return values from the inner function instead of storing them")
        return value
    if kind in WEAK:
        return Traced(trace.builder.constant(value, np.min_scalar_type(value) if kind is int and not -2**63 <= value < 2**63 else kind), trace, kind)
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return as_traced(int(value) if isinstance(value, int) else float(value), trace)  # members of an IntEnum and their like
    if kind in (list, tuple) and any(_has_traced(v) for v in value):
        return FUNCTIONS["array"](value, trace)
    array = np.asarray(value)
    if array.dtype.name not in SUPPORTED:
        line = user_line_of(user_location())
        cure = "Compute real and imaginary parts as numbers of their own" if array.dtype.kind == "c" else "Convert it with .astype(float)"
        raise UnsupportedError(f"a value of dtype {array.dtype} ({type(value).__name__}) meets a traced value{f' ({line})' if line else ''}; "
                               f"only bool, integers, float32 and float64 are supported. {cure}.")
    if array.ndim == 0:
        return Traced(trace.builder.constant(array[()], array.dtype), trace)
    return Traced(trace.builder.array(array), trace)


def _has_traced(value) -> bool:
    return type(value) is Traced or (type(value) in (list, tuple) and any(map(_has_traced, value)))


def cast(value: Traced, dtype: np.dtype) -> Traced:
    """The value in another dtype."""
    node = value.node
    if node.type.dtype is dtype or node.type.dtype == dtype:
        return value if value.weak is None else Traced(node, value.owner)
    if dtype.name not in SUPPORTED:
        raise UnsupportedError(f"dtype {dtype} is not supported; use float64, float32, an integer type or bool.")
    trace = value.owner
    return Traced(trace.builder.node(TABLE["cast"], (node,), (dtype.str,), trace.location or user_location()), trace)


def constant(trace: Trace, value, dtype, run_time: bool = False) -> Traced:
    """A constant of this dtype; ``run_time`` for numbers that follow from extents (see Builder.constant)."""
    return Traced(trace.builder.constant(value, dtype, run_time), trace)


def make(op: Op, operands: tuple[Traced, ...], attrs: tuple = ()) -> Traced:
    """The operation on traced operands that already have the dtypes and shapes that it takes."""
    trace = operands[0].owner
    if not trace.active:
        trace.check_active(operands[0].node)
    return Traced(trace.builder.node(op, tuple([o.node for o in operands]), attrs, trace.location or user_location()), trace)


def loop_dtypes(op: Op, kinds: tuple) -> tuple:
    """The input dtypes of the loop that NumPy would take for operands of these dtypes (or weak Python types)."""
    key = (op, kinds)
    found = _loops.get(key)
    if found is None:
        ufunc = resolve(op.numpy[0])
        try:
            found = ufunc.resolve_dtypes((*kinds, *(None,) * ufunc.nout))[: ufunc.nin]
        except TypeError as error:
            raise UnsupportedError(f"{op.name} of {', '.join(getattr(k, '__name__', str(k)) for k in kinds)}: {error}") from None
        for dtype in found:
            if dtype.name not in SUPPORTED:
                raise UnsupportedError(f"{op.name} of {', '.join(map(str, kinds))} is computed in {dtype} by NumPy, which is not supported; "
                                       f"convert with .astype(float) first.")
        _loops[key] = found
    return found


def elementwise(op: Op, operands, weak: type | None = None) -> Traced:
    """An element-wise operation with NumPy's promotion and broadcasting. ``op.numpy[0]`` is the ufunc that is followed."""
    if op in _OF_FLOAT64:
        x, = operands
        node, trace = x.node, x.owner
        if node.type.dtype is _FLOAT64 and trace.active:  # a quarter of the time of the way below
            return Traced(trace.builder.node(op, (node,), (), trace.location or user_location()), trace, weak)
    elif op in _OF_TWO_FLOAT64:
        x, y = operands
        if type(x) is Traced and type(y) is Traced and x.owner is y.owner and x.owner.active:
            a, b, trace = x.node, y.node, x.owner
            if a.type is b.type and a.type.dtype is _FLOAT64:
                return Traced(trace.builder.node(op, (a, b), (), trace.location or user_location()), trace, weak)
        elif type(y) is float and type(x) is Traced and x.owner.active and x.node.type.dtype is _FLOAT64:
            trace = x.owner
            return Traced(trace.builder.node(op, (x.node, trace.builder.constant(y, _FLOAT64)), (), trace.location or user_location()), trace, weak)
    trace = trace_of(operands)
    if not trace.active:
        trace.check_active(next(o for o in operands if type(o) is Traced).node)
    values = [as_traced(o, trace) for o in operands]
    kinds = tuple([v.weak if v.weak is float or v.weak is int else v.node.type.dtype for v in values])
    if all(v.weak for v in values):
        kinds = tuple([np.dtype(k) for k in kinds])
    dtypes = loop_dtypes(op, kinds)
    nodes = tuple([_operand_node(v, d, trace) for v, d in zip(values, dtypes)])
    try:
        return Traced(trace.builder.node(op, nodes, (), trace.location or user_location()), trace, weak)
    except ShapeError as error:
        line = user_line_of(user_location())
        raise ShapeError(f"{op.name}{f' ({line})' if line else ''}: {error}") from None


def _operand_node(value: Traced, dtype: np.dtype, trace: Trace) -> Node:
    node = value.node
    if node.type.dtype is dtype or node.type.dtype == dtype:
        return node
    if node.op.name == "constant" and node.op.kind == "source":
        return trace.builder.constant(np.frombuffer(node.attrs[1], node.type.dtype)[0], dtype, node.attrs[2])
    return trace.builder.node(TABLE["cast"], (node,), (dtype.str,), trace.location or user_location(3))
