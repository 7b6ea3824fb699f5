"""The rewrites that keep every promise: exact ones, and those that only come closer to the exact value.

An exact rule cheapens the node it looks at and never adds work: what lies below that node may be needed elsewhere, only the root is sure
to go. So rules need no count of users, which would differ between the first, the inner and the last iteration of an unrolled loop.

Left out on purpose:
``sqrt(x*x + y*y) -> hypot(x, y)``   2.1 times the time, and it differs only where a square over- or underflows
``1 - expit(x) -> expit(-x)``        an exponential more in every gradient of expit, to gain digits of a factor next to zero
``1 / (1 + exp(-x)) -> expit(x)``    the same formula, but exp(-x) is often needed again
``(-x) * y -> -(x * y)``             a negation more where -x stays alive
``-(c / x) -> -c / x``               a division more where c/x stays alive
``x**4 -> (x*x) * (x*x)``            2.3 ulp
``sqrt(x*x) -> abs(x)``              where x*x underflows the root is 0; "fast" does it
"""

from __future__ import annotations

import math
import operator

from .conditions import above_zero, finite, later, non_negative, non_zero, not_known_negative, power_of_two, same_sign, scaling
from .pattern import Extent, Number, Rule, Variable, operation

x, y, z, condition = map(Variable, ("x", "y", "z", "condition"))
c, d, n = Number("c"), Number("d"), Extent("n")

absolute, negative, sqrt, square, reciprocal = map(operation, ("absolute", "negative", "sqrt", "square", "reciprocal"))
exp, expm1, log, log1p, logaddexp, expit, tanh = map(operation, ("exp", "expm1", "log", "log1p", "logaddexp", "expit", "tanh"))
where, maximum, minimum = map(operation, ("where", "maximum", "minimum"))
less, greater, equal = map(operation, ("less", "greater", "equal"))
strong_multiply, copy_of, stop_gradient = map(operation, ("strong_multiply", "copy_of", "stop_gradient"))

EVEN = [operation(name) for name in ("cos", "cosh", "absolute")]
ODD = [operation(name) for name in ("sin", "tan", "sinh", "tanh", "arcsin", "arctan", "arcsinh", "arctanh", "erf", "cbrt")]
COMPARISONS = [operation(name) for name in ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")]
NOT = [operation(name) for name in ("logical_not", "invert")]
AND = [operation(name) for name in ("logical_and", "bitwise_and")]
OR = [operation(name) for name in ("logical_or", "bitwise_or")]

MARKER_RULES = (
    Rule(copy_of(x, attrs=(0,)), x, "always", on="any"),
    Rule(stop_gradient(x), x, "always", on="any"),
)

EXACT_RULES = (
    # Identities. x + 0.0 is none: it turns -0.0 into 0.0.
    Rule(x * 1.0, x, on="any"),
    Rule(x / 1.0, x),
    Rule(x + -0.0, x, on="any"),
    Rule(x - 0.0, x, on="any"),
    Rule(x * 0.0, 0.0, on="integer"),
    Rule(x - x, 0.0, on="integer"),

    # Signs.
    Rule(negative(negative(x)), x, on="any"),
    Rule(x * -1.0, -x),
    Rule(x / -1.0, -x),
    Rule(-0.0 - x, -x),
    Rule(x + -y, x - y, on="any"),
    Rule(x - -y, x + y, on="any"),
    Rule(-x * -y, x * y, on="any"),
    Rule(-x / -y, x / y),
    *(rule for k in (c, n) for rule in (
        Rule(-x * k, x * -k),
        Rule(-x / k, x / -k),
        Rule(k / -x, -k / x),
        Rule(-(x * k), x * -k),
        Rule(-(x / k), x / -k),
    )),
    Rule(absolute(absolute(x)), absolute(x), on="any"),
    Rule(absolute(x) * absolute(x), x * x),
    Rule(absolute(x), x, when=non_negative("x")),
    Rule(absolute(0.0 - x), absolute(x)),
    Rule(absolute(x + 0.0), absolute(x)),
    Rule(absolute(x - y), absolute(y - x), when=later("x", "y")),
    Rule(exp(0.0 - x), exp(-x)),
    *(Rule(f(-x), f(x)) for f in EVEN),
    *(Rule(f(absolute(x)), f(x)) for f in EVEN[:2]),
    *(Rule(f(-x), -f(x)) for f in ODD),

    # Cheaper spellings of the same number.
    Rule(x + x, x * 2.0),
    Rule(x / c, x * (1.0 / c), when=power_of_two("c")),
    Rule(square(x), x * x, on="any"),
    Rule(reciprocal(x), 1.0 / x),
    Rule(x ** 1.0, x),
    Rule(x ** 0.0, 1.0),
    Rule(x ** 2.0, x * x),
    Rule(x ** -1.0, 1.0 / x),
    Rule(1.0 ** x, 1.0),
    Rule(x ** 0.5, sqrt(x)),     # as np.power itself, for an exponent that is a number; C's pow differs at -inf and -0.0

    # Choices.
    Rule(where(condition, x, x), x, on="any"),
    Rule(where(True, x, y), x, on="any"),
    Rule(where(False, x, y), y, on="any"),
    *(Rule(where(f(condition), x, y), where(condition, y, x), on="any") for f in NOT),
    Rule(where(condition, where(condition, x, y), z), where(condition, x, z), on="any"),
    Rule(where(condition, x, where(condition, y, z)), where(condition, x, z), on="any"),
    *(Rule(where(test, 0.0, x), x + 0.0) for test in (equal(x, 0.0), equal(0.0, x))),
    *(Rule(where(test, 0.0, -absolute(x)), 0.0 - absolute(x)) for test in (equal(x, 0.0), equal(0.0, x))),
    *(Rule(f(x + 0.0, y), f(x, y)) for f in COMPARISONS),
    *(Rule(f(y, x + 0.0), f(y, x)) for f in COMPARISONS),
    Rule(equal(-x, 0.0), equal(x, 0.0)),
    Rule(equal(0.0, -x), equal(0.0, x)),
    Rule(maximum(x, x), x, on="any"),
    Rule(minimum(x, x), x, on="any"),
    Rule(less(x, x), False, on="any"),
    Rule(greater(x, x), False, on="any"),
    Rule(equal(x, x), True, on="integer"),
    *(Rule(f(g(x)), x, on="bool") for f in NOT for g in NOT),
    *(Rule(f(x, x), x, on="bool") for f in (*AND, *OR)),
    *(Rule(f(*operands), x, on="bool") for f in AND for operands in ((x, True), (True, x))),
    *(Rule(f(*operands), False, on="bool") for f in AND for operands in ((x, False), (False, x))),
    *(Rule(f(*operands), x, on="bool") for f in OR for operands in ((x, False), (False, x))),
    *(Rule(f(*operands), True, on="bool") for f in OR for operands in ((x, True), (True, x))),

    # Products that guard an untaken branch, where there is nothing to guard against.
    Rule(strong_multiply(x, c), x * c, "guard", when=finite("c")),
    Rule(strong_multiply(0.0, x), 0.0),
    Rule(strong_multiply(c, x), c * x, when=non_zero("c")),
)

# What x**0.5 is to pow: inf at -inf and 0.0 at -0.0, where sqrt is NaN and -0.0.
_ROOT = where(equal(x, -math.inf), math.inf, sqrt(x) + 0.0)

ACCURACY_RULES = (
    Rule((x * c) * d, x * (c * d), "accuracy", when=scaling("c", "d", operator.mul)),
    Rule((x * c) * n, x * (c * n), "accuracy", when=power_of_two("c")),
    Rule((x * n) * c, x * (c * n), "accuracy", when=power_of_two("c")),
    Rule((x * c) / d, x / (d / c), "accuracy", when=scaling("d", "c", operator.truediv)),
    Rule(x * c + x * d, x * (c + d), "accuracy", when=same_sign("c", "d")),
    Rule(x * c + x, x * (c + 1.0), "accuracy", when=above_zero("c")),

    Rule(x ** 3.0, (x * x) * x, "accuracy"),
    Rule(x ** 1.5, absolute(x) * _ROOT, "accuracy"),
    Rule(x ** -0.5, 1.0 / sqrt(x), "accuracy", when=non_negative("x")),
    Rule(x ** -0.5, 1.0 / _ROOT, "accuracy"),

    Rule(log(1.0 + x), log1p(x), "accuracy"),
    Rule(log(1.0 - x), log1p(-x), "accuracy"),
    Rule(exp(x) - 1.0, expm1(x), "accuracy"),
    Rule(1.0 - exp(x), 0.0 - expm1(x), "accuracy"),   # not -expm1(x), which is -0.0 at 0
    Rule(log(exp(x)), x, "accuracy"),
    Rule(log1p(expm1(x)), x, "accuracy"),
    Rule(exp(log(x)), x, "accuracy", when=non_negative("x")),
    Rule(log(exp(x) + exp(y)), logaddexp(x, y), "range"),
    Rule(log1p(exp(x)), logaddexp(0.0, x), "accuracy", when=not_known_negative("x")),
    Rule(log(1.0 / x), -log(x), "accuracy", when=non_negative("x")),
    Rule(log(expit(x)), -logaddexp(0.0, -x), "accuracy"),
    Rule(log1p(-expit(x)), -logaddexp(0.0, x), "accuracy"),
    Rule(log1p(-1.0 / (1.0 + exp(x))), -logaddexp(0.0, -x), "accuracy"),
    Rule((exp(x) - exp(-x)) / (exp(x) + exp(-x)), tanh(x), "accuracy"),
    Rule(exp(x) / (1.0 + exp(x)), expit(x), "accuracy"),
)
