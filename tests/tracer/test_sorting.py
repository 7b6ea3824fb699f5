"""Sorting in compiled code: gradients go to where the elements came from, equal elements keep their order, another length compiles nothing."""

import numpy as np
import pytest

from tracer import grad, hessian, jit, value_and_grad

RANDOM = np.random.default_rng(4)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 100, 1025])
def test_the_gradient_of_sorted_elements_is_in_their_places(n):
    x, weights = RANDOM.normal(size=n), RANDOM.normal(size=n)
    x[n // 2] = x[0]
    value, slope = value_and_grad(lambda x: np.sum(np.sort(x) * weights))(x)
    order = np.argsort(x, kind="stable")
    expected = np.empty(n)
    expected[order] = weights
    assert value == pytest.approx(np.sum(np.sort(x) * weights), rel=1e-12)
    np.testing.assert_array_equal(slope, expected)


def test_another_length_is_sorted_by_the_same_machine_code():
    f = jit(lambda x: np.sort(x, axis=0))
    for rows in (100, 300, 4097):
        x = RANDOM.normal(size=(rows, 2))
        np.testing.assert_array_equal(f(x), np.sort(x, axis=0))
    assert f.explain().compiles == 1


def test_nan_comes_last_and_makes_a_median_nan():
    x = np.array([3.0, np.nan, -np.inf, 2.0, np.nan, np.inf])
    np.testing.assert_array_equal(jit(lambda x: np.argsort(x))(x), np.argsort(x, kind="stable"))
    assert np.isnan(jit(np.median)(x)) and jit(np.nanmedian)(x) == 2.5


def test_second_derivatives_pass_a_sort():
    np.testing.assert_allclose(hessian(lambda x: np.sum(np.sort(x)[1:] ** 3))(np.array([2.0, 0.5, 1.0])), np.diag([12.0, 0.0, 6.0]))


def test_an_array_is_sorted_in_place():
    def smallest_two(x):
        y = x * 2.0
        first = y[:2]
        y.sort()
        return first[0] * first[1]
    np.testing.assert_allclose(grad(smallest_two)(np.array([3.0, 1.0, 2.0])), [0.0, 8.0, 4.0])


def test_the_median_of_what_a_mask_picks():
    def middle(x):
        return np.median(x[x > 0]) + 2 * np.percentile(x[x > 0], 25)
    x = np.array([1.0, -2.0, 5.0, 3.0, -1.0, 2.0])
    value, slope = value_and_grad(middle)(x)
    assert value == pytest.approx(middle(x))
    np.testing.assert_allclose(slope, [0.5, 0, 0, 0.5, 0, 2.0])
