"""Branches on traced values: arms that are followed and joined, against the same Python code run natively and against differences."""

import abc
import dis
import math
import random
import warnings

import numpy as np
import pytest

from tracer import InPlaceError, TracedBoolError, grad, jit, value_and_grad
from tracer.trace.flow import compares_with_true

FILE = __file__


def agrees(function, *points, tolerance=1e-6):
    """Value and slope at each point, compiled once, against the native function and its central difference."""
    compiled = value_and_grad(function)
    for x in points:
        value, slope = compiled(x)
        assert value == pytest.approx(function(x), rel=1e-14)
        assert slope == pytest.approx((function(x + 1e-6) - function(x - 1e-6)) / 2e-6, rel=tolerance, abs=tolerance)
    assert compiled.explain().compiles == 1


def test_if_else():
    def f(x):
        if x > 1.0:
            y = x * x
        else:
            y = math.sin(x)
        return 2.0 * y
    agrees(f, 2.0, 0.5, -3.0)


def test_elif_early_return_and_functions_that_are_called():
    def part(x):
        if x < 0:
            return -x
        elif x > 10:
            return 10.0 * x
        return math.log1p(x)

    def f(x):
        return part(x) + part(x - 5.0) * x
    agrees(f, -2.0, 20.0, 3.0, 7.0)


def test_and_or_not_and_chained_comparisons():
    def f(x):
        y = x
        if 0 < x < 2 and not x > 1.5:
            y = x * x
        if x < -1 or x > 3:
            y = y * 3.0
        return y if not (x == 4.0 or x > 100) else 7.0 * x
    agrees(f, 1.0, 1.7, -2.0, 5.0, 200.0)


def test_break_continue_and_loops_in_arms():
    def f(x):
        total = 0.0
        for i in range(8):
            if x * i < 1.0:
                continue
            total += x * i
            if total > 6.0:
                break
        if total > 3.0:
            for j in range(3):
                total = total * 0.5 + x * j
        return total
    agrees(f, 0.9, 0.31, 2.3, 0.05)


def test_lists_buffers_and_their_views_in_arms():
    def f(x):
        out, kept = np.zeros(4), [1.0, 2.0]
        row = out[1:3]
        for i in range(4):
            if x[i] > 0:
                out[i] = x[i] * 2.0
                kept[0] = kept[0] + x[i]
            else:
                row[0] += 0.5 * x[i]
                kept = [kept[0], x[i]]
        return np.sum(out * out) + kept[0] * kept[1]
    x = np.array([-1.0, 1.0, -0.5, 3.0])
    value, slope = value_and_grad(f)(x)
    assert value == pytest.approx(f(x), rel=1e-14)
    steps = 1e-6 * np.eye(4)
    np.testing.assert_allclose(slope, [(f(x + s) - f(x - s)) / 2e-6 for s in steps], rtol=1e-7)


def test_arrays_in_arms():
    def f(x):
        if np.sum(x) > 1.0:
            y = x * x
        else:
            y = np.exp(x)
            y[0] = 0.0
        return np.sum(y * np.arange(3.0))
    for x in (np.array([1.0, 2.0, 3.0]), np.array([-1.0, 0.5, 0.2])):
        expected = [(f(x + s) - f(x - s)) / 2e-6 for s in 1e-6 * np.eye(3)]
        np.testing.assert_allclose(grad(f)(x), expected, rtol=1e-7, atol=1e-9)


def test_no_nan_comes_from_the_arm_that_is_not_taken():
    def f(x):
        if x > 0:
            return math.sqrt(x) * math.log(x)
        return x * 2.0
    compiled = value_and_grad(f)
    assert compiled(-1.0) == (-2.0, 2.0) and compiled(0.0) == (0.0, 2.0)


def test_integers_and_bools_of_arms():
    def f(x, table):
        i, is_large = 0, False
        if x > 1.0:
            i, is_large = 2, True
        return table[i] * x + (1.0 if is_large else 0.0)
    compiled = value_and_grad(f)
    table = np.array([1.0, 5.0, 9.0])
    assert compiled(0.5, table) == (0.5, 1.0) and compiled(2.0, table) == (19.0, 9.0)


def test_a_branch_on_a_static_value_is_not_followed_twice():
    def f(x, n):
        if n > 2:
            x = x * n
        if x > 0:
            x = x + 1.0
        return x
    compiled = jit(f)
    assert compiled(1.0, 3) == 4.0 and compiled(-1.0, 1) == -1.0
    assert str(compiled.graph).count("where") == 1


def test_second_derivatives_through_branches():
    def f(x):
        if x > 0:
            return x ** 3
        return x * x
    second = grad(grad(f))
    assert (second(2.0), second(-1.0)) == (12.0, 2.0)


def test_each_branch_is_one_select():
    """One select for each branch, whatever their number."""
    def f(x):
        total = 0.0
        for i in range(len(x)):
            if x[i] > 0:
                total += x[i] * x[i]
        return total
    small, large = jit(f), jit(f)
    small(np.ones(10)), large(np.ones(60))
    assert (str(small.graph).count("where"), str(large.graph).count("where")) == (10, 60)


def message(function, *arguments) -> str:
    with pytest.raises(TracedBoolError) as error:
        jit(function)(*arguments)
    return str(error.value).replace(FILE, "FILE")


def line_of(function, offset: int) -> str:
    return f"FILE:{function.__code__.co_firstlineno + offset}"


def test_arms_that_disagree():
    def f(x):
        if x > 0:
            y = (x, x)
        else:
            y = x
        return y, x, x  # a shorter end would belong to each arm, from Python 3.12 on
    assert message(f, 1.0) == (f"the arms of the `if` ({line_of(f, 1)}) disagree in `y`: tuple of 2 in one, Traced in the other. "
                               "Both arms must leave the same structure behind.")

    def g(x):
        if x[0] > 0:
            y = x
        else:
            y = x[1:]
        return np.sum(y)
    assert message(g, np.ones(3)) == f"the arms of the `if` ({line_of(g, 1)}) disagree in `y`: shape (3,) in one, (2,) in the other."


def test_a_variable_that_one_arm_alone_sets():
    def f(x):
        if x > 0:
            y = (x, 1)
        return y[0] * 2.0
    assert message(f, 1.0) == f"`y` is given a value by one arm of the `if` only ({line_of(f, 1)}). Give it one before."

    def harmless(x):
        if x > 0:
            y = x * x
            x = y
        return x
    assert jit(harmless)(3.0) == 9.0


def test_where_an_exception_is_raised_results_are_nan():
    def f(x):
        assert x > 0
        return x * x
    compiled = value_and_grad(f)
    assert compiled(3.0) == (9.0, 6.0) and np.isnan(compiled(-1.0)).all()

    def g(x, rounds):
        if x <= 0.0:
            raise ValueError(f"x must be positive, not {x}")
        total = 0.0
        for _ in range(rounds):
            if total > 5:
                break
            if x > 100.0:
                raise OverflowError
            total += x * math.log(x)
        return total, {"twice": 2.0 * x, "rounds": rounds}
    outcome = jit(g)
    assert outcome(2.0, 9) == g(2.0, 9)
    value, other = outcome(-1.0, 3)
    assert np.isnan(value) and np.isnan(other["twice"]) and other["rounds"] == 3
    assert np.isnan(outcome(101.0, 3)[0])


class Contract(abc.ABC):
    def __init__(self, price, strike):
        for name, each in ("price", price), ("strike", strike):
            assert each > 0, f"{name} must be positive, not {each}"
        self.price = price
        self.strike = strike

    @abc.abstractmethod
    def value(self):
        """What it is worth."""


class Option(Contract):
    def __init__(self, price, strike):
        super().__init__(price, strike)
        if strike > 100:
            raise ValueError("strike")

    def value(self):
        return max(self.price - self.strike, 0.0)


def test_exceptions_in_functions_without_results():
    def checked(x):
        if x < 0:
            raise ValueError("negative")

    def f(x):
        checked(x)
        return x * x
    compiled = value_and_grad(f)
    assert compiled(3.0) == (9.0, 6.0) and np.isnan(compiled(-1.0)).all()

    def in_an_arm(x):
        if x > 1:
            checked(x - 2)
        for k in range(4):
            if x < -3:
                break
            checked(x + k + 3)
        return x * x
    compiled = jit(in_an_arm)
    assert [compiled(x) for x in (0.5, 3.0, -9.0)] == [0.25, 9.0, 81.0] and np.isnan(compiled(1.5))

    def payoff(price, strike):
        return Option(price, strike).value()
    compiled = value_and_grad(payoff)
    assert compiled(3.0, 2.0) == (1.0, 1.0) and np.isnan(compiled(-1.0, 2.0)[0])
    assert np.isnan(compiled(1.0, -2.0)).all() and np.isnan(compiled(200.0, 101.0)).all()

    def without_floats(x):
        checked(x)
        return x > 2
    assert message(without_floats, 1.0) == (
        f"ValueError is raised in an arm of an `if` on a traced value ({line_of(checked, 2)}), and without_floats() returns no float that could be NaN then: "
        "whether it happens is not known when the graph is built. Check arguments before the call.")


def refuse(text):
    raise ValueError(text)


def test_functions_called_in_an_arm_that_do_nothing_but_raise():
    def f(x):
        if x < 0:
            refuse("negative")
        return x * x
    compiled = value_and_grad(f)
    assert compiled(3.0) == (9.0, 6.0) and np.isnan(compiled(-1.0)).all()

    def mistaken(x):
        if x < 0:
            x = [x].pop(3)
        return x * x
    with pytest.raises(IndexError):
        jit(mistaken)(1.0)


def test_an_exception_whatever_the_arguments():
    def g(x):
        if x > 0:
            raise ValueError("positive")
        raise KeyError("other")
    with pytest.raises((ValueError, KeyError)):
        jit(g)(1.0)


def test_one_array_or_another():
    def reads(x):
        a, b = np.ones(2) * x, np.zeros(2) + x * x
        c = a
        if x > 0:
            c = b
        return c[0] * 2 + np.sum(c[1:]) + a[0] + b[1]
    agrees(reads, 2.0, -3.0)

    def own(x):
        v = np.ones(3) * x
        if x > 0:
            v = v * 2
        v[0] = x * x
        return np.sum(v)
    agrees(own, 2.0, -3.0)

    def writes(x):
        a, b = np.ones(2) * x, np.zeros(2)
        c = a
        if x > 0:
            c = b
        c[0] = x
        return a[0] * 2 + b[0] * 3
    with pytest.raises(InPlaceError) as caught:
        jit(writes)(1.0)
    assert str(caught.value).replace(FILE, "FILE") == (
        f"`c` is one array or another that other variables show too, depending on the `if` ({line_of(writes, 3)}), and one of these is written to. "
        "Write to it in both arms, or to a copy: x = x.copy().")

    def lists(x):
        a, b = [x], [2 * x]
        c = a
        if x > 0:
            c = b
        c[0] = x * x
        return a[0] * 2 + b[0] * 3
    assert message(lists, 1.0) == (
        f"`c` is one list or another that other variables show too, depending on the `if` ({line_of(lists, 3)}). Do in both arms what is to be done with it.")


class Account:
    def __init__(self):
        self.value, self.entries = 0.0, []

    def book(self, value):
        self.value = value
        self.entries.append(value)


REGISTER: list = []


def test_objects_made_inside_and_lists_outside_hold_what_one_arm_left():
    def f(x):
        account = Account()
        if x > 0:
            account.book(2.0 * x)
        else:
            account.book(x * x)
        return account.value + len(account.entries) * account.entries[0] * x
    agrees(f, 2.0, -3.0)

    def g(x):
        REGISTER.clear()
        return within(x)

    def within(x):
        if x > 0:
            REGISTER.append(2.0 * x)
        else:
            REGISTER.append(x * x)
        return REGISTER[0] + len(REGISTER) * x
    agrees(g, 2.0, -3.0)


def test_sets_and_iterators_in_arms():
    def f(x):
        seen = {0}
        if x > 0:
            seen.add(1)
        return x * len(seen)
    assert message(f, 1.0) == (f"the arms of the `if` ({line_of(f, 2)}) leave different elements in a set: what it holds would depend on the arguments.")

    def g(x):
        steps = iter([1.0, 2.0])
        if x > 0:
            x = x * next(steps)
        return x * next(steps)
    assert message(g, 1.0) == (
        f"an iterator is advanced by next() in an arm of an `if` on a traced value ({line_of(g, 3)}): whether that happens is not known when "
        "the graph is built. Do it behind the `if`, with a value from np.where(condition, a, b).")


def test_nonlocal_in_a_function_that_branches():
    def f(x):
        n = 1.0

        def bump():
            nonlocal n
            n = n + x
        if x > 0:
            bump()
        return n * x
    assert message(f, 1.0) == (f"f() ({line_of(f, 0)}) branches on a traced value, and bump() inside it rebinds `n` by `nonlocal`: that cannot be followed "
                               "into both arms. Return the new value instead.")


def test_a_loop_that_several_conditions_leave_is_traced_once_a_round():
    def f(x, rounds):
        guess = 1.0
        for k in range(rounds):
            step = 0.5 * (guess - x / guess)
            if abs(step) < 1e-9 and guess > 0.5:
                break
            if guess > 1e3:
                return guess * k
            guess = guess - step
        return guess
    compiled = value_and_grad(f, cache=False)
    sizes = []
    for rounds in (6, 12, 60, 120):
        value, slope = compiled(4.0, rounds)
        assert value == pytest.approx(f(4.0, rounds), rel=1e-15) and slope == pytest.approx(0.25, rel=1e-3)
        sizes.append(len(jit(f, cache=False).lower(4.0, rounds).graph.nodes))
    assert sizes[1] < 2.1 * sizes[0]


def test_lists_of_different_lengths():
    def f(x):
        found = [x]
        if x > 0:
            found.append(x)
        return sum(found)
    assert message(f, 1.0) == (f"the arms of the `if` ({line_of(f, 2)}) leave a list with 2 elements in one and 1 in the other: "
                               "how long it is would depend on the arguments.")


def test_functions_that_are_made_where_a_branch_is():
    def inside(x):
        def square(t):
            return t * t if t > 0 else -t
        return square(x) + (lambda q: q * 3 if q > 1 else q)(x)
    agrees(inside, 0.5, 1.5, -1.2)


def test_conditions_in_comprehensions_and_generator_expressions():
    def listed(x):
        return sum([2 * e if e > 0 else e * e for e in (x, -x)])

    def generated(x):
        return sum(k * q if q > i else q * q for i in range(3) for k in (1.0, 2.0) for q in (x, -x * 2))

    def by_key(x):
        return max(2 * e if e > 0 else e * e for e in (x, -x)) + {k: (2 * e if e > 0 else e * e) for k, e in enumerate((x, -x))}[1]
    for f in (listed, generated, by_key):
        agrees(f, 0.5, 1.5, -1.2)

    def of_array(x):
        return sum((10 * e if e > 0 else e) ** 2 for e in x)
    np.testing.assert_allclose(grad(of_array)(np.array([0.5, -2.0])), [100.0, -4.0])

    def sieved(x):
        return sum([v for v in (x, -x) if v > 0])

    def sieved_later(x):
        return sum(v for v in (x, -x) if v > 0)
    for f in (sieved, sieved_later):
        assert message(f, 1.0) == (f"the arms of the `if` ({line_of(f, 1)}) leave a list with 1 elements in one and 0 in the other: how long it is would "
                                   f"depend on the arguments.")

    def generator(x):
        yield x if x > 0 else 2 * x

    def of_a_generator(x):
        return sum(generator(x))
    assert message(of_a_generator, 1.0) == (f"generator() ({line_of(generator, 1)}) branches on a traced value and is a generator. Have it return a list.")


def test_a_variable_that_changes_behind_the_function_that_reads_it():
    def f(x):
        k = 1.0

        def scaled(t):
            return t * k
        k = 2.0
        return scaled(x) if x > 0 else x
    assert message(f, 1.5) == (
        f"f() ({line_of(f, 0)}) branches on a traced value, and assigns `k` after a function inside it has been made that reads it: that cannot be followed "
        "into both arms. Pass the value to the function instead.")


def test_a_static_counter_that_both_arms_of_a_while_advance():
    def f(x):
        i, total = 0, 0.0
        while i < 5:
            if x * i < 3.0:
                i += 1
                continue
            total += x
            i += 1
        return total
    agrees(f, 2.2, -3.0)


def test_text_or_nothing_from_an_arm():
    def text(x):
        kind = "none"
        if x > 0:
            kind = "some" if x > 1 else None
        if kind is None:
            return x * x
        if kind in ("none", "any"):
            return -x
        return x ** 3 if kind != "other" and "some" == kind else 7.0 * x
    agrees(text, -2.0, 0.5, 1.5)

    def nothing(x):
        y = None
        if x > 0:
            y = x * x
        if not x > -1:
            z = x if y is not None else 2.0 * x
        else:
            z = x if y is None else y
        return z
    agrees(nothing, 1.5, -0.5, -2.0)

    def in_a_loop(x):
        for i in range(3):
            way = "up" if x > i else "down"
            x = x * 1.1 if way == "up" else x * 0.7
        return x
    agrees(in_a_loop, 0.5, 1.5, 2.5)

    def by_letter(x):
        kind = "ei"
        if x > 1:
            kind = "ee" if x > 2 else "ci"
        return (x * x if kind[0] == "e" else x) * (2.0 if kind[1:] == "i" else 3.0)
    agrees(by_letter, 0.5, 1.5, 2.5)

    def given_back(x):
        return "some" if x > 0 else None, x, x, x

    def read(x):
        y = None
        if x > 0:
            y = x * x
        return 2.0 * y
    for f, line, what in ((given_back, 1, "what they give: str in one, None"), (read, 2, "`y`: Traced in one, None")):
        assert message(f, 1.0) == f"the arms of the `if` ({line_of(f, line)}) disagree in {what} in the other. Both arms must leave the same structure behind."


def test_buffers_and_dicts_changed_in_arms():
    def buffer(x):
        a = np.zeros((2, 2))
        if x > 0:
            a[0] += x
            a[:, 1] *= 2
        else:
            a[1, 1] -= x * x
            a[0] = x
        return (a * np.array([[1.0, 2.0], [3.0, 4.0]])).sum()
    agrees(buffer, 0.7, 1.6, -2.3)

    def entries(x):
        found = {"a": x, "b": 1.0}
        if x > 0:
            found["a"] *= 2
            found["b"] = x
        else:
            found.update(a=x * x)
        return found["a"] + found["b"] * x
    agrees(entries, 0.7, 1.6, -2.3)


def test_an_array_that_is_first_written_to_in_an_arm():
    def f(x):
        v = np.array([x, 0.2, 0.4]) * 1.5
        if x > 0:
            same = v
            same[1] = x * x
        else:
            v[0] = 2.0
        return np.sum(v * v)
    agrees(f, 0.7, -2.3)


def test_views_of_an_array_that_one_arm_binds_anew():
    def f(x):
        v = np.array([x, 0.2, 0.4])
        w = v[1:]
        if x > 0:
            v = v * 1.5
        w[0] *= x
        return v.sum() + w[0]
    with pytest.raises(InPlaceError, match="`v` is one array or another that other variables show too"):
        jit(f)(0.7)


def test_the_truth_of_an_array():
    def f(x):
        return x[0] if x > 0 else x[1]
    with pytest.raises(ValueError, match="more than one element is ambiguous"):
        jit(f)(np.ones(2))


STATEMENTS = ["a = a * x", "b = b + a", "a, b = b, a", "c[0] = c[2] * x", "a = a - c[1]"]
IN_LOOPS = ["c[{0}] = c[{0}] + a", "b = math.sin(b) + c[{0}]", "a = a + {0} * x"]
CONDITIONS = ["a > b", "x > 0.3", "c[1] < a and x < 2", "not b > 1 or a > 2", "0 < a < 1"]


def random_program(seed: int) -> str:
    """Nested ifs and loops over three variables and a list."""
    rng = random.Random(seed)

    def block(depth: int, indent: str, counter: str) -> list[str]:
        lines = []
        for _ in range(rng.randint(1, 3)):
            kind = rng.random()
            if kind < 0.35 and depth:
                lines += [f"{indent}if {rng.choice(CONDITIONS)}:", *block(depth - 1, indent + "    ", counter)]
                if rng.random() < 0.5:
                    lines += [f"{indent}else:", *block(depth - 1, indent + "    ", counter)]
            elif kind < 0.5 and depth:
                lines += [f"{indent}for i{depth} in range({rng.randint(1, 3)}):", *block(depth - 1, indent + "    ", f"i{depth}")]
            elif kind < 0.55 and counter:
                lines += [f"{indent}if {rng.choice(CONDITIONS)}:", f"{indent}    {rng.choice(['break', 'continue'])}"]
            elif kind < 0.6:
                lines += [f"{indent}if {rng.choice(CONDITIONS)}:", f"{indent}    return a * 2.0 + b"]
            else:
                lines.append(indent + rng.choice(STATEMENTS + [each.format(counter) for each in IN_LOOPS if counter]))
        return lines
    return "\n".join(["def f(x):", "    a, b, c = x, 0.5, [x, 1.0, 0.25]", *block(3, "    ", ""), "    return a + b * 0.5 + c[0] * c[2] + c[1]"])


@pytest.mark.parametrize("seed", range(60))
def test_random_programs_of_branches(seed):
    source = random_program(seed)
    names = {"math": math}
    exec(source, names)
    f = names["f"]
    compiled = value_and_grad(f, cache=False)
    for x in (0.1, 0.7, 1.9, -1.3):
        value, slope = compiled(x)
        assert value == pytest.approx(f(x), rel=1e-12), source
        if f(x) == f(x):
            near = [(f(x + h) - f(x - h)) / (2 * h) for h in (1e-6, 1e-5)]
            assert min(abs(slope - n) for n in near) <= 1e-4 * (1 + abs(slope)), source


def test_try_in_a_function_that_branches():
    def looked_up(x):
        try:
            k = {"a": 2.0}["b"]
        except KeyError:
            k = 5.0
        return x * k if x > 1 else x
    agrees(looked_up, 2.0, 0.5)

    def raised(x):
        try:
            if x < 0:
                raise ValueError("negative")
            y = x * 3
        except ValueError:
            y = -x * x
        return y * 2
    agrees(raised, 2.0, -1.5)

    def again(x):
        try:
            y = {}["x"]
        except ValueError:
            y = 1.0
        return y if x > 1 else x
    with pytest.raises(KeyError):
        jit(again)(2.0)


def test_nothing_is_said_from_an_arm(capsys):
    def f(x):
        if x > 1:
            print("large")
            warnings.warn("large", stacklevel=1)
            x = x * x
        with warnings.catch_warnings(record=True):
            warnings.simplefilter("error")
            return x * x
    before = list(warnings.filters)
    agrees(f, 0.5)
    assert grad(f)(0.5) == 1.0
    assert warnings.filters == before
    assert capsys.readouterr().out == ""


def test_keywords_of_calls_in_try():
    def part(x, a=2.0, b=3.0):
        return x * a + b

    def f(x):
        try:
            y = part(x, b=x)
        except ValueError:
            y = 0.0
        return y * x if x > 0 else y
    agrees(f, 0.5, -1.5)


def test_with_blocks_that_change_no_numbers():
    def f(x):
        with np.errstate(all="ignore"):
            y = np.sqrt(np.abs(x))
        return y * x if x > 0 else y
    agrees(f, 2.0, -0.5)


def test_a_traced_bool_is_true_or_false():
    def f(x):
        b = bool(x > 1)
        if b is False:
            return x * 5
        return x * 2 if b is not False else x
    agrees(f, 2.0, 0.5)


def test_is_true_in_a_function_that_asks_no_truth():
    def f(x):
        is_large = x > 1
        return x * (x if is_large is True else 5.0) if True is not None else x

    def part(x):
        return (x > 1) is False

    def of_parts(x):
        return x * 5 if part(x) is not True else x

    def inside(x):
        def inner(b, *, k=2.0):
            return x * k if b is True else x * x
        return inner(x > 1) + (lambda b: b is not False)(x > 0) * x

    def static(x, flag=True):
        return x * x if flag is True else x
    for each in (f, of_parts, inside, static):
        agrees(each, 0.5, 1.5)


def test_in_a_list_of_numbers():
    f = grad(lambda x: 7 * x if x in (1.0, 2.0) else x)
    assert (f(2.0), f(1.0), f(3.0)) == (7.0, 7.0, 1.0)
    agrees(lambda x: 7 * x if x not in [1.0, x * x] else x, 3.0)


def test_an_assignment_inside_an_expression():
    def f(x):
        return y * 2 if (y := x * x) > 1 else y
    assert message(f, 2.0) == (f"f() ({line_of(f, 1)}) branches on a traced value and assigns by `:=` inside an expression. Give the variable its value in a "
                               "statement before.")


class Calculator:
    def __init__(self, x):
        if x > 1:
            self.value, self.extra = x * x, 3.0 * x
        else:
            self.value = x

    def bump(self, by):
        if by > 0.5:
            self.value = self.value * by


def test_attributes_of_what_is_made_inside():
    def f(x):
        made = Calculator(x)
        made.bump(x * 0.6)
        if x > 1:
            return made.value + made.extra
        return made.value
    agrees(f, 2.0, 0.9, 0.1)


def test_an_attribute_that_is_a_number_or_nothing():
    class Given:
        def __init__(self, x):
            self.w = x
            if x > 1:
                self.v = None
            else:
                self.v = x

        def get(self):
            return self.w * 5 if self.v is None else self.v * 3

    class OfTheClass:
        u, v = 3.0, 4.0

        def __init__(self, x):
            self.w = x
            if x > 1:
                self.u, self.v = None, x * x

        def get(self):
            return self.v * (5 if self.u is None else self.w)

        def broken(self):
            return 2.0 * self.u
    agrees(lambda x: Given(x).get(), 0.5, 1.5)
    agrees(lambda x: OfTheClass(x).get(), 0.5, 1.5)
    with pytest.raises(TracedBoolError, match=r"disagree in `\.u`: float in one, None in the other"):
        grad(lambda x: OfTheClass(x).broken())(0.5)


def test_a_float_that_one_arm_alone_gives_a_value():
    def f(x):
        if x > 1:
            p = x * x
        if x > 2:
            return p * 3
        return x
    agrees(f, 3.0, 1.5, 0.5)

    def g(x):
        if x > 1:
            p = x * x
        return p * 3
    compiled = value_and_grad(g)
    assert compiled(2.0) == (12.0, 12.0) and np.isnan(compiled(0.5)[0])


def test_imports_in_a_function_that_branches():
    def f(x):
        import math as m
        import os.path as unused  # noqa: F401
        from math import cos as c

        import scipy.special
        from scipy import special as sp
        return m.sin(x) + c(x) + scipy.special.erf(x) * sp.erfc(x) if x > 0 else x * m.exp(x)
    agrees(f, 0.7, -0.4)

    def missing(x):
        from math import nothing_of_that_name as n
        return n if x > 0 else x
    with pytest.raises(ImportError, match="nothing_of_that_name"):
        grad(missing)(1.0)


def test_keywords_and_dicts_from_several_dicts_in_a_function_that_branches():
    def inner(a, *, b=1.0, c=2.0):
        return a * b + c * c

    def f(x):
        one, other = {"b": x}, {"c": x * x}
        if x > 1:
            x = x * 2
        called = inner(x, **one) + inner(x, **one, **other) + inner(*[x], **other, b=3.0)
        return called + {**one, "z": 3.0, **other}["b"] * one["b"]
    agrees(f, 0.7, 2.3)

    def twice(x):
        one = {"b": x}
        return inner(x, **one, **one) if x > 0 else x
    with pytest.raises(TypeError, match="multiple values for keyword argument 'b'"):
        grad(twice)(2.0)


def test_text_with_formats_in_a_function_that_branches():
    def f(x):
        if x > 10:
            raise ValueError(f"{x:.3f} {x!r:>20} too large")
        return x * x * len(f"{3:03d}{'a'!r}{2.5!s:>{6}}{1}") * (1.0 if f"{3.14159:.2f}" == "3.14" else 2.0)
    agrees(f, 0.7, 2.3)
    assert math.isnan(grad(f)(12.0))


def test_unpacking_into_a_list_in_a_function_that_branches():
    def f(x):
        first, *rest, last = [x, 2 * x, 3 * x, 4.0]
        *none, a, b = (x, 2.0)
        return first * rest[0] + rest[1] * last + len(none) if x > 0 else a * b
    agrees(f, 0.7, -0.4)

    def short(x):
        a, *b, c = [x] if x > 0 else [2 * x]
        return a + c + len(b)
    with pytest.raises(ValueError, match="expected at least 2, got 1"):
        grad(short)(2.0)


def test_functions_that_ask_for_no_identity_are_not_decoded(monkeypatch):
    """To decode a function of 10,000 lines takes ten times as long as to trace it."""
    monkeypatch.setattr(dis, "get_instructions", None)
    assert not compares_with_true(compile("def f(x):\n    return x * 2 if x > 1 else None\n", "<made>", "exec").co_consts[0])
