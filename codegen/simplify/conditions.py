"""What rules ask of their operands: properties of constants, and ranges that follow from how a value was made."""

from __future__ import annotations

import math

import numpy as np

from tracer.graph.node import CONSTANT, Node, constant_value
from tracer.ops import TABLE

LARGEST_EXPONENT = 60
RANGE_DEPTH = 4  # how far a range is looked for below a node; deeper ones are not worth the time

_NON_NEGATIVE = frozenset(TABLE[name] for name in ("absolute", "exp", "exp2", "cosh", "expit", "ndtr", "erfc"))
_KEEPS_SIGN = frozenset(TABLE[name] for name in ("add", "multiply", "divide", "sqrt", "log1p", "expm1", "maximum", "minimum", "broadcast_to", "reshape"))


def is_non_negative(node: Node, depth: int = RANGE_DEPTH) -> bool:
    """Is the value +0.0, positive or NaN whatever the inputs are? A no may mean that it was not seen."""
    op = node.op
    if op is CONSTANT:
        value = constant_value(node)
        return not node.attrs[2] and math.copysign(1.0, value) > 0 and value == value
    if op in _NON_NEGATIVE or (op is TABLE["multiply"] and node.inputs[0] is node.inputs[1]):
        return True
    return depth > 0 and op in _KEEPS_SIGN and all(is_non_negative(o, depth - 1) for o in node.inputs)


def non_negative(name: str):
    """The condition that this variable is never negative."""
    return lambda bound: is_non_negative(bound[name])


def not_known_negative(name: str):
    """The condition that a variable is not minus something that is never negative."""
    return lambda bound: bound[name].op is not TABLE["negative"] or not is_non_negative(bound[name].inputs[0])


def is_power_of_two(value) -> bool:
    """Is multiplying and dividing by it a mere change of exponent, in float32 too, and beside any number of elements?"""
    mantissa, exponent = math.frexp(value)
    return abs(mantissa) == 0.5 and abs(exponent) <= LARGEST_EXPONENT


def power_of_two(name: str):
    """The condition that a constant is plus or minus a power of two."""
    return lambda bound: is_power_of_two(float(constant_value(bound[name])))


def scaling(first: str, second: str, combine):
    """The condition that one of two constants is a power of two and that ``combine`` of both is finite and normal, hence exact."""
    def holds(bound) -> bool:
        a, b = constant_value(bound[first]), constant_value(bound[second])
        if a == 0 or b == 0 or not (is_power_of_two(float(a)) or is_power_of_two(float(b))):
            return False
        combined = combine(a, b)
        return bool(np.finfo(combined.dtype).tiny <= abs(combined) < np.inf)
    return holds


def finite(name: str):
    """The condition that a constant is finite."""
    return lambda bound: math.isfinite(float(constant_value(bound[name])))


def non_zero(name: str):
    """The condition that a constant is not zero."""
    return lambda bound: constant_value(bound[name]) != 0


def above_zero(name: str):
    """The condition that a constant is finite and positive."""
    return lambda bound: 0 < constant_value(bound[name]) < math.inf


def same_sign(first: str, second: str):
    """The condition that two constants and their sum are finite, not zero, and of one sign."""
    def holds(bound) -> bool:
        a, b = constant_value(bound[first]), constant_value(bound[second])
        return bool(np.isfinite(a + b) and (a > 0 < b or a < 0 > b))
    return holds


def later(first: str, second: str):
    """The condition that one variable was made after the other: an order for operands that may change places."""
    return lambda bound: bound[first].id > bound[second].id
