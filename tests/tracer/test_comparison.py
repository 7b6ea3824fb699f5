"""Eager against compiled: the figures of `compare`, and the differences in kind that it names."""

import json
import math
import sys

import numpy as np
import pytest

import tracer
from tests.tracer.numpy_cases import CASES
from tracer import compare, grad
from tracer.comparison_text import distance_in_ulps, duration
from tracer.eager_run import run_eagerly
from tracer.ops import TABLE
from tracer.trace.arguments import callee_of


def wave(x, a):
    return np.std(x) + np.sum(np.exp(-a * x) * np.sin(x))


X = np.array([0.5, 1.0, 2.0, -3.0, 0.25])


def test_values_and_gradients_agree_with_finite_differences_and_each_other():
    found = compare(wave, X, 0.7)
    assert found.value[0] == pytest.approx(wave(X, 0.7), rel=1e-15) and list(found.gradients) == ["x", "a"]
    step = 1e-6
    for k in range(len(X)):
        h = step * (np.arange(len(X)) == k)
        assert found.gradients["x"][0][k] == pytest.approx((wave(X + h, 0.7) - wave(X - h, 0.7)) / (2 * step), rel=1e-7)
    assert [row.name for row in found.rows] == ["value", *(f"d/dx[{k}]" for k in range(5)), "d/da"]
    assert all(row.ulps <= 16 for row in found.rows) and found.worst.ulps == max(row.ulps for row in found.rows)
    assert found.kinds == [] and found.refusal is None


def test_figures():
    found = compare(wave, X, 0.7, argnums="a")
    assert list(found.gradients) == ["a"]
    assert list(found.seconds) == ["eager", "compiled"] and found.seconds["compiled"] < found.seconds["eager"]
    assert {"trace", "derive", "simplify", "compile"} <= set(found.compile_seconds)
    assert found.nodes["tape"] > 8
    assert found.nodes["derived"] > found.nodes["traced"] > 8 and found.nodes["simplified"] <= found.nodes["derived"]
    saved = found.seconds["eager"] - found.seconds["compiled"]
    assert found.pays_after == math.ceil(sum(found.compile_seconds.values()) / saved)
    assert json.loads(json.dumps(found.to_dict()))["nodes"] == found.nodes


def test_text_and_html():
    found = compare(wave, np.linspace(0.0, 1.0, 30), 0.7)
    text = str(found)
    assert text.startswith("wave: eager and compiled\n") and repr(found) == text
    for part in ("ulp", "d/dx[3]", "… 26 more, at most:", "d/da", "time of one call", "× compiled", "simplify", "has paid after", "with derivatives"):
        assert part in text
    assert "d/dx[29]" not in text.partition("… 26 more")[0] and all(line == line.rstrip() for line in text.splitlines())
    page = found._repr_html_()
    assert page.count("<table") == page.count("</table>") == 4 and "d/dx[3]" in page and "<td" in page


def test_a_branch_is_a_difference_in_kind():
    def huber(x):
        if abs(x) < 1.0:
            return 0.5 * x * x
        return abs(x) - 0.5

    line = huber.__code__.co_firstlineno + 1
    found = compare(huber, 3.0)
    assert found.kinds[0] == f"test_comparison.py:{line}: Python branches on a value. Eager asks, gets False, and runs one arm; a trace has to follow both."
    assert float(found.value[0]) == 2.5 and float(found.gradients["x"][0]) == 1.0
    assert float(compare(huber, 0.5).gradients["x"][0]) == 0.5


def test_an_update_in_place_is_a_difference_in_kind():
    def recurrence(x):
        y = np.zeros(4)
        for k in range(1, 4):
            y[k] = y[k - 1] + x[k]
        y += x
        y[1:] *= 2.0
        return np.sum(y * y)

    start = recurrence.__code__.co_firstlineno
    found = compare(recurrence, np.array([1.0, 2.0, 3.0, 4.0]))
    text = "an array is updated in place. Eagerly its memory is overwritten; a graph has a new value instead, which later reads take."
    assert found.kinds == [f"test_comparison.py:{start + line}: {text}" for line in (3, 4, 5)]
    assert found.gradients["x"][0].tolist() == found.gradients["x"][1].tolist()
    assert compare(lambda x: np.sum(np.zeros(4) + x), np.ones(4)).kinds == []


def test_ties_are_differences_in_kind():
    def tied(x):
        return np.max(x) + np.sum(np.abs(x)) + np.sum(np.maximum(x, 1.0))

    line = tied.__code__.co_firstlineno + 1
    found = compare(tied, np.array([3.0, 1.0, 3.0, 0.0]))
    assert found.kinds == [
        f"test_comparison.py:{line}: max at a tie or kink (one element). There is no derivative; both take the convention: "
        "ties share the gradient evenly, as torch.amax and torch.amin.",
        f"test_comparison.py:{line}: absolute at a tie or kink (one element). There is no derivative; both take the convention: 0 at 0 (PyTorch).",
        f"test_comparison.py:{line}: maximum at a tie or kink (one element). There is no derivative; both take the convention: {KINK}.",
    ]
    assert found.gradients["x"][0].tolist() == found.gradients["x"][1].tolist() == [2.5, 1.5, 2.5, 0.0]
    assert compare(tied, np.array([3.0, 1.5, 2.0, 0.5])).kinds == []


def test_comparisons_of_equal_numbers_are_differences_in_kind():
    def rectified(x):
        return np.sum(np.where(x > 0.0, x, 0.0))

    line = rectified.__code__.co_firstlineno + 1
    found = compare(rectified, np.array([0.0, 1.0, 0.0]))
    assert found.kinds == [f"test_comparison.py:{line}: `>` of equal numbers (2 elements). Where a slope hangs on it there is no derivative; both take the "
                           "chosen arm's."]
    assert found.gradients["x"][0].tolist() == found.gradients["x"][1].tolist() == [0.0, 1.0, 0.0]
    assert compare(rectified, np.array([-1.0, 1.0])).kinds == []


def test_equal_elements_that_are_sorted_are_a_difference_in_kind():
    found = compare(lambda x: np.sort(x) @ np.arange(3.0), np.array([2.0, 1.0, 2.0]))
    assert len(found.kinds) == 1 and "argsort at a tie or kink (one element)" in found.kinds[0] and TABLE["argsort"].kink in found.kinds[0]
    assert found.gradients["x"][0].tolist() == found.gradients["x"][1].tolist() == [1.0, 0.0, 2.0]
    assert compare(lambda x: np.sort(x) @ np.arange(3.0), np.array([2.0, 1.0, 3.0])).kinds == []


KINK = TABLE["maximum"].kink


def test_trees_integers_and_compiled_objects():
    def model(params, n, x):
        return sum(np.sum(params["w"] * x) ** k for k in range(n)) + params["b"]

    found = compare(model, {"w": np.array([1.0, 2.0]), "b": 0.5}, 3, X[:2])
    assert list(found.gradients) == ["params['w']", "params['b']", "x"] and all(row.ulps <= 2 for row in found.rows)
    assert compare(grad(wave), X, 0.7).gradients.keys() == compare(wave, X, 0.7).gradients.keys()


def test_refusals():
    with pytest.raises(tracer.ArgumentError, match="was given no float"):
        compare(lambda n: n, 3)
    with pytest.raises(tracer.ArgumentError, match="was given a tensor"):
        compare(lambda x: x.sum(), tracer.eager.tensor([1.0]))
    with pytest.raises(tracer.OutputError, match="a gradient is of one number"):
        compare(lambda x: x, X)


def test_torch_is_measured_when_it_is_asked_for_and_never_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(tracer.ArgumentError, match="Write `import torch` first"):
        compare(wave, X, 0.7, torch=lambda x, a: x)
    assert "torch" not in sys.modules
    monkeypatch.undo()
    torch = pytest.importorskip("torch")
    found = compare(wave, X, 0.7, argnums="x", torch=lambda x, a: x.std(correction=0) + (torch.exp(-a * x) * torch.sin(x)).sum())
    assert list(found.seconds) == ["eager", "compiled", "torch"] and "torch" in str(found) and found.kinds == []


def test_another_function_written_for_torch_is_told_of():
    torch = pytest.importorskip("torch")
    found = compare(wave, X, 0.7, torch=lambda x, a: torch.sin(x).sum())
    assert len(found.kinds) == 1 and found.kinds[0].startswith("torch: the function that was given gives ") and "they are not the same" in found.kinds[0]
    found = compare(lambda p, n: np.sum(p["w"][0] * p["b"]) ** n, {"w": [X, 1], "b": 2.0}, 2, torch=lambda p, n: (p["w"][0] * p["b"]).sum() ** n)
    assert found.kinds == [] and found.seconds["torch"] > 0
    dtypes = []
    found = compare(lambda x: np.sum(x * x), X.astype(np.float32), torch=lambda x: dtypes.append(x.dtype) or (x * x).sum())
    assert set(dtypes) == {torch.float32} and found.kinds == []
    with pytest.raises(tracer.ArgumentError, match="takes the same function written for PyTorch, not bool"):
        compare(wave, X, 0.7, torch=True)


@pytest.mark.parametrize("function", [
    lambda x: tracer.while_loop(lambda s: s < 100.0, lambda s: s * s + 1.0, x[0]) * x[1],
    lambda x: tracer.scan(lambda carry, each: (carry * each, carry + each), 1.0, x)[0] + np.sum(tracer.scan(lambda c, e: (c * e, c), 1.0, x, reverse=True)[1]),
    lambda x: tracer.fori_loop(0, 3, lambda i, s: s * x[i] + i, x[1]),
    lambda x: tracer.cond(x[0] > 1.0, lambda s: np.sum(s * s), lambda s: np.sum(s), x),
])
def test_loops_and_branches_of_ours_run_eagerly_as_they_stand(function):
    found = compare(function, np.array([1.5, 2.0, 3.0]))
    assert found.refusal is None and found.kinds == [] and found.worst.ulps <= 4



def test_an_arm_that_is_not_taken_is_not_run():
    found = compare(lambda x: tracer.cond(x > 1.0, lambda s: s * s, lambda s: np.log(s), x), 2.0)
    assert found.nodes["tape"] == 2 and found.value[0] == 4.0


@pytest.mark.parametrize(("a", "b", "distance"), [(1.0, 1.0, 0), (1.0, np.nextafter(1.0, 2.0), 1), (-0.0, 0.0, 0), (5e-324, -5e-324, 2), (np.nan, np.nan, 0),
                                                  (np.nan, 1.0, np.inf), (np.inf, np.inf, 0), (np.inf, 1.0, np.inf), (1.0, 2.0, 2**52)])
def test_distance_in_ulps(a, b, distance):
    assert distance_in_ulps(float(a), float(b)) == distance == distance_in_ulps(float(b), float(a))


def test_float32_is_compared_in_its_own_units():
    assert distance_in_ulps(1.0, float(np.nextafter(np.float32(1), np.float32(2))), "float32") == 1
    assert distance_in_ulps(float(np.float32(-1e-45)), float(np.float32(1e-45)), "float32") == 2
    found = compare(lambda x: np.sum(np.exp(x) * np.sin(x)), X.astype(np.float32))
    assert {row.dtype for row in found.rows} == {"float32"} and found.worst.ulps <= 16


def test_durations_have_units():
    assert [duration(s) for s in (2.0, 0.0123, 4.56e-5, 7.8e-8)] == ["2 s", "12.3 ms", "45.6 µs", "78 ns"]


def test_every_numpy_function_runs_eagerly_as_in_numpy():
    """The value is NumPy's own; gradients are checked where the tracer's are."""
    for name, case in CASES.items():
        arguments = case.arguments("float64")

        def total(*arrays, function=case.function):
            results = function(*arrays)
            return sum(np.sum(each * 1.5) for each in (results if isinstance(results, (tuple, list)) else (results,)))

        with np.errstate(all="ignore"):
            expected = float(total(*arguments))
        run = run_eagerly(callee_of(lambda *arrays, total=total: total(*arrays) + 0.0 * np.sum(arrays[0])), 0, arguments)
        assert float(run.value) == pytest.approx(expected, rel=1e-12, nan_ok=True), name
