"""Every operation on random shapes and values: a program that shows result, derivative and second derivative, or the error."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

SHAPES = ((), (1,), (3,), (2, 3), (3, 1), (1, 3), (2, 1, 3), (0,), (2, 0))
DTYPES = ("float32", "float64")
VALUES = {
    "real": (-2.5, -1.25, -0.5, 0.25, 0.75, 1.5, 2.0, 3.25, -0.125, 0.6),
    "positive": (0.25, 0.5, 0.8, 1.25, 1.5, 2.0, 2.75, 3.5, 0.1, 5.0),
    "unit": (-0.9, -0.5, -0.25, 0.0, 0.125, 0.3, 0.5, 0.75, 0.85, -0.6),
}

PROLOGUE = """\
def show(t):
    for each in (t if isinstance(t, (tuple, list)) else (t,)):
        print(each, each.dtype, tuple(each.shape), *each.detach().numpy().reshape(-1))
"""


def operations() -> list[tuple[str, str]]:
    """All expressions of ``operations.txt``, each with its section: the domain of the values, or what is done with them.

    They are of x and y, which broadcast. Each stands for one overload, with its own grad_fn.
    """
    found = []
    for block in Path(__file__).with_suffix(".txt").read_text().split("## ")[1:]:
        domain, *expressions = block.split("\n")
        found += [(expression, domain) for expression in expressions if expression]
    return found


def program_of(expression: str, domain: str, choose: Callable[[Sequence], object]) -> str:
    """The operation on values that ``choose(options)`` picks, its gradient, and the gradient of that."""
    if domain == "matrix":
        shape = other = (2, 2)
    else:
        shape = choose(SHAPES[1:] if domain == "axis" else SHAPES)
        other = choose([each for each in SHAPES if fits(shape, each)])
    dtype = choose(DTYPES)
    kind = {"axis": "real", "matrix": "real"}.get(domain, domain)
    lines = [f"{name} = torch.tensor({filled(each, VALUES[kind], choose)}, dtype=torch.{dtype}, requires_grad=True).reshape({each})"
             for name, each in (("x", shape), ("y", other))]
    return PROLOGUE + "\n".join([
        *lines, f"z = {expression}", "show(z)", "z = z if isinstance(z, torch.Tensor) else z[0]", "s = (z * z.detach().cos()).sum()",
        "g = torch.autograd.grad(s, [x, y], create_graph=True, allow_unused=True)", "for each in g: None if each is None else show(each.detach())",
        "s = sum((each * each.detach().sin()).sum() for each in g if each is not None)",
        "g = torch.autograd.grad(s, [x, y], allow_unused=True)", "for each in g: None if each is None else show(each)"]) + "\n"


def recorded_program(expression: str, domain: str) -> str:
    """The program whose outcome is recorded."""
    return program_of(expression, domain, random.Random(expression).choice)


def fits(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes broadcast."""
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b)))


def filled(shape: tuple[int, ...], values: Sequence[float], choose: Callable) -> list[float]:
    """A flat list of values, as many as the shape has."""
    count = 1
    for size in shape:
        count *= size
    return [choose(values) for _ in range(count)]
