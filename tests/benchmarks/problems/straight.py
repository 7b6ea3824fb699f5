"""Random programs as problems: each peer runs the text that a user would write, on scalars."""

from __future__ import annotations

import math

import numpy as np

from . import Problem, with_numpy
from .programs import INPUTS, OPERATIONS, Program

LONGEST_STRAIGHT = 2_000  # lines; beyond, Numba's front end takes a minute, and a person writes an interpreter instead


def straight(program: Program) -> Problem:
    """The problem that a program poses."""
    function, gradient = program.function(), program.gradient()
    problem = Problem(function, lambda x: gradient(x.tolist()))

    @problem.formulation("njit")
    def _(numba, x):
        if len(program.lines) <= LONGEST_STRAIGHT:
            return numba.njit(with_numpy(gradient, np))
        sweep, tape = numba.njit(interpret), program.tape()
        return lambda x: sweep(x, *tape)

    @problem.formulation("casadi")
    def _(casadi, x):
        return casadi.SX, with_numpy(function, casadi)

    @problem.formulation("heyoka")
    def _(heyoka, x):
        return len(program.lines) > LONGEST_STRAIGHT, with_numpy(function, heyoka)

    @problem.formulation("torch")
    def _(torch, x):
        loss = with_numpy(function, torch)
        return lambda x: loss(x.unbind())
    return problem


def point(program: Program) -> tuple:
    """Arguments: where the program was drawn."""
    return (np.array(program.point),)


ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATIVE, SQUARE, SIN, COS, EXP, LOG, SQRT, TANH = range(len(OPERATIONS))
assert list(OPERATIONS) == ["add", "subtract", "multiply", "divide", "negative", "square", "sin", "cos", "exp", "log", "sqrt", "tanh"]


def interpret(x, codes, operands):
    """Value and gradient of a tape, for ``@njit``: two loops over a table of operations."""
    count = codes.size
    values, cotangents = np.empty(INPUTS + count), np.zeros(INPUTS + count)
    values[:INPUTS] = x
    for line in range(count):
        code, a, b = codes[line], values[operands[line, 0]], values[operands[line, 1]]
        if code == ADD:
            v = a + b
        elif code == SUBTRACT:
            v = a - b
        elif code == MULTIPLY or code == SQUARE:
            v = a * b
        elif code == DIVIDE:
            v = a / b
        elif code == NEGATIVE:
            v = -a
        elif code == SIN:
            v = math.sin(a)
        elif code == COS:
            v = math.cos(a)
        elif code == EXP:
            v = math.exp(a)
        elif code == LOG:
            v = math.log(a)
        elif code == SQRT:
            v = math.sqrt(a)
        else:
            v = math.tanh(a)
        values[INPUTS + line] = v
    cotangents[INPUTS + count - 1] = 1.0
    for line in range(count - 1, -1, -1):
        code, left, right = codes[line], operands[line, 0], operands[line, 1]
        a, b, v, d = values[left], values[right], values[INPUTS + line], cotangents[INPUTS + line]
        if code == ADD:
            cotangents[left] += d
            cotangents[right] += d
        elif code == SUBTRACT:
            cotangents[left] += d
            cotangents[right] -= d
        elif code == MULTIPLY or code == SQUARE:
            cotangents[left] += d * b
            cotangents[right] += d * a
        elif code == DIVIDE:
            cotangents[left] += d / b
            cotangents[right] -= d * v / b
        elif code == NEGATIVE:
            cotangents[left] -= d
        elif code == SIN:
            cotangents[left] += d * math.cos(a)
        elif code == COS:
            cotangents[left] -= d * math.sin(a)
        elif code == EXP:
            cotangents[left] += d * v
        elif code == LOG:
            cotangents[left] += d / a
        elif code == SQRT:
            cotangents[left] += d * 0.5 / v
        else:
            cotangents[left] += d * (1.0 - v * v)
    return values[INPUTS + count - 1], cotangents[:INPUTS].copy()
