"""Differences in kind between an eager call and a compiled one: branches, updates in place, and ties. In words, with the user's line."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import numpy as np

from .eager_run import EagerRun
from .eager_steps import Step
from .graph.op import NOT_DIFFERENTIABLE, ZERO
from .trace.context import user_line_of

STEP = 2.0**-26  # relative; half the digits of float64


COMPARISONS = {"less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}


def differences_in_kind(run: EagerRun) -> list[str]:
    """A line for each branch that Python took on a value, each line that updates an array, and each operation or comparison at a tie or kink."""
    return [*_branches(run), *_updates(run), *_ties(run), *_equal_comparisons(run)]


def _branches(run: EagerRun) -> Iterator[str]:
    for (line, outcome), count in Counter([(user_line_of(place), outcome) for place, outcome in run.branches]).items():
        times = f", {count} times" if count > 1 else ""
        yield f"{_short(line)}: Python branches on a value. Eager asks, gets {outcome}{times}, and runs one arm; a trace has to follow both."


def _updates(run: EagerRun) -> Iterator[str]:
    for line in dict.fromkeys(map(user_line_of, run.updates)):
        yield f"{_short(line)}: an array is updated in place. Eagerly its memory is overwritten; a graph has a new value instead, which later reads take."


def _ties(run: EagerRun) -> Iterator[str]:
    found = Counter((run.line_of(node), node.op) for node in run.tape if node.op.kink and node.inputs[0].type.is_float for _ in range(_kinks(run, node)))
    for (line, op), count in found.items():
        elements = f"{count} elements" if count > 1 else "one element"
        yield f"{_short(line)}: {op.name} at a tie or kink ({elements}). There is no derivative; both take the convention: {op.kink}."


def _equal_comparisons(run: EagerRun) -> Iterator[str]:
    found: Counter = Counter()
    for node in run.tape:
        if node.op.name in COMPARISONS and all(each.type.is_float for each in node.inputs):
            a, b = run.operands(node)
            found[run.line_of(node), node.op.name] += int(np.sum(np.equal(a, b)))
    for (line, name), count in found.items():
        if count:
            elements = f"{count} elements" if count > 1 else "one element"
            yield (f"{_short(line)}: `{COMPARISONS[name]}` of equal numbers ({elements}). Where a slope hangs on it there is no derivative; both take the "
                   "chosen arm's.")


def _short(line: str) -> str:
    return os.path.basename(line)


def _kinks(run: EagerRun, node: Step) -> int:
    """How many elements of the operation's result lie on a kink."""
    operands = run.operands(node)
    if node.op.name == "argsort":
        return int(np.sum(np.diff(np.sort(operands[0], axis=-1), axis=-1) == 0))
    if node.op.kind not in ("elementwise", "reduction") or node.op.partials in (ZERO, NOT_DIFFERENTIABLE):
        return 0
    if not all(np.all(np.isfinite(each)) for each in operands):
        return 0
    with np.errstate(all="ignore"):
        return int(np.sum(np.any([_slopes_differ(node, operands, k) for k, each in enumerate(operands) if each.dtype.kind == "f"] or [False], axis=0)))


def _slopes_differ(node: Step, operands: list[np.ndarray], place: int) -> np.ndarray:
    """Per element of the result: do the difference quotients to both sides of one operand disagree?"""
    step = STEP * np.maximum(1.0, np.abs(operands[place]))

    def moved(by):
        return np.asarray(node.op.evaluate(*operands[:place], operands[place] + by, *operands[place + 1:], *node.attrs), float)

    if node.op.kind != "elementwise":
        return _shares_differ(node, operands, place, moved)
    here = moved(0.0)
    right, left = (moved(step) - here) / step, (here - moved(-step)) / step
    return np.abs(right - left) > 0.25 * np.maximum(np.abs(right), np.abs(left))


def _shares_differ(node: Step, operands: list[np.ndarray], place: int, moved) -> np.ndarray:
    """For a reduction: moving any one element up and down by as much changes a result by different amounts."""
    found = np.zeros(node.type.shape, bool)
    here, values = moved(0.0), operands[place]
    for index in np.ndindex(values.shape):
        step = np.zeros(values.shape)
        step[index] = STEP * max(1.0, abs(float(values[index])))
        up, down = moved(step) - here, here - moved(-step)
        found |= np.abs(up - down) > 0.25 * np.maximum(np.abs(up), np.abs(down))
        if found.all() or values.size > 4096:
            break
    return found
