"""Do two expressions agree? The points at which that is tried, and the conditions of each level."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence

import mpmath
import numpy as np
import sympy as sp

from tracer.graph.graph import live_nodes
from tracer.graph.node import CONSTANT, Node, constant_value
from tracer.graph.op import Op

DIGITS = 50            # of the reference
CANCELLING_DIGITS = 700  # enough for a sum of any two float64
TOLERATED_ULP = 2.0    # "safe": the error of an answer, unless the original's is larger
AGREEMENT = 1e-9       # relative, both levels: beyond it the rounding was the point of the original, as in (x + 1e16) - 1e16
REFERENCE_ROWS = 48    # rows at which the exact value is worked out, those of the largest difference
ORDINARY_ROWS = 48
EVIDENCE = 8           # finite rows without which nothing has been shown

_EDGES = (0.0, 1.0, 0.5, 2.0, 1e16, 1e200, 1e-200, 1e300, 1e308, 1e-308, 5e-324, 700.0, 745.0, 100.0, 1e38, 1e-38, 1e-45, 2.0**-40, 1e-8, np.inf)
SPECIAL = (*_EDGES, *(-v for v in _EDGES), np.nan)


@functools.cache
def ordinary_rows(count: int) -> np.ndarray:
    """Rows of ``count`` everyday numbers: of both signs, positive ones, and ones between 0 and 1. Always the same."""
    points = np.random.default_rng(20240229).uniform(0.05, 1.0, (ORDINARY_ROWS, count))
    third = ORDINARY_ROWS // 3
    points[:third] = points[:third] * 6 - 3
    points[third:2 * third] *= 5
    return points


@functools.cache
def probe_rows(count: int) -> np.ndarray:
    """Ordinary rows; each leaf, and each pair of leaves, at every extreme; pairs that are equal, opposite, and almost equal."""
    base = ordinary_rows(count)
    rows = [base]
    for leaf in range(count):
        for start in base[:2]:
            block = np.tile(start, (len(SPECIAL), 1))
            block[:, leaf] = SPECIAL
            rows.append(block)
    for first, second in itertools.combinations(range(count), 2):
        block = np.tile(base[0], (len(SPECIAL) ** 2, 1))
        block[:, [first, second]] = list(itertools.product(SPECIAL, SPECIAL))
        rows.append(block)
        for factor in (1.0, -1.0, 1.0 + 2.0**-40, -1.0 + 2.0**-40):
            near = base.copy()
            near[:, second] = near[:, first] * factor
            rows.append(near)
    return np.concatenate(rows)


def _values(root: Node, leaves: Sequence[Node], rows: np.ndarray, dtype) -> dict[Node, np.ndarray]:
    """Every step of a float64 expression, evaluated in ``dtype`` at the rows."""
    values = {leaf: rows[:, k].astype(dtype) for k, leaf in enumerate(leaves)}
    with np.errstate(all="ignore"):
        for node in live_nodes((root,)):
            if node.op is CONSTANT:
                values[node] = np.asarray(constant_value(node)).astype(dtype if node.type.is_float else node.type.dtype)
            elif node not in values:
                values[node] = np.asarray(node.op.evaluate(*[values[o] for o in node.inputs], *node.attrs))
    return values


@functools.cache
def _exact_function(op: Op, arity: int) -> Callable:
    symbols = sp.symbols(f"a:{arity}", real=True)
    return sp.lambdify(symbols, op.sympy(*symbols), "mpmath")


def exact_value(root: Node, leaves: Sequence[Node], row):
    """The value of an expression at one row, exact but for rounding; with enough digits where many cancel."""
    few, more = [_evaluated(root, leaves, row, digits) for digits in (DIGITS, 2 * DIGITS)]
    with mpmath.workdps(DIGITS):
        settled = few != 0 and abs(few - more) <= abs(more) * mpmath.mpf(10) ** -20
    return more if settled else _evaluated(root, leaves, row, CANCELLING_DIGITS)


def _evaluated(root: Node, leaves: Sequence[Node], row, digits: int):
    with mpmath.workdps(digits):
        values = {leaf: mpmath.mpf(float(v)) for leaf, v in zip(leaves, row)}
        for node in live_nodes((root,)):
            if node.op is CONSTANT:
                values[node] = mpmath.mpf(float(constant_value(node)))
            elif node not in values:
                try:
                    values[node] = _exact_function(node.op, len(node.inputs))(*[values[o] for o in node.inputs])
                except ZeroDivisionError:
                    return mpmath.nan
        return values[root]


def ulp_error(value, exact, dtype=np.float64) -> float:
    """How far a number is from the exact value, in units in the last place of that."""
    with mpmath.workdps(DIGITS):
        rounded = abs(dtype(float(exact)))
        spacing = np.spacing(rounded) if np.isfinite(rounded) else np.finfo(dtype).max
        return float(abs(mpmath.mpf(float(value)) - exact) / mpmath.mpf(float(spacing)))


def same_class(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where both are NaN, or the same infinity, or finite."""
    return (np.isnan(a) & np.isnan(b)) | (np.isfinite(a) & np.isfinite(b)) | (a == b)


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Where finite numbers are the same but for rounding."""
    with np.errstate(all="ignore"):
        return np.abs(a - b) <= AGREEMENT * np.abs(a) + 4 * np.finfo(a.dtype).smallest_subnormal


def agrees_everywhere(original: Node, candidate: Node, leaves: Sequence[Node]) -> bool:
    """The promise of "safe": the same NaN and inf at every probe in both float types, the same number but for rounding, and no larger error."""
    rows = probe_rows(len(leaves))
    for dtype in (np.float64, np.float32):
        with np.errstate(all="ignore"):
            at = rows.astype(dtype)
        before = _values(original, leaves, at, dtype)
        a, b = before[original], _values(candidate, leaves, at, dtype)[candidate]
        finite = np.isfinite(a)
        loose = 1.0 if dtype is np.float64 else 1e4
        if finite[:ORDINARY_ROWS].sum() < EVIDENCE or not same_class(a, b).all():
            return False
        with np.errstate(all="ignore"):
            distance = np.abs(a - b)
            if not (distance <= loose * AGREEMENT * np.abs(a) + 4 * np.finfo(dtype).smallest_subnormal)[finite].all():
                return False
        if dtype is np.float64 and not _no_larger_error(original, leaves, rows, before, a, b, distance):
            return False
    return True


def _no_larger_error(original: Node, leaves, rows, before, a, b, distance) -> bool:
    """Against the exact value, at the rows where the two differ most. Where a step overflows there is nothing to compare with."""
    usable = (a != b) & np.all([np.isfinite(v) for n, v in before.items() if n.op is not CONSTANT], axis=0)
    with np.errstate(all="ignore"):
        worst = np.argsort(-np.where(usable, distance / np.spacing(np.abs(a)), -1.0), kind="stable")[:REFERENCE_ROWS]
    for k in worst:
        if usable[k]:
            exact = exact_value(original, leaves, rows[k])
            if not mpmath.isfinite(exact) or mpmath.im(exact) != 0:
                return False
            if ulp_error(b[k], exact) > max(TOLERATED_ULP, ulp_error(a[k], exact)):
                return False
    return True


def agrees_ordinarily(original: Node, candidate: Node, leaves: Sequence[Node]) -> bool:
    """The promise of "fast": the same number, but for rounding, wherever everyday operands give one."""
    rows = ordinary_rows(len(leaves))
    a, b = [_values(root, leaves, rows, np.float64)[root] for root in (original, candidate)]
    finite = np.isfinite(a) & np.isfinite(b)
    lost = np.isfinite(a) & ~np.isfinite(b)
    return bool(finite.sum() >= EVIDENCE and not lost.any() and _close(a, b)[finite].all())
