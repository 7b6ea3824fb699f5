"""How reductions combine two values: in registers, across lanes, and in the pairwise tree above blocks.

A sum of n terms is a fixed tree: LANES accumulators over blocks of BLOCK elements, blocks combined pairwise (a binary counter of partial sums),
lanes halved in the end. The tree depends on n alone, never on the machine's vector width or on threads.
Error growth O(log n), as NumPy's pairwise summation (Higham, *SIAM J. Sci. Comput.* 14(4), 1993).
"""

from __future__ import annotations

import numpy as np

from tracer.graph.op import Instruction, Intrinsic
from tracer.ops import TABLE

from .compute import ComputeWriter, Declarations
from .types import mangled, register_type, vector

TREE_LEVELS = 50  # more blocks than memory has
TREE_HEADER = 64  # bytes in front of the levels: how many values have been pushed

_COMBINES = {
    TABLE["sum"]: Instruction(float="fadd", signed="add", unsigned="add"),
    TABLE["prod"]: Instruction(float="fmul", signed="mul", unsigned="mul"),
    TABLE["any"]: Instruction(bool="or"),
    TABLE["all"]: Instruction(bool="and"),
}
# NaN wins in max and min, as in NumPy; llvm.maximum propagates it.
_EXTREMES = {TABLE["max"]: {"f": "llvm.maximum", "i": "llvm.smax", "u": "llvm.umax", "b": "llvm.umax"},
             TABLE["min"]: {"f": "llvm.minimum", "i": "llvm.smin", "u": "llvm.umin", "b": "llvm.umin"},
             TABLE["cumsum"]: None, TABLE["cumprod"]: None}


def lowering_of(op, dtype: np.dtype):
    """What combines two values of a reduction or scan."""
    if op is TABLE["cumsum"]:
        op = TABLE["sum"]
    elif op is TABLE["cumprod"]:
        op = TABLE["prod"]
    return _COMBINES.get(op) or Intrinsic(_EXTREMES[op][dtype.kind])


def combine(writer: ComputeWriter, op, a: str, b: str, dtype: np.dtype, lanes: int) -> str:
    """One step of a reduction: two partial results become one."""
    return writer.apply(lowering_of(op, dtype), [a, b], dtype, dtype, lanes)


def across_lanes(writer: ComputeWriter, op, value: str, dtype: np.dtype, lanes: int) -> str:
    """One scalar from the lanes, the upper half onto the lower until one is left."""
    element = register_type(dtype)
    while lanes > 1:
        half = lanes // 2
        type = vector(element, lanes)
        low, high = (", ".join(f"i32 {k}" for k in range(start, start + half)) for start in (0, half))
        parts = [writer.f.let(f"shufflevector {type} {value}, {type} poison, <{half} x i32> <{mask}>") for mask in (low, high)]
        value = combine(writer, op, *parts, dtype, half)
        lanes = half
    return writer.f.let(f"extractelement <1 x {element}> {value}, i64 0")


def tree_bytes(dtype: np.dtype, lanes: int) -> int:
    """The memory of a tree of vectors; bools take at most a byte a lane."""
    return TREE_HEADER + TREE_LEVELS * lanes * dtype.itemsize


def tree_functions(declarations: Declarations, op, dtype: np.dtype, lanes: int, identity: str) -> tuple[str, str]:
    """The names of the two functions that push a block's value on the tree and that fold what is left."""
    element = register_type(dtype)
    type = vector(element, lanes)
    stem = f"{op.name}.{mangled(element, lanes)}"
    push, fold = f"tree_push.{stem}", f"tree_fold.{stem}"
    if push not in declarations.lines:
        merge = _combination_text(declarations, op, dtype, element, lanes)
        declarations.lines[push] = _PUSH.format(name=push, header=TREE_HEADER, T=type, merge=merge("%s2", "%o", "%s"))
        declarations.lines[fold] = _FOLD.format(name=fold, header=TREE_HEADER, T=type, merge=merge("%s2", "%o", "%s"), identity=identity)
    return push, fold


def _combination_text(declarations, op, dtype, element, lanes):
    lower = lowering_of(op, dtype)
    type = vector(element, lanes)
    if isinstance(lower, Intrinsic):
        name = declarations.declare(f"{lower.name}.{mangled(element, lanes)}", type, (type, type))
        return lambda result, a, b: f"{result} = call {type} @{name}({type} {a}, {type} {b})"
    opcode = {"f": lower.float, "i": lower.signed, "u": lower.unsigned, "b": lower.bool}[dtype.kind]
    return lambda result, a, b: f"{result} = {opcode} {type} {a}, {b}"


_PUSH = """define internal void @{name}(ptr %state, {T} %v) #0 {{
entry:
  %levels = getelementptr i8, ptr %state, i64 {header}
  %n = load i64, ptr %state, align 8
  %n1 = add i64 %n, 1
  store i64 %n1, ptr %state, align 8
  br label %loop
loop:
  %t = phi i64 [ %n, %entry ], [ %t2, %merge ]
  %level = phi i64 [ 0, %entry ], [ %level2, %merge ]
  %s = phi {T} [ %v, %entry ], [ %s2, %merge ]
  %odd = and i64 %t, 1
  %p = getelementptr {T}, ptr %levels, i64 %level
  %more = icmp ne i64 %odd, 0
  br i1 %more, label %merge, label %done
merge:
  %o = load {T}, ptr %p
  {merge}
  %t2 = lshr i64 %t, 1
  %level2 = add i64 %level, 1
  br label %loop
done:
  store {T} %s, ptr %p
  ret void
}}"""

_FOLD = """define internal {T} @{name}(ptr %state) #0 {{
entry:
  %levels = getelementptr i8, ptr %state, i64 {header}
  %n = load i64, ptr %state, align 8
  br label %loop
loop:
  %t = phi i64 [ %n, %entry ], [ %t2, %next ]
  %level = phi i64 [ 0, %entry ], [ %level2, %next ]
  %s = phi {T} [ {identity}, %entry ], [ %s3, %next ]
  %more = icmp ne i64 %t, 0
  br i1 %more, label %look, label %done
look:
  %odd = and i64 %t, 1
  %p = getelementptr {T}, ptr %levels, i64 %level
  %has = icmp ne i64 %odd, 0
  br i1 %has, label %merge, label %next
merge:
  %o = load {T}, ptr %p
  {merge}
  br label %next
next:
  %s3 = phi {T} [ %s, %look ], [ %s2, %merge ]
  %t2 = lshr i64 %t, 1
  %level2 = add i64 %level, 1
  br label %loop
done:
  ret {T} %s
}}"""
