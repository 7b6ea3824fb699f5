"""The rewrite tables and the pass that applies them."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codegen.schedule.expand import expand
from codegen.simplify import LEVELS, OPTIONS, Report, rewrite, simplify
from codegen.simplify.conditions import is_non_negative
from codegen.simplify.driver import REWRITES_PER_NODE, Rewriter
from codegen.simplify.fast_rules import FAST_RULES
from codegen.simplify.movement_rules import MOVEMENT_RULES
from codegen.simplify.pattern import Pattern, Rule, RuleIndex, Variable, operation
from codegen.simplify.rules import ACCURACY_RULES, EXACT_RULES, MARKER_RULES
from tracer.derive.reverse import gradients
from tracer.graph.evaluate import evaluate
from tracer.graph.graph import Graph
from tracer.graph.node import CONSTANT, Builder
from tracer.graph.text import format_graph
from tracer.graph.types import FLOAT64, array_type
from tracer.graph.verify import verify
from tracer.ops import TABLE
from tracer.trace.session import tracing
from tracer.trace.value import Traced

from .rule_samples import apply_alone, check_exact, check_rule

ALGEBRA = (*MARKER_RULES, *EXACT_RULES, *ACCURACY_RULES, *FAST_RULES)
TAGS = {"always", "exact", "guard", "accuracy", "range", "real"}
x, y, c = Variable("x"), Variable("y"), Variable("c")


class Formulas:
    """A graph under construction, with a short name for each operation."""

    def __init__(self):
        self.builder = Builder()
        self.inputs = []

    def input(self, shape=(), dtype="float64"):
        self.inputs.append(self.builder.input(array_type(dtype, shape), len(self.inputs)))
        return self.inputs[-1]

    def number(self, value, dtype="float64", run_time=False):
        return self.builder.constant(value, dtype, run_time)

    def __getattr__(self, name):
        op = TABLE[name.rstrip("_")]
        return lambda *operands, attrs=(): self.builder.node(op, operands, attrs)

    def graph(self, *outputs):
        return verify(Graph(self.inputs, outputs))


def names(graph):
    """The operations of a graph, constants and inputs aside, in order."""
    return [node.op.name for node in graph.nodes if node.op.kind != "source"]


def safe(graph, report=None):
    return verify(simplify(graph, "safe", report))


# The tables -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("rule", [r for r in ALGEBRA if isinstance(r.replacement, Pattern)], ids=lambda r: r.name)
def test_every_row_keeps_the_promise_of_its_tag(rule):
    assert check_rule(rule) > 0, "the rule was never applied"


def test_rows_of_algebra_are_all_checked():
    assert all(isinstance(r.replacement, Pattern) for r in ALGEBRA)
    assert {r.tag for rules in LEVELS.values() for r in rules} <= TAGS


def test_levels_hold_what_they_may():
    assert {r.tag for r in LEVELS[False]} == {"always"}
    assert {r.tag for r in LEVELS["safe"]} == {"always", "exact", "guard", "accuracy", "range"}


def test_names_of_rules_are_unique():
    for rules in LEVELS.values():
        told_apart = [(r.name, r.on, r.when) for r in rules]
        assert len(set(told_apart)) == len(told_apart)


@pytest.mark.parametrize("rule", [
    Rule(x + 0.0, x),                                                              # -0.0
    Rule(x - x, 0.0),                                                              # inf, NaN
    Rule(-(x - y), y - x),                                                         # the sign of zero
    Rule(operation("absolute")(x) * y, operation("absolute")(x * y)),              # the sign
    Rule(operation("log")(x * x), operation("log")(x) * 2.0, "accuracy"),          # NaN for negative operands
    Rule(operation("exp")(x) - 1.0, operation("expm1")(-x), "accuracy"),           # wrong
    Rule(x * x - y * y, (x - y) * (x + y) * 2.0, "real"),                          # wrong
    Rule(operation("power")(x, -0.5), 1.0 / operation("sqrt")(x), "accuracy"),     # -inf, -0.0
], ids=lambda r: r.name)
def test_a_false_row_is_caught(rule):
    with pytest.raises(AssertionError):
        check_rule(rule)


# Movements --------------------------------------------------------------------------------------------------------------

def _movement_samples():
    f = Formulas()
    a, b, column, cube = f.input((3, 4)), f.input((4,)), f.input((3, 1)), f.input((2, 3, 4))
    ints, number = f.input((4,), "int32"), f.input()
    flags = f.input((4,), "bool")
    wide = f.broadcast_to(b, attrs=((3, 4),))
    joined = f.concatenate(a, wide, f.multiply(a, a), attrs=(0,))
    part = ((2, 2, -1), (0, 2, 3))
    zero = f.number(0.0)
    zeros = f.broadcast_to(zero, attrs=((4,),))
    samples = {
        "reshape(reshape(x)) -> reshape(x)": f.reshape(f.reshape(a, attrs=((2, 6),)), attrs=((12,),)),
        "reshape to the same shape -> x": f.reshape(a, attrs=((3, 4),)),
        "transpose(transpose(x)) -> transpose(x)": f.transpose(f.transpose(cube, attrs=((1, 2, 0),)), attrs=((2, 1, 0),)),
        "reshape(number) -> broadcast_to(number)": f.reshape(number, attrs=((1, 1),)),
        "reshape(broadcast_to(number)) -> broadcast_to(number)": f.reshape(f.broadcast_to(number, attrs=((2, 3),)), attrs=((6,),)),
        "transpose of axes of length 1 -> reshape(x)": [
            f.transpose(column, attrs=((1, 0),)), f.transpose(f.reshape(cube, attrs=((2, 1, 3, 1, 4),)), attrs=((3, 0, 2, 1, 4),))],
        "transpose in the same order -> x": f.transpose(a, attrs=((0, 1),)),
        "broadcast_to the same shape -> x": f.broadcast_to(a, attrs=((3, 4),)),
        "broadcast_to(broadcast_to(x)) -> broadcast_to(x)": f.broadcast_to(wide, attrs=((2, 3, 4),)),
        "broadcast_to(leading axes of length 1) -> broadcast_to(x)": f.broadcast_to(f.reshape(b, attrs=((1, 4),)), attrs=((3, 4),)),
        "elementwise(broadcast_to(x), y) -> elementwise(x, y)": [
            f.multiply(wide, a), f.exp(wide), f.add(wide, f.number(2.0)), f.subtract(f.broadcast_to(column, attrs=((3, 4),)), wide)],
        "elementwise(leading axes of length 1, y) -> elementwise(x, y)": f.add(a, f.reshape(b, attrs=((1, 4),))),
        "sum(broadcast_to(number)) -> n * number": [
            f.sum(f.broadcast_to(f.number(v), attrs=((5, 7),)), attrs=((1,),)) for v in (1.0, -0.75, 0.0, 3.0)],
        "index of all elements -> reshape(x)": [f.index(a, attrs=(((0, 3, 1), (0, 4, 1)),)), f.index(column, attrs=(((0, 3, 1), 0),))],
        "index(index(x)) -> index(x)": [
            f.index(f.index(cube, attrs=((1, (2, 3, -1), (0, 2, 2)),)), attrs=(((2, 2, -1), 1),)),
            f.index(f.index(a, attrs=((2, (3, 4, -1)),)), attrs=(((1, 2, 2),),)),
            f.index(f.index(a, attrs=((2, (3, 4, -1)),)), attrs=(((0, 0, 1),),))],
        "index(broadcast_to(x)) -> broadcast_to(index(x))": [
            f.index(wide, attrs=((1, 2),)), f.index(wide, attrs=(part,)),
            f.index(f.broadcast_to(column, attrs=((2, 3, 4),)), attrs=((1, (0, 2, 2), (1, 3, 1)),)),
            f.index(f.broadcast_to(zero, attrs=((5,),)), attrs=((3,),))],
        "index(concatenate(...)) -> index(piece)": [
            f.index(joined, attrs=((7, 2),)), f.index(joined, attrs=(((5, 2, -1), (0, 4, 1)),)), f.index(joined, attrs=(((0, 3, 1), 1),))],
        "concatenate of one -> x": f.concatenate(a, attrs=(0,)),
        "assemble of zeros -> fewer pieces": [
            f.assemble(b, zeros, attrs=((6,), (((0, 4, 1),), ((2, 4, 1),)))), f.assemble(zero, attrs=((2,), ((1,),)))],
        "cast(cast(x)) -> cast(x)": [
            f.cast(f.cast(ints, attrs=("<f8",)), attrs=("<i4",)), f.cast(f.cast(flags, attrs=("<i8",)), attrs=("<f8",))],
        "cast to the same dtype -> x": f.cast(a, attrs=("<f8",)),
        **{f"{name} over no axes -> x": getattr(f, name)(flags if name in ("any", "all") else b, attrs=((),))
           for name in ("sum", "prod", "max", "min", "any", "all")},
    }
    return f, samples


@pytest.mark.parametrize("rule", MOVEMENT_RULES, ids=lambda r: r.name)
def test_every_movement_row_keeps_every_bit(rule):
    f, samples = _movement_samples()
    found = samples[rule.name]
    rng = np.random.default_rng(0)
    arguments = [np.asarray(rng.integers(0, 2, n.type.shape)).astype(n.type.dtype) if not n.type.is_float else rng.normal(size=n.type.shape) for n in f.inputs]
    for node in found if isinstance(found, list) else [found]:
        graph = f.graph(node)
        rewritten = apply_alone(rule, graph)
        assert rewritten is not None, f"{rule.name} does not apply to {node}"
        check_exact(evaluate(graph, *arguments)[0], evaluate(rewritten, *arguments)[0])


@pytest.mark.parametrize("build", [
    lambda f, a: f.sum(f.broadcast_to(f.number(0.1), attrs=((10,),)), attrs=((0,),)),                    # rounded on the way
    lambda f, a: f.sum(f.broadcast_to(f.number(2.0, run_time=True), attrs=((10,),)), attrs=((0,),)),     # another length, another number
    lambda f, a: f.transpose(a, attrs=((1, 0),)),
    lambda f, a: f.reshape(a, attrs=((6, 2),)),
    lambda f, a: f.add(f.reshape(f.sum(a, attrs=((0,),)), attrs=((1, 4),)), f.number(1.0)),              # nothing else has two axes
    lambda f, a: f.sum(f.sum(a, attrs=((0,),)), attrs=((0,),)),
], ids=["sum of tenths", "sum of run-time numbers", "transpose", "reshape", "leading axis", "sum of sums"])
def test_movements_that_stay(build):
    f = Formulas()
    graph = f.graph(build(f, f.input((3, 4))))
    assert format_graph(safe(graph)) == format_graph(graph)


def test_reads_across_pieces_stay():
    f = Formulas()
    a, b = f.input((3,)), f.input((3,))
    graph = f.graph(f.index(f.concatenate(a, b, attrs=(0,)), attrs=(((2, 2, 1),),)))
    assert names(safe(graph)) == ["concatenate", "index"]


def test_a_stack_that_is_read_again_leaves_nothing():
    f = Formulas()
    a, b = f.input(), f.input()
    stacked = f.concatenate(f.reshape(a, attrs=((1,),)), f.reshape(b, attrs=((1,),)), attrs=(0,))
    graph = f.graph(f.multiply(f.index(stacked, attrs=((1,),)), f.index(stacked, attrs=((0,),))))
    assert names(safe(graph)) == ["multiply"]


# What must not happen in "safe" -------------------------------------------------------------------------------------------

def _untouched(build):
    f = Formulas()
    graph = f.graph(build(f, f.input(), f.input()))
    assert format_graph(safe(graph)) == format_graph(graph)


@pytest.mark.parametrize("build", [
    lambda f, a, b: f.subtract(f.add(a, f.number(1e16)), f.number(1e16)),
    lambda f, a, b: f.subtract(f.add(a, f.number(4.0)), f.number(4.0)),
    lambda f, a, b: f.subtract(f.multiply(a, a), f.multiply(b, b)),
    lambda f, a, b: f.subtract(f.subtract(f.add(a, b), a), b),               # Kahan's residue
    lambda f, a, b: f.subtract(a, a),
    lambda f, a, b: f.divide(f.multiply(a, b), b),
    lambda f, a, b: f.add(a, f.number(0.0)),
    lambda f, a, b: f.multiply(a, f.number(0.0)),
    lambda f, a, b: f.sqrt(f.multiply(a, a)),
    lambda f, a, b: f.divide(a, f.number(3.0)),
    lambda f, a, b: f.divide(a, f.number(5e-324)),                            # a power of two without a reciprocal
    lambda f, a, b: f.add(f.multiply(a, f.number(3.0)), f.multiply(a, f.number(-2.0))),
    lambda f, a, b: f.exp(f.log(a)),
    lambda f, a, b: f.divide(f.number(1.0), f.divide(f.number(1.0), a)),
], ids=["absorbed", "quantised", "difference of squares", "residue", "x-x", "x*y/y", "x+0", "x*0", "root of square", "x/3", "x/tiny",
        "3x-2x", "exp(log)", "1/(1/x)"])
def test_safe_leaves_alone(build):
    _untouched(build)


def test_the_gradient_of_an_untaken_branch_stays_guarded():
    _untouched(lambda f, a, b: f.strong_multiply(a, f.log(b)))


# The pass ---------------------------------------------------------------------------------------------------------------

def test_constants_are_folded():
    f = Formulas()
    a = f.input((2,))
    graph = f.graph(f.add(a, f.sqrt(f.multiply(f.number(8.0), f.number(2.0)))))
    assert format_graph(safe(graph)).splitlines()[1].strip() == "%0 = add(x0, 4.0) : float64[2]"


def test_captured_arrays_are_folded_but_not_blown_up():
    f = Formulas()
    table = f.builder.array(np.arange(4.0))
    graph = f.graph(f.exp(table), f.broadcast_to(table, attrs=((5, 4),)))
    assert names(safe(graph)) == ["broadcast_to"]


def test_one_operand_that_is_no_constant_is_enough_to_stop_folding():
    f = Formulas()
    pieces = [f.builder.array(np.arange(k, k + 2.0)) for k in range(4)]
    graph = f.graph(f.concatenate(*pieces, f.input((3,)), attrs=(0,)))
    assert names(safe(graph)) == ["concatenate"]
    assert names(safe(f.graph(f.concatenate(*pieces[:2], attrs=(0,))))) == ["concatenate"]      # nor is the result larger than an operand


def test_integer_division_by_zero_is_left_to_fail_when_it_runs():
    f = Formulas()
    graph = f.graph(f.floor_divide(f.number(1, "int64"), f.number(0, "int64")))
    assert names(safe(graph)) == ["floor_divide"]


def test_numbers_that_follow_from_extents_stay_so():
    f = Formulas()
    a, one, four = f.input((4,)), f.number(1.0, run_time=True), f.number(4.0, run_time=True)
    graph = f.graph(f.multiply(a, one), f.divide(a, four), f.multiply(a, f.divide(f.number(1.0), four)))
    result = safe(graph)
    assert names(result) == ["multiply", "divide", "multiply"]
    assert all(node.attrs[2] for node in result.nodes if node.op is CONSTANT)


def test_the_shape_survives_a_rule_that_forgets_it():
    f = Formulas()
    condition, a = f.input((3, 1), "bool"), f.input((4,))
    result = safe(f.graph(f.where(condition, a, a)))
    assert names(result) == ["broadcast_to"] and result.outputs[0].type.shape == (3, 4)


def test_common_subexpressions_meet_after_rewriting():
    f = Formulas()
    a, b = f.input(), f.input()
    graph = f.graph(f.add(f.multiply(a, b), f.multiply(f.negative(f.negative(b)), f.multiply(a, f.number(1.0)))))
    assert names(safe(graph)) == ["multiply", "multiply"]      # (a*b) * 2


def test_false_only_removes_what_the_derivative_left():
    f = Formulas()
    a = f.input()
    graph = f.graph(f.multiply(f.stop_gradient(f.copy_of(a, attrs=(1,))), f.number(1.0)))
    assert names(verify(simplify(graph, False))) == ["multiply"]
    assert names(safe(graph)) == []


def test_value_and_gradient_of_a_logistic_loss_share_their_exponential():
    with tracing("loss") as session:
        z = Traced(session.trace.builder.input(FLOAT64, 0), session.trace)
        loss = np.logaddexp(0.0, z)
        slope, = gradients(session.trace, loss, [z])
    graph = safe(Graph([z.node], [loss.node, slope.node]))
    joined = verify(expand(graph))
    apart = [expand(Graph(graph.inputs, [output])) for output in graph.outputs]
    assert [names(each).count("exp") for each in (*apart, joined)] == [1, 1, 1] and len(joined.nodes) < sum(len(each.nodes) for each in apart)
    for point in (0.0, -0.0, 3.5, -800.0, 800.0, np.inf, -np.inf, np.nan):
        for before, after in zip(apart, evaluate(joined, point)):
            check_exact(*evaluate(before, point), after)


def test_both_derivatives_of_a_logarithm_take_one_division():
    with tracing("loss") as session:
        z = Traced(session.trace.builder.input(FLOAT64, 0), session.trace)
        first, = gradients(session.trace, np.log(z), [z])
        second, = gradients(session.trace, first, [z])
    graph = safe(Graph([z.node], [first.node, second.node]))
    assert sorted(names(graph)) == ["divide", "multiply", "negative"]
    with np.errstate(divide="ignore", over="ignore"):
        for point in (3.0, -0.5, 1e-200, 1e200, 0.0, np.inf):
            first, second = evaluate(graph, point)
            np.testing.assert_allclose([first, second], [1 / np.float64(point), -1 / np.float64(point) ** 2], rtol=1e-15)


def test_rewriting_what_is_expanded_makes_nothing_to_expand():
    f = Formulas()
    a = f.input()
    graph = f.graph(f.add(f.maximum(a, f.number(0.0)), f.log1p(f.exp(f.negative(f.absolute(a))))))
    assert names(rewrite(graph)) == names(safe(graph)) == ["maximum", "absolute", "negative", "exp", "log1p", "add"]


def test_unknown_levels_are_refused():
    f = Formulas()
    a = f.input()
    with pytest.raises(ValueError, match='use "safe", "fast" or False'):
        simplify(f.graph(a), "faster")


def test_rewriting_ends_even_if_rules_chase_each_other():
    report = Report()
    chase = RuleIndex([Rule(x + y, -(-x - y)), Rule(-x - y, -(x + y)), Rule(operation("negative")(-x), x)])
    f = Formulas()
    a, b = f.input(), f.input()
    Rewriter(chase, report).rebuild(f.graph(f.add(a, b)))
    assert report.exhausted and sum(report.rewrites.values()) <= 3 * REWRITES_PER_NODE


def test_names_outputs_and_unused_inputs_stay():
    f = Formulas()
    a, b = f.input(), f.input()
    graph = Graph([a, b], [f.multiply(a, f.number(1.0)), a], ["first", "second"], ["value", "same"], "model")
    result = safe(graph)
    assert (result.name, result.input_names, result.output_names) == ("model", ("first", "second"), ("value", "same"))
    assert result.outputs[0] is result.outputs[1] is result.inputs[0]


def _loop(iterations):
    """An unrolled loop with something to rewrite in each turn."""
    f = Formulas()
    p, q = f.input(), f.input()
    for _ in range(iterations):
        p = f.subtract(f.multiply(p, f.number(1.0)), f.negative(f.power(q, f.number(2.0))))
        q = f.multiply(f.sin(f.negative(p)), f.divide(q, f.number(2.0)))
    return f.graph(p, q)


def test_every_turn_of_a_loop_is_rewritten_alike():
    sizes = [len(safe(_loop(n)).nodes) for n in (1, 2, 3, 10, 50)]
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] == (sizes[3] - sizes[2]) / 7 == (sizes[4] - sizes[3]) / 40
    turn = names(safe(_loop(3)))
    assert turn[:len(turn) // 3] == turn[len(turn) // 3:2 * len(turn) // 3]


def test_the_same_graph_gives_the_same_text():
    assert format_graph(safe(_loop(20))) == format_graph(safe(_loop(20)))


def test_depth_is_no_recursion():
    f = Formulas()
    a = f.input()
    for _ in range(50_000):
        a = f.sin(f.negative(a))
    assert len(simplify(f.graph(a)).nodes) == 50_001       # each sign moves out of one sine and cancels in the next


def test_the_report_names_what_was_done():
    report = Report()
    safe(_loop(2), report)
    assert report.rewrites["x - (-y) -> x + y"] == 2 and report.rewrites["x ** 2.0 -> x * x"] == 2
    assert report.nodes_before > report.nodes_after and report.cost_before > report.cost_after
    assert "     2 x  x ** 2.0 -> x * x" in report.lines()


def test_ranges_are_seen():
    f = Formulas()
    a = f.input()
    assert is_non_negative(f.add(f.multiply(a, a), f.exp(a)))
    assert not is_non_negative(f.subtract(f.exp(a), f.exp(a)))
    assert not is_non_negative(f.add(f.multiply(a, a), f.number(-0.0))) and not is_non_negative(a)


# Random graphs ------------------------------------------------------------------------------------------------------------

UNARY = ("negative", "absolute", "sin", "cos", "tanh", "square", "sqrt", "exp")
BINARY = ("add", "subtract", "multiply", "divide")
NUMBERS = (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0)
EXACT = RuleIndex([*MARKER_RULES, *EXACT_RULES, *MOVEMENT_RULES])


@st.composite
def random_graphs(draw):
    """A graph of element-wise operations, comparisons, selects, powers and movements on two vectors and a number."""
    f = Formulas()
    nodes = [f.input((5,)), f.input((5,)), f.input(), *map(f.number, NUMBERS)]
    for _ in range(draw(st.integers(3, 25))):
        kind = draw(st.integers(0, 9))
        pick = lambda: draw(st.sampled_from(nodes))
        if kind < 3:
            node = getattr(f, draw(st.sampled_from(UNARY)))(pick())
        elif kind < 7:
            node = getattr(f, draw(st.sampled_from(BINARY)))(pick(), pick())
        elif kind == 7:
            node = f.where(f.less(pick(), pick()), pick(), pick())
        elif kind == 8:
            node = f.power(pick(), f.number(draw(st.sampled_from((0.0, 1.0, 2.0, -1.0)))))
        else:
            vector = f.broadcast_to(pick(), attrs=((5,),))
            node = f.index(vector, attrs=(draw(st.sampled_from([((4, 5, -1),), (2,), ((0, 5, 1),)])),))
        nodes.append(node)
    return f.graph(*nodes[-3:])


POINTS = st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.3, -2.5, 1e308, -1e308, 1e-310, 1e-160, np.inf, -np.inf, np.nan]), min_size=11, max_size=11)


@settings(max_examples=150, deadline=None)
@given(random_graphs(), POINTS)
def test_exact_rules_keep_every_bit_of_random_graphs(graph, points):
    arguments = np.array(points[:5]), np.array(points[5:10]), points[10]
    report = Report()
    rewritten = verify(Rewriter(EXACT, report).rebuild(graph))
    assert not report.exhausted
    for before, after in zip(evaluate(graph, *arguments), evaluate(rewritten, *arguments)):
        check_exact(before, after)


@settings(max_examples=60, deadline=None)
@given(random_graphs())
def test_no_level_makes_an_illegal_or_costlier_graph(graph):
    for level in OPTIONS:
        report = Report()
        verify(simplify(graph, level, report))
        assert not report.exhausted
