"""A damped pendulum until it rests: a `while` of some ten thousand rounds, whose number the data decide."""

import math

import numpy as np

from . import Inapplicable, Problem

STEP, REST = 1e-3, 1e-3


def start() -> tuple[np.ndarray]:
    """Angle, speed, stiffness and damping."""
    return np.array([1.2, 0.3, 4.0, 0.8]),


def at_rest(p):
    q, v, stiffness, damping = p[0], p[1], p[2], p[3]
    rounds = 0
    while 0.5 * v * v + stiffness * (1.0 - np.cos(q)) > REST:
        v = v - STEP * (stiffness * np.sin(q) + damping * v)
        q = q + STEP * v
        rounds += 1
    return q * q + 0.1 * v + 1e-6 * rounds * damping


def by_hand(p):
    q, v, stiffness, damping = p[0], p[1], p[2], p[3]
    tape = np.empty((64, 2))
    rounds = 0
    while 0.5 * v * v + stiffness * (1.0 - math.cos(q)) > REST:
        if rounds == len(tape):
            tape = np.concatenate((tape, np.empty_like(tape)))
        tape[rounds, 0], tape[rounds, 1] = q, v
        v = v - STEP * (stiffness * math.sin(q) + damping * v)
        q = q + STEP * v
        rounds += 1
    value = q * q + 0.1 * v + 1e-6 * rounds * damping
    dq, dv, d_stiffness, d_damping = 2.0 * q, 0.1, 0.0, 1e-6 * rounds
    for k in range(rounds - 1, -1, -1):
        q, v = tape[k, 0], tape[k, 1]
        dv += STEP * dq
        force = -STEP * dv
        d_stiffness += force * math.sin(q)
        d_damping += force * v
        dq += force * stiffness * math.cos(q)
        dv += force * damping
    return value, np.array([dq, dv, d_stiffness, d_damping])


pendulum = Problem(at_rest, by_hand)


@pendulum.formulation("njit")
def _(numba, p):
    return numba.njit(by_hand)


@pendulum.formulation("jax")
def _(jax, p):
    raise Inapplicable("its while_loop has no reverse mode")
