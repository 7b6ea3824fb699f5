"""What is simple for real numbers: the functions that exist for complex ones, and how values print."""

from __future__ import annotations

import numpy as np

from ...errors import UnsupportedError
from ..functions import implements, nearest
from .common import filled, operand, refuse_out, strong

BOOL = np.dtype(bool)


@implements(np.positive, np.conjugate, np.conj, np.real, np.real_if_close)
def same(x, *_, **keywords):
    """The value itself."""
    refuse_out(keywords.get("out"), "positive")
    return strong(operand(x))


@implements(np.imag)
def imag(x):
    """Zero."""
    return np.zeros_like(operand(x))


@implements(np.isreal)
def isreal(x):
    """True everywhere."""
    x = operand(x)
    return filled(x.owner, True, BOOL, x.shape)


@implements(np.iscomplex)
def iscomplex(x):
    """False everywhere."""
    x = operand(x)
    return filled(x.owner, False, BOOL, x.shape)


@implements(np.angle)
def angle(z, deg=False):
    """0 for what is not negative, pi for the rest."""
    x = operand(z)
    return np.where(x < 0, 180.0 if deg else np.pi, np.where(np.isnan(x), x, 0.0))


@implements(np.ldexp)
def ldexp(x1, x2):
    """x1 * 2**x2."""
    x = operand(x1, x2)
    power = operand(x2, x)
    if power.node.type.is_float:
        raise TypeError("ufunc 'ldexp' not supported for the input types, and the inputs could not be safely coerced to any supported types "
                        "according to the casting rule ''safe''")
    dtype = x.dtype if x.node.type.is_float else np.dtype(np.float64)
    return x.astype(dtype) * np.exp2(power.astype(dtype))


@implements(np.array_repr, np.array_str, np.array2string)
def text(a, *_, **__) -> str:
    """How a traced value prints."""
    return repr(operand(a))


@implements(np.frexp)
def frexp(x):
    """Refused: it takes the bits of a float apart."""
    raise UnsupportedError("np.frexp is not supported on traced values: it takes the bits of a float apart. Use np.log2 and np.exp2.")


_TRANSFORMS = ("fft", "fft2", "fftn", "hfft", "ifft", "ifft2", "ifftn", "ihfft", "irfft", "irfft2", "irfftn", "rfft", "rfft2", "rfftn")
nearest({**dict.fromkeys(_TRANSFORMS, "Fourier transforms are complex; multiply by np.cos and np.sin matrices."),
         **dict.fromkeys(("save", "savetxt", "savez", "savez_compressed"), "There is no number to write while the graph is built. Return the value."),
         **dict.fromkeys(("gcd", "lcm"), "Integers only; use math.gcd on Python ints."),
         **dict.fromkeys(("nextafter", "spacing"), "It takes the bits of a float apart. Use np.finfo(x.dtype).eps."),
         **dict.fromkeys(("fftshift", "ifftshift"), "Use np.roll."),
         **dict.fromkeys(("polyadd", "polysub"), "Add coefficient arrays of one length."), "polymul": "Use np.convolve.",
         "polyder": "Multiply the coefficients by np.arange(n, -1, -1) and drop the last.", "polyint": "Divide the coefficients by np.arange(n + 1, 0, -1)."})

