"""The cases: ``## name`` and a program, in text files by topic; and what PyTorch does with them, recorded."""

import functools
import json
import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
RECORDED = HERE / "recorded.json"


class Case(NamedTuple):
    """One program."""

    topic: str
    name: str
    program: str

    def __str__(self) -> str:
        return f"{self.topic}: {self.name}"


@functools.cache
def cases() -> tuple[Case, ...]:
    """All cases, by topic and in the order of the file."""
    found = []
    for path in sorted((HERE / "cases").glob("*.txt")):
        for block in re.split(r"^## ", path.read_text(), flags=re.MULTILINE)[1:]:
            name, _, program = block.partition("\n")
            found.append(Case(path.stem, name.strip(), program.strip() + "\n"))
    names = [str(case) for case in found]
    assert len(set(names)) == len(names), sorted({name for name in names if names.count(name) > 1})
    return tuple(found)


@functools.cache
def recorded() -> dict[str, list[str]]:
    """What PyTorch showed, by case: one text per statement."""
    return json.loads(RECORDED.read_text())


@functools.cache
def allowed() -> dict[str, int]:
    """What does not agree yet, in ``differs.txt``: in how many statements a case may differ."""
    lines = [line.partition(" ") for line in (HERE / "differs.txt").read_text().splitlines()]
    return {name: int(count) for count, _, name in lines}


@functools.cache
def corners() -> frozenset[str]:
    """Operations that differ for some shapes or values, in ``corners.txt``: empty tensors, last digits, names of derivatives of derivatives."""
    return frozenset((HERE / "corners.txt").read_text().splitlines())
