"""Nodes of the tape, and what they keep of the forward pass.

A node knows its edges, what it saved, and the gradient of its inputs given that of its outputs, in two forms: ``fast`` on NumPy data, for an
ordinary backward pass, and ``backward`` on tensors, which is recorded when a graph of the gradient is asked for.
"""

from __future__ import annotations

import itertools
import re
import weakref
from collections.abc import Iterable

from .dtypes import of_numpy
from .modes import state

_sequence = itertools.count(1)

FREED = ("Trying to backward through the graph a second time (or directly access saved tensors after they have already been freed). Saved intermediate "
         "values of the graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need to backward through the "
         "graph a second time or if you need to access saved tensors after calling backward.")
_HINT = ("Hint: enable anomaly detection to find the operation that failed to compute its gradient, with torch.autograd.set_detect_anomaly(True, "
         "check_nan=False).")
_HINT_FOUND = ("Hint: the backtrace further above shows the operation that failed to compute its gradient. The variable in question was changed in there or "
               "anywhere later. Good luck!")

_OF_INFERENCE = ("Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in computation tracked by autograd. To "
                 "work around this, you can make a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
                 "`torch.inference_mode()`.")
_DETACHED = ("Trying to use a saved tensor that has been detached in-place, i.e. with .detach_().This is not supported, please use out-of-place `.detach()` "
             "instead")

INFERENCE = (0,)  # the version counter of all inference tensors: none of them counts, and what looks at counters sees which they are


def now() -> int:
    """The time on the nodes' clock: later than all nodes so far, earlier than those to come."""
    return next(_sequence)


class Output:
    """A result that its own node saved: the data and version counter, not the tensor, which owns the node.

    ``place``: of a result that was written into a view, a weak reference to the node that the view got.
    """

    __slots__ = ("data", "counter", "number", "place")

    def __init__(self, data, counter: list[int], number: int = 0):
        self.data = data
        self.counter = counter
        self.number = number
        self.place = None

    def node(self, own: Node) -> Node:
        """The node that the result hangs on."""
        return (self.place and self.place()) or own

    def tensor(self, node: Node):
        """The result as a tensor that hangs on its node; what makes tensors has a subclass that does it."""
        raise NotImplementedError


class Packed:
    """A saved tensor that went through the hooks of saved_tensors_hooks. ``place``: (node or leaf, output) that it hangs on; None outside of the tape."""

    __slots__ = ("payload", "unpack", "place")

    def __init__(self, payload, unpack, place: tuple | None):
        self.payload = payload
        self.unpack = unpack
        self.place = place


class Node:
    """A backward function. Its number ``seq`` grows with creation, so that it is always larger than those of its inputs.

    ``edges``    per input where its gradient goes: a node, a leaf tensor, or None
    ``numbers``  per input the output of that node; None when all are 0
    ``saved``    tensors (:class:`Output` for own results), numbers and None; None once freed
    ``versions`` of the saved tensors; None when all were 0
    """

    __slots__ = ()                # so that a subclass can do without a dictionary

    outputs = 1
    allows_detached = False       # what it saved may be detached in place
    computes_all = False          # gradients of inputs that need none too, which hooks see
    written = 0                   # how often PyTorch writes to a gradient of an input in place, while it makes it in the way of ``fast``
    at_once = False               # runs before all others as soon as its gradient is complete
    saved: tuple | None = ()
    versions: tuple | None = None
    numbers: tuple | None = None
    names: tuple[str, ...] = ()   # of what is saved, as in `_saved_self`
    arguments: dict[str, str] = {}  # PyTorch's name of an argument that was kept, as in `_saved_dim` -> our attribute
    fast = None                   # (gradient of the output) -> gradients of the inputs, on NumPy data
    runs_without_gradient = False  # backward is asked even if the gradients of all outputs are missing
    packed = False                # some saved tensor went through hooks
    pre_hooks = None              # output number -> hooks of the tensor that it became
    node_hooks = None             # of register_hook
    node_pre_hooks = None         # of register_prehook
    tangents = None               # of the inputs, in forward mode
    retained = None               # output number -> weak reference to the tensor whose grad is kept
    _metadata = None

    def __init__(self, edges: tuple, numbers: tuple | None = None):
        self.seq = next(_sequence)
        self.edges = edges
        if numbers is not None:
            self.numbers = numbers

    def name(self) -> str:
        """The name of the backward function, as ``MulBackward0``."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {hex(id(self))}>"

    @property
    def metadata(self) -> dict:
        """A dictionary for whoever wants to note something about the node."""
        if self._metadata is None:
            self._metadata = {}
        return self._metadata

    @property
    def next_functions(self) -> tuple:
        """(node, output number) per input; leaves have an AccumulateGrad node."""
        numbers = self.numbers or (0,) * len(self.edges)
        return tuple([(_shown(edge), number) for edge, number in zip(self.edges, numbers)])

    def backward(self, *gradients) -> tuple:
        """Gradients of the inputs, as tensors, from those of the outputs."""
        raise NotImplementedError(self.name())

    def __call__(self, *gradients):
        """The gradients of the inputs from those of the outputs, without hooks: one, or a tuple where there are several inputs."""
        if len(gradients) != self.outputs:
            raise TypeError(f"expected {self.outputs} arguments, got {len(gradients)} instead")
        for position, each in enumerate(gradients):
            if each is not None and not hasattr(each, "_data"):
                raise TypeError(f"argument {position} is not a Variable")
        missing = not self.runs_without_gradient and all(each is None for each in gradients)
        found = (None,) * len(self.edges) if missing else self.backward(*gradients)
        return found[0] if isinstance(found, tuple) and len(found) == 1 else found

    # Saved values ----------------------------------------------------------------------------------------------------------
    def save(self, *entries) -> None:
        """Keep these for the backward pass: tensors, :class:`Output`, numbers, None."""
        self.saved = entries
        for entry in entries:
            counter = getattr(entry, "_counter", None) if not isinstance(entry, Output) else entry.counter
            if counter is INFERENCE:
                raise RuntimeError(_OF_INFERENCE)
            if counter is not None and counter[0] and self.versions is None:
                self.versions = tuple([_version_of(each) for each in entries])
        if state.special and state.hooks and not isinstance(state.hooks, str):  # a text says why there are none
            self._pack(state.hooks[-1])

    def results_are(self, data, number: int) -> None:
        """The memory of an output, where it was saved as a result."""
        for entry in self.saved:
            if isinstance(entry, Output) and entry.number == number:
                entry.data = data

    def _pack(self, hooks) -> None:
        pack, unpack = hooks
        entries = list(self.saved)
        for k in self._order():
            if hasattr(entries[k], "_data") or isinstance(entries[k], Output):
                entries[k] = _packed(pack, unpack, self, entries[k], detached=False)
        self.saved, self.packed = tuple(entries), True

    def _order(self) -> Iterable[int]:
        """That in which PyTorch saves and checks: by name, inputs before results."""
        entries, names = self.checked_saved(), self.names
        if len(names) != len(entries):
            return range(len(entries))
        return sorted(range(len(entries)), key=lambda k: (isinstance(entries[k], Output) or names[k] == "indices", names[k]))

    def unpack(self) -> list:
        """What was saved, checked; own results as tensors that hang on this node."""
        entries = self.checked_saved()
        if len(entries) < 2:
            return [self.unpack_one(0)] if entries else []
        if self.packed or not self._unchanged():
            found = {k: self.unpack_one(k) for k in self._order()}  # hooks can tell the order, and errors do
            return [found[k] for k in range(len(found))]
        return [entry.tensor(entry.node(self)) if isinstance(entry, Output) else entry for entry in entries]

    def plain(self) -> list:
        """What was saved, checked, as NumPy data."""
        self.check()
        return [entry.data if isinstance(entry, Output) else getattr(entry, "_data", entry) for entry in self.checked_saved()]

    def checked_saved(self) -> tuple:
        """The entries themselves; RuntimeError when they were freed."""
        if self.saved is None:
            raise RuntimeError(FREED)
        return self.saved

    def unpack_one(self, position: int):
        """One saved entry, checked for later changes in place."""
        entry = self.checked_saved()[position]
        if type(entry) is Packed:
            return _unpacked(entry)
        expected = self.versions[position] if self.versions is not None else 0
        if isinstance(entry, Output):
            if entry.counter[0] != expected:
                raise RuntimeError(_changed(entry.data, entry.node(self), entry.number, entry.counter[0], expected))
            return entry.tensor(entry.node(self))
        counter = getattr(entry, "_counter", None)
        if counter is not None and entry._detached > self.seq and entry.grad_fn is None and not self.allows_detached:
            raise RuntimeError(_DETACHED)
        if counter is not None and counter[0] != expected:
            raise RuntimeError(_changed(entry._data, entry.grad_fn, 0, counter[0], expected))  # PyTorch says 0 of all outputs that others saved
        return entry

    def check(self) -> None:
        """The same checks for all entries at once, for the ways that read the data themselves."""
        if not self._unchanged():
            self.unpack()  # raises, in PyTorch's order

    def _unchanged(self) -> bool:
        """Is everything that was saved as it was then?"""
        for position, entry in enumerate(self.checked_saved()):
            counter = entry.counter if isinstance(entry, Output) else getattr(entry, "_counter", None)
            if counter is None:
                continue
            expected = self.versions[position] if self.versions is not None else 0
            if counter[0] != expected or (getattr(entry, "_detached", -1) > self.seq and not self.allows_detached):
                return False
        return True

    def release(self) -> None:
        """Free what was saved."""
        if self.saved:
            self.saved = None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *[f"_saved_{each}" for each in self.names], *[f"_raw_saved_{each}" for each in self.names],
                *[f"_saved_{each}" for each in self.arguments]]

    def __getattr__(self, name: str):
        if name.startswith("_saved_") and name[7:] in self.arguments:
            return getattr(self, self.arguments[name[7:]])
        if name.startswith("_saved_") and name[7:] in self.names:
            return self.unpack_one(self.names.index(name[7:]))
        if name.startswith("_raw_saved_") and name[11:] in self.names:
            return RawSaved(self, self.names.index(name[11:]))
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    # Hooks -----------------------------------------------------------------------------------------------------------------
    def register_hook(self, hook):
        """Call ``hook(grad_inputs, grad_outputs)`` after the node has run; it may return other grad_inputs. Returns a handle."""
        if self.node_hooks is None:
            self.node_hooks = {}
        return RemovableHandle(self.node_hooks, hook)

    def register_prehook(self, hook):
        """Call ``hook(grad_outputs)`` before the node runs; it may return other grad_outputs. Returns a handle."""
        if self.node_pre_hooks is None:
            self.node_pre_hooks = {}
        return RemovableHandle(self.node_pre_hooks, hook)


class AccumulateGrad(Node):
    """The end of an edge: adds to the ``grad`` of its leaf. Made only for who looks at it; the engine goes to the leaf itself."""

    def __init__(self, variable):
        super().__init__(())
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"


class RawSaved:
    """One saved tensor, before it is unpacked."""

    def __init__(self, node: Node, position: int):
        self._node, self._position = node, position

    def register_hooks(self, pack, unpack) -> None:
        """Replace the saved tensor by ``pack(tensor)``; ``unpack`` gives it back."""
        node = self._node
        entries = list(node.checked_saved())
        if isinstance(entries[self._position], Packed):
            raise RuntimeError("Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of hooks is allowed at a time.")
        entries[self._position] = _packed(pack, unpack, node, entries[self._position], detached=True)
        node.saved, node.packed = tuple(entries), True


class RemovableHandle:
    """What registering a hook returns; ``remove()`` takes the hook away, as the end of a ``with`` block does."""

    _ids = itertools.count()

    def __init__(self, hooks: dict, hook):
        self.id = next(self._ids)
        self._hooks = hooks
        hooks[self.id] = hook

    def remove(self) -> None:
        """Take the hook away; nothing happens the second time."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_) -> None:
        self.remove()


class Passed(Node):
    """The way of a gradient from what an unpack hook gave to the leaf that was packed."""

    def fast(self, g):
        return (g,)

    backward = fast


class Untracked(Node):
    """The end of edges from a view that was made under no_grad: it requires grad like its base, but nothing flows to it."""

    def fast(self, g):
        return ()

    def backward(self, g):
        return ()


UNTRACKED = Untracked(())


def _shown(edge):
    if edge is None or edge is UNTRACKED:
        return None
    return edge if isinstance(edge, Node) else accumulator(edge)


def accumulator(leaf) -> AccumulateGrad:
    """The one AccumulateGrad node of a leaf, while anybody holds it."""
    found = leaf._accumulator and leaf._accumulator()
    if found is None:
        found = AccumulateGrad(leaf)
        leaf._accumulator = weakref.ref(found)
    return found


def short_name(node: Node) -> str:
    """``Mul`` for MulBackward0 and ``Clamp1`` for ClampBackward1, as in messages."""
    return re.sub(r"Backward0?$|Backward(?=\d+$)", "", node.name())


def _version_of(entry) -> int:
    counter = entry.counter if isinstance(entry, Output) else getattr(entry, "_counter", None)
    return counter[0] if counter is not None else 0


def _type_name(data) -> str:
    return "CPUBoolType" if data.dtype.kind == "b" else f"torch.{of_numpy(data.dtype).legacy}Tensor"


def _changed(data, grad_fn: Node | None, number: int, version: int, expected: int) -> str:
    shape = ", ".join(map(str, data.shape))
    source = f", which is output {number} of {short_name(grad_fn)}," if grad_fn is not None else ""
    return (f"one of the variables needed for gradient computation has been modified by an inplace operation: [{_type_name(data)} "
            f"[{shape}]]{source} is at version {version}; expected version {expected} instead. {_HINT_FOUND if state.anomaly else _HINT}")


def _packed(pack, unpack, node: Node, entry, detached: bool) -> Packed:
    before = state.recording
    state.recording = False
    try:
        tensor = entry.tensor(entry.node(node)) if isinstance(entry, Output) else entry
        place = (tensor._grad_fn or tensor, tensor._number) if tensor._rg else None
        if isinstance(entry, Output) and place[0] is node:
            place = (weakref.ref(node), entry.number)  # the node holds what it packed
        tensor = tensor.detach() if detached else tensor
        version = tensor._version
        payload = pack(tensor)
        if tensor._version != version:
            raise RuntimeError("A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook cannot be modified by "
                               "in-place operations as this can lead to unexpected side-effects. Please open an issue if you need to perform in-place "
                               "operations on the input to a pack hook.")
    finally:
        state.recording = before
    return Packed(payload, unpack, place)


def _unpacked(entry: Packed):
    found = entry.unpack(entry.payload)
    if not hasattr(found, "_data"):
        raise TypeError("Output of saved tensor unpack_hook expected to be a Tensor but got result of type " + type(found).__name__)
    if entry.place is None or found._rg:
        return found
    target, number = entry.place
    target = target() if isinstance(target, weakref.ref) else target
    made = found.detach()
    made._rg, made._grad_fn, made._number = True, target if isinstance(target, Node) else Passed((target,)), number
    return made
