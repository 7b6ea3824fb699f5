"""Straight-line code in pieces: the same values in another order, with the calls of one function side by side."""

import random

import numpy as np
import pytest

import codegen.llvm.emit as emitting
from codegen.llvm.emit import LONG, emit
from codegen.loops import Affine, Buffer, Compute, Gather, Literal, Load, Nest, Scatter, Store
from codegen.pipeline import compile_graph
from codegen.schedule import straight
from codegen.schedule.scheduler import schedule
from tests.codegen.kernel_call import call, graph_of
from tracer.ops import TABLE

FLOAT = np.dtype("float64")
HERE = Affine(0, ())


def random_nest(seed: int, size: int) -> Nest:
    """Loads, literals, arithmetic, calls and gathers in any order; every tenth value is stored."""
    rng = random.Random(seed)
    x, table = Buffer("input", 0, FLOAT, (8,)), Buffer("input", 1, FLOAT, (4,))
    nest = Nest((), [Load(x, Affine(k, ())) for k in range(8)] + [Literal(np.int64(2).tobytes(), np.dtype("int64"), False)])
    floats = list(range(8))
    for _ in range(size):
        kind = rng.random()
        a, b = rng.choice(floats[-40:]), rng.choice(floats)
        if kind < 0.1:
            nest.body.append(Gather(table, (8,), ()))
        elif kind < 0.2:
            nest.body.append(Literal(FLOAT.type(rng.random()).tobytes(), FLOAT, False))
        elif kind < 0.5:
            nest.body.append(Compute(TABLE[rng.choice(["sin", "cos", "tanh"])], (a,), FLOAT, FLOAT))
        else:
            nest.body.append(Compute(TABLE[rng.choice(["add", "multiply", "subtract"])], (a, b), FLOAT, FLOAT))
        floats.append(len(nest.body) - 1)
    for k, value in enumerate(floats[::10]):
        nest.roots.append(Store(value, Buffer("output", k, FLOAT, ()), HERE))
    return nest


def evaluate(nests: list[Nest], memory: dict) -> dict:
    """What the nests leave in memory, by NumPy scalars."""
    for nest in nests:
        values = []
        for i in nest.body:
            if isinstance(i, Load):
                values.append(memory[i.buffer].flat[i.place.offset])
            elif isinstance(i, Literal):
                values.append(np.frombuffer(i.bits, i.dtype)[0])
            elif isinstance(i, Gather):
                values.append(memory[i.buffer][tuple(values[k] for k in i.indices)])
            else:
                values.append(i.op.evaluate(*[values[k] for k in i.operands]))
        for root in nest.roots:
            if isinstance(root, Scatter):
                memory[root.buffer][tuple(values[k] for k in root.indices)] += values[root.value]
            elif root.accumulate:
                memory[root.buffer][...] += values[root.value]
            else:
                memory[root.buffer] = np.array(values[root.value])
    return memory


def pieces_of(nest: Nest) -> list[Nest]:
    made = []

    def new_work(dtype, shape):
        made.append(Buffer("work", len(made), dtype, shape))
        return made[-1]
    return straight.in_pieces(nest, new_work)


def inputs_of(nest: Nest) -> dict:
    rng = np.random.default_rng(0)
    return {i.buffer: rng.uniform(0.2, 1.0, i.buffer.shape) for i in nest.body if isinstance(i, (Load, Gather))}


@pytest.mark.parametrize("seed", range(20))
def test_pieces_leave_the_same_bits(seed):
    nest = random_nest(seed, 300 + 150 * seed)
    pieces = pieces_of(nest)
    assert max(len([i for i in p.body if isinstance(i, (Compute, Gather))]) for p in pieces) <= straight.PIECE
    whole, cut = evaluate([nest], inputs_of(nest)), evaluate(pieces, inputs_of(nest))
    for root in nest.roots:
        assert whole[root.buffer].tobytes() == cut[root.buffer].tobytes()


def test_what_adds_to_memory_stays_in_order_behind_what_reads_it():
    nest = random_nest(1, 1000)
    target = next(i.buffer for i in nest.body if isinstance(i, Gather))
    nest.roots = [Scatter(20, target, (8,), ()), Scatter(500, target, (8,), ()), Store(900, Buffer("work", 99, FLOAT, ()), HERE, True)]
    start = inputs_of(nest) | {nest.roots[2].buffer: np.zeros(())}
    whole, cut = ({b: v.copy() for b, v in start.items()} for _ in range(2))
    evaluate([nest], whole), evaluate(pieces_of(nest), cut)
    assert all(whole[root.buffer].tobytes() == cut[root.buffer].tobytes() for root in nest.roots)


def test_calls_of_one_function_stand_together():
    """64 sines and 64 cosines of their neighbours, alternating: eight at a time, as many as the widest vectors have lanes."""
    x = Buffer("input", 0, FLOAT, (64,))
    nest = Nest((), [Load(x, Affine(k, ())) for k in range(64)])
    for k in range(64):
        nest.body += [Compute(TABLE["sin"], (k,), FLOAT, FLOAT), Compute(TABLE["cos"], (64 + 2 * k,), FLOAT, FLOAT)]
    nest.roots = [Store(65 + 2 * k, Buffer("output", k, FLOAT, ()), HERE) for k in range(64)]
    ops = [i.op.name for piece in pieces_of(nest) for i in piece.body if isinstance(i, Compute)]
    runs = [list(run) for run in zip(*[iter(ops)] * straight.TOGETHER)]
    assert all(len(set(run)) == 1 for run in runs) and len(runs) == 16


def irregular(x, n):
    """Operations in no order that could be folded into a loop."""
    rng = random.Random(0)
    for _ in range(n):
        x = rng.choice([lambda x: np.sin(x) * 1.01, lambda x: 0.1 * x, lambda x: x + np.cos(x), lambda x: x * x - 0.5])(x)
    return x


def test_long_programs_take_fast_instruction_selection_and_short_ones_do_not():
    long, short = (compile_graph(graph_of(lambda x: irregular(x, n), np.float64(0.3), wrt=(0,))) for n in (LONG, 10))
    assert "optnone" in long.text and ") #2 {" in long.text and ") #2 {" not in short.text


def test_very_long_programs_are_compiled_at_the_lowest_level_to_the_same_bits(monkeypatch):
    graph = graph_of(lambda x: irregular(x, 100), np.float64(0.3), wrt=(0,))
    looping = graph_of(lambda x: np.sum(np.sin(x)), np.linspace(0.0, 1.0, 300), wrt=(0,))
    usual = compile_graph(graph)
    assert [emit(schedule(each)).level for each in (graph, looping)] == [1, 2]
    monkeypatch.setattr(emitting, "VERY_LONG", 100)
    assert [emit(schedule(each)).level for each in (graph, looping)] == [0, 2]
    lowest = compile_graph(graph)
    assert lowest.text == usual.text and lowest.key != usual.key
    for a, b in zip(call(usual, graph, np.float64(0.3)), call(lowest, graph, np.float64(0.3))):
        assert a.tobytes() == b.tobytes()


def test_packed_calls_of_two_dtypes():
    x, y = np.linspace(0.1, 1.0, 12, dtype="float32"), np.linspace(0.1, 1.0, 12)
    graph = graph_of(lambda x, y: (np.stack([np.sin(x[k]) for k in range(12)]), np.stack([np.sin(y[k]) for k in range(12)])), x, y)
    narrow, wide = call(compile_graph(graph), graph, x, y)
    assert narrow.dtype == np.float32 and np.allclose(narrow, np.sin(x), rtol=5e-7) and np.allclose(wide, np.sin(y), rtol=1e-15)
