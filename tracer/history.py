"""What a compiled object has compiled: records of its specialisations, why each was made, and the words for it."""

from __future__ import annotations

import html
import inspect
import warnings
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from codegen.report import Report

from .errors import RecompileWarning
from .graphs import Graphs
from .trace.context import user_line_of, user_location

KEPT_RECORDS = 512
KEPT_GRAPHS = 8  # of the newest records; a graph is some hundred bytes a node
WARN_AFTER = 8  # specialisations that differ in one static value or extent and had to be compiled


@dataclass(eq=False)
class Record:
    """One specialisation: a trace for these types, shapes and static values, and the kernel made of it."""

    structure: tuple               # specs of the arguments' trees
    signature: Any                 # dtype, rank and layout of the leaves
    shapes: tuple                  # of the array leaves
    integers: tuple                # the value of each integer leaf that the trace needed, else None
    names: tuple[str, ...]         # of the leaves
    graphs: Graphs | None          # None when there are many newer ones
    nodes: tuple[int, int, int]    # traced, with derivatives, simplified
    report: Report
    kernel: Any
    seconds: dict[str, float]
    reason: str = ""
    specialisation: Any = None     # what the entry has of it
    batch: str = ""                # how samples of a batch are run

    def last_used(self) -> int:
        """Larger the later it was called from Python."""
        return self.specialisation.last_used

    def what(self) -> str:
        """The leaves in words: ``w: float64[3], n = 2``."""
        shapes, parts = iter(self.shapes), []
        for leaf, name, number in zip(self.signature.leaves, self.names, self.integers):
            if number is not None:
                parts.append(f"{name} = {bool(number) if leaf.dtype == 'bool' else number}")
            elif leaf.is_array:
                layout = "" if leaf.layout == "C" else " strided"
                parts.append(f"{name}: {leaf.dtype}[{', '.join(map(str, next(shapes)))}]{layout}")
                continue
            else:
                parts.append(f"{name}: {leaf.dtype}")
        return ", ".join(parts) or "no arguments"

    def differences(self, other: Record) -> list[str] | None:
        """The one-word differences of two records of one signature; None when the signatures differ."""
        if self.signature != other.signature or len(self.shapes) != len(other.shapes):
            return None
        arrays = [name for name, leaf in zip(self.names, self.signature.leaves) if leaf.is_array]
        found = [f"{name}.shape[{axis}]" for name, a, b in zip(arrays, self.shapes, other.shapes) for axis in range(len(a)) if a[axis] != b[axis]]
        found += [name for name, a, b in zip(self.names, self.integers, other.integers) if a != b]
        return found + static_differences(self.structure, other.structure)


def static_differences(a, b) -> list[str]:
    """Where two structures differ; a container of another kind or length counts as two differences."""
    if a == b:
        return []
    if isinstance(a, tuple) and isinstance(b, tuple) and type(a) is type(b):
        parts, others = getattr(a, "parts", a), getattr(b, "parts", b)
        same_shell = not hasattr(a, "parts") or (a.type is b.type and a.keys == b.keys)
        if same_shell and len(parts) == len(others):
            return [each for x, y in zip(parts, others) for each in static_differences(x, y)]
        return ["structure", "structure"]
    return [f"a static value ({a!r}, {b!r})"]


@dataclass(eq=False)
class History:
    """The records of one object, oldest first, and its counts."""

    name: str
    defined: str = ""              # file:line of the function
    traces: int = 0
    compiles: int = 0
    records: OrderedDict[int, Record] = field(default_factory=OrderedDict)
    newest: Record | None = None
    warned: set[str] = field(default_factory=set)

    @property
    def last(self) -> Record | None:
        """The record that Python called last; the newest when none was called yet."""
        return max(self.records.values(), key=lambda record: (record.last_used(), record is self.newest), default=None)

    def add(self, record: Record) -> None:
        record.reason = self._reason(record)
        self.records[id(record)] = record
        while len(self.records) > KEPT_RECORDS:
            self.records.popitem(last=False)
        self.newest = record
        if len(self.records) > KEPT_GRAPHS:
            list(self.records.values())[-KEPT_GRAPHS - 1].graphs = None
        if record.kernel.compiled:
            self.compiles += 1
            self._warn_if_repeated(record)

    def _reason(self, record: Record) -> str:
        if self.newest is None:
            return "first call"
        found = self.newest.differences(record)
        if found is None:
            return f"other types: {record.signature}" if record.structure == self.newest.structure else "other structure of the arguments"
        if not found and record.batch != self.newest.batch:
            return "a batch" if record.batch else "one sample"
        return f"another {' and '.join(found)}" if found else "forgotten before (retrace, or pushed out)"

    def _warn_if_repeated(self, record: Record) -> None:
        single: Counter = Counter()
        for other in self.records.values():
            if other is not record and other.kernel.compiled:
                found = other.differences(record)
                if found and len(found) == 1:
                    single[_place(found[0])] += 1
        for place, count in single.items():
            if count >= WARN_AFTER and place not in self.warned:
                self.warned.add(place)
                # No Python code of the user's calls from a thread of a parallel loop: then the function is named.
                file, _, line = (user_line_of(user_location(1)) or self.defined or "unknown:0").rpartition(":")
                warnings.warn_explicit(f"{self.name} has been compiled {count + 1} times for values of {place}. {_cure(place)}",
                                       RecompileWarning, file, int(line))

    def clear(self) -> None:
        self.records.clear()
        self.newest = None
        self.warned.clear()


def defined_at(function) -> str:
    """``file:line`` of a function, or ''."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return f"{code.co_filename}:{code.co_firstlineno}" if code is not None else ""


def _place(difference: str) -> str:
    return "a static argument" if difference.startswith("a static value") else difference


def _cure(place: str) -> str:
    if place == "a static argument":
        return "Strings, bools, functions and other objects are compiled in: pass a function that stays the same object, or a number as a float."
    if ".shape[" in place:
        return "Small arrays are compiled with their size: pad them to a common one, or pass one larger array."
    return f"The trace needs its value as a Python int (range, shape, index or branch): pass float({place}) where it is a quantity."


class Explanation:
    """What was compiled, when and why. Prints as text; ``records`` has the figures, ``traces`` and ``compiles`` count."""

    def __init__(self, history: History):
        self.name = history.name
        self.traces = history.traces
        self.compiles = history.compiles
        self.records = list(history.records.values())

    def __str__(self) -> str:
        head = f"{self.name}: {_counted(len(self.records), 'specialisation')}, {_counted(self.traces, 'trace')}, {_counted(self.compiles, 'kernel')} compiled"
        if not self.records:
            return f"{self.name}: nothing compiled yet. Call it, or name a specialisation with .lower(*args)."
        return "\n".join([head, *(line for k, record in enumerate(self.records, 1) for line in self._lines(k, record))])

    __repr__ = __str__

    def _lines(self, number: int, record: Record) -> Iterator[str]:
        yield f"{number}. {record.what()}"
        yield f"   why:      {record.reason}"
        traced, derived, simplified = record.nodes
        yield f"   nodes:    {traced} traced, {derived} with derivatives, {simplified} simplified"
        if record.report.rewrites:
            yield "   rewrites: " + ", ".join(f"{name} ×{count}" for name, count in sorted(record.report.rewrites.items()))
        if record.batch:
            yield f"   batch:    {record.batch}"
        yield f"   kernel:   {record.kernel.origin} ({record.kernel.key[:12]})"
        yield "   seconds:  " + ", ".join(f"{stage} {seconds:.4f}" for stage, seconds in record.seconds.items())

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s'[:count != 1]}"
