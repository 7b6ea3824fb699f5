"""torch, eager."""

import torch

from ..machine import cores
from . import Contender, peer

torch.set_num_threads(len(cores()))


@peer("torch eager", results="device")
def eager(problem, arguments):
    """Tensors in and out; the tape is made anew by each call, as it is in use."""
    loss, arguments = problem.loss_for(("torch",), torch, torch, arguments)
    tensors = [torch.from_numpy(each) for each in arguments]
    parameters = tensors[:problem.parameters]
    for parameter in parameters:
        parameter.requires_grad_()

    def call(*tensors):
        value = loss(*tensors)
        return value.detach(), torch.autograd.grad(value, parameters)
    return Contender(call, tuple(tensors))
