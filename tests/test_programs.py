"""The programs of examples/programs, which know nothing of tracer: their gradients against the same programs run with 50 digits."""

import importlib.util
import math
import types
from pathlib import Path

import mpmath
import numpy as np
import pytest

from tests.many_digits import DIGITS, gradient, in_many_digits
from tracer import value_and_grad

FOLDER = Path(__file__).parents[1] / "examples" / "programs"
DRAW = np.random.default_rng(3)


def program(name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PLANETS = np.array([[0.0, 0.0, 0.0], [1.0, 0.1, 0.0], [0.2, 5.2, 0.3]])
SPEEDS = np.array([[0.0, -0.003, 0.0], [-0.5, 6.2, 0.1], [-2.7, 0.2, 0.05]])
JOINTS = np.array([0.4, -1.1, 0.9, -0.6, 1.2, 0.3])
POSE = np.array([[0.0, -1.0, 0.0, -0.3], [1.0, 0.0, 0.0, 0.2], [0.0, 0.0, 1.0, 0.4], [0.0, 0.0, 0.0, 1.0]])
CONTROLS = np.array([[1.1, 0.05], [1.3, 0.0], [1.2, -0.1], [1.0, 0.2]])
MEASUREMENTS = np.array([[8.9, 0.75, 9.3, 0.0, 18.6, 0.45], [8.5, 0.7, 8.9, 0.0, 18.1, 0.45],
                         [7.9, 0.85, 8.4, 0.1, 17.5, 0.5], [7.3, 0.85, 8.2, 0.15, 17.1, 0.5]])
TIMES = np.linspace(0.1, 8.0, 12)
COUNTS = [0, 0, 1, 3, 6, 12, 9, 14, 6, 4, 1, 0]

# program, function, arguments, and which of them the gradient is of.
CASES = {
    "n-body": ("nbody", "miss_distance", (SPEEDS, PLANETS, [1.0, 3e-6, 1e-3], [0.3, 5.0, 0.2], 0.01, 6), 0),
    "n-body, masses": ("nbody", "energy", (PLANETS, SPEEDS, np.array([1.0, 0.3, 0.2])), 2),
    "robot arm": ("robot_arm", "pose_error", (JOINTS, POSE), 0),
    "Kalman filter": ("kalman", "negative_log_likelihood", (np.array([0.5, 0.2, 0.3, 0.1]), CONTROLS, MEASUREMENTS), 0),
    "Kalman filter, controls": ("kalman", "negative_log_likelihood", ((0.5, 0.2, 0.3, 0.1), CONTROLS, MEASUREMENTS), 1),
    "call": ("black_scholes", "black_scholes", (100.0, 105.0, 0.5, 0.03, 0.25), 0),
    "put, volatility": ("black_scholes", "black_scholes", (100.0, 105.0, 0.5, 0.03, 0.25, "put"), 4),
    "at expiry": ("black_scholes", "black_scholes", (110.0, 105.0, 0.0, 0.03, 0.25), 0),
    "piecewise likelihood": ("count_likelihood", "log_likelihood", (np.array([0.9, 3.3, 9.5, 0.8]), TIMES, COUNTS), 0),
    "tridiagonal": ("tridiagonal", "misfit", (1.0 + DRAW.random(13), np.ones(12), DRAW.random(12)), 0),
    "Runge-Kutta": ("runge_kutta", "squared_error", (np.array([1.1, 0.4, 0.1, 0.4]), 5.0 + 4.0 * DRAW.random((15, 2))), 0),
    "time warping": ("time_warping", "dtw_distance", (DRAW.random(9), DRAW.random(7)), 0),
    "time warping in a window": ("time_warping", "dtw_distance", (DRAW.random(8), DRAW.random(8), 2), 1),
    "bisection": ("bisection", "distance_from_sun", (0.7, 0.3), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_gradient_of_the_program_as_written(case):
    name, function, arguments, argnum = CASES[case]
    module = program(name)
    plain = getattr(module, function)
    value, slope = value_and_grad(plain, argnum)(*arguments)
    with mpmath.workdps(DIGITS):
        expected = gradient(getattr(in_many_digits(module), function), arguments, argnum)
    assert math.isclose(value, plain(*arguments), rel_tol=1e-11)
    np.testing.assert_allclose(slope, expected, rtol=1e-10, atol=1e-12 * np.abs(expected).max())
    assert np.any(expected != 0.0)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_the_programs_know_nothing_of_tracer(path):
    assert "import tracer" not in path.read_text() and "from tracer" not in path.read_text()
