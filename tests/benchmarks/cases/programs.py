"""Random scalar programs: the first result with all that must be compiled, a call, and what tracing costs."""

import numpy as np

from ..building import first_result, kept, peak, tracing
from ..comparison import per_call
from ..problems.loops import STEPS, filled
from ..problems.programs import program
from ..problems.recurrence import recurrence
from ..problems.straight import point, straight
from ..registry import Ask, case

LONG = {name: "not tried: 3,000 operations compile for more than 5 minutes" for name in ("JAX device data", "JAX NumPy in/out")}
SAME_BUILD = {"JAX NumPy in/out": "as with device data"}


def call(operations, effort, excluded):
    drawn = program(operations, seed=0)
    return per_call(straight(drawn), point(drawn), effort, excluded)


def first(operations, effort, excluded):
    def pose(seed):
        drawn = program(operations, seed)
        return straight(drawn), point(drawn)
    small = program(30, seed=0)
    return first_result(pose, (straight(small), point(small)), effort, excluded)


def asks(unsimplified, simplified):
    return Ask(unsimplified, subject="tracer, simplify=False"), Ask(simplified)


@case("program-1000-first", "Random program of 1,000 operations: first result, all compiled anew", *asks(0.3, 1.0), threads=(2,))
def _(effort):
    return first(1_000, effort, SAME_BUILD)


@case("program-1000-call", "Random program of 1,000 operations: a call")
def _(effort):
    return call(1_000, effort, {})


@case("program-10000-first", "Random program of 10,000 operations: first result, all compiled anew", *asks(2.0, 5.0), threads=(2,))
def _(effort):
    return first(10_000, effort, LONG)


@case("program-10000-call", "Random program of 10,000 operations: a call", Ask(25e-6), Ask(0.24, ("CasADi",)))  # 25 µs were asked for where CasADi took 104
def _(effort):
    return call(10_000, effort, LONG)


@case("program-40000-first", "Random program of 40,000 operations: first result, linear from 10,000", *asks(8.0, 20.0), threads=(2,))
def _(effort):
    return first(40_000, effort, LONG | {"heyoka": "not tried: 10,000 operations take 20 s, and time grows faster than they do"})


VERY_LONG = {name: "not tried: see 40,000 operations" for name in ("njit by hand", "NumPy by hand", "torch eager", "autograd", "CasADi", "heyoka")}


@case("program-100000-first", "Random program of 100,000 operations: first result, linear from 10,000", *asks(15.0, 15.0), threads=(2,))
def _(effort):
    return first(100_000, effort, LONG | VERY_LONG)


@case("program-100000-memory", "Random program of 100,000 operations: the most memory of the process while it is compiled", Ask(2048.0))
def _(effort):
    return peak(straight(program(100_000, 0)).loss, point(program(100_000, 0)))


@case("program-10000-kept", "Random program of 10,000 operations: what stays of it after it is compiled", Ask(200.0))
def _(effort):
    return kept([straight(program(10_000, seed)).loss for seed in range(effort.builds + 1)], point(program(10_000, 0)), 10_000)


@case("tracing", "Tracing 10,000 operations", Ask(4.0))
def _(effort):
    return tracing([straight(program(10_000, seed)).loss for seed in range(effort.builds)], point(program(10_000, 0)), 10_000)


@case("tracing-arrays", "Tracing 10,000 operations, reads and writes of an array among them", Ask(4.0))
def _(effort):
    return tracing([filled] * effort.builds, (np.array([0.5, 0.1]),), 4 * STEPS)


def first_of_loop(steps, effort):
    def pose(seed):
        return recurrence(steps), (np.array([0.3 + 0.01 * seed]),)
    return first_result(pose, pose(0), effort, LONG | {"heyoka": "not tried: one expression of 10,000 operations takes 20 s"})


@case("loop-3200-first", "x = sin(x)*1.01 + 0.1*x, 3,200 times: first result, all compiled anew", Ask(0.5), threads=(2,))
def _(effort):
    return first_of_loop(3_200, effort)


@case("loop-100000-first", "x = sin(x)*1.01 + 0.1*x, 100,000 times: first result, all compiled anew", Ask(4.0), threads=(2,))
def _(effort):
    return first_of_loop(100_000, effort)
