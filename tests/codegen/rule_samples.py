"""What a rewrite rule is tried on, and what it must keep: shared by the tests of the tables."""
import itertools

import numpy as np

from codegen.report import Report
from codegen.simplify.driver import Rewriter
from codegen.simplify.pattern import Extent, Literal, Number, Rule, RuleIndex, Variable
from codegen.simplify.probes import TOLERATED_ULP, exact_value, same_class, ulp_error
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.node import Builder, Node
from tracer.graph.types import array_type
from tracer.graph.verify import verify
from tracer.ops import TABLE

DTYPES = {"float": ("float64", "float32"), "integer": ("int64", "uint8"), "bool": ("bool",), "any": ("float64", "float32", "int64")}
ORDINARY = (0.3, -0.7, 1.0, -1.0, 2.5, -3.25, 0.01, 17.0, -40.0, 1e-9)
EXTREME = (0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 1e200, -1e200, 1e-200, 5e-324, -5e-324, 1e-310, 1e160, 2e-162, 709.9, -745.5, 1e38, -1e-45)
EVERYDAY = (0.3, -0.7, 1.0, -1.0, 2.5, -3.25, 0.04, 1.7)
EXTENTS = (3.0, 0.1, 100.0, 1.0)
CONSTANTS = (2.0, -0.5, 3.0, 0.1, -7.25, 4.0, 0.0, -0.0, 1e300, np.inf)


def values(dtype: str, everyday: bool) -> np.ndarray:
    """Sample values of a dtype; ``everyday`` leaves out what real-number algebra makes no promise about."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype.startswith("float"):
        with np.errstate(all="ignore"):
            return np.array(EVERYDAY if everyday else ORDINARY + EXTREME).astype(dtype)
    info = np.iinfo(dtype)
    return np.array(sorted({info.min, info.max, 0, 1, 2, 5, max(-1, info.min), max(-7, info.min)}), dtype)


def variables(pattern) -> list[Variable]:
    """The variables of a pattern, as they are met; numbers among them."""
    if isinstance(pattern, Variable):
        return [pattern]
    found = [v for o in getattr(pattern, "operands", ()) for v in variables(o)]
    return list({v.name: v for v in found}.values())


def instance(builder: Builder, pattern, bound: dict[str, Node], dtype: str) -> Node:
    """The node that a pattern stands for."""
    if isinstance(pattern, Variable):
        return bound[pattern.name]
    if isinstance(pattern, Literal):
        return builder.constant(pattern.value, "bool" if isinstance(pattern.value, bool) else dtype)
    return builder.node(pattern.op, tuple(instance(builder, o, bound, dtype) for o in pattern.operands), pattern.attrs)


def operand_forms(builder: Builder, inputs: list[Node], form: str) -> list[Node] | None:
    """Inputs as they are, as something that is never negative, or in the other order of creation, for rules which ask for that."""
    if form == "plain":
        return inputs
    if form == "not negative":
        return [builder.node(TABLE["absolute"], (n,)) if n.type.is_float else n for n in inputs] if any(n.type.is_float for n in inputs) else None
    return inputs[::-1] if len(inputs) > 1 and len({n.type for n in inputs}) == 1 else None


def rows_of(dtypes: list[str], everyday: bool, every: int = 1) -> list[np.ndarray]:
    """Combinations of sample values, one array for each operand."""
    grids = np.meshgrid(*[values(t, everyday) for t in dtypes], indexing="ij")
    return [g.ravel()[::every] for g in grids]


def graphs_of(rule: Rule, dtype: str, scalar: bool):
    """(graph whose output the rule matches, a row of values for each input), for operands and constants that the rule accepts."""
    names = variables(rule.pattern)
    free = [v for v in names if not isinstance(v, (Number, Extent))]
    numbers = [v for v in names if isinstance(v, (Number, Extent))]
    dtypes = ["bool" if v.name == "condition" else dtype for v in free]
    rows = rows_of(dtypes, rule.tag == "real", every=5 if scalar and len(free) > 1 else 1)
    choices = [EXTENTS if isinstance(v, Extent) else CONSTANTS[:6] if rule.tag == "real" else CONSTANTS for v in numbers]
    for form, constants in itertools.product(("plain", "not negative", "reversed"), itertools.product(*choices)):
        builder = Builder()
        inputs = [builder.input(array_type(t, () if scalar else rows[0].shape), k) for k, t in enumerate(dtypes)]
        operands = operand_forms(builder, inputs, form)
        if operands is None:
            continue
        bound = {v.name: n for v, n in zip(free, operands)}
        bound |= {v.name: builder.constant(np.array(c).astype(dtype)[()], dtype, isinstance(v, Extent)) for v, c in zip(numbers, constants)}
        if rule.when is None or rule.when(bound):
            yield Graph(inputs, [instance(builder, rule.pattern, bound, dtype)]), rows


def results(graph: Graph, rows: list[np.ndarray]) -> np.ndarray:
    """The only output at every row: at once where the inputs are arrays, else one by one."""
    if not graph.inputs or graph.inputs[0].type.ndim:
        return evaluate(graph, *rows)[0]
    return np.array([evaluate(graph, *row)[0] for row in zip(*rows)], graph.outputs[0].type.dtype)


def apply_alone(rule: Rule, graph: Graph) -> Graph | None:
    """The graph after this rule and constant folding only; None if the rule did not apply."""
    report = Report()
    result = verify(Rewriter(RuleIndex([rule]), report).rebuild(graph))
    return result if report.rewrites[rule.name] else None


def check_exact(before: np.ndarray, after: np.ndarray, zero_sign: bool = True) -> None:
    """The same dtype, shape and bits; NaN is NaN."""
    assert before.dtype == after.dtype and before.shape == after.shape, (before, after)
    np.testing.assert_array_equal(before, after)
    if zero_sign and before.dtype.kind == "f":
        number = ~np.isnan(before)
        np.testing.assert_array_equal(np.signbit(before[number]), np.signbit(after[number]))


def check_closer(graph: Graph, rows: list[np.ndarray], before: np.ndarray, after: np.ndarray, beside_operands: bool) -> None:
    """Within 2 ulp of the exact value, or no farther from it than before; NaN or inf goes only where there is a finite value or a limit.

    ``beside_operands``: in units of the largest operand, where that is larger.
    """
    assert before.dtype == after.dtype and before.shape == after.shape
    for k in np.flatnonzero(~same_class(before, after) | ((before != after) & np.isfinite(before))):
        row = [r[k] for r in rows]
        point = f"at {row}: {before[k]!r} became {after[k]!r}"
        assert np.isfinite(before[k]) <= np.isfinite(after[k]), point
        if np.isnan(before[k]) and not np.isfinite(row).all() and not np.isnan(row).any():
            continue        # a limit where there was none
        exact = exact_value(graph.outputs[0], graph.inputs, row)
        if np.isinf(float(exact)) and not np.isfinite(before[k]):
            continue        # more digits than there are would be needed, as for log(exp(-1e308))
        bound = max(TOLERATED_ULP, ulp_error(before[k], exact, before.dtype.type)) if np.isfinite(before[k]) else TOLERATED_ULP
        if beside_operands:
            bound *= max(1.0, float(np.max(np.spacing(np.abs(row))) / np.spacing(before.dtype.type(abs(float(exact))))))
        assert ulp_error(after[k], exact, before.dtype.type) <= bound, f"{point}, exactly {exact}"


def check_real(before: np.ndarray, after: np.ndarray) -> None:
    """The same number wherever both are finite, but for rounding."""
    usable = np.isfinite(before) & np.isfinite(after)
    assert usable.sum() >= 2
    relative, absolute = (1e-4, 1e-5) if before.dtype == np.float32 else (1e-9, 1e-13)
    np.testing.assert_allclose(after[usable], before[usable], rtol=relative, atol=absolute)


@np.errstate(all="ignore")
def check_rule(rule: Rule) -> int:
    """Hold a rule against its tag on every sample; on how many graphs it was applied."""
    applied = 0
    for dtype, scalar in itertools.product(DTYPES[rule.on], (False, True)):
        for graph, rows in graphs_of(rule, dtype, scalar):
            rewritten = apply_alone(rule, graph)
            if rewritten is not None:
                applied += 1
                check(rule.tag, graph, rows, results(graph, rows), results(rewritten, rows))
    return applied


def check(tag: str, graph: Graph, rows: list[np.ndarray], before: np.ndarray, after: np.ndarray) -> None:
    """The promise of a tag."""
    if tag in ("accuracy", "range"):
        check_closer(graph, rows, before, after, tag == "range")
    elif tag == "real":
        check_real(before, after)
    else:
        check_exact(before, after, zero_sign=tag != "guard")
