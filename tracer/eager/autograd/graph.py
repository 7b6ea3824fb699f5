"""``torch.autograd.graph``: hooks on saved tensors, and places on the tape."""

from __future__ import annotations

from ..backward import GradientEdge, get_gradient_edge
from ..modes import state
from ..node import Node, RemovableHandle


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
        super().__init__(lambda tensor: tensor, lambda tensor: tensor)


class disable_saved_tensors_hooks:
    """Inside, registering hooks on saved tensors is an error with this message."""

    def __init__(self, error_message: str):
        self.message = error_message

    def __enter__(self) -> None:
        self._before, state.hooks = state.hooks, self.message

    def __exit__(self, *_) -> None:
        state.hooks = self._before


def register_multi_grad_hook(tensors, fn, *, mode: str = "all") -> RemovableHandle:
    """Call ``fn`` with the gradients of several tensors once all (or, with mode "any", the first) are known."""
    tensors = list(tensors)
    waiting: dict[int, list] = {}
    hooks: dict = {}
    handle = RemovableHandle(hooks, fn)

    def on(position: int):
        def hook(g):
            if not hooks:
                return
            if mode == "any":
                if not waiting:
                    waiting[0] = [g]
                    fn(g)
                return
            waiting.setdefault(0, [None] * len(tensors) + [0])
            waiting[0][position] = g
            waiting[0][-1] += 1
            if waiting[0][-1] == len(tensors):
                fn(waiting.pop(0)[:-1])
        return hook
    for position, tensor in enumerate(tensors):
        tensor.register_hook(on(position))
    return handle


__all__ = ["GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks"]
