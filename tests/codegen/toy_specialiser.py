"""A specialiser for tests: value and gradient of the sum of the squares of all arguments.

Its kernels are Python functions behind C pointers, so that they take any signature and look at everything they are given.
`NativeSquares` has a compiled kernel, for one contiguous vector.
"""
import ctypes
import functools

import numpy as np
from numba import carray, cfunc, types

from codegen.entry import Leaf, Specialisation

KERNEL = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 4)


class Squares:
    """Gradients of floats, None for integers and bools; `ints` turn static when their name is in `static`."""

    def __init__(self, *, workspace_bytes=0, static=(), status=0):
        self.calls = []
        self.workspaces = []
        self.workspace_bytes = workspace_bytes
        self.static = set(static)
        self.status = status

    def results(self, signature, shapes, ints):
        return Leaf("scalar", "float64"), tuple(map(self._gradient, range(len(signature.leaves)), signature.leaves))

    def _gradient(self, i, leaf):
        if not leaf.dtype.startswith("float"):
            return None
        return Leaf(leaf.kind, leaf.dtype, leaf.ndim, "C", like=i)

    def static_ints(self, signature):
        return tuple(i in self.static for i in range(len(signature.leaves)))

    def specialise(self, signature, shapes, ints):
        self.calls.append((shapes, ints))
        kernel = KERNEL(functools.partial(self._run, signature, shapes))
        shape = dict(zip((i for i, leaf in enumerate(signature.leaves) if leaf.is_array), shapes))
        outputs = tuple(shape[i] for i, leaf in enumerate(signature.leaves) if leaf.is_array and leaf.dtype.startswith("float"))
        return Specialisation(
            kernel=ctypes.cast(kernel, ctypes.c_void_p).value, params=np.array([11, 22]), workspace_bytes=self.workspace_bytes,
            output_shapes=outputs, keep=kernel, error=lambda code: ArithmeticError(f"kernel says {code}"))

    def _run(self, signature, shapes, buffers, strides, params, workspace):
        assert list((ctypes.c_int64 * 2).from_address(params)) == [11, 22]
        self.workspaces.append(workspace)
        buffers = (ctypes.c_void_p * 99).from_address(buffers)
        strides = iter((ctypes.c_int64 * 99).from_address(strides))
        shapes, total, output = iter(shapes), 0.0, len(signature.leaves) + 1
        for i, leaf in enumerate(signature.leaves):
            shape = next(shapes) if leaf.is_array else ()
            value = view(buffers[i], leaf.dtype, shape, [next(strides) for _ in shape])
            total += np.square(value.astype(float)).sum()
            if leaf.dtype.startswith("float"):
                view(buffers[output], leaf.dtype, shape, None)[...] = 2 * value
                output += 1
        view(buffers[len(signature.leaves)], "float64", (), None)[...] = total
        return self.status


def view(address, dtype, shape, strides):
    """Memory as an array, of any strides."""
    if 0 in shape:
        return np.empty(shape, dtype)
    dtype = np.dtype(dtype)
    if strides is None:
        strides = np.empty(shape, dtype).strides
    first = sum(min(0, stride * (extent - 1)) for stride, extent in zip(strides, shape))
    last = sum(max(0, stride * (extent - 1)) for stride, extent in zip(strides, shape)) + dtype.itemsize
    memory = (ctypes.c_char * (last - first)).from_address(address + first)
    return np.ndarray(shape, dtype, memory, -first, strides)


@cfunc(types.int32(types.CPointer(types.CPointer(types.float64)), types.CPointer(types.int64), types.CPointer(types.int64), types.voidptr))
def _vector_kernel(buffers, strides, params, workspace):
    count = params[0]
    x, gradient = carray(buffers[0], count), carray(buffers[2], count)
    total = 0.0
    for i in range(count):
        total += x[i] * x[i]
        gradient[i] = 2 * x[i]
    buffers[1][0] = total
    return 3 if total < 0.0 or (count > 0 and x[0] == -1.0) else 0


class NativeSquares(Squares):
    """For one float64 vector. The kernel fails with status 3 when it starts with -1; there is no specialisation for 13 elements."""

    def results(self, signature, shapes, ints):
        leaf, = signature.leaves
        if leaf != Leaf("array", "float64", 1, leaf.layout):
            raise TypeError(f"no squares of {leaf}")
        return Leaf("scalar", "float64"), Leaf("array", "float64", 1, like=0)

    def specialise(self, signature, shapes, ints):
        (count,), = shapes
        if count == 13:
            raise ValueError("thirteen is an unlucky number")
        self.calls.append((shapes, ints))
        return Specialisation(_vector_kernel.address, np.array([count]), 0, shapes, None,
                              lambda code: ArithmeticError(f"kernel says {code}"))
