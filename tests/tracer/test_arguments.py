"""Binding, argnums, and the errors for arguments that are not taken."""

import functools
import inspect

import numpy as np
import pytest

from tracer.errors import ArgumentError
from tracer.trace.arguments import Selection, callee_of, classify, describe_arguments, product_callee, select
from tracer.trace.static import Static
from tracer.trace.trees import DATA


def message(kind, function, *args, **kwargs):
    with pytest.raises(kind) as error:
        function(*args, **kwargs)
    return str(error.value)


def f(a, b=2, /, c=3, *rest, d, e=5, **options):
    return a, b, c, rest, d, e, options


def test_binding_gives_one_value_per_parameter_and_calling_undoes_it():
    callee = callee_of(f)
    for args, kwargs in (((1,), {"d": 4}), ((1, 2, 3, 4, 5), {"d": 4, "z": 9}), ((1,), {"d": 4, "c": 7, "e": 8})):
        values = callee.bind(args, kwargs)
        assert len(values) == len(inspect.signature(f).parameters)
        assert callee.call(lambda function: function, values) == f(*args, **kwargs)


@pytest.mark.parametrize("args, kwargs", [((), {}), ((1, 2), {}), ((), {"d": 1}), ((1,), {"d": 4, "a": 1, "b": 2})])
def test_wrong_arity_reads_as_pythons(args, kwargs):
    callee = callee_of(f)
    try:
        f(*args, **kwargs)
    except TypeError as error:
        assert message(TypeError, callee.bind, args, kwargs) == str(error)


def test_too_many_arguments_and_unknown_names_read_as_pythons():
    def two(x, y=1):
        """Only its parameters count."""
    two.__qualname__ = "two"
    callee = callee_of(two)
    assert message(TypeError, callee.bind, (1, 2, 3), {}) == "two() takes from 1 to 2 positional arguments but 3 were given"
    assert message(TypeError, callee.bind, (1,), {"z": 1}) == "two() got an unexpected keyword argument 'z'"
    assert message(TypeError, callee.bind, (1,), {"x": 1}) == "two() got multiple values for argument 'x'"


class Model:
    def __call__(self, x, y):
        return x + y

    def loss(self, x):
        return x

    @classmethod
    def make(cls, x):
        return x


def test_what_is_called():
    model = Model()
    assert callee_of(model).hidden == (model,) and callee_of(model).uncounted == 1 and callee_of(model).name == "Model"
    assert callee_of(model.loss).hidden == (model,) and callee_of(model.loss).name == "Model.loss"
    assert callee_of(Model.make).hidden == () and list(callee_of(Model.make).signature.parameters) == ["x"]
    assert list(callee_of(functools.partial(f, 1, d=2)).signature.parameters) == ["b", "c", "rest", "d", "e", "options"]
    assert callee_of(lambda x: x).is_plain and not callee_of(f).is_plain and not callee_of(model).is_plain

    @functools.wraps(Model.loss)
    def wrapper(*args, **kwargs):
        return 0
    assert list(callee_of(wrapper).signature.parameters) == ["self", "x"]

    @functools.wraps(f)
    def other(only):
        return only
    assert list(callee_of(other).signature.parameters) == ["only"]
    assert [p.name for p in product_callee(model, "tangents").parameters] == ["self", "primals", "tangents"]


@pytest.mark.parametrize("argnums, places", [
    (0, ((0,),)), (2, ((2,),)), (-1, ((2,),)), (("c", "d"), ((2,), (4,))), ((0, -1), ((0,), (2,))),
])
def test_places_of_arguments(argnums, places):
    values = callee_of(f).bind((1.,), {"d": 2., "z": 3.})
    assert select(argnums, callee_of(f), values) == Selection(places, not isinstance(argnums, tuple))


def test_places_that_a_call_decides():
    callee = callee_of(f)
    values = callee.bind((1., 2., 3., 4., 5.), {"d": 2., "z": 3.})
    assert select((3, -1, "z"), callee, values).places == ((3, 0), (3, 1), (6, "z"))
    assert select((3, -1, "z"), callee).places == (None, None, None)


def test_argnums_out_of_range():
    assert message(ArgumentError, select, -3, callee_of(lambda x, y: x)) == \
        "argnums=-3 is out of range: <lambda>() takes 2 positional arguments."
    assert message(ArgumentError, select, 1, callee_of(Model().loss)) == "argnums=1 is out of range: Model.loss() takes 1 positional argument (after self)."
    assert message(ArgumentError, select, "z", callee_of(Model().loss)) == "argnums='z': Model.loss() has no argument of that name; it has 'x'."


class Subclass(np.ndarray):
    pass


class Series:
    """As pandas has one."""

    shape = (3,)


Series.__module__ = "pandas.core.series"


class Wrapped:
    def __array__(self, dtype=None, copy=None):
        return np.ones(3)


class MyList(list):
    pass


class MyDict(dict):
    pass


REFUSED = {
    "complex number": (1j, "the complex number 1j. Pass real and imaginary part as two floats."),
    "complex array": (np.ones(2, complex), "an array of dtype complex128; complex numbers are not supported. Pass w.real and w.imag as two arguments."),
    "complex scalar": (np.complex64(1), "a NumPy scalar of dtype complex64; complex numbers are not supported. Pass w.real and w.imag as two arguments."),
    "objects": (np.array([1, None]), "an array of Python objects. Pass w.astype(float)."),
    "strings": (np.array(["a"]), "an array of strings. Pass w.astype(float) if they are numbers, otherwise codes: np.unique(w, return_inverse=True)[1]."),
    "float16": (np.ones(2, np.float16), "an array of dtype float16, which is not supported. Pass w.astype(float)."),
    "longdouble": (np.longdouble(1), f"a NumPy scalar of dtype {np.dtype(np.longdouble)}, which is not supported. Pass w.astype(float)."),
    "datetime": (np.array(["2020-01-01"], "M8[D]"), "an array of dtype datetime64[D]. Pass numbers: (w - w[0]) / np.timedelta64(1, 's')."),
    "timedelta": (np.array([1], "m8[s]"), "an array of dtype timedelta64[s]. Pass numbers: w / np.timedelta64(1, 's')."),
    "structured": (np.zeros(2, [("x", float)]), "a structured array. Pass its fields as arguments of their own."),
    "byte order": (np.ones(2, ">f8"), "an array of foreign byte order (>f8). Pass w.astype(w.dtype.newbyteorder('='))."),
    "masked": (np.ma.array([1.0]), "a masked array, and a mask has no gradient. Pass w.filled(np.nan), or the weights as an argument of their own."),
    "matrix": (np.ones((1, 1)).view(np.matrix), "a np.matrix, whose * is a matrix product. Pass np.asarray(w)."),
    "subclass": (np.ones(2).view(Subclass), f"a {__name__}.Subclass, a subclass of ndarray. Pass np.asarray(w)."),
    "pandas": (Series(), "a pandas object (Series). Pass w.to_numpy()."),
    "array-like": (Wrapped(), f"a {__name__}.Wrapped. Pass np.asarray(w)."),
    "large int": (2**70, f"the integer {2**70}, which has more than 64 bits. Pass float(w)."),
    "set": ({1.0}, "a set, which is no fixed tree. Pass tuple(sorted(w))."),
    "generator": ((x for x in [1.0]), "a generator, which is no fixed tree. Pass list(w)."),
    "bytearray": (bytearray(b"a"), "a bytearray, which is no fixed tree. Pass np.frombuffer(w, np.uint8)."),
    "kind of list": (MyList([1.0]), "a MyList, a kind of list that could not be rebuilt. Pass list(w)."),
    "kind of dict": (MyDict(a=1.0), "a MyDict, a kind of dict that could not be rebuilt. Pass dict(w)."),
}


@pytest.mark.parametrize("value, text", REFUSED.values(), ids=REFUSED.keys())
def test_refused_arguments_name_the_conversion(value, text):
    callee = callee_of(lambda w: w)
    assert message(ArgumentError, describe_arguments, callee, (value,), {}) == f"argument `w` is {text}"


def test_a_refused_leaf_is_named_by_its_path():
    callee = callee_of(lambda params: params)
    assert message(ArgumentError, describe_arguments, callee, ({"w": [1.0, 1j]},), {}) == \
        "argument `params['w'][1]` is the complex number 1j. Pass real and imaginary part as two floats."


@pytest.mark.parametrize("library, make, conversion", [
    ("torch", "ones", "w.detach().cpu().numpy()"), ("jax.numpy", "ones", "np.asarray(w)"), ("pandas", "Series", "w.to_numpy()"),
])
def test_arrays_of_other_libraries(library, make, conversion):
    value = getattr(pytest.importorskip(library), make)([3])
    text = message(ArgumentError, describe_arguments, callee_of(lambda w: w), (value,), {})
    assert text.startswith("argument `w` is a ") and text.endswith(f"Pass {conversion}.")


def test_an_argument_that_contains_itself():
    loop = []
    loop.append(loop)
    assert message(ArgumentError, describe_arguments, callee_of(lambda w: w), (loop,), {}) == \
        "an argument of <lambda>() contains itself, or is nested too deeply to be a tree."


@pytest.mark.parametrize("value", [1.0, 1, np.float64(1), np.float32(1), np.int8(1), np.ones(2), np.ones((), np.float32), np.ones(2, bool), np.zeros((0, 2))])
def test_what_is_data(value):
    assert classify(value, ()) is DATA


@pytest.mark.parametrize("value", [True, np.True_, "s", None, b"b", frozenset([1]), np.dtype(float), int, range(3), slice(2), len, Ellipsis])
def test_what_is_static(value):
    assert isinstance(classify(value, ()), Static)
