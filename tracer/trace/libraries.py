"""Whose code a function is: the user's own, which is traced as it is written; a library's, which is entered where traced values come to it; or
one that stays as it is, because NumPy dispatches it, or because it could not be traced."""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import types
from collections.abc import Callable

from .flow import LIBRARIES, OURS
from .objects import record_of
from .solvers import refusal
from .static import SEEN_CLASS
from .value import Slots

# Libraries whose functions a trace does not enter: they dispatch by NumPy's protocols, are compilers, or compute with arrays of their own.
CLOSED = frozenset(("autograd", "casadi", "cupy", "dask", "heyoka", "jax", "jaxlib", "llvmlite", "matplotlib", "numba", "numpy", "pandas", "pytest", "sympy",
                    "tensorflow", "torch"))
POLYNOMIALS = "numpy.polynomial"  # of NumPy the part that does not dispatch, and is Python
STANDARD = tuple(os.path.abspath(sysconfig.get_path(name)) + os.sep for name in ("stdlib", "platstdlib"))
INSTALLED = tuple(os.path.abspath(sysconfig.get_path(name)) + os.sep for name in ("purelib", "platlib"))


_absolute = functools.lru_cache(maxsize=4096)(os.path.abspath)  # asked for each function of each trace


def is_own(path: str, module: str, own_package: str | None) -> bool:
    """Is a file the user's? ``own_package`` is that of the function that is traced, wherever it is installed."""
    path = _absolute(path) if path[:1] not in "<" else path
    if path.startswith(OURS):
        return False
    return not path.startswith(LIBRARIES) or module.partition(".")[0] == own_package


def is_open(path: str, module: str) -> bool:
    """Is a file part of an installed library that a trace enters?"""
    if path[:1] == "<":
        return False
    path = _absolute(path)
    if path.startswith(INSTALLED):
        return not path.startswith(OURS) and (module.partition(".")[0] not in CLOSED or module.startswith(POLYNOMIALS))
    return False


def file_of(module: str) -> str:
    """The file of a module by its name; ``<unknown>`` for what has none."""
    if module in sys.builtin_module_names or module == "builtins":
        return os.path.join(STANDARD[0], module)
    return getattr(sys.modules.get(module), "__file__", None) or "<unknown>"


@functools.lru_cache(maxsize=256)
def is_plain_python(module: str) -> bool:
    """Has the installed package of a module no compiled parts, so that its classes can be seen through as the user's are?"""
    package = module.partition(".")[0]
    if module.startswith(POLYNOMIALS):
        return True
    roots = getattr(sys.modules.get(package), "__path__", None)
    if package in CLOSED or roots is None:
        return package not in CLOSED
    return not any(name.endswith((".so", ".pyd")) for root in roots for _, _, names in os.walk(root) for name in names)


def carries(values, depth: int = 4) -> bool:
    """Do arguments have anything of the trace in them: traced values, buffers, objects with such, functions that were made inside?"""
    for value in values:
        kind = type(value)
        if issubclass(kind, Slots) or hasattr(kind, SEEN_CLASS) or hasattr(kind, "__next__") or record_of(value) is not None:
            return True  # what an iterator will give, nobody knows yet
        if depth and kind in (list, tuple, dict, types.FunctionType, functools.partial, types.MethodType) and carries(_inside(value, kind), depth - 1):
            return True
        if depth and kind is not type and isinstance(value, tuple) and kind is not tuple and carries(value, depth - 1):
            return True  # named tuples
    return False


def _inside(value, kind: type):
    if kind is dict:
        return value.values()
    if kind is types.FunctionType:
        return [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
    if kind is functools.partial:
        return [value.func, *value.args, *value.keywords.values()]
    return (value.__self__, value.__func__) if kind is types.MethodType else value


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018  asked for its error
    except ValueError:
        return False
    return True


def entered(function: types.FunctionType, copy: Callable) -> Callable:
    """A function of a library: the copy that sees through, where anything of the trace comes in. It is made when it is first needed."""
    made = []

    @functools.wraps(function)
    def call(*args, **kwargs):
        if not (carries(args) or (kwargs and carries(kwargs.values()))):
            return function(*args, **kwargs)
        if not made:
            made.append(refusal(function) or copy(function))
        return made[0](*args, **kwargs)
    return call


def entered_always(function: types.FunctionType, copy: Callable) -> Callable:
    """A method of a library's class that was made inside: the copy that sees through, made when it is first called."""
    made = []

    @functools.wraps(function)
    def call(*args, **kwargs):
        if not made:
            made.append(copy(function))
        return made[0](*args, **kwargs)
    return call
