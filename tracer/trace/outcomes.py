"""How the arms of a branch, and the rounds of a loop, may end."""

from __future__ import annotations

from typing import NamedTuple

from .arm_memory import Memory
from .value import Traced

EXIT = object()  # where the paths through a function end


class Raised(NamedTuple):
    """What stands for the result of an arm that raises an exception."""

    exception: BaseException
    line: int


class Outcome(NamedTuple):
    """With which variables and what in memory an arm ends, before which block or with which result.

    In a list of them each stands for what its condition says and no earlier one; the last has none.
    """

    end: object
    condition: Traced | None
    env: dict
    value: object
    memory: Memory | None
    state: dict | None
    line: int = 0    # of the branch that decides
