"""What becomes of the values of a loss: their mean, their sum, or nothing."""

from __future__ import annotations

from ..tensor import Tensor

REDUCTIONS = {"none": 0, "mean": 1, "sum": 2}


def reduced(values: Tensor, reduction: str) -> Tensor:
    """The values brought together as asked for."""
    if reduction not in REDUCTIONS:
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return values.mean() if reduction == "mean" else values.sum() if reduction == "sum" else values
