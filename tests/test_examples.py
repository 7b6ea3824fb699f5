"""The examples run as a user runs them, and say what they promise."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tracer

EXAMPLES = Path(__file__).parents[1] / "examples"


def run(name: str, *options: str) -> subprocess.CompletedProcess:
    where = str(Path(tracer.__file__).parents[1])  # the package under test, installed or not
    environment = os.environ | {"PYTHONPATH": where, "PYTHONIOENCODING": "utf-8"}
    return subprocess.run([sys.executable, *options, str(EXAMPLES / name)], env=environment, capture_output=True, text=True, encoding="utf-8", timeout=600)


def printed(name: str) -> str:
    found = run(name)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stderr == ""
    return found.stdout


def number_after(text: str, output: str) -> float:
    return float(re.search(re.escape(text) + r"\s*(-?[\d.]+(e[+-]?\d+)?)", output)[1])


def test_every_example_is_tested():
    tested = {"autograd_tour.py",  # tests/eager/test_tour.py
              "eager_vs_compiled.py", "gaussian_mixture.py", "hmc.py", "inside_numba.py", "logistic_regression.py",
              "option_greeks.py", "quickstart.py", "sympy_shrinks.py"}
    assert {path.name for path in EXAMPLES.glob("*.py")} == tested


def test_quickstart():
    output = printed("quickstart.py")
    for text in ("swing(t: float64[], rate: float64[])", "return value=%5, gradient[0]=", "sin(2*t)", "math.exp(", "loss(w: float64[30]",
                 "def loss(w, X, y):", "1 kernel compiled", "plain NumPy, the value", "compiled, value and gradient"):
        assert text in output
    errors = [float(each) for each in re.findall(r"largest difference of \d+ entries, relative: (\S+)", output)]
    assert len(errors) == 2 and max(errors) < 1e-6


def test_logistic_regression():
    output = printed("logistic_regression.py")
    assert number_after("largest difference of a coefficient:", output) <= 1e-6
    assert number_after("accuracy on the table itself:", output) == 0.9877
    assert "569 rows, 30 features" in output and "1 kernel compiled" in output


def test_gaussian_mixture():
    output = printed("gaussian_mixture.py")
    ours, theirs = number_after("log-likelihood by gradient", output), number_after("log-likelihood by EM", output)
    assert ours == pytest.approx(-180.185, abs=1e-3) and ours == pytest.approx(theirs, abs=1e-3)
    assert "145 of 150 flowers are in the cluster of their species." in output


def test_inside_numba():
    output = printed("inside_numba.py")
    assert "the first chain, drawn by Python, bit for bit:  the same" in output
    assert output.count("w[") == 4


def test_hmc():
    output = printed("hmc.py")
    assert number_after("largest R-hat:", output) < 1.01 and number_after("smallest effective sample size:", output) > 1000
    assert number_after("gradients per second:", output) > 0 and "gradients per second of JAX:" in output


def test_option_greeks():
    output = printed("option_greeks.py")
    assert [float(each) < 1e-10 for each in re.findall(r"relative to the largest: (\S+)", output)] == [True] * 6


def test_sympy_shrinks():
    output = printed("sympy_shrinks.py")
    assert "The slope in SymPy's words: sqrt(x**2 + 1)" in output and "(SymPy)" in output


def test_eager_vs_compiled():
    output = printed("eager_vs_compiled.py")
    for name in ("rosenbrock", "logistic", "largest_step", "huber"):
        assert f"{name}: eager and compiled" in output
    assert output.count("has paid after") >= 3 and "recorded by the eager tape, in one call" in output
    assert "ties share the gradient evenly" in output and "Python branches on a value. Eager asks, gets False, and runs one arm" in output


@pytest.mark.parametrize("name", ["logistic_regression.py", "gaussian_mixture.py", "hmc.py"])
def test_without_scikit_learn_the_extra_is_named(name, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['sklearn'] = None")
    where = os.pathsep.join([str(tmp_path), str(Path(tracer.__file__).parents[1])])
    found = subprocess.run([sys.executable, str(EXAMPLES / name)], env=os.environ | {"PYTHONPATH": where}, capture_output=True, text=True)
    assert found.returncode == 1 and 'pip install ".[test]"' in found.stderr and "Traceback" not in found.stderr
