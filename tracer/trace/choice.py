"""What is text or None in one arm and something else in the other: it has no place in a graph, but questions about it have answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import TracedBoolError
from .arm_memory import Disagreement
from .value import Traced


class Choice(Disagreement):
    """Text or None in one arm, something else in the other: whether it is a certain text, or None, is a question that can be answered."""

    def __init__(self, text: str, condition: Traced, first, second):
        super().__init__(text)
        self.condition, self.first, self.second = condition, first, second

    def equals(self, value: str | None, place: Callable):
        """A traced bool, or a bool where both arms agree."""
        sides = [each.equals(value, place) if isinstance(each, Choice) else type(each) is type(value) and each == value for each in (self.first, self.second)]
        if sides[0] is sides[1]:
            return sides[0]
        if not any(type(each) is Traced for each in sides):
            return self.condition if sides[0] else place(np.logical_not, self.condition)
        return place(np.where, self.condition, *sides)

    def letter(self, index):
        """Letters of one text or another."""
        sides = [each[index] if type(each) is str else each.letter(index) if isinstance(each, Choice) else None for each in (self.first, self.second)]
        if None in sides:
            raise TracedBoolError(self.text)
        return sides[0] if type(sides[0]) is str and sides[0] == sides[1] else Choice(self.text, self.condition, *sides)

    def where(self, condition: Traced, is_true: bool):
        """What it is where a condition is true, or where it is not."""
        (asked, is_asked), (own, is_own) = _affirmed(condition.node), _affirmed(self.condition.node)
        if asked is not own:
            return self
        return self.first if (is_asked is is_own) is is_true else self.second


def _affirmed(node) -> tuple:
    """(what a condition is, is it that itself or its negation)."""
    is_itself = True
    while node.op.name == "logical_not":
        (node,), is_itself = node.inputs, not is_itself
    return node, is_itself


__all__ = ["Choice"]
