"""Operations that overwrite their first operand: ``add_`` and its like, and the augmented operators."""

from __future__ import annotations

import functools

from .dtypes import promoted
from .modes import state
from .node import Node
from .operations.activations import relu
from .operations.arithmetic import FUNCTIONS as ARITHMETIC
from .operations.choices import FUNCTIONS as CHOICES
from .operations.comparisons import FUNCTIONS as COMPARISONS
from .operations.cumulative import cumprod, cumsum
from .operations.elementwise import FUNCTIONS as ELEMENTWISE
from .operations.numeric import FUNCTIONS as NUMERIC
from .operations.pairwise import FUNCTIONS as PAIRWISE
from .operations.powers import FUNCTIONS as POWERS
from .operations.shaping import squeeze, t, transpose, unsqueeze
from .operations.slicing import as_strided
from .operations.steps import FUNCTIONS as STEPS
from .special import FUNCTIONS as SPECIAL
from .tangents import tangent_of
from .tensor import Tensor, own_node, shared
from .updates import check_writable, count_update, in_place, rebase


def _cumsum(input: Tensor, dim: int, *, dtype=None) -> Tensor:
    if input._data.dtype.kind == "b" and dtype is None:
        return input.clone()
    return cumsum(input, dim, dtype=dtype)


def _refuse_bool(input: Tensor, *_) -> None:
    if input._data.dtype.kind == "b" and input.ndim and input._data.size:
        raise NotImplementedError("\"cumsum_out_cpu\" not implemented for 'Bool'")


_cumsum.refuses = _refuse_bool  # before memory is looked at
_NAMES = {**{n: ARITHMETIC[n] for n in ("add", "sub", "mul", "div", "neg", "subtract", "multiply", "divide", "true_divide", "negative")}, **ELEMENTWISE,
          **{n: f for n, f in CHOICES.items() if n != "where"}, **POWERS, **STEPS,
          **{n: COMPARISONS[n] for n in ("bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "lt", "le", "gt", "ge", "eq", "ne", "logical_and",
                                         "logical_or", "logical_xor", "logical_not")},
          **{n: PAIRWISE[n] for n in ("remainder", "fmod", "atan2", "hypot", "copysign", "xlogy")},
          "floor_divide": functools.partial(STEPS["floor_divide"], name="floor_divide_"), "relu": relu, "cumsum": _cumsum, "cumprod": cumprod}
_NAMES |= {name: function for name, function in (NUMERIC | SPECIAL).items() if name in _NAMES}



def _clamping(name: str, function):
    method = in_place(name, function)

    def clamp(self, *bounds, **named):
        dtype = promoted((self, *[each for each in (*bounds, *named.values()) if each is not None]))
        if (dtype.is_floating_point and not self.dtype.is_floating_point) or self._data.dtype.kind == "b" != dtype.numpy.kind:
            raise RuntimeError(f"result type {dtype.legacy} can't be cast to the desired output type {self.dtype.c_name}")
        return method(self, *bounds, **named)
    clamp.__name__, clamp.__doc__ = name, method.__doc__
    return clamp



FUNCTIONS = {}
for _name, _function in _NAMES.items():
    _method = (_clamping if _name in ("clamp", "clip", "clamp_min", "clamp_max") else in_place)(f"{_name}_", _function)
    setattr(Tensor, f"{_name}_", _method)
    FUNCTIONS[f"{_name}_"] = _method


# PyTorch numbers the forms of an operation, and those in place come last.
_NUMBERS = {"AsStridedBackward0": "AsStridedBackward1", "TBackward0": "TBackward1",
            "TransposeBackward0": "TransposeBackward1", "UnsqueezeBackward0": "UnsqueezeBackward1",
            "SqueezeBackward0": "SqueezeBackward3", "SqueezeBackward1": "SqueezeBackward4", "SqueezeBackward2": "SqueezeBackward5"}


@functools.cache
def _in_place_kind(kind: type) -> type:
    return type(_NUMBERS.get(kind.__name__, kind.__name__), (kind,), {"__doc__": f"{kind.__name__}, in place."})


class _ReshapedUnrecorded(Node):
    """The place of a tensor that was reshaped under no_grad after its node was made, which knows the shape from before; shows itself as that node."""

    shape: tuple = ()

    def backward(self, g):
        shape = g._data.shape
        lead = len(shape) - len(self.shape)
        if lead < 0 or any([n not in (1, m) for n, m in zip(self.shape, shape[lead:])]):
            raise RuntimeError(f"Function {self.name()} returned a tensor that was reshaped in place under no_grad: its gradient has the shape {list(shape)}, "
                               f"but expected shape compatible with {list(self.shape)}")
        return (g.sum_to_size(self.shape),)

    @property
    def next_functions(self) -> tuple:
        return self.edges[0].next_functions


@functools.cache
def _reshaped_kind(name: str) -> type:
    return type(name, (_ReshapedUnrecorded,), {"__doc__": f"{name}, of a tensor that was reshaped since."})


def _reshaping(name: str, function):
    """A view that replaces the tensor itself."""
    def method(self, *arguments, **named):
        check_writable(self, state.recording and self._rg, overlaps=True)
        if function is t and self.ndim > 2:
            raise RuntimeError(f"t_() expects a tensor with <= 2 dimensions, but self is {self.ndim}D")
        made = function(self, *arguments, **named)
        if state.level:
            tangent = tangent_of(made)
            self._tangent = None if tangent is None else (state.level, tangent)
        node, before = own_node(made), own_node(self)
        shape = self._data.shape
        shared(self)
        self._data = made._data
        count_update(self)
        if node is not None:
            node.__class__ = _in_place_kind(type(node))
            self.__class__ = Tensor
            self._rg, self._grad_fn, self._number = True, node, 0
            if self._view is not None:
                self._view.version = self._counter[0]
        elif before is not None and self._view is None and self._data.shape != shape:
            node = _reshaped_kind(before.name())((before,), (self._number,))
            node.shape = shape
            self._grad_fn, self._number = node, 0
        return self
    method.__name__ = name
    method.__doc__ = f"``{name[:-1]}``, of the tensor itself."
    return method


for _name, _function in {"t_": t, "transpose_": transpose, "unsqueeze_": unsqueeze, "squeeze_": squeeze, "swapaxes_": transpose,
                         "swapdims_": transpose, "as_strided_": as_strided}.items():
    setattr(Tensor, _name, _reshaping(_name, _function))
__all__ = ["FUNCTIONS", "rebase"]
