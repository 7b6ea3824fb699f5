"""JAX: ``jit(value_and_grad)``, 64 bits."""

import jax
import jax.numpy as jnp
import numpy as np

from . import Contender, flat, peer

jax.config.update("jax_enable_x64", True)


def compiled(problem, arguments, *languages):
    """The compiled function and its arguments; nothing is compiled before its first call."""
    loss, arguments = problem.loss_for((*languages, "jax"), jax, jnp, arguments)
    return jax.jit(jax.value_and_grad(loss, problem.argnums)), arguments


@peer("JAX device data", results="device")
def on_device(problem, arguments):
    """Arguments and results are JAX arrays; the call waits for all results."""
    function, arguments = compiled(problem, arguments, "jax device")

    def call(*arguments):
        value, gradients = function(*arguments)
        value.block_until_ready()
        for gradient in gradients if type(gradients) is tuple else (gradients,):
            gradient.block_until_ready()
        return value, gradients
    return Contender(call, tuple(map(jnp.asarray, arguments)))


@peer("JAX NumPy in/out", results="fresh")
def with_numpy(problem, arguments):
    """Arguments and results are NumPy arrays."""
    function, arguments = compiled(problem, arguments)
    return Contender(lambda *arguments: [np.asarray(each) for each in flat(function(*arguments))], arguments)
