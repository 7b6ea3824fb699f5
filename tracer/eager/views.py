"""Views, and operations in place: who shares memory with whom, and what becomes of the tape when it is overwritten.

A view knows how it comes from its base: a function from the base's array to its own. With it the gradient of a view is put back into one of the base's
shape (``Scattered``), an update of a view becomes a node of the base (``CopySlices``), and the other views of the base get a new place on the tape
(``AsStridedBackward0``), all as in PyTorch's autograd.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable

import numpy as np

from .modes import state
from .node import INFERENCE, UNTRACKED, Node, Output, short_name
from .record import edge, fitted, recorded, result
from .tensor import Tensor, counter_of, made_by, made_of, retain, shared

_UNTRACKED = ("{view} was created in {mode} mode and {what} modified inplace {now}. Given that this use case is ambiguous and error-prone, it is forbidden. "
              "You can clarify your code by moving both the view and the inplace either both inside the {block} block (if you don't want the inplace to be "
              "tracked) or both outside (if you want the inplace to be tracked).")
_UNTRACKED_TEXTS = {"no_grad": {"mode": "no_grad", "now": "with grad mode enabled", "block": "no_grad"},
                    "inference": {"mode": "inference", "now": "in normal mode", "block": "inference_mode"}}
_IN_FUNCTION = ("This view was created inside a custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace "
                "would override "
                "the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix this by "
                "cloning "
                "the output of the custom Function.")
_SEVERAL = ("This view is the output of a function that returns multiple views. Such functions do not allow the output views to be modified inplace. You "
            "should "
            "replace the inplace operation by an out-of-place one.")


class View:
    """How a view comes from its base. ``origin``: "" | "no_grad" | "several" (one of several outputs); ``stale``: why its node cannot be asked for."""

    __slots__ = ("base", "apply", "origin", "stale", "__weakref__")

    def __init__(self, base: Tensor, apply: Callable, origin: str = ""):
        self.base, self.apply, self.origin, self.stale = base, apply, origin, ""


class ViewNode(Node):
    """Backward of a view: the gradient goes to its places in zeros of the input's shape, unless a kind knows a shorter way."""

    shape: tuple = ()
    apply: Callable
    overlaps = False

    def fast(self, g):
        return (scattered(g, self.shape, self.apply, self.overlaps),)

    def backward(self, g):
        return (scatter(g, self.shape, self.apply, self.overlaps),)


def scattered(g, shape: tuple, apply: Callable, overlaps: bool = False):
    """Zeros of ``shape`` with ``g`` at the places that ``apply`` picks; where these overlap it adds up."""
    if overlaps:
        places = apply(np.arange(int(np.prod(shape))).reshape(shape))
        return np.bincount(places.ravel(), np.ravel(g), int(np.prod(shape))).astype(g.dtype).reshape(shape)
    zeros = np.zeros(shape, g.dtype)
    apply(zeros)[...] = g
    return zeros


class Scattered(Node):
    """Backward of :func:`scatter`."""

    def fast(self, g):
        return (self.apply(g),)

    def backward(self, g):
        return (pick(g, self.apply, self.overlaps),)


Scattered.__name__ = "SliceBackward0"


def scatter(g: Tensor, shape: tuple, apply: Callable, overlaps: bool = False) -> Tensor:
    """:func:`scattered` on tensors, recorded."""
    node = recorded(Scattered, (g,))
    if node is not None:
        node.apply, node.overlaps = apply, overlaps
    return result(node, scattered(g._data, shape, apply, overlaps))


class _Picked(ViewNode):
    pass


_Picked.__name__ = "AsStridedBackward0"


def pick(g: Tensor, apply: Callable, overlaps: bool = False) -> Tensor:
    """The elements that ``apply`` picks, copied, recorded."""
    node = recorded(_Picked, (g,))
    if node is not None:
        node.shape, node.apply, node.overlaps = g._data.shape, apply, overlaps
    return result(node, np.array(apply(np.asarray(g._data))))


def view_of(input: Tensor, kind: type[ViewNode], apply: Callable, data=None, origin: str = "", **attributes) -> Tensor:
    """A view by ``apply``, a function from arrays to views of them. ``attributes`` are the node's."""
    array = shared(input)
    node = recorded(kind, (input,))
    made = result(node, apply(array) if data is None else data)
    if node is not None:
        node.shape, node.apply = array.shape, apply
        if attributes:
            node.__dict__.update(attributes)
    elif state.inference or not state.recording:
        origin = origin or ("inference" if state.inference else "no_grad")
        if input._rg:
            made._rg, made._grad_fn = True, UNTRACKED
    share(made, input, apply, origin)
    return made


def share(made: Tensor, input: Tensor, apply: Callable, origin: str = "") -> None:
    """Make a tensor a view of another, whose memory it has."""
    if input._inference:
        made._inference, made._counter = True, INFERENCE
        return
    made._inference, made._counter = False, counter_of(input)
    if input._view is None:
        base = input
    else:
        base, inner, outer = input._view.base, input._view.apply, apply
        origin = origin or input._view.origin
        apply = lambda array: outer(inner(array))
    made._view = View(base, apply, origin)
    if base._views is None:
        base._views = []
        made._counter.bases.append(weakref.ref(base))
    elif len(base._views) > 8:
        base._views = [each for each in base._views if each() is not None]
    base._views.append(weakref.ref(made))


def _untracked_text(view: Tensor, what: str) -> str:
    """Why a view that was made while nothing was recorded cannot be updated, or be used after an update."""
    node = view.__dict__.get("_grad_fn")  # of an Invalid one too, which does not tell
    of_view = "A view" if node is None or node is UNTRACKED else f"Output {view._number} of {short_name(node)} is a view of a view which"
    return _UNTRACKED.format(view=of_view, what=what, **_UNTRACKED_TEXTS[view._view.origin])


# In place -------------------------------------------------------------------------------------------------------------------

def check_writable(target: Tensor, records: bool, overlaps: bool = False) -> None:
    """PyTorch's errors before an update. ``records``: it will be recorded; ``overlaps``: elements may share their memory."""
    if target._inference and not state.inference:
        raise RuntimeError("Inplace update to inference tensor outside InferenceMode is not allowed.You can make a clone to get a normal tensor before doing "
                           "inplace update.See https://github.com/pytorch/rfcs/pull/17 for more details.")
    view = target._view
    if records:
        if view is not None:
            if view.origin in _UNTRACKED_TEXTS:
                raise RuntimeError(_untracked_text(target, "is being"))
            if view.origin == "function":
                raise RuntimeError(f"Output {target._number} of {short_name(target._grad_fn)} is a view and is being modified inplace. {_IN_FUNCTION}")
            if view.origin == "several":
                raise RuntimeError(f"Output {target._number} of {short_name(target._grad_fn) if target._grad_fn else 'a function'} is a view and is being "
                                   f"modified "
                                   f"inplace. {_SEVERAL}")
            if view.base._rg and view.base._grad_fn is None:
                raise RuntimeError("a view of a leaf Variable that requires grad is being used in an in-place operation.")
        if target._rg and target._grad_fn is None:
            raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if not overlaps:
        _check_places(target._data)


def _check_places(data) -> None:
    """Refuse to write where several elements lie at one place."""
    if isinstance(data, np.ndarray) and any(step == 0 and extent > 1 for step, extent in zip(data.strides, data.shape)):
        raise RuntimeError("unsupported operation: more than one element of the written-to tensor refers to a single memory location. Please clone() the "
                           "tensor before performing the operation.")


def check_overlap(target: Tensor, other) -> None:
    """Refuse an operand that shares some, but not all, of the memory that is written to."""
    if not isinstance(other, Tensor) or other is target or not isinstance(other._data, np.ndarray) or not isinstance(target._data, np.ndarray):
        return
    a, b = target._data, other._data
    if not (is_dense(a) and is_dense(b)) or not a.size or not b.size:
        return  # PyTorch does not look closer at these
    (begin_a, end_a), (begin_b, end_b) = np.lib.array_utils.byte_bounds(a), np.lib.array_utils.byte_bounds(b)
    same = (begin_a, end_a) == (begin_b, end_b) and a.strides == b.strides
    if begin_a < end_b and begin_b < end_a and not same:
        raise RuntimeError("unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. Please "
                           "clone() "
                           "the tensor before performing the operation.")


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
    records = state.recording and not state.inference and (target._rg or any(isinstance(o, Tensor) and o._rg for o in operands))
    if target._inference and not state.inference:
        overwrite(target, operation(target, *operands, **options)._data)  # PyTorch refuses only after it has written
    check_writable(target, records, overlaps)
    for other in operands:
        check_overlap(target, other)
    made = operation(target, *operands, **options)
    check_result(target, made)
    node = made._grad_fn if records and made._grad_fn is not None else None
    if node is not None:
        _keep_old_values(node, target)
    overwrite(target, made._data)
    if state.level:
        target._tangent = made._tangent
    if node is not None:
        _mend_saved_results(node, target)
        rebase(target, node)
    return target


def check_result(target: Tensor, made: Tensor) -> None:
    """Does a result fit into the tensor that it is written to?"""
    source, goal = made.dtype, target.dtype
    rank = {"b": 0, "u": 1, "i": 1, "f": 2}
    if rank[source.numpy.kind] > rank[goal.numpy.kind]:
        raise RuntimeError(f"result type {source.legacy} can't be cast to the desired output type {goal.legacy}")
    if made._data.shape != target._data.shape:
        raise RuntimeError(f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(made.shape)}")


def overwrite(target: Tensor, data) -> None:
    """Write data into the tensor's memory and count the version."""
    if isinstance(target._data, np.ndarray):
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
        if base is not None and base._rg:
            regenerate_views(base)


def regenerate_views(base: Tensor) -> None:
    """New nodes for all views of a base that has been overwritten."""
    for reference in base._views or ():
        each = reference()
        if each is not None:
            _regenerate(each, base)


def _keep_old_values(node: Node, target: Tensor) -> None:
    """The operation saved its first operand, which is about to be overwritten: it gets a copy."""
    if node.saved and node.saved[0] is target and node.names[:1] == ("self",):
        old = made_of(np.array(target._data)[()])
        old._rg, old._grad_fn, old._number = target._rg, target._grad_fn, target._number
        node.saved = (old, *node.saved[1:])
        if node.versions is not None:
            node.versions = (0, *node.versions[1:])


def _mend_saved_results(node: Node, target: Tensor) -> None:
    """A result that the node saved is the target now."""
    if node.saved and any(isinstance(entry, Output) for entry in node.saved):
        counter = counter_of(target)
        node.versions = tuple([counter[0] if isinstance(entry, Output) else version
                               for entry, version in zip(node.saved, node.versions or (0,) * len(node.saved))])
        for entry in node.saved:
            if isinstance(entry, Output):
                entry.data, entry.counter = target._data, counter


def rebase(target: Tensor, node: Node) -> None:
    """Give a tensor that was overwritten its new place on the tape, and its base and their views theirs."""
    view = target._view
    if target.retains_grad and target._grad_fn is not None:
        target._grad_fn.retained = {k: r for k, r in (target._grad_fn.retained or {}).items() if r() is not target}
    if view is None:
        target._rg, target._grad_fn, target._number = True, node, 0
        base = target
        if target.retains_grad:
            retain(target)
    else:
        base = view.base
        copied = CopySlices((edge(base), *node.edges[1:]), (base._number, *(node.numbers or (0,) * len(node.edges))[1:]))
        copied.inner, copied.apply, copied.shape, copied.saved = node, view.apply, base._data.shape, ()
        base._rg, base._grad_fn, base._number = True, copied, 0
    regenerate_views(base)


def _regenerate(view: Tensor, base: Tensor) -> None:
    """A new node for a view whose base was overwritten."""
    origin = view._view.origin
    if view._view.stale:
        return
    if origin:
        view._view.stale = _untracked_text(view, "its base or another view of its base has been") if origin in _UNTRACKED_TEXTS else (
            f"Output {view._number} of {short_name(view._grad_fn) if view._grad_fn else 'a function'} is a view and its base or another view of its base "
            f"has been "
            f"modified inplace. {_SEVERAL}")
        view.__class__ = Invalid
        return
    node = AsStridedBackward0((edge(base),), (base._number,) if base._number else None)
    node.shape, node.apply = base._data.shape, view._view.apply
    node.overlaps = isinstance(view._data, np.ndarray) and not is_dense(view._data)
    view._rg, view._grad_fn, view._number = True, node, 0
    if view._hooks is not None:
        view._hooks = None


class Invalid(Tensor):
    """A view that can no longer take part in recorded operations; whoever asks for its node is told why."""

    @property
    def _grad_fn(self):
        raise RuntimeError(self._view.stale)


class AsStridedBackward0(ViewNode):
    """Backward of a view that was made anew after its base had been overwritten."""


class CopySlices(Node):
    """A base one of whose views was overwritten: outside of the view the gradient passes, inside it goes through the update's own node."""

    inner: Node
    apply: Callable
    shape: tuple

    def backward(self, g):
        inside = pick(g, self.apply)
        through = self.inner.backward(inside)
        through = through if isinstance(through, tuple) else (through,)
        first = through[0]
        outside = _replaced(g, self.apply, first)
        return (outside, *through[1:])

    def release(self) -> None:
        self.inner.release()

    def name(self) -> str:
        return "torch::autograd::CopySlices"


def _replaced(g: Tensor, apply: Callable, first: Tensor | None) -> Tensor:
    """``g`` with what is in the view replaced by ``first``, or by zeros."""
    outside = np.ones(g._data.shape, bool)
    inside = apply(outside)
    _check_places(inside)
    inside[...] = False
    kept = masked(g, outside)
    return kept if first is None else kept + scatter(first, g._data.shape, apply)


class _Masked(Node):
    """Backward of :func:`masked`."""

    mask = None

    def backward(self, g):
        return (masked(g, self.mask),)


_Masked.__name__ = "WhereBackward0"


def masked(g: Tensor, mask) -> Tensor:
    """The tensor where a NumPy mask holds, else zeros; recorded."""
    node = recorded(_Masked, (g,))
    if node is not None:
        node.mask = mask
    return result(node, np.where(mask, g._data, g._data.dtype.type(0)))


def in_place(name: str, operation: Callable) -> Callable:
    """The method ``name`` that writes the operation's result into its first operand."""
    def method(self, *operands, **options):
        return update(self, operation, *operands, **options)
    method.__name__ = name
    method.__doc__ = f"``{name[:-1]}`` in place."
    return method


__all__ = ["View", "ViewNode", "fitted", "made_by", "share", "update", "view_of"]
