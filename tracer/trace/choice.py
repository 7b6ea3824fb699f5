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


    def without_none(self, join: Callable):
        """What it is where it is not None."""
        sides = [each.without_none(join) if isinstance(each, Choice) else each for each in (self.first, self.second)]
        if any(each is None for each in sides):
            return sides[0] if sides[1] is None else sides[1]
        return join(self.condition, *sides)


def choice_in(value) -> Choice | None:
    """The first choice in a tree of tuples, lists and dicts."""
    if type(value) in (tuple, list, dict):
        found = map(choice_in, value.values() if type(value) is dict else value)
        return next((each for each in found if each is not None), None)
    return value if isinstance(value, Choice) else None


def same_question(one: Traced, other: Traced) -> bool:
    """Is one condition the other or its negation?"""
    return _affirmed(one.node)[0] is _affirmed(other.node)[0]


def answers(one: Traced, other: Traced) -> bool:
    """Of two that are the same question: are they true together?"""
    return _affirmed(one.node)[1] is _affirmed(other.node)[1]


def _affirmed(node) -> tuple:
    """(what a condition is, is it that itself or its negation)."""
    is_itself = True
    while node.op.name == "logical_not":
        (node,), is_itself = node.inputs, not is_itself
    return node, is_itself


__all__ = ["Choice", "answers", "choice_in", "same_question"]
