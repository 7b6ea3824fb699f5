"""Ties and kinks against PyTorch itself, where it is installed; as literal numbers they stand in test_ops_elementwise and test_ops_arrays."""

import numpy as np
import pytest

from tracer import grad

torch = pytest.importorskip("torch")

# Name: the function in NumPy, in torch, and where.
CASES = {
    "absolute": (np.abs, torch.abs, [(0.0,), (-0.0,)]),
    "relu": (lambda x: np.where(x > 0, x, 0.0), torch.relu, [(0.0,)]),
    "maximum": (np.maximum, torch.maximum, [(1.0, 1.0), (0.0, -0.0)]),
    "minimum": (np.minimum, torch.minimum, [(1.0, 1.0)]),
    "fmax": (np.fmax, torch.fmax, [(1.0, 1.0), (np.nan, 1.0), (1.0, np.nan)]),
    "fmin": (np.fmin, torch.fmin, [(1.0, 1.0), (np.nan, 1.0)]),
    "hypot": (np.hypot, torch.hypot, [(0.0, 0.0), (3.0, 4.0)]),
    "arctan2": (np.arctan2, torch.atan2, [(0.0, 0.0)]),
    "power": (np.power, torch.pow, [(0.0, 0.0), (0.0, 2.0), (2.0, 0.0)]),
    "sign": (lambda x: np.sign(x) + x, lambda x: torch.sign(x) + x, [(0.0,)]),
    "clip": (lambda x: np.clip(x, -1.0, 1.0), lambda x: torch.clamp(x, -1.0, 1.0), [(-1.0,), (1.0,), (2.0,), (0.5,)]),
    "sqrt": (np.sqrt, torch.sqrt, [(0.0,)]),
    "sinc": (np.sinc, torch.sinc, [(0.0,), (1.0,)]),
    "logaddexp": (np.logaddexp, torch.logaddexp, [(1.0, 1.0), (-800.0, 3.0)]),
}
VECTORS = {
    "norm": (np.linalg.norm, torch.linalg.norm, [0.0, 0.0, 0.0]),
    "root of the sum of squares": (lambda x: np.sqrt(np.sum(x * x)), lambda x: torch.sqrt(torch.sum(x * x)), [0.0, 0.0]),
    "max": (np.max, torch.amax, [1.0, 3.0, 3.0]),
    "min": (np.min, torch.amin, [1.0, 1.0, 3.0, 1.0]),
    "prod with one zero": (np.prod, torch.prod, [0.0, 6.0, 2.0]),
    "prod with two zeros": (np.prod, torch.prod, [0.0, 6.0, 0.0]),
    "std of a constant": (lambda x: np.std(x, ddof=1), torch.std, [2.0, 2.0, 2.0]),
    "norm of order 1": (lambda x: np.linalg.norm(x, 1), lambda x: torch.linalg.norm(x, 1), [0.0, -2.0, 3.0]),
    "norm of order inf": (lambda x: np.linalg.norm(x, np.inf), lambda x: torch.linalg.norm(x, float("inf")), [2.0, -2.0, 1.0]),
    "cumsum of a maximum": (lambda x: np.sum(np.cumsum(np.maximum(x, 0.0))), lambda x: torch.maximum(x, torch.zeros_like(x)).cumsum(0).sum(), [0.0, 1.0, -1.0]),
}


@pytest.mark.parametrize("name, at", [(name, at) for name, (_, _, points) in CASES.items() for at in points], ids=str)
def test_scalars(name, at):
    ours, theirs, _ = CASES[name]
    leaves = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in at]
    theirs(*leaves).backward()
    found = grad(ours, argnums=tuple(range(len(at))))(*at)
    np.testing.assert_allclose(found, [leaf.grad.item() for leaf in leaves], rtol=1e-14)


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name):
    ours, theirs, at = VECTORS[name]
    leaf = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    theirs(leaf).backward()
    np.testing.assert_allclose(grad(ours)(np.array(at)), leaf.grad.numpy(), rtol=1e-14)


def test_logaddexp_is_smooth_where_its_arguments_are_equal():
    for function, base in ((np.logaddexp, np.e), (np.logaddexp2, 2.0)):
        for at in (0.0, 1.5):
            second = grad(grad(lambda x, at=at, function=function: function(at, x)))
            assert second(at) == pytest.approx(0.25 * np.log(base), rel=1e-15)
            assert grad(second)(at) == 0.0
            assert grad(second)(at + 0.5) == pytest.approx((second(at + 0.5 + 1e-5) - second(at + 0.5 - 1e-5)) / 2e-5, rel=1e-8)
