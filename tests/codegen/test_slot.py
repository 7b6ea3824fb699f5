"""Calls from `@njit` code."""
import ctypes
import gc
import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from numba import njit, prange
from numba.core import cgutils, types
from numba.core.errors import TypingError
from numba.core.pythonapi import PythonAPI
from numba.core.registry import cpu_target
from numba.core.runtime import _nrt_python, rtsys
from numba.core.runtime.nrt import MemInfo
from numba.parfors import parfor_lowering

from codegen.entry import Leaf, Specialisation, native_entry, resolve
from codegen.entry.lowering import IN_PARALLEL_REGION
from codegen.entry.types import DTYPES

from .test_entry import DO_NOTHING, LAYOUTS, MATRIX, Constants, make, one, run_python, three, two
from .toy_specialiser import NativeSquares, Squares

ROOT = Path(__file__).parents[2]


@pytest.fixture
def squares():
    return make(one, NativeSquares())


def test_global_closure_argument_and_tuple(squares):
    @njit
    def closure(x):
        return squares(x)

    @njit
    def argument(f, x):
        return f(x)

    @njit
    def element(fs, x):
        return fs[1](x)[0] + fs[0](x)[0]

    x = np.arange(4.0)
    for value, gradient in (closure(x), argument(squares, x), call_global(x)):
        assert value == 14
        np.testing.assert_array_equal(gradient, 2 * x)
        assert gradient.flags.c_contiguous and gradient.flags.writeable
    other = make(one, NativeSquares())
    assert element((squares, other), x) == 28
    pair = squares, other
    assert njit(lambda x: pair[1](x)[0] + pair[0](x)[0])(x) == 28
    assert argument(other, x)[0] == 14 and len(other.specialiser.calls) == 1


GLOBAL = make(one, NativeSquares())


@njit
def call_global(x):
    return GLOBAL(x)


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout(name):
    f = make(one)
    x = LAYOUTS[name]
    if not x.flags.aligned:
        pytest.skip("Numba itself takes these for aligned ones")
    value, (gradient,) = njit(lambda x: f(x))(x)
    assert value == np.square(x).sum()
    np.testing.assert_array_equal(gradient, 2 * x)


def test_general_layouts_share_an_entry():
    f = make(one)
    call = njit(lambda x: f(x))
    for name in ("fortran", "strided", "negative", "broadcast", "transposed"):
        call(LAYOUTS[name])
    state, = f._states.values()
    assert str(state.signature) == "float64[2A]"


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_as_array_and_scalar(dtype):
    f = make(two)
    value, gradients = njit(lambda x, y: f(x, y))(np.array([0, 1, 1], dtype), np.dtype(dtype).type(1))
    assert value == 3
    if dtype.startswith("float"):
        assert gradients[0].dtype == dtype and gradients[1] == 2
    else:
        assert gradients == (None, None)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1), (2, 3, 4)])
def test_every_rank(shape):
    f, x = make(one), np.full(shape, 1.5)
    value, (gradient,) = njit(lambda x: f(x))(x)
    assert value == 2.25 * x.size and gradient.shape == shape
    np.testing.assert_array_equal(gradient, 2 * x)


def test_keywords_defaults_and_literals():
    f = make(three)
    assert njit(lambda: f(1.0))()[0] == 14
    assert njit(lambda: f(y=1.0, x=1.0))()[0] == 11
    assert njit(lambda: f(1.0, n=1))()[0] == 6
    assert njit(lambda: f(1, 2, True))() == (6.0, (None, None, None))
    assert [str(signature) for signature in f._states] == ["float64,float64,int64", "int64,int64,bool"]

    @njit
    def omits(x, y=5.0):
        return f(x, y)[0]

    assert omits(1.0) == 35
    values = np.arange(3.0)
    array_default = make(lambda x, y=values: None)
    value, gradients = njit(lambda: array_default(1.0))()
    assert value == 6 and gradients[1].tolist() == [0, 2, 4]


def test_nested_and_empty_results():
    class Nested(Constants):
        def results(self, signature, shapes, ints):
            return (None, (Leaf("array", "float32", 2), Leaf("array", "bool", 1)), ((), Leaf("scalar", "bool")), Leaf("array", "int16", 0))

        def specialise(self, signature, shapes, ints):
            return Specialisation(DO_NOTHING, np.zeros(1), 0, ((2, 3), (4,), ()), None, None)

    f = make(one, Nested())
    nothing, (matrix, flags), (empty, flag), number = njit(lambda: f(1.0))()
    assert nothing is None and empty == () and type(flag) is bool
    assert matrix.shape == (2, 3) and matrix.dtype == np.float32 and flags.shape == (4,) and number.dtype == np.int16 and number.shape == ()


def test_static_integers_from_compiled_code():
    specialiser = Squares(static={2})
    f = make(three, specialiser)
    call = njit(lambda n: f(1.0, 2.0, n))
    for n in (3, 4, 3, 4):
        assert call(n)[0] == 5 + n * n
    assert [ints for _, ints in specialiser.calls] == [(None, None, 3), (None, None, 4)]


def test_python_and_compiled_code_share_specialisations(squares):
    call = njit(lambda x: squares(x))
    for n in range(600):
        if n != 13:
            assert squares(np.ones(n))[0] == call(np.ones(n))[0] == n
    assert len(squares.specialiser.calls) == 599


def test_large_results(squares):
    x = np.ones(3_000_000)
    value, gradient = njit(lambda x: squares(x))(x)
    assert value == x.size and gradient.sum() == 2 * x.size


@pytest.mark.parametrize("call, text", [
    (lambda f: njit(lambda: f()), r"three\(\): missing a required argument: 'x'"),
    (lambda f: njit(lambda: f(1.0, 2.0, 3, 4)), "too many positional arguments"),
    (lambda f: njit(lambda: f(1.0, z=2)), "unexpected keyword argument 'z'"),
    (lambda f: njit(lambda: f(1j)), r"three\(\): argument 'x' is complex128. From @njit code arrays and numbers of"),
    (lambda f: njit(lambda: f((1.0, 2.0))), r"argument 'x' is UniTuple"),
    (lambda f: njit(lambda: f(1.0, "a")), "argument 'y' is unicode_type"),
    (lambda f: njit(lambda: f(1.0, None)), "argument 'y' is none"),
])
def test_typing_errors_are_readable(call, text):
    with pytest.raises(TypingError, match=text):
        call(make(three))()


def test_a_type_error_of_the_specialiser_is_a_typing_error(squares):
    with pytest.raises(TypingError, match=r"one\(\): no squares of float64\[2C\]"):
        njit(lambda x: squares(x))(MATRIX)


def test_errors_are_the_callers(squares):
    @njit
    def call(x):
        return squares(x)[0] + 1

    @njit
    def outer(x):
        return call(x) * 2

    for _ in range(2):
        with pytest.raises(ValueError, match="unlucky") as error:
            outer(np.ones(13))
        assert error.traceback[-1].name == "specialise"
        with pytest.raises(ArithmeticError, match="kernel says 3"):
            outer(-np.ones(2))
        assert outer(np.ones(2)) == 6


def test_an_error_in_a_parallel_region_is_told_and_gives_nan(squares, capfd):
    @njit(parallel=True)
    def calls(xs, values, sums):
        for i in prange(len(xs)):
            value, gradient = squares(xs[i])
            values[i] = value
            sums[i] = gradient.sum() if len(gradient) == xs.shape[1] else -1.0

    def run(xs):
        values, sums = np.zeros((2, len(xs)))
        calls(xs, values, sums)
        return values, sums

    xs = np.ones((40, 3))
    assert (run(xs)[0] == 3).all() and (run(xs)[1] == 6).all() and squares.last_error is None
    xs[7, 0] = -1
    values, sums = run(xs)
    assert np.isnan(values[7]) and np.isnan(sums[7]) and np.isnan(values).sum() == 1
    assert isinstance(squares.last_error, ArithmeticError)
    values, sums = run(np.ones((40, 13)))
    assert np.isnan(values).all() and np.isnan(sums).all() and isinstance(squares.last_error, ValueError)
    assert capfd.readouterr().err.count("Exception in a parallel region") == 1


def test_threads_without_the_gil(squares):
    @njit(nogil=True)
    def calls(xs):
        total = 0.0
        for n in range(20, 50):
            total += squares(xs[:n])[0]
        return total

    xs, results = np.ones(100), []
    threads = [threading.Thread(target=lambda: results.append(calls(xs))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [sum(range(20, 50))] * 8
    assert len(squares.specialiser.calls) == 30


def test_an_object_that_went_leaves_its_callers_working():
    def caller():
        f = make(one, NativeSquares())
        return njit(lambda f, x: f(x)), f

    call, f = caller()
    assert call(f, np.ones(3))[0] == 3
    reference = weakref.ref(f)
    del f
    gc.collect()
    assert reference() is None
    f = make(one, NativeSquares())
    assert call(f, np.ones(2))[0] == 2


def test_two_objects_have_two_types():
    first, second = make(one, NativeSquares()), make(one, NativeSquares())
    assert first._numba_type_ != second._numba_type_ and first._numba_type_ == first._numba_type_


def test_two_live_objects_of_one_key_are_refused():
    first, second = (make(one, NativeSquares(), key="tests:twins") for _ in range(2))
    with pytest.raises(TypingError, match="2 objects are called `tests:twins`"):
        njit(lambda x: first(x))(np.ones(2))
    assert second(np.ones(2))[0] == 2
    with pytest.raises(LookupError, match="2 objects are called"):
        resolve("tests:twins|float64[1C]->(float64, float64[1C])|")
    del second
    assert njit(lambda x: first(x))(np.ones(2))[0] == 2


def test_resolve_refuses_other_results(squares):
    with pytest.raises(TypeError, match=r"now returns \(float64, float64\[1C\]\), but its caller was compiled for float64"):
        resolve(f"{squares.slot_key}|float64[1C]->float64|")


def test_no_leaks():
    """Numba itself leaks what its callers hold when an exception passes, so failing calls are compared with a failing `@njit` function."""
    assert run_python("""
        import numpy as np
        from numba import njit
        from numba.core.runtime import rtsys
        from tests.codegen.test_slot import NativeSquares, make, one
        f = make(one, NativeSquares())

        @njit
        def calls(x):
            return f(x)

        @njit
        def by_hand(x):
            if x[0] < 0:
                raise ValueError
            return x.sum(), 2 * x

        @njit
        def calls_by_hand(x):
            return by_hand(x)

        def leaked(function, x):
            for counted in (False, True):
                before = rtsys.get_allocation_stats()
                for _ in range(100):
                    try:
                        function(x())
                    except (ValueError, ArithmeticError):
                        pass
            after = rtsys.get_allocation_stats()
            assert after.alloc >= before.alloc + 100
            return after.alloc - before.alloc - (after.free - before.free)

        print(leaked(calls, lambda: np.ones(3)), leaked(calls, lambda: np.ones(6)[::2]))
        print([leaked(g, lambda: -np.ones(2)) - leaked(calls_by_hand, lambda: -np.ones(2)) for g in (calls, lambda x: calls(x))])
        print(leaked(calls, lambda: -np.ones(13)) - leaked(calls_by_hand, lambda: -np.ones(2)))
    """, NUMBA_NRT_STATS="1") == "0 0\n[0, 0]\n0\n"


# Callers that Numba caches on disk, over two processes.

OBJECTS = """
import numpy as np
from codegen.entry import EntryDispatcher, Leaf, Specialisation
from numba import carray, cfunc, types

@cfunc(types.int32(*[types.CPointer(types.CPointer(types.float64))] + [types.CPointer(types.int64)] * 2 + [types.voidptr]))
def kernel(buffers, strides, params, workspace):
    buffers[1][0] = FACTOR * buffers[0][0]
    return 0

class Scale:
    def results(self, signature, shapes, ints):
        return RESULT
    def static_ints(self, signature):
        return (False,) * len(signature.leaves)
    def specialise(self, signature, shapes, ints):
        return Specialisation(kernel.address, np.zeros(1), 0, (), kernel, ValueError)

def loss(x): pass
NAME = EntryDispatcher(loss, Scale(), KEY)
"""

CALLER = """
from numba import njit
from objects import *

@njit(cache=True)
def call(x):
    return g(x)
"""

RUN = """
import faulthandler, warnings; faulthandler.enable()
warnings.simplefilter("error")
import numpy as np
import caller
try:
    print(caller.call(np.full(3, 2.0)), sum(caller.call.stats.cache_hits.values()))
except Exception as error:
    print(type(error).__name__, error)
"""


class Project:
    """Two modules in a folder: `objects` makes an object, `caller` has a cached function that calls it as `g`."""

    def __init__(self, folder):
        self._folder = folder

    def run(self, *, factor="2.0", result='Leaf("scalar", "float64")', name="g", key='"objects:loss:grad:0"', more="", script=RUN):
        text = OBJECTS
        for word, value in (("FACTOR", factor), ("RESULT", result), ("NAME", name), ("KEY", key)):
            text = re.sub(rf"\b{word}\b", value, text)
        (self._folder / "objects.py").write_text(text + textwrap.dedent(more))
        done = subprocess.run([sys.executable, "-B", "-c", textwrap.dedent(script)], cwd=self._folder, capture_output=True, text=True,
                              env=os.environ | {"PYTHONPATH": str(ROOT), "NUMBA_CACHE_DIR": ""})
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() + done.stderr.strip()


@pytest.fixture(scope="module")
def cached(tmp_path_factory):
    """A project whose caller is in Numba's cache."""
    folder = tmp_path_factory.mktemp("cached")
    (folder / "caller.py").write_text(CALLER)
    assert Project(folder).run() == "4.0 0"
    return folder


@pytest.fixture
def project(cached, tmp_path):
    return Project(Path(shutil.copytree(cached, tmp_path, dirs_exist_ok=True)))


def test_a_cached_caller_works_in_the_next_process(project):
    assert project.run() == "4.0 1"


def test_a_cached_caller_sees_a_changed_gradient(project):
    assert project.run(factor="3.0") == "6.0 1"


def test_a_cached_caller_of_a_renamed_object_raises(project):
    answer = project.run(key='"objects:other:grad:0"')
    assert answer.startswith("LookupError there is no object `objects:loss:grad:0` (any more)") and "delete the __pycache__" in answer


def test_a_cached_caller_of_a_removed_object_raises(project):
    script = RUN.replace("import caller", "import objects; del objects.g; objects.g = None\nimport caller")
    assert project.run(script=script).startswith("LookupError there is no object `objects:loss:grad:0`")


def test_a_cached_caller_imports_what_it_needs(project, tmp_path):
    """The caller's module no longer imports this package, so that nothing has registered anything when its cached code is loaded."""
    script = """
        import sys
        import numpy as np
        sys.modules["objects"] = type(sys)("objects")
        sys.modules["objects"].g = None
        import caller
        assert "codegen.entry" not in sys.modules
        try:
            print(caller.call(np.full(3, 2.0)))
        except LookupError as error:
            print("LookupError", sum(caller.call.stats.cache_hits.values()))
    """
    assert project.run(script=script) == "LookupError 1"


def test_a_cached_caller_of_an_object_with_other_argnums_raises(project):
    assert project.run(key='"objects:loss:grad:1"').startswith("LookupError")


def test_a_cached_caller_of_an_object_with_another_return_type_raises(project):
    answer = project.run(result='(Leaf("scalar", "float64"), None)')
    assert answer.startswith("TypeError") and "now returns (float64, None), but its caller was compiled for float64" in answer


def test_a_cached_caller_of_two_objects_of_one_key_raises(project):
    answer = project.run(more="h = EntryDispatcher(loss, Scale(), 'objects:loss:grad:0')")
    assert answer.startswith("LookupError 2 objects are called `objects:loss:grad:0`")


def test_a_caller_of_two_objects_of_one_function_gets_each_ones_numbers(project, tmp_path):
    (tmp_path / "caller.py").write_text(CALLER.replace("return g(x)", "return g(x) + 100 * h(x)"))
    more = """
        @cfunc(kernel._sig)
        def kernel2(buffers, strides, params, workspace):
            buffers[1][0] = 7 * buffers[0][0]
            return 0
        class Scale2(Scale):
            def specialise(self, signature, shapes, ints):
                return Specialisation(kernel2.address, np.zeros(1), 0, (), kernel2, ValueError)
        h = EntryDispatcher(loss, Scale2(), "objects:loss:grad:1")
    """
    assert project.run(more=more) == "1404.0 0"
    assert project.run(more=more) == "1404.0 1"


def test_a_caller_of_an_object_without_a_name_is_not_cached(project, tmp_path):
    shutil.rmtree(tmp_path / "__pycache__")
    script = RUN.replace('warnings.simplefilter("error")', 'warnings.simplefilter("ignore")')
    for factor, answer in (("2.0", "4.0 0"), ("3.0", "6.0 0")):
        assert project.run(key="None", factor=factor, script=script) == answer
    assert "Cannot cache" in (answer := project.run(key="None")) and "dynamic globals" in answer


def test_a_cached_caller_may_hold_an_object_without_a_name_in_its_closure(project, tmp_path):
    (tmp_path / "caller.py").write_text("""
from numba import njit
import objects

def make(g):
    @njit(cache=True)
    def call(x):
        return g(x)
    return call

call = make(objects.g)
""")
    script = RUN.replace('warnings.simplefilter("error")', 'warnings.simplefilter("ignore")')
    assert project.run(key="None", script=script) == "4.0 0"
    assert project.run(script=script) == "4.0 0"
    assert project.run(script=script, factor="3.0") == "6.0 1"


# Canaries: what we take from Numba.

def test_canary_memory_blocks():
    assert {"MemInfo_alloc_aligned", "MemInfo_call_dtor"} <= set(_nrt_python.c_helpers)
    rtsys.initialize(cpu_target.target_context)
    address = _nrt_python.meminfo_alloc(64)
    assert ctypes.c_void_p.from_address(address + native_entry.BLOCK_DATA).value == MemInfo(address).data


def test_canary_lowering():
    context = cpu_target.target_context
    assert callable(context.insert_func_defn) and callable(context.add_dynamic_addr) and callable(context.call_conv.return_exc)
    assert all(hasattr(PythonAPI, name) for name in ("gil_ensure", "gil_release", "import_module", "long_as_voidptr", "decref"))
    assert types.Array(types.float64, 1, "C").aligned
    assert cgutils.create_struct_proxy(types.Array(types.float64, 1, "C")).__name__


def test_canary_parallel_loops_are_functions_of_this_name():
    assert f'"{IN_PARALLEL_REGION}_%s"' in inspect.getsource(parfor_lowering)
