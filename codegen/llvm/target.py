"""The machine that kernels are compiled for, and what lies in the process for them to call."""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
import importlib.util
import os
import sys
from dataclasses import dataclass

import llvmlite.binding as llvm
import scipy
from numba.core import config

_CAPSULE = "tracegrad."  # begins the symbols of functions that SciPy exports
_LIBRARIES = ("libmvec.so.1",)  # glibc's vector mathematics; absent on musl, macOS and Windows


@dataclass(frozen=True)
class Machine:
    """CPU name and features as Numba would compile for, and the vector extension that they give."""

    cpu: str
    features: str

    @property
    def vector_class(self) -> str | None:
        """The letter of the vector-function ABI: e (AVX-512), d (AVX2), b (SSE4); None elsewhere."""
        if not llvm.get_process_triple().startswith("x86_64"):
            return None
        enabled = set(self.features.split(","))
        if "+avx512f" in enabled and "+avx512dq" in enabled:
            return "e"
        return "d" if "+avx2" in enabled and "+fma" in enabled else "b"


def _numba_cpu() -> tuple[str, str]:
    """Numba's effective choice: its settings where there are any, else this host."""
    name = config.CPU_NAME or llvm.get_host_cpu_name()
    if name == "host":
        name = llvm.get_host_cpu_name()
    features = config.CPU_FEATURES
    if features is None:
        features = llvm.get_host_cpu_features().flatten() if config.CPU_NAME in (None, "host") else ""
    return name, features


@functools.cache
def machine() -> Machine:
    """The machine that kernels are compiled for: the CPU and features that Numba compiles for too."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for library in _LIBRARIES:
        try:
            llvm.load_library_permanently(library)
        except RuntimeError:
            pass  # no vector mathematics here: lanes call the scalar functions
    return Machine(*_numba_cpu())


def attributes() -> str:
    """The attribute groups that functions name: ordinary ones, pure external ones, ones compiled without optimisation, ones that keep vectors on the
    stack, and those of them that are seldom called.

    LLVM aligns a stack for vectors only where it knows early that there will be any; saved across two cache lines they take 11.4 ms instead of 8.5 for
    1,000,000 gradients, in some processes and not in others.
    """
    # Without these LLVM may pass 512-bit vectors in two halves, which is not how libmvec takes them.
    wide = ' "prefer-vector-width"="512" "min-legal-vector-width"="512"' if machine().vector_class == "e" else ""
    return (f"attributes #0 = {{ nounwind{wide} }}\nattributes #1 = {{ nounwind willreturn memory(none) }}\n"
            f"attributes #2 = {{ noinline nounwind optnone{wide} }}\nattributes #3 = {{ nounwind alignstack=64{wide} }}\n"
            f"attributes #4 = {{ cold noinline nounwind alignstack=64{wide} }}")


def new_target_machine(level: int) -> llvm.TargetMachine:
    """A code generator for this machine at an optimisation level (0 to 3)."""
    this = machine()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=this.cpu, features=this.features, opt=level, codemodel="jitdefault", jit=True, reloc="default")


target_machine = functools.cache(new_target_machine)


@functools.cache
def symbol_address(name: str) -> int | None:
    """Where a function of this process lies; None when it has no such function."""
    machine()
    return llvm.address_of_symbol(name)


@functools.cache
def _extension(module: str):
    """A compiled module of SciPy without the rest of its package: 2 ms instead of the 150 that ``import scipy.linalg`` takes."""
    if module in sys.modules:
        return sys.modules[module]
    folder = os.path.join(os.path.dirname(scipy.__file__), *module.split(".")[1:-1])
    spec = importlib.machinery.PathFinder.find_spec(module, [folder])
    extension = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(extension)
    return extension


@functools.cache
def register_capsule(module: str, export: str) -> str:
    """Make a function that a SciPy Cython module exports callable; the symbol that it is called by, which says where it is from."""
    capsule = _extension(module).__pyx_capi__[export]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype, api.PyCapsule_GetPointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    symbol = f"{_CAPSULE}{module}.{export}"
    llvm.add_symbol(symbol, api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))
    return symbol


def is_callable(symbol: str) -> bool:
    """Whether this process has the function: code that imports a missing one must not be linked, for LLVM ends the process."""
    if not symbol.startswith(_CAPSULE):
        return symbol_address(symbol) is not None
    module, _, export = symbol.removeprefix(_CAPSULE).rpartition(".")
    try:
        register_capsule(module, export)
    except (ImportError, AttributeError, KeyError):
        return False
    return True


class Linked:
    """Machine code in memory; it goes when this object does."""

    def __init__(self, code: bytes):
        # An engine owns its target machine and frees it, so it is given one of its own.
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), new_target_machine(2))
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._addresses: dict[str, int] = {}  # the engine takes 20 µs to tell one

    def address(self, name: str) -> int:
        found = self._addresses.get(name)
        if found is None:
            found = self._addresses[name] = self._engine.get_function_address(name)
        return found


def compile_object(text: str, level: int) -> bytes:
    """LLVM text to object code."""
    generator = target_machine(level)
    module = llvm.parse_assembly(text)
    module.triple = generator.triple
    module.data_layout = str(generator.target_data)
    return generator.emit_object(module)
