"""The same programs under tracer.eager and PyTorch show the same, statement by statement."""

import importlib.util

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .collection import cases, recorded
from .programs import RECORDED_SEEDS, program, program_of_seed
from .transcript import differences, transcript

eager = pytest.importorskip("tracer.eager")

TOLERANCE = 2e-4  # of printed floats: four digits, of which the last may round either way

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason='pip install ".[parity]"')


def ours(text: str) -> list[str]:
    eager.manual_seed(0)
    return transcript(text, eager)


def theirs(text: str) -> list[str]:
    import torch
    torch.manual_seed(0)
    return transcript(text, torch)


@pytest.mark.parametrize("case", cases(), ids=str)
def test_as_recorded(case):
    assert differences(case.program, ours(case.program), recorded()[str(case)], TOLERANCE) == ""


@pytest.mark.parametrize("seed", RECORDED_SEEDS)
def test_generated_program_as_recorded(seed):
    text = program_of_seed(seed)
    assert differences(text, ours(text), recorded()[f"program {seed}"], TOLERANCE) == ""


@needs_torch
def test_the_recording_is_that_of_the_installed_torch():
    stale = [str(case) for case in cases() if differences(case.program, recorded()[str(case)], theirs(case.program), TOLERANCE)]
    assert stale == [], "python -m tests.eager.parity.record"


@needs_torch
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_program_as_torch(data):
    text = program(lambda options: data.draw(st.sampled_from(options)))
    assert differences(text, ours(text), theirs(text), TOLERANCE) == ""


def test_the_comparison_sees_a_difference():
    text = "x = 1\nx"
    assert differences(text, ["", "tensor([1.2345])"], ["", "tensor([1.2346])"], TOLERANCE) == ""
    for other in ("tensor([1.2355])", "tensor([1.2345], grad_fn=<MulBackward0>)", "tensor(1.2345)", ""):
        assert "expected" in differences(text, ["", "tensor([1.2345])"], ["", other], TOLERANCE)
