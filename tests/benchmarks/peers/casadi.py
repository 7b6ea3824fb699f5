"""CasADi: one function for value and gradients, called through its buffers, which is the fastest way from Python."""

import casadi
import numpy as np

from . import Contender, peer


def evaluator(problem, arguments):
    """The CasADi function. A formulation gives ``(SX or MX, loss)``: SX for long scalar programs, MX for matrix operations."""
    kind, loss = problem.own("casadi", casadi, arguments)
    symbols = [kind.sym(f"v{k}", *shape_of(each)) for k, each in enumerate(arguments)]
    value = loss(*symbols)
    return casadi.Function("problem", symbols, [value, *(casadi.gradient(value, each) for each in symbols[:problem.parameters])])


def shape_of(array):
    """The shape of CasADi's matrix: vectors are columns."""
    return array.shape if array.ndim == 2 else (array.size, 1)


@peer("CasADi", results="out=")
def buffered(problem, arguments):
    """CasADi's matrices lie column by column."""
    buffer, trigger = evaluator(problem, arguments).buffer()
    held = [np.array(each, order="F") for each in arguments]
    results = [np.zeros(()), *(np.zeros(each.shape, order="F") for each in arguments[:problem.parameters])]
    for index, each in enumerate(held):
        buffer.set_arg(index, memoryview(each.reshape(-1, order="F")))
    for index, each in enumerate(results):
        buffer.set_res(index, memoryview(each.reshape(-1, order="F")))

    def read(_, keep=(buffer, held)):
        return results
    return Contender(trigger, (), read)


