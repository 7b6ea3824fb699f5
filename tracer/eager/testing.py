"""``torch.testing.assert_close``."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .dtypes import Dtype, promote_types
from .operations.creation import as_tensor
from .tensor import Tensor

_TOLERANCES = {"float16": (1e-3, 1e-5), "float32": (1.3e-6, 1e-5), "float64": (1e-7, 1e-7)}
_NOT_COMPARED = "No comparison pair was able to handle inputs of type {} and {}."


def assert_close(actual, expected, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None, equal_nan: bool = False,
                 check_device: bool = True, check_dtype: bool = True, check_layout: bool = True, check_stride: bool = False, msg=None) -> None:
    """AssertionError unless tensors, numbers, or sequences and dicts of them, differ by no more than ``atol + rtol * |expected|``.

    Tolerances depend on the dtype where they are not given; then both are.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {'atol' if atol is None else 'rtol'}.")
    problem = _difference(actual, expected, rtol, atol, equal_nan, check_dtype, "")
    if problem:
        raise AssertionError(msg(problem) if callable(msg) else msg or problem)


def _difference(actual, expected, rtol, atol, equal_nan: bool, check_dtype: bool, place: str) -> str | None:
    if isinstance(actual, dict) and isinstance(expected, dict):
        if set(actual) != set(expected):
            missing, extra = sorted(set(expected) - set(actual)), sorted(set(actual) - set(expected))
            return (f"The keys of the mappings do not match:\nMissing keys in the actual mapping: {missing}\n"
                    f"Additional keys in the actual mapping: {extra}{place and f'{chr(10)*2}The failure occurred for item {place}'}")
        pairs = [(f"{place}[{key!r}]", actual[key], expected[key]) for key in sorted(actual)]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = [(f"{place}[{k}]", a, b) for k, (a, b) in enumerate(zip(actual, expected))]
    else:
        return _of_leaves(actual, expected, rtol, atol, equal_nan, check_dtype, place)
    return next((found for at, a, b in pairs if (found := _difference(a, b, rtol, atol, equal_nan, check_dtype, at))), None)


def _is_sequence(value) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _of_leaves(actual, expected, rtol, atol, equal_nan: bool, check_dtype: bool, place: str) -> str | None:
    if actual is None or expected is None:
        return None if actual is expected else f"None mismatch: {actual} is not {expected}"
    numbers = all(isinstance(each, (bool, int, float)) for each in (actual, expected))
    if not numbers and not all(isinstance(each, (Tensor, np.ndarray, bool, int, float)) for each in (actual, expected)):
        raise TypeError(_NOT_COMPARED.format(type(actual), type(expected)))
    if numbers:
        text = _of_numbers(actual, expected, rtol, atol, equal_nan, check_dtype)
    else:
        text = _of_tensors(as_tensor(actual).detach(), as_tensor(expected).detach(), rtol, atol, equal_nan, check_dtype)
    return text and text + (f"\n\nThe failure occurred for item {place}" if place else "")


def _of_numbers(a, b, rtol, atol, equal_nan: bool, check_dtype: bool) -> str | None:
    if check_dtype and type(a) is not type(b):
        return f"The (d)types do not match: {type(a)} != {type(b)}."
    if isinstance(a, bool) and isinstance(b, bool):
        return None if a == b else f"Booleans mismatch: {a} is not {b}"
    exact = isinstance(a, int) and isinstance(b, int)
    rtol, atol = (rtol, atol) if rtol is not None else (0.0, 0.0) if exact else _TOLERANCES["float64"]
    if a == b or (equal_nan and a != a and b != b) or (math.isfinite(a) and abs(a - b) <= atol + rtol * abs(b)):
        return None
    if rtol == atol == 0:
        return (f"Scalars are not equal!\n\nExpected {b} but got {a}.\nAbsolute difference: {abs(a - b)}\n"
                f"Relative difference: {abs(a - b) / abs(b) if b else math.inf}")
    return (f"Scalars are not close!\n\nExpected {b} but got {a}.\nAbsolute difference: {abs(a - b)} (up to {atol} allowed)\n"
            f"Relative difference: {abs(a - b) / abs(b) if b else math.inf} (up to {rtol} allowed)")


def _tolerances(dtypes: Sequence[Dtype]) -> tuple[float, float]:
    found = [_TOLERANCES.get(each.name, (0.0, 0.0)) for each in dtypes]
    return max(each[0] for each in found), max(each[1] for each in found)


def _of_tensors(a: Tensor, b: Tensor, rtol, atol, equal_nan: bool, check_dtype: bool) -> str | None:
    if a.shape != b.shape:
        return f"The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
    if check_dtype and a.dtype is not b.dtype:
        return f"The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}."
    if rtol is None:
        rtol, atol = _tolerances((a.dtype, b.dtype))
    wide = promote_types(a.dtype, b.dtype).numpy
    x, y = [np.asarray(each._data).astype(wide) for each in (a, b)]
    with np.errstate(all="ignore"):
        close = np.isclose(x, y, rtol, atol, equal_nan)
        if close.all():
            return None
        distance = np.abs(x.astype(wide if wide.kind == "f" else np.int64) - y.astype(wide if wide.kind == "f" else np.int64))
        relative = distance / np.abs(y) if wide.kind == "f" else (distance / np.abs(y)).astype(np.float32)
    exact = rtol == atol == 0
    name = "Tensor-likes" if x.ndim else "Scalars"
    allowed = ["" if exact else f" (up to {each} allowed)" for each in (atol, rtol)]
    if not x.ndim:
        return (f"{name} are not {'equal' if exact else 'close'}!\n\nExpected {y.item()} but got {x.item()}.\n"
                f"Absolute difference: {abs(x.item() - y.item())}{allowed[0]}\n"
                f"Relative difference: {abs(x.item() - y.item()) / abs(y.item()) if y.item() else math.inf}{allowed[1]}")
    wrong = int((~close).sum())
    worst = [np.unravel_index(int(np.argmax(np.where(close, -1.0, each))), x.shape) for each in (distance, relative)]
    at = [tuple(map(int, each)) for each in worst]
    return (f"{name} are not {'equal' if exact else 'close'}!\n\nMismatched elements: {wrong} / {x.size} ({wrong / x.size:.1%})\n"
            f"Greatest absolute difference: {distance[worst[0]].item()} at index {at[0]}{allowed[0]}\n"
            f"Greatest relative difference: {relative[worst[1]].item()} at index {at[1]}{allowed[1]}")


__all__ = ["assert_close"]
