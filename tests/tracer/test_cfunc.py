"""C functions of compiled objects: ctypes, SciPy's callbacks, other compilers."""

import ctypes
import threading

import numpy as np
import pytest
from numba import carray, cfunc, njit, types
from scipy import integrate, ndimage

from tracer import ArgumentError, grad, hessian, jit, value_and_grad

wave = grad(lambda x: np.sin(x) * x)


def rms(window):
    return np.sqrt(np.mean(window ** 2))


def address(array):
    return array.ctypes.data


def test_numbers_by_value():
    made = wave.value.cfunc(1.0)
    assert made.signature == "double (double)"
    assert [made.ctypes(x) for x in (0.5, -2.0, 0.0)] == [wave.value(x) for x in (0.5, -2.0, 0.0)]
    assert ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_double)(made.address)(0.5) == wave.value(0.5)
    assert wave.value.cfunc(7.0) is made


def test_arrays_and_several_results_by_pointer():
    f = value_and_grad(lambda w, k, m: np.sum(np.sin(w @ m)) * k, argnums=(0, 1))
    w, m = np.linspace(0, 1, 3), np.arange(6.).reshape(3, 2)
    made = f.cfunc(w, 2.0, m)
    assert made.signature == "int (double *, double, double *, double *, double *, double *)"
    value, slope, gradient = ctypes.c_double(), ctypes.c_double(), np.zeros(3)
    assert made.ctypes(address(w), 2.0, address(m), ctypes.addressof(value), address(gradient), ctypes.addressof(slope)) == 0
    expected, (along_w, along_k) = f(w, 2.0, m)
    assert (value.value, slope.value) == (expected, along_k) and gradient.tolist() == along_w.tolist()


@pytest.mark.parametrize("dtype, name", [("float32", "float"), ("float64", "double")])
def test_dtypes(dtype, name):
    made = grad(lambda x: np.sum(x ** 3)).cfunc(np.ones((2, 2), dtype)[::-1].T)
    assert made.signature == f"int ({name} *, {name} *)"
    x, out = np.arange(4).astype(dtype).reshape(2, 2), np.zeros((2, 2), dtype)
    assert made.ctypes(address(x), address(out)) == 0 and out.tolist() == (3 * x ** 2).tolist()
    number = jit(lambda x, n: x * n).cfunc(np.dtype(dtype).type(2), np.int32(3))
    assert number.ctypes(1.5, 3) == 4.5


def test_a_single_array_result():
    made = hessian(lambda x: np.sum(x) * np.prod(x)).cfunc(np.ones(3))
    x, out = np.array([1., 2., 3.]), np.zeros((3, 3))
    assert made.signature == "int (double *, double *)" and made.ctypes(address(x), address(out)) == 0
    np.testing.assert_allclose(out, hessian(lambda x: np.sum(x) * np.prod(x))(x))


def test_scipy_integrate():
    exact = np.sin(1) - np.cos(1)
    for signature in (None, "double (double, void *)", "double (int, double *)", "double (int, double *, void *)"):
        made = wave.value.cfunc(1.0, signature=signature)
        assert abs(integrate.quad(made.low_level_callable, 0, 1)[0] - exact) < 1e-14, signature
    plane = jit(lambda x, y, z: x * x * np.exp(-y) + z)
    for signature in ("double (int, double *)", "double (int, double *, void *)"):
        made = plane.cfunc(1., 2., 3., signature=signature)
        found = integrate.nquad(made.low_level_callable, [[0, 1], [0, 2], [0, 1]])[0]
        assert abs(found - (-np.expm1(-2.) / 3 + 1)) < 1e-13
    slope = wave.cfunc(1.0)  # of what it is the derivative of
    assert abs(integrate.quad(slope.low_level_callable, 0, 2)[0] - wave.value(2.0)) < 1e-14


def test_scipy_ndimage():
    image = np.random.default_rng(0).random((9, 8))
    made = jit(rms).cfunc(np.ones(9), signature="int (double *, intptr_t, double *, void *)")
    np.testing.assert_allclose(ndimage.generic_filter(image, made.low_level_callable, size=3), ndimage.generic_filter(image, rms, size=3), rtol=1e-14)
    smooth = jit(lambda line: 0.5 * (line[1:] + line[:-1]))
    made = smooth.cfunc(np.ones(9), signature="int (double *, intptr_t, double *, intptr_t, void *)")

    def in_python(line, out):
        out[:] = 0.5 * (line[1:] + line[:-1])
    found = ndimage.generic_filter1d(image, made.low_level_callable, filter_size=2)
    np.testing.assert_allclose(found, ndimage.generic_filter1d(image, in_python, filter_size=2))


@pytest.mark.filterwarnings("ignore:The occurrence of roundoff")
def test_a_block_of_another_length_is_an_error(capfd):
    f = jit(rms)
    made = f.cfunc(np.ones(4), signature="int (double *, intptr_t, double *, void *)")
    with pytest.raises(RuntimeError):
        ndimage.generic_filter(np.ones((5, 5)), made.low_level_callable, size=3)
    assert str(f.last_error) == "a caller passes 9 numbers in one block, but the C function is for 4: cfunc() makes it for the shapes of its example."
    assert capfd.readouterr().err.count("ShapeError: a caller passes 9 numbers") == 1
    product = jit(lambda x, y: x * y)
    assert np.isnan(product.cfunc(1., 1., signature="double (int, double *)").ctypes(3, address(np.ones(3))))
    # QUADPACK without `args`
    assert np.isnan(integrate.quad(product.cfunc(1., 1., signature="double (int, double *)").low_level_callable, 0, 1)[0])
    assert "passes 1 numbers" in str(product.last_error) or "passes 3 numbers" in str(product.last_error)


def test_other_compilers():
    made = wave.cfunc(1.0).ctypes
    assert njit(lambda x: made(x) + 1)(0.5) == wave(0.5) + 1
    gradient = grad(lambda x: np.sum(x * x)).cfunc(np.ones(3)).ctypes

    @cfunc(types.double(types.CPointer(types.double)))
    def norm_of_gradient(x):
        out = np.empty(3)
        gradient(carray(x, 3).ctypes, out.ctypes)
        return np.sqrt(np.sum(out ** 2))
    x = np.array([3., 0., 4.])
    assert norm_of_gradient.ctypes(x.ctypes.data_as(ctypes.POINTER(ctypes.c_double))) == 10.


def test_an_error_is_kept_and_told_once(capfd):
    f = jit(lambda x, i: np.take(x, i) * 2.0)
    made = f.cfunc(np.ones(3), np.array([1]))
    x, place, out = np.ones(3), np.array([7]), np.zeros(1)
    assert [made.ctypes(address(x), address(place), address(out)) for _ in range(2)] == [-1, -1]
    assert isinstance(f.last_error, IndexError) and capfd.readouterr().err.count("Exception in a C function") == 1
    place[0] = 1
    assert made.ctypes(address(x), address(place), address(out)) == 0 and out[0] == 2


def test_it_outlives_its_object_and_a_retrace():
    f = grad(lambda x: np.sum(np.cumsum(x) ** 2 * np.exp(x)))  # with a workspace
    made = f.cfunc(np.ones(50))
    x, out = np.linspace(0, 1, 50), np.zeros(50)
    expected = f(x)
    f.retrace()
    del f
    made.ctypes(address(x), address(out))
    np.testing.assert_array_equal(out, expected)


def test_from_many_threads():
    f = grad(lambda x: np.sum(np.cumsum(x) ** 2 * np.exp(x)))
    made, x = f.cfunc(np.ones(500)), np.linspace(0, 1, 500)
    outs = [np.zeros(500) for _ in range(8)]

    def work(out):
        for _ in range(50):
            made.ctypes(address(x), address(out))
    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({out.tobytes() for out in outs}) == 1 and outs[0].tolist() == f(x).tolist()


def test_what_has_no_c_function():
    def f(x, k):
        return np.sum(x) * k
    with pytest.raises(ArgumentError) as caught:
        jit(f).cfunc(np.ones(3), 2.0, signature="double (double)")
    assert str(caught.value) == "f() cannot be called as 'double (double)': it is 'double (double *, double)'. Leave `signature` away."
    with pytest.raises(ArgumentError) as caught:
        jit(f).cfunc(1.0, 2.0, signature="double (double, void *)")
    assert str(caught.value) == ("f() cannot be called as 'double (double, void *)': it is 'double (double, double)'. "
                                 "Of SciPy's it can be 'double (int, double *)' or 'double (int, double *, void *)'.")
    with pytest.raises(ArgumentError) as caught:
        jit(lambda d: d["a"] * 2).cfunc({"a": 1.0})
    assert str(caught.value) == "<lambda>.cfunc() takes numbers and arrays; there are no trees in C. Write a function of the leaves."

    def power(x, n):
        for _ in range(n):
            x = x * x
        return x
    with pytest.raises(ArgumentError) as caught:
        grad(power).cfunc(2.0, 3)
    assert str(caught.value) == ("power.cfunc(): the value of `n` is compiled in, so that it cannot be passed. "
                                 "Fix it in a function of the other arguments: lambda ...: power(..., n=3).")
    assert grad(lambda x: power(x, n=3)).cfunc(2.0).ctypes(2.0) == 8 * 2.0 ** 7
