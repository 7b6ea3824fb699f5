"""Operations that users define: ``torch.autograd.Function``."""

from __future__ import annotations

import functools
import inspect
import warnings

import numpy as np

from ..dtypes import DTYPES
from ..modes import enable_grad, no_grad, state
from ..node import Node
from ..origins import remember
from ..record import edge, fitted
from ..tangents import paused
from ..tensor import Result, Size, Tensor, counter_of, made_of, own_node, shared
from ..updates import check_writable, count_update, rebase
from ..views import View, register, share
from .function_tangents import push_tangents

_SEVERAL_RESULTS = (
    "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return more than one Tensor. This is not supported by "
    "the current autograd engine. You should either make sure the input is not a view (using .clone() for example) or make your Function only return one "
    "Tensor (potentially splitting it into two Functions: one doing the inplace that returns a single Tensor and a second one that does the other operations). "
    "You can ask on the forum https://discuss.pytorch.org/ if you need help to do this change.")


class _ContextNode(Node):
    """The node of a user's operation; it is the ``ctx`` of its methods too."""

    _tensors: tuple = ()
    _forward_tensors: tuple | None = None
    _dirty: tuple = ()
    _constant: tuple = ()
    _materialize = True
    _materialize_non_diff_grads = True
    needs_input_grad: tuple = ()
    runs_without_gradient = computes_all = allows_detached = True

    def __init__(self):
        super().__init__(())

    def save_for_backward(self, *tensors) -> None:
        """Keep tensors for the backward pass, checked for later changes in place."""
        self._tensors = tensors

    def save_for_forward(self, *tensors) -> None:
        """Keep tensors for ``jvp``."""
        self._forward_tensors = tensors

    def mark_dirty(self, *tensors) -> None:
        """Say which inputs were overwritten."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors) -> None:
        """Say which results carry no gradient."""
        self._constant = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether missing gradients of results come as zeros (the default) or as None."""
        self._materialize = value

    @property
    def next_functions(self) -> tuple:
        """As of any node, but those arguments alone count that are tensors."""
        return tuple([each for each, operand in zip(super().next_functions, self.operands) if operand is not None])

    @property
    def saved_tensors(self) -> tuple:
        """What ``save_for_backward`` kept, or in ``jvp`` ``save_for_forward``."""
        if self._forward_tensors is not None:
            return self._forward_tensors
        return tuple(self.unpack())

    @property
    def saved_variables(self) -> tuple:
        """``saved_tensors`` by its old name."""
        warnings.warn("'saved_variables' is deprecated; use 'saved_tensors'", DeprecationWarning, stacklevel=2)
        return self.saved_tensors

    def backward(self, *gradients) -> tuple:
        found = self._users_backward()(self, *[self._missing(k) if g is None else g for k, g in enumerate(gradients)])
        found = found if isinstance(found, tuple) else (found,)
        found = self._right_number(found)
        return tuple([self._checked(k, g) for k, g in enumerate(found)])

    def _users_backward(self):
        backward, vjp = self.function.backward, self.function.vjp
        if vjp is Function.vjp:
            return backward
        if backward is not Function.backward:
            raise RuntimeError("Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only implement one of them.")
        return vjp

    def _missing(self, number: int):
        """What stands for the gradient of an output that nothing depends on: None, or zeros."""
        if not self._materialize or self.results[number] is None:
            return None
        shape, dtype, differentiable = self.results[number]
        return made_of(_zeros(shape, dtype)) if differentiable or self._materialize_non_diff_grads else None

    def _right_number(self, found: tuple) -> tuple:
        while len(found) > len(self.edges) and found[-1] is None:
            found = found[:-1]
        if len(found) != len(self.edges):
            raise RuntimeError(f"function {self.name()} returned an incorrect number of gradients (expected {len(self.edges)}, got {len(found)})")
        return found

    def _checked(self, position: int, g):
        if g is not None and self.operands[position] is None:
            raise RuntimeError(f"function {self.name()} returned a gradient different than None at position {position + 1}, but the corresponding forward "
                               "input was not a Variable")
        if g is None:
            return None
        if not isinstance(g, Tensor):
            raise RuntimeError(f"expected Variable or None (got {type(g).__name__})")
        if self.edges[position] is None:
            return g  # which hooks see
        shape, dtype = self.operands[position]
        if g._data.shape != shape:
            try:
                return fitted(g, (shape, dtype))
            except (ValueError, RuntimeError):
                raise RuntimeError(f"Function {self.name()} returned an invalid gradient at index {position} - got {list(g.shape)} but expected shape "
                                   f"compatible "
                                   f"with {list(shape)}") from None
        return g if g._data.dtype == dtype else g.to(DTYPES[dtype])

    def release(self) -> None:
        if self.saved:
            self.saved = None


def _zeros(shape, dtype):
    return np.zeros(shape, dtype)


class _FunctionMeta(type):
    """Gives each Function a class of nodes of its own name."""

    def __init__(cls, name, bases, namespace):
        super().__init__(name, bases, namespace)
        cls._backward_cls = type(f"{name}Backward", (_ContextNode,), {"function": cls})


class Function(metaclass=_FunctionMeta):
    """Subclass it with static methods ``forward(ctx, *args)`` and ``backward(ctx, *grads)``, and call ``apply``.

    Or ``forward(*args)`` and ``setup_context(ctx, inputs, output)``. As ``torch.autograd.Function``.
    """

    def __init__(self, *args, **kwargs):
        warnings.warn(f"{type(self)} should not be instantiated. Methods on autograd functions are all static, so you should invoke them on the class itself. "
                      "Instantiating an autograd function will raise an error in a future version of PyTorch.", DeprecationWarning, stacklevel=2)

    def __call__(self, *args, **kwargs):
        raise RuntimeError("Legacy autograd function with non-static forward method is deprecated. Please use new-style autograd function with static "
                           "forward method. "
                           "(Example: https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)")

    @staticmethod
    def forward(*args, **kwargs):
        """The operation itself."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Keep what the backward pass needs."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grads):
        """The gradients of the inputs."""
        raise NotImplementedError("You must implement either the backward or vjp method for your custom autograd.Function to use it with backward mode AD.")

    vjp = backward

    @staticmethod
    def jvp(ctx, *tangents):
        """The tangents of the results, from those of the inputs."""
        raise NotImplementedError("You must implement the jvp function for custom autograd.Function to use it with forward mode AD.")

    @classmethod
    def apply(cls, *args, **named):
        """Run the operation and record it."""
        if cls.setup_context is not Function.setup_context:
            args, named = _bound(cls.forward, args, named), {}
        node = cls._backward_cls()
        tensors = [a if isinstance(a, Tensor) else None for a in (*args, *named.values())]
        node.needs_input_grad = tuple([t is not None and t._rg for t in tensors])
        records = state.recording and not state.inference and any(node.needs_input_grad)
        if records:
            node.edges = tuple([edge(t) if t is not None else None for t in tensors])
            numbers = [t._number if t is not None and t._rg else 0 for t in tensors]
            node.numbers = tuple(numbers) if any(numbers) else None
        with no_grad(), paused():
            if cls.setup_context is Function.setup_context:
                output = cls.forward(node, *args, **named)
            else:
                output = cls.forward(*args)
                cls.setup_context(node, args, output)
        several = isinstance(output, tuple)
        results = list(output) if several else [output]
        _check_marks(node, results)
        for dirty in node._dirty:
            count_update(dirty)
        made = _hang(node, tensors, results) if records else [_outside(each, tensors, node) for each in results]
        if state.level:
            push_tangents(cls, node, tensors, made, set(map(id, node._constant)) & set(map(id, made)))
        results = made
        return tuple(results) if several else results[0]


def _bound(forward, args: tuple, named: dict) -> tuple:
    """The arguments in their order, with defaults, as ``setup_context`` gets them."""
    bound = inspect.signature(forward).bind(*args, **named)
    bound.apply_defaults()
    return bound.args


def _check_marks(node: _ContextNode, results: list) -> None:
    if any([not isinstance(each, Tensor) for each in node._dirty]):
        raise RuntimeError("mark_dirty can only accept variables, but argument ")
    if any([not isinstance(each, Tensor) for each in node._constant]):
        raise RuntimeError("mark_non_differentiable only accepts variable arguments, but got ")
    returned = set(map(id, results))
    if any([id(each) not in returned for each in node._dirty]):
        raise RuntimeError("Some elements marked as dirty during the forward method were not returned as output. The inputs that are modified inplace must all "
                           "be outputs of the Function.")


def _outside(each, tensors: list, node: _ContextNode):
    """A result that is not recorded: never an input itself, unless that was overwritten."""
    if not isinstance(each, Tensor):
        return each
    is_input, is_modified = any([each is t for t in tensors]), any([each is d for d in node._dirty])
    if not each._rg:
        return each if is_input and is_modified else _alias(each) if is_input else _in_function(each)
    if is_input:
        return each.detach()
    return _in_function(each) if each._view is not None else each.detach_()


def _in_function(each: Tensor) -> Tensor:
    """A result that is a view cannot be updated where that is recorded."""
    if each._view is not None:
        each._view.origin = "function"
    return each


def _alias(given: Tensor) -> Tensor:
    made = made_of(shared(given))
    share(made, given)
    return _in_function(made)


def _hang(node: _ContextNode, tensors: list, results: list) -> list:
    """Put the results on the tape."""
    node.operands = [None if t is None else (t._data.shape, t._data.dtype) for t in tensors]
    node.outputs = len(results)
    if state.anomaly:
        remember(node)
    constant = set(map(id, node._constant))
    node.results = [(r._data.shape, r._data.dtype, r._data.dtype.kind == "f" and id(r) not in constant) if isinstance(r, Tensor) else None for r in results]
    made = []
    for number, each in enumerate(results):
        if not isinstance(each, Tensor) or id(each) in constant or each._data.dtype.kind != "f":
            made.append(_outside(each, tensors, node))
        elif any([each is d for d in node._dirty]):
            made.append(_overwritten(each, node, number, tensors))
        else:
            made.append(_result(each, node, number, tensors))
    _save(node, results, made)
    return made


def _overwritten(each: Tensor, node: _ContextNode, number: int, tensors: list) -> Tensor:
    """An input that ``forward`` has overwritten and returned."""
    if each._rg and own_node(each) is None:
        raise RuntimeError("a leaf Variable that requires grad has been used in an in-place operation.")
    if not any([each is t for t in tensors]):
        warnings.warn("Only input Tensors should be given to ctx.mark_dirty(). If a Tensor is not an input, there is no need to pass it to mark_dirty().",
                      UserWarning, stacklevel=4)
    if each._view is not None and len(node.results) > 1:
        raise RuntimeError(_SEVERAL_RESULTS)
    check_writable(each, True)
    rebase(each, node)
    each._number = number if each._view is None else 0
    return each


def _result(each: Tensor, node: _ContextNode, number: int, tensors: list) -> Tensor:
    if each._rg and each._grad_fn is node:  # returned twice: it is the last of the outputs
        each._number = number
        return each
    given = any([each is t for t in tensors])
    alone = not given and each._view is None and not each._rg and not each._inference
    fresh = each if alone else made_of(each._data)  # `forward` may have kept it
    fresh._rg, fresh._grad_fn, fresh._number = True, node, number
    if given:
        share(fresh, each, "function")
    elif each._view is not None:
        fresh._counter, fresh._view = each._counter, View(each._view.base, "function", each._counter[0], each._view.root)
        register(fresh, each._view.base)
    return fresh


def _save(node: _ContextNode, results: list, made: list) -> None:
    entries = []
    for tensor in node._tensors:
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"save_for_backward can only save variables, but argument {len(entries)} is of type {type(tensor).__name__}")
        number = next((k for k, r in enumerate(results) if r is tensor), None) if tensor is not None else None
        if number is not None and made[number] is not tensor:
            entries.append(Result(made[number]._data, counter_of(made[number]), number))
        elif number is not None and tensor._grad_fn is node:
            entries.append(Result(tensor._data, counter_of(tensor), number))
        else:
            entries.append(tensor)
    node.save(*entries)


class InplaceFunction(Function):
    """A Function, by the name that old programs have for those that overwrite their inputs."""

    def __init__(self, inplace: bool = False):
        super().__init__()
        self.inplace = inplace


def once_differentiable(function):
    """Decorates ``backward``: its own derivative is refused."""
    @functools.wraps(function)
    def wrapper(ctx, *gradients):
        with no_grad():
            found = function(ctx, *gradients)
        if not state.recording or not any(isinstance(g, Tensor) and g._rg for g in gradients):
            return found
        results = found if isinstance(found, tuple) else (found,)
        node = _Refusal(tuple([each.detach().requires_grad_() if isinstance(each, Tensor) else None for each in results]))
        node.outputs = len(results)
        made = []
        for number, each in enumerate(results):
            if isinstance(each, Tensor):
                each = made_of(each._data)
                each._rg, each._grad_fn, each._number = True, node, number
            made.append(each)
        return tuple(made) if isinstance(found, tuple) else made[0]
    return wrapper


class _Refusal(Node):
    """The end of the way back; its edges are leaves that nobody holds, as in PyTorch."""

    def name(self) -> str:
        return "torch::autograd::Error"

    def backward(self, *_):
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")


_Refusal.__name__ = "Error"
__all__ = ["Function", "InplaceFunction", "Size", "enable_grad", "once_differentiable"]
