"""What is seen through beyond the functions that a function calls: objects, containers and classes from outside, imports inside, installed libraries."""

import collections
import dataclasses
import functools
import importlib
import itertools
import math
import statistics
import typing
from functools import cached_property

import numpy as np
import pytest

from tracer import SideEffectWarning, grad, jit, value_and_grad
from tracer.trace import flow, libraries

X = np.array([1.3, 2.1, 2.9, 0.6])


class Shape:
    """A class as people write it."""

    scale = 2.0
    table = np.array([1.0, 10.0, 100.0, 1000.0])

    def __init__(self, radius):
        self.radius = radius

    @staticmethod
    def wave(v):
        return math.sin(v)

    @classmethod
    def scaled(cls, v):
        return cls(math.sqrt(v) * cls.scale)

    @property
    def area(self):
        return math.pi * math.exp(self.radius)

    @cached_property
    def perimeter(self):
        return math.log(self.radius)

    @functools.lru_cache(maxsize=None)  # noqa: B019, UP033  as people write it
    def volume(self, height):
        return math.sqrt(self.radius) * height

    def __call__(self, v):
        return math.atan2(v, self.radius)

    def __getitem__(self, k):
        return self.table[k] * self.radius

    def __mul__(self, other):
        return type(self)(math.sin(self.radius) * (other.radius if isinstance(other, Shape) else other))

    __rmul__ = __mul__


Shape.unit = Shape(1.0)


class Pooled:
    """``__new__`` of its own."""

    def __new__(cls, v):
        made = super().__new__(cls)
        made.value = math.sin(v)
        return made


@dataclasses.dataclass
class Point:
    x: float
    y: float = 2.0

    def norm(self):
        return math.hypot(self.x, self.y)

    def __add__(self, other):
        return Point(self.x + other.x, self.y + other.y)

    @classmethod
    def polar(cls, r, angle):
        return cls(r * math.cos(angle), r * math.sin(angle))


@dataclasses.dataclass(frozen=True)
class Prepared:
    x: float

    def __post_init__(self):
        object.__setattr__(self, "log", math.log(self.x))


class Pair(typing.NamedTuple):
    a: float
    b: float

    def norm(self):
        return math.hypot(self.a, self.b)


class Counted(collections.namedtuple("Counted", "a b")):
    @property
    def ratio(self):
        return math.atan2(self.a, self.b)


made_outside = Shape(1.4)
shapes = [Shape(0.7), Shape(1.9)]
functions = {"sin": math.sin, "cos": lambda v: math.cos(v)}
pairs = ((math.sqrt, 2.0), (math.exp, 0.5))
tables, levels = {"squares": np.arange(6.0) ** 2}, [np.arange(5.0), np.arange(5.0) ** 3]
polynomial = np.polynomial.Polynomial([0.5, -1.0, 2.0], domain=[0.0, 4.0])
methods = [made_outside.wave, Shape.scaled]


def imports_inside(x):
    from math import sin

    import numpy as other
    import scipy.special as special
    return sin(x[0]) + other.sum(x) + special.logsumexp(x) + special.erf(x[1])


def memo(x):
    found = {}

    def of(k):
        if k not in found:
            found[k] = math.sin(x[k]) if k == 0 else of(k - 1) * x[k]
        return found[k]
    return of(3) + of(2)


CODE = {
    "a class": lambda x: Shape.wave(x[0]) + Shape.scaled(x[1]).radius + Shape(x[2]).area + Shape(x[0])(x[1]) + (2 * Shape(x[0]) * Shape(x[1])).radius,
    "cached properties and methods": lambda x: Shape(x[0]).perimeter * Shape(x[1]).volume(x[2]) + Shape(x[0]).volume(2.0),
    "an attribute of a class": lambda x: Shape.unit(x[0]) + Shape.unit.area * x[1] + Shape.table[math.floor(x[1])] * x[0],
    "__new__": lambda x: Pooled(x[0]).value,
    "a dataclass": lambda x: Point(x[0], x[1]).norm() + (Point(x[0]) + Point.polar(x[1], x[2])).norm() + Prepared(x[3]).log,
    "a named tuple": lambda x: Pair(x[0], x[1]).norm() * Pair(x[2], 1.0)._replace(a=x[3]).a + Counted(x[1], x[2]).ratio + Counted._make(x[:2]).a,
    "an object": lambda x: made_outside(x[0]) + made_outside.area * x[1] + made_outside.volume(x[2]) + made_outside[math.floor(x[1])] * x[0],
    "a method of an object": lambda x: made_outside.wave(x[0]) + methods[0](x[1]) + methods[1](x[2]).radius,
    "a list of objects": lambda x: sum(shape(v) for shape, v in zip(shapes, x)) + shapes[1].area * x[0],
    "a dict of functions": lambda x: functions["sin"](x[0]) + functions["cos"](x[1]),
    "tuples of functions": lambda x: sum(f(v) * w for (f, w), v in zip(pairs, x)),
    "imports inside": imports_inside,
    "a table of results": memo,
    "type": lambda x: x[0] * (2.0 if type(x) is np.ndarray and type(x[0]) == type(X[0]) and type(3) is int else 3.0),  # noqa: E721, UP003
    "sorted": lambda x: (lambda s: s[0] + 2 * s[1] + 3 * s[3])(sorted(x)) + sorted([x[1], x[0]], reverse=True)[0],
    "sorted pairs": lambda x: sum(k * v for k, (_, v) in enumerate(sorted(zip([2, 0, 1, 5], x)))) * len(type(x[0] * 1.0).__name__),
    "sorted by a traced key": lambda x: sorted(x, key=lambda v: -v * v)[1] ** 2 + max(x, key=lambda v: math.sin(v)) * min(x[0], x[1], key=abs),
    "statistics": lambda x: statistics.mean(x) * statistics.stdev(x) + statistics.median(x) + statistics.harmonic_mean(x) + statistics.pvariance(list(x))
                            + statistics.geometric_mean(x) + statistics.median_high(x) + statistics.fmean(x, [1.0, 2.0, 1.0, 3.0]),
    "a correlation": lambda x: statistics.correlation(x[:3], x[1:]) + statistics.covariance(list(x), [1.0, 2.0, 0.0, 3.0]),
    "itertools": lambda x: sum(a * b for a, b in itertools.combinations(x, 2)) + sum((b - a) ** 2 for a, b in itertools.pairwise(x)) * math.fsum(x),
    "reduce with a method": lambda x: functools.reduce(Point.__add__, [Point(v, v * v) for v in x]).norm(),
    "what math.floor gives": lambda x: Shape.table[math.floor(x[1]) + 1] * x[0] + Shape.table[math.floor(x[1]) & 1] * x[1] + math.floor(x[2]) / 4 * x[3],
    "round": lambda x: Shape.table[round(x[1])] * x[0] + Shape.table[int(round(x[2])) - 1] * x[1] + round(x[0], 1) * x[3] + round(x[3]) / 2 * x[0],  # noqa: RUF046
    "tables in lists and dicts": lambda x: tables["squares"][math.floor(x[2])] * x[0] + levels[1][np.floor(x).astype(int)] @ x + pairs[0][1] * x[1],
    "np.take": lambda x: np.take(tables["squares"], np.argmax(x)) * x[0] + np.take(levels[0], np.floor(x).astype(int)) @ x
                         + np.take(levels[0], math.floor(x[1])) * x[2],
    "polynomials": lambda x: polynomial(x[0]) + np.polynomial.Polynomial([1.0, 2.0, 3.0])(x[1]) + np.polynomial.polynomial.polyval(0.3, x)
                             + np.polynomial.chebyshev.chebval(x[2], [1.0, 0.5, 0.2]) + np.sum(np.poly1d([1.0, 2.0])(x)),
    "np.vectorize inside": lambda x: np.sum(np.vectorize(lambda v: math.exp(v) * v)(x)),
    "np.nditer": lambda x: sum(v * v for v in np.nditer(x)),
}


def numerical(function, x, h=1e-4):
    """Central differences, extrapolated."""
    def of_step(h):
        return np.array([(float(function(x + d)) - float(function(x - d))) / (2 * h) for d in h * np.eye(x.size)])
    return (4 * of_step(h / 2) - of_step(h)) / 3


@pytest.mark.parametrize("function", CODE.values(), ids=CODE.keys())
def test_what_is_seen_through(function):
    value, slope = value_and_grad(function)(X)
    assert value == pytest.approx(float(function(X)), rel=1e-13)
    np.testing.assert_allclose(slope, numerical(function, X), rtol=1e-7, atol=1e-8)


def test_an_argument_that_is_a_named_tuple_has_its_methods():
    assert grad(lambda p: p.norm())(Pair(3.0, 4.0)) == Pair(0.6, 0.8)
    assert type(jit(lambda v: Pair(v, 2 * v))(1.0)) is Pair and type(jit(lambda v: Point(v, 2 * v))(1.0)) is Point


def test_objects_from_outside_stay_as_they_are():
    counter = Shape(1.0)

    def counts(x):
        counter.radius = counter.radius + 1.0
        return x * counter.radius
    with pytest.warns(SideEffectWarning, match="counter.radius"):
        assert grad(counts)(3.0) == 2.0
    assert counter.radius == 1.0 and functions["sin"] is math.sin and type(shapes[0]) is Shape and type(made_outside) is Shape


def test_variables_of_a_closure_are_assigned_as_without_a_trace():
    calls, table = 0, np.array([1.0, 2.0])

    def counts(x):
        nonlocal calls, table
        calls += 1
        table = table + 1.0
        return x * table[0]
    assert grad(counts)(1.0) == 2.0
    assert calls == 1 and table.tolist() == [2.0, 3.0]


def test_lists_and_dicts_from_outside_are_changed_as_without_a_trace():
    rules, hooks = {"sin": math.sin}, [math.sin, math.cos]

    def changes(x):
        rules["cube"] = lambda v: v ** 3
        hooks.append(rules["sin"])
        hooks.pop(0)
        return sum(hook(x) for hook in hooks) + rules["cube"](x)
    assert grad(changes)(0.5) == pytest.approx(-math.sin(0.5) + math.cos(0.5) + 0.75)
    assert hooks == [math.cos, math.sin] and list(rules) == ["sin", "cube"] and rules["sin"] is math.sin and rules["cube"](2.0) == 8.0


# Installed libraries --------------------------------------------------------------------------------------------------------

LIBRARY = '''
import math
import numpy as np

class Body:
    def __init__(self, mass):
        self.mass = mass
    def speed(self, height):
        return math.sqrt(2.0 * self.mass * height)

STANDARD = Body(3.0)

def _inner(v):
    return math.sin(v) if v > 0 else math.cos(v)

def waves(values, power=2):
    out = np.zeros(len(values))
    for k, v in enumerate(values):
        out[k] = _inner(v) ** power
    return out.sum()

def calls(function, v):
    return math.exp(function(v))
'''


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A package of Python files in a folder of installed ones."""
    folder = tmp_path / "site" / "orbits"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(LIBRARY)
    installed = (str(tmp_path / "site") + "/",)
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(libraries, "INSTALLED", installed)
    monkeypatch.setattr(libraries, "LIBRARIES", flow.LIBRARIES + installed)
    yield importlib.import_module("orbits")
    importlib.sys.modules.pop("orbits")
    libraries.is_plain_python.cache_clear()


def test_installed_libraries_are_entered(library):
    def uses(x):
        return library.waves(x) + library.Body(x[0]).speed(x[1]) + library.STANDARD.speed(x[2]) + library.calls(lambda v: math.sin(v) * x[0], x[3])
    value, slope = value_and_grad(uses)(X)
    assert value == pytest.approx(float(uses(X)), rel=1e-13)
    np.testing.assert_allclose(slope, numerical(uses, X), rtol=1e-7)
    assert library.Body.speed.__globals__["math"] is math and type(library.STANDARD) is library.Body


def test_a_library_is_not_entered_where_nothing_traced_comes_in(library):
    seen = []
    library.waves.__globals__["_inner"] = lambda v: seen.append(type(v)) or 1.0
    assert grad(lambda x: library.waves([1.0, 2.0]) * x)(3.0) == 2.0
    assert seen == [float, float]
