"""Random programs through the whole way, against differences of the same code run by NumPy and, where it is installed, against JAX."""

import random

import numpy as np
import pytest

from tracer import grad, value_and_grad

UNARY = ["np.sin({a})", "np.tanh({a})", "np.exp(-np.abs({a}))", "np.sqrt(1.0 + {a} * {a})", "{a} * {a}", "{a}[::-1]", "np.cumsum({a}, axis=0)",
         "np.log1p({a} * {a})", "np.where({a} > 0.1, {a}, 0.3 * {a})", "{a} / (2.0 + np.cos({a}))", "np.maximum({a}, 0.2)", "{a} - np.mean({a})",
         "{a} * np.max({a})", "np.concatenate([{a}[1:], {a}[:1]])", "np.roll({a}, 2)", "np.sum({a}) * {a}", "np.clip({a}, -0.5, 0.7)",
         "np.logaddexp({a}, 0.0)", "np.diff({a}, append=0.0)", "np.outer({a}, {a}) @ {a}", "np.stack([{a}, {a} * 2.0], axis=1).sum(axis=1)",
         "np.prod(1.0 + 0.1 * {a}) * {a}", "np.linalg.norm({a} + 2.0) * {a}", "np.var({a}) + {a}", "np.einsum('i,i->i', {a}, {a})",
         "np.repeat({a}, 2)[::2]", "np.reshape({a}, (-1, 2)).T.ravel()", "np.arctan2({a}, 1.5)", "np.hypot({a}, 1.0)", "np.power(np.abs({a}) + 0.5, 1.7)"]
BINARY = ["{a} + {b}", "{a} * {b}", "{a} - {b}", "np.minimum({a}, {b})", "{a} / (1.5 + {b} * {b})", "np.dot({a}, {b}) * {a}",
          "np.where({a} < {b}, {a}, {b} * 2.0)", "np.hypot({a}, {b} + 3.0)"]


def program(seed: int) -> tuple[str, np.ndarray, np.ndarray, str]:
    """Source of a function of two vectors, a point, and the level to simplify at."""
    rng = random.Random(seed)
    length = rng.choice([2, 4, 6, 8, 16, 18, 34, 130])
    lines = ["def f(x, y):", "    v = [x, y]"]
    for count in range(2, rng.randint(4, 11)):
        row = rng.choice(UNARY if rng.random() < 0.65 else BINARY)
        lines.append(f"    v.append({row.format(a=f'v[{rng.randrange(count)}]', b=f'v[{rng.randrange(count)}]')})")
    lines.append("    return sum(np.sum(np.sin(u)) for u in v)")
    x, y = np.random.default_rng(seed).normal(size=(2, length))
    return "\n".join(lines), x, np.repeat(y, 2)[::2] if rng.random() < 0.3 else y, rng.choice(["safe", "safe", "fast", False])


def function(source: str, namespace=np):
    """The program with ``namespace`` as its ``np``."""
    names = {"np": namespace}
    exec(source, names)
    return names["f"]


@pytest.mark.parametrize("seed", range(30))
def test_random_programs_against_differences(seed):
    source, x, y, level = program(seed)
    f = function(source)
    value, (by_x, by_y) = value_and_grad(f, argnums=(0, 1), simplify=level)(x, y)
    np.testing.assert_allclose(value, f(x, y), rtol=1e-9, atol=1e-9)
    along_x, along_y = np.random.default_rng(seed + 1000).normal(size=(2, len(x)))

    def slope(step):
        return (f(x + step * along_x, y + step * along_y) - f(x - step * along_x, y - step * along_y)) / (2 * step)
    wanted = [slope(1e-5), slope(2e-6)]
    found = by_x @ along_x + by_y @ along_y
    scale = 1.0 + np.abs(by_x * along_x).sum() + np.abs(by_y * along_y).sum()
    assert min(abs(found - w) for w in wanted) < 3e-5 * scale, source


@pytest.mark.parametrize("seed", range(100, 125))
def test_random_programs_against_jax(seed):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    source, x, y, level = program(seed)
    value, found = value_and_grad(function(source), argnums=(0, 1), simplify=level)(x, y)
    expected, gradients = jax.value_and_grad(function(source, jax.numpy), argnums=(0, 1))(x, np.ascontiguousarray(y))
    scale = max(1.0, *[float(np.max(np.abs(g))) for g in gradients])
    np.testing.assert_allclose(value, expected, rtol=1e-9, atol=1e-9 * scale)
    for ours, theirs in zip(found, gradients):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-9 * scale)


def test_a_gradient_of_a_gradient_of_a_program():
    source, x, y, _ = program(3)
    f = function(source)
    direction = np.cos(np.arange(len(x)))
    second = grad(lambda x, y: np.sum(grad(f)(x, y) * direction))(x, y)
    first = grad(f)
    wanted = (first(x + 1e-6 * direction, y) - first(x - 1e-6 * direction, y)) / 2e-6
    np.testing.assert_allclose(second, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())
