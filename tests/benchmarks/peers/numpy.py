"""Plain NumPy: the gradient by hand, which is also the reference."""

from . import Contender, peer


@peer("NumPy by hand", results="fresh")
def by_hand(problem, arguments):
    """Whole-array operations, as few as possible."""
    return Contender(problem.hand, arguments)
