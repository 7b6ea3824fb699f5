"""What an entry is compiled for, and what a specialiser hands back: plain data, no Numba."""
import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

UNNAMED = "#"       # starts the slot key of an object that another process cannot find
TUPLE = "*"         # starts the text of several arrays for results
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")


@dataclass(frozen=True)
class Leaf:
    """One argument or one result.

    `dtype` is NumPy's name. `layout` is "C" (contiguous and aligned) or "A" (anything: byte strides are passed); results are "C".
    `like` is for results only: the index of the argument whose kind of number the result takes (a Python float for a Python
    float, `np.float64` for `np.float64`), and whose shape it has if it is an array.
    """

    kind: str                       # "array" or "scalar"
    dtype: str
    ndim: int = 0
    layout: str = "C"
    like: int | None = None

    def __post_init__(self):
        assert self.kind in ("array", "scalar") and self.layout in "CA", self
        assert self.dtype in DTYPES and (self.kind == "array" or self.ndim == 0), self

    @property
    def is_array(self) -> bool:
        return self.kind == "array"

    @property
    def is_countable(self) -> bool:
        """Whether it is a scalar whose value can be part of the key: an integer or a bool."""
        return not self.is_array and not self.dtype.startswith("float")

    def __str__(self):
        return f"{self.dtype}[{self.ndim}{self.layout}]" if self.is_array else self.dtype


Structure = Leaf | tuple | None     # nested tuples; None is a result that is always None


@dataclass(frozen=True)
class Signature:
    """The arguments of an entry, in order.

    `out`: what the caller gives for the array results to be written into, in the order of these: a C-contiguous array, a tuple of
    them, or None.
    """

    leaves: tuple[Leaf, ...]
    out: "Structure" = None

    @property
    def without_out(self) -> "Signature":
        """What a specialisation is made for: it does not know who owns its results."""
        return Signature(self.leaves)

    @property
    def given(self) -> tuple[Leaf, ...]:
        """The arrays among `out`."""
        return tuple(flatten(self.out))

    @property
    def arrays(self) -> tuple[Leaf, ...]:
        return tuple(leaf for leaf in self.leaves if leaf.is_array)

    @property
    def rank(self) -> int:
        """Number of extents, of all arrays together."""
        return sum(leaf.ndim for leaf in self.leaves)

    @property
    def countable(self) -> tuple[int, ...]:
        """Indices of the scalars whose value can be part of the key."""
        return tuple(i for i, leaf in enumerate(self.leaves) if leaf.is_countable)

    def __str__(self):
        text = ",".join(map(str, self.leaves))
        if self.out is None:
            return text
        return f"{text};{TUPLE if isinstance(self.out, tuple) else ''}{','.join(map(str, self.given))}"

    @classmethod
    def parse(cls, text: str) -> "Signature":
        """The inverse of `str`."""
        arguments, has_out, given = text.partition(";")
        out = tuple(parse_leaf(part) for part in given.removeprefix(TUPLE).split(",") if part)
        return cls(tuple(parse_leaf(part) for part in arguments.split(",") if part),
                   None if not has_out else out if given.startswith(TUPLE) else out[0])


def parse_leaf(text: str) -> Leaf:
    """The inverse of `str` of a leaf."""
    dtype, _, rest = text.partition("[")
    if not rest:
        return Leaf("scalar", dtype)
    return Leaf("array", dtype, int(rest[:-2]), rest[-2])


def flatten(structure: Structure) -> Iterator[Leaf]:
    """The leaves of a result structure, depth first; `None` has none."""
    if isinstance(structure, tuple):
        for part in structure:
            yield from flatten(part)
    elif structure is not None:
        yield structure


def structure_text(structure: Structure) -> str:
    """A result structure as text, e.g. `(float64, (float64[1C], None))`."""
    if isinstance(structure, tuple):
        return "(" + ", ".join(map(structure_text, structure)) + ")"
    return str(structure)


class RecordWord(enum.IntEnum):
    """Words of a record."""

    KERNEL = 0
    PARAMS = 1
    WORKSPACE = 2       # a free workspace or 0; taken and given back by atomic exchange
    WORKSPACE_BYTES = 3
    LAST_USED = 4       # the processor's clock when Python last called
    EXTENTS = 5


@dataclass
class Specialisation:
    """Compiled code for one combination of extents and static integers.

    `kernel` is the address of `i32 kernel(ptr buffers, ptr strides, ptr params, ptr workspace)`; `params` are its int64
    parameters; `keep` is whatever must live as long as the code; `error` makes the exception for a status other than 0.
    """

    kernel: int
    params: np.ndarray
    workspace_bytes: int
    output_shapes: tuple[tuple[int, ...], ...]      # of the array results, in order
    keep: Any
    error: Callable[[int], Exception]
    words: np.ndarray | None = None                 # what compiled code sees of it; set when it enters a table

    @property
    def last_used(self) -> int:
        """A number that is larger the later Python called it; 0 before any call."""
        return 0 if self.words is None else int(self.words[RecordWord.LAST_USED])


class Specialiser(Protocol):
    """Makes what an entry needs. Every method is called with Numba's compiler lock held."""

    def results(self, signature: Signature, shapes: tuple | None, ints: tuple | None) -> Structure:
        """What a call returns. `shapes` and `ints` are the example's, or None for a call from compiled code; TypeError if unknown."""

    def specialise(self, signature: Signature, shapes: tuple[tuple[int, ...], ...], ints: tuple[int | None, ...]) -> Specialisation:
        """Trace and compile. `shapes` has one tuple per array, `ints` one item per argument: its value if it is an integer or a bool."""

    def static_ints(self, signature: Signature) -> tuple[bool, ...]:
        """Which arguments' values are part of the key. It may only grow; asked again after every `specialise`."""
