"""Which operands a function of two takes, and PyTorch's words for others."""

from __future__ import annotations

from ..tensor import Tensor
from .arithmetic import is_number

# By the name of the function, that of the second argument: two tensors alone; a tensor and a tensor or number; either of them a number.
OTHER = {"heaviside": "values", "pow": "exponent", "float_power": "exponent", "clamp_max": "max", "clamp_min": "min"}
TENSORS = frozenset(("atan2", "logaddexp", "logaddexp2", "hypot", "ldexp", "logical_and", "logical_or", "logical_xor", "heaviside", "lcm", "gcd", "isclose",
                     "nextafter", "igamma", "igammac", "maximum", "minimum", "fmax", "fmin"))
NUMBER_LAST = frozenset(("lt", "le", "gt", "ge", "eq", "ne", "fmod", "copysign", "clamp_max", "clamp_min"))
EITHER = frozenset(("pow", "float_power", "xlogy", "special_xlog1py", "special_zeta"))
EITHER_WITHOUT_OUT = frozenset(("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "remainder"))
_OUT = ", *, Tensor out = None)"


def check_operands(name: str, a, b) -> None:
    """TypeError, unless the function takes such operands."""
    if isinstance(a, Tensor) and (isinstance(b, Tensor) or (is_number(b) and name not in TENSORS)):
        return
    if isinstance(b, Tensor) and is_number(a) and (name in EITHER or name in EITHER_WITHOUT_OUT):
        return
    other = OTHER.get(name, "other")
    if name in TENSORS:
        wrong, argument, position = (b, other, 2) if isinstance(a, Tensor) else (a, "input", 1)
        raise TypeError(f"{name}(): argument '{argument}' (position {position}) must be Tensor, not {type(wrong).__name__}")
    first, second = type(a).__name__, type(b).__name__
    forms = [f"(Tensor input, Tensor {other}{_OUT}"]
    if name in EITHER:
        forms.append(f"(Number self, Tensor {other}{_OUT}")
    elif name in EITHER_WITHOUT_OUT:
        numbers, tensor = first if is_number(a) and isinstance(b, Tensor) else f"!{first}!", second if isinstance(b, Tensor) else f"!{second}!"
        forms.append(f"(Number self, Tensor {other})\n      didn't match because some of the arguments have invalid types: ({numbers}, {tensor})")
    forms.append(f"(Tensor input, Number {other}{_OUT}")
    raise TypeError(f"{name}() received an invalid combination of arguments - got ({first}, {second}), but expected one of:\n"
                    + "".join([f" * {form}\n" for form in forms]))


def check_kernel(kernel: str, input: Tensor, kinds: str = "f") -> None:
    """NotImplementedError for a dtype that a kernel of PyTorch does not have. ``kinds``: the kinds of NumPy dtypes that it has."""
    if input._data.dtype.kind not in kinds:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{input.dtype.legacy}'")
