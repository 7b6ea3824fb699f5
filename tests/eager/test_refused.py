"""Names of PyTorch that are not here are refused with what to write instead."""

import pytest

from tracer import eager as torch
from tracer.eager.refused import INSTEAD


@pytest.mark.parametrize("name", sorted(INSTEAD))
def test_a_name_is_refused_with_what_to_write_instead(name):
    with pytest.raises(AttributeError, match=f"has no {name}: "):
        getattr(torch, name)


def test_other_names_are_plainly_missing():
    assert not hasattr(torch, "nonsense")
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        torch.nonsense  # noqa: B018
    with pytest.raises(AttributeError, match="has no profiler: call tracer"):
        torch.autograd.profiler  # noqa: B018


@pytest.mark.parametrize("name", ["Module", "Linear", "Conv2d", "MSELoss", "init", "utils"])
def test_modules_are_refused_with_what_to_write_instead(name):
    with pytest.raises(AttributeError, match=rf"tracer\.eager\.nn has no {name}: "):
        getattr(torch.nn, name)
    assert not hasattr(torch.nn, "nonsense")


def test_the_version_is_that_of_the_pytorch_that_is_followed():
    assert torch.__version__ == "2.13.0"
