"""Arrays that are written to while a function is traced: held against NumPy, which runs the same program."""

import copy
import math
import re

import numpy as np
import pytest
from tracing_checks import traced

from tracer import InPlaceError, ShapeError, TracedIndexError, UnsupportedError, grad, jit, value_and_grad

X = np.array([0.3, -1.2, 0.7, 2.1, 0.9])
SQUARE = np.arange(20.0).reshape(4, 5) / 7
GLOBAL = np.arange(5.0)


def same(function, *values):
    np.testing.assert_array_equal(traced(function, *values), function(*map(copy.copy, values)))


def element_loop(x):
    out = np.zeros(len(x))
    for i in range(len(x)):
        out[i] = x[i] * x[i - 1]
    return out


def accumulate(x):
    out = np.zeros_like(x)
    out[-1] = x[0]
    for i in range(len(x)):
        out[i] += x[i]
        out[-i] -= 2.0 * x[i]
    return out


def table(x):
    n = len(x)
    d = np.full((n + 1, n + 1), np.inf)
    d[0, 0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            d[i, j] = abs(x[i - 1] - x[j - 1]) + min(d[i - 1, j], d[i, j - 1], d[i - 1, j - 1])
    return d


def rows(x):
    path = np.empty((4, 5))
    path[0] = x
    for k in range(1, 4):
        path[k] = path[k - 1] * 0.5 + path[0, k]
        path[k, 2] = 7.0
        path[k - 1, -1] += x[k]
    return path


def columns(x):
    a = np.ones((5, 6), order="C")
    for j in range(0, 6, 2):
        a[:, j] = x * j
    a[1:3, 1:3] = [[1.0, 2.0], [3.0, 4.0]]
    a[::2, 1] *= -1.0
    return a


def blocks(x):
    k = np.zeros((6, 6))
    for i in range(3):
        for j in range(3):
            k[2 * i:2 * i + 2, 2 * j:2 * j + 2] = np.outer(x[i:i + 2], x[j:j + 2])
    return k + k[4:6, 2:4].sum()


def nested(x):
    c, s = np.cos(x[0]), np.sin(x[0])
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1]]) @ np.array([x[1], x[2], 1])


def rows_of_both_kinds(x):
    return np.array([x, [1.0, 2.0, 3.0, 4.0, 5.0], [x[0], 1.0, x[1], 1.0, 1.0]])


def appended(x):
    found = []
    for value in x:
        found.append(value * 2.0)
    return np.array(found)[::-1]


def views(x):
    y = x * 1.0
    first, last = y[:2], y[-1:]
    back = y[::-1]
    y[0] = 5.0
    first *= 2.0
    last[0] = first[0] + back[0]
    back[1:3] = [1.0, 2.0]
    return np.concatenate([y, first, last, back])


def moved_views(x):
    a = np.outer(x, x)
    t, flat, d = a.T, a.reshape(-1), a[1:4, 1:3].T
    t[0, 1:] = 9.0
    flat[7:12] = x
    d[1] += 1.0
    d[:, 2] = [3.0, 4.0]
    np.diagonal(a)
    swapped = np.swapaxes(a, 0, 1)
    swapped[2][...] = 0.5
    return np.concatenate([a.ravel(), t.ravel(), flat, d.ravel(), a[None].squeeze()[1]])


def diagonal_is_a_view(x):
    a = np.outer(x, x)
    d = np.diagonal(a)
    a[2, 2] = 100.0
    return d + 0.0


def a_copy_is_none(x):
    y = x.copy()
    z, w, v = y.copy(), np.array(y), y.flatten()
    y[:] = 0.0
    z[1] = 3.0
    u = +w
    u[0] = 8.0
    return np.concatenate([y, z, w, v, u, y.astype(float), np.copy(z)])


def aliased_names(x):
    y = x + 0.0
    z = y
    z += 1.0
    z **= 2.0
    return y


def broadcast_writes(x):
    a = np.zeros((3, 5))
    a[:] = x
    a[1] = 2.0
    a[..., 1] = x[0]
    a[None, 0, :, None] += np.ones((5, 1))
    a[2:0:-1, ::2] = x[:3]
    return a


def masks_and_places(x):
    a = np.outer(x, x)
    a[np.array([0, 2, 2]), np.array([1, 1, 1])] = x[:3]
    a[[0, 1]] *= 2.0
    a[a > 1.0] = 1.0
    a[np.eye(5, dtype=bool)] = x
    a[~np.tri(5, dtype=bool)] = 0.25
    a[:, [True, False, False, True, False]] -= 1.0
    return a


def many_places(x):
    y = np.zeros(40)
    y[np.arange(0, 40, 8)] = x
    y[np.arange(30)[::-1]] += 0.5
    y[::7] = 1.0
    y[np.arange(40) % 3 == 0] = x[1]
    return y


def functions_that_write(x):
    a = np.zeros((5, 5))
    np.fill_diagonal(a, x)
    np.add.at(a, (np.array([0, 1, 1]), np.array([2, 2, 2])), x[:3])
    np.subtract.at(a, 4, x)
    np.copyto(a[3], x)
    np.copyto(a[2], x, where=np.array([True, False, True, False, True]))
    np.put(a, [0, 7], x[:2])
    np.putmask(a, np.eye(5, dtype=bool)[::-1], -x[0])
    np.put_along_axis(a, np.array([[1], [2], [0], [3], [3]]), x[:, None], 1)
    b = np.empty(5)
    b.fill(x[3])
    np.multiply(x, 2.0, out=b)
    np.dot(a, x, out=a[0])
    np.cumsum(x, out=a[:, 1])
    np.negative(x, a[4])
    np.add(np.zeros(5), x, out=(c := np.ones(5)))
    return np.concatenate([a.ravel(), b, c])


def scalars(x):
    f = float(x[0]) * 2 + max(x[1], x[2], 0.5) - min(x) + sum(x) + sum([x[0], 1]) + round(1.26, 1)
    return np.array(f + (1.0 if isinstance(x[0], float) and isinstance(x, np.ndarray) else 0.0))


def integers_truncate(x):
    n = np.zeros(3, dtype=int)
    n[0], n[1] = x[3], 7
    return n * 1.0


def bools(x):
    m = np.zeros(5, dtype=bool)
    m[1] = x[0] > 0.0
    m[2:] = x[2:] > 0.8
    return np.where(m, x, 0.0)


def static_parts(x):
    index = np.zeros(3, int)
    index[1] = 2
    index += 1
    weights = np.linspace(0.0, 1.0, 5)
    weights[0] = 4.0
    half = weights[:2]
    half *= 3.0
    assert weights[0] == 12.0 and float(weights.sum()) > 1 and len(index) == 3 and 3 in index
    total = 0.0
    for k in range(index[1]):
        if weights[k] > 0.3:
            total = total + x[index[0]] * weights[k]
    weights[1:3] = x[1:3]
    return np.concatenate([weights, half, [total], np.eye(2)[0], np.arange(3)[::-1] * weights[0]])


def whole_then_elements(x):
    y = np.zeros(30)
    for k in range(30):
        y[k] = x[k % 5] * k
    z = np.cumsum(y)
    z[3] = -1.0
    for k in range(5):
        y[k] += z[k]
    return y + z.sum()


def heat(x):
    u = np.zeros(20)
    u[5:10] = x
    for _ in range(3):
        u[1:-1] = u[1:-1] + 0.1 * (u[2:] - 2.0 * u[1:-1] + u[:-2])
    return u


VECTORS = [element_loop, accumulate, table, rows, columns, blocks, nested, rows_of_both_kinds, appended, views, moved_views, diagonal_is_a_view, a_copy_is_none,
           aliased_names, broadcast_writes, masks_and_places, many_places, functions_that_write, scalars, integers_truncate, bools, static_parts,
           whole_then_elements, heat]


@pytest.mark.parametrize("program", VECTORS, ids=lambda f: f.__name__)
def test_the_value_is_numpys(program):
    same(program, X)


@pytest.mark.parametrize("program", VECTORS, ids=lambda f: f.__name__)
def test_the_gradient_is_that_of_differences(program):
    weights = np.cos(np.arange(np.size(program(X))) + 1.0).reshape(np.shape(program(X)))
    finite = np.where(np.isfinite(program(X)), weights, 0.0)  # a table has infinite borders
    slope = grad(lambda x: np.sum(np.where(finite != 0.0, program(x), 0.0) * finite))(X)
    expected = np.empty(5)
    for k, step in enumerate(np.eye(5) * 1e-6):
        high, low = program(X + step), program(X - step)
        expected[k] = np.sum((high[finite != 0.0] - low[finite != 0.0]) * finite[finite != 0.0]) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-7)


# Random programs on views -------------------------------------------------------------------------------------------------

class Drawn:
    """Random numbers that were drawn before."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def below(self, n):
        return int(next(self.numbers) * n)

    def chance(self, share):
        return next(self.numbers) < share


def _slice(draw, n):
    step = (1, 1, 1, 2, -1, -2)[draw.below(6)]
    low, high = sorted((draw.below(n + 1), draw.below(n + 1)))
    return slice(low, high, step) if step > 0 else slice(high - 1 if high else None, low - 1 if low else None, step)


def _index(draw, shape):
    index = tuple([draw.below(2 * n) - n if draw.chance(0.4) and n else _slice(draw, n) for n in shape])
    return index[:1 + draw.below(len(index))]


def random_program(seed, shape):
    """A program on arrays that are views of one another."""
    numbers = np.random.default_rng(seed).random(400).tolist()

    def program(x):
        draw = Drawn(numbers)
        arrays = [np.zeros(shape) if draw.chance(0.5) else np.outer(x[:shape[0]], x)[:, :shape[1]] + 0.0]
        for _ in range(14):
            a = arrays[draw.below(len(arrays))]
            what = draw.below(8)
            if what == 0 and a.size:
                arrays.append(a.T if draw.chance(0.5) else a.reshape(-1) if draw.chance(0.5) else a[None])
            elif what <= 2:
                found = a[_index(draw, a.shape)]
                arrays += [found] if found.shape else []
            elif what == 3:
                a *= 1.5
            elif what == 4 and a.ndim == 2 and a.size:
                a[[draw.below(a.shape[0]) for _ in range(3)], 0] = x[:3]
            else:
                index = _index(draw, a.shape)
                a[index] = x[draw.below(5)] if draw.chance(0.5) else a[index] * 2.0 - 0.25
        return np.concatenate([a.ravel() for a in arrays])
    return program


@pytest.mark.parametrize("shape", [(3, 4), (4, 5), (5, 5), (1, 5), (4, 1)], ids=str)
def test_random_programs_of_views_and_writes(shape):
    for seed in range(60):
        program = random_program(seed, shape)
        np.testing.assert_array_equal(traced(program, X), program(X), err_msg=f"seed {seed}")


class Grid:
    scale = 2.0

    def __init__(self, n):
        self.values = np.zeros(n)

    def total(self):
        return math.fsum(self.values)


class Painted(Grid):
    def __init__(self, x):
        super().__init__(len(x))
        self.values = np.zeros(len(x))
        self.values[1] = x[0]
        self._x = x

    @property
    def first(self):
        return math.cos(self._x[0])

    @classmethod
    def of(cls, x):
        return cls(x)

    @staticmethod
    def square(v):
        return math.pow(v, 2)

    def __add__(self, other):
        return Painted(self._x + other._x)


def test_classes_whose_objects_are_made_inside():
    def program(x):
        painted = Painted.of(x)
        both = painted + Painted(x)
        assert isinstance(painted, Painted) and isinstance(both, Grid) and not isinstance(x, Grid) and type(both) is Painted
        return painted.total() * painted.scale + painted.first + Painted.square(x[2]) + both.values[1]
    assert float(traced(program, X)) == pytest.approx(program(X), rel=1e-15)


def test_arrays_without_anything_traced_may_be_returned_and_passed_on():
    np.testing.assert_array_equal(jit(lambda x: np.ones(3))(X), np.ones(3))
    np.testing.assert_array_equal(jit(lambda x: GLOBAL)(X), GLOBAL)

    def inner(x):
        y = np.zeros(5)
        y[1] = 2.0
        return grad(lambda z: np.sum(z * z))(y) * x + grad(lambda z: np.sum(z ** 3))(GLOBAL)
    np.testing.assert_array_equal(jit(inner)(X), 2.0 * np.array([0.0, 2.0, 0.0, 0.0, 0.0]) * X + 3.0 * GLOBAL**2)


# What is refused -----------------------------------------------------------------------------------------------------------

def refusal(kind, function, *values):
    with pytest.raises(kind) as error:
        grad(function)(*values)
    return re.sub(rf"{re.escape(__file__)}:\d+", "LINE", str(error.value))


ARGUMENT = ("{} is changed in place (LINE). Arrays that come in belong to the caller, and a graph does not write to them. "
            "Write x = x.copy() first, and change the copy.")


def _writes(kind):
    def f(x):
        if kind == "+=":
            x += 1.0
        elif kind == "[]":
            x[0] = 1.0
        elif kind == "at":
            np.add.at(x, [0], 1.0)
        elif kind == "fill":
            x.fill(0.0)
        elif kind == "out":
            np.add(x, 1.0, out=x)
        elif kind == "asarray":
            np.asarray(x)[0] = 1.0
        return np.sum(x)
    return f


@pytest.mark.parametrize("kind", ["+=", "[]", "at", "fill", "out", "asarray"])
def test_an_argument_is_not_written_to(kind):
    assert refusal(InPlaceError, _writes(kind), np.ones(3)) == ARGUMENT.format("an argument")


def test_nor_is_a_view_of_one():
    def f(x):
        x[1:][0] = 2.0
        return np.sum(x)
    assert refusal(InPlaceError, f, np.ones(3)) == ARGUMENT.format("a view of an argument (LINE)")


def test_numbers_are_not_written_to():
    def f(x):
        y = x * 2.0
        y[0] = 1.0
        return y
    assert refusal(InPlaceError, f, 1.0) == ("float64 numbers are not written to: `multiply` (LINE) has no elements. Assign to the name instead: x = value.")


def test_shapes_that_do_not_fit_a_place():
    def f(x):
        y = np.zeros((2, 3))
        y[0] = x
        return np.sum(y)
    assert refusal(ShapeError, f, np.ones(2)) == "could not broadcast input array from shape (2,) into shape (3,)"


def test_an_index_outside():
    def f(x):
        y = x * 2.0
        y[3] = 1.0
        return np.sum(y)
    assert refusal(IndexError, f, np.ones(3)) == "index 3 is out of bounds for axis 0 with size 3"


def test_growing_by_broadcasting_is_refused_as_by_numpy():
    def f(x):
        y = x * 2.0
        y += np.ones((2, 3))
        return np.sum(y)
    assert refusal(ValueError, f, np.ones(3)) == "non-broadcastable output operand with shape (3,) doesn't match the broadcast shape (2,3)"


def test_floats_are_not_added_to_integers_in_place():
    def f(x):
        n = np.zeros(3, int)
        n += x
        return np.sum(n)
    assert refusal(TypeError, f, np.ones(3)) == "Cannot cast ufunc 'add' output from dtype('float64') to dtype('int64') with casting rule 'same_kind'"


def test_a_traced_mask_takes_one_value():
    def f(x):
        y = x * 2.0
        y[x > 0.0] = np.ones(2)
        return np.sum(y)
    assert refusal(UnsupportedError, f, np.ones(3)) == (
        "x[mask] = values with a traced mask: how many elements it picks is not known while the graph is built. "
        "Write x = np.where(mask, values_of_all, x), with a value for every element.")


# Indices from the data -----------------------------------------------------------------------------------------------------

def test_traced_places():
    def f(x, k):
        y = np.zeros(6)
        y[np.argmax(x)] = x[0]
        y[k[:2] - 1] += x[1]
        y[k] *= 2.0
        return np.concatenate([y, [x[np.argmin(x)]]])
    k = np.array([3, 0, 3])
    np.testing.assert_array_equal(jit(f)(X, k), f(X, k))


def test_of_values_written_to_one_place_the_last_stays():
    def f(x, k):
        y = np.zeros(6)
        y[k] = x
        return y
    for k in ([3, 0, 3, 1, 0], [-1, 5, 2, 2, 2]):
        np.testing.assert_array_equal(jit(f)(X, np.array(k)), f(X, np.array(k)))
    slope = grad(lambda x, k: np.sum(f(x, k) * np.arange(1.0, 7.0)))
    np.testing.assert_array_equal(slope(X, np.array([3, 0, 3, 1, 0])), [0.0, 0.0, 4.0, 2.0, 1.0])


def test_traced_places_are_checked():
    def f(x, k):
        y = x * 2.0
        y[k] = 1.0
        return np.sum(y)
    with pytest.raises(IndexError):
        grad(f)(X, np.array([5]))


# Cost ------------------------------------------------------------------------------------------------------------------------

def nodes(function, *values):
    compiled = grad(function)
    compiled(*values)
    return len(compiled.gradient_graph.nodes)


def test_elements_cost_the_same_however_many():
    """One assemble node for all writes and one for all reads: the graph grows by the operations alone."""
    def squares(x):
        out = np.zeros(len(x))
        for i in range(len(x)):
            out[i] = x[i] * x[i]
        return np.sum(out)
    few, many = nodes(squares, np.ones(50)), nodes(squares, np.ones(100))
    assert many - few <= 50 * 6


def test_elements_are_read_back_without_an_array():
    def recurrence(x):
        y = np.zeros(40)
        y[0] = x
        for i in range(1, 40):
            y[i] = np.sin(y[i - 1])
        return y[39]
    compiled = jit(recurrence)
    compiled(0.5)
    assert [node.op.name for node in compiled.graph.nodes].count("sin") == 39
    assert {node.op.name for node in compiled.graph.nodes} == {"input", "sin"}


def test_the_callers_arrays_are_not_touched():
    x = X.copy()
    grad(lambda x: np.sum(views(x)))(x)
    np.testing.assert_array_equal(x, X)


def test_an_array_of_the_module_stays_as_it_is():
    def f(x):
        y = np.array(GLOBAL)
        y[1] = x
        return np.sum(y * y)
    assert grad(f)(3.0) == 6.0
    np.testing.assert_array_equal(GLOBAL, np.arange(5.0))


# The sign of zero ------------------------------------------------------------------------------------------------------------

LONG = np.linspace(-1.0, 1.2, 40)


def filled_with_negative_zeros(x):
    y = np.full(40, -0.0)
    y[3] = x[0]
    return y


def negative_zeros_in_a_range(x):
    y = np.zeros(40)
    y[:] = -0.0
    y[3:5] = x[:2]
    y[20] = 0.0
    return y


def steps_of_negative_zeros(x):
    y = x * 1.0
    y[1::2] = -0.0 * np.abs(x[1::2])
    y[::4] = 0.0
    return y


def rows_and_columns(x):
    y = np.zeros((6, 7))
    y[1] = -0.0
    y[2] = np.abs(x[:7]) * -0.0
    y[4, ::2] = np.abs(x[3:7]) * -0.0
    y[:, 3] = -0.0
    return y


def interleaved(x):
    y = np.zeros((40, 2))
    y[::3, 0] = -np.abs(x[::3]) * 0.0
    y[1::3, 1] = -np.abs(x[1::3]) * 0.0
    return y


@pytest.mark.parametrize("program", [filled_with_negative_zeros, negative_zeros_in_a_range, steps_of_negative_zeros, rows_and_columns, interleaved])
def test_zeros_keep_their_sign(program):
    expected = program(LONG)
    assert np.any(np.signbit(expected[expected == 0]))
    for result in (jit(program)(LONG), traced(program, LONG)):
        np.testing.assert_array_equal(np.signbit(result), np.signbit(expected))
        np.testing.assert_array_equal(result, expected)


# Slices that move -----------------------------------------------------------------------------------------------------------

TABLE = np.arange(20.0).reshape(4, 5) ** 1.5


def rows_and_columns(x):
    i, j = math.floor(x[1]), math.floor(x[0])
    both, columns = np.sum(TABLE[i:i + 2, j:j + 3]) * x[2], np.sum(TABLE[i, j - 1:j + 2]) * x[1]
    return both + columns + np.sum(TABLE[i - 1:i + 2, j]) * x[3] + np.sum(TABLE[:, j - 1:j + 1]) * x[0]


def written_slices(x):
    z, i = np.zeros(6), math.floor(x[0])
    z[i:i + 2] = x[:2]
    z[i - 1:i + 1] += x[2]
    return z @ np.arange(6.0) + np.sum(x[i - 1:i + 2] ** 2)


@pytest.mark.parametrize("function", [rows_and_columns, written_slices])
def test_slices_with_bounds_a_constant_apart(function):
    x = np.array([2.7, 1.1, 0.3, 0.9, 1.5])
    value, slope = value_and_grad(function)(x)
    assert value == pytest.approx(function(x))
    np.testing.assert_allclose(slope, [(function(x + d) - function(x - d)) / 2e-6 for d in 1e-6 * np.eye(5)], rtol=1e-7, atol=1e-7)


def test_a_slice_of_unknown_length_is_refused():
    with pytest.raises(TracedIndexError):
        value_and_grad(lambda x: np.sum(TABLE[0][math.floor(x):3] * x))(1.5)
    with pytest.raises(UnsupportedError, match="side by side"):
        value_and_grad(lambda x: np.sum(np.ones((3, 3, 3))[(i := math.floor(x)):i + 1, :, i:i + 2]) * x)(1.5)
