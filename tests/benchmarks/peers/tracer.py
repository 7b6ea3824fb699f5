"""This project."""

from tracer import value_and_grad

from . import Contender, peer


@peer("tracer", results="fresh")
def compiled(problem, arguments):
    """The loss as it is, in plain NumPy."""
    return Contender(value_and_grad(problem.loss, problem.argnums), arguments)


@peer("tracer, simplify=False", results="fresh")
def unsimplified(problem, arguments):
    """Without the search for a cheaper form."""
    return Contender(value_and_grad(problem.loss, problem.argnums, simplify=False), arguments)
