"""Element-wise functions, from the tracer's table of operations.

Value, slope and the name of the backward function stand there once. Here is only which of them PyTorch has, under which name, and what it does
with integers. A slope is evaluated on NumPy data; when it is to be recorded itself, on :class:`Recorded`, which turns NumPy's functions into those
on tensors.
"""

from __future__ import annotations

import dis
import operator

import numpy as np

from tracer.graph.op import ZERO, Op
from tracer.ops import TABLE
from tracer.ops.apply import apply

from ..dtypes import get_default_dtype
from ..geometry import in_layout_of
from ..node import Node, Output
from ..record import recorded, result, saved_result
from ..tensor import Tensor, made_of
from .arithmetic import operand
from .composed import GRADIENTS
from .numbers import less, minus, number_over, over, plus, times

# Name in PyTorch: operation of the table, where the names differ.
UNARY = {name: name for name in ("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "sinh", "cosh", "tanh", "sqrt", "square",
                                 "reciprocal", "erf", "erfc", "erfinv", "sinc")}
UNARY |= {"abs": "absolute", "absolute": "absolute", "asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh", "acosh": "arccosh",
          "atanh": "arctanh", "arcsin": "arcsin", "arccos": "arccos", "arctan": "arctan", "arcsinh": "arcsinh", "arccosh": "arccosh", "arctanh": "arctanh",
          "lgamma": "gammaln", "digamma": "psi", "sigmoid": "expit", "logit": "logit", "i0": "i0", "i0e": "i0e", "i1": "i1", "i1e": "i1e",
          "ndtr": "ndtr", "ndtri": "ndtri", "log_ndtr": "log_ndtr", "erfcx": "erfcx", "entr": "entr", "deg2rad": "deg2rad", "rad2deg": "rad2deg",
          "bessel_j0": "j0", "bessel_j1": "j1"}
UNARY = {name: op for name, op in UNARY.items() if op in TABLE}
EXACT = ("absolute", "square")  # keep integers


class Recorded:
    """A tensor that answers NumPy's functions and operators by recorded operations, for slopes that are written in NumPy."""

    __slots__ = ("tensor",)
    __array_priority__ = 2000

    def __init__(self, tensor: Tensor):
        self.tensor = tensor

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        function = RECORDED.get(ufunc)
        if function is None or method != "__call__" or kwargs:
            raise NotImplementedError(f"the second derivative needs {ufunc.__name__} on tensors")
        return Recorded(function(*[opened(each) for each in inputs]))

    def __array_function__(self, function, types, args, kwargs):
        if function is apply:  # an operation of the table, by its name
            op, operands, _ = args
            return Recorded(RECORDED[op.name](*map(opened, operands)))
        if function in RECORDED:
            return Recorded(RECORDED[function](*map(opened, args)))
        raise NotImplementedError(f"the second derivative needs {function.__name__} on tensors")

    @property
    def shape(self):
        """Of the tensor."""
        return self.tensor.shape


def opened(value):
    """The tensor of what stands for one in a slope; anything else as it is."""
    if isinstance(value, np.ndarray):
        return made_of(value)
    return value.tensor if isinstance(value, Recorded) else value


_WITH_NUMBER = {"__add__": plus, "__radd__": plus, "__sub__": minus, "__rsub__": lambda x, number: less(number, x), "__mul__": times, "__rmul__": times,
                "__truediv__": over, "__rtruediv__": lambda x, number: number_over(number, x)}


def _operator(name: str):
    with_number = _WITH_NUMBER.get(name)

    def operator(self, *others):
        if with_number is not None and isinstance(others[0], (int, float)):
            return Recorded(with_number(self.tensor, others[0]))
        return Recorded(getattr(self.tensor, name)(*map(opened, others)))
    return operator


for _name in ("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "neg", "pow", "rpow", "lt", "le", "gt", "ge", "eq", "ne", "and", "or",
              "invert"):
    setattr(Recorded, f"__{_name}__", _operator(f"__{_name}__"))
Recorded.__hash__ = object.__hash__

RECORDED: dict = {  # NumPy's function -> ours; each family adds its own, and nothing does once the package is imported
    np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul, np.divide: operator.truediv, np.negative: operator.neg,
}


class Elementwise(Node):
    """The backward function of an operation of one operand: the gradient times the slope of the table."""

    partial = None
    composed = None  # (gradient, what is saved) -> gradient, where PyTorch records others than the operations of the slope
    keeps_result = False

    def fast(self, g):
        saved = self.checked_saved()
        if not saved:
            return (g * self.partial,)
        self.check()
        entry = saved[0]
        if isinstance(entry, Output):
            return (g * self.partial(None, entry.data),)
        return (g * self.partial(entry._data, None),)

    def backward(self, g):
        saved = self.unpack()
        if not saved:
            return (times(g, self.partial),)
        if self.composed is not None:
            return (self.composed(g, saved[0]),)
        arguments = (None, Recorded(saved[0])) if self.keeps_result else (Recorded(saved[0]), None)
        return (g * opened(self.partial(*arguments)),)


def arguments_read(partial) -> set[str]:
    """Which of a slope's two arguments it reads."""
    names = partial.__code__.co_varnames[:partial.__code__.co_argcount]
    loaded = set(partial.__code__.co_cellvars)  # read by a function inside
    for instruction in dis.get_instructions(partial):
        if instruction.opname.startswith("LOAD_FAST"):  # one may load two, from Python 3.13 on
            loaded.update(instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,))
    return {("x", "out")[k] for k, name in enumerate(names[:2]) if name in loaded} if len(names) > 1 else {"x"}


def backward_class(name: str, partial, keeps_result: bool, composed=None) -> type[Elementwise]:
    """A class of nodes for one operation, under PyTorch's name."""
    saved = ("result",) if keeps_result else ("self",)
    return type(name, (Elementwise,), {"partial": staticmethod(partial) if callable(partial) else partial, "keeps_result": keeps_result,
                                       "composed": composed and staticmethod(composed), "names": saved if callable(partial) else (),
                                       "__doc__": f"Backward of {name}."})


def unary(name: str, op: Op, grad_fn: str | None = None, partial=None):
    """The function of one tensor for an operation of the table."""
    slope = op.partials[0] if partial is None else partial
    keeps = callable(slope) and arguments_read(slope) == {"out"}
    if callable(slope) and not keeps and "out" in arguments_read(slope):
        whole = slope
        evaluate = op.evaluate
        slope = lambda x, out: whole(x, _value(evaluate, name, x))
    kind = backward_class(grad_fn or op.grad_fn, slope if slope is not ZERO else 0.0, keeps, GRADIENTS.get(name))
    evaluate, exact = op.evaluate, op.name in EXACT

    def function(input, *, out=None) -> Tensor:
        x = operand(input, name)._data
        if x.dtype.kind == "b" and op.name == "absolute":
            raise NotImplementedError("\"abs_cpu\" not implemented for 'Bool'")
        if x.dtype.kind != "f" and not exact:
            x = x.astype(get_default_dtype().numpy)
        data = evaluate(x)
        if data.dtype != x.dtype:
            data = data.astype(x.dtype)
        if data.ndim > 1:
            data = in_layout_of(data, input._data)
        node = recorded(kind, (input,))
        made = result(node, data)
        if node is not None and callable(kind.partial):
            node.save(saved_result(made) if keeps else input)
        return made
    function.__name__ = name
    function.__doc__ = f"``{op.name}`` of each element."
    return function


def _value(evaluate, name: str, x):
    return Recorded(getattr(x.tensor, name)()) if isinstance(x, Recorded) else evaluate(x)


GRAD_FN = {"erfcx": "SpecialErfcxBackward0", "ndtri": "SpecialNdtriBackward0", "log_ndtr": "SpecialLogNdtrBackward0", "entr": "SpecialEntrBackward0",
           "i0": "I0Backward0", "i0e": "SpecialI0EBackward0", "i1": "SpecialI1Backward0", "i1e": "SpecialI1EBackward0", "lgamma": "LgammaBackward0",
           "digamma": "DigammaBackward0", "sigmoid": "SigmoidBackward0", "erf": "ErfBackward0", "erfc": "ErfcBackward0", "erfinv": "ErfinvBackward0",
           "logit": "LogitBackward0", "square": "PowBackward0", "abs": "AbsBackward0"}

def _direction(x):
    """The sign, 0 for NaN."""
    return np.sign(x) if isinstance(x, Recorded) else np.where(x == x, np.sign(x), x.dtype.type(0))


# Slopes that are PyTorch's own: from the result, which says what a later update would spoil; 0 at NaN; outside of the domain.
SLOPES = {"sigmoid": lambda x, out: (1.0 - out) * out, "expm1": lambda x, out: out + 1.0}
SLOPES |= dict.fromkeys(("abs", "absolute"), lambda x, out: _direction(x)) | dict.fromkeys(("acosh", "arccosh"), lambda x, out: 1 / np.sqrt(x * x - 1))

FUNCTIONS = {name: unary(name, TABLE[op], GRAD_FN.get(name), SLOPES.get(name)) for name, op in UNARY.items()}
for _name, _function in FUNCTIONS.items():
    setattr(Tensor, _name, _function)
    for _ufunc in TABLE[UNARY[_name]].numpy:
        if callable(_ufunc) and _ufunc not in RECORDED:
            RECORDED[_ufunc] = _function
Tensor.__abs__ = FUNCTIONS["abs"]
