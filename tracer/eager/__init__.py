"""PyTorch's define-by-run autograd on NumPy, to the letter: ``from tracer import eager as torch``.

Tensors record what is done to them; ``backward()`` goes the recording backwards. Names, dtypes, printed forms, errors and their texts are PyTorch's.

An operation is a function on tensors and a class of nodes. The function computes NumPy data, asks :func:`~tracer.eager.record.recorded` for a node
over its inputs, and gives the node what its ``backward`` needs (``node.save``). The class has PyTorch's name (``ExpBackward0``) and a ``backward`` in
operations on tensors, which makes it differentiable again; ``fast`` is the same on NumPy data, for speed. Element-wise operations take value and slope
from the tracer's table (``operations/elementwise.py``). Each family of operations is a file with a table ``FUNCTIONS``; here they become one namespace.
"""

from __future__ import annotations

import math
import warnings

from . import accelerator as accelerator
from . import autograd as autograd
from . import copying as _copying  # noqa: F401  gives tensors what copy and pickle ask for
from . import cuda as cuda
from . import inplace as _inplace  # noqa: F401  the same for what overwrites
from . import leaves as _leaves  # noqa: F401  and for what users set
from . import linalg as linalg
from . import nn as nn
from . import operators as _operators  # noqa: F401  and for Python's operators
from . import printing
from . import special as special
from . import testing as testing
from .autograd.anomaly_mode import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .backward import backward as _backward  # noqa: F401  gives tensors their method
from .calls import called, watch_methods
from .devices import Device as device
from .devices import with_options
from .dtypes import Dtype as dtype
from .dtypes import (
    bool_,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    promoted,
    set_default_dtype,
    uint8,
)
from .given import hears_out
from .limits import finfo, iinfo
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .operations import FUNCTIONS, legacy, random
from .printing import set_printoptions
from .process import get_default_device, get_num_threads, set_default_device, set_default_tensor_type, set_num_threads
from .refused import refusal
from .stale import complete as _complete
from .tensor import STRIDED as strided
from .tensor import Size, Tensor

# Division by zero and overflow give infinities, silently, as in PyTorch. NumPy warns where the operation stands: here, and in the table of operations.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"tracer\.(eager|ops)\.")

__version__ = "2.13.0"  # of the PyTorch that this behaves as
bool = bool_
float, double, half, long, int, short = float32, float64, float16, int64, int32, int16
contiguous_format, preserve_format = "torch.contiguous_format", "torch.preserve_format"

globals().update({name: hears_out(with_options(function), name) for name, function in (FUNCTIONS | special.FUNCTIONS).items()})
globals().update(legacy.TYPES)
watch_methods(FUNCTIONS)
for _name in (*FUNCTIONS, *special.FUNCTIONS):  # under which they print and are pickled, as the types below
    if not isinstance(globals()[_name], type):
        globals()[_name].__module__, globals()[_name].__qualname__ = __name__, _name
for _name, _class in {"Tensor": Tensor, "Size": Size, "dtype": dtype, "device": device}.items():
    _class.__module__, _class.__name__, _class.__qualname__ = __name__, _name, _name
pi, e, inf, nan, newaxis = math.pi, math.e, math.inf, math.nan, None

# The methods in place that PyTorch has as functions too.
_IN_PLACE = """
abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_ atan_ atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ cos_
cosh_ deg2rad_ detach_ erf_ erfc_ exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_
log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ reciprocal_ relu_ round_ rsqrt_
sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_ zero_
""".split()
globals().update({name: getattr(Tensor, name) for name in _IN_PLACE})
cosine_similarity = nn.functional.cosine_similarity


def is_tensor(value) -> bool:
    """Is it a tensor?"""
    return isinstance(value, Tensor)


def result_type(a, b) -> dtype:
    """The dtype of an operation on two tensors or numbers."""
    return promoted((a, b))


def can_cast(source: dtype, target: dtype) -> bool:
    """May an operation's result of one dtype be written into a tensor of another?"""
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    return rank[source.numpy.kind] <= rank[target.numpy.kind]


def _numel(input: Tensor) -> int:
    """The number of elements."""
    return input.numel()


numel = called(_numel, "numel")


def is_complex(input: Tensor) -> bool:
    """Never: there are no complex tensors."""
    return False


def is_inference(input: Tensor) -> bool:
    """Was it made in inference mode?"""
    return input.is_inference()


def is_floating_point(input: Tensor) -> bool:
    """Is the dtype one of floats?"""
    return input.is_floating_point()


_complete()


def __getattr__(name: str):
    raise refusal(__name__, name)


__all__ = [
    "Size", "Tensor", "autograd", "cuda", "device", "dtype", "enable_grad", "finfo", "float32", "float64", "get_default_dtype", "iinfo", "inference_mode",
    "int8", "int64",
    "is_anomaly_check_nan_enabled", "is_anomaly_enabled", "is_grad_enabled", "is_inference_mode_enabled",
    "is_tensor", "no_grad", "printing", "promote_types", "random", "set_default_dtype", "strided",
    "set_grad_enabled", "set_printoptions", "uint8", "get_default_device", "get_num_threads", "set_default_device", "set_default_tensor_type",
    "set_num_threads",
]
