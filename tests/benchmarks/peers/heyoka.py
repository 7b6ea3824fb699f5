"""heyoka.py: expressions over scalars, differentiated and compiled by LLVM."""

import heyoka
import numpy as np

from ..problems import Inapplicable
from . import Contender, peer


@peer("heyoka", results="out=")
def compiled(problem, arguments):
    """For functions of one vector. A formulation gives ``(compact_mode, loss of a list of scalar expressions)``.

    Compact mode makes a function of each kind of operation: slower to compile for short programs, faster in both ways for long ones.
    """
    if len(arguments) > 1:
        raise Inapplicable("has scalars only, and the data would become a part of the expression")
    is_compact, loss = problem.own("heyoka", heyoka, arguments)
    symbols = heyoka.make_vars(*(f"x{k:06d}" for k in range(arguments[0].size)))
    value = loss(symbols)
    gradient = heyoka.diff_tensors([value], diff_args=symbols, diff_order=1).gradient
    function = heyoka.cfunc([value, *gradient], vars=symbols, compact_mode=is_compact)
    out = np.empty(1 + len(symbols))
    return Contender(lambda x: function(inputs=x, outputs=out), arguments, lambda _: (out[0], out[1:]))
