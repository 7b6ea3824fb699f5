"""LLVM modules into callable addresses and Python functions; the symbols that entries import."""
import ctypes
import functools
import re
from collections.abc import Callable

import llvmlite.binding as llvm
import numpy as np
from numpy._core import _multiarray_umath

# Places in NumPy's table of C functions, part of its stable ABI (numpy/_core/include/numpy/__multiarray_api.h).
NUMPY_API = {"DescrFromType": 45, "Scalar": 60, "ScalarAsCtype": 62, "Empty": 184}
_DECLARED = re.compile(r'^declare .*?@"?([\w.$]+)"?\(', re.MULTILINE)
METH_VARARGS, METH_KEYWORDS = 0x0001, 0x0002


def numpy_symbol(name: str) -> str:
    """The name under which entries import the NumPy C function `PyArray_<name>`."""
    return f"tracegrad_PyArray_{name}"


@functools.cache
def _initialise() -> llvm.Target:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    _register_numpy_functions()
    return llvm.Target.from_default_triple()


def _machine() -> llvm.TargetMachine:
    # Entries move pointers and words: the plain instruction set does, and the object suits every machine of the architecture.
    # Code generation takes 2 ms at level 0 and 10 at 1 or 2, where a call is no faster (220 ns from Python, 25 from `@njit`).
    return _initialise().create_target_machine(opt=0, reloc="default", codemodel="jitdefault")


def _register_numpy_functions() -> None:
    capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
    capsule_pointer.restype, capsule_pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    table = ctypes.cast(capsule_pointer(_multiarray_umath._ARRAY_API, None), ctypes.POINTER(ctypes.c_void_p))
    for name, place in NUMPY_API.items():
        llvm.add_symbol(numpy_symbol(name), table[place])


@functools.cache
def _emitter() -> llvm.TargetMachine:
    return _machine()


def imported_symbols(text: str) -> list[str]:
    """The functions that LLVM text declares and does not define, LLVM's own aside."""
    return sorted(name for name in _DECLARED.findall(text) if not name.startswith("llvm."))


def address_of_symbol(name: str) -> int | None:
    """Where a function that entries import lies; None when this process has none of that name."""
    _initialise()
    return llvm.address_of_symbol(name)


def object_bytes(text: str) -> bytes:
    """Compile LLVM text as it is, without IR passes: it is short and straight."""
    machine = _emitter()
    module = llvm.parse_assembly(text)
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    return machine.emit_object(module)


@functools.cache
def _engine() -> llvm.ExecutionEngine:
    # An engine owns its machine, hence not the one that emits.
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())


def load(data: bytes, *names: str) -> list[int]:
    """Link object code and return the addresses of the functions named.

    The code lives as long as the process, for compiled callers keep bare addresses; so names must be unique in the process.
    """
    engine = _engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return [engine.get_function_address(name) for name in names]


def address_of(array: np.ndarray) -> int:
    """Where the data of an array is."""
    return array.__array_interface__["data"][0]


class _MethodDef(ctypes.Structure):
    """CPython's PyMethodDef."""

    _fields_ = [("name", ctypes.c_char_p), ("function", ctypes.c_void_p), ("flags", ctypes.c_int), ("doc", ctypes.c_char_p)]


@functools.cache
def _method_definition(name: str, code: int) -> _MethodDef:
    return _MethodDef(name.encode(), code, METH_VARARGS | METH_KEYWORDS, None)


def python_function(name: str, code: int, closure) -> Callable:
    """A builtin function of machine code `PyObject *code(PyObject *closure, PyObject *args, PyObject *kwargs)`."""
    new = ctypes.pythonapi.PyCFunction_NewEx
    new.restype, new.argtypes = ctypes.py_object, [ctypes.POINTER(_MethodDef), ctypes.py_object, ctypes.c_void_p]
    return new(_method_definition(name, code), closure, None)
