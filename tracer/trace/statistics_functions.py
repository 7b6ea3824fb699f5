"""The functions of the module ``statistics`` on traced numbers. That module computes with fractions, which nothing traced becomes."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import numpy as np

from .numpy_api.common import find_trace
from .value import Traced, as_traced


def _vector(data) -> Traced:
    values = data if type(data) is Traced else list(data)
    return as_traced(values, find_trace([values]))


def _number(value: Traced) -> Traced:
    return Traced(value.node, value.owner, float)


def _mean(data, weights=None):
    if weights is None:
        return _number(np.mean(_vector(data)))
    x, w = _pair(data, weights)
    return _number(np.sum(x * w) / np.sum(w))


def _harmonic_mean(data, weights=None):
    x = _vector(data)
    return _number(x.size / np.sum(1 / x) if weights is None else np.sum(np.array(weights)) / np.sum(np.array(weights) / x))


def _variance(less: int, root: bool) -> Callable:
    def variance(data, centre=None):
        x = _vector(data)
        d = x - (np.mean(x) if centre is None else centre)
        found = np.sum(d * d) / (x.size - less)
        return _number(np.sqrt(found) if root else found)
    return variance


def _median(data):
    return _number(np.median(_vector(data)))


def _middle(high: int) -> Callable:
    def median(data):
        x = np.sort(_vector(data))
        return _number(x[(x.size - 1 + high) // 2])
    return median


def _covariance(x, y, /):
    a, b = _pair(x, y)
    return _number(np.sum((a - np.mean(a)) * (b - np.mean(b))) / (a.size - 1))


def _pair(x, y) -> list[Traced]:
    trace = find_trace([x if type(x) is Traced else list(x), y if type(y) is Traced else list(y)])
    return [as_traced(each if type(each) is Traced else list(each), trace) for each in (x, y)]


def _correlation(x, y, /, *, method="linear"):
    a, b = _pair(x, y)
    a, b = a - np.mean(a), b - np.mean(b)
    return _number(np.sum(a * b) / np.sqrt(np.sum(a * a) * np.sum(b * b)))


STATISTICS: dict[Callable, Callable] = {
    statistics.mean: _mean, statistics.fmean: _mean, statistics.geometric_mean: lambda data: _number(np.exp(np.mean(np.log(_vector(data))))),
    statistics.harmonic_mean: _harmonic_mean, statistics.variance: _variance(1, False), statistics.pvariance: _variance(0, False),
    statistics.stdev: _variance(1, True), statistics.pstdev: _variance(0, True), statistics.median: _median, statistics.median_low: _middle(0),
    statistics.median_high: _middle(1), statistics.covariance: _covariance, statistics.correlation: _correlation,
}
