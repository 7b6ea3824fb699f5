"""Calls from Python."""
import contextlib
import ctypes
import enum
import gc
import os
import pickle
import random
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from numba import _dispatcher, njit
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.core.typing.typeof import typeof

from codegen.entry import MAX_SPECIALISATIONS, EntryDispatcher, Leaf, Signature, Specialisation, python_entry, table
from codegen.entry.load import load, object_bytes
from codegen.entry.types import DTYPES, flatten

from .toy_specialiser import NativeSquares, Squares

ROOT = Path(__file__).parents[2]


def make(function, specialiser=None, key=None, cls=EntryDispatcher):
    return cls(function, specialiser or Squares(), key)


def one(x):
    pass


def two(x, y):
    pass


def three(x, y=2.0, n=3):
    pass


def misaligned(values):
    memory = np.zeros(values.nbytes + 1, np.uint8)
    array = memory[1:].view(values.dtype).reshape(values.shape)
    array[...] = values
    assert not array.flags.aligned
    return array


def read_only(values):
    values = values.copy()
    values.flags.writeable = False
    return values


MATRIX = np.arange(12.0).reshape(3, 4)
LAYOUTS = {
    "contiguous": MATRIX,
    "read-only": read_only(MATRIX),
    "fortran": np.asfortranarray(MATRIX),
    "strided": np.arange(48.0).reshape(6, 8)[::2, ::2],
    "negative": MATRIX[::-1, ::-1],
    "broadcast": np.broadcast_to(np.arange(4.0), (3, 4)),
    "misaligned": misaligned(MATRIX),
    "misaligned and read-only": read_only(misaligned(MATRIX)),
    "offset": np.arange(20.0)[3:15].reshape(3, 4),
    "transposed": MATRIX.T,
    "one row": MATRIX[:1],
    "one column": MATRIX[:, :1],
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_value_and_fresh_gradient(name):
    x, f = LAYOUTS[name], make(one)
    for _ in range(2):
        value, (gradient,) = f(x)
        assert type(value) is float and value == np.square(x).sum()
        np.testing.assert_array_equal(gradient, 2 * x)
        assert gradient.flags.c_contiguous and gradient.flags.aligned and gradient.flags.writeable and gradient.flags.owndata


def test_all_layouts_come_down_to_two_entries():
    f = make(one)
    for _ in range(3):
        for x in LAYOUTS.values():
            assert f(x)[0] == np.square(x).sum()
    assert {leaf.layout for signature in f._entries for leaf in signature.leaves} == {"C", "A"}
    assert len(f._entries) == 2


def test_a_misaligned_array_does_not_take_the_entry_of_aligned_ones():
    f = make(one)
    f(LAYOUTS["misaligned"])
    f(MATRIX)
    assert [signature.leaves[0].layout for signature in f._entries] == ["A", "C"]
    assert f(LAYOUTS["misaligned"])[0] == f(MATRIX)[0]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_as_array_and_scalar(dtype):
    f = make(two)
    array, number = np.array([0, 1, 1], dtype), np.dtype(dtype).type(1)
    value, gradients = f(array, number)
    assert value == 3
    if not dtype.startswith("float"):
        assert gradients == (None, None)
        return
    assert gradients[0].dtype == dtype and gradients[1] == 2 and type(gradients[1]) is type(number)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (1, 1), (2, 3, 4), (1,) * 9])
def test_every_rank(shape):
    x = np.full(shape, 1.5)
    value, (gradient,) = make(one)(x)
    assert value == 2.25 * x.size and gradient.shape == shape and isinstance(gradient, np.ndarray)
    np.testing.assert_array_equal(gradient, 2 * x)


def test_a_float_gives_a_float_and_a_numpy_scalar_a_numpy_scalar():
    f = make(one)
    for _ in range(2):
        assert [type(f(x)[1][0]) for x in (1.0, np.float64(1), np.float32(1), np.array(1.0))] == [float, np.float64, np.float32, np.ndarray]


def test_integers_and_bools():
    f = make(three)
    assert f(2, -1, True) == (6.0, (None, None, None))
    assert f(np.int8(-2), np.uint64(3), np.False_)[0] == 13
    assert f(-1, 2**62, 0)[0] == 1 + 2.0**124
    assert f(-1.0, 0.0, 0)[1] == (-2.0, 0.0, None)
    with pytest.raises(TypeError, match="'x' is the integer 9223372036854775808"):
        f(2**63, 0.0, 1)
    assert f(1, 0.0, 1)[0] == 2
    with pytest.raises(OverflowError):
        f(2**63, 0.0, 1)


def test_memmaps_are_arrays(tmp_path):
    x = np.memmap(tmp_path / "x", float, "w+", shape=(4,))
    x[:] = 1
    f = make(one, NativeSquares())
    f(x)
    assert frames(f, x) == []
    assert f(x)[0] == 4 and type(f(x)[1]) is np.ndarray


class Colour(enum.IntEnum):
    RED = 1


REFUSED = [
    (np.ma.ones(3), "MaskedArray"), (np.ones((1, 1)).view(np.matrix), "matrix"), (np.ones(3, ">f8"), "byte order"),
    (np.ones(3, complex), "complex128"), (1j, "complex"), (np.array([None]), "object"), (np.array(["a"]), "<U1"),
    (np.array(["2020"], "M8[D]"), "datetime64"),
    (np.ones(2, np.float16), "float16"), (np.ones(2, [("a", float)]), "('a'"), (np.complex64(1), "complex64"),
]


@pytest.mark.parametrize("value, what", REFUSED)
def test_refused_arguments_are_named(value, what):
    f = make(two)
    for known in ((), (1.0, np.ones(3)), (1.0, np.ones((1, 1)))):
        if known:
            f(*known)
        with pytest.raises(TypeError, match=r"two\(\): argument 'y' is .*[Pp]ass") as error:
            f(1.0, value)
        assert what in str(error.value)


@pytest.mark.parametrize("value", [{}, [1.0], (1.0,), "a", None, object(), Colour.RED])
def test_other_arguments_go_to_the_hook(value):
    class Other(EntryDispatcher):
        def compile_for_other(self, args, kwargs):
            return lambda x, y: (x, y)

    assert make(two, cls=Other)(1.0, y=value) == (1.0, value)
    with pytest.raises(TypeError, match=r"two\(\): argument 'y' is a"):
        make(two)(1.0, value)


def test_an_object_can_get_a_call_of_its_own():
    class Trees(EntryDispatcher):
        def __call__(self, x):
            return "tree"

    class Plain(EntryDispatcher):
        def compile_for_other(self, args, kwargs):
            self.__class__ = Trees
            return self

    f = make(one, cls=Plain)
    assert f(1.0)[0] == 1.0
    assert f({}) == "tree" and f(1.0) == "tree"


def test_keywords_and_defaults():
    f = make(three)
    assert f(1.0)[0] == 14 and f(y=1.0, x=1.0)[0] == 11 and f(1.0, n=1)[0] == 6 and f(1.0, 1, 1.0)[0] == 3
    assert f(1.0)[1] == (2.0, 4.0, None)


def test_missing_arguments_read_as_in_python():
    def f3(a, b, c):
        pass

    for call in (lambda f: f(), lambda f: f(1.0), lambda f: f(1.0, c=2.0), lambda f: f(c=1)):
        with pytest.raises(TypeError) as expected:
            call(f3)
        with pytest.raises(TypeError) as error:
            call(make(f3))
        assert str(error.value) == str(expected.value).rpartition(".")[2]
    with pytest.raises(TypeError, match="too many arguments: expected 1, got 2"):
        make(one)(1.0, 2.0)
    with pytest.raises(TypeError, match="some keyword arguments unexpected"):
        make(three)(1.0, z=2.0)


def test_parameters_must_be_plain():
    with pytest.raises(TypeError, match=r"parameter `\*args` is not a plain parameter"):
        make(lambda *args: None)


def frames(f, *args):
    """The names of the Python functions that run during a call. Numba's dispatcher shows the function itself as a frame: left out."""
    seen = []
    sys.setprofile(lambda frame, event, argument: seen.append(frame.f_code) if event == "call" else None)
    try:
        f(*args)
    finally:
        sys.setprofile(None)
    return [code.co_name for code in seen if code is not f.__code__]


def native(x, scale=1.0, flag=True):
    pass


class Constants(Squares):
    """Any signature; the kernel writes nothing."""

    def results(self, signature, shapes, ints):
        return Leaf("scalar", "float64")

    def specialise(self, signature, shapes, ints):
        self.calls.append((shapes, ints))
        return Specialisation(DO_NOTHING, np.zeros(1), 0, (), None, lambda code: ArithmeticError(code))


# A kernel of one instruction, so that a call runs no Python code of the test's own.
DO_NOTHING, = load(object_bytes("define i32 @do_nothing(ptr %0, ptr %1, ptr %2, ptr %3) { ret i32 0 }"), "do_nothing")


@pytest.mark.parametrize("args", [(x,) for x in (
    1.0, 1, np.float64(1), np.float32(1), np.int16(1), np.array(1.0), *(LAYOUTS[name] for name in LAYOUTS if "misaligned" not in name))]
    + [(1.0, 2.0, False), (MATRIX, np.float32(1)), (MATRIX, MATRIX.T, np.True_)])
def test_a_known_call_runs_no_python_code(args):
    f = make(native, Constants())
    f(*args)
    f(*args)
    assert frames(f, *args) == []


def test_results_can_be_nested_and_empty():
    class Nested(Constants):
        def results(self, signature, shapes, ints):
            arrays = Leaf("array", "float32", 2), Leaf("array", "bool", 1)
            return ((), (None, arrays, ((),)), Leaf("scalar", "int64"), Leaf("scalar", "bool"))

        def specialise(self, signature, shapes, ints):
            return Specialisation(DO_NOTHING, np.zeros(1), 0, ((2, 3), (4,)), None, None)

    empty, (nothing, (matrix, flags), inner), number, flag = make(one, Nested())(1.0)
    assert empty == () and nothing is None and inner == ((),)
    assert matrix.shape == (2, 3) and matrix.dtype == np.float32 and flags.shape == (4,) and flags.dtype == bool
    assert type(number) is int and type(flag) is bool


def test_a_shape_is_specialised_once():
    squares = NativeSquares()
    f = make(one, squares)
    for _ in range(3):
        for n in (1, 2, 3):
            assert f(np.ones(n))[0] == n
    assert squares.calls == [(((n,),), (None,)) for n in (1, 2, 3)]


def test_many_shapes_are_bounded():
    squares = NativeSquares()
    f = make(one, squares)
    shapes = [n for n in range(615) if n != 13]
    for n in shapes:
        assert f(np.ones(n))[0] == n
    assert len(squares.calls) == len(shapes)
    state, = f._states.values()
    assert MAX_SPECIALISATIONS // 2 < len(state.specialisations) <= MAX_SPECIALISATIONS
    for n in shapes[-300:]:
        assert f(np.ones(n))[0] == n
    assert len(squares.calls) == len(shapes)
    f(np.ones(1))
    assert len(squares.calls) == len(shapes) + 1


def test_forgotten_specialisations_go():
    class Kept(Constants):
        def specialise(self, signature, shapes, ints):
            made = super().specialise(signature, shapes, ints)
            made.keep = type("Code", (), {})()
            alive.append(weakref.ref(made.keep))
            return made

    alive = []
    f = make(one, Kept())
    for n in range(2 * MAX_SPECIALISATIONS):
        f(np.ones(n))
    assert sum(reference() is not None for reference in alive) <= MAX_SPECIALISATIONS
    f.clear()
    assert not any(reference() for reference in alive)
    f(np.ones(1))


def test_static_integers_are_part_of_the_key_once_they_are_needed():
    squares = Squares()
    f = make(three, squares)
    f(1.0, 2.0, 3)
    f(1.0, 2.0, 4)
    assert [ints for _, ints in squares.calls] == [(None, None, 3)]
    squares.static = {2}
    for n in (3, 4, 5, 0, 3, 4, 5, 0):      # 3 and 4 hit until the next miss tells that the key has grown
        assert f(np.ones(2), 2.0, n)[0] == 6 + n * n
    assert [ints for _, ints in squares.calls[1:]] == [(None, None, 3), (None, None, 4), (None, None, 5), (None, None, 0)]


def test_a_key_that_grows_while_specialising_empties_the_table():
    class Growing(Squares):
        def specialise(self, signature, shapes, ints):
            if shapes == ((2,),):
                self.static.add(2)
            return super().specialise(signature, shapes, ints)

    squares = Growing()
    f = make(three, squares)
    for n in (7, 8):
        f(np.ones(1), 1.0, n)
    f(np.ones(2), 1.0, 7)
    for n in (0, 7, 8, 0, 7, 8):
        assert f(np.ones(1), 1.0, n)[0] == 2 + n * n
    assert [(shapes[0][0], ints[2]) for shapes, ints in squares.calls] == [(1, 7), (2, 7), (1, 0), (1, 7), (1, 8)]


def test_errors_of_the_specialiser_are_the_callers():
    f = make(one, NativeSquares())
    for _ in range(2):
        with pytest.raises(ValueError, match="unlucky") as error:
            f(np.ones(13))
        assert error.traceback[-1].name == "specialise" and type(error.value) is ValueError
    assert f(np.ones(14))[0] == 14
    for _ in range(2):
        with pytest.raises(TypeError, match=r"no squares of float64\[2C\]"):
            f(MATRIX)


def test_the_status_of_a_kernel_is_an_exception():
    f = make(one, NativeSquares())
    x = np.array([-1.0, 2.0])
    for _ in range(3):
        with pytest.raises(ArithmeticError, match="kernel says 3"):
            f(x)
    assert f(-x)[0] == 5


class Untouched(Squares):
    """Results as they are allocated."""

    def specialise(self, signature, shapes, ints):
        return Specialisation(DO_NOTHING, np.zeros(1), 0, shapes, None, None)


def test_calls_leave_nothing_behind():
    f, failing, x = make(two, Untouched()), make(one, NativeSquares()), np.ones(4)

    def run():
        for _ in range(3000):
            f(x, np.float64(2.0)), f(2.0, x[::2]), f(2.0, np.float32(1))
            for value in (np.array([-1.0]), np.ones(13), np.ma.ones(3)):
                with contextlib.suppress(ArithmeticError, ValueError, TypeError):
                    failing(value)
        gc.collect()
        return sys.getallocatedblocks()

    run()
    before = run()
    assert run() - before < 1000


def test_a_workspace_is_aligned_and_kept():
    squares = Squares(workspace_bytes=1000)
    f = make(one, squares)
    for _ in range(3):
        f(1.0)
    assert len(set(squares.workspaces)) == 1 and squares.workspaces[0] % 64 == 0
    f.clear()
    f(1.0)


def test_calls_inside_each_other_have_workspaces_of_their_own():
    class Nested(Squares):
        def _run(self, *args):
            status = super()._run(*args)
            if len(self.workspaces) < 3:
                f(1.0)
            return status

    squares = Nested(workspace_bytes=64)
    f = make(one, squares)
    f(1.0)
    assert len(set(squares.workspaces)) == 3


def test_threads_that_miss_at_once_specialise_once():
    squares = NativeSquares()
    f = make(one, squares)
    barrier, wrong = threading.Barrier(8), []

    def run():
        barrier.wait()
        for n in random.sample(range(100, 140), 40):
            if f(np.ones(n))[0] != n:
                wrong.append(n)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(squares.calls) == 40
    assert frames(f, np.ones(100)) == []


def test_objects_can_go():
    f = make(one, NativeSquares())
    f(np.ones(3))
    reference = weakref.ref(f)
    del f
    gc.collect()
    assert reference() is None


def test_repr_and_pickle():
    f = make(three, key="tests:three:toy")
    assert repr(f) == "<EntryDispatcher tests.codegen.test_entry.three(x, y=2.0, n=3)>"
    unnamed = make(one)
    assert pickle.loads(pickle.dumps(f)) is f and pickle.loads(pickle.dumps(unnamed)) is unnamed
    elsewhere = pickle.dumps(unnamed)
    del unnamed
    with pytest.raises(LookupError, match="there is no object"):
        pickle.loads(elsewhere)


def test_it_is_compiled_by_calls_only():
    f = make(one)
    with pytest.raises(TypeError, match="compiled when it is called"):
        f.compile("float64(float64)")
    f(1.0)
    f.recompile()
    f(1.0)
    assert len(f.specialiser.calls) == 2


def test_signatures_as_text():
    signature = Signature((Leaf("array", "float64", 2, "A"), Leaf("scalar", "int64"), Leaf("array", "bool", 0)))
    assert str(signature) == "float64[2A],int64,bool[0C]" and Signature.parse(str(signature)) == signature
    assert Signature.parse("") == Signature(())


def test_more_arguments_than_fit_on_the_stack_of_the_dispatcher():
    names = [f"x{i}" for i in range(30)]
    f = make(eval(f"lambda {', '.join(names)}: None"))
    assert f(*range(30), )[0] == sum(i * i for i in range(30)) == f(*map(np.float32, range(30)))[0]


def test_no_arguments():
    assert make(lambda: None)() == (0.0, ())


def run_python(text, **environment):
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], cwd=ROOT, env=os.environ | environment,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_child_forked_during_compilation_can_compile():
    assert run_python("""
        import os, threading, time
        import numpy as np
        from numba.core.compiler_lock import global_compiler_lock
        from tests.codegen.test_entry import NativeSquares, make, one

        f, held = make(one, NativeSquares()), threading.Event()
        def compile_for_long():
            with global_compiler_lock:
                held.set()
                time.sleep(0.3)
        thread = threading.Thread(target=compile_for_long)
        thread.start()
        held.wait()
        child = os.fork()
        if child == 0:
            os._exit(0 if f(np.ones(3))[0] == 3 else 1)
        assert os.waitpid(child, 0)[1] == 0
        thread.join()
        print(f(np.ones(3))[0])
    """) == "3.0\n"


def test_a_first_call_loads_no_registries():
    assert run_python("""
        import sys
        import numpy as np
        from codegen.entry import EntryDispatcher, Leaf, Specialisation
        from codegen.entry.load import load, object_bytes
        class Nothing:
            def results(self, *_): return Leaf("scalar", "float64")
            def static_ints(self, signature): return (False,)
            def specialise(self, *_): return Specialisation(code, np.zeros(1, int), 0, (), None, None)
        code, = load(object_bytes("define i32 @k(ptr %0, ptr %1, ptr %2, ptr %3) { ret i32 0 }"), "k")
        EntryDispatcher(lambda x: x, Nothing(), None)(np.ones(3))
        print([name for name in ("numpy.ma", "scipy.linalg", "numba.np.arrayobj", "numba.cpython.unicode") if name in sys.modules])
    """) == "[]\n"


# Canaries: what we take from Numba, NumPy and CPython beyond their public Python interface.

def test_canary_numba_dispatcher():
    assert EntryDispatcher.__call__ is _dispatcher.Dispatcher.__call__
    plain = CPUDispatcher(one)
    assert callable(plain._insert) and callable(plain._compile_for_args) and isinstance(plain._types_active_call, set)
    assert isinstance(plain._tm.get_pointer(), int)
    assert isinstance(typeof(1.0)._code, int)
    assert callable(global_compiler_lock.acquire) and callable(global_compiler_lock.release)


@pytest.mark.parametrize("name", [name for name in LAYOUTS])
def test_canary_numba_type_of_arrays(name):
    assert make(one).typeof_pyval(LAYOUTS[name]) == typeof(LAYOUTS[name])


def test_canary_numba_takes_subclasses_and_misaligned_arrays_for_plain_ones():
    calls = njit(one)
    calls(np.ones((1, 1)))
    calls(np.ones((1, 1)).view(np.matrix))
    calls(misaligned(np.ones((1, 1))))
    assert len(calls.signatures) == 1


def test_canary_places_in_objects():
    def word(address):
        return ctypes.c_int64.from_address(address).value

    x = np.arange(6.0).reshape(2, 3)
    assert word(id(x) + python_entry.TYPE) == id(np.ndarray)
    assert word(id(x) + python_entry.ARRAY_DATA) == x.ctypes.data
    extents, strides = word(id(x) + python_entry.ARRAY_EXTENTS), word(id(x) + python_entry.ARRAY_STRIDES)
    assert [word(extents), word(extents + 8)] == [2, 3] and [word(strides), word(strides + 8)] == [24, 8]
    assert ctypes.c_int32.from_address(id(x) + python_entry.ARRAY_FLAGS).value & 0x0fff == x.flags.num
    pair = (x, None)
    assert word(id(pair) + python_entry.FIRST_ITEM) == id(x)


def test_canary_hash_spreads_small_extents():
    hashes = {table.hash_words((i, j)) % 1024 for i in range(22) for j in range(22)}
    assert len(hashes) > 300


def test_flatten_keeps_the_order():
    a, b = Leaf("scalar", "float64"), Leaf("array", "float32", 1)
    assert list(flatten((a, (None, (b,)), a))) == [a, b, a]
