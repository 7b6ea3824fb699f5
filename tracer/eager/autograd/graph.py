"""``torch.autograd.graph``: hooks on saved tensors, and places on the tape."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable

import numpy as np

from ..backward import GradientEdge, get_gradient_edge
from ..geometry import address
from ..modes import state
from ..node import Node, RemovableHandle
from ..tensor import Tensor, shared
from ..updates import count_update

_OUTSIDE = "Trying to backward outside of the 'allow_mutation_on_saved_tensors' contextin which the graph was originally recorded."


class saved_tensors_hooks:
    """Inside, what nodes save goes through ``pack_hook``; the backward pass gets it back by ``unpack_hook``."""

    def __init__(self, pack_hook, unpack_hook):
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if isinstance(state.hooks, str):
            raise RuntimeError(state.hooks)
        state.hooks = (*state.hooks, (self.pack_hook, self.unpack_hook))
        state.refresh()

    def __exit__(self, *_) -> None:
        state.hooks = state.hooks[:-1]
        state.refresh()


class save_on_cpu(saved_tensors_hooks):
    """Everything is on the CPU already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda"):
        super().__init__(lambda tensor: tensor.detach(), lambda tensor: tensor)


class disable_saved_tensors_hooks:
    """Inside, registering hooks on saved tensors is an error with this message."""

    def __init__(self, error_message: str):
        self.message = error_message

    def __enter__(self) -> None:
        if state.hooks and not isinstance(state.hooks, str):
            raise RuntimeError(self.message)
        self._before, state.hooks = state.hooks, self.message

    def __exit__(self, *_) -> None:
        state.hooks = self._before


# Updates of what was saved ------------------------------------------------------------------------------------------------------

class _Kept:
    """A saved tensor, or its copy from before an update."""

    def __init__(self, tensor: Tensor):
        self.tensor: Tensor | None = tensor
        self.is_copy = False


class _AllowMutationOnSavedContext:
    """What was saved inside of a context, by the memory that it lies in."""

    def __init__(self) -> None:
        self._by_memory: dict[int, list[weakref.ref[_Kept]]] = {}
        self._all: weakref.WeakSet[_Kept] = weakref.WeakSet()
        self.is_open = True

    def pack(self, tensor: Tensor) -> _Kept:
        """Remember a tensor that a node saves."""
        kept = _Kept(tensor)
        self._all.add(kept)
        self._by_memory.setdefault(_memory(tensor), []).append(weakref.ref(kept))
        return kept

    def unpack(self, kept: _Kept) -> Tensor:
        """What was saved, as it was then."""
        if not self.is_open or kept.tensor is None:
            raise AssertionError(_OUTSIDE)
        return kept.tensor

    def keep(self, target: Tensor) -> None:
        """Copy what lies in a tensor's memory, which is about to be overwritten."""
        copies: dict[tuple, Tensor] = {}  # what several nodes saved is copied once
        for reference in self._by_memory.pop(_memory(target), ()):
            kept = reference()
            if kept is not None and kept.tensor is not None and not kept.is_copy:
                array = shared(kept.tensor)
                place = address(array), array.shape, array.strides
                if place not in copies:
                    copies[place] = kept.tensor.clone()
                kept.tensor, kept.is_copy = copies[place], True

    def clear(self) -> None:
        """Forget everything."""
        for kept in self._all:
            kept.tensor = None
        self._by_memory = {}


def _memory(tensor: Tensor) -> int:
    array = shared(tensor)
    while isinstance(array.base, np.ndarray):
        array = array.base
    return id(array)


class allow_mutation_on_saved_tensors:
    """Inside, tensors that nodes have saved may be overwritten: they are copied before. The backward pass has to run inside too."""

    def __enter__(self) -> _AllowMutationOnSavedContext:
        if state.mutations is not None:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        state.mutations = self._context = context = _AllowMutationOnSavedContext()
        self._hooks = saved_tensors_hooks(context.pack, context.unpack)
        self._hooks.__enter__()
        return context

    def __exit__(self, *_) -> None:
        self._hooks.__exit__()
        self._context.clear()
        self._context.is_open = False
        state.mutations = None


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Count an update of one tensor, or of each of several, that was made behind the tape's back."""
    for each in (tensor,) if isinstance(tensor, Tensor) else tensor:
        count_update(each)


# Hooks on several tensors ---------------------------------------------------------------------------------------------------------

class _MultiHandle(RemovableHandle):
    """Takes away hooks that belong together."""

    def __init__(self, handles: tuple[RemovableHandle, ...]):
        self.handles = handles

    def remove(self) -> None:
        """Take all of them away."""
        for each in self.handles:
            each.remove()


def register_multi_grad_hook(tensors, fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Call ``fn`` with the gradients of several tensors once all that a pass reaches (None for others), or with mode "any" the first, are known."""
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    tensors = list(tensors)
    lock = threading.Lock()
    found: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()  # pass -> [calls so far, calls to come, gradients]

    def hook_of(position: int):
        def hook(g: Tensor) -> None:
            with lock:
                entry = found.get(state.passing)
                if entry is None:
                    awaited = 1 if mode == "any" else sum([state.passing.reaches(each) for each in tensors])
                    entry = found[state.passing] = [0, awaited, [None] * len(tensors)]
                entry[0] += 1
                entry[2][position] = g
                complete = entry[0] == entry[1]
            if complete:
                fn(g if mode == "any" else entry[2])
        return hook
    return _MultiHandle(tuple([each.register_hook(hook_of(k)) for k, each in enumerate(tensors) if mode == "all" or each._rg]))


__all__ = ["GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version",
           "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]
