"""Lists of many numbers among the arguments: in the trace they are elements of one array, so that a loop over them can be one of the graph.

Read as inputs of their own, no two rounds of such a loop would read the same array, and it would stay unrolled: a Kalman filter over a list of 100
numbers took 36 s to compile, and takes 0.9 s. Derivatives go through the array to the numbers that it is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..ops import TABLE
from .value import Traced

ASSEMBLE, INDEX = TABLE["assemble"], TABLE["index"]
SHORTEST = 16  # shorter lists are parameters, which nobody loops over


def in_rows(value):
    """A tree of lists, tuples and dicts in which the numbers are elements of arrays, where they are many of one kind; anything else as it is."""
    if type(value) not in (list, tuple, dict):
        return value
    leaves = list(_leaves(value))
    kinds = {_kind(leaf) for leaf in leaves}
    if len(leaves) < SHORTEST or len(kinds) > 1 or None in kinds:
        made = [in_rows(part) for part in (value.values() if type(value) is dict else value)]
        return dict(zip(value, made)) if type(value) is dict else type(value)(made)
    trace, weak = leaves[0].owner, leaves[0].weak
    places = tuple([(k,) for k in range(len(leaves))])
    row = trace.builder.node(ASSEMBLE, tuple([leaf.node for leaf in leaves]), ((len(leaves),), places))
    elements = iter([Traced(trace.builder.node(INDEX, (row,), (place,)), trace, weak) for place in places])
    return _filled(value, lambda: next(elements))


def _kind(leaf) -> tuple | None:
    """(dtype, the Python type that it stands for) of a traced float; None for all else."""
    return (leaf.dtype, leaf.weak) if type(leaf) is Traced and leaf.memory is None and leaf.node.type.is_float and not leaf.node.type.shape else None


def _leaves(value) -> Iterator:
    if type(value) in (list, tuple, dict):
        for part in value.values() if type(value) is dict else value:
            yield from _leaves(part)
    else:
        yield value


def _filled(value, fill: Callable):
    if type(value) is dict:
        return {key: _filled(part, fill) for key, part in value.items()}
    return type(value)([_filled(part, fill) for part in value]) if type(value) in (list, tuple) else fill()


__all__ = ["in_rows"]
