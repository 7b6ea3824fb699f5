"""Results written into given tensors, as PyTorch writes them."""

import inspect

import pytest

from tracer import eager as torch


def test_out_is_written_and_returned():
    out = torch.empty(3)
    memory = out.data_ptr()
    assert torch.add(torch.ones(3), 2, out=out) is out
    assert out.tolist() == [3.0] * 3 and out.data_ptr() == memory and out._version == 1
    assert torch.exp(torch.zeros(2), out=torch.empty(2, dtype=torch.float64)).dtype is torch.float64


def test_two_outputs():
    values, indices = torch.empty(0), torch.empty(0, dtype=torch.int64)
    found = torch.max(torch.tensor([[1.0, 5.0], [7.0, 2.0]]), 0, out=(values, indices))
    assert (values.tolist(), indices.tolist()) == ([7.0, 5.0], [1, 0]) and found.values is values


def test_what_out_refuses():
    with pytest.raises(RuntimeError) as error:
        torch.add(torch.ones(3, requires_grad=True), 2, out=torch.empty(3))
    assert str(error.value) == "add(): functions with out=... arguments don't support automatic differentiation, but one of the arguments requires grad."
    with pytest.raises(RuntimeError, match=r"^result type Float can't be cast to the desired output type Long$"):
        torch.add(torch.ones(3), 2, out=torch.empty(3, dtype=torch.int64))
    with pytest.warns(UserWarning, match=r"resized since it had shape \[2\], which does not match the required output shape \[3\]"):
        assert torch.add(torch.ones(3), 2, out=torch.empty(2)).tolist() == [3.0] * 3


def test_no_function_ignores_out():
    """Every function of the namespaces whose signature names ``out`` writes to it."""
    for module, least in ((torch, 150), (torch.linalg, 20), (torch.special, 30)):
        named = [f for name, f in vars(module).items() if name[0] != "_" and callable(f) and not isinstance(f, type) and _names_out(f)]
        assert len(named) > least and [f.__name__ for f in named if not hasattr(f, "__wrapped__")] == []


def _names_out(function) -> bool:
    try:
        return "out" in inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
