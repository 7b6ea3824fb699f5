"""Random scalar programs: files in all but name, since a seed and the mix of operations below decide every byte of them.

Every operation is live in the output, and an operation is drawn again until its value and partials are moderate at the program's own
point, so that no gradient entry vanishes or explodes with depth.
"""

from __future__ import annotations

import linecache
import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from . import Inapplicable, Problem

INPUTS = 16
RECENT = 64            # one operand in two is one of the last so many values, the others are any value before
VALUES = 0.05, 4.0     # what counts as moderate, in magnitude
PARTIALS = 0.05, 3.0
ENTRIES = 1e-6, 1e6    # of the gradient


@dataclass(frozen=True)
class Operation:
    """One line of a program: Python text in ``a``, ``b`` and, for the partials, the result ``v``."""

    text: str
    partials: tuple[str, ...]
    weight: int            # in the mix

    def evaluator(self) -> Callable:
        """Value and partials at a point."""
        partials = ", ".join(self.partials)
        names = {"np": np}
        exec(f"def at(a, b=0.0):\n    v = {self.text}\n    return v, ({partials},)", names)
        return names["at"]


OPERATIONS = {
    "add": Operation("a + b", ("1.0", "1.0"), 4),
    "subtract": Operation("a - b", ("1.0", "-1.0"), 3),
    "multiply": Operation("a * b", ("b", "a"), 5),
    "divide": Operation("a / b", ("1.0 / b", "-v / b"), 2),
    "negative": Operation("-a", ("-1.0",), 1),
    "square": Operation("a * a", ("2.0 * a",), 1),
    "sin": Operation("np.sin(a)", ("np.cos(a)",), 2),
    "cos": Operation("np.cos(a)", ("-np.sin(a)",), 1),
    "exp": Operation("np.exp(a)", ("v",), 2),
    "log": Operation("np.log(a)", ("1.0 / a",), 1),
    "sqrt": Operation("np.sqrt(a)", ("0.5 / v",), 1),
    "tanh": Operation("np.tanh(a)", ("1.0 - v * v",), 2),
}
CODES = {name: code for code, name in enumerate(OPERATIONS)}
JOINING = "add", "subtract"  # the operations by which what is still unused comes together at the end


@dataclass(frozen=True)
class Line:
    """``t<index> = operation(operands)``; operands below ``INPUTS`` are inputs."""

    operation: str
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """A program of ``len(lines)`` operations and the point at which it was drawn. The last line is the output."""

    seed: int
    point: tuple[float, ...]
    lines: tuple[Line, ...]

    def source(self) -> str:
        """The function in plain NumPy."""
        body = [f"    v{i} = x[{i}]" for i in range(INPUTS)]
        body += [f"    v{i} = {spelled(line, i)}" for i, line in enumerate(self.lines, INPUTS)]
        return "\n".join(["def program(x):", *body, f"    return v{INPUTS + len(self.lines) - 1}", ""])

    def gradient_source(self) -> str:
        """Value and gradient by a reverse sweep, as one writes it by hand: a factor of one costs nothing, the first contribution is no sum."""
        last = INPUTS + len(self.lines) - 1
        body = [f"    v{i} = x[{i}]" for i in range(INPUTS)]
        body += [f"    v{i} = {spelled(line, i)}" for i, line in enumerate(self.lines, INPUTS)]
        seen = {last}
        body.append(f"    d{last} = 1.0")
        for i, line in reversed(list(enumerate(self.lines, INPUTS))):
            for operand, partial in zip(line.operands, OPERATIONS[line.operation].partials):
                factor = substituted(partial, line, i)
                term = {"1.0": f"d{i}", "-1.0": f"-d{i}"}.get(factor, f"d{i} * ({factor})")
                body.append(f"    d{operand} {'+=' if operand in seen else '='} {term}")
                seen.add(operand)
        gradient = ", ".join(f"d{i}" for i in range(INPUTS))
        return "\n".join(["def gradient(x):", *body, f"    return v{last}, np.array([{gradient}])", ""])

    def function(self, namespace: Any = np) -> Callable:
        """The program over a vector, with ``namespace`` as its ``np``."""
        return executed(self.source(), "program", f"<program {self.seed}, {len(self.lines)} operations>", namespace)

    def tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Operation codes, and two operands a line (twice the same where there is one)."""
        codes = np.array([CODES[line.operation] for line in self.lines], dtype=np.int64)
        return codes, np.array([(line.operands[0], line.operands[-1]) for line in self.lines], dtype=np.int64)


def substituted(text: str, line: Line, index: int) -> str:
    """A text of the table with the names of a line."""
    names = {"a": f"v{line.operands[0]}", "b": f"v{line.operands[-1]}", "v": f"v{index}"}
    words = text.replace("(", " ( ").replace(")", " ) ").replace("-v", "- v").replace("-a", "- a").split()
    return " ".join(names.get(word, word) for word in words).replace(" ( ", "(").replace(" )", ")").replace("- v", "-v")


def spelled(line: Line, index: int) -> str:
    """The right-hand side of a line."""
    return substituted(OPERATIONS[line.operation].text, line, index)


def executed(source: str, name: str, filename: str, namespace: Any) -> Callable:
    """A function from text; the text is known to tracebacks and to ``inspect``."""
    linecache.cache[filename] = len(source), None, source.splitlines(keepends=True), filename
    names = {"np": namespace, "__name__": __name__}
    exec(compile(source, filename, "exec"), names)
    return names[name]


@cache
def program(operations: int, seed: int) -> Program:
    """The first program drawn from ``seed`` on whose gradient entries are all within ENTRIES."""
    rng = random.Random(f"{seed}:{operations}")
    while True:
        drawn = draw(rng, operations, seed)
        entries = np.abs(executed(drawn.gradient_source(), "gradient", "<drawn>", math_and_array)(drawn.point)[1])
        if ENTRIES[0] <= entries.min() and entries.max() <= ENTRIES[1]:
            return drawn


def draw(rng: random.Random, operations: int, seed: int) -> Program:
    """One program. Values that no line has used wait in a queue, and are joined when only enough lines for that are left."""
    evaluators = {name: each.evaluator() for name, each in OPERATIONS.items()}
    names, weights = list(OPERATIONS), [each.weight for each in OPERATIONS.values()]
    point = [rng.uniform(0.5, 2.0) * rng.choice((-1, 1)) for _ in range(INPUTS)]
    values, unused, lines = list(point), deque(range(INPUTS)), []
    waiting = set(unused)
    while len(lines) < operations:
        is_joining = operations - len(lines) < len(waiting)
        name = rng.choice(JOINING) if is_joining else rng.choices(names, weights)[0]
        count = len(OPERATIONS[name].partials)
        if is_joining:
            operands = unused[0], unused[1]
        else:
            operands = (unused[0] if rng.random() < 0.7 else drawn_operand(rng, len(values)), *(drawn_operand(rng, len(values)) for _ in range(count - 1)))
            if not is_moderate(evaluators[name], [values[i] for i in operands]) or len(set(operands)) < count:
                continue
            if operations - len(lines) - 1 < len(waiting - set(operands)):  # a line that leaves too many to be joined
                continue
        values.append(evaluators[name](*(values[i] for i in operands))[0])
        lines.append(Line(name, operands))
        waiting -= set(operands)
        waiting.add(len(values) - 1)
        unused.append(len(values) - 1)
        while unused[0] not in waiting:
            unused.popleft()
        if len(unused) > 1 and unused[1] not in waiting:
            unused = deque(each for each in unused if each in waiting)
    return Program(seed, tuple(point), tuple(lines))


def drawn_operand(rng: random.Random, count: int) -> int:
    """A recent value or any."""
    return rng.randrange(max(0, count - RECENT), count) if rng.random() < 0.5 else rng.randrange(count)


def is_moderate(evaluate: Callable, operands: list[float]) -> bool:
    """Is this neither a large nor a small step for value and gradient?"""
    with np.errstate(all="ignore"):
        try:
            value, partials = evaluate(*operands)
        except ZeroDivisionError:
            return False
    return VALUES[0] <= abs(value) <= VALUES[1] and all(PARTIALS[0] <= abs(each) <= PARTIALS[1] for each in partials)


class math_and_array(math.__class__):
    """Stands for ``np`` where values are Python floats, for which ``math`` is faster."""
