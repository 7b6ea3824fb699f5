"""One trace: the traced arguments, the instances among them, and the graphs and results that come of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import CodeType
from typing import Any

import numpy as np

from codegen.cache.store import Store
from codegen.entry import Leaf, Signature
from codegen.kernel import Options

from .errors import OutputError
from .graph.types import FLOATS, array_type
from .graphs import Graphs
from .history import History
from .kept import Kept
from .settings import Settings
from .trace.arguments import Callee, classify
from .trace.buffers import Buffer
from .trace.numpy_api.masked import Picked
from .trace.objects import Record as InstanceRecord
from .trace.objects import SeenMaker, represent
from .trace.session import Session
from .trace.stand_ins import Captured
from .trace.static import MISSING, Static
from .trace.trees import DATA, Describer, Path, Spec, build, path_text
from .trace.value import Traced, as_traced
from .transform import Transform


class Again(Exception):
    """The arguments have to be described anew: other kinds of leaves, or attributes that the trace reads for the first time."""


class NeedsTree(Exception):
    """What is returned is no nest of tuples: an entry alone cannot build it."""


class NeedsInlining(Exception):
    """Values of the trace around were met: this call is a part of it."""


@dataclass(eq=False)
class Program:
    """What all plans of one compiled object share."""

    callee: Callee
    transform: Transform
    settings: Settings
    history: History
    reads: dict[Path, dict[str, None]]
    branching: set[CodeType] = field(default_factory=set)  # code that branches on traced values


_instances: ContextVar[dict[Path, Any] | None] = ContextVar("tracer_instances", default=None)


@contextmanager
def live_instances(found: dict[Path, Any] | None) -> Iterator[None]:
    """While a call runs that may trace: the instances among its arguments, by path. None inside a trace, for the calls in there."""
    token = _instances.set(found)
    try:
        yield
    finally:
        _instances.reset(token)


def instances_of_call() -> dict[Path, Any] | None:
    """The instances among the arguments of the call that is going on; None for calls that do not tell."""
    return _instances.get()


@dataclass(eq=False)
class Run:
    """One trace: its graphs and what it returns."""

    key: tuple
    spec: Spec                       # of the result
    leaves: list[Traced]             # of the result
    like: list[int | None]           # per leaf of the result: the input whose kind of number it is
    needed: list[bool]               # per input: is its integer value part of the key
    graphs: Graphs
    options: Options
    seconds: dict[str, float] = field(default_factory=dict)
    store: Store | None = None       # where it may be kept
    key_on_disk: str | None = None   # what it is called there
    kept: Kept | None = None         # what was found there


class Arguments(SeenMaker):
    """The traced arguments of one run, and the reads of instances that make more of them."""

    def __init__(self, session: Session, program: Program, instances: dict[Path, Any]):
        super().__init__(session.rebinder.see)
        self.session = session
        self.program = program
        self.instances = instances
        self.nodes: list = []
        self.is_incomplete = False

    def inputs(self, signature: Signature, shapes, ints) -> list:
        """One traced value per leaf; bools as they are."""
        remaining = iter(shapes)
        return [self._input(leaf, next(remaining) if leaf.is_array else (), number) for leaf, number in zip(signature.leaves, ints)]

    def _input(self, leaf: Leaf, shape: tuple[int, ...], number):
        trace = self.session.trace
        node = trace.builder.input(array_type(leaf.dtype, shape), len(self.nodes))
        self.nodes.append(node)
        if leaf.is_array:
            return Traced(node, trace)
        if leaf.dtype == "bool":
            return bool(number)
        if leaf.dtype not in FLOATS:
            trace.concrete[node] = number
        return Traced(node, trace, {"float64": float, "int64": int}.get(leaf.dtype))

    def values(self, specs: Sequence[Spec], leaves: list) -> list:
        remaining = iter(leaves)
        return [build(spec, remaining, self, (("arg", p.name),)) for spec, p in zip(specs, self.program.callee.parameters)]

    def instance(self, spec, path: Path, parts: tuple):
        return represent(InstanceRecord(self.instances[path], path, dict(zip(spec.keys, parts)), self._read, self.session.rebinder.see))

    def _read(self, path: Path, value):
        """An attribute that the trace reads for the first time: an input of the next trace, and for the time being of this one."""
        self.program.reads.setdefault(path[:-1], {})[path[-1][1]] = None
        self.is_incomplete = True
        if value is MISSING:
            return value
        describer = Describer(classify, self.program.reads)
        spec = describer(value, path)
        self.instances |= describer.instances
        leaves = []
        for leaf in describer.leaves:
            array = np.asarray(leaf)
            kind = Leaf("array", array.dtype.name, array.ndim) if isinstance(leaf, np.ndarray) else Leaf("scalar", array.dtype.name)
            leaves.append(self._input(kind, array.shape, leaf if array.dtype.kind in "iu" else None))
        return build(spec, iter(leaves), self, path)

    def open_result(self, result) -> tuple[Spec, list]:
        """The spec and leaves of what is returned."""
        describer = Describer(self._classify_result)
        spec = describer(result, (("arg", "result"),))
        return spec, describer.leaves

    def _classify_result(self, value, path: Path):
        if type(value) is Traced:
            as_traced(value, self.session.trace)
            return DATA
        if isinstance(value, (Buffer, Captured)):
            return DATA
        if isinstance(value, Picked):
            raise value.refuse("the array")
        found = classify(value, path)
        if found is None:
            raise OutputError(f"{self.program.callee.name}() returned a {type(value).__name__} ({path_text(path)}), which is no tree of arrays and numbers. "
                              f"Return its attributes, or make it a dataclass or namedtuple.")
        return found

    def named(self, label: str, tree) -> tuple[list, list]:
        """Nodes and names of the traced leaves in a tree."""
        if tree is None:
            return [], []
        describer = Describer(lambda value, path: DATA if isinstance(value, (Traced, Buffer, float, int, np.ndarray, np.generic)) else Static(value, id(value)))
        describer(tree, (("arg", label),))
        nodes = [as_traced(leaf, self.session.trace).node for leaf in describer.leaves]
        return nodes, [path_text(path) for path in describer.paths]
