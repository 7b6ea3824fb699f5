"""The tape that a NumPy function is run on: nodes of eager mode, which its engine runs backwards."""

import numpy as np
import pytest

import tracer
import tracer.eager as torch
from tests.tracer.numpy_cases import CASES
from tracer import grad, value_and_grad
from tracer.derive import reverse
from tracer.eager.engine import Pass
from tracer.eager.node import Node
from tracer.eager_run import eager_calls, run_eagerly
from tracer.eager_steps import Step, kind_of
from tracer.ops import TABLE
from tracer.trace.arguments import callee_of

X = np.array([0.5, 1.0, 2.0, -3.0, 0.25])


def eager(function, *args, argnums=0):
    return run_eagerly(callee_of(function), argnums, args)


def wave(x):
    return np.sum(np.exp(-x * x) * np.sin(x[1:] @ x[:-1])) + np.max(np.abs(x))


def test_the_nodes_are_those_of_the_eager_tape_and_its_engine_runs_them(monkeypatch):
    ran = []
    run_nodes = Pass._run_nodes
    monkeypatch.setattr(Pass, "_run_nodes", lambda self, heap, nodes, *rest: ran.append(dict(nodes)) or run_nodes(self, heap, nodes, *rest))
    run = eager(wave, X)
    assert all(isinstance(step, Node) for step in run.tape)
    assert ran == [{run.tape[-1].seq: run.tape[-1]}]
    assert [step.name() for step in run.tape[:3]] == ["NegBackward0", "MulBackward0", "ExpBackward0"]


def test_no_other_sweep_is_made(monkeypatch):
    def refuse(*_):
        raise AssertionError("a second reverse mode")
    expected = grad(wave)(X)
    monkeypatch.setattr(reverse, "pullback", refuse)
    assert eager(wave, X).gradients[0] == pytest.approx(expected, rel=1e-14)


def test_edges_lead_to_leaves_and_what_has_no_gradient_is_not_recorded():
    run = eager(lambda x, y: np.sum(np.where(x > 0.0, np.floor(x) * tracer.stop_gradient(x), x) * y.astype(float)), X, np.arange(5))
    recorded = {step.op.name for step in run.tape if step.edges}
    assert recorded == {"where", "multiply", "sum"}
    assert all(type(step) is kind_of(step.op) for step in run.tape)
    assert run.gradients[0].tolist() == [0.0, 0.0, 0.0, 3.0, 0.0]


def test_every_record_has_a_kind():
    assert all(issubclass(kind_of(op), Step) for op in TABLE.values())


def total_of(function):
    """A function of one number of all results of another."""
    def total(*arrays):
        results = function(*arrays)
        return sum(np.sum(each * 1.5) for each in (results if isinstance(results, (tuple, list)) else (results,))) + 0.0 * np.sum(arrays[0])
    return total


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_are_those_of_compiled_code(dtype):
    """Of each NumPy function that has one case; at ties and kinks too."""
    for name, case in list(CASES.items())[::4]:
        arguments = case.arguments(dtype)

        total = total_of(case.function)
        run = eager(total, *arguments)
        with np.errstate(all="ignore"):
            _, expected = value_and_grad(total, cache=False)(*arguments)
        assert run.gradients[0].dtype == np.dtype(dtype), name
        tolerance = 1e-10 if dtype == "float64" else 1e-3
        assert run.gradients[0] == pytest.approx(np.asarray(expected), rel=tolerance, abs=tolerance, nan_ok=True), name


def test_an_arm_that_was_not_taken_makes_no_nan():
    def safe(x):
        return np.sum(np.where(x > 0.0, np.sqrt(x) * np.log(x) / x, 0.0))
    at = np.array([0.0, 1.0, -2.0, 4.0])
    found = eager(safe, at).gradients[0]
    assert np.isfinite(found).all() and found == pytest.approx(grad(safe)(at), rel=1e-14)
    # Behind a select, through reads, sums and products of matrices.
    def deep(x):
        inner = np.log(x) / x
        return np.where(x[0] > 0.0, 1.0, np.sum(inner[1:]) + (inner[:2] @ inner[2:]))
    assert eager(deep, np.array([1.0, 0.0, -1.0, 2.0])).gradients[0].tolist() == [0.0] * 4


def test_reads_of_one_array_meet_in_one_node():
    def tail(x):
        return sum(x[k] * x[-1] for k in range(len(x))) + np.sum(x[1:3] * x[::2][:2])
    run = eager(tail, X)
    reads = {id(step.edges[0]) for step in run.tape if step.op.name == "index"}
    assert len(reads) == 2  # one for the argument, one for the slice of it
    assert run.gradients[0] == pytest.approx(grad(tail)(X), rel=1e-14)


def test_a_gradient_inside_is_differentiated_again():
    def norm_of_slope(x):
        return np.sum(grad(lambda y: np.sum(np.sin(y) ** 3))(x) ** 2)
    assert eager(norm_of_slope, X).gradients[0] == pytest.approx(grad(norm_of_slope)(X), rel=1e-12)


def test_what_the_result_does_not_depend_on_has_zeros_and_what_has_no_derivative_is_refused():
    run = eager(lambda x, y: np.sum(y), X, X, argnums=(0, 1))
    assert [each.tolist() for each in run.gradients] == [[0.0] * 5, [1.0] * 5]
    assert eager(lambda x: x, 2.0).gradients[0] == 1.0
    assert eager(lambda x: 3.0, 2.0).gradients[0] == 0.0


def test_calls_one_after_another_have_tapes_of_their_own():
    seen = []

    def branching(x):
        seen.append(1)
        return x * x if x > 1.0 else 3.0 * x
    with eager_calls(callee_of(branching), 0) as call:
        runs = [call(at) for at in (2.0, 0.5, 4.0)]
    assert [float(run.gradients[0]) for run in runs] == [4.0, 3.0, 8.0]
    assert [len(run.tape) for run in runs] == [2, 2, 2] and [run.branches[0][1] for run in runs] == [True, False, True]
    assert len(seen) == 3


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, lambda: torch.autograd.set_detect_anomaly(True)])
def test_modes_of_eager_programs_do_not_reach_it(mode):
    with mode():
        assert eager(wave, X).gradients[0] == pytest.approx(grad(wave)(X), rel=1e-14)
        assert np.isnan(eager(lambda x: np.sum(np.log(x) * x), np.array([-1.0, 1.0])).gradients[0]).tolist() == [True, False]
