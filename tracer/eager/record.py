"""Putting operations on the tape: which inputs have edges, what a gradient must be brought back to after broadcasting and promotion."""

from __future__ import annotations

from .dtypes import DTYPES, Dtype, get_default_dtype, promoted, scalar_of
from .modes import state
from .node import UNTRACKED, Node
from .origins import remember
from .tangents import forward_edges
from .tensor import Result, Tensor, count_updates, counter_of, made_by, made_of


def edge(tensor):
    """Where the gradient of an input goes: its node, the leaf itself, or None."""
    return (tensor._grad_fn or tensor) if tensor._rg else None


def recorded(kind: type[Node], inputs) -> Node | None:
    """A node of this kind over these tensors (None and numbers have no edge); None when there is nothing to record."""
    if state.special:
        return _recorded_specially(kind, inputs)
    if not state.recording:
        return None
    if len(inputs) == 1:  # most operations
        tensor = inputs[0]
        if not tensor._rg:
            return None
        return kind(((tensor._grad_fn or tensor),), (tensor._number,) if tensor._number else None)
    edges, numbers, found = [], [0] * len(inputs), False
    for k, tensor in enumerate(inputs):
        if isinstance(tensor, Tensor) and tensor._rg:
            found = True
            target = tensor._grad_fn or tensor
            edges.append(None if target is UNTRACKED else target)  # with no gradient to be computed for it
            numbers[k] = tensor._number
        else:
            edges.append(None)
    return kind(tuple(edges), tuple(numbers) if any(numbers) else None) if found else None


def _node(kind: type[Node], edges: list, numbers: list) -> Node | None:
    for each in edges:
        if each is not None:
            return kind(tuple(edges), tuple(numbers) if any(numbers) else None)
    return None


def _recorded_specially(kind: type[Node], inputs) -> Node | None:
    if state.inference or not (state.recording or state.level):
        return None  # enable_grad() changes nothing in inference mode
    edges = [edge(t) if isinstance(t, Tensor) and state.recording else None for t in inputs]
    tangents = None
    if state.level:
        edges, tangents = forward_edges(inputs, edges)
    node = _node(kind, edges, [t._number if e is not None else 0 for t, e in zip(inputs, edges)])
    if node is not None:
        if tangents is not None:
            node.tangents = tangents
        elif len(edges) > 1:
            node.edges = tuple([None if each is UNTRACKED else each for each in edges])
        if state.anomaly:
            remember(node)
    return node


def look_up_nodes(inputs) -> None:
    """What PyTorch does before it looks at shapes: of views that cannot be used any more it is told first."""
    if state.recording:
        for each in inputs:
            if isinstance(each, Tensor) and each._view is not None and each._rg:
                each._grad_fn  # noqa: B018 - a property of stale views


def result(node: Node | None, data) -> Tensor:
    """The tensor of an operation's data, on the tape if there is a node; only updates in place may give integers and bools one."""
    if node is None:
        return made_of(data)
    if data.dtype.kind != "f" and not state.updating:
        check_differentiable(data)
    return made_by(node, data)


def check_differentiable(data) -> None:
    """RuntimeError for integers and bools, which only updates in place may record."""
    if data.dtype.kind != "f":
        raise RuntimeError(f"Autograd not support dtype: {DTYPES[data.dtype].legacy}")


def updated(made: Tensor, times: int) -> Tensor:
    """A new tensor that PyTorch makes by so many updates in place, which its version tells."""
    count_updates(made, times)
    return made


def saved_result(made: Tensor, number: int = 0) -> Result:
    """What a node keeps of its own result."""
    return Result(made._data, counter_of(made), number)


def data_of(operand):
    """The NumPy data of a tensor; numbers as they are."""
    return operand._data if isinstance(operand, Tensor) else operand


def cast(data, dtype: Dtype):
    """The data in another dtype; as it is if it has that one."""
    return data if data.dtype == dtype.numpy else data.astype(dtype.numpy)


def in_common(*operands, floating: bool = False) -> tuple[Dtype, list]:
    """The promoted dtype of tensors and numbers, and their data in it; integers become the default float if ``floating``."""
    if len(operands) == 2:  # what needs no promotion
        a, b = operands
        if isinstance(a, Tensor) and a._data.dtype.kind == "f":
            x = a._data
            if isinstance(b, Tensor):
                if b._data.dtype is x.dtype:
                    return DTYPES[x.dtype], [x, b._data]
            elif b.__class__ is float or b.__class__ is int:
                return DTYPES[x.dtype], [x, x.dtype.type(b)]
    dtype = promoted(operands)
    if floating and not dtype.is_floating_point:
        dtype = get_default_dtype()
    return dtype, [cast(o._data, dtype) if isinstance(o, Tensor) else scalar_of(o, dtype) for o in operands]


def fit_of(operand) -> tuple | None:
    """What a gradient has to be brought back to for an input: its shape and NumPy dtype."""
    return (operand._data.shape, operand._data.dtype) if isinstance(operand, Tensor) else None


def fitted(g, fit: tuple):
    """A gradient summed over what was broadcast, and cast back; NumPy data or tensors."""
    shape, dtype = fit
    if isinstance(g, Tensor):
        return (g if g._data.shape == shape else g.sum_to_size(shape)).to(DTYPES[dtype])
    if g.shape != shape:
        g = summed_to(g, shape)
    return g if g.dtype == dtype else g.astype(dtype)


def summed_to(array, shape: tuple[int, ...]):
    """Sum over the axes along which ``shape`` was broadcast to the array's."""
    lead = array.ndim - len(shape)
    axes = tuple(range(lead)) + tuple([lead + k for k, n in enumerate(shape) if n == 1 and array.shape[lead + k] != 1])
    if axes:
        array = array.sum(axis=axes, keepdims=True)
    return array.reshape(shape) if array.shape != shape else array


def broadcast_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    """The common shape; PyTorch's RuntimeError when there is none."""
    if a == b:
        return a
    ndim = max(len(a), len(b))
    wide_a, wide_b = (1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b
    common = []
    for n, m in zip(wide_a, wide_b):
        if n != m and n != 1 and m != 1:
            dim = max(k for k in range(ndim) if wide_a[k] != wide_b[k] and 1 not in (wide_a[k], wide_b[k]))
            raise RuntimeError(f"The size of tensor a ({wide_a[dim]}) must match the size of tensor b ({wide_b[dim]}) at non-singleton dimension {dim}")
        common.append(m if n == 1 else n)
    return tuple(common)
