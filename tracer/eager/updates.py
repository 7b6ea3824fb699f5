"""Operations in place: PyTorch's checks before them, and what becomes of the tape after them.

An update of a view becomes a node of its base (``CopySlices``); the other views of the base are ``Stale`` and get a new place on the tape when they are
next used.
"""

from __future__ import annotations

import re
import warnings
import weakref
from collections.abc import Callable

import numpy as np

from .geometry import Geometry, address, geometry_in, geometry_of
from .modes import state
from .node import Node, Output
from .record import broadcast_shape, edge, look_up_nodes, recorded, result, updated
from .stale import move_retained, outdate, view_error, window
from .tangents import compute_pending, tangent_of, update_tangent
from .tensor import Tensor, counter_of, made_of, own_node, shared

_INFERENCE = ("Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before doing inplace "
              "update.See https://github.com/pytorch/rfcs/pull/17 for more details.")
_SEVERAL_PLACES = ("unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the tensor "
                   "before performing the operation.")
_SHARED_PLACES = ("unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please clone() the "
                  "tensor before performing the operation.")
_ARGUMENT = re.compile(r"^\w+\(\): argument '(\w+)' \(position 2\)")  # which is the first one of a method
_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def check_writable(target: Tensor, records: bool, overlaps: bool = False) -> None:
    """PyTorch's errors before an update. ``records``: it will be recorded; ``overlaps``: elements may share their memory."""
    if target._inference and not state.inference:
        raise RuntimeError(_INFERENCE)
    if records:
        _check_recordable(target)
    if not overlaps:
        _check_places(target._data)
    if state.mutations is not None:
        state.mutations.keep(target)


def _check_recordable(target: Tensor) -> None:
    view = target._view
    if view is not None:
        if view.origin:
            raise RuntimeError(view_error(target, "is being"))
        if target._rg and own_node(view.base) is None:
            raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
    if target._rg and own_node(target) is None:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")


def is_expanded(data) -> bool:
    """Do several elements lie at one place?"""
    return isinstance(data, np.ndarray) and 0 in data.strides and data.size > 0 and any([step == 0 and n > 1 for step, n in zip(data.strides, data.shape)])


def check_expanded(target: Tensor, name: str, also: str) -> bool:
    """Tell that elements of the target share their places; is it so?"""
    if not is_expanded(target._data):
        return False
    warnings.warn(f"Use of {name} on expanded tensors is deprecated. Please clone() the tensor before performing this operation. This also applies to "
                  f"advanced indexing e.g. {also}", UserWarning, stacklevel=4)
    return True


def _check_places(data) -> None:
    """Refuse to write where several elements lie at one place."""
    if is_expanded(data):
        raise RuntimeError(_SEVERAL_PLACES)


def check_overlap(target: Tensor, other) -> None:
    """Refuse an operand that shares some, but not all, of the memory that is written to."""
    if not isinstance(other, Tensor) or other is target or not isinstance(other._data, np.ndarray) or not isinstance(target._data, np.ndarray):
        return
    a, b = target._data, other._data
    if a.base is None and b.base is None:
        return  # each has memory of its own
    if not (is_dense(a) and is_dense(b)) or not a.size or not b.size:
        return  # PyTorch does not look closer at these
    (begin_a, end_a), (begin_b, end_b) = np.lib.array_utils.byte_bounds(a), np.lib.array_utils.byte_bounds(b)
    same = (begin_a, end_a) == (begin_b, end_b) and a.strides == b.strides
    if begin_a < end_b and begin_b < end_a and not same:
        raise RuntimeError(_SHARED_PLACES)


def check_apart(target: Tensor, other) -> None:
    """Refuse an operand that shares any of the memory that is written to."""
    if isinstance(other, Tensor) and np.may_share_memory(target._data, other._data) and is_dense(target._data) and is_dense(other._data):
        raise RuntimeError(_SHARED_PLACES)


def is_dense(array: np.ndarray) -> bool:
    """Do the elements lie without gaps and overlaps, in whatever order of axes?"""
    expected = array.itemsize
    for step, extent in sorted((s, n) for s, n in zip(array.strides, array.shape) if n != 1):
        if step != expected:
            return False
        expected *= extent
    return True


def update(target: Tensor, operation: Callable, *operands, overlaps: bool = False, **options) -> Tensor:
    """``target.operation_(*operands)``: the operation out of place, its data written into the target, and the tape mended.

    ``overlaps``: several elements of the target may lie at one place, as all get one number.
    """
    copies = operation.__dict__.get("is_copy", False)
    records = recordable(target, operands) and (target._data.dtype.kind == "f" or not copies)
    if target._inference and not state.inference:
        overwrite(target, operation(target, *operands, **options)._data)  # PyTorch refuses only after it has written
    if records:
        _check_recordable(target)
        look_up_nodes((target, *operands))
    if "refuses" in operation.__dict__:
        operation.refuses(target, *operands)
    copies_itself = copies and is_same_memory(target, operands[0])
    check_writable(target, False, overlaps or copies_itself)
    check, fills = check_apart if operation.__dict__.get("is_apart", False) else check_overlap, operation.__dict__.get("is_fill", False)
    for other in operands if not copies_itself else ():
        if not fills or not isinstance(other, Tensor) or other._data.ndim:  # one number is read before anything is written
            check(target, other)
    if state.level:
        compute_pending()
    try:
        made = (operation if not records or target._data.dtype.kind == "f" else _without_derivative(operation))(target, *operands, **options)
    except NotImplementedError:  # PyTorch looks at shapes before
        _check_broadcast(target, operands)
        raise
    check_result(target, made)
    node = made._grad_fn if records and made._rg else None
    if node is not None:
        _keep_old_values(node, target)
    if state.level:
        _update_tangent(target, made)
    overwrite(target, made._data)
    if node is not None:
        rebase(target, node)
        _mend_saved_results(node, target)
    return target


def is_same_memory(target: Tensor, other: Tensor) -> bool:
    """Is a tensor copied onto itself? PyTorch then copies nothing."""
    a, b = shared(target), shared(other)
    return address(a) == address(b) and (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype)


def _check_broadcast(target: Tensor, operands) -> None:
    shape = target._data.shape
    for each in operands:
        shape = broadcast_shape(shape, each._data.shape if isinstance(each, Tensor) else ())
    if shape != target._data.shape:
        raise RuntimeError(f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(shape)}")


def _update_tangent(target: Tensor, made: Tensor) -> None:
    held = made._tangent
    if held is not None:
        _keep_old_values(held[1].node, target)
    update_tangent(target, tangent_of(made))


def _without_derivative(operation: Callable) -> Callable:
    """The operation on integers or bools, recorded all the same, as PyTorch does in place alone."""
    def recorded_all_the_same(*operands, **options) -> Tensor:
        before, state.updating = state.updating, True
        try:
            return operation(*operands, **options)
        finally:
            state.updating = before
    return recorded_all_the_same


def recordable(target: Tensor, operands) -> bool:
    """Will an update with these operands be recorded?"""
    if not state.recording or state.inference:
        return False
    if target._rg:
        return True
    for each in operands:
        if isinstance(each, Tensor) and each._rg:
            return True
    return False


def check_result(target: Tensor, made: Tensor) -> None:
    """Does a result fit into the tensor that it is written to?"""
    if made._data.shape != target._data.shape:
        raise RuntimeError(f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(made.shape)}")
    if made._data.dtype == target._data.dtype:
        return
    source, goal = made.dtype, target.dtype
    if _RANK[source.numpy.kind] > _RANK[goal.numpy.kind]:
        raise RuntimeError(f"result type {source.legacy} can't be cast to the desired output type {goal.legacy}")


def overwrite(target: Tensor, data) -> None:
    """Write data into the tensor's memory and count the version."""
    if isinstance(target._data, np.ndarray):
        if is_expanded(target._data):
            changes = (data != target._data) & ((data == data) | (target._data == target._data))  # of several elements at one place, and not from NaN to NaN
            np.copyto(target._data, data, where=changes)
        else:
            target._data[...] = data
    else:
        target._data = target._data.dtype.type(data)
    count_update(target)


def count_update(target: Tensor) -> None:
    """A new version of the memory: views of it get a new place on the tape, be the update recorded or not."""
    if target._inference:
        return
    counter = counter_of(target)
    counter[0] += 1
    for reference in counter.bases:
        base = reference()
        if base is not None and (base._rg or base._leaf_views):
            outdate(base)


def _keep_old_values(node: Node, target: Tensor) -> None:
    """The operation saved its first operand, which is about to be overwritten: it gets a copy."""
    if node.saved and node.saved[0] is target and node.names[:1] == ("self",):
        node.saved = (target.clone(), *node.saved[1:])
        if node.versions is not None:
            node.versions = (0, *node.versions[1:])


def _mend_saved_results(node: Node, target: Tensor) -> None:
    """A result that the node saved is the target now."""
    if node.saved and any([isinstance(entry, Output) for entry in node.saved]):
        counter = counter_of(target)
        node.versions = tuple([counter[0] if isinstance(entry, Output) else version
                               for entry, version in zip(node.saved, node.versions or (0,) * len(node.saved))])
        for entry in node.saved:
            if isinstance(entry, Output):
                entry.data, entry.counter = target._data, counter
                if target._view is not None:
                    entry.place = weakref.ref(target._grad_fn)


def rebase(target: Tensor, node: Node) -> None:
    """Give a tensor that was overwritten its new place on the tape, and its base theirs; views of it look for theirs when they are used."""
    view = target._view
    if view is None:
        before, number = target._grad_fn, target._number
        target._rg, target._grad_fn, target._number = True, node, 0
        if before is not None:
            move_retained(target, before, number)
        outdate(target)
        return
    base = view.base
    before, number = base._grad_fn, base._number
    copied = CopySlices((edge(base), *node.edges[1:]), (number, *(node.numbers or (0,) * len(node.edges))[1:]))
    memory = shared(base)
    copied.inner, copied.view, copied.base, copied.saved = node, geometry_in(target._data, memory), geometry_of(memory), ()
    base._rg, base._grad_fn, base._number = True, copied, 0
    if before is not None:
        move_retained(base, before, number)
    outdate(base)
    target._grad_fn  # noqa: B018 - the updated view itself gets its node at once


class CopySlices(Node):
    """A base one of whose views was overwritten: outside of the view the gradient passes, inside it goes through the update's own node."""

    inner: Node | None
    view: Geometry
    base: Geometry

    def backward(self, g):
        self.checked_saved()
        through = self.inner.backward(window(g, self.view, self.base))
        through = through if isinstance(through, tuple) else (through,)
        return (None if through[0] is None else updated(_replaced(g, self.view, self.base, through[0]), 2), *through[1:])

    def release(self) -> None:
        self.saved = self.inner = None  # saved tells that it was freed

    def name(self) -> str:
        return "torch::autograd::CopySlices"


def _replaced(g: Tensor, view: Geometry, base: Geometry, inside: Tensor) -> Tensor:
    """``g`` with what is in the view replaced; recorded."""
    memory = np.zeros(max(view.extent(), base.extent()), g._data.dtype)
    base.window(memory)[...] = g._data
    places = view.window(memory)
    _check_places(places)
    places[...] = inside._data
    node = recorded(_Replaced, (g, inside))
    if node is not None:
        node.view, node.base, node.fit = view, base, inside._data.shape
    return result(node, np.array(base.window(memory))[()])


class _Replaced(Node):
    """Backward of :func:`_replaced`: outside of the view to the one, inside to the other."""

    def backward(self, g):
        zeros = made_of(np.zeros(self.fit, g._data.dtype)[()])
        return _replaced(g, self.view, self.base, zeros), window(g, self.view, self.base)

    def name(self) -> str:
        return "torch::autograd::CopySlices"


_Replaced.__name__ = "CopySlices"


_EXPANDED = {"masked_fill_": "tensor[mask] = scalar", "index_fill_": "tensor[mask] = scalar", "tril_": "", "triu_": ""}  # what may write to expanded tensors


def in_place(name: str, operation: Callable) -> Callable:
    """The method ``name`` that writes the operation's result into its first operand."""
    if name in _EXPANDED:
        def method(self, *operands, **options):
            if _EXPANDED[name]:
                check_writable(self, recordable(self, operands), overlaps=True)
                check_expanded(self, name, _EXPANDED[name])
            return update(self, operation, *operands, overlaps=True, **options)
    else:
        def method(self, *operands, **options):
            try:
                return update(self, operation, *operands, **options)
            except TypeError as error:
                text = _ARGUMENT.sub(rf"{name}(): argument '\1' (position 1)", str(error)).replace(f"{name[:-1]}(): argument", f"{name}(): argument")
                if text == str(error):
                    raise
                raise TypeError(text) from None
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"``{name[:-1]}`` in place."
    return method


__all__ = ["check_overlap", "check_writable", "count_update", "in_place", "is_dense", "overwrite", "rebase", "update"]
