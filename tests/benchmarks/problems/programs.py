"""Random scalar programs, decided to the last byte by a seed, a length and the mix of operations below.

Every operation is live in the output, and an operation is drawn again until its value and partials are moderate at the program's own
point, so that gradient entries neither vanish nor explode with depth.
"""

from __future__ import annotations

import linecache
import math
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import islice
from types import SimpleNamespace
from typing import Any

import numpy as np

INPUTS = 16
OLDEST_UNUSED = 0.7    # how often the first operand is the value that has waited longest for a use
RECENT = 64            # any other operand is, one time in two, one of so many last values, else any value
VALUES = 0.05, 4.0     # what counts as moderate, in magnitude
PARTIALS = 0.05, 1.5   # at 3.0 rounding errors grow to 1e-9 over 10,000 operations
ENTRIES = 1e-6, 1e6    # of the gradient


@dataclass(frozen=True)
class Operation:
    """One operation of Python: text in operands ``a``, ``b`` and, for the partials, the result ``v``."""

    text: str
    partials: tuple[str, ...]
    weight: int            # in the mix

    def evaluator(self) -> Callable:
        """The value and the partials at a point."""
        return executed(f"def at(a, b=0.0):\n    v = {spelled(self.text, 'a', 'b')}\n"
                        f"    return v, ({', '.join(spelled(each, 'a', 'b', 'v') for each in self.partials)},)", "at", PLAIN)


OPERATIONS = {
    "add": Operation("{a} + {b}", ("1.0", "1.0"), 4),
    "subtract": Operation("{a} - {b}", ("1.0", "-1.0"), 3),
    "multiply": Operation("{a} * {b}", ("{b}", "{a}"), 5),
    "divide": Operation("{a} / {b}", ("1.0 / {b}", "-{v} / {b}"), 2),
    "negative": Operation("-{a}", ("-1.0",), 1),
    "square": Operation("{a} * {a}", ("2.0 * {a}",), 1),
    "sin": Operation("np.sin({a})", ("np.cos({a})",), 2),
    "cos": Operation("np.cos({a})", ("-np.sin({a})",), 1),
    "exp": Operation("np.exp({a})", ("{v}",), 2),
    "log": Operation("np.log({a})", ("1.0 / {a}",), 1),
    "sqrt": Operation("np.sqrt({a})", ("0.5 / {v}",), 1),
    "tanh": Operation("np.tanh({a})", ("1.0 - {v} * {v}",), 2),
}
JOINING = "add", "subtract"  # how values that are still unused come together at the end

# Stands for `np` where values are Python floats: `math` is faster.
PLAIN = SimpleNamespace(**vars(math), empty=np.empty)


@dataclass(frozen=True)
class Line:
    """``v<index> = operation(operands)``; values below ``INPUTS`` are inputs."""

    operation: str
    operands: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """The lines of a program and the point at which it was drawn. The last line is the output."""

    seed: int
    point: tuple[float, ...]
    lines: tuple[Line, ...]

    def function(self, namespace: Any = np) -> Callable:
        """The program over a vector, as plain NumPy code."""
        return executed("\n".join(["def program(x):", *self._forward(), f"    return v{self._last}", ""]), "program", namespace)

    def gradient(self, namespace: Any = PLAIN) -> Callable:
        """Value and gradient as one writes it by hand: a reverse sweep that multiplies by no one and adds to no zero."""
        body, seen = [*self._forward(), f"    d{self._last} = 1.0"], {self._last}
        for index, line in reversed(list(enumerate(self.lines, INPUTS))):
            for operand, partial in zip(line.operands, OPERATIONS[line.operation].partials):
                factor = spelled(partial, *names(line), f"v{index}")
                term = {"1.0": f"d{index}", "-1.0": f"-d{index}"}.get(factor, f"d{index} * ({factor})")
                body.append(f"    d{operand} {'+=' if operand in seen else '='} {term}")
                seen.add(operand)
        body += [f"    gradient = np.empty({INPUTS})", *(f"    gradient[{i}] = d{i}" for i in range(INPUTS))]
        return executed("\n".join(["def gradient(x):", *body, f"    return v{self._last}, gradient", ""]), "gradient", namespace)

    def tape(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers of the operations in their table, and two operands a line (the same twice where there is one)."""
        numbers = {name: number for number, name in enumerate(OPERATIONS)}
        return np.array([numbers[line.operation] for line in self.lines]), np.array([(line.operands[0], line.operands[-1]) for line in self.lines])

    @property
    def _last(self) -> int:
        return INPUTS + len(self.lines) - 1

    def _forward(self) -> list[str]:
        return [*(f"    v{i} = x[{i}]" for i in range(INPUTS)),
                *(f"    v{i} = {spelled(OPERATIONS[line.operation].text, *names(line))}" for i, line in enumerate(self.lines, INPUTS))]


def names(line: Line) -> tuple[str, str]:
    """What the operands of a line are called."""
    return f"v{line.operands[0]}", f"v{line.operands[-1]}"


def spelled(text: str, a: str, b: str, v: str = "") -> str:
    """A text of the table with its names filled in."""
    return text.format(a=a, b=b, v=v)


def executed(source: str, name: str, namespace: Any) -> Callable:
    """A function from text with ``namespace`` as its ``np``; tracebacks and ``inspect`` find the text."""
    filename = f"<{name} {zlib.crc32(source.encode()):08x}>"
    linecache.cache[filename] = len(source), None, source.splitlines(keepends=True), filename
    found = {"np": namespace, "__name__": __name__}
    exec(compile(source, filename, "exec"), found)
    return found[name]


@cache
def program(operations: int, seed: int) -> Program:
    """The first program drawn from ``seed`` on with all gradient entries within ENTRIES."""
    rng = random.Random(f"{operations} operations, seed {seed}")
    while True:
        drawn = Drawing(rng, operations).program(seed)
        entries = np.abs(drawn.gradient()(drawn.point)[1])
        if ENTRIES[0] <= entries.min() and entries.max() <= ENTRIES[1]:
            return drawn


class Drawing:
    """A program that is being drawn. Values that no line has used yet wait; they are joined when only the lines for that are left."""

    def __init__(self, rng: random.Random, operations: int):
        self.rng = rng
        self.left = operations
        self.values = [rng.uniform(0.5, 2.0) * rng.choice((-1.0, 1.0)) for _ in range(INPUTS)]
        self.lines: list[Line] = []
        self.unused = dict.fromkeys(range(INPUTS))  # oldest first
        self.evaluators = {name: each.evaluator() for name, each in OPERATIONS.items()}
        self.weights = [each.weight for each in OPERATIONS.values()]

    def program(self, seed: int) -> Program:
        """Draw all lines."""
        while self.left:
            if self.left < len(self.unused):
                self.append(self.rng.choice(JOINING), tuple(islice(self.unused, 2)))
            else:
                self.append_if_moderate(self.rng.choices(list(OPERATIONS), self.weights)[0])
        return Program(seed, tuple(self.values[:INPUTS]), tuple(self.lines))

    def append_if_moderate(self, name: str) -> None:
        """Draw operands, and add the line if it is a moderate step and leaves no more values than can be joined."""
        count = len(OPERATIONS[name].partials)
        first = next(iter(self.unused)) if self.rng.random() < OLDEST_UNUSED else self.operand()
        operands = first, *(self.operand() for _ in range(count - 1))
        waiting = len(self.unused) - sum(each in self.unused for each in set(operands)) + 1
        if len(set(operands)) == count and waiting <= self.left and self.is_moderate(name, operands):
            self.append(name, operands)

    def operand(self) -> int:
        """A recent value or any."""
        count = len(self.values)
        return self.rng.randrange(max(0, count - RECENT), count) if self.rng.random() < 0.5 else self.rng.randrange(count)

    def is_moderate(self, name: str, operands: tuple[int, ...]) -> bool:
        """Does this keep value and gradient in their ranges?"""
        try:
            value, partials = self.evaluators[name](*(self.values[each] for each in operands))
        except (ArithmeticError, ValueError):
            return False
        return VALUES[0] <= abs(value) <= VALUES[1] and all(PARTIALS[0] <= abs(each) <= PARTIALS[1] for each in partials)

    def append(self, name: str, operands: tuple[int, ...]) -> None:
        """Add a line."""
        for each in operands:
            self.unused.pop(each, None)
        self.unused[len(self.values)] = None
        self.values.append(self.evaluators[name](*(self.values[each] for each in operands))[0])
        self.lines.append(Line(name, operands))
        self.left -= 1
