"""Python as people write it, in traced functions: what works as it does without tracing, and what is refused, with what to write."""

import copy
import functools
import itertools
import math
import operator
import re
from collections import defaultdict, deque, namedtuple

import numba
import numpy as np
import pytest
from numba import types
from numba.extending import intrinsic

from tracer import (
    InPlaceError,
    LeakedValueError,
    OutputError,
    TracedBoolError,
    TracedConversionError,
    TracedIndexError,
    UnsupportedError,
    grad,
    value_and_grad,
)

X = np.array([1.3, 2.1, 2.9])
TABLE = np.array([1.0, 10.0, 100.0])
Pair = namedtuple("Pair", "a b")


@numba.njit
def sum_of_exponentials(x):
    out = np.empty_like(x)
    for i in numba.prange(x.shape[0]):
        out[i] = math.exp(x[i])
    return out.sum()


@numba.vectorize
def ramp(x, y):
    return x * y + 1.0


@intrinsic
def machine_code(context, x):
    return types.float64(types.float64), lambda context, builder, signature, arguments: arguments[0]


@numba.njit
def uses_an_intrinsic(x):
    return machine_code(x) * 2.0


def generated(x):
    for k, value in enumerate(x):
        yield k * value


def guarded(x):
    try:
        return 1.0 / x[0]
    except ZeroDivisionError:
        return 0.0


def depth(x, n):
    return x if n == 0 else math.sin(depth(x, n - 1))


def printed(x):
    assert f"{x} {x[0]:.3f} {x[1]!r}" and str(x)
    return x[0] * x[0]


squares = np.vectorize(lambda t: t * t)
CASES = {
    "a format": printed,
    "== None": lambda x: x[0] * (3.0 if x is None or x[0] == None or x[0] != "a" else 2.0),  # noqa: E711  as people write it
    "a generator": lambda x: sum(v for v in generated(x)),
    "try": guarded,
    "recursion": lambda x: depth(x[0], 3),
    "a compiled function": sum_of_exponentials,
    "a compiled function inside": lambda x: sum_of_exponentials(x * x),
    "numba.vectorize": lambda x: np.sum(ramp(x, 2.0)),
    "np.vectorize": lambda x: np.sum(squares(x)),
    "map": lambda x: sum(map(float, x)) * x[0],
    "list": lambda x: math.prod(list(x)[1:]),
    "sorted by static keys": lambda x: sum(k * v for k, v in enumerate(v for _, v in sorted(zip([2, 0, 1], x), key=lambda p: p[0]))),
    "divmod": lambda x: divmod(x[1], 0.6)[1],
    "pow, abs, round": lambda x: pow(x[0], 3) + abs(-x[1]) + round(x[2]),
    "reduce": lambda x: functools.reduce(operator.mul, x),
    "accumulate": lambda x: sum(itertools.accumulate(x)),
    "zip, enumerate, reversed": lambda x: sum(a * b for a, b in zip(x, x[::-1])) + sum(k * v for k, v in enumerate(reversed(x))),
    "max and min": lambda x: max(x) * min(x[0], x[2]) + max(0.5, x[1], 3) + max([], default=x[0]),
    "any and all": lambda x: x[0] * np.where(any(v > 2.0 for v in x), 2.0, 1.0) * np.where(all([x[0] > 1.0, True]), 3.0, 1.0),
    "np.float64": lambda x: np.float64(x[0]) * 2.0 + np.sum(np.asarray(x, dtype=np.float64)),
    "isinstance": lambda x: x[0] if isinstance(x, np.ndarray) and isinstance(x[0], (int, float)) and not isinstance(x, list) else 2.0 * x[0],
    "np.r_ and np.c_": lambda x: np.sum(np.r_[x, 1.0, x[0]] ** 2) + np.sum(np.c_[x, x] ** 3),
    "np.ndenumerate": lambda x: sum(v * v * at[0] for at, v in np.ndenumerate(x)),
    "np.ndindex": lambda x: sum(x[at] ** 2 for at in np.ndindex(x.shape)),
    "lists in NumPy's functions": lambda x: np.dot([x[0], x[1]], [1.0, 2.0]) + np.linalg.norm([x[0], x[1]]) + np.mean([x[1], x[2]]) + np.sum([x[0]]),
    "np.diag of a list": lambda x: np.sum(np.diag([x[0], x[1] * 2.0]) @ np.ones(2)),
    "containers": lambda x: Pair(x[0], x[1]).a ** 2 + sum(defaultdict(float, a=x[0]).values()) + deque([x[1]])[0] + copy.deepcopy(x)[2],
    "an array of the module": lambda x: np.sum(TABLE.copy() * x) + TABLE[1] + float(TABLE[:2].sum()),
    "a table, by a computed index": lambda x: TABLE[np.argmax(x)] * x[np.argmin(x)] + TABLE[np.floor(x - 1.0).astype(int)].sum() * x[0],
    "a table, by math.floor": lambda x: TABLE[math.floor(x[0])] * (x[1] - math.floor(x[1])) + TABLE[np.searchsorted(np.array([1.0, 2.0]), x[0])],
    "numbers of numbers": lambda x: float(x[0]) + float("2.5") * int(3.7) * x[1] + int("7") * x[2],
    "unpacking": lambda x: (lambda a, b, c: a * b * c)(*x),
}


@pytest.mark.parametrize("function", CASES.values(), ids=CASES.keys())
def test_what_works_as_it_is_written(function):
    value, slope = value_and_grad(function)(X)
    plain = getattr(function, "py_func", function)
    assert value == pytest.approx(float(plain(X)), rel=1e-14)
    expected = [(plain(X + step) - plain(X - step)) / 2e-6 for step in np.eye(3) * 1e-6]
    np.testing.assert_allclose(slope, expected, rtol=1e-6, atol=1e-8)


def swallowed(x):
    try:
        n = int(x)
    except TypeError:
        n = 7
    return n * x


def written_outside(x):
    TABLE[0] = x
    return TABLE[0]


def a_generator(x):
    yield x


HASH = ("hash() of a traced value: `input`: float64[] (LINE) has no number while the graph is built. It cannot be looked up in a dict or set, or be "
        "remembered by a cache: use a key that is known, such as a place in a list.")
INT = ("int() of a traced value: `input`: float64[] (LINE) has no number while the graph is built. "
       "Use math.floor, np.trunc or np.rint, which keep it in the graph; math.floor(x) also is an index.")
def deeper(x):
    return 1.0 if x < 1.0 else x * deeper(x - 1.0)


FORMAT = ("float() of a traced value: `input`: float64[] (LINE) has no number while the graph is built. Leave the float() away, or use the np. function of "
          "the same name instead of a compiled one; for \"%.3f\" % x write an f-string, which shows the node.")
KNOWN = ("Its value is not known when the graph is built. Pass the number as a Python int argument or take it from a shape; of an array that "
         "is the same in each call it is known where the function has that from outside (a global, a closure variable) and not as an argument; to look up by "
         "a computed index use np.take or an integer array.")
REFUSED = {
    "int": (lambda x: x * int(x), TracedConversionError, INT),
    "a refusal that is caught": (swallowed, TracedConversionError, INT),
    "range": (lambda x: sum(1.0 * x for _ in range(x)), TracedIndexError,
              "an index, `range`, shape or axis needs a concrete integer, but `input` (LINE) is traced data. Its value is not known when the graph is built. "
              + KNOWN.partition("graph is built. ")[2]),
    "a range of a rounded number": (lambda x: sum(x for _ in range(math.floor(x))), TracedIndexError,
                                    f"an index, `range`, shape or axis needs a concrete integer, but `floor` (LINE) is traced data. {KNOWN}"),
    "a shape": (lambda x: np.sum(np.zeros(x)), TracedIndexError, f"a shape or a range needs a concrete integer, but `input` (LINE) is traced data. {KNOWN}"),
    "a list by a traced place": (lambda x: [1.0, 2.0][math.floor(x)] * x, TracedIndexError,
                                 f"an index, `range`, shape or axis needs a concrete integer, but `floor` (LINE) is traced data. {KNOWN}"),
    "a format that rounds": (lambda x: "%.3f" % x and x, TracedConversionError, FORMAT),  # noqa: UP031  as people write it
    "a key": (lambda x: {x: 1}[x] * x, TracedConversionError, HASH),
    "a key of get": (lambda x: {"a": 1}.get(x, 2) * x, TracedConversionError, HASH),
    "a hash": (lambda x: hash(x) * x, TracedConversionError, HASH),
    "a set": (lambda x: len({x}) * x, TracedConversionError, HASH),
    "a generator": (a_generator, OutputError, "a_generator() returned a generator; a gradient is of one float."),
    "an intrinsic": (lambda x: uses_an_intrinsic(x), UnsupportedError,
                     "machine_code is a Numba intrinsic (LINE): it makes machine code, and there is no Python function of it that could be traced. "
                     "Write what it computes with NumPy or math in the function that is differentiated."),
    "an array of the module": (written_outside, InPlaceError,
                               "a traced value is written into a NumPy array that was made outside the traced function (LINE). The array would keep no "
                               "trace of it. Make the array inside: np.zeros(3), or np.array(a) for a copy of it."),
    "a complex number": (lambda x: abs(x * 1j), UnsupportedError,
                         "a value of dtype complex128 (complex) meets a traced value (LINE); only bool, integers, float32 and float64 are supported. "
                         "Compute real and imaginary parts as numbers of their own."),
    "a list in a ufunc": (lambda x: np.sum(np.sin([x, x])), TracedConversionError,
                          "np.asarray() of a traced value: `input`: float64[] (LINE) has no number while the graph is built. Write np.array([a, b]) around "
                          "traced values in a list; to look up in an array that is kept in a list or dict, np.take(table, i)."),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused(case):
    function, kind, text = REFUSED[case]
    with pytest.raises(kind) as error:
        grad(function)(1.5)
    assert re.sub(rf"{re.escape(__file__)}:\d+", "LINE", str(error.value)) == text


def test_recursion_whose_depth_is_traced_is_refused_with_what_to_write():
    with pytest.raises(TracedBoolError, match=r"calls itself without an end, or deeper than Python allows \(\d+\)\..*Write a loop over a fixed range"):
        grad(deeper)(3.5)


def test_a_branch_on_an_array_has_numpys_error():
    with pytest.raises(ValueError, match=r"The truth value of an array with more than one element is ambiguous\. Use a\.any"):
        grad(lambda x: np.sum(x) if x > 0 else 0.0)(X)


SEEN = []


def test_what_a_global_list_keeps_of_a_trace_is_refused_where_it_is_used():
    assert grad(lambda x: SEEN.append(x) or x * x)(1.5) == 3.0
    with pytest.raises(LeakedValueError, match=r"is used after its trace has ended.*Return it from the function"):
        SEEN[0] + 1.0


def test_printing_shows_the_node(capsys):
    def prints(x):
        print(x, [x * 2.0], f"{x:.3f}", "{:>5}".format(x), str(x))  # noqa: UP032  as people write it
        return x * x
    assert grad(prints)(1.5) == 3.0
    assert capsys.readouterr().out == "Traced<input: float64[]> [Traced<multiply: float64[]>]" + " Traced<input: float64[]>" * 3 + "\n"


def test_the_array_of_the_module_was_not_changed():
    with pytest.raises(InPlaceError):
        grad(written_outside)(1.5)
    np.testing.assert_array_equal(TABLE, [1.0, 10.0, 100.0])
    assert type(TABLE) is np.ndarray


def test_a_look_up_outside_the_table():
    with pytest.raises(IndexError):
        grad(lambda x: TABLE[math.floor(x)] * x)(7.5)
