"""The text of a tensor, to the letter as PyTorch prints it."""

from __future__ import annotations

import math

import numpy as np

from .dtypes import bool_, get_default_dtype, int64
from .modes import state
from .tangents import tangent_of
from .tensor import Size, Tensor


class _Options:
    """What torch.set_printoptions sets."""

    precision, threshold, edgeitems, linewidth, sci_mode = 4, 1000, 3, 80, None


_options = _Options()
_PROFILES = {"default": (4, 1000, 3, 80), "short": (2, 1000, 2, 80), "full": (4, math.inf, 3, 80)}


def set_printoptions(precision: int | None = None, threshold: float | None = None, edgeitems: int | None = None, linewidth: int | None = None,
                     profile: str | None = None, sci_mode: bool | None = None) -> None:
    """How tensors are printed from now on."""
    if profile in _PROFILES:  # others are let pass
        _options.precision, _options.threshold, _options.edgeitems, _options.linewidth = _PROFILES[profile]
    for name, value in (("precision", precision), ("threshold", threshold), ("edgeitems", edgeitems), ("linewidth", linewidth)):
        if value is not None:
            setattr(_options, name, value)
    _options.sci_mode = sci_mode


class _Format:
    """How the numbers of one tensor are written: all in one width, integers as ``1.``, or in scientific notation."""

    def __init__(self, values: np.ndarray):
        self.floating = values.dtype.kind == "f"
        self.integral, self.scientific, self.width = True, False, 1
        values = values.ravel()
        if not self.floating:
            self.width = max([len(str(v)) for v in values.tolist()], default=1)
            return
        finite = values[np.isfinite(values) & (values != 0)]
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        if not finite.size:
            return
        magnitudes = np.abs(finite.astype(np.float64))
        largest, smallest = float(magnitudes.max()), float(magnitudes.min())
        self.integral = bool(np.all(np.ceil(finite) == finite))
        self.scientific = largest / smallest > 1000.0 or largest > 1.0e8 or (not self.integral and smallest < 1.0e-4)
        if _options.sci_mode is not None:
            self.scientific = _options.sci_mode
        pattern = f"{{:.{_options.precision}e}}" if self.scientific else "{:.0f}" if self.integral else f"{{:.{_options.precision}f}}"
        extra = 1 if self.integral and not self.scientific else 0
        for value in finite.tolist():
            self.width = max(self.width, len(pattern.format(value)) + extra)

    def __call__(self, value) -> str:
        if not self.floating:
            text = str(value)
        elif self.scientific:
            text = f"{{:{self.width}.{_options.precision}e}}".format(value)
        elif self.integral:
            text = f"{value:.0f}"
            if math.isfinite(value):
                text += "."
        else:
            text = f"{{:.{_options.precision}f}}".format(value)
        return " " * (self.width - len(text)) + text


def _scalar_text(array, format: _Format) -> str:
    return format(array.item())


def _row_text(array, indent: int, format: _Format, summarize: bool) -> str:
    edge = _options.edgeitems
    per_line = max(1, math.floor((_options.linewidth - indent) / (format.width + 2)))
    if summarize and not edge:
        data = ["..."]
    elif summarize and array.shape[0] > 2 * edge:
        data = [*[format(v) for v in array[:edge].tolist()], " ...", *[format(v) for v in array[-edge:].tolist()]]
    else:
        data = [format(v) for v in array.tolist()]
    lines = [", ".join(data[k:k + per_line]) for k in range(0, len(data), per_line)] or [""]
    return "[" + ("," + "\n" + " " * (indent + 1)).join(lines) + "]"


def _text(array, indent: int, format: _Format, summarize: bool) -> str:
    if array.ndim == 0:
        return _scalar_text(array, format)
    if array.ndim == 1:
        return _row_text(array, indent, format, summarize)
    edge = _options.edgeitems
    if summarize and array.shape[0] > 2 * edge:
        parts = [*[_text(array[k], indent + 1, format, summarize) for k in range(edge)], "...",
                 *[_text(array[k], indent + 1, format, summarize) for k in range(len(array) - edge, len(array))]]
    else:
        parts = [_text(each, indent + 1, format, summarize) for each in array]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(parts) + "]"


def _shown(array) -> np.ndarray:
    """The elements that are printed, of which the width follows."""
    edge = _options.edgeitems
    for axis in range(array.ndim):
        if array.shape[axis] > 2 * edge:
            array = np.concatenate([np.take(array, range(edge), axis), np.take(array, range(array.shape[axis] - edge, array.shape[axis]), axis)], axis)
    return array


def text_of(tensor: Tensor) -> str:
    """``repr`` of a tensor."""
    array = np.asarray(tensor._data)
    suffixes = []
    dtype = tensor.dtype
    default = dtype in (get_default_dtype(), int64, bool_)
    if array.size == 0:
        if array.ndim != 1:
            suffixes.append(f"size={tuple(array.shape)}")
        if dtype is not get_default_dtype():
            suffixes.append(f"dtype={dtype}")
        body = "[]"
    else:
        if not default:
            suffixes.append(f"dtype={dtype}")
        summarize = array.size > _options.threshold
        body = _text(array, len("tensor("), _Format(_shown(array) if summarize else array), summarize)
    try:
        node = tensor.grad_fn
    except RuntimeError:  # a view that was overwritten in a way that cannot be recorded
        node = "Invalid"
    if node is not None:
        suffixes.append(f"grad_fn=<{node if isinstance(node, str) else type(node).__name__}>")
    elif tensor._rg:
        suffixes.append("requires_grad=True")
    if state.level and (tangent := tangent_of(tensor)) is not None:
        suffixes.append(f"tangent={tangent}")
    return _with_suffixes("tensor(" + body, suffixes, len("tensor("))


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    parts = [text]
    last = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if last + len(suffix) + 2 > _options.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            last = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            last += len(suffix) + 2
    return "".join(parts) + ")"


def _format(self: Tensor, spec: str) -> str:
    if self._data.ndim == 0:
        return self._data.item().__format__(spec)
    return object.__format__(self, spec)


Tensor.__repr__ = lambda self: text_of(self)
Tensor.__str__ = Tensor.__repr__
Tensor.__format__ = _format
__all__ = ["Size", "set_printoptions", "text_of"]
