"""Compiled gradients of plain NumPy code."""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .api import grad, hessian, hvp, jacobian, jit, jvp, stop_gradient, value_and_grad, vjp
    from .comparison import compare
    from .control import cond, fori_loop, scan, while_loop
    from .errors import (
        ArgumentError,
        CacheWarning,
        CarryError,
        DerivativeError,
        ImpureError,
        InPlaceError,
        LeakedValueError,
        MissingMethodError,
        NotCompiledError,
        OutputError,
        RecompileWarning,
        ShapeError,
        SideEffectWarning,
        TracedBoolError,
        TracedConversionError,
        TracedIndexError,
        TraceError,
        TracerError,
        UnsupportedError,
        VaryingLengthError,
    )

_MODULE_OF = {
    "compare": ".comparison",
    **dict.fromkeys(("cond", "fori_loop", "scan", "while_loop"), ".control"),
    **dict.fromkeys(("grad", "hessian", "hvp", "jacobian", "jit", "jvp", "stop_gradient", "value_and_grad", "vjp"), ".api"),
    **dict.fromkeys(("ArgumentError", "CacheWarning", "CarryError", "DerivativeError", "ImpureError", "InPlaceError", "LeakedValueError",
                     "MissingMethodError", "NotCompiledError", "OutputError", "RecompileWarning", "ShapeError", "SideEffectWarning", "TraceError",
                     "TracedBoolError", "TracedConversionError", "TracedIndexError", "TracerError", "UnsupportedError",
                     "VaryingLengthError"), ".errors"),
}

__all__ = [
    "ArgumentError",
    "CacheWarning",
    "CarryError",
    "DerivativeError",
    "ImpureError",
    "InPlaceError",
    "LeakedValueError",
    "MissingMethodError",
    "NotCompiledError",
    "OutputError",
    "RecompileWarning",
    "ShapeError",
    "SideEffectWarning",
    "TraceError",
    "TracedBoolError",
    "TracedConversionError",
    "TracedIndexError",
    "TracerError",
    "UnsupportedError",
    "VaryingLengthError",
    "compare",
    "cond",
    "fori_loop",
    "grad",
    "hessian",
    "hvp",
    "jacobian",
    "jit",
    "jvp",
    "scan",
    "stop_gradient",
    "value_and_grad",
    "vjp",
    "while_loop",
]


def __getattr__(name: str):
    """Resolve public names when they are first used (PEP 562), so that either package can be imported first."""
    if name == "eager":  # of `import tracer`, too
        return importlib.import_module(".eager", __name__)
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Importing makes many objects and no garbage; on top of Numba's own, collections take half of the time (0.09 s instead of 0.05).
    collecting = gc.isenabled()
    gc.disable()
    try:
        found = getattr(importlib.import_module(_MODULE_OF[name], __name__), name)
    finally:
        if collecting:
            gc.enable()
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
