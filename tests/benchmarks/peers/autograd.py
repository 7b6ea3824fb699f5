"""HIPS autograd."""

import autograd
import autograd.numpy as anp

from . import Contender, peer


@peer("autograd", results="fresh")
def traced(problem, arguments):
    """The NumPy text with autograd's namespace."""
    return Contender(autograd.value_and_grad(problem.loss_for("autograd", autograd, anp, arguments), problem.argnums), arguments)
