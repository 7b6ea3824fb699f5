"""From arguments of one structure to kernels: trace, derive, simplify, compile. What an entry asks for specialisations."""

from __future__ import annotations

import os
import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import numpy as np

from codegen.entry import Leaf, Signature, Specialisation
from codegen.pipeline import Options, compile_graph
from codegen.simplify.simplify import simplify

from .errors import ArgumentError, OutputError, TracedConversionError
from .graph.graph import Graph
from .graph.types import FLOATS, array_type
from .history import KEPT_RECORDS, History, Record
from .trace.arguments import Callee, classify
from .trace.objects import Record as InstanceRecord
from .trace.objects import represent
from .trace.rebind import Rebinder
from .trace.session import Session, current_session, tracing
from .trace.trees import DATA, MISSING, TUPLE, Branch, Describer, Path, Spec, Static, build, container_kind, identifier, path_text
from .trace.value import Traced, as_traced
from .transform import Outcome, Transform


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
    level: str | bool
    history: History
    reads: dict[Path, dict[str, None]]


_instances: ContextVar[dict[Path, Any] | None] = ContextVar("tracer_instances", default=None)


@contextmanager
def live_instances(found: dict[Path, Any]) -> Iterator[None]:
    """While a call runs that may trace: the instances among its arguments, by path."""
    token = _instances.set(found)
    try:
        yield
    finally:
        _instances.reset(token)


@dataclass(eq=False)
class Run:
    """One trace: its graphs and what it returns."""

    key: tuple
    inputs: list
    outcome: Outcome
    spec: Spec                       # of the result
    leaves: list[Traced]             # of the result
    like: list[int | None]           # per leaf of the result: the input whose kind of number it is
    needed: list[bool]               # per input: is its integer value part of the key
    value: tuple[list, list]         # nodes and names of the function's outputs
    derivatives: tuple[list, list]
    seconds: dict[str, float]


class Plan:
    """The specialisations for arguments of one structure. ``specs``: one per parameter; all data for a flat entry."""

    def __init__(self, program: Program, specs: Sequence[Spec], is_flat: bool, paths: Sequence[Path]):
        self.program = program
        self.specs = tuple(specs)
        self.is_flat = is_flat
        self.paths = tuple(paths)
        taken: set[str] = set()
        self.names = tuple([identifier(path, taken) for path in self.paths])
        self.result: Spec | None = None          # known after the first trace
        self._needed: dict[Signature, list[bool]] = {}
        self._records: OrderedDict[tuple, Record] = OrderedDict()
        self._made: dict[int, tuple[Record, Specialisation]] = {}
        self._pending: Run | None = None

    # What an entry asks; Numba's compiler lock is held -----------------------------------------------------------------------

    def results(self, signature: Signature, shapes, ints):
        """Structure of what a call returns."""
        if self.is_flat:
            self._check_floats(signature)
        if shapes is None:
            return self._results_from_types(signature)
        run = self._run(signature, shapes, ints)
        structure = self._structure(run, signature)
        self._pending = run
        return structure

    def specialise(self, signature: Signature, shapes, ints) -> Specialisation:
        return self.find(signature, shapes, ints)[1]

    def static_ints(self, signature: Signature) -> tuple[bool, ...]:
        return tuple(self._needed.get(signature) or [leaf.dtype == "bool" and not leaf.is_array for leaf in signature.leaves])

    # Specialisations ------------------------------------------------------------------------------------------------------------

    def find(self, signature: Signature, shapes, ints) -> tuple[Record, Specialisation]:
        """The record for these types, extents and integers, and what an entry needs of it; made when it is new."""
        key = self._key(signature, shapes, ints)
        record = self._records.get(key)
        if record is None:
            run = self._pending if self._pending is not None and self._pending.key == (signature, shapes, ints) else self._run(signature, shapes, ints)
            self._pending = None
            if self.result is not None and self.result != run.spec:
                raise OutputError(f"{self.program.callee.name}() returns another structure for these arguments than it did before. "
                                  f"Return the same one for all shapes and integers, or make the one that decides a string or bool argument.")
            self.result = run.spec
            self._note_needed(signature, run.needed)
            key = self._key(signature, shapes, ints)
            record, made = self._compile(run, signature, shapes, key[2])
            self._records[key] = record
            self._made[id(record)] = (record, made)
            while len(self._records) > KEPT_RECORDS:
                self._made.pop(id(self._records.popitem(last=False)[1]))
            self.program.history.add(record)
        return self._made[id(record)]

    def _key(self, signature, shapes, ints) -> tuple:
        static = self.static_ints(signature)
        return signature, shapes, tuple([value if is_static else None for value, is_static in zip(ints, static)])

    def _note_needed(self, signature, needed: list[bool]) -> None:
        known = self.static_ints(signature)
        merged = [a or b for a, b in zip(known, needed)]
        if tuple(merged) != known:
            # Older records of this signature were keyed on fewer integers.
            for key in [key for key in self._records if key[0] == signature]:
                self._made.pop(id(self._records.pop(key)))
        self._needed[signature] = merged

    def _compile(self, run: Run, signature, shapes, integers) -> tuple[Record, Specialisation]:
        program = self.program
        name, level = program.callee.name, program.level
        rewrites: Counter = Counter()
        graph = Graph(run.inputs, *_outputs([run.value]), name)
        derived = Graph(run.inputs, [leaf.node for leaf in run.leaves], self.names, _result_names(run), name)
        shown = Graph(run.inputs, *_outputs([run.value, run.derivatives]), name)
        graph, shown = [Graph(g.inputs, g.outputs, self.names, g.output_names, name) for g in (graph, shown)]
        start = time.perf_counter()
        simplified = simplify(derived, level, rewrites)
        seconds = run.seconds | {"simplify": time.perf_counter() - start}
        strided = frozenset(i for i, leaf in enumerate(signature.leaves) if leaf.layout == "A")
        kernel = compile_graph(simplified, Options(fast=level == "fast", checked=bool(os.environ.get("TRACEGRAD_CHECKED"))), strided)
        record = Record(self.specs, signature, shapes, integers, tuple(map(path_text, self.paths)), graph, derived, shown, simplified,
                        rewrites, level, kernel, seconds | kernel.seconds)
        arrays = [leaf.shape for leaf, kind in zip(run.leaves, self._result_leaves(run, signature)) if kind.is_array]
        return record, Specialisation(kernel.address, kernel.params, kernel.workspace_bytes, tuple(arrays), kernel, kernel.error)

    # Tracing --------------------------------------------------------------------------------------------------------------------

    def _run(self, signature: Signature, shapes, ints) -> Run:
        program = self.program
        instances = _instances.get()
        if program.reads and instances is None and any(map(_has_instance, self.specs)) or instances is None and any(map(_has_instance, self.specs)):
            raise Again
        start = time.perf_counter()
        with tracing(program.callee.name, program.callee.function) as session:
            arguments = _Arguments(session, program, instances or {})
            leaves = arguments.inputs(signature, shapes, ints)
            values = arguments.values(self.specs, leaves)
            try:
                outcome = program.transform.run(session, program.callee, values, is_inner=False)
                spec, result = arguments.open_result(outcome.result)
            except TracedConversionError:
                if session.outer is not None:
                    raise NeedsInlining from None
                raise
            program.history.traces += 1
            if arguments.is_incomplete:
                raise Again
            run = self._finish((signature, shapes, ints), arguments, outcome, spec, result)
            run.seconds = {"trace": time.perf_counter() - start - sum(session.seconds.values()), **session.seconds}
        return run

    def _finish(self, key, arguments: _Arguments, outcome: Outcome, spec: Spec, result) -> Run:
        position = {node: i for i, node in enumerate(arguments.nodes)}
        numbers = [i for i, leaf in enumerate(key[0].leaves) if not leaf.is_array and leaf.dtype in FLOATS]
        like, leaves = [], []
        for given in result:
            leaf = as_traced(given, arguments.session.trace)
            argument = outcome.like.get(id(given))
            if argument is not None:
                like.append(position.get(argument.node))
            else:
                like.append(next((i for i in numbers if key[0].leaves[i].dtype == leaf.dtype.name and not leaf.shape), None))
            leaves.append(leaf)
        needed = arguments.session.trace.needed
        return Run(key, arguments.nodes, outcome, spec, leaves, like,
                   [node in needed or leaf.dtype == "bool" and not leaf.is_array for node, leaf in zip(arguments.nodes, key[0].leaves)],
                   arguments.named("value", outcome.value), arguments.named("gradient", outcome.derivatives), {})

    # Results --------------------------------------------------------------------------------------------------------------------

    def _result_leaves(self, run: Run, signature: Signature) -> list[Leaf]:
        found = []
        for leaf, like, given in zip(run.leaves, run.like, run.leaves):
            argument = signature.leaves[like] if like is not None else None
            is_array = leaf.ndim > 0 or argument is not None and argument.is_array
            same = argument is not None and argument.is_array == is_array and argument.ndim == leaf.ndim
            found.append(Leaf("array" if is_array else "scalar", leaf.dtype.name, leaf.ndim, "C", like if same else None))
        return found

    def _structure(self, run: Run, signature: Signature):
        leaves = self._result_leaves(run, signature)
        if not self.is_flat:
            return tuple(leaves)
        return _as_structure(run.spec, iter(leaves))

    def _results_from_types(self, signature: Signature):
        """For a call from compiled code, without an example."""
        raise TypeError(f"what {self.program.callee.name} returns is not known before it is traced: "
                        f"call it once, or {self.program.callee.name}.specialize(example), before it is compiled into a caller")

    def _check_floats(self, signature: Signature) -> None:
        """Refuse a gradient with respect to an int before anything is traced."""


def _as_structure(spec: Spec, leaves: Iterator[Leaf]):
    if spec is DATA:
        return next(leaves)
    if isinstance(spec, Static) and spec.value is None:
        return None
    if isinstance(spec, Branch) and spec.kind is TUPLE:
        return tuple([_as_structure(part, leaves) for part in spec.parts])
    raise NeedsTree


def _has_instance(spec: Spec) -> bool:
    if isinstance(spec, Branch):
        return any(map(_has_instance, spec.parts))
    return spec is not DATA and not isinstance(spec, Static)


def _outputs(groups) -> tuple[list, None, list]:
    nodes, names = [], []
    for group_nodes, group_names in groups:
        nodes += group_nodes
        names += group_names
    return nodes, None, names


def _result_names(run: Run) -> list[str]:
    known = dict(zip(map(id, run.value[0]), run.value[1])) | dict(zip(map(id, run.derivatives[0]), run.derivatives[1]))
    taken: set[str] = set()
    names = []
    for k, leaf in enumerate(run.leaves):
        name = known.get(id(leaf.node), f"result{k}")
        names.append(identifier((("arg", name),), taken))
    return names


class _Arguments:
    """The traced arguments of one run, and the reads of instances that make more of them."""

    def __init__(self, session: Session, program: Program, instances: dict[Path, Any]):
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
        return [build(spec, remaining, self._instance, (("arg", p.name),)) for spec, p in zip(specs, self.program.callee.parameters)]

    def _instance(self, spec, path: Path, parts: list):
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
            kind = "array" if isinstance(leaf, np.ndarray) else "scalar"
            leaves.append(self._input(Leaf(kind, array.dtype.name, array.ndim if kind == "array" else 0), array.shape, leaf if array.dtype.kind in "iu" else None))
        return build(spec, iter(leaves), self._instance, path)

    def open_result(self, result) -> tuple[Spec, list]:
        """The spec and leaves of what is returned."""
        describer = Describer(self._classify_result)
        spec = describer(result, (("arg", "result"),))
        return spec, describer.leaves

    def _classify_result(self, value, path: Path):
        if type(value) is Traced:
            as_traced(value, self.session.trace)
            return DATA
        found = classify(value, path)
        if found is None:
            raise OutputError(f"{self.program.callee.name}() returned a {type(value).__name__} ({path_text(path)}), which is no tree of arrays and numbers. "
                              f"Return its attributes, or make it a dataclass or namedtuple.")
        return found

    def named(self, label: str, tree) -> tuple[list, list]:
        """Nodes and names of the traced leaves in a tree."""
        if tree is None:
            return [], []
        describer = Describer(lambda value, path: DATA if isinstance(value, (Traced, float, int, np.ndarray, np.generic)) else Static(value, id(value)))
        describer(tree, (("arg", label),))
        nodes = [as_traced(leaf, self.session.trace).node for leaf in describer.leaves]
        return nodes, [path_text(path) for path in describer.paths]


def unused() -> tuple:
    return ArgumentError, container_kind, Rebinder, current_session
