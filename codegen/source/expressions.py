"""Expressions as text: an operation's record gives a template, operands are put into it with the parentheses that they need.

``({0} + {1})`` filled with ``a`` and ``b * c`` is ``a + b * c``; the order of evaluation is that of the loop IR.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
from typing import NamedTuple

import numpy as np

from codegen.loops import Literal
from tracer.graph.op import Convert, Op

# How tightly an expression holds together, as in Python's grammar; a larger level needs fewer parentheses.
ANYTHING, CONDITIONAL, OR, AND, NOT, COMPARE, BIT_OR, BIT_XOR, BIT_AND, SHIFT, SUM, PRODUCT, UNARY, POWER, ATOM = range(15)

_BINARY = {ast.BitOr: BIT_OR, ast.BitXor: BIT_XOR, ast.BitAnd: BIT_AND, ast.LShift: SHIFT, ast.RShift: SHIFT, ast.Add: SUM, ast.Sub: SUM,
           ast.Mult: PRODUCT, ast.Div: PRODUCT, ast.FloorDiv: PRODUCT, ast.Mod: PRODUCT, ast.MatMult: PRODUCT, ast.Pow: POWER}
_MODULES = frozenset(("math", "np"))
_INTEGER_REMAINDER = "np.fmod(", "truncated_remainder("  # Numba's np.fmod(-1, 2) is 1
_HOLE = re.compile(r"\{(\d+)\}")


class Expression(NamedTuple):
    """Text, how tightly it holds, the name it is known by (for the names of what is computed from it), the user's line."""

    text: str
    level: int = ATOM
    stem: str = ""
    line: str = ""


class Template(NamedTuple):
    """Text around holes; ``holes`` are (operand, the level it must have), ``repeated`` the operands that stand in more than one.

    ``exact``: float32 operands give float32 under Numba too.
    """

    pieces: tuple[str, ...]
    holes: tuple[tuple[int, int], ...]
    level: int
    functions: frozenset[str]
    modules: frozenset[str]
    exact: bool
    repeated: frozenset[int]

    def fill(self, operands: list[Expression]) -> str:
        parts = [self.pieces[0]]
        for (operand, level), piece in zip(self.holes, self.pieces[1:]):
            text, own, *_ = operands[operand]
            parts.append(text if own >= level else f"({text})")
            parts.append(piece)
        return "".join(parts)


@functools.cache
def template(text: str) -> Template:
    """The template of a record's ``source``."""
    code = _HOLE.sub(r"_\1_", text)
    body = ast.parse(code, mode="eval").body
    parents = {child: node for node in ast.walk(body) for child in ast.iter_child_nodes(node)}
    names = [node for node in ast.walk(body) if isinstance(node, ast.Name)]
    holes = sorted((node for node in names if re.fullmatch(r"_\d+_", node.id)), key=lambda node: node.col_offset)
    free = {node.id for node in names} - {node.id for node in holes}
    pieces, end = [], body.col_offset
    for hole in holes:
        pieces.append(code[end:hole.col_offset])
        end = hole.end_col_offset
    pieces.append(code[end:body.end_col_offset])
    needs = tuple([(int(hole.id.strip("_")), _needed_level(code, hole, parents.get(hole))) for hole in holes])
    operands = [operand for operand, _ in needs]
    return Template(tuple(pieces), needs, _level(body), frozenset(free - _MODULES - set(dir(builtins))), frozenset(free & _MODULES),
                    exact=not free - {"np", "abs"} and not any(isinstance(node, ast.Constant) for node in ast.walk(body)),
                    repeated=frozenset(operand for operand in operands if operands.count(operand) > 1))


def _level(node: ast.AST) -> int:
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)]
    if isinstance(node, ast.UnaryOp):
        return NOT if isinstance(node.op, ast.Not) else UNARY
    if isinstance(node, ast.BoolOp):
        return OR if isinstance(node.op, ast.Or) else AND
    return {ast.IfExp: CONDITIONAL, ast.Compare: COMPARE}.get(type(node), ATOM)


def _needed_level(code: str, hole: ast.Name, parent: ast.AST | None) -> int:
    """The level below which an operand in this place is put in parentheses."""
    if parent is None or (code[hole.col_offset - 1:hole.col_offset] == "(" and code[hole.end_col_offset:hole.end_col_offset + 1] == ")"):
        return ANYTHING
    if isinstance(parent, ast.BinOp):
        own = _level(parent)
        if own == POWER:
            return ATOM if hole is parent.left else UNARY
        return own if hole is parent.left else own + 1
    if isinstance(parent, (ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp)):
        return _level(parent) + 1
    return ANYTHING if isinstance(parent, ast.Call) and hole is not parent.func else ATOM


@functools.cache
def template_of(op: Op, dtype: np.dtype) -> Template:
    """The template of an operation whose result has this dtype."""
    if isinstance(op.lower, Convert):
        return template("{0} != 0" if dtype.kind == "b" else f"{dtype_text(dtype)}({{0}})")
    if dtype.kind == "b":
        return _template_of_bool(op.source)
    # Numba computes small integers in 64 bits, and mathematics and literals in double; NumPy gives the operands' dtype.
    source = op.source if dtype.kind == "f" else op.source.replace(*_INTEGER_REMAINDER)
    found = template(source)
    narrow = (dtype.kind in "iu" and dtype.itemsize < 8) or (dtype == np.float32 and not found.exact)
    return _converted(found, dtype) if narrow else found


def _template_of_bool(source: str) -> Template:
    """Python's bools are integers: ~True is -2, and True + True is 2."""
    found = template(source.replace("~", "not "))
    return _converted(found, np.dtype("bool")) if found.level in (SUM, PRODUCT) else found


def _converted(inner: Template, dtype: np.dtype) -> Template:
    """The template with its value converted."""
    first, *rest = inner.pieces
    pieces = [f"{dtype_text(dtype)}({first}", *rest]
    pieces[-1] += ")"
    return inner._replace(pieces=tuple(pieces), level=ATOM, modules=inner.modules | {"np"}, exact=True)


@functools.cache
def dtype_text(dtype: np.dtype) -> str:
    """A dtype as the source names it."""
    return "np.bool_" if dtype.kind == "b" else f"np.{dtype.name}"


def literal(instruction: Literal) -> Expression:
    """A number as a person writes it, in its own dtype."""
    return number(np.frombuffer(instruction.bits, instruction.dtype)[0], instruction.dtype)


def number(value, dtype: np.dtype) -> Expression:
    """The text of a number of this dtype; float64, int64 and bool need no conversion."""
    value = dtype.type(value)
    if dtype.kind == "f":
        text = str(value) if np.isfinite(value) else "np.nan" if np.isnan(value) else "-np.inf" if value < 0 else "np.inf"
    else:
        text = str(value)
    if dtype.name not in ("float64", "int64", "bool"):
        return Expression(f"{dtype_text(dtype)}({text})")
    return Expression(text, UNARY if text.startswith("-") else ATOM)
