"""Nodes to SymPy expressions and back.

SymPy is shown small things only: scalars, arrays of at most LARGEST elements taken element by element, cones of the simplifier. Neither direction recurses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import sympy as sp

from .errors import UnsupportedError
from .graph.graph import Graph
from .graph.node import Node, constant_value, user_line
from .graph.op import NOT_SYMBOLIC
from .ops import TABLE
from .trace.value import Traced, constant, elementwise, make

LARGEST = 64       # elements of an array that is written out
MOST_NODES = 5000  # of a graph that somebody will want to read as a formula


# Nodes to expressions -------------------------------------------------------------------------------------------------------

def expressions(graph: Graph) -> tuple[Any, ...]:
    """One SymPy expression per output; an array is an ImmutableDenseNDimArray of expressions.

    A scalar input is a real symbol of its name, an array input an IndexedBase of its name. Raises UnsupportedError for arrays of more than 64 elements,
    long graphs, and operations that SymPy has no form of.
    """
    if len(graph.nodes) > MOST_NODES:
        raise UnsupportedError(f"{graph.name} has {len(graph.nodes)} nodes; formulas are written for at most {MOST_NODES}. Read .graph instead.")
    symbols = {node: _input_symbols(node, name) for node, name in zip(graph.inputs, graph.input_names)}
    values = _evaluate(graph.nodes, symbols)
    return tuple([_shown(values[node]) for node in graph.outputs])


def cone_to_sympy(nodes: Sequence[Node], leaves: Mapping[Node, sp.Symbol]) -> sp.Expr:
    """The expression of the last of these nodes (in topological order, all of them element by element), its leaves being given symbols."""
    values = {}
    for node in nodes:
        if node in leaves:
            values[node] = leaves[node]
        elif node.op.kind == "source":
            values[node] = number(constant_value(node))
        else:
            values[node] = _symbolic(node)(*[values[o] for o in node.inputs])
    return values[nodes[-1]]


def number(value) -> sp.Expr:
    """A NumPy number as SymPy's: whole numbers exact, others with their 53 bits."""
    if isinstance(value, (bool, np.bool_)):
        return sp.true if value else sp.false
    if np.isnan(value):
        return sp.nan
    if np.isinf(value):
        return sp.oo if value > 0 else -sp.oo
    whole = int(value)
    return sp.Integer(whole) if whole == value and abs(whole) < 2**53 else sp.Float(float(value))


def _input_symbols(node: Node, name: str) -> np.ndarray:
    shape = node.type.shape
    if node.type.size > LARGEST:
        raise UnsupportedError(f"`{name}` has {node.type.size} elements; formulas are written for arrays of at most {LARGEST}. "
                               f"Call it with a smaller example (.lower(...)), or read .graph.")
    name = name.replace("[", "_").replace("]", "").replace("'", "").replace('"', "")
    result = np.empty(shape, object)
    base = sp.IndexedBase(name, real=True)
    for at in np.ndindex(shape):
        result[at] = base[at] if at else sp.Symbol(name, real=True)
    return result


def _symbolic(node: Node):
    if node.op.sympy is NOT_SYMBOLIC:
        line = user_line(node)
        raise UnsupportedError(f"SymPy has no form of `{node.op.name}`{f' ({line})' if line else ''}; read .graph or .source instead.")
    return node.op.sympy


def _evaluate(nodes: Sequence[Node], known: Mapping[Node, np.ndarray]) -> dict[Node, np.ndarray]:
    values = dict(known)
    for node in nodes:
        if node not in values:
            if node.op.kind == "source":
                found = constant_value(node)
                values[node] = np.frompyfunc(number, 1, 1)(found) if np.ndim(found) else _boxed(number(found))
            else:
                rule = _ARRAY_RULES.get(node.op) or _RULES[node.op.kind]
                values[node] = rule(node, *[values[o] for o in node.inputs])
    return values


def _boxed(expression) -> np.ndarray:
    box = np.empty((), object)
    box[()] = expression
    return box


def _elementwise_expression(node: Node, *operands: np.ndarray) -> np.ndarray:
    function = _symbolic(node)
    result = np.empty(node.type.shape, object)
    spread = [np.broadcast_to(o, node.type.shape) for o in operands]
    for at in np.ndindex(node.type.shape):
        result[at] = function(*[o[at] for o in spread])
    return result


def _reduced_expression(node: Node, operand: np.ndarray) -> np.ndarray:
    function = _symbolic(node)
    axes = node.attrs[0] if isinstance(node.attrs[0], tuple) else node.attrs
    kept = [axis for axis in range(operand.ndim) if axis not in axes]
    rows = np.transpose(operand, (*kept, *axes)).reshape(*[operand.shape[a] for a in kept], -1)
    result = np.empty(node.type.shape, object)
    for at in np.ndindex(node.type.shape):
        result[at] = function(*rows[at])
    return result


def _evaluated_expression(node: Node, *operands: np.ndarray) -> np.ndarray:
    """Movements and products: NumPy does them on arrays of expressions."""
    result = node.op.evaluate(*operands, *node.attrs)
    return result if isinstance(result, np.ndarray) else _boxed(result)


def _assembled_expression(node: Node, *pieces: np.ndarray) -> np.ndarray:
    shape, specs = node.attrs
    result = np.full(shape, sp.Integer(0), object)
    for piece, spec in zip(pieces, specs):
        lists = [[e] if isinstance(e, int) else [e[0] + k * e[2] for k in range(e[1])] for e in spec]
        at = np.ix_(*lists) if lists else ()
        result[at] = result[at] + piece.reshape([len(k) for k in lists])
    return result


def _gathered_expression(node: Node, array: np.ndarray, *indices: np.ndarray) -> np.ndarray:
    if not all(i.is_Integer for index in indices for i in index.ravel()):
        raise UnsupportedError("SymPy has no form of a look-up at an index that is data; read .graph or .source instead.")
    return _evaluated_expression(node, array, *[index.astype(np.int64) for index in indices])


def _refused_expression(node: Node, *_):
    _symbolic(node)
    raise UnsupportedError(f"formulas are not written for `{node.op.name}`; read .graph or .source instead.")


def _determinant(node: Node, matrix: np.ndarray) -> np.ndarray:
    if matrix.ndim != 2:
        return _refused_expression(node)
    determinant = sp.Matrix(matrix).det()
    return _boxed({TABLE["det"]: lambda d: d, TABLE["detsign"]: sp.sign, TABLE["logabsdet"]: lambda d: sp.log(sp.Abs(d))}[node.op](determinant))


_RULES = {"elementwise": _elementwise_expression, "reduction": _reduced_expression, "movement": _evaluated_expression, "contraction": _evaluated_expression,
          "scan": _evaluated_expression, "indexed": _refused_expression, "linalg": _refused_expression,
          "loop": _refused_expression}
_ARRAY_RULES = {TABLE["assemble"]: _assembled_expression, TABLE["gather"]: _gathered_expression, TABLE["argmax"]: _refused_expression,
                TABLE["argmin"]: _refused_expression, **{TABLE[name]: _determinant for name in ("det", "detsign", "logabsdet")}}


def _shown(value: np.ndarray):
    return sp.ImmutableDenseNDimArray(value.ravel().tolist(), value.shape) if value.ndim else value[()]


# Expressions to nodes -------------------------------------------------------------------------------------------------------

_FUNCTIONS = {sp.exp: "exp", sp.log: "log", sp.sin: "sin", sp.cos: "cos", sp.tan: "tan", sp.asin: "arcsin", sp.acos: "arccos", sp.atan: "arctan",
              sp.sinh: "sinh", sp.cosh: "cosh", sp.tanh: "tanh", sp.asinh: "arcsinh", sp.acosh: "arccosh", sp.atanh: "arctanh", sp.atan2: "arctan2",
              sp.Abs: "absolute", sp.sign: "sign", sp.floor: "floor", sp.ceiling: "ceil", sp.erf: "erf", sp.erfc: "erfc", sp.loggamma: "gammaln",
              sp.gamma: "gamma", sp.digamma: "psi"}
_RELATIONS = {sp.StrictLessThan: "less", sp.LessThan: "less_equal", sp.StrictGreaterThan: "greater", sp.GreaterThan: "greater_equal",
              sp.Equality: "equal", sp.Unequality: "not_equal"}
LARGEST_POWER = 8  # whole exponents up to this are products


def from_sympy(expression: sp.Expr, values: Mapping[sp.Symbol, Traced]) -> Traced:
    """The nodes that compute an expression of these symbols. Raises UnsupportedError for a function without operation."""
    trace = next(iter(values.values())).owner
    made: dict[sp.Basic, Any] = dict(values)
    pending = [expression]
    while pending:
        current = pending[-1]
        if current in made:
            pending.pop()
            continue
        if current.is_number and not current.is_Relational:
            made[current] = float(current)
            continue
        needed = _needed(current)
        missing = [part for part in needed if part not in made]
        if missing:
            pending.extend(missing)
        else:
            made[current] = _made(current, made)
    result = made[expression]
    return result if isinstance(result, Traced) else constant(trace, result, "float64")


def _needed(expression: sp.Basic) -> list[sp.Basic]:
    """The parts that have to be there first."""
    if expression.is_Add:
        return [_positive(term)[1] for term in expression.args]
    if expression.is_Mul:
        above, below = _fraction(expression)
        return above + below
    if isinstance(expression, sp.Piecewise):
        return [part for pair in expression.args for part in pair if part is not sp.true]
    if expression.is_Pow and expression.exp.is_number:
        return [expression.base]
    return list(expression.args)


def _made(expression: sp.Basic, made: Mapping) -> Any:
    if expression.is_Add:
        return _sum(expression, made)
    if expression.is_Mul:
        return _quotient(expression, made)
    if expression.is_Pow:
        return _power(expression, made)
    arguments = [made.get(a) for a in expression.args]
    kind = expression.func
    if kind in _FUNCTIONS:
        return elementwise(TABLE[_FUNCTIONS[kind]], arguments)
    if kind in _RELATIONS:
        return elementwise(TABLE[_RELATIONS[kind]], arguments)
    if kind in (sp.Max, sp.Min):
        result = arguments[0]
        for argument in arguments[1:]:
            result = elementwise(TABLE["maximum" if kind is sp.Max else "minimum"], (result, argument))
        return result
    if kind is sp.Piecewise:
        return _selected(expression, made)
    raise UnsupportedError(f"there is no operation for SymPy's {kind.__name__}")


def _positive(term: sp.Expr) -> tuple[bool, sp.Expr]:
    """(is it subtracted, what is)."""
    return (True, -term) if term.could_extract_minus_sign() and not term.is_number else (False, term)


def _sum(expression: sp.Expr, made: Mapping) -> Any:
    parts = sorted([_positive(term) for term in expression.args], key=lambda part: part[0])
    negative, first = parts[0]
    result = -made[first] if negative else made[first]
    for negative, part in parts[1:]:
        result = result - made[part] if negative else result + made[part]
    return result


def _fraction(expression: sp.Expr) -> tuple[list[sp.Expr], list[sp.Expr]]:
    """The factors above and below the line."""
    above, below = [], []
    for part in expression.args:
        if part.is_Pow and part.exp.is_number and part.exp.is_negative:
            below.append(part.base ** -part.exp)
        elif part is not sp.S.One:
            above.append(part)
    return above, below


def _quotient(expression: sp.Expr, made: Mapping) -> Any:
    above, below = _fraction(expression)
    if len(above) > 1 and above[0] == -1:
        rest = _product(above[1:], made)
        top = -rest
    else:
        top = _product(above, made)
    return top / _product(below, made) if below else top


def _product(parts: list[sp.Expr], made: Mapping) -> Any:
    result = None
    for part in parts:
        result = made[part] if result is None else result * made[part]
    return 1.0 if result is None else result


def _power(expression: sp.Expr, made: Mapping) -> Any:
    base, exponent = made[expression.base], expression.exp
    if not exponent.is_number:
        return elementwise(TABLE["power"], (base, made[exponent]))
    if exponent.is_negative:
        return 1.0 / _positive_power(base, -exponent)
    return _positive_power(base, exponent)


def _positive_power(base, exponent: sp.Expr):
    if exponent == sp.Rational(1, 2):
        return elementwise(TABLE["sqrt"], (base,))
    if exponent.is_Integer and exponent <= LARGEST_POWER:
        result, square, rest = None, base, int(exponent)
        while rest:
            if rest & 1:
                result = square if result is None else result * square
            rest >>= 1
            square = square * square if rest else square
        return result
    return elementwise(TABLE["power"], (base, float(exponent)))


def _selected(expression: sp.Piecewise, made: Mapping) -> Traced:
    *pairs, (last, condition) = expression.args
    if condition is not sp.true:
        raise UnsupportedError("a Piecewise without a last arm that always holds")
    trace = next(v for v in made.values() if isinstance(v, Traced)).owner
    result = made[last]
    for value, condition in reversed(pairs):
        arms = [v if isinstance(v, Traced) else constant(trace, v, "float64") for v in (made[value], result)]
        result = make(TABLE["where"], (made[condition], *arms))
    return result
