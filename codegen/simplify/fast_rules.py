"""Real-number algebra, for ``simplify="fast"``: rounding, NaN, inf and the sign of zero may change.

As with the exact rules, only the root of a pattern is sure to go, so a row pays even if everything below stays alive.
"""

from __future__ import annotations

from .conditions import non_zero
from .pattern import Number, Rule, Variable, operation

x, y, z = map(Variable, ("x", "y", "z"))
c, d = Number("c"), Number("d")

absolute, sqrt, exp, log, sin, cos, sinh, cosh = map(operation, ("absolute", "sqrt", "exp", "log", "sin", "cos", "sinh", "cosh"))


FAST_RULES = tuple(Rule(pattern, replacement, "real", when=when) for pattern, replacement, when in (
    # Identities.
    (x + 0.0, x, None),
    (x - -0.0, x, None),
    (0.0 - x, -x, None),
    (x - x, 0.0, None),
    (x * 0.0, 0.0, None),
    (x * -0.0, 0.0, None),
    (0.0 / x, 0.0, None),
    (x / x, 1.0, None),
    (-(x - y), y - x, None),
    (-x - y, -(x + y), None),
    (x - (x + y), -y, None),
    (x - (x - y), y, None),
    (x + (y - x), y, None),
    ((x + y) - x, y, None),
    ((x - y) - x, -y, None),

    # Constants meet.
    (x / c, x * (1.0 / c), non_zero("c")),
    ((x * c) * d, x * (c * d), None),
    ((x + c) + d, x + (c + d), None),
    ((x + c) - d, x + (c - d), None),
    ((x - c) + d, x + (d - c), None),
    ((x - c) - d, x - (c + d), None),
    ((c - x) + d, (c + d) - x, None),
    (c - (x + d), (c - d) - x, None),
    (c - (d - x), x + (c - d), None),
    ((c / x) * d, (c * d) / x, None),
    (c / (x * d), (c / d) / x, non_zero("d")),
    (c / (d / x), x * (c / d), non_zero("d")),

    # Factors that cancel.
    ((x * y) / x, y, None),
    (x / (x * y), 1.0 / y, None),
    ((x / y) * y, x, None),
    (x / (1.0 / y), x * y, None),
    (1.0 / (x / y), y / x, None),

    # Powers, roots, exponentials.
    (sqrt(x) * sqrt(x), x, None),
    (sqrt(x * x), absolute(x), None),
    (x / sqrt(x), sqrt(x), None),
    (x ** -0.5, 1.0 / sqrt(x), None),
    (x ** 1.5, x * sqrt(x), None),
    (x ** 4.0, (x * x) * (x * x), None),
    (x ** 5.0, ((x * x) * (x * x)) * x, None),
    (x ** 6.0, ((x * x) * x) * ((x * x) * x), None),
    (x ** 8.0, ((x * x) * (x * x)) * ((x * x) * (x * x)), None),
    (x ** -2.0, 1.0 / (x * x), None),
    (x ** -3.0, 1.0 / ((x * x) * x), None),
    (exp(log(x)), x, None),
    (exp(x) * exp(-x), 1.0, None),

    # Trigonometry.
    (sin(x) * sin(x) + cos(x) * cos(x), 1.0, None),
    (cosh(x) * cosh(x) - sinh(x) * sinh(x), 1.0, None),
))
