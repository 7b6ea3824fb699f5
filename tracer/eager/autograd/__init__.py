"""``torch.autograd``."""

from __future__ import annotations

from ..backward import backward, grad
from ..modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from ..tensor import Tensor as Variable
from . import function, graph
from .function import Function

__all__ = ["Function", "Variable", "backward", "enable_grad", "function", "grad", "graph", "inference_mode", "no_grad", "set_grad_enabled"]
