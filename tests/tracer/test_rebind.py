"""Rebinding: what a traced function sees in place of what does not dispatch by NumPy's protocols."""

import functools
import math
import random
import sys
import time
import types

import numba
import numpy as np
import pytest
import scipy.special
from scipy import special
from scipy.special import logsumexp

from tracer.errors import ImpureError, UnsupportedError
from tracer.graph.types import array_type
from tracer.trace.math_functions import MATH
from tracer.trace.rebind import Rebinder
from tracer.trace.session import tracing
from tracer.trace.value import Traced

SCALE = 3.0
calls = 0
generator = np.random.default_rng(0)


def traced(function, *values):
    """Trace a function on float inputs and evaluate the graph at the values."""
    from tracer.graph.evaluate import evaluate
    from tracer.graph.graph import Graph
    from tracer.trace.value import as_traced

    with tracing("f", function) as session:
        inputs = [session.trace.builder.input(array_type("float64", np.shape(v)), i) for i, v in enumerate(values)]
        result = session.call(function, *[Traced(node, session.trace, float) for node in inputs])
        graph = Graph(inputs, [as_traced(result, session.trace).node])
    return evaluate(graph, *values)[0]


def helper(x):
    return math.sin(x) * SCALE


def uses_helper(x):
    return helper(x) + math.pi


from math import log as logarithm  # noqa: E402  the form under test


def imported_by_name(x):
    return logarithm(x)


def recursive(x, n=3):
    return x if n == 0 else math.sin(recursive(x, n - 1))


@numba.njit
def compiled(x):
    return math.cos(x) + 1.0


def calls_compiled(x):
    return compiled(x) * 2.0


def decorated(function):
    @functools.wraps(function)
    def wrapper(*args):
        return math.exp(function(*args))
    return wrapper


@decorated
def wrapped(x):
    return math.sqrt(x)


@functools.lru_cache
def remembered(x):
    return math.sin(x)


def counts(x):
    global calls
    calls += 1
    return x * 2.0


CASES = {
    "math in a helper": (uses_helper, math.sin(0.5) * 3.0 + math.pi),
    "a function imported by name": (imported_by_name, math.log(0.5)),
    "recursion": (recursive, math.sin(math.sin(math.sin(0.5)))),
    "an njit function": (calls_compiled, 2.0 * (math.cos(0.5) + 1.0)),
    "a decorated function": (wrapped, math.exp(math.sqrt(0.5))),
    "lru_cache": (lambda x: remembered(x) + remembered(1.0), math.sin(0.5) + math.sin(1.0)),
    "a lambda": (lambda x: math.tan(x), math.tan(0.5)),
    "partial": (functools.partial(lambda a, x: math.atan2(x, a), 2.0), math.atan2(0.5, 2.0)),
    "a default": (lambda x, f=math.sinh: f(x), math.sinh(0.5)),
    "a nested function": (lambda x: (lambda y: math.cosh(y))(x), math.cosh(0.5)),
    "scipy.special": (lambda x: special.logsumexp([x, 1.0]) + scipy.special.polygamma(1, x), np.logaddexp(0.5, 1.0) + special.polygamma(1, 0.5)),
    "scipy by name": (lambda x: logsumexp(np.stack([x, x])), 0.5 + math.log(2.0)),
    "numpy beside random": (lambda x: np.sin(x) if hasattr(np, "random") else 0.0, math.sin(0.5)),
}


@pytest.mark.parametrize("function, expected", CASES.values(), ids=CASES.keys())
def test_what_is_seen_through(function, expected):
    assert traced(function, 0.5) == pytest.approx(expected, rel=1e-15)


def test_closures_are_seen_through_and_shared():
    log = math.log

    def outer(x):
        def inner(y):
            return log(y) + math.exp(y)
        return inner(x)
    assert traced(outer, 0.5) == pytest.approx(math.log(0.5) + math.exp(0.5))


def test_functions_that_call_each_other_through_cells():
    def even(x, n):
        return x if n == 0 else odd(math.sin(x), n - 1)

    def odd(x, n):
        return x if n == 0 else even(math.cos(x), n - 1)
    assert traced(lambda x: even(x, 3), 0.5) == pytest.approx(math.sin(math.cos(math.sin(0.5))))


def test_nonlocal_reaches_the_users_own_cell():
    count = 0

    def counted(x):
        nonlocal count
        count += 1
        return math.sin(x)
    traced(counted, 0.5)
    assert count == 1


def test_the_users_module_is_not_changed():
    before = dict(globals())
    traced(uses_helper, 0.5)
    assert globals() == before
    assert math.sin is not MATH[math.sin] and helper.__globals__ is globals()


def test_what_a_global_statement_assigns_arrives():
    before = calls
    traced(counts, 0.5)
    assert calls == before + 1


def test_modules_of_the_user_are_seen_through(tmp_path, monkeypatch):
    (tmp_path / "user_physics.py").write_text("import math\ndef wave(x):\n    return math.sin(x)\nAMPLITUDE = 2.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import user_physics

    assert traced(lambda x: user_physics.AMPLITUDE * user_physics.wave(x), 0.5) == pytest.approx(2 * math.sin(0.5))
    sys.modules.pop("user_physics")


def test_no_source_text_is_needed():
    space = {}
    exec("import math\ndef f(x):\n    return math.sin(x)\n", space)
    assert traced(space["f"], 0.5) == pytest.approx(math.sin(0.5))


def test_each_function_is_copied_once():
    rebinder = Rebinder()
    assert rebinder.see(helper) is rebinder.see(helper) is not helper
    assert isinstance(rebinder.see(helper), types.FunctionType) and rebinder.see(helper).__code__ is helper.__code__


def test_functions_of_libraries_stay_as_they_are():
    rebinder = Rebinder()
    assert rebinder.see(functools.reduce) is functools.reduce
    assert rebinder.see(np.linalg.LinAlgError) is np.linalg.LinAlgError
    import fractions
    assert rebinder.see(fractions.Fraction.limit_denominator) is fractions.Fraction.limit_denominator


LINE = rf"\({__file__}:\d+\)"
FREEZES = "it is called once, while the graph is built, and every later call would see the same outcome."
DRAW = "Draw the numbers before the call and pass them as an argument, or make the generator inside, with a seed: np.random.default_rng(0)."
IMPURE = {
    "np.random.normal": (lambda x: x * np.random.normal(), DRAW),
    "np.random.default_rng": (lambda x: x * np.random.default_rng().normal(), DRAW),
    "generator.normal": (lambda x: x * generator.normal(), DRAW),
    "random.random": (lambda x: x * random.random(), DRAW),
    "time.time": (lambda x: x * time.time(), "Measure time outside the function."),
    "time.perf_counter": (lambda x: x * time.perf_counter(), "Measure time outside the function."),
    "input": (lambda x: x * float(input()), "Read the value before the call and pass it as an argument."),
}


@pytest.mark.parametrize("name", IMPURE)
def test_what_a_trace_would_freeze_is_refused(name):
    import re
    function, cure = IMPURE[name]
    with pytest.raises(ImpureError) as error:
        traced(function, 0.5)
    assert re.fullmatch(rf"{re.escape(name)}\(\) inside a traced function {LINE}: {re.escape(FREEZES)} {re.escape(cure)}", str(error.value)), str(error.value)


ONE = ["acos", "asin", "asinh", "atan", "atanh", "cbrt", "ceil", "cos", "cosh", "degrees", "erf", "erfc", "exp", "expm1", "fabs", "floor", "gamma", "lgamma",
       "log", "log10", "log1p", "log2", "radians", "sin", "sinh", "sqrt", "tan", "tanh", "trunc", "exp2"]
MORE = {
    "acosh": (1.5,), "atan2": (0.5, 0.2), "copysign": (0.5, -1.0), "fmod": (5.5, 2.0), "hypot": (3.0, 4.0), "pow": (2.0, 0.5), "log": (8.0, 2.0),
    "remainder": (5.5, 2.0), "ldexp": (0.5, 3), "dist": ((1.0, 2.0), (4.0, 6.0)), "fsum": ([0.5, 0.25],), "prod": ([2.0, 4.0],), "isclose": (1.0, 1.0 + 1e-12),
}


@pytest.mark.parametrize("name", ONE)
def test_functions_of_math(name):
    assert traced(lambda x: getattr(math, name)(x), 0.37) == pytest.approx(getattr(math, name)(0.37), rel=1e-14)


@pytest.mark.parametrize("name", MORE)
def test_functions_of_math_with_several_arguments(name):
    args = MORE[name]

    def first_traced(x):
        head = (x, *args[0][1:]) if isinstance(args[0], tuple) else [x, *args[0][1:]] if isinstance(args[0], list) else x
        return getattr(math, name)(head, *args[1:])
    value = args[0][0] if isinstance(args[0], (tuple, list)) else args[0]
    assert traced(first_traced, value) == pytest.approx(getattr(math, name)(*args), rel=1e-14)


def test_math_on_plain_numbers_is_math():
    assert MATH[math.sin](0.5) == math.sin(0.5) and MATH[math.comb](5, 2) == 10
    assert set(MATH) == {f for n, f in vars(math).items() if callable(f) and not n.startswith("_")}


def test_math_of_an_array_is_refused_as_by_math():
    with pytest.raises(TypeError) as error:
        traced(lambda x: math.sin(x), np.ones(3))
    assert str(error.value) == "only 0-dimensional arrays can be converted to Python scalars: math.sin of an array of shape (3,). Use np.sin."


def test_integer_functions_of_floats_are_refused():
    import re
    with pytest.raises(UnsupportedError) as error:
        traced(lambda x: math.comb(x, 2), 3.0)
    assert re.fullmatch(rf"math.comb of a traced float64\[\] {LINE} is not supported: it is no smooth function. "
                        r"Pass Python ints, or use scipy.special.gammaln for a smooth one.", str(error.value))
