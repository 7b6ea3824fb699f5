"""Names in generated text: unique, never a keyword, a builtin or something that the text imports."""

from __future__ import annotations

import builtins
import keyword
import re

_TAKEN_BY_PYTHON = frozenset((*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "np", "math"))
_COUNTERS = tuple("ijklmnpqrs")

TEMPORARY = "t"  # always with a number: t1, t2, …


def identifier(text: str) -> str:
    """The text as a Python identifier: what cannot stand in one becomes an underscore."""
    name = re.sub(r"\W+", "_", text).strip("_") or "f"
    return name if name.isidentifier() else f"_{name}"


class Names:
    """Hands out names, each once."""

    def __init__(self, reserved=()):
        self._taken: set[str] = {*_TAKEN_BY_PYTHON, *reserved}
        self._next: dict[str, int] = {}

    def take(self, base: str) -> str:
        """``base`` itself if it is free, else with the next number behind it."""
        name = base
        if name in self._taken:
            number = self._next.get(base, 0)
            while name in self._taken:
                number += 1
                name = f"{base}_{number}"
            self._next[base] = number
        self._taken.add(name)
        return name

    def number(self, base: str) -> str:
        """``base`` with the next number behind it: t1, t2, …"""
        name = base
        while name == base or name in self._taken:
            self._next[base] = number = self._next.get(base, 0) + 1
            name = f"{base}{number}"
        self._taken.add(name)
        return name

    def counters(self, count: int) -> list[str]:
        """Loop counters for nests of this rank, outermost first."""
        free = [name for name in _COUNTERS if name not in self._taken]
        result = [self.take(name) for name in free[:count]]
        return result + [self.number("i") for _ in range(count - len(result))]
