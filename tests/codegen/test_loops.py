"""The loop IR: what a legal program is, with a planted fault per rule; how statements are fused, collapsed and laid out."""

import random

import numpy as np
import pytest

from codegen.loops import Affine, Buffer, Load, Nest, Program, Reduce, Store
from codegen.schedule.collapse import collapse
from codegen.schedule.scheduler import schedule
from codegen.verify import verify
from tests.codegen.test_machine_code import graph_of
from tracer.ops import TABLE

FLOAT = np.dtype("float64")


ALONG = Affine(0, (1,))


def copying(load=ALONG, store=ALONG, extents=(4,), value=0):
    """output[i] = input[i], with whatever is wrong about it."""
    source, target = Buffer("input", 0, FLOAT, (4,)), Buffer("output", 0, FLOAT, (4,))
    nest = Nest(extents, [Load(source, load)], [Store(value, target, store)])
    return Program("f", [nest], [source], [target], [])


def test_a_legal_program_passes():
    assert verify(copying())


@pytest.mark.parametrize("rule, fault", {
    "leaves its buffer: 1..4 of 4": {"load": Affine(1, (1,))},
    "leaves its buffer: -1..2 of 4": {"store": Affine(-1, (1,))},
    "a coefficient per loop": {"load": Affine(0, (1, 0))},
    "a root without value": {"value": 3},
    "leaves its buffer: 0..7 of 4": {"extents": (8,)},
    "dense buffers have flat places": {"load": (Affine(0, (1,)),)},
}.items())
def test_verify_finds_planted_faults(rule, fault):
    with pytest.raises(AssertionError, match=rule):
        verify(copying(**fault))


def test_reading_before_writing_is_found():
    program = copying()
    work = Buffer("work", 0, FLOAT, (4,))
    program.statements[0].body[0] = Load(work, Affine(0, (1,)))
    with pytest.raises(AssertionError, match="read before it is written"):
        verify(program)
    program = copying()
    program.outputs.append(Buffer("output", 1, FLOAT, (4,)))
    with pytest.raises(AssertionError, match="never written"):
        verify(program)


def test_a_sum_does_not_move_along_what_it_sums():
    program = copying()
    nest = program.statements[0]
    nest.roots[0] = Reduce(TABLE["sum"], 0, frozenset((0,)), program.outputs[0], Affine(0, (1,)))
    with pytest.raises(AssertionError, match="moves along a reduced axis"):
        verify(program)


def statements(function, *arguments, **options):
    program = verify(schedule(graph_of(function, *arguments, **options)))
    return [s.extents for s in program.statements], program


def test_dense_elementwise_loops_collapse_to_one():
    extents, _ = statements(lambda x, y: (np.exp(x) * y, np.sum(x * y)), np.ones((40, 25)), np.ones((40, 25)))
    assert extents == [(1000,)]


def test_loops_with_a_broadcast_or_a_kept_axis_stay():
    extents, _ = statements(lambda x, y: np.exp(x) * y, np.ones((40, 25)), np.ones(25))
    assert extents == [(40, 25)]
    extents, _ = statements(lambda x: np.sum(x, axis=1), np.ones((4, 5, 6)))
    assert extents[-1] == (4, 5, 6)  # behind the initial fill
    extents, _ = statements(lambda x: np.sum(x, axis=(1, 2)), np.ones((4, 5, 6)))
    assert extents == [(4, 30)]


def test_collapsing_keeps_what_does_not_fit():
    program = copying()
    assert collapse(program.statements[0]) is program.statements[0]


def test_what_is_dear_and_read_in_two_places_is_stored_once():
    _, program = statements(lambda x: (np.sum(np.exp(x)[1:]), np.sum(np.exp(x)[:-1] * 2.0)), np.ones(50))
    calls = [i for s in program.statements for i in s.body if getattr(i, "op", None) is TABLE["exp"]]
    assert len(calls) == 1
    _, program = statements(lambda x: (np.sum((x * x)[1:]), np.sum((x * x)[:-1] * 2.0)), np.ones(50))
    assert program.workspace_bytes == 0 or not any(b.shape == (50,) for b in program.work)


def test_memory_is_used_again():
    """A chain of products with one matrix: two buffers take turns."""
    def f(a):
        b = a
        for _ in range(10):
            b = np.tanh(b @ a)
        return np.sum(b)
    program = schedule(graph_of(f, np.ones((20, 20))))
    assert program.workspace_bytes < 5 * 20 * 20 * 8


def test_long_programs_are_cut_into_pieces():
    def f(x):
        rng = random.Random(0)  # in no order that could be folded into a loop
        for _ in range(3000):
            x = rng.choice([lambda x: np.sin(x) * 1.01, lambda x: 0.1 * x, lambda x: x + np.cos(x), lambda x: x * x - 0.5])(x)
        return x
    extents, program = statements(f, np.float64(0.3), wrt=(0,))
    assert len(extents) > 20 and max(len(s.body) for s in program.statements) < 600
