"""What differs from PyTorch on purpose: the table in the README, row by row."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tracer import eager

README = Path(__file__).parents[2] / "README.md"
needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason='pip install ".[parity]"')


def rows() -> list[str]:
    table = README.read_text().partition("What differs on purpose:")[2].partition("\n## ")[0]
    return [line for line in table.splitlines() if line.startswith("| ") and not line.startswith("| here")]


def test_the_table_has_the_rows_that_are_tested_here():
    beginnings = ("the last digits of sums", "`torch.maximum(0., -0.)`", "a tangent of forward mode", "a gradient that is zero", "the `grad_fn` of a gradient",
                  "most calls that fit none", "`torch.empty` holds zeros", "a warning is given each time", "complex tensors", "all tensors are on the CPU")
    assert len(rows()) == len(beginnings) and all(row.startswith(f"| {beginning}") for row, beginning in zip(rows(), beginnings))


def tangent_of_cube(library):
    x = library.tensor(2.0, requires_grad=True)
    with library.autograd.forward_ad.dual_level():
        dual = library.autograd.forward_ad.make_dual(x, library.tensor(1.0))
        tangent = library.autograd.forward_ad.unpack_dual(dual**3 + dual.sin()).tangent
    return tangent.item(), library.autograd.grad(tangent, x)[0].item(), tangent.grad_fn.name()


@needs_torch
def test_tangents_have_other_nodes_and_the_same_derivatives():
    import torch
    ours, theirs = tangent_of_cube(eager), tangent_of_cube(torch)
    assert ours[:2] == pytest.approx(theirs[:2], rel=1e-6)


@needs_torch
def test_sums_differ_in_the_last_digits_alone():
    import torch
    eager.manual_seed(0), torch.manual_seed(0)
    ours, theirs = (library.randn(10_000).exp().sum().item() for library in (eager, torch))
    assert ours == pytest.approx(theirs, rel=1e-6)


def test_a_maximum_of_zeros_is_a_zero():
    assert eager.maximum(eager.tensor(0.0), eager.tensor(-0.0)).item() == 0.0


def test_a_vanishing_gradient_can_be_read():
    x = eager.tensor([1.0, -2.0], requires_grad=True)
    slope, = eager.autograd.grad(x.abs().sum(), x, create_graph=True)
    second, = eager.autograd.grad((slope * slope.detach()).sum(), x)
    assert second.numpy().tolist() == [0.0, 0.0]


def curvature(library):
    x = library.tensor([0.5, 1.0], requires_grad=True)
    slope, = library.autograd.grad(library.nn.functional.softplus(x).sum(), x, create_graph=True)
    return slope.grad_fn.name(), library.autograd.grad(slope.sum(), x)[0].tolist()


@needs_torch
def test_recorded_gradients_have_other_nodes_and_the_same_derivatives():
    import torch
    (ours, value), (theirs, expected) = curvature(eager), curvature(torch)
    assert (ours, theirs) == ("WhereBackward0", "SoftplusBackwardBackward0")
    assert value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("call", "text"), [
    (lambda library: library.tensor([1.0]).add_(1, alpha="a"), None),
    (lambda library: library.linspace(0, 1), 'linspace() missing 1 required positional arguments: "steps"'),
    (lambda library: library.eye(2, 3.0), "eye(): argument 'm' (position 2) must be int, not float"),
    (lambda library: library.tensor([1.0]).max("a"), "max(): argument 'dim' (position 1) must be int, not str"),
    (lambda library: library.where(np.array([True]), library.ones(1), 2.0), "where(): argument 'condition' (position 1) must be Tensor, not numpy.ndarray"),
])
def test_calls_that_fit_no_signature_are_told_of_in_one_line(call, text):
    with pytest.raises(TypeError) as caught:
        call(eager)
    assert "\n" not in str(caught.value) and (text is None or str(caught.value) == text)


@needs_torch
def test_pytorch_lists_signatures():
    import torch
    with pytest.raises(TypeError, match="received an invalid combination of arguments"):
        torch.linspace(0, 1)


def test_empty_memory_is_zeros():
    assert eager.empty(3).tolist() == eager.empty_like(eager.ones(3)).tolist() == [0.0] * 3


def test_a_warning_is_given_each_time():
    x = eager.tensor(1.0, requires_grad=True)
    for _ in range(2):
        with pytest.warns(UserWarning, match="to a scalar may lead to unexpected behavior"):
            assert float(x) == 1.0


def test_complex_tensors_are_refused():
    with pytest.raises(TypeError, match="complex"):
        eager.tensor(1j)


def test_other_devices_are_refused():
    with pytest.raises(NotImplementedError) as caught:
        eager.zeros(2, device="meta")
    assert str(caught.value) == 'zeros(): all tensors are on the CPU; write device="cpu", not "meta"'
    with pytest.raises(AssertionError, match=r"^Torch not compiled with CUDA enabled$"):
        eager.ones(2).to("cuda")
