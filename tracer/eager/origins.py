"""Where nodes were made, kept while anomaly detection is on, and the warnings that tell it."""

from __future__ import annotations

import contextlib
import os
import sys
import traceback
import warnings
from collections.abc import Iterator

from .modes import state

_HERE = os.path.dirname(os.path.abspath(__file__)) + os.sep
_NOTHING_KNOWN = "No forward pass information available. Enable detect anomaly during forward pass for more information."


def remember(node) -> None:
    """Keep where a node is made, and the node whose backward made it."""
    frames = [frame for frame in traceback.extract_stack(sys._getframe(1)) if not frame.filename.startswith(_HERE)]
    node.metadata["traceback_"] = traceback.format_list(frames)
    if state.evaluated is not None:
        node.metadata["parent_"] = state.evaluated


@contextlib.contextmanager
def evaluating(node) -> Iterator[None]:
    """While the backward of a node runs: what it makes is its child, and an error in it is told with its origin."""
    before, state.evaluated = state.evaluated, node
    try:
        yield
    except Exception:
        _warn(node)
        raise
    finally:
        state.evaluated = before


def _warn(node) -> None:
    lines = node.metadata.get("traceback_")
    _tell(f"Error detected in {node.name()}. " + (_NOTHING_KNOWN if lines is None else f"Traceback of forward call that caused the error:\n{''.join(lines)}"))
    parent = node.metadata.get("parent_") if lines is not None else None
    while parent is not None:
        lines = parent.metadata.get("traceback_")
        _tell(f"\n\nPrevious calculation was induced by {parent.name()}. " + (
            _NOTHING_KNOWN if lines is None else f"Traceback of forward call that induced the previous calculation:\n{''.join(lines)}"))
        parent = parent.metadata.get("parent_") if lines is not None else None


def _tell(message: str) -> None:
    """Warn; where warnings are errors, print instead, so that the error itself is raised."""
    try:
        warnings.warn(message, stacklevel=3)
    except Warning as warning:
        print(f"{type(warning).__name__}: {warning}", file=sys.stderr)
