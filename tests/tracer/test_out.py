"""Results written into arrays that the caller gives, from Python and from `@njit` code."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numba import TypingError, njit, prange

from tracer import ArgumentError, ShapeError, grad, hessian, jacobian, jit, value_and_grad

X = np.array([0.5, -1.0, 2.0])


def square(x):
    return np.sum(x * x)


def product(x, y):
    return np.sum(x) * np.sum(y * y)


g = grad(square)
both = value_and_grad(product, argnums=(0, 1))


@njit
def native(x, out):
    return g(x, out)


@njit
def native_by_name(x, out):
    return g(x, out=out)


@njit
def native_value(x, out):
    return g.value_and_grad(x, out)[1]


CALLS = {"python": g, "by name": lambda x, out: g(x, out=out), "value_and_grad": lambda x, out: g.value_and_grad(x, out)[1],
         "njit": native, "njit by name": native_by_name, "njit value_and_grad": native_value}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_result_is_written_and_returned(call, dtype):
    for n in (3, 0, 1, 1000):
        x, out = np.linspace(-1, 1, n).astype(dtype), np.full(n, 7, dtype)
        result = call(x, out)
        assert out.tolist() == (2 * x).tolist()
        assert result.ctypes.data == out.ctypes.data and result.shape == out.shape
    strided = np.arange(10.).astype(dtype)[::-2]
    assert call(strided, np.zeros(5, dtype)).tolist() == (2 * strided).tolist()


def test_from_python_it_is_the_same_object():
    out = np.zeros(3)
    assert g(X, out) is out and g.value_and_grad(X, out=out)[1] is out
    assert g(X, None) is not out and g(X, out=None).tolist() == (2 * X).tolist()
    assert g(x=X, out=out) is out


def test_several_results():
    x, y, gx, gy = X, np.ones((2, 2)), np.zeros(3), np.zeros((2, 2))
    for call in (both, njit(lambda x, y, out: both(x, y, out)), njit(lambda x, y, out: both(x, y, out=(out[0], out[1])))):
        gx[:], gy[:] = 0, 0
        value, found = call(x, y, (gx, gy))
        assert value == 6. and gx.tolist() == [4.] * 3 and (gy == 3.).all()
        assert found[0].ctypes.data == gx.ctypes.data and found[1].ctypes.data == gy.ctypes.data


def test_defaults_and_keywords():
    h = grad(lambda x, k=2.0: np.sum(x) * k)
    calls = (lambda x, out: h(x, out=out)), (lambda x, out: h(x, 3.0, out)), (lambda x, out: h(k=4.0, x=x, out=out)), (lambda x, out: h(x, 5.0, out=out))
    for factor, call in zip((2., 3., 4., 5.), calls):
        for each in (call, njit(call)):
            out = np.zeros(3)
            assert each(X, out).tolist() == out.tolist() == [factor] * 3
    gx, gk = np.zeros(3), np.zeros(2)
    slopes = grad(lambda x, k: np.sum(x) * k, argnums=(0, 1))
    assert njit(lambda x, k, out: slopes(x, k, out))(X, 2.0, gx)[1] == 1.5 and gx.tolist() == [2.] * 3  # a number behind an array
    pair = grad(lambda x, k: np.sum(x) * np.sum(k), argnums=("x", "k"))
    assert njit(lambda x, k, a, b: pair(k=k, x=x, out=(a, b)))(X, np.ones(2), gx, gk)[1].tolist() == gk.tolist() == [1.5, 1.5]


def test_rows_of_a_table():
    table = np.zeros((4, 3))

    @njit
    def fill(xs, table):
        for i in range(len(xs)):
            g(xs[i], table[i])
    xs = np.arange(12.).reshape(4, 3)
    fill(xs, table)
    assert (table == 2 * xs).all()
    for row, x in zip(table, xs):
        g(-x, row)
    assert (table == -2 * xs).all()


def test_numbers_beside_arrays():
    h = value_and_grad(lambda x, k: np.sum(x) * k, argnums=(0, 1))
    out = np.zeros(3)
    assert h(X, 2.0, out)[1][0] is out
    assert h(X, 2.0, out)[1][1] == 1.5 and out.tolist() == [2.] * 3


REFUSED = {
    "another length": (np.zeros(4), ShapeError, "out has not the shape of the result, which is (3,)."),
    "another dtype": (np.zeros(3, np.float32), ArgumentError, "out is float32[1 axis], where the array results are float64[1 axis]. "
                      "Give one array for a single result, and a tuple with an array for each of several."),
    "another rank": (np.zeros((3, 1)), ArgumentError, "out is float64[2 axes], where the array results are float64[1 axis]. "
                     "Give one array for a single result, and a tuple with an array for each of several."),
    "strided": (np.zeros(6)[::2], ArgumentError, "out is not contiguous; results are written into C-contiguous, aligned arrays."),
    "a tuple": ((np.zeros(3),), ArgumentError, "out is float64[1 axis], where the array results are float64[1 axis]. "
                "Give one array for a single result, and a tuple with an array for each of several."),
    "a list": ([0.0] * 3, ArgumentError, "square(): out has the structure [array, array, array], but what is written into it has array."),
    "a number": (1.5, ArgumentError, "out is a float. Behind square(x) comes memory for the results: an array (numpy.ndarray), or a tuple of them."),
    "foreign": (np.zeros(3, ">f8"), ArgumentError, "out is an array of '>f8'. Behind square(x) comes memory for the results: "
                "an array (numpy.ndarray), or a tuple of them."),
    "a masked array": (np.ma.array(np.zeros(3)), ArgumentError, "out is a MaskedArray. Behind square(x) comes memory for the results: "
                 "an array (numpy.ndarray), or a tuple of them."),
    "the argument": (X, ArgumentError, "out shares memory with an argument, or with another array of out. Pass memory of its own."),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("warm", [False, True])
def test_what_cannot_be_written_into(name, warm):
    out, error, text = REFUSED[name]
    h = grad(square)
    if warm:
        h(X, np.zeros(3))
    for _ in range(2):
        before = np.array(out)
        with pytest.raises(error, match=re.escape(text)):
            h(X, out)
        np.testing.assert_array_equal(before, out)


def test_read_only_and_misaligned():
    out = np.zeros(3)
    g(X, out)
    out.flags.writeable = False
    with pytest.raises(ArgumentError, match="out is read-only"):
        g(X, out)
    misaligned = np.zeros(25, np.uint8)[1:].view(np.float64)
    with pytest.raises(ArgumentError, match="out is not contiguous; results are written into C-contiguous, aligned arrays"):
        g(X, misaligned)


@pytest.mark.parametrize("x, out, shared", [
    (slice(0, 3), slice(3, 6), False), (slice(0, 3), slice(2, 5), True), (slice(2, 5), slice(0, 3), True),
    (slice(4, None, -2), slice(5, 8), False), (slice(4, None, -2), slice(4, 7), True), (slice(8, 2, -2), slice(0, 3), False),
    (slice(4, None, -2), slice(0, 3), True),
    (slice(0, 0), slice(0, 0), False),
])
def test_memory_that_is_shared(x, out, shared):
    for call in (g, native):
        memory = np.arange(9.)
        given = memory[x].copy()
        if shared:
            with pytest.raises(ArgumentError, match="out shares memory"):
                call(memory[x], memory[out])
            assert memory.tolist() == list(range(9))
        else:
            assert call(memory[x], memory[out]).tolist() == (2 * given).tolist()


def test_two_results_in_one_place():
    memory = np.zeros(6)
    with pytest.raises(ArgumentError, match=re.escape("out[1] shares memory with an argument, or with another array of out.")):
        value_and_grad(lambda x, y: np.sum(x * y), argnums=(0, 1))(X, X + 1, (memory[:3], memory[2:5]))


def test_errors_from_compiled_code():
    for out, error, text in ((np.zeros(4), ShapeError, "out has not the shape of the result, which is (3,)."),
                             (X, ArgumentError, "out shares memory with an argument"),
                             (np.zeros(3, np.float32), TypingError, "out is float32[1 axis], where the array results are float64[1 axis]"),
                             (np.zeros(6)[::2], TypingError, "out is array(float64, 1d, A); results are written into C-contiguous, writeable arrays.")):
        with pytest.raises(error, match=re.escape(text)):
            native(X, out)


def test_a_wrong_shape_in_a_parallel_loop(capfd):
    h = grad(square)

    @njit(parallel=True)
    def run(out):
        for i in prange(len(out)):
            h(np.ones(3 + i // 3), out[i])

    out = np.zeros((4, 3))
    run(out)
    assert (out[:3] == 2).all() and np.isnan(out[3]).all() and isinstance(h.last_error, ShapeError)
    assert capfd.readouterr().err.count("Exception in a parallel region") == 1


def test_no_memory_is_allocated():
    done = subprocess.run([sys.executable, "-c", """if True:
        import numpy as np
        from numba import njit
        from numba.core.runtime import rtsys
        from tracer import grad
        g = grad(lambda x: np.sum(x * x))

        @njit
        def loop(x, out):
            total = 0.0
            for _ in range(1000):
                total += g.value_and_grad(x, out)[0]
            return total

        x, out = np.ones(3), np.zeros(3)
        loop(x, out)
        before = rtsys.get_allocation_stats()
        loop(x, out)
        after = rtsys.get_allocation_stats()
        print(after.alloc - before.alloc, after.alloc - before.alloc - after.free + before.free)
    """], cwd=Path(__file__).parents[2], env=os.environ | {"NUMBA_NRT_STATS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    allocated, left = map(int, done.stdout.split())
    assert allocated <= 2 and left == 0  # Numba's own for the arguments


def test_other_transforms():
    h, j, both_ways = hessian(square), jacobian(lambda x: x[:2] * x[0]), jit(lambda x: (x * 2, np.sum(x), np.outer(x, x)))
    out = np.zeros((3, 3))
    assert h(X, out) is out and (out == 2 * np.eye(3)).all()
    out = np.zeros((2, 3))
    assert j(X, out=out) is out and out.tolist() == j(X).tolist() != np.zeros((2, 3)).tolist()
    double, square_of = np.zeros(3), np.zeros((3, 3))
    found = both_ways(X, (double, square_of))
    assert found[0] is double and found[1] == 1.5 and found[2] is square_of and double.tolist() == (2 * X).tolist()
    assert square_of.tolist() == np.outer(X, X).tolist()
    call = njit(lambda x, a, b: both_ways(x, (a, b)))
    assert call(X + 1, double, square_of)[1] == 4.5 and double.tolist() == (2 * X + 2).tolist()


def test_where_there_is_no_out():
    with pytest.raises(ArgumentError, match=re.escape("out is float64[1 axis], where the array results are none.")):
        jit(square)(X, np.zeros(3))
    with pytest.raises(ArgumentError, match=re.escape("out has the structure array, but what is written into it has dict('a': array).")):
        jit(lambda x: {"a": x})(X, np.zeros(3))
    with pytest.raises(TypeError):
        g.value(X, np.zeros(3))
    with pytest.raises(TypeError):
        grad(lambda x: (np.sum(x), x), has_aux=True)(X, np.zeros(3))
    own = grad(lambda x, out: np.sum(x) * out)
    assert own(X, 2.0).tolist() == own(X, out=2.0).tolist() == [2.] * 3
    with pytest.raises(TypeError):
        grad(lambda d: (np.sum(d["a"]), 1), has_aux=True)({"a": X}, out={"a": np.zeros(3)})


# Trees ----------------------------------------------------------------------------------------------------------------------------

@dataclass
class Layer:
    w: np.ndarray
    b: float


def network_sum(layers, x):
    for layer in layers["all"]:
        x = np.tanh(x @ layer.w + layer.b)
    return np.sum(x * x) * layers["scale"][0]


LAYERS = {"all": [Layer(np.eye(3) * 0.5, 0.1), Layer(np.ones((3, 2)) * 0.3, -0.2)], "scale": np.array([2.0])}


def memory():
    return {"all": [Layer(np.zeros((3, 3)), None), Layer(np.zeros((3, 2)), None)], "scale": np.zeros(1)}


def arrays_of(tree):
    return [tree["all"][0].w, tree["all"][1].w, tree["scale"]]


@pytest.mark.parametrize("warm", [False, True])
@pytest.mark.parametrize("make", [grad, value_and_grad])
def test_trees_are_written_into(make, warm):
    wanted = value_and_grad(network_sum)(LAYERS, X)
    made, last = make(network_sum), (lambda found: found[1] if make is value_and_grad else found)
    if warm:
        made(LAYERS, X)
    for by_name in (True, False, True):
        out = memory()
        found = made(LAYERS, X, out=out) if by_name else made(LAYERS, X, out)
        assert make is grad or found[0] == wanted[0]
        assert all(a is b for a, b in zip(arrays_of(last(found)), arrays_of(out)))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(arrays_of(out), arrays_of(wanted[1])))
        assert [layer.b for layer in last(found)["all"]] == [layer.b for layer in wanted[1]["all"]]
    assert last(made(LAYERS, X))["scale"] is not out["scale"] and last(made(LAYERS, X, None))["scale"].tolist() == out["scale"].tolist()


def test_one_object_takes_memory_for_arrays_and_for_trees():
    f, out = grad(lambda x: np.sum(x[0] * x[1])), np.zeros((2, 2))
    assert f(np.ones((2, 2)), out) is out
    first = np.zeros(2)
    assert f([np.ones(2), np.ones(2)], out=[first, np.zeros(2)])[0] is first and first.tolist() == [1., 1.]
    assert f(np.ones((2, 2)), out) is out and f(np.ones((2, 2)), out=out) is out
    returned = {"a": np.zeros(3), "n": None}
    found = jit(lambda x: {"a": x * 2, "n": np.sum(x)})(X, returned)
    assert found["a"] is returned["a"] and found["n"] == 1.5 and returned["a"].tolist() == (2 * X).tolist()


def test_methods_and_starred_arguments_take_memory():
    class Spring:
        k = 3.0

        @grad
        def energy(self, x):
            return self.k * np.sum(x * x)
    out = np.zeros(3)
    assert Spring().energy(X, out=out) is out and out.tolist() == (6 * X).tolist()
    assert grad(lambda *xs: np.sum(xs[0] * xs[1]))(X, X + 1, out=out) is out and out.tolist() == (X + 1).tolist()


REFUSED_TREES = {
    "another structure": (lambda m: {"all": m["all"]}, ArgumentError,
                          "network_sum(): out has the structure dict('all': [Layer(array, array), Layer(array, array)]), but what is written into it has "
                          "dict('all': [Layer(array, array), Layer(array, array)], 'scale': array)."),
    "an array for a number": (lambda m: m | {"all": [Layer(m["all"][0].w, np.zeros(1)), m["all"][1]], "scale": None}, ArgumentError,
                              "out is float64[2 axes], float64[1 axis], float64[2 axes], where the array results are float64[2 axes], float64[2 axes], "
                              "float64[1 axis]. Give one array for a single result, and a tuple with an array for each of several."),
    "another shape": (lambda m: m | {"scale": np.zeros(2)}, ShapeError, "out[2] has not the shape of the result, which is (1,)."),
    "an argument": (lambda m: m | {"scale": LAYERS["scale"]}, ArgumentError,
                    "out[2] shares memory with an argument, or with another array of out. Pass memory of its own."),
    "nothing": (lambda m: m | {"scale": None}, ArgumentError,
                "out is float64[2 axes], float64[2 axes], where the array results are float64[2 axes], float64[2 axes], float64[1 axis]. "
                "Give one array for a single result, and a tuple with an array for each of several."),
}


@pytest.mark.parametrize("name", REFUSED_TREES)
@pytest.mark.parametrize("warm", [False, True])
def test_trees_that_cannot_be_written_into(name, warm):
    change, error, text = REFUSED_TREES[name]
    made = grad(network_sum)
    if warm:
        made(LAYERS, X, memory())
    for _ in range(2):
        with pytest.raises(error) as caught:
            made(LAYERS, X, change(memory()))
        assert str(caught.value) == text


def test_an_array_in_the_place_of_a_number_is_told():
    made = grad(lambda p: np.sum(p[0]) * p[1])
    for _ in range(2):
        with pytest.raises(ArgumentError, match=re.escape("out is float64[1 axis], float64[1 axis], where the array results are float64[1 axis].")):
            made([X, 2.0], [np.zeros(3), np.zeros(3)])
        with pytest.raises(ArgumentError, match=re.escape("out[1] is an array, but the result is a number, which is returned. Put None there.")):
            made([X, 2.0], [None, np.zeros(3)])


def test_inside_a_trace():
    h = grad(lambda x: np.sum(g(x) ** 2))
    assert h(X).tolist() == (8 * X).tolist()
