"""Where a call of a loop or branch stands: in a trace, or among plain numbers; and the trees that it takes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np

from ..trace.buffers import Buffer
from ..trace.context import Trace, user_line_of, user_location
from ..trace.session import current_session
from ..trace.static import Static
from ..trace.trees import DATA, Describer
from ..trace.value import Traced

_NUMBERS = (Traced, Buffer, bool, int, float, np.generic, np.ndarray)


def leaf(value, path):
    """What a leaf of a tree that goes through a loop is: data, or the same in all iterations."""
    return DATA if isinstance(value, _NUMBERS) or is_tensor(value) else Static(value, None if value is None else (id(value),))


def leaves_of(value) -> list:
    """The numbers and arrays of a tree."""
    describer = Describer(leaf)
    describer(value)
    return describer.leaves


def is_tensor(value) -> bool:
    """Is it a tensor of the eager mode?"""
    eager = sys.modules.get("tracer.eager")
    return eager is not None and isinstance(value, eager.Tensor)


def trace_of(leaves: Sequence) -> Trace | None:
    """The trace that a loop over these values becomes a node of; None where it runs as it is, as in one that computes as it goes."""
    for leaf in leaves:
        if type(leaf) is Traced:
            return None if leaf.owner.computes else leaf.owner
    session = current_session()
    return session.trace if session is not None and not session.trace.computes and not any(map(is_tensor, leaves)) else None


def holds(answer) -> bool:
    """Whether a condition of ours holds where it is known; that is no question that the user's Python asks."""
    return bool(answer.owner.concrete_value(answer.node, "a condition") if type(answer) is Traced else answer)


def place() -> str:
    """The user's line, for messages."""
    line = user_line_of(user_location(2))
    return f" ({line})" if line else ""


def kind(value) -> str:
    """What a value is, for messages."""
    return f"a {type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list, dict)) else f"a {type(value).__name__}"
