"""Elements that a traced mask picks: held against NumPy, derivatives against finite differences."""

import numpy as np
import pytest

from tracer import UnsupportedError, VaryingLengthError, grad, jit, value_and_grad

X = np.array([1.0, -2.0, 3.0, 0.5, -0.1, 2.5])
ROWS = np.linspace(-1.0, 1.3, 24).reshape(6, 4)

REDUCTIONS = {
    "sum": lambda x: np.sum(x[x > 0]),
    "sum of rows": lambda x: np.sum((np.outer(x, x))[x > 0], axis=0) @ np.arange(6.0),
    "of each row": lambda x: np.sum(np.outer(x, x)[x > 0].max(axis=1)),
    "mean": lambda x: x[x > 0].mean(),
    "var": lambda x: np.var(x[x > 0], ddof=1),
    "std": lambda x: x[x > 0].std(),
    "prod": lambda x: np.prod(x[x > 0]),
    "max": lambda x: x[x < 2].max(),
    "min": lambda x: np.min(x[x > 0]),
    "ptp": lambda x: np.ptp(x[x > 0]),
    "norm": lambda x: np.linalg.norm(x[x > 0]),
    "dot": lambda x: np.dot(x[x > 0], np.exp(x[x > 0])),
    "at": lambda x: x[x > 0] @ x[x > 0],
    "log, infinite elsewhere": lambda x: np.sum(np.log(x[x > 0])),
    "ratio": lambda x: np.sum(x[x > 0]) / x[x > 0].size,
    "powers": lambda x: np.sum(2.0 * x[x > 0] ** 2 - 1.0 / x[x > 0]),
    "scalar": lambda x: np.sum(x[0] * x[x > 0] - np.float64(2.0)),
    "picked again": lambda x: (lambda y: np.sum(y[y < 2]))(x[x > 0]),
    "where": lambda x: np.sum(np.where(x[x > 0] > 1.2, x[x > 0], 0.0)),
    "clip": lambda x: np.sum(np.clip(x[x > 0], 0.7, 2.0) * 3.0),
    "ufunc method": lambda x: np.add.reduce(x[x > 0]),
}


@pytest.mark.parametrize("function", REDUCTIONS.values(), ids=REDUCTIONS)
def test_reductions_take_what_the_mask_picks(function):
    value, gradient = grad(function).value_and_grad(X)
    np.testing.assert_allclose(value, function(X), rtol=1e-14)
    steps = 1e-5 * np.eye(X.size)
    np.testing.assert_allclose(gradient, [(function(X + s) - function(X - s)) / 2e-5 for s in steps], rtol=1e-7, atol=1e-7)
    assert np.any(gradient)


def relu(x):
    y = x.copy()
    y[y < 0] = 0.0
    return y


def shifted(x):
    y = x * 1.0
    y[y < 0] += 1.0
    y[y > 2] *= x[0]
    return y


def each_way(x):
    y = x.copy()
    m = y < 0
    y[m] = y[m] * 2.0
    y[~m] = np.sqrt(x[~m])
    return y


def into_zeros(x):
    y = np.zeros_like(x)
    m = x > 0
    y[m] = np.log(x[m])
    return y


def of_rows(x):
    y = np.outer(x, x)
    y[x > 0] -= x
    y[y > 1.05] = 1.0
    return y


def changed_in_place(x):
    part = x[x > 0]
    part += 1.0
    part *= part
    y = np.zeros(6)
    y[x > 0] = part
    return y


def integers(x):
    n = np.arange(6)
    n[x > 0] = 7
    n[x < 0] += 2
    return n * x


def numbers_of_them(x):
    return np.array([np.count_nonzero(x[x > 0] > 1.2), x[x > 0].size, np.size(x[x < 0])]) * x[0]


@pytest.mark.parametrize("function", [relu, shifted, each_way, into_zeros, of_rows, changed_in_place, integers, numbers_of_them])
def test_writes_with_a_traced_mask(function):
    np.testing.assert_allclose(jit(function)(X), function(X.copy()), rtol=1e-15)
    steps = 1e-5 * np.eye(X.size)
    weights = np.cos(np.arange(function(X).size)).reshape(function(X).shape)
    gradient = grad(lambda x: np.sum(function(x) * weights))(X)
    np.testing.assert_allclose(gradient, [np.sum((function(X + s) - function(X - s)) * weights) / 2e-5 for s in steps], rtol=1e-7, atol=1e-7)


def test_of_nothing_the_mean_is_nan_and_the_sum_zero():
    value = jit(lambda x: np.array([np.sum(x[x > 9]), np.mean(x[x > 9]), np.max(x[x > 9])]))(X)
    np.testing.assert_array_equal(value, [0.0, np.nan, np.nan])


def test_columns():
    function = lambda x: x[x > 0].sum() + x[x[:, 0] > 0].mean(axis=0)[1]
    assert jit(function)(ROWS) == pytest.approx(function(ROWS), rel=1e-14)


END = ("how many elements it picks is not known while the graph is built. Element-wise functions and reductions of it work, "
       "and writes with the same mask; np.where(mask, x, 0.0) keeps the shape.")


def place(function) -> str:
    return f" of x[mask] with a traced mask ({__file__}:{function.__code__.co_firstlineno}): {END}"


REFUSED = {
    "result": (lambda x: x[x > 0], "the array"),
    "element": (lambda x: x[x > 0][0], "an element"),
    "length": (lambda x: x[0] * len(x[x > 0]), "len() (np.count_nonzero(mask) is traced)"),
    "loop": (lambda x: sum(v for v in x[x > 0]), "iteration"),
    "sorted": (lambda x: np.sort(x[x > 0]), "np.sort"),
    "method": (lambda x: x[x > 0].argmax(), ".argmax"),
    "other mask": (lambda x: np.sum(x[x > 0] * x[x > 1]), "an operation with the elements that another mask picks"),
    "array": (lambda x: np.sum(x[x > 0] * np.arange(4.0)), "an operation with an array"),
    "traced array": (lambda x: np.sum(x * x[x > 0]), "an operation with an array"),
    "running sum": (lambda x: np.cumsum(x[x > 0])[0], "np.cumsum"),
}


@pytest.mark.parametrize("function, what", REFUSED.values(), ids=REFUSED)
def test_what_needs_the_number_of_elements_is_refused(function, what):
    with pytest.raises(VaryingLengthError) as refused:
        grad(function)(X) if what != "the array" else jit(function)(X)
    assert str(refused.value) == what + place(function)


def test_two_masks_of_one_write_are_refused():
    def function(x):
        y = x.copy()
        y[x > 0] = x[x > 1]
        return np.sum(y)
    with pytest.raises(UnsupportedError) as refused:
        grad(function)(X)
    assert str(refused.value) == ("x[mask] = y[other] with two traced masks: whether they pick equally many elements is not known while the graph is built. "
                                  "Use one mask for both, or np.where.")


def test_a_mask_of_another_length_is_refused_as_by_numpy():
    with pytest.raises(IndexError) as refused:
        jit(lambda x: np.sum(x[x[:3] > 0]))(X)
    assert str(refused.value) == "boolean index did not match indexed array along axis 0; size of axis is 6 but size of corresponding boolean axis is 3"


# Places ------------------------------------------------------------------------------------------------------------------

WEIGHTS = np.arange(5.0) + 1


def written_at_places(x):
    y, z = x * WEIGHTS, np.zeros(5)
    y[np.where(y < 0)] = 0.5
    at = np.nonzero(x > 0)
    z[at] = x[at] ** 2
    return np.sum(y ** 2) + z @ WEIGHTS


def of_first_and_last(x):
    at = np.flatnonzero(x < 0)
    return x[at[0]] * 2 + x[at[-1]] ** 2 + np.mean(at) * x[0] + at.size * x[1]


def in_a_matrix(x):
    m = np.outer(x, x) * 0.7
    m[np.where(m < 0)] = 1.0
    rows, columns = np.where(m > 2)
    return np.sum(m[rows, columns] * 3) + np.sum(m)


PLACES = [lambda x: np.sum(x[np.where(x > 0)] ** 2), lambda x: np.sum(x[np.where(x > 0)[0]] * WEIGHTS[np.where(x > 0)[0]]), written_at_places,
          of_first_and_last, in_a_matrix]


@pytest.mark.parametrize("function", PLACES)
def test_places_index_as_the_mask_does(function):
    x = np.array([1.0, -2.0, 3.0, -4.0, 0.5])
    value, slope = value_and_grad(function)(x)
    assert value == pytest.approx(function(x))
    np.testing.assert_allclose(slope, [(function(x + d) - function(x - d)) / 2e-6 for d in 1e-6 * np.eye(5)], rtol=1e-7, atol=1e-7)


def test_some_of_the_places_are_no_index():
    with pytest.raises(VaryingLengthError, match="an index of some of the places"):
        value_and_grad(lambda x: np.sum(np.outer(x, x)[np.where(np.outer(x, x) > 1)[1]]))(np.ones(3))
