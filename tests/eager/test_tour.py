"""The tour of examples/ prints what PyTorch prints, as recorded and live."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import tracer

TOUR = Path(__file__).parents[2] / "examples" / "autograd_tour.py"
RECORDED = Path(__file__).with_name("tour.txt")  # written by `python examples/autograd_tour.py --torch`


def printed(*options: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(Path(tracer.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    found = subprocess.run([sys.executable, str(TOUR), *options], env=environment, capture_output=True, text=True, encoding="utf-8", timeout=600)
    assert found.returncode == 0, found.stderr
    assert found.stderr == ""
    return found.stdout


def test_the_tour_is_as_recorded():
    assert printed() == RECORDED.read_text()


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason='pip install ".[parity]"')
def test_the_recording_is_what_torch_prints():
    assert printed("--torch") == RECORDED.read_text()


def test_the_tour_does_not_import_torch():
    code = f"import sys; sys.path.insert(0, {str(TOUR.parent)!r}); import autograd_tour; autograd_tour.main([]); print('torch' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(tracer.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.endswith("False\n")
