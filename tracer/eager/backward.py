"""``backward`` and ``grad``: checking what is asked for, and starting the engine."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from .engine import Pass
from .geometry import in_layout_of
from .modes import state
from .node import UNTRACKED, Node, accumulator
from .operations.joining import stack
from .tensor import Size, Tensor, made_of

_CREATE_GRAPH = ("Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient which can cause a memory leak. "
                 "We recommend using autograd.grad when creating the graph to avoid this. If you have to use this function, make sure to reset the .grad "
                 "fields of your parameters to None after use to break the cycle and avoid the leak.")


def backward(tensors, grad_tensors=None, retain_graph: bool | None = None, create_graph: bool = False, grad_variables=None, inputs=None) -> None:
    """Accumulate the gradients of ``tensors`` into the ``grad`` of the leaves that they depend on, or of ``inputs`` alone."""
    if grad_variables is not None:
        warnings.warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning, stacklevel=2)
        if grad_tensors is not None:
            raise RuntimeError("`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use `grad_tensors`.")
        grad_tensors = grad_variables
    inputs = None if inputs is None else _several(inputs)
    if inputs is not None and not inputs:
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    tensors = _several(tensors)
    roots = _roots(tensors, _gradients_of(grad_tensors, len(tensors)), create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    if create_graph:
        warnings.warn(_CREATE_GRAPH, UserWarning, stacklevel=3)
    wanted = None if inputs is None else _wanted(inputs)
    for each in inputs or ():
        if isinstance(each, Tensor):
            each.retain_grad()
    Pass(keep, create_graph, wanted).run(roots)


def _several(given) -> tuple:
    return (given,) if isinstance(given, (Tensor, GradientEdge)) else tuple(given)


def grad(outputs, inputs, grad_outputs=None, retain_graph: bool | None = None, create_graph: bool = False, only_inputs: bool = True,
         allow_unused: bool | None = None, is_grads_batched: bool = False, materialize_grads: bool = False) -> tuple:
    """The gradients of ``outputs`` with respect to ``inputs``, weighted by ``grad_outputs``; nothing is accumulated."""
    if materialize_grads and allow_unused is False:
        raise ValueError("Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.")
    allow_unused = materialize_grads if allow_unused is None else allow_unused
    outputs, inputs = _several(outputs), _several(inputs)
    gradients = _gradients_of(grad_outputs, len(outputs))
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        return _batched(outputs, inputs, gradients, keep, create_graph, allow_unused, materialize_grads)
    roots = _roots(outputs, gradients, create_graph)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    return _caught(roots, inputs, keep, create_graph, allow_unused, materialize_grads)


def _caught(roots, inputs, keep: bool, create: bool, allow_unused: bool, materialize: bool) -> tuple:
    wanted = _wanted(inputs)
    for each in inputs:
        if isinstance(each, Tensor) and not each._rg:
            raise RuntimeError("One of the differentiated Tensors does not require grad")
    run = Pass(keep, create, wanted, accumulates=False)
    run.run(roots)
    found = []
    for position, each in enumerate(inputs):
        g = run.found.get(position)
        if g is None and not allow_unused:
            raise RuntimeError(f"The differentiated Tensor at index {position} appears to not have been used in the graph. Set allow_unused=True if this is "
                               "the desired behavior.")
        if g is None and materialize:
            if isinstance(each, GradientEdge):
                raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
            g = made_of(in_layout_of(np.zeros(each._data.shape, each._data.dtype)[()], each._data))
            g._rg = create
        found.append(g)
    return tuple(found)


def _wanted(inputs: tuple) -> dict:
    """Positions among the inputs by place on the tape."""
    wanted: dict = {}
    for position, each in enumerate(inputs):
        if not isinstance(each, (Tensor, GradientEdge)):
            raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(each).__name__}")
        wanted.setdefault(_key(each), []).append(position)
    return wanted


def _key(each):
    if isinstance(each, GradientEdge):
        return (each.node.seq, each.output_nr) if not hasattr(each.node, "variable") else id(each.node.variable)
    return id(each) if each.grad_fn is None else (each._grad_fn.seq, each._number)


class GradientEdge(NamedTuple):
    """A place on the tape: a node and one of its outputs."""

    node: Node
    output_nr: int
    ownership_token: Node | None = None  # PyTorch's own way to keep the node alive; here ``node`` does


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor is computed."""
    if not tensor._rg:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    node = tensor.grad_fn or accumulator(tensor)
    node.metadata.setdefault("outputs", {})[tensor._number] = tensor._data.shape, tensor._data.dtype
    return GradientEdge(node, tensor._number)


class _Placeholder:
    """What a pass has to know of a tensor of which only the place on the tape is given."""

    _rg = True

    def __init__(self, edge: GradientEdge):
        shape, dtype = edge.node.metadata["outputs"][edge.output_nr]
        self._data = np.empty(shape, dtype)
        leaf = getattr(edge.node, "variable", None)
        self._grad_fn = self.grad_fn = edge.node if leaf is None else leaf
        self._number = edge.output_nr


def _gradients_of(given, count: int) -> tuple:
    if given is None:
        return (None,) * count
    given = (given,) if isinstance(given, Tensor) else tuple(given)
    return given


def _roots(tensors, gradients, create: bool) -> list:
    if len(gradients) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
    tensors = [_Placeholder(each) if isinstance(each, GradientEdge) else each for each in tensors]
    if not all([isinstance(each, (Tensor, _Placeholder)) for each in tensors]):
        raise AssertionError("Expected output to be a torch.Tensor")
    made = [_checked(number, tensor, g) for number, (tensor, g) in enumerate(zip(tensors, gradients))]
    for number, tensor in enumerate(tensors):
        if not tensor._rg or tensor._grad_fn is UNTRACKED:
            raise RuntimeError(f"element {number} of tensors does not require grad and does not have a grad_fn")
    return [(tensor.grad_fn or tensor, tensor._number, g) for tensor, g in zip(tensors, made)]


def _checked(number: int, tensor: Tensor, g):
    if g is None:
        if not tensor._rg:
            return None
        if tensor._data.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        return made_of(np.ones(tensor._data.shape, tensor._data.dtype)[()])
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._data.shape != tensor._data.shape:
        raise RuntimeError(f"Mismatch in shape: grad_output[{number}] has a shape of {Size(g._data.shape)!r} and output[{number}] has a shape of "
                           f"{Size(tensor._data.shape)!r}.")
    return g if g._data.dtype == tensor._data.dtype else made_of(g._data.astype(tensor._data.dtype))


def _batched(outputs, inputs, gradients, keep: bool, create: bool, allow_unused: bool, materialize: bool) -> tuple:
    """One pass per row of ``grad_outputs``, the results stacked."""
    for number, (output, g) in enumerate(zip(outputs, gradients)):
        if g is not None and g._data.shape[1:] != output._data.shape:
            raise RuntimeError("If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The sizes of the "
                               "remaining dimensions are expected to match the shape of corresponding output, but a mismatch was detected: "
                               f"grad_output[{number}] has a shape of {Size(g._data.shape[1:])!r} and output[{number}] has a shape of "
                               f"{Size(output._data.shape)!r}. If you only want some tensors in `grad_output` to be considered batched, consider using vmap.")
    count = next(g._data.shape[0] for g in gradients if g is not None)
    rows = []
    for row in range(count):
        roots = _roots(outputs, [g if g is None else g[row] for g in gradients], create)
        rows.append(_caught(roots, inputs, keep or row < count - 1, create, allow_unused, materialize))
    return tuple([None if column[0] is None else stack(column) for column in zip(*rows)])


def _tensor_backward(self: Tensor, gradient=None, retain_graph: bool | None = None, create_graph: bool = False, inputs=None) -> None:
    """Accumulate the gradients of this tensor into the leaves that it depends on."""
    if gradient is None and inputs is None and not create_graph and not state.special:
        # The usual call: a recorded scalar, nothing but the leaves wanted.
        if self._rg and self._data.size == 1 and self._grad_fn is not UNTRACKED:
            g = made_of(np.ones(self._data.shape, self._data.dtype)[()])
            Pass(bool(retain_graph), False).run([(self.grad_fn or self, self._number, g)])
            return
    backward(self, gradient, retain_graph, create_graph, inputs=inputs)


Tensor.backward = _tensor_backward
_tensor_backward.__name__, _tensor_backward.__qualname__ = "backward", "Tensor.backward"

__all__ = ["GradientEdge", "Node", "backward", "get_gradient_edge", "grad"]
