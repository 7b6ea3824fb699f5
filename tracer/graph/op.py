"""The record of an operation: everything that any part of the system knows about it.

Derivation, eager mode, batching, code generation and the tests all read these records; no pass asks for an operation
by name. What does not apply is said with one of the sentinels, never left out: :meth:`Op.__post_init__` refuses blanks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["source", "elementwise", "reduction", "movement", "contraction", "linalg", "scan", "indexed", "loop"]


class Sentinel:
    """A named constant that stands for itself in a record."""

    __slots__ = ("name",)

    def __init__(self, name: str):
        self.name = name

    def __repr__(self) -> str:
        return self.name


NOT_DIFFERENTIABLE = Sentinel("NOT_DIFFERENTIABLE")  # asking for the derivative is an error
ZERO = Sentinel("ZERO")                              # piecewise constant, or integer/bool valued: no gradient flows
LINEAR = Sentinel("LINEAR")                          # tangents go through the operation itself
NOT_SYMBOLIC = Sentinel("NOT_SYMBOLIC")              # SymPy has no form of it
STRUCTURAL = Sentinel("STRUCTURAL")                  # lowered by the scheduler according to its kind, not by one instruction
DERIVED = Sentinel("DERIVED")                        # the partials are SymPy's: they stand, generated, in ops.derived
JOINTLY = Sentinel("JOINTLY")                        # a loop: its outputs are derived together, by derive.loop
REQUIRED = Sentinel("REQUIRED")


# How an element-wise operation becomes machine code --------------------------------------------------------------------

@dataclass(frozen=True, slots=True)
class Instruction:
    """LLVM instructions by class of operand: ``fadd`` for floats, ``add`` for integers, ``or`` for bools.

    Comparisons name their predicate, as in ``fcmp olt``; integers have a signed and an unsigned form.
    """

    float: str | None = None
    signed: str | None = None
    unsigned: str | None = None
    bool: str | None = None
    first: int | None = None  # a constant in front of the operands of the integer forms, as in 0 - x
    last: int | None = None   # a constant behind them, as in x xor -1


@dataclass(frozen=True, slots=True)
class Intrinsic:
    """An LLVM intrinsic that every target lowers in line, such as ``llvm.sqrt``; floats only."""

    name: str


@dataclass(frozen=True, slots=True)
class Libm:
    """A function of the C mathematics library (double; ``f`` is appended for float), by the same name in libmvec."""

    name: str


@dataclass(frozen=True, slots=True)
class Special:
    """A function of ``scipy.special.cython_special``: its exported name there and the C types, as in ``double(double)``."""

    export: str


@dataclass(frozen=True, slots=True)
class Select:
    """LLVM's ``select``: condition, value where true, value where false."""


@dataclass(frozen=True, slots=True)
class Convert:
    """From the operand's dtype to the result's, as NumPy's ``astype``."""


@dataclass(frozen=True, slots=True)
class Expand:
    """Rewritten into simpler operations before code is made; ``body`` builds them from traced operands."""

    body: Callable[..., Any]


@dataclass(frozen=True, slots=True)
class ByClass:
    """One lowering for floats and others for integers and bools."""

    float: Any
    signed: Any = None
    unsigned: Any = None
    bool: Any = None


_CLASSES = {"f": "float", "i": "signed", "u": "unsigned", "b": "bool"}


def lowering(op: Op, dtype):
    """How the operation becomes machine code on operands of this dtype."""
    lower = op.lower
    return getattr(lower, _CLASSES[dtype.kind]) if type(lower) is ByClass else lower


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Op:
    """One operation.

    name        unique, the NumPy name where there is one
    kind        which traversal the scheduler gives it
    infer       (input types, attrs) -> ArrayType; raises ShapeError
    evaluate    (NumPy arrays..., *attrs) -> NumPy array: the meaning
    numpy       the callables it stands for; a ufunc in first place also gives the dtype promotion
    partials    element-wise: (inputs..., out) -> one factor per input; DERIVED by SymPy where ops.derived has it;
                a factor may be a Python number or ZERO
    vjp         others: (cotangent, inputs, out, attrs, times) -> one cotangent (or None) per input
    jvp         others: LINEAR or (tangents, inputs, out, attrs) -> tangent; a tangent may be None
    sympy       (SymPy operands...) -> expression, or NOT_SYMBOLIC
    lower       Instruction | Intrinsic | Libm | Special | Select | Convert | Expand | STRUCTURAL
    source      Python/Numba text with {0}, {1}… for the operands; STRUCTURAL where loops are made of it
    grad_fn     name of the eager node
    domain      one (low, high) per input from which tests sample; None for structured inputs that tests build themselves
    kink        the convention at ties and kinks, in words, and whose it is; "" where smooth
    """

    name: str = REQUIRED
    kind: Kind = REQUIRED
    infer: Callable = REQUIRED
    evaluate: Callable = REQUIRED
    numpy: tuple = ()
    partials: Any = None
    vjp: Any = None
    jvp: Any = None
    sympy: Any = NOT_SYMBOLIC
    lower: Any = REQUIRED
    source: Any = REQUIRED
    grad_fn: str = REQUIRED
    domain: Any = REQUIRED
    kink: str = ""
    commutative: bool = False

    def __post_init__(self):
        blank = [name for name in self.__slots__ if getattr(self, name) is REQUIRED]
        if self.kind == "elementwise" and self.partials is None:
            blank.append("partials")
        if self.kind not in ("elementwise", "source") and (self.vjp is None or self.jvp is None):
            blank.append("vjp, jvp")
        if blank:
            raise TypeError(f"the record of operation {self.name!r} leaves out {', '.join(blank)}")

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self):
        return _by_name, (self.name,)


def _by_name(name: str) -> Op:
    from tracer.ops import TABLE  # unpickling only; the table stands one floor up

    return TABLE[name]
