"""Compiled objects in `@njit` code: as global, closure cell, argument and element of a tuple, their attributes, and callers that Numba caches."""

import os
import subprocess
import sys
import textwrap
import threading
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from numba import TypingError, njit, prange

from tracer import NotCompiledError, ShapeError, grad, hessian, jacobian, jit, value_and_grad

Named = namedtuple("Named", "a b")
ROOT = Path(__file__).parents[2]


def loss(x):
    return np.sum(np.sin(x) * x)


GRADIENT = grad(loss)
X = np.linspace(-1., 2., 5)


def right(x):
    return np.cos(x) * x + np.sin(x)


@njit
def as_global(x):
    return GRADIENT(x), GRADIENT.value(x), GRADIENT.value_and_grad(x)


def test_global_closure_argument_and_tuple():
    gradient = grad(loss)

    @njit
    def as_closure(x):
        return gradient(x), gradient.value(x), gradient.value_and_grad(x)

    @njit
    def as_argument(g, x):
        return g(x), g.value(x), g.value_and_grad(x)

    @njit
    def as_element(gs, x):
        return gs[1](x), gs[1].value(x), gs[0].value_and_grad(x)

    for found in (as_global(X), as_closure(X), as_argument(gradient, X), as_element((gradient, GRADIENT), X)):
        np.testing.assert_allclose(found[0], right(X), rtol=1e-14)
        assert found[1] == loss(X) or abs(found[1] - loss(X)) < 1e-14
        assert found[2][0] == found[1] and found[2][1].tobytes() == found[0].tobytes()


def test_each_object_has_its_own_numbers():
    f = lambda x, y: x * x + 5 * y
    g0, g1 = grad(f), grad(f, argnums=1)
    make = lambda k: grad(lambda x: k * x)
    a, b = make(2.), make(3.)

    @njit
    def four(x, y):
        return g0(x, y), g1(x, y), a(x), b(x)
    assert four(3., 1.) == (6., 5., 2., 3.)


def test_two_equal_objects_of_one_function():
    g, h = grad(loss), grad(loss)
    assert njit(lambda x: g(x).sum() - h(x).sum())(X) == 0


scale = 2.0


def scaled(x):
    return np.sum(x) * scale


def test_equal_objects_forget_together():
    global scale
    g, h = grad(scaled), grad(scaled)
    calls = njit(lambda x: g(x)[0]), njit(lambda x: h(x)[0])
    assert [call(X) for call in calls] == [2., 2.]
    scale = 3.0
    h.retrace()
    assert [call(X) for call in calls] == [3., 3.] and g(X)[0] == h(X)[0] == 3.


def test_a_value_in_float32():
    value, both = njit(lambda x: (GRADIENT.value(x), GRADIENT.value_and_grad(x)))(X.astype(np.float32))
    assert both[1].dtype == np.float32 and abs(value - loss(X)) < 1e-5 and value == both[0]


def test_before_it_was_called_from_python():
    fresh = grad(lambda x: np.sum(x ** 3))
    call = njit(lambda x: fresh.value_and_grad(x))
    assert call(np.array([2., 1.]))[1].tolist() == [12., 3.] and call(np.array([2.]))[0] == 8.
    assert fresh.value_and_grad.explain().traces == 2


def leaves_of(tree):
    return [leaf for part in tree for leaf in leaves_of(part)] if isinstance(tree, tuple) else [tree]


@pytest.mark.parametrize("argnums", [0, 1, (0, 1), (2, 1, 0)])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_hessians_before_any_call_from_python(argnums, dtype):
    def energy(x, k, a):
        return np.sum(np.sin(x) * k * k) + x @ a @ x + k * np.sum(a * a)
    inside, outside = hessian(energy, argnums), hessian(energy, argnums)
    x, k, a = X[:3].astype(dtype), dtype(2.), np.arange(9.).reshape(3, 3)
    found, wanted = (leaves_of(made) for made in (njit(lambda x, k, a: inside(x, k, a))(x, k, a), outside(x, k, a)))
    assert [(np.shape(leaf), np.asarray(leaf).tolist()) for leaf in found] == [(np.shape(leaf), np.asarray(leaf).tolist()) for leaf in wanted]
    assert [leaf.dtype for leaf in found if np.ndim(leaf)] == [leaf.dtype for leaf in wanted if np.ndim(leaf)]


# Arguments that are tuples --------------------------------------------------------------------------------------------------------

def network(parameters, x, factor=2.0):
    (w, b), scale = parameters
    return np.sum(np.tanh(x @ w + b) ** 2) * scale * factor


TUPLES = ((np.ones((3, 2)) * 0.1, np.array([0.5, -0.5])), 2.0)
DATA = np.arange(12.).reshape(4, 3) * 0.1


def same(found, wanted):
    one, other = ([(np.shape(leaf), np.asarray(leaf).tobytes()) for leaf in leaves_of(tree)] for tree in (found, wanted))
    return one == other


@pytest.mark.parametrize("make", [grad, value_and_grad, hessian])
def test_tuples_before_any_call_from_python(make):
    inside, outside = make(network), make(network)
    call = njit(lambda p, x: (inside(p, x), inside.value(p, x), inside(p, x, factor=3.0)))
    found = call(TUPLES, DATA)
    assert same(found, (outside(TUPLES, DATA), outside.value(TUPLES, DATA), outside(TUPLES, DATA, factor=3.0)))
    wider = ((np.ones((3, 5)), np.zeros(5)), 1.0)
    assert same(call(wider, DATA)[0], outside(wider, DATA))
    strided = ((np.asfortranarray(TUPLES[0][0]), np.repeat(TUPLES[0][1], 2)[::2]), np.float64(2.0))
    np.testing.assert_allclose(leaves_of(call(strided, DATA)[0])[0], leaves_of(found[0])[0], rtol=1e-13)


def test_tuples_with_integers_and_of_float32():
    g, outside = (value_and_grad(lambda p: np.sum(p[0]) ** p[1] * p[2][0]) for _ in range(2))
    call = njit(lambda p: g(p))
    for exponent in (3, 2):
        arguments = (np.array([1., 2.], np.float32), exponent, (np.float32(0.5),))
        value, (first, second, (third,)) = call(arguments)
        wanted = outside(arguments)
        assert (value, second, third) == (wanted[0], None, wanted[1][2][0]) and first.tobytes() == wanted[1][0].tobytes() and first.dtype == np.float32


def test_results_of_tuples_are_written_into():
    both, wanted = value_and_grad(network), value_and_grad(network)(TUPLES, DATA)
    by_place, by_name = njit(lambda p, x, out: both(p, x, 2.0, out)), njit(lambda p, x, out: both(p, x, out=out))
    for call in (by_place, by_name):
        out = ((np.zeros((3, 2)), np.zeros(2)), None)
        value, gradient = call(TUPLES, DATA, out)
        assert same((value, gradient), wanted) and gradient[0][0] is out[0][0] and same(out[0], wanted[1][0])
    with pytest.raises(ShapeError, match=r"^out\[0\] has not the shape of the result, which is \(3, 2\).$"):
        by_name(TUPLES, DATA, ((np.zeros((2, 2)), np.zeros(2)), None))
    with pytest.raises(TypingError, match="has not the structure of what is written into it"):
        by_name(TUPLES, DATA, ((np.zeros((3, 2)), None), np.zeros(2)))
    with pytest.raises(TypingError, match="where the array results are float64\\[2 axes\\], float64\\[1 axis\\]"):
        by_name(TUPLES, DATA, np.zeros(3))


def test_tuples_are_forgotten_by_retrace():
    g = grad(lambda p: np.sum(p[0]) * scale)
    call = njit(lambda p: g(p))
    global scale
    for factor in (2.0, 3.0, 4.0):
        scale = factor
        g.retrace()
        assert call((X, X))[0].tolist() == [factor] * len(X)
        assert g((X, X))[0].tolist() == [factor] * len(X)


def test_trees_that_compiled_code_has_not():
    pair = jit(lambda p: (p[0] * 2, {"a": p[1]}))
    call = njit(lambda p: pair(p))
    with pytest.raises(NotCompiledError, match=r"^what jit\(<lambda>\) returns is not known before it is traced: call it once from Python, or its specialize"):
        call((X, 1.0))
    plain = jit(lambda p: (p[0] * 2, (p[1],)))
    plain((X, 1.0))
    assert same(njit(lambda p: plain(p))((X, 1.0)), (2 * X, (1.0,)))
    with pytest.raises(TypingError, match=r"argument 'p' is Named.*From @njit code arrays and numbers of .* are taken, and tuples of them"):
        njit(lambda p: plain(p))(Named(X, 1.0))


def test_what_is_known_of_one_layout_is_known_of_all():
    outer = jacobian(lambda x: np.outer(x, x))
    outer(X)
    call = njit(lambda x: outer(x))
    assert call(np.repeat(X, 2)[::2]).tobytes() == call(X).tobytes() == outer(X).tobytes()


def test_errors_are_those_of_a_call_from_python():
    g = grad(lambda x: np.sum(x * np.ones(3)))
    call = njit(lambda x: g(x))
    messages = []
    for each in (g, call):
        with pytest.raises(ShapeError) as caught:
            each(np.ones(4))
        messages.append(str(caught.value))
        assert each(np.ones(3)).tolist() == [1., 1., 1.]
    assert messages[0] == messages[1]
    with pytest.raises(TypingError, match="the gradient with respect to `x` is asked for, but it is an array of int64"):
        call(np.ones(3, np.int64))
    with pytest.raises(TypingError, match="Unknown attribute 'foo'"):
        njit(lambda x: g.foo(x))(X)


def test_many_threads_meet_new_shapes_at_once():
    g = grad(lambda x: np.sum(x * x) * 0.5)

    @njit(nogil=True)
    def run(data, out):
        for n in range(1, 40):
            out[n] = g(data[:n]).sum()

    run(np.ones(40), np.zeros(40))
    g.retrace()
    results, start = [np.zeros(40) for _ in range(8)], threading.Barrier(8)

    def work(out):
        start.wait()
        run(np.ones(40), out)
    threads = [threading.Thread(target=work, args=(out,)) for out in results]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(out.tolist() == list(range(40)) for out in results)
    assert g.explain().traces == 39 + 39


def test_eight_threads_compile_once():
    g, start, results = value_and_grad(lambda x: np.sum(np.tanh(x))), threading.Barrier(8), []

    def work():
        start.wait()
        results.append(g(X))
    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({(value, gradient.tobytes()) for value, gradient in results}) == 1 and len(results) == 8
    assert g.explain().traces == 1


def garch(p, r):
    """The likelihood of returns whose variance depends on the last one (Bollerslev, J. Econometrics 31, 1986)."""
    variance, total = 1.0, 0.0
    for k in range(len(r)):
        total = total + 0.5 * (np.log(variance) + r[k] ** 2 / variance)
        variance = np.exp(p[0]) + p[1] ** 2 * r[k] ** 2 + p[2] ** 2 * variance
    return total


def test_a_parallel_loop_over_series_of_different_lengths():
    both, lengths = value_and_grad(garch), np.array([3, 7, 5, 3, 6, 4, 7, 3, 2, 5])
    starts, p = np.concatenate([[0], np.cumsum(lengths)]), np.array([-1.0, 0.5, 0.7])
    returns = np.random.default_rng(0).normal(size=starts[-1])

    @njit(parallel=True)
    def all_series(p, returns, starts):
        gradients = np.zeros((len(starts) - 1, 3))
        for i in prange(len(starts) - 1):
            both(p, returns[starts[i]:starts[i + 1]], gradients[i])
        return gradients

    found = all_series(p, returns, starts)
    assert both.explain().traces == len(set(lengths))
    for i in range(len(lengths)):
        series = returns[starts[i]:starts[i + 1]]
        assert found[i].tobytes() == both(p, series)[1].tobytes()
        # Complex steps have no rounding error.
        exact = [garch(p + 1e-30j * unit, series).imag / 1e-30 for unit in np.eye(3)]
        np.testing.assert_allclose(found[i], exact, rtol=1e-12)


def test_an_error_in_a_parallel_loop(capfd):
    g = grad(lambda x: np.sum(x * np.ones(3)))

    @njit(parallel=True)
    def run(sizes):
        sums = np.zeros(len(sizes))
        for i in prange(len(sizes)):
            sums[i] = g(np.ones(sizes[i])).sum()
        return sums

    assert run(np.full(8, 3)).tolist() == [3.] * 8 and g.last_error is None
    sums = run(np.array([3, 4, 3, 5, 3, 3, 3, 4]))
    assert np.isnan(sums).tolist() == [False, True, False, True, False, False, False, True] and sums[0] == 3
    assert isinstance(g.last_error, ShapeError)
    assert capfd.readouterr().err.count("Exception in a parallel region") == 1


# An `@njit` function is differentiated as its Python source -----------------------------------------------------------------------

@njit
def inner(x):
    total = 0.0
    for i in range(len(x)):
        total += np.sin(x[i]) * x[i]
    return total


@njit
def calls_inner(x, k):
    return inner(x) * k + inner(2.0 * x)


def test_functions_that_are_compiled_already():
    np.testing.assert_allclose(grad(inner)(X), right(X), rtol=1e-14)
    np.testing.assert_allclose(grad(calls_inner)(X, 3.), 3 * right(X) + 2 * right(2 * X), rtol=1e-14)
    g = grad(calls_inner)
    np.testing.assert_allclose(njit(lambda x: g(x, 3.))(X), 3 * right(X) + 2 * right(2 * X), rtol=1e-14)
    assert g.__name__ == "calls_inner" and jit(inner)(X) == pytest.approx(inner(X), rel=1e-15)


# Callers that Numba caches, over two processes ------------------------------------------------------------------------------------

MODEL = """
import numpy as np
from tracer import grad, jit, value_and_grad

def f(x, y):
    return np.sum(x * x) * FACTOR + 5 * y

g = grad(f)
g1 = grad(f, argnums=1)
def make(k):
    return grad(lambda x: k * x)
a, b = make(2.0), make(3.0)
"""
CALLER = """
from numba import njit
import model
g, g1 = model.g, model.g1

@njit(cache=True)
def call(x, y):
    return g(x, y).sum(), g1(x, y), g.value(x, y), g.value_and_grad(x, y)[0]
"""
RUN = """
import faulthandler; faulthandler.enable()
import numpy as np
import caller, model
for attempt in range(2):
    try:
        print(tuple(map(float, caller.call(np.full(2, 3.0), 1.0))), sum(caller.call.stats.cache_hits.values()))
        break
    except Exception as error:
        print(type(error).__name__, error)
    if not hasattr(model, "later"):
        break
    model.later()
"""


@pytest.fixture
def project(tmp_path):
    def run(model=MODEL, caller=CALLER, factor="1"):
        (tmp_path / "model.py").write_text(textwrap.dedent(model.replace("FACTOR", factor)))
        if not (tmp_path / "caller.py").exists() or (tmp_path / "caller.py").read_text() != caller:
            (tmp_path / "caller.py").write_text(caller)
        done = subprocess.run([sys.executable, "-B", "-c", RUN], cwd=tmp_path, capture_output=True, text=True, timeout=100,
                              env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": "", "TRACER_CACHE_DIR": str(tmp_path / "cache")})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()
    return run


def test_a_cached_caller_sees_what_became_of_the_function(project):
    assert project() == "(12.0, 5.0, 23.0, 23.0) 0"
    assert project(factor="2") == "(24.0, 5.0, 41.0, 41.0) 1"
    assert project(MODEL.replace("g1 = grad(f, argnums=1)", "g1 = grad(f, argnums=0)")).startswith(
        "LookupError there is no object `model:f:grad:1:False:safe`")
    assert project(MODEL.replace("def f(", "def h(").replace("grad(f", "grad(h")).startswith(
        "LookupError there is no object `model:f:grad:0:False:safe` (any more): it was renamed or removed")


def test_a_cached_caller_of_an_object_that_is_made_later(project):
    caller = "from numba import njit\nimport model\ng = model.g\n@njit(cache=True)\ndef call(x, y):\n    return g(x, y).sum(), g.value(x, y)\n"
    assert project(MODEL, caller) == "(12.0, 23.0) 0"
    later = "import numpy as np\nfrom tracer import grad\ndef f(x, y):\n    return np.sum(x * x) + 5 * y\ng = None\n" \
            "def later():\n    global g\n    g = grad(f)\n"
    first, second = project(later, caller).splitlines()
    assert first.startswith("LookupError there is no object `model:f:grad:0:False:safe`") and second == "(12.0, 23.0) 1"


def test_a_cached_caller_of_a_function_with_other_results(project):
    model = "import numpy as np\nfrom tracer import jit\ndef f(x, y):\n    return RESULT\ng = jit(f)\ng.specialize(np.ones(2), 1.0)\n"
    caller = "from numba import njit\nfrom model import g\n@njit(cache=True)\ndef call(x, y):\n    return g(x, y)\n"
    one = model.replace("RESULT", "(np.sum(x), y)")
    assert project(one, caller) == "(6.0, 1.0) 0" and project(one, caller) == "(6.0, 1.0) 1"
    answer = project(model.replace("RESULT", "(x, y)"), caller)
    assert answer.startswith("TypeError `model:f:value:0:False:safe` of (float64[1C],float64) now returns (float64[1C], float64), "
                             "but its caller was compiled for (float64, float64).")


@pytest.mark.parametrize("layer", ["workqueue", "omp"])
def test_a_cached_parallel_caller_of_what_is_gone_gets_nan(project, layer, monkeypatch):
    monkeypatch.setenv("NUMBA_THREADING_LAYER", layer)
    caller = textwrap.dedent("""
        import numpy as np
        from numba import njit, prange
        import model
        both = model.both
        @njit(cache=True, parallel=True)
        def call(x, y):
            found, out = np.zeros(8), np.zeros((8, 2))
            for i in prange(8):
                value, gradient = both(x, y)
                found[i] = value + gradient.sum() + both(x, y, out[i])[1][0]
            return found[0], found[7], out[3, 1]
    """)
    model = "import numpy as np\nfrom tracer import value_and_grad\ndef f(x, y):\n    return np.sum(x * x) * y\nboth = value_and_grad(f)\n"
    if layer == "omp" and sys.platform != "linux":
        pytest.skip("OpenMP is Numba's default on Linux alone")
    assert project(model, caller) == "(36.0, 36.0, 6.0) 0"
    assert project(model.replace("def f(", "def h(").replace("grad(f", "grad(h"), caller) == "(nan, nan, nan) 1"


def test_a_cached_caller_with_tuples(project):
    caller = "from numba import njit\nfrom model import g\n@njit(cache=True)\ndef call(x, y):\n    a, b = g((x, y))\n    return a.sum(), b, g.value((x, y))\n"
    model = "import numpy as np\nfrom tracer import grad\ndef f(p):\n    return np.sum(p[0] * p[0]) * FACTOR + 5 * p[1]\ng = grad(f)\n"
    assert project(model, caller) == "(12.0, 5.0, 23.0) 0"
    assert project(model, caller, factor="2") == "(24.0, 5.0, 41.0) 1"
    gone = model.replace("def f(", "def h(").replace("grad(f", "grad(h")
    assert project(gone, caller).startswith("LookupError there is no object `model:f:grad:0:False:safe`")


def test_a_cached_caller_of_tuples_that_are_nested_otherwise(project):
    model = "import numpy as np\nfrom tracer import jit\ndef f(p):\n    return RESULT\ng = jit(f)\ng.specialize((np.ones(2), 1.0))\n"
    caller = "from numba import njit\nfrom model import g\n@njit(cache=True)\ndef call(x, y):\n    (a, b), c = g((x, y))\n    return a, b, c\n"
    assert project(model.replace("RESULT", "(np.sum(p[0]), p[1]), p[1]"), caller) == "(6.0, 1.0, 1.0) 0"
    answer = project(model.replace("RESULT", "np.sum(p[0]), (p[1], p[1])"), caller)
    assert answer.startswith("TypeError `model:f:value:0:False:safe>((0, 0),)` of (float64[1C],float64) now returns (float64, (float64, float64)), "
                             "but its caller was compiled for ((float64, float64), float64).")


def test_callers_of_closures_are_compiled_again(project):
    caller = "from numba import njit\nfrom model import a, b\n@njit(cache=True)\ndef call(x, y):\n    return a(y), b(y)\n"
    for factors in (("2.0", "3.0"), ("4.0", "2.0")):
        model = MODEL.replace("make(2.0), make(3.0)", f"make({factors[0]}), make({factors[1]})")
        assert project(model, caller) == f"({factors[0]}, {factors[1]}) 0"
