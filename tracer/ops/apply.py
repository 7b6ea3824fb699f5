"""Applying a record to whatever its operands are: the rules of one operation may need another that NumPy has no function for."""

from __future__ import annotations

import numpy as np

from ..graph.op import Op


def apply(op: Op, operands: tuple, attrs: tuple = ()):
    """The operation on operands that already have its dtypes and shapes.

    Arrays are evaluated. Anything else is asked through ``__array_function__``, as NumPy's own functions ask it, with ``apply`` as the function.
    """
    for operand in operands:
        dispatch = getattr(type(operand), "__array_function__", None)
        if dispatch is not None and not isinstance(operand, np.ndarray):
            return dispatch(operand, apply, (type(operand),), (op, operands, attrs), {})
    return op.evaluate(*operands, *attrs)
