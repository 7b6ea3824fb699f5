"""What goes from one iteration of a loop to the next: a tree that keeps its structure, shapes and dtypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import CarryError
from ..graph.types import ArrayType
from ..trace.context import Trace
from ..trace.trees import Describer, Spec, build, path_text
from ..trace.value import Traced, as_traced, cast
from .calls import kind, leaf, place

RETRACED = 3  # times that a body may be traced until what goes in and what comes out have the same dtypes


class Carried:
    """A tree that goes from one iteration to the next, as the leaves that it has now."""

    def __init__(self, trace: Trace, spec: Spec, leaves: Sequence, paths: Sequence, name: str):
        self.trace, self.spec, self.paths, self.name = trace, spec, paths, name
        self.leaves = [as_traced(each, trace) for each in leaves]

    def types(self) -> list[ArrayType]:
        return [each.type for each in self.leaves]

    def weak(self) -> list[type | None]:
        return [each.weak for each in self.leaves]

    def fitted(self, result) -> list[Traced] | None:
        """The leaves of what the body returned for it; None when its own dtypes had to follow, and the body has to be traced again."""
        describer = Describer(leaf)
        spec = describer(result, self.paths[0][:1] if self.paths else ())
        if spec != self.spec:
            raise CarryError(f"the body of {self.name}(){place()} is given {kind(build(self.spec, iter(self.leaves)))} and returns {kind(result)} in its "
                             f"place: it must return the same structure.")
        again, found = False, []
        for k, value in enumerate(describer.leaves):
            value, mine = as_traced(value, self.trace), self.leaves[k]
            if value.shape != mine.shape:
                raise CarryError(f"the body of {self.name}(){place()} is given {path_text(self.paths[k])} of shape {mine.shape} and returns shape "
                                 f"{value.shape} for it: shapes must stay. Start with an array of the shape that it is to have.")
            if value.dtype != mine.dtype:
                value, again = self._converted(k, value, again)
            found.append(value)
        return None if again else found

    def _converted(self, k: int, value: Traced, again: bool) -> tuple[Traced, bool]:
        mine = self.leaves[k]
        if value.weak is not None and np.can_cast(value.dtype, mine.dtype, "same_kind"):
            return cast(value, mine.dtype), again
        if mine.weak is not None and np.can_cast(mine.dtype, value.dtype, "same_kind"):
            self.leaves[k] = cast(mine, value.dtype)
            return value, True
        raise CarryError(f"the body of {self.name}(){place()} is given {path_text(self.paths[k])} of dtype {mine.dtype} and returns {value.dtype} for it: "
                         f"dtypes must stay. Convert one of them with .astype({value.dtype.name!r}) or .astype({mine.dtype.name!r}).")
