"""The objects that users hold, apart from code generation: calls, structures, what is recompiled and why, what they show."""

import copy
import dataclasses
import enum
import functools
import inspect
import math
import pickle
import re
import threading
import warnings
from collections import namedtuple

import numba
import numpy as np
import pytest

import tracer
from tracer import (
    ArgumentError,
    InPlaceError,
    LeakedValueError,
    NotCompiledError,
    OutputError,
    RecompileWarning,
    ShapeError,
    SideEffectWarning,
    TracedBoolError,
    TracedConversionError,
    TracedIndexError,
    grad,
    hessian,
    hvp,
    jacobian,
    jit,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
)

pytestmark = pytest.mark.usefixtures("kernels")


def message(kind, function, *args, **kwargs):
    with pytest.raises(kind) as error:
        function(*args, **kwargs)
    return str(error.value)


def half_square(x):
    """Half the sum of squares."""
    return .5 * np.sum(x * x)


@grad
def module_level(x, y=2.0):
    return np.sum(x * x) * y


def test_public_names_are_sorted_and_complete():
    assert tracer.__all__ == sorted(tracer.__all__)
    assert all(hasattr(tracer, name) for name in tracer.__all__)
    assert set(tracer.__all__) <= set(dir(tracer))
    assert message(AttributeError, getattr, tracer, "absent") == "module 'tracer' has no attribute 'absent'"


# Day-one checks -----------------------------------------------------------------------------------------------------------------

def test_negative_zero_is_a_constant_of_its_own():
    assert grad(lambda x: np.copysign(1., -0.) * x + np.copysign(1., 0.) * x * x)(3.) == 5.0


def test_true_and_one_are_different_arguments():
    h = grad(lambda x, n: x * (10. if n is True else 1.))
    assert (h(1., 1), h(1., True)) == (1., 10.)


class C:
    k = 2.0


def test_a_changed_attribute_is_seen_by_the_next_call():
    c = C()
    g = grad(lambda x, c: c.k * x * x)
    assert g(3., c) == 12.
    c.k = 5.0
    assert g(3., c) == 30.
    assert g.explain().compiles == 1


class M:
    def __init__(self, k):
        self.k = k
        self.name = "square"

    @grad
    def e(self, x):
        return self.k * x * x

    @grad(argnums="y")
    def named(self, x, y):
        return self.helper(x) * y * (2.0 if self.name == "double" else 1.0)

    def helper(self, x):
        return self.k * math.sin(x)

    @property
    def twice(self):
        return 2 * self.k

    @staticmethod
    @grad
    def static(x):
        return x * x


def test_a_method_counts_argnums_after_self():
    assert M(2.).e(3.) == 12.0
    assert M.e(M(2.), 3.) == 12.0
    assert M.static(3.) == 6.0
    assert M(2.).e.value(3.) == 18.0
    assert M(2.).e.value_and_grad(3.) == (18.0, 12.0)
    assert M(2.).named(0.5, 1.) == pytest.approx(2 * math.sin(0.5))
    assert M.e.__doc__ == M(2.).e.__doc__ == "Gradient of M.e with respect to x."
    assert M(2.).e.__name__ == "e" and M(2.).e.lower(3.).graph.name == "M.e"
    assert repr(M.e) == f"<grad of {__name__}.M.e(self, x)>"


def test_a_function_that_becomes_an_attribute_of_a_class_stays_as_it_is():
    class Holder:
        loss = module_level
        own = staticmethod(module_level)
    assert Holder.own(np.ones(2)).tolist() == Holder().own(np.ones(2)).tolist() == module_level(np.ones(2)).tolist() == [4., 4.]


def test_a_method_called_inside_another_trace():
    m = M(2.)
    assert grad(lambda x: x * m.e(x))(3.) == 24.
    assert grad(lambda x: x * m.e(3.0))(3.) == 12.
    assert grad(lambda x, m: x * m.e(x))(3., m) == 24.


def test_results_do_not_alias():
    q = grad(half_square)
    x = np.ones(3)
    r = q(x)
    r[0] = 99.
    assert x[0] == 1. and q(x)[0] == 1.


def test_misaligned_and_strided_arrays():
    q = grad(half_square)
    assert q(np.frombuffer(b"\0" + np.ones(3).tobytes(), offset=1)).tolist() == [1., 1., 1.]
    assert q(np.broadcast_to(2., 3)[::-1]).tolist() == [2., 2., 2.]


def test_an_untaken_branch_makes_no_nan():
    g = grad(lambda x: np.sum(np.where(x > 0, x * np.log(x), 0.)))
    assert g(np.array([0., 1., 2.])).tolist() == [0., 1., pytest.approx(1.69314718)]


def test_a_multivariate_normal():
    def mvn(L):
        S = L @ L.T + np.eye(3)
        d = np.array([1., 2., 3.])
        return .5 * np.linalg.slogdet(S)[1] + .5 * d @ np.linalg.solve(S, d)
    value, gradient = value_and_grad(mvn)(np.arange(9.).reshape(3, 3) / 10)
    assert value == pytest.approx(2.976279631253007, rel=1e-14)
    assert gradient[0].tolist() == pytest.approx([-.55675757, -.62298796, -.68921836])


# Forms of use -------------------------------------------------------------------------------------------------------------------

def test_function_decorator_and_decorator_with_options():
    def f(x, y):
        return x * y

    @grad
    def plain(x, y):
        return x * y

    @grad(argnums=1)
    def second(x, y):
        return x * y
    assert grad(f)(2., 3.) == 3. and plain(2., 3.) == 3. and second(2., 3.) == 2.


@pytest.mark.parametrize("argnums, expected", [(0, 3.), (1, 2.), (-1, 2.), ("y", 2.), ((0, 1), (3., 2.)), (("y", 0), (2., 3.)), ([1], (2.,))])
def test_argnums(argnums, expected):
    assert grad(lambda x, y: x * y, argnums)(2., 3.) == expected


def test_an_object_has_the_name_signature_and_documentation_of_its_function():
    g = grad(half_square)
    assert g.__name__ == "half_square" and g.__wrapped__ is half_square and g.__module__ == __name__
    assert inspect.signature(g) == inspect.signature(half_square)
    assert g.__doc__ == "Gradient of half_square with respect to x.\n\nHalf the sum of squares."
    assert value_and_grad(lambda x, y: x, (0, 1)).__doc__ == "Value and gradient of <lambda> with respect to x and y."
    assert jit(half_square).__doc__ == "half_square, compiled.\n\nHalf the sum of squares."
    assert repr(g) == f"<grad of {__name__}.half_square(x)>"


def test_defaults_and_keywords():
    assert module_level(np.ones(2)).tolist() == [4., 4.]
    assert module_level(np.ones(2), 3.).tolist() == [6., 6.]
    assert module_level(y=3., x=np.ones(2)).tolist() == [6., 6.]
    assert grad(lambda x, *, k: x * k)(2., k=3.) == 3.
    assert grad(lambda x, *, k: x * k, argnums="k")(2., k=3.) == 2.
    assert grad(lambda x, mode="sum": x if mode == "sum" else 2 * x)(2.) == 1.
    assert grad(lambda x, extra=[]: x * (2. if extra == [] else 1.))(2.) == 2.


def test_star_arguments():
    def product(*args, **kwargs):
        for value in (*args[1:], *kwargs.values()):
            args = (args[0] * value,)
        return args[0]
    assert grad(product)(2., 3., 4.) == 12.
    assert grad(product, -1)(2., 3., 4.) == 6.
    assert grad(product, (0, 2))(2., 3., 4.) == (12., 6.)
    assert grad(product, "k")(2., 3., k=4.) == 6.
    assert grad(product)(2., 3.) == 3.
    assert message(ArgumentError, grad(product, 3), 2., 3.) == \
        "argnums=3 is out of range: product() was called with 2 positional arguments."


class Model:
    def __init__(self):
        self.weights = [2.0, np.ones(2)]
        self.scale = 3

    def __call__(self, x):
        return self.scale * self.weights[0] * x * np.sum(self.weights[1])

    def loss(self, x):
        return self(x) * x


class Odd:
    __slots__ = ("_k",)

    def __init__(self, k):
        self._k = k

    @property
    def k(self):
        return math.exp(self._k)

    @functools.cached_property
    def unused(self):
        raise AssertionError

    @classmethod
    def doubled(cls, x):
        return 2 * math.sin(x)

    def __getitem__(self, i):
        return math.sin(self._k) * i

    def __getattr__(self, name):
        if name == "dynamic":
            return 2 * self._k
        raise AttributeError(name)


class Derived(Odd):
    __slots__ = ("extra",)

    @property
    def k(self):
        return super().k


@pytest.mark.parametrize("function, expected", [
    (lambda x, o: o.k * x, math.exp(0.5)), (lambda x, o: o[2] * x, 2 * math.sin(0.5)), (lambda x, o: o.dynamic * x, 1.0),
    (lambda x, o: x if hasattr(o, "absent") else 3 * x, 3.0), (lambda x, o: getattr(o, "extra", 4.0) * x, 4.0), (lambda x, o: o.doubled(x), 2.0),
    (lambda x, o: 5. * x if isinstance(o, Odd) and o.__class__ is Odd else x, 5.0),
], ids=["property", "getitem", "getattr", "hasattr", "default", "classmethod", "isinstance"])
def test_what_instances_can_do_in_a_trace(function, expected):
    assert grad(function)(0.0, Odd(0.5)) == pytest.approx(expected)


def test_attributes_that_appear_are_seen():
    g = grad(lambda x, o: getattr(o, "extra", 4.0) * x)
    o = Derived(0.5)
    assert g(1., o) == 4.
    o.extra = 7.0
    assert g(1., o) == 7.
    del o.extra
    assert g(1., o) == 4. and g.explain().compiles <= 2


def test_an_instance_that_cannot_be_represented():
    assert message(tracer.UnsupportedError, grad(lambda x, o: x), 1., threading.Lock()) == (
        "an argument of type lock cannot be traced through: type '_thread.lock' is not an acceptable base type. "
        "Pass the arrays and numbers that the function needs.")


def test_callable_objects_bound_methods_and_partials():
    model = Model()
    call, method = grad(model), grad(model.loss)
    assert call(1.5) == 12. and method(1.5) == 36.
    model.weights[0] = 1.0
    assert call(1.5) == 6. and method(1.5) == 18.
    model.weights = [1.0, np.ones(3)]
    assert call(1.5) == 9.
    assert call.explain().traces == 3  # the first one found out what is read, another shape is one more
    assert grad(functools.partial(lambda a, x: a * x * x, 2.))(3.) == 12.
    assert grad(functools.partial(lambda x, a: a * x * x, a=2.))(3.) == 12.


def test_ufuncs_and_builtins():
    assert grad(np.sin)(0.5) == math.cos(0.5) == grad(math.sin)(0.5)


# Trees --------------------------------------------------------------------------------------------------------------------------

Point = namedtuple("Point", "x y")


@dataclasses.dataclass(frozen=True)
class Parameters:
    w: object
    b: object
    name: str = "n"
    steps: int = 3

    def __post_init__(self):
        if isinstance(self.w, str):
            raise AssertionError


def test_gradients_have_the_structure_of_the_argument():
    def f(p):
        return np.sum(p["w"] * p["w"]) + p["deep"][0][0] * 3.0 + p["deep"][1].x * p["deep"][1].y

    given = {"w": np.ones(2), "deep": [(1.0,), Point(2.0, 4.0)], "name": "s", "flag": True, "none": None, "count": 3}
    g = grad(f)(given)
    assert list(g) == list(given) and type(g["deep"][1]) is Point
    assert g["w"].tolist() == [2., 2.] and g["deep"] == [(3.0,), Point(4.0, 2.0)]
    assert g["name"] is g["flag"] is g["none"] is g["count"] is None


def test_dataclasses_are_rebuilt_without_init():
    p = Parameters(np.ones(2), 2.0)
    g = grad(lambda p: np.sum(p.w) * p.b ** p.steps if p.name == "n" else p.b)(p)
    assert type(g) is Parameters and g.w.tolist() == [8., 8.] and g.b == 24. and g.name is None and g.steps is None


@dataclasses.dataclass
class Oscillator:
    k: float
    mass: float = 2.0

    @property
    def omega(self):
        return math.sqrt(self.k / self.mass)

    @grad
    def force(self, x):
        return self.energy(x)

    def energy(self, x):
        return self.mass * self.omega ** 2 * x * x / 2


def test_methods_of_dataclasses_are_seen_through():
    o = Oscillator(3.0)
    assert o.force(2.0) == pytest.approx(6.0)
    g = grad(lambda o, x: o.energy(x))(o, 2.0)
    assert type(g) is Oscillator and g.k == pytest.approx(2.0) and g.mass == pytest.approx(0.0)
    o.k = 4.0
    assert o.force(2.0) == pytest.approx(8.0)
    assert jit(lambda o: o)(o) == o and type(jit(lambda o: o)(o)) is Oscillator

    def changes(o):
        o.k = 1.0
        return o.k
    with pytest.warns(SideEffectWarning, match=r"assignment to the attribute `o.k` inside a traced function \(.*test_api.py:\d+\):"):
        assert grad(changes)(o).k == 0.0
    assert o.k == 4.0


def test_results_of_jit_may_be_trees():
    f = jit(lambda x: {"double": 2 * x, "label": "s", "pair": [x, (x, None)]})
    assert f(2.) == {"double": 4., "label": "s", "pair": [2., (2., None)]}
    assert f(3.)["double"] == 6.
    assert jit(lambda x: (x, (2 * x, None)))(2.) == (2., (4., None))


def test_another_order_of_keys_is_another_structure():
    f = jit(lambda d: [2 * v for v in d.values()])
    assert f({"a": 1., "b": 2.}) == [2., 4.] and f({"b": 2., "a": 1.}) == [4., 2.]


def test_flatten_code_is_generated_once_for_a_structure():
    f = jit(lambda p: p[0] * 2.)
    known = set()
    for _ in range(3):
        for p in ((1.,), [1.], (1., "a"), (1., "b")):
            assert f(p) == 2.
            known.add(type(f).__call__)
    assert len(known) == 4


def test_static_values_are_compared_by_type_and_bits():
    f = jit(lambda x, s: x * (len(s) if isinstance(s, (str, tuple)) else 1.) * (2. if s is None else 1.))
    assert [f(1., s) for s in ("ab", "abc", None, "ab")] == [2., 3., 2., 2.]
    assert f.explain().traces == 3


class Power(enum.IntEnum):
    TWO = 2


class Reduction(enum.Enum):
    SUM = enum.auto()
    MEAN = enum.auto()


def test_members_of_enums_are_static():
    f = jit(lambda x, e: x ** e)
    assert f(3., Power.TWO) == 9.
    g = jit(lambda x, how: np.sum(x) if how is Reduction.SUM else np.mean(x))
    assert g(np.ones(2), Reduction.SUM) == 2. and g(np.ones(2), Reduction.MEAN) == 1.


def test_functions_are_static():
    f = jit(lambda x, g: g(x))
    assert f(2., np.square) == 4. and f(2., math.sqrt) == math.sqrt(2.) and f(2., lambda v: v + 1.) == 3.


# Numbers --------------------------------------------------------------------------------------------------------------------------

def test_kinds_of_numbers_are_kept():
    q = grad(lambda x: x * x)
    assert type(q(3.)) is float and type(q(np.float64(3.))) is np.float64
    assert type(q(np.float32(3.))) is np.float32
    zero_d = q(np.array(3.))
    assert isinstance(zero_d, np.ndarray) and zero_d.shape == () and zero_d == 6.
    assert q(np.array(3., np.float32)).dtype == np.float32
    assert grad(half_square)(np.ones(3, np.float32)).dtype == np.float32


def test_an_int_is_data_until_its_value_is_needed():
    f = grad(lambda x, n: x * n)
    assert [f(1., n) for n in (2, 3, 4)] == [2., 3., 4.]
    assert f.explain().traces == 1
    power = grad(lambda x, n: math.prod([x] * n) if n > 1 else x)
    assert [power(2., n) for n in (1, 2, 3, 2)] == [1., 4., 12., 4.]
    assert power.explain().traces == 3


def test_integer_and_bool_arrays_are_data_without_gradient():
    f = grad(lambda x, i, m: np.sum(x * i) + np.sum(np.where(m, x, 0.)))
    assert f(np.ones(2), np.array([2, 3]), np.array([True, False])).tolist() == [3., 3.]


def test_nan_inf_and_empty_arrays():
    q = grad(half_square)
    assert np.array_equal(q(np.array([np.nan, np.inf])), [np.nan, np.inf], equal_nan=True)
    assert q(np.ones(0)).shape == (0,) and q(np.ones((2, 0))).shape == (2, 0)


# Outputs --------------------------------------------------------------------------------------------------------------------------

def test_auxiliary_output():
    def f(x):
        return np.sum(x * x), {"mean": x[0], "label": "s"}
    assert grad(f, has_aux=True)(np.ones(2))[1] == {"mean": 1., "label": "s"}
    (value, aux), g = value_and_grad(f, has_aux=True)(np.ones(2))
    assert value == 2. and aux["mean"] == 1. and g.tolist() == [2., 2.]


def test_an_output_that_does_not_depend_on_the_argument_has_gradient_zero():
    assert grad(lambda x: 3.)(np.ones(2)).tolist() == [0., 0.]
    assert grad(lambda x, y: y * 2.)(1., 2.) == 0.
    assert value_and_grad(lambda x: np.float64(3.))(1.) == (3., 0.)


@pytest.mark.parametrize("output, text", [
    (lambda x: x, "f() returned an array of shape (3,); a gradient is of one number. Reduce it with np.sum or np.mean, or use jacobian(f)."),
    (lambda x: None, "f() returned None. Does it lack a return statement?"),
    (lambda x: (x, x), "f() returned a tuple of 2; a gradient is of one number. Return one number; "
                       "to return more beside it, return (value, aux) and pass has_aux=True."),
    (lambda x: 3, "f() returned a value of dtype int64; only floats have a gradient. Return a float, or the integer beside it with has_aux=True."),
    (lambda x: x[0] > 0, "f() returned a value of dtype bool; only floats have a gradient. Return a float, or the integer beside it with has_aux=True."),
    (lambda x: "s", "f() returned a str; a gradient is of one float."),
])
def test_outputs_without_a_gradient(output, text):
    output.__qualname__ = "f"
    assert message(OutputError, grad(output), np.ones(3)) == text


def test_has_aux_needs_a_pair():
    def f(x):
        return x
    assert message(OutputError, grad(f, has_aux=True), 1.) == "f() returned one float64, but has_aux=True expects a pair: return value, aux."


# Derivatives ------------------------------------------------------------------------------------------------------------------------

def test_gradients_of_gradients():
    assert grad(grad(lambda x: x ** 3))(2.) == pytest.approx(12.)
    nested = grad(grad(half_square))
    assert nested.__wrapped__.__wrapped__ is half_square and nested.__doc__.startswith("Gradient of half_square with respect to x.\n\nGradient of half_square")
    assert grad(grad(grad(lambda x: np.sin(x))))(0.5) == pytest.approx(-math.cos(0.5))


def test_an_enclosing_variable_is_a_constant():
    assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(2.) == 1.
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(2.) == 4.
    assert grad(lambda x: grad(lambda y: x * y)(x))(2.) == 1.
    assert value_and_grad(lambda x: grad(lambda y: x)(x))(2.) == (0., 0.)


def test_jacobian_in_both_modes():
    x = np.arange(3.)
    assert np.array_equal(jacobian(lambda x: x * x)(x), np.diag(2 * x))
    assert np.array_equal(jacobian(lambda x: np.sum(x) * np.ones(5))(x), np.ones((5, 3)))
    assert np.array_equal(jacobian(lambda x: np.sum(x * x))(x), 2 * x)
    assert jacobian(lambda x: x * x)(3.) == 6.
    j = jacobian(lambda x, y: (x * y, x[0] * y[1]), argnums=(0, 1))(np.array([1., 2.]), np.array([3., 4.]))
    assert np.array_equal(j[0][0], np.diag([3., 4.])) and np.array_equal(j[1][1], [0., 1.])
    assert jacobian(lambda x: x)(np.ones((0, 2))).shape == (0, 2, 0, 2)


def test_hessian():
    x = np.arange(3.)
    assert np.array_equal(hessian(lambda x: np.sum(x * x * x))(x), np.diag(6 * x))
    h = hessian(lambda x, y: x * x * y, argnums=(0, 1))(2., 3.)
    assert h == ((6., 4.), (4., 0.))
    assert hessian(lambda p: p["a"] * p["b"])({"a": 2., "b": 3.}) == {"a": {"a": 0., "b": 1.}, "b": {"a": 1., "b": 0.}}


def test_products():
    def f(x, y):
        return x * y, x + y
    assert jvp(f, (3., 4.), (1., 0.)) == ((12., 7.), (4., 1.))
    value, pull = vjp(f, 3., 4.)
    assert value == (12., 7.) and pull((1., 0.)) == (4., 3.) and pull((0., 1.)) == (1., 1.)
    assert hvp(lambda x: np.sum(x * x * x), (np.arange(3.),), (np.ones(3),)).tolist() == [0., 6., 12.]
    assert hvp(lambda x, y: x * x * y, (2., 3.), (1., 0.)) == (6., 4.)


def test_vjp_keeps_the_primals():
    x = np.ones(2)
    value, pull, aux = vjp(lambda x: (x * x, x[0]), x, has_aux=True)
    x[:] = 5.
    assert value.tolist() == [1., 1.] and pull(np.ones(2))[0].tolist() == [2., 2.] and aux == 1.


def test_products_are_compiled_once():
    import tracer.api

    for _ in range(3):
        jvp(half_square, (np.ones(2),), (np.ones(2),))
    found = [c for (key, transform, _), c in tracer.api._products.items() if key.value is half_square]
    assert [c.explain().traces for c in found] == [1]


def test_products_inside_a_trace():
    assert grad(lambda x: jvp(lambda y: y * y, (x,), (1.,))[1])(3.) == 2.
    assert grad(lambda x: hvp(lambda y: x * y ** 3, (x,), (1.,)))(3.) == 36.
    assert grad(lambda x: vjp(lambda y: y * y, x)[1](1.)[0])(3.) == 2.


def test_directions_must_fit():
    assert message(ShapeError, jvp, half_square, (np.ones(2),), (np.ones(3),)) == "a tangent has shape (3,) where its primal has (2,) ([0])."
    assert message(ArgumentError, jvp, half_square, np.ones(2), np.ones(2)) == \
        "jvp() takes primals as a tuple with one entry per argument, not a ndarray: jvp(f, (x,), (v,))."
    assert message(ShapeError, jvp, lambda x: x, ([1., 2.],), ([1.],)) == \
        "the tangents do not have the structure of the primals: ([*],) where ([*, *],) is needed."


def test_stop_gradient():
    assert grad(lambda x: stop_gradient(x) * x)(3.) == 3.
    assert grad(lambda x: stop_gradient([x, (x, "s")])[1][0] * x)(3.) == 3.
    x = np.ones(2)
    assert stop_gradient(x) is x


def test_compiled_objects_are_inlined():
    inner = jit(lambda d: d["a"] * d["a"])
    assert grad(lambda x: inner({"a": x}) + inner({"a": 2.0}))(3.) == 6.
    outer = value_and_grad(lambda x, p: module_level.value(x, p["y"]))
    assert outer(np.ones(2), {"y": 3.})[1].tolist() == [6., 6.]


# From compiled code ---------------------------------------------------------------------------------------------------------------

def test_calls_from_njit_give_the_same_bits():
    loss = value_and_grad(lambda w, x, n: np.sum(np.sin(w) * x) * n)

    @numba.njit
    def caller(w, x, n):
        return loss(w, x, n)
    w, x = np.linspace(0., 1., 5), 3.0
    value, gradient = caller(w, x, 2)
    expected = loss(w, x, 2)
    assert value == expected[0] and np.array_equal(gradient, expected[1]) and gradient.flags.c_contiguous


def test_what_returns_an_unknown_structure_is_specialised_first():
    f = jit(lambda x: (x * 2., np.sum(x)))

    @numba.njit
    def caller(x):
        return f(x)
    @numba.njit
    def outer(x):
        return caller(x)
    for each in (caller, outer):
        assert message(NotCompiledError, each, np.ones(2)) == \
            "what jit(<lambda>) returns is not known before it is traced: call it once from Python, or its specialize(*example), before @njit code calls it."
    f.specialize(np.ones(2))
    for each in (caller, outer):  # the same callers: Numba does not hold the failure against them
        doubled, total = each(np.ones(3))
        assert doubled.tolist() == [2., 2., 2.] and total == 3.


# What a user sees -------------------------------------------------------------------------------------------------------------------

def test_before_any_call_the_object_says_so():
    g = grad(half_square)
    for what in ("graph", "gradient_graph", "expr", "gradient_expr", "source"):
        assert message(NotCompiledError, getattr, g, what) == \
            f"half_square.{what} shows what the last call compiled, and there was no call yet. " \
            f"Call half_square, or name a specialisation: half_square.lower(*args).{what}."
    assert not hasattr(g, "graph")
    assert str(g.explain()) == "half_square: nothing compiled yet. Call it, or name a specialisation with .lower(*args)."


def test_graphs_of_the_last_call_and_of_a_named_specialisation():
    g = grad(half_square)
    g(np.ones(3))
    assert g.graph.inputs[0].type.shape == (3,) and g.graph.input_names == ("x",) and len(g.graph.outputs) == 1
    assert [node.type.shape for node in g.gradient_graph.outputs] == [(), (3,)]
    assert g.gradient_graph.output_names == ("value", "gradient")
    lowered = g.lower(np.ones(5))
    assert lowered.graph.inputs[0].type.shape == (5,)
    traces = g.explain().traces
    g(np.ones(5))
    assert g.explain().traces == traces
    assert message(NotCompiledError, getattr, jit(half_square).lower(np.ones(2)), "gradient_graph") == \
        "half_square.gradient_graph: jit(half_square) has no derivative. Use grad(half_square) or value_and_grad(half_square)."


def test_graphs_of_older_specialisations_are_traced_again():
    g = grad(half_square)
    for n in range(1, 12):
        g(np.ones(n))
    assert [record.graphs is None for record in g.explain().records] == [True] * 3 + [False] * 8
    assert g.lower(np.ones(2)).graph.inputs[0].type.shape == (2,) and g.explain().traces == 12


def test_lower_of_trees():
    g = grad(lambda p: p["a"] * p["b"])
    assert g.lower({"a": 1., "b": 2.}).graph.input_names == ("p_a", "p_b")
    assert g({"a": 1., "b": 2.}) == {"a": 2., "b": 1.}
    assert g.explain().traces == 1


def test_explain_tells_what_why_and_how_long():
    g = grad(lambda w, n: np.sum(w * w) * float(len(range(n))))
    for args in ((np.ones(2), 1), (np.ones(3), 1), (np.ones(3), 2), (np.ones(3, np.float32), 2)):
        g(*args)
    found = g.explain()
    assert [record.reason for record in found.records] == ["first call", "another w.shape[0]", "another n", "other types: float32[1C],int64"]
    assert found.traces == 4 and found.compiles == sum(record.kernel.compiled for record in found.records) > 0
    lines = [line for line in str(found).splitlines() if "rewrites:" not in line]
    assert lines[0] == f"<lambda>: 4 specialisations, 4 traces, {found.compiles} kernel{'s' * (found.compiles > 1)} compiled"
    assert lines[1] == "1. w: float64[2], n = 1" and lines[2] == "   why:      first call"
    assert re.fullmatch(r"   nodes:    \d+ traced, \d+ with derivatives, \d+ simplified", lines[3])
    assert re.fullmatch(r"   kernel:   (compiled|reused) \([0-9a-f]{12}\)", lines[4])
    assert re.fullmatch(r"   seconds:  trace [\d.]+, derive [\d.]+, simplify [\d.]+, (evaluate|schedule) [\d.]+.*", lines[5])
    assert found._repr_html_().startswith("<pre>&lt;lambda&gt;: 4")


def repeated(x, count):
    for _ in range(count):
        x = np.sin(x) + np.cos(x) * x
    return x


def test_recompiling_again_and_again_is_a_warning():
    g = jit(lambda x, n: repeated(x, n) * 3.0, simplify=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(1, 9):
            g(2., n)
    with pytest.warns(RecompileWarning) as caught:
        g(2., 9)
    assert str(caught[0].message) == "<lambda> has been compiled 9 times for values of n. The trace needs its value as a Python int " \
        "(range, shape, index or branch): pass float(n) where it is a quantity."
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g(2., 10)  # said once


def test_a_static_argument_that_changes_every_time_is_a_warning():
    g = jit(lambda x, s: repeated(x, len(s)) * x, simplify=False)
    with pytest.warns(RecompileWarning) as caught:
        for n in range(1, 10):
            g(2., "s" * n)
    assert str(caught[0].message) == "<lambda> has been compiled 9 times for values of a static argument. Strings, bools, functions and other objects " \
        "are compiled in: pass a function that stays the same object, or a number as a float."


def test_results_of_another_rank_for_the_same_types_are_refused():
    f = jit(lambda x, n: np.reshape(x, (1,) * n))
    assert f(np.ones(1), 1).shape == (1,)
    assert message(OutputError, f, np.ones(1), 2) == (
        "<lambda>() returns float64[2 axes] for these arguments, where it returned float64[1 axis] for others of the same types. "
        "The code that builds the results is compiled once for all shapes and integers: "
        "make an object of its own for each kind of result, as in jit(functools.partial(<lambda>, n=3)).")


scale = 2.0


def test_globals_are_read_when_traced_and_retrace_forgets():
    global scale
    g = grad(lambda x: scale * x)
    assert g(1.) == 2.
    scale = 3.0
    try:
        assert g(1.) == 2.
        g.retrace()
        assert g(1.) == 3. and g.explain().traces == 2
        t = grad(lambda d: scale * d["x"])
        assert t({"x": 1.}) == {"x": 3.}
        scale = 4.0
        t.retrace()
        assert t({"x": 1.}) == {"x": 4.}
    finally:
        scale = 2.0


# Pickling, copying, threads -----------------------------------------------------------------------------------------------------------

def test_objects_of_a_module_pickle_by_name():
    assert pickle.loads(pickle.dumps(module_level)) is module_level
    assert pickle.loads(pickle.dumps(module_level.value)) is module_level.value
    assert copy.copy(module_level) is module_level and copy.deepcopy([module_level])[0] is module_level


def test_other_objects_pickle_as_function_and_options():
    assert pickle.loads(pickle.dumps(grad(half_square)))(np.ones(2)).tolist() == [1., 1.]
    pytest.importorskip("cloudpickle")
    k = 3.0
    assert pickle.loads(pickle.dumps(value_and_grad(lambda x, y: k * x * y, argnums=1)))(2., 5.) == (30., 6.)


def test_without_cloudpickle_a_local_function_says_what_to_do(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)

    def local(x):
        return x
    assert message(pickle.PicklingError, pickle.dumps, grad(local)) == (
        f"<grad of {__name__}.test_without_cloudpickle_a_local_function_says_what_to_do.<locals>.local(x)> cannot be pickled: its function is defined "
        f"inside another or is a lambda. Define it at the top of a module, or install cloudpickle: pip install cloudpickle.")


def test_threads_may_make_the_same_specialisation():
    g = grad(lambda p: np.sum(p["x"] * p["x"]))
    results = []
    threads = [threading.Thread(target=lambda n=n: results.append(g({"x": np.ones(n % 3 + 1)})["x"].tolist())) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(len, results)) == sorted(n % 3 + 1 for n in range(12)) and all(set(r) == {2.} for r in results)


# Bad input ----------------------------------------------------------------------------------------------------------------------------

def test_wrong_arity_of_flat_and_tree_calls():
    def f(x, y):
        return x * y
    g = grad(f)
    assert message(TypeError, g, 1.) == "f() missing 1 required positional argument: 'y'"
    assert message(TypeError, g) == "f() missing 2 required positional arguments: 'x' and 'y'"
    assert message(TypeError, g, 1., 2., 3.) == \
        "out is a float. Behind f(x, y) comes memory for the results: an array (numpy.ndarray), or a tuple of them."
    assert message(TypeError, g.value, 1., 2., 3.) == "too many arguments: expected 2, got 3"  # Numba's words: no Python code runs
    tree = grad(lambda x, y: x[0] * y)
    tree((1.,), 2.)
    name = "test_wrong_arity_of_flat_and_tree_calls.<locals>.<lambda>()"
    assert message(TypeError, tree, (1.,)) == f"{name} missing 1 required positional argument: 'y'"
    assert message(TypeError, tree, (1.,), 2., 3.) == "out is a float. Behind the arguments of <lambda>() comes memory for the results: (array,)."
    assert message(TypeError, tree, (1.,), 2., 3., 4.) == f"{name} takes from 2 to 3 positional arguments but 4 were given"
    tree.value((1.,), 2.)
    assert message(TypeError, grad(lambda x: (x[0], 1), has_aux=True), [1.], [2.]) == "too many arguments: expected 1, got 2"


def here(kind, function, *args):
    """The message with this file's line replaced, so that the rest can be compared whole."""
    return re.sub(rf"{re.escape(__file__)}:\d+", "LINE", message(kind, grad(function), *args))


def test_a_traced_value_as_a_bool_where_no_branch_can_be_followed():
    def f(x):
        return x * len(list(filter(None, [x > each for each in (1.0, 2.0)])))
    assert here(TracedBoolError, f, 1.) == (
        "`if`, `while`, `and`, `or`, `not` and `assert` need a concrete True or False, but `greater`: bool[] (LINE) is traced. "
        "Which way it goes depends on the arguments, and both ways can be followed in functions only, not in generators and libraries. "
        "Write np.where(condition, a, b); for bools & | ~ instead of and, or, not.")


def test_a_traced_value_in_range_float_and_index():
    explain = ("Its value is not known when the graph is built. Pass the number as a Python int argument or take it from a shape; "
               "of an array that is the same in each call it is known where the function has that from outside (a global, a closure variable) and not as "
               "an argument; to look up by a computed index use np.take or an integer array.")
    assert here(TracedIndexError, lambda x: sum(x for _ in range(x)), 1.) == \
        f"an index, `range`, shape or axis needs a concrete integer, but `input` (LINE) is traced data. {explain}"
    assert here(TracedIndexError, lambda x: [x, x][x], 1.) == \
        f"an index, `range`, shape or axis needs a concrete integer, but `input` (LINE) is traced data. {explain}"
    assert here(TracedConversionError, lambda x: "%.3f" % (x * 2.) and x, 1.) == (
        "float() of a traced value: `multiply`: float64[] (LINE) has no number while the graph is built. "
        "Leave the float() away, or use the np. function of the same name instead of a compiled one; "
        'for "%.3f" % x write an f-string, which shows the node.')


def test_writing_into_an_argument():
    def f(x):
        x[0] = 1.
        return np.sum(x)
    assert here(InPlaceError, f, np.ones(2)) == (
        "an argument is changed in place (LINE). Arrays that come in belong to the caller, and a graph does not write to them. "
        "Write x = x.copy() first, and change the copy.")


def test_writing_to_an_attribute():
    def f(x, c):
        c.k = x
        return x * c.k
    c = C()
    with pytest.warns(SideEffectWarning) as caught:
        assert grad(f)(3., c) == 6.0
    assert re.sub(rf"{re.escape(__file__)}:\d+", "LINE", str(caught[0].message)) == (
        "assignment to the attribute `c.k` inside a traced function (LINE): the function is traced once, and compiled calls do not repeat it. "
        "The object keeps the value that it has; return the new value if it is wanted.")
    assert c.k == 2.0


def test_a_leaked_value():
    leaked = []

    def f(x):
        leaked.append(x * x)
        return x
    grad(f)(1.)
    text = ("a traced value of 'f' (`multiply`, made at LINE) is used after its trace has ended. It has no number: it stands for a step of the graph. "
            "Return it from the function instead of storing it in a global, an attribute or a list outside.")
    assert re.sub(rf"{re.escape(__file__)}:\d+", "LINE", message(LeakedValueError, lambda: leaked[0] + 1.)) == text
    assert here(LeakedValueError, lambda x: x * leaked[0], 1.) == text


def test_shapes_that_do_not_fit():
    assert message(ShapeError, grad(lambda x, y: np.sum(x * y)), np.ones(2), np.ones(3)) == "shapes (2,) and (3,) do not broadcast together"


@pytest.mark.parametrize("value, text", [
    (3, "it is an int, and only floats have one. Pass 3.0 instead of 3, or float(x)."),
    (True, "it is a bool, and only floats have one. Pass 1.0 or 0.0."),
    (np.arange(3), "it is an array of int64, and only floats have one. Pass x.astype(float)."),
    (np.array([True]), "it is an array of bool, and only floats have one. Pass x.astype(float)."),
    ([1, 2], "there is no float in it. Write its numbers as floats, 3.0 instead of 3."),
    ("s", "it is 's', which is static. Name the float arguments with argnums=."),
    (None, "it is None, which is static. Name the float arguments with argnums=."),
    ({}, "it is an empty dict, which is static. Name the float arguments with argnums=."),
    (C(), "it is an instance of C, which is no tree of numbers. Pass its arrays, or make C a dataclass."),
])
def test_a_gradient_of_what_is_no_float(value, text):
    assert message(ArgumentError, grad(lambda x: x), value) == f"the gradient with respect to `x` is asked for, but {text}"


def test_options_are_checked():
    assert message(ArgumentError, grad, half_square, simplify="hard") == "simplify='hard'; it takes \"safe\", \"fast\" or False."
    assert message(ArgumentError, grad, half_square, 1) == "argnums=1 is out of range: half_square() takes 1 positional argument."
    assert message(ArgumentError, grad, half_square, "y") == "argnums='y': half_square() has no argument of that name; it has 'x'."
    assert message(ArgumentError, grad, half_square, 1.5) == "argnums is 1.5; it takes an int, an argument's name, or a tuple of these."
    assert message(ArgumentError, grad, half_square, ()) == "argnums is empty: name at least one argument, as in argnums=0 or argnums=('w', 'b')."
    assert message(ArgumentError, grad, half_square, (0, "x")) == "argnums=(0, 'x') names an argument of half_square() twice."
    assert message(ArgumentError, grad, 3.0) == "a function is expected, not float 3.0. Pass the function itself: grad(f), not grad(f(x))."
    assert message(ArgumentError, grad, C) == "the class C cannot be differentiated. Pass a function, or an instance with __call__."


def test_attributes_show_the_specialisation_of_the_last_call():
    square = grad(lambda x: np.sum(x * x))
    for shape in ((3,), (5,), (3,), (), (5,)):
        square(np.ones(shape) if shape else 2.0)
        assert str(square.graph).startswith(f"<lambda>(x: float64[{', '.join(map(str, shape))}])")


BUFFER = np.zeros(3)


def test_a_traced_value_in_an_array_of_the_module_is_refused_with_the_line():
    def filled(x):
        BUFFER[0] = x[0]
        return np.sum(BUFFER)
    assert here(InPlaceError, filled, np.ones(3)) == (
        "a traced value is written into a NumPy array that was made outside the traced function (LINE). The array would keep no trace of it. "
        "Make the array inside: np.zeros(3), or np.array(a) for a copy of it.")


def test_numpy_functions_themselves():
    np.testing.assert_array_equal(grad(np.sum)(np.ones(3)), np.ones(3))
    np.testing.assert_allclose(grad(np.linalg.norm)(np.array([3.0, 4.0])), [0.6, 0.8])


def test_derivatives_carry_the_line_of_what_they_are_derivatives_of():
    slope = grad(lambda x: np.exp(x) *
                 np.sin(x))
    slope(1.0)
    lines = {line.rpartition(":")[2] for line in slope.gradient_graph.to_text(lines=True).splitlines() if "#" in line}
    first = slope.__wrapped__.__code__.co_firstlineno
    assert lines == {str(first), str(first + 1)}
