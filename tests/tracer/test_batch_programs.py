"""Batches of random programs: the results of each row are those of a call for it, to the bit where both do the same arithmetic."""

import math
import random

import numpy as np
import pytest

from codegen.batch.kernel import LaneKernel, LoopKernel
from tests.tracer.test_branches import random_program
from tracer import jit, value_and_grad

# Each has one rounding, the same in lanes and in scalars.
EXACT = ["{t} = {a} + {b}", "{t} = {a} - {b} * {c}", "{t} = {a} * {b}", "{t} = {a} / (1.0 + abs({b}))", "{t} = np.sqrt(abs({a}))", "{t} = max({a}, {b})",
         "{t} = np.where({a} > {b}, {c}, -{a})", "{t} = -{a} / 3.0", "{t} = np.minimum({a}, 0.5) * {b}", "{t} = 1.0 / ({a} * {a} + 1.0)",
         "{t} = np.copysign({a}, {b})", "{t} = np.floor({a}) + {b}"]
FUNCTIONS = ["{t} = np.exp(-abs({a}))", "{t} = np.sin({a}) * np.cos({a})", "{t} = np.log1p({a} * {a})", "{t} = np.tanh({a})", "{t} = np.log(1.5 + {a} * {a})",
             "{t} = np.hypot({a}, {b})", "{t} = np.arctan2({a}, 1.0 + {b} * {b})"]
GATHERS = ["{t} = x[np.argmax(x)] * {a}", "{t} = x[np.argmin(y)] + {a}"]


def straight_program(seed: int, statements: list[str]) -> str:
    """Some twenty statements on numbers, an `if`, a `for` and a `while` that the data end."""
    rng = random.Random(seed)
    names = ["x[0]", "x[1]", "x[2]", "y[0]", "y[1]", "0.75"]
    lines = ["def f(x, y):"]

    def one(indent: str, targets: list[str]) -> None:
        picked = dict(zip("abc", (rng.choice(names) for _ in range(3))))
        lines.append(indent + rng.choice(statements).format(t=rng.choice(targets), **picked))
    for k in range(rng.randint(4, 9)):
        one("    ", [f"v{k}"])
        names.append(f"v{k}")
    old = [name for name in names if name.startswith("v")]
    lines.append(f"    if {rng.choice(names)} > 0.1:")
    one("        ", old)
    lines.append("    else:")
    one("        ", old)
    lines.append("    for k in range(2):")
    one("        ", old)
    if rng.random() < 0.5:
        lines += ["    n = 0", f"    while abs({old[0]}) < 2.0 and n < 6:", f"        {old[0]} = {old[0]} * 1.5 + 0.25", "        n += 1"]
    one("    ", old)
    return "\n".join([*lines, f"    return {' + '.join(old)}"])


def turning_program(seed: int) -> str:
    """Loops that the data end, one after another and inside one another, with branches in them."""
    rng = random.Random(seed)
    names = ["x[0]", "x[1]", "x[2]", "y[0]", "y[1]", "0.75"]
    lines, targets = ["def f(x, y):"], []

    def one(indent: str, chosen: list[str]) -> None:
        picked = dict(zip("abc", (rng.choice(names) for _ in range(3))))
        lines.append(indent + rng.choice(EXACT).format(t=rng.choice(chosen), **picked))

    def loop(indent: str) -> None:
        count = f"n{len(lines)}"
        lines.extend([f"{indent}{count} = 0",
                      f"{indent}while abs({rng.choice(targets)}) < {rng.choice(['2.0', '5.0', 'abs(x[0]) + 1'])} and {count} < {rng.randint(2, 5)}:"])
        inside = indent + "    "
        one(inside, targets)
        if len(indent) < 12 and rng.random() < 0.5:
            loop(inside)
        if rng.random() < 0.4:
            lines.append(f"{inside}if {rng.choice(targets)} > 0.2:")
            one(inside + "    ", targets)
        one(inside, targets)
        lines.extend([f"{inside}{rng.choice(targets)} *= 1.25", f"{inside}{count} += 1"])
    for k in range(3):
        one("    ", [f"v{k}"])
        targets.append(f"v{k}")
        names.append(f"v{k}")
    for _ in range(rng.randint(1, 3)):
        loop("    ")
        one("    ", targets)
    return "\n".join([*lines, f"    return {' + '.join(targets)}"])


def compiled(source: str, make=value_and_grad, **options):
    names = {"np": np}
    exec(source, names)
    return make(names["f"], cache=False, **options)


def flat(result) -> list:
    return [leaf for part in result for leaf in flat(part)] if isinstance(result, tuple) else [result]


def agrees(loss, rows: tuple, is_exact: bool, source: str) -> None:
    """A batch in rows and one in columns against one call a row."""
    calls = [flat(loss(*(r[k] for r in rows))) for k in range(len(rows[0]))]
    for order in "CF":
        found = flat(loss.batch(*(np.asarray(r, order=order) for r in rows)))
        for position, leaf in enumerate(found):
            expected = np.array([call[position] for call in calls])
            if is_exact:
                np.testing.assert_array_equal(leaf, expected, err_msg=source)
            else:
                np.testing.assert_allclose(leaf, expected, rtol=1e-10, atol=1e-12, err_msg=source)


def samples(seed: int, count: int = 21) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, 3)), rng.normal(size=(count, 2))


@pytest.mark.parametrize("seed", range(25))
def test_random_programs_to_the_bit(seed):
    source = straight_program(seed, EXACT)
    loss = compiled(source, argnums=(0, 1))
    agrees(loss, samples(seed), True, source)
    assert all(isinstance(made.kernel, LaneKernel) for made in loss._batches._made.values())


@pytest.mark.parametrize("seed", range(20))
def test_random_loops_in_loops_to_the_bit(seed):
    source = turning_program(seed)
    loss = compiled(source, argnums=(0, 1))
    dtype = np.float32 if seed % 3 == 0 else np.float64
    agrees(loss, tuple(each.astype(dtype) for each in samples(seed, 19)), True, source)
    assert all(isinstance(made.kernel, LaneKernel) for made in loss._batches._made.values())


@pytest.mark.parametrize("seed", range(15))
def test_random_programs_with_elementary_functions(seed):
    source = straight_program(seed, EXACT + 2 * FUNCTIONS)
    agrees(compiled(source, argnums=(0, 1)), samples(seed), False, source)


@pytest.mark.parametrize("seed", range(8))
def test_random_programs_with_elements_that_data_choose(seed):
    source = straight_program(seed, EXACT + 4 * GATHERS)
    loss = compiled(source, make=jit if seed % 2 else value_and_grad)
    agrees(loss, samples(seed), True, source)
    assert all(isinstance(made.kernel, LoopKernel) == ("arg" in source) for made in loss._batches._made.values())


@pytest.mark.parametrize("seed", range(60, 80))
def test_random_branches(seed):
    source = random_program(seed)
    names = {"math": math}
    exec(source, names)
    agrees(value_and_grad(names["f"], cache=False), (np.linspace(-1.5, 2.5, 19),), "sin" not in source and "exp" not in source, source)
