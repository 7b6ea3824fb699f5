"""Runs: stretches of a stream that repeat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..graph.node import CONSTANT
from .stream import MOST_OPERANDS, Stream


class Run(NamedTuple):
    """Tokens ``start .. start + period*count``: ``count`` iterations of ``period`` tokens."""

    start: int
    period: int
    count: int

    @property
    def stop(self) -> int:
        return self.start + self.period * self.count

    @property
    def saved(self) -> int:
        """Instructions that the loop does without."""
        return self.period * (self.count - 1)


def is_regular(stream: Stream, run: Run) -> bool:
    """Do the operands of wide operations, which no address tells of, advance by constant strides too, or are they the same in all iterations?"""
    for token in range(run.start, run.start + run.period):
        if len(stream.nodes[token].inputs) > MOST_OPERANDS and not _is_regular(stream, run, token):
            return False
    return True


def _is_regular(stream: Stream, run: Run, token: int) -> bool:
    inputs = [stream.nodes[at].inputs for at in range(token, run.stop, run.period)]
    ids = np.array([[operand.id for operand in each] for each in inputs])
    places = stream.places[ids]
    steps = np.diff(places, axis=0)
    others = places[0] < 0
    is_same = (ids == ids[0]).all(axis=0)
    numbers = np.array([all(each[k].op is CONSTANT for each in inputs) if other else False for k, other in enumerate(others.tolist())])
    first, step = places[0], steps[0]
    last = first + (run.count - 1) * step
    # Made in this iteration, or a state; or before the loop.
    is_value = ~others & (places >= 0).all(axis=0) & (steps == step).all(axis=0)
    is_value &= ((step == run.period) & (first >= run.start - run.period)) | ((first < run.start) & (last < run.start))
    return bool((is_value | (others & (is_same | numbers))).all())


__all__ = ["Run", "is_regular"]
