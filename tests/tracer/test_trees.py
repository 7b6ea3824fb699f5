"""Argument trees: taking apart, putting together, keys of static values, generated flatten code."""

import enum
import inspect
import linecache
from collections import OrderedDict, namedtuple
from dataclasses import dataclass, field

import numpy as np
import pytest

from tracer.trace.flatten_source import call_function
from tracer.trace.static import MISSING, Static, static_key
from tracer.trace.trees import DATA, Describer, Instance, build, data_count, identifier, path_text

Point = namedtuple("Point", "x y")


@dataclass
class Layer:
    weights: object
    name: str = "dense"


@dataclass(frozen=True)
class Frozen:
    a: object
    b: object = None

    def __post_init__(self):
        raise AssertionError("rebuilding must not run __init__")


@dataclass(slots=True)
class Slotted:
    a: object
    log: list = field(default_factory=list)


def classify(value, path):
    if isinstance(value, (float, np.ndarray)):
        return DATA
    key = static_key(value)
    return None if key is None else Static(value, key)


def frozen(a, b):
    made = object.__new__(Frozen)
    object.__setattr__(made, "a", a)
    object.__setattr__(made, "b", b)
    return made


TREES = {
    "tuple": (1.0, (2.0, "s")), "list": [1.0, [2.0], []], "dict": {"w": 1.0, "b": {"c": 2.0}, 3: 4.0}, "ordered": OrderedDict(b=1.0, a=2.0),
    "namedtuple": Point(1.0, Point(None, 2.0)), "dataclass": Layer({"w": 1.0}), "frozen": frozen(1.0, [2.0]), "slots": Slotted(1.0),
    "leaf": 3.0, "nothing": None, "empty": (),
}


@pytest.mark.parametrize("value", TREES.values(), ids=TREES.keys())
def test_a_tree_is_rebuilt_as_it_was(value):
    describer = Describer(classify)
    spec = describer(value)
    made = build(spec, iter(describer.leaves))
    assert type(made) is type(value) and made == value
    assert data_count(spec) == len(describer.leaves)
    if isinstance(value, dict):
        assert list(made) == list(value)


@pytest.mark.parametrize("value", TREES.values(), ids=TREES.keys())
def test_generated_code_flattens_and_rebuilds_like_the_generic_code(value):
    describer = Describer(classify)
    spec = describer(value)

    def slow(values):
        raise AssertionError("the generated code does not know its own structure")
    call = call_function("f", "f", inspect.Signature([inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)]), slow,
                         specs=(spec,), entry=lambda *leaves: tuple(leaf * 2 for leaf in leaves), again=(), result=spec)
    assert call(value) == build(spec, iter([leaf * 2 for leaf in describer.leaves]))


def test_generated_code_hands_on_what_it_does_not_know():
    describer = Describer(classify)
    spec = describer({"w": 1.0, "n": "a"})
    call = call_function("f", "f", inspect.signature(lambda p: 0), lambda values: ("slow", values), specs=(spec,),
                         entry=lambda w: (w,), again=(), result=DATA)
    assert call({"w": 5.0, "n": "a"}) == 5.0
    for other in ({"n": "a", "w": 5.0}, {"w": 5.0}, {"w": 5.0, "n": "b"}, [5.0, "a"], 5.0, {"w": 5.0, "n": "a", "z": 1}):
        assert call(other) == ("slow", (other,))


def test_parameters_keep_their_kinds_and_defaults():
    def f(a, /, b, *rest, c=3, **options):
        """Only its signature counts."""
    call = call_function("f", "f", inspect.signature(f), lambda values: values)
    assert call(1, 2, 4, c=5, z=6) == (1, 2, (4,), 5, {"z": 6})
    assert call(1, 2) == (1, 2, (), 3, {})
    with pytest.raises(TypeError) as error:
        call()
    assert str(error.value) == "f() missing 2 required positional arguments: 'a' and 'b'"


def test_generated_code_is_shown_in_tracebacks():
    call = call_function("f", "f", inspect.signature(lambda x: 0), lambda values: values)
    assert inspect.getsource(call) == "def f(x):\n    return _slow((x, ))\n"
    filename = call.__code__.co_filename
    assert filename in linecache.cache
    del call
    assert filename not in linecache.cache


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


DIFFERENT = [1, True, 1.0, np.True_, "1", b"1", None, Colour.RED, Number.ONE, 0.0, -0.0, False, 0, range(1), slice(1), frozenset([1]), frozenset([True]),
             int, float, np.dtype("f8"), len, np.sin, (1,), (True,)]


def test_static_values_differ_by_type_and_bits():
    keys = [static_key(value) for value in DIFFERENT]
    assert len(set(keys)) == len(keys) and None not in keys


def test_equal_static_values_share_a_key():
    assert static_key(frozenset([1, 2])) == static_key(frozenset([2, 1]))
    assert static_key("ab") == static_key("".join(["a", "b"]))
    assert static_key(range(3)) == static_key(range(0, 3, 1))


def test_the_key_of_a_function_keeps_it_alive():
    keys = {static_key(lambda: k) for k in range(50)}
    assert len(keys) == 50  # none took the address of another that had gone


def test_lists_and_tuples_and_orders_of_keys_are_different_structures():
    describe = Describer(classify)
    assert len({describe(v) for v in ([1.0], (1.0,), Point(1.0, 1.0), (1.0, 1.0), {"a": 1.0, "b": 1.0}, {"b": 1.0, "a": 1.0}, {1: 1.0}, {True: 1.0})}) == 8


class Thing:
    k = 2.0

    def __init__(self):
        self.name = "n"


def test_of_an_instance_only_the_attributes_that_were_read_count():
    reads = {}
    thing = Thing()
    assert Describer(classify, reads)(thing) == Instance(Thing, (), ())
    reads[()] = {"k": None, "name": None, "absent": None}
    describer = Describer(classify, reads)
    spec = describer(thing)
    assert spec.keys == ("k", "name", "absent") and spec.parts == (DATA, Static("n"), Static(MISSING))
    assert describer.leaves == [2.0] and describer.paths == [(("attr", "k"),)]
    thing.name = "m"
    assert Describer(classify, reads)(thing) != spec


def test_paths_read_as_python():
    path = (("arg", "params"), ("item", "w"), ("item", 0), ("attr", "k"))
    assert path_text(path) == "params['w'][0].k"
    assert identifier(path, set()) == "params_w_0_k"
    assert identifier((("arg", "x"),), {"x"}) == "x_2"
