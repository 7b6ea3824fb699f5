"""The text under construction: lines, names, and what is known of each buffer."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

from codegen.loops import Affine, Buffer, Place

from .expressions import Template, dtype_text, number
from .lines import UserLines
from .names import Names
from .places import affine_text, along_axes

COLUMNS = 70  # of a statement without its comment; longer expressions are cut into several
INDENT = "    "
TAPE_ROWS = 64  # of memory that grows, when it is new


class SourceText:
    """One generated function. Scalars (buffers of no dimension) are variables, all others arrays."""

    def __init__(self, names: Names, counters: list[str]):
        self.names = names
        self.counters = counters
        self.lines: list[str] = []
        self.loops: list[str] = []  # the counters of the loops around what is written
        self.outdent = 0            # of these loops, those that it only borrows the counter of
        self.functions: set[str] = set()
        self.modules: set[str] = set()
        self.user_line = UserLines()
        self._name: dict[Buffer, str] = {}
        self._views: dict[tuple, str] = {}
        self._wanted_name: dict[Buffer, str] = {}
        self._hints: dict[Buffer, str] = {}

    # -- lines -----------------------------------------------------------------------------------------------------
    def add(self, text: str, depth: int = 0) -> None:
        self.lines.append(f"{INDENT * (depth + len(self.loops) - self.outdent + 1)}{text}")

    @contextlib.contextmanager
    def loop(self, extent: int) -> Iterator[None]:
        """What is written meanwhile stands in a loop."""
        counter = self.names.take("t")
        self.add(f"for {counter} in range({extent}):")
        self.loops.append(counter)
        yield
        self.loops.pop()

    @contextlib.contextmanager
    def turning(self, head: str, counter: str) -> Iterator[None]:
        """The same in a loop with this head; what is named in it are views of rows, which are others behind it."""
        self.add(head)
        with self._forgetting():
            self.loops.append(counter)
            yield
            self.loops.pop()

    @contextlib.contextmanager
    def at(self, counter: str) -> Iterator[None]:
        """What is written meanwhile stands in front of a loop or behind it, with this number as its counter."""
        with self._forgetting():
            self.loops.append(counter)
            self.outdent += 1
            yield
            self.outdent -= 1
            self.loops.pop()

    @contextlib.contextmanager
    def _forgetting(self) -> Iterator[None]:
        known, views = dict(self._name), dict(self._views)
        yield
        self._name = {buffer: name for buffer, name in self._name.items() if buffer in known or buffer.row is None}
        self._views = views

    @contextlib.contextmanager
    def when(self, condition: Buffer, truth: bool) -> Iterator[None]:
        """What is written meanwhile runs only then; what it names are views that nothing else knows."""
        self.add(f"if {'' if truth else 'not '}{self.name(condition)}:")
        with self._forgetting():
            self.loops.append("")
            yield
            self.loops.pop()

    def use(self, template: Template) -> None:
        """Note what a template imports."""
        if template.functions:
            self.functions |= template.functions
        if template.modules:
            self.modules |= template.modules

    def function(self, name: str) -> str:
        """A function of ``codegen.functions``, imported."""
        self.functions.add(name)
        return name

    # -- buffers ---------------------------------------------------------------------------------------------------
    def declare(self, buffer: Buffer, name: str) -> str:
        """The name of an input or captured array, which exist from the start."""
        self._name[buffer] = name
        return name

    def promise(self, buffer: Buffer, name: str) -> None:
        """The name that an output is to have once it is made."""
        self._wanted_name[buffer] = name

    def hint(self, buffer: Buffer, base: str) -> None:
        """What a buffer that is filled first will hold in the end."""
        self._hints[buffer] = base

    def exists(self, buffer: Buffer) -> bool:
        return buffer in self._name or buffer.row is not None

    def name(self, buffer: Buffer) -> str:
        """The name of what exists; a row is given one where it is first used."""
        found = self._name.get(buffer)
        if found is None and buffer.shape:
            start, stop = self._row_start(buffer), self._row_start(buffer, math.prod(buffer.shape))
            shape = "" if len(buffer.shape) == 1 else f".reshape({buffer.shape})"
            view = f"{self.flat(buffer.row.parent)}[{start}:{stop}]{shape}"
            found = self._name[buffer] = self.names.take(f"{self.name(buffer.row.parent)}_row")
            self.add(f"{found} = {view}")
        return found or self.name(buffer.row.parent)

    def _row_start(self, row: Buffer, further: int = 0) -> str:
        """Where a row starts in the flat view of what it is a row of, and so many elements further."""
        parent, start, step, level, slots = row.row
        size = math.prod(parent.shape[1:])
        if not step:
            return str(start * size + further)
        counter = self.loops[level]
        if not slots:
            return affine_text(Affine(start * size + further, (step * size,)), (counter,))
        turn = affine_text(Affine(start, (step,)), (counter,))
        turn = f"{turn if turn == counter else f'({turn})'} % {slots}"
        return affine_text(Affine(further, (size,)), (turn if size == 1 else f"({turn})",))

    def create(self, buffer: Buffer, base: str) -> str:
        """Name a buffer that is about to be made, after what it holds."""
        found = self._wanted_name.get(buffer) or self.names.take(self._hints.get(buffer, base))
        self._name[buffer] = found
        return found

    def allocate(self, buffer: Buffer, base: str, fill=None) -> None:
        """Make an array, unless it is there: empty, or full of one number."""
        if self.exists(buffer) or not buffer.shape:
            return
        name = self.create(buffer, base)
        if buffer.kind == "tape":
            self.add(f"{name} = np.empty({(TAPE_ROWS, *buffer.shape[1:])}, {dtype_text(buffer.dtype)})")
            return
        shape = str(buffer.shape[0]) if len(buffer.shape) == 1 else str(buffer.shape)
        dtype = "" if buffer.dtype.name == "float64" else f", {dtype_text(buffer.dtype)}"
        if fill is None:
            self.add(f"{name} = np.empty({shape}{dtype})")
        elif fill == 0 and math.copysign(1, fill) > 0:
            self.add(f"{name} = np.zeros({shape}{dtype})")
        else:
            self.add(f"{name} = np.full({shape}, {number(fill, buffer.dtype).text})")

    def flat(self, buffer: Buffer) -> str:
        """The name of the one-dimensional view of an array."""
        return self.reshaped(buffer, (math.prod(buffer.shape),))

    def reshaped(self, buffer: Buffer, shape: tuple[int, ...]) -> str:
        """The name of an array's view of another shape. Only inputs may not be in C order, and are copied then."""
        name = self.name(buffer)
        if buffer.shape == shape:
            return name
        view = self._views.get((buffer, shape))
        if view is None:
            view = self._views[buffer, shape] = self.names.take(f"{name}_flat" if len(shape) == 1 else f"{name}_{len(shape)}d")
            dense = f"np.ascontiguousarray({name})" if buffer.kind == "input" else name
            self.add(f"{view} = {dense}.reshape({-1 if len(shape) == 1 else shape})")
        return view

    def element(self, buffer: Buffer, place: Place, extents: tuple[int, ...]) -> tuple[str, str]:
        """(text, a stem for names) of the element at a place of a nest with these extents."""
        if buffer.row is not None and not buffer.row.step:
            # A row that stands still is a part of what it is in: of some only the last are there, and the first would be in front of it.
            parent = buffer.row.parent
            start = buffer.row.start * math.prod(parent.shape[1:])
            return self.element(parent, Affine(place.offset + start, place.coefs), extents)
        name = self.name(buffer)
        if not buffer.shape:
            return (name, name) if buffer.row is None else (f"{self.flat(buffer.row.parent)}[{self._row_start(buffer)}]", f"{name}_at")
        parts = along_axes(place, buffer.shape, extents) if isinstance(place, Affine) else place
        if parts is None:
            parts, name = (place,), self.flat(buffer)
        indices = [affine_text(part, self.counters) for part in parts]
        return f"{name}[{', '.join(indices)}]", f"{name}_{_compact(indices)}"


def _compact(indices: list[str]) -> str:
    """A part of a name: ``ij`` of [i, j], ``3`` of [3], ``i_plus_1`` of [i + 1]."""
    if all(index.isidentifier() for index in indices):
        return "".join(indices)
    return "_".join(index.replace(" ", "_").replace("+", "plus").replace("-", "minus").replace("*", "") for index in indices)
