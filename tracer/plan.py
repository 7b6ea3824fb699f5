"""From arguments of one structure to kernels: trace, derive, simplify, compile. What an entry asks for specialisations."""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from codegen.cache.store import open_store
from codegen.entry import Leaf, Signature, Specialisation
from codegen.entry.types import flatten
from codegen.kernel import Options

from .chosen import refuse_non_float
from .errors import NotCompiledError, OutputError, TracedBoolError, TracedConversionError
from .graph.types import FLOATS
from .graphs import Graphs, TracedNodes
from .history import KEPT_RECORDS, Record
from .kept import Kept, Shelf
from .rolling.roll import SHORTEST_ARRAYS
from .run import Again, Arguments, NeedsInlining, NeedsTree, Program, Run, instances_of_call, live_instances
from .trace.context import collector_paused
from .trace.session import Session, tracing
from .trace.static import Static
from .trace.trees import DATA, TUPLE, Branch, Path, Spec, identifier, path_text
from .trace.value import Traced, as_traced
from .transform import VALUE, Outcome, Pair

CALLS = Shelf()


class _Branches(Exception):
    """A function that branches on a traced value was found: it is interpreted in the next trace."""


class Plan:
    """The specialisations for arguments of one structure. ``specs``: one per parameter; all data for a flat entry."""

    def __init__(self, program: Program, specs: Sequence[Spec], is_flat: bool, paths: Sequence[Path], rolled_from: int = SHORTEST_ARRAYS,
                 shelf: Shelf = CALLS):
        self.program = program
        self.shelf = shelf
        self.specs = tuple(specs)
        self.is_flat = is_flat
        self.paths = tuple(paths)
        self.rolled_from = rolled_from  # operations of a trace, to look for loops in it
        taken: set[str] = set()
        self.names = tuple([identifier(path, taken) for path in self.paths])
        self._results: dict[Signature | None, Spec] = {}  # of a tree there is one, which the generated code builds
        self._structures: dict[Signature, Any] = {}  # entries are compiled for these, so they outlive `clear`
        self._needed: dict[Signature, list[bool]] = {}
        self._records: OrderedDict[tuple, Record] = OrderedDict()
        self._made: dict[int, tuple[Record, Specialisation]] = {}

    @property
    def result(self) -> Spec:
        """Structure of what is returned for arguments that are trees; known after the first trace."""
        return self._results[None]

    # What an entry asks; Numba's compiler lock is held -----------------------------------------------------------------------

    def results(self, signature: Signature, shapes, ints):
        """Structure of what a call returns."""
        if self.is_flat:
            self._check_floats(signature)
        known = self._structures.get(signature)
        if known is not None:
            return known
        if shapes is None:
            structure = self._results_from_types(signature)
            return structure if self.is_flat else tuple(flatten(structure))
        self.find(signature, shapes, ints)
        return self._structures[signature]

    def nested(self, signature: Signature):
        """The structure of what a call with trees returns, whose leaves :meth:`results` gives."""
        known = self._structures.get(signature)
        return self._results_from_types(signature) if known is None or None not in self._results else _as_structure(self.result, iter(known))

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
            with collector_paused():  # until nothing of the trace is left, which the collector would go through more than once
                record = self._new_record(signature, shapes, ints)
        return self._made[id(record)]

    def _new_record(self, signature: Signature, shapes, ints) -> Record:
        run = self._run(signature, shapes, ints)
        structure = self._structure(run, signature)
        known = self._structures.setdefault(signature, structure)
        if known != structure or self._results.setdefault(signature if self.is_flat else None, run.spec) != run.spec:
            raise self._changed_result(known, structure)
        self._note_needed(signature, run.needed)
        key = self._key(signature, shapes, ints)
        record, made = self._record(run, signature, shapes, key[2])
        self._records[key] = record
        self._made[id(record)] = (record, made)
        while len(self._records) > KEPT_RECORDS:
            self._made.pop(id(self._records.popitem(last=False)[1]))
        self.program.history.add(record)
        return record

    def traced(self, signature: Signature, shapes, ints) -> Run:
        """A trace for these types, extents and integers, of which no kernel is made."""
        return self._run(signature, shapes, ints)

    def find_with_graphs(self, signature: Signature, shapes, ints) -> Record:
        """The record with its graphs, traced again when they are no longer kept."""
        record = self.find(signature, shapes, ints)[0]
        if record.graphs is None:
            self._made.pop(id(self._records.pop(self._key(signature, shapes, ints))))
            record = self.find(signature, shapes, ints)[0]
        return record

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

    def _record(self, run: Run, signature, shapes, integers) -> tuple[Record, Specialisation]:
        found, seconds = run.kept, run.seconds
        if found is None:
            start = time.perf_counter()
            graphs = run.graphs
            seconds = seconds | {"simplify": 0.0}
            simplified = graphs.simplified
            seconds["simplify"] = time.perf_counter() - start
            kernel = graphs.compiled(run.options, run.store)
            found = Kept(kernel, (len(graphs.graph.nodes), len(graphs.derived.nodes), len(simplified.nodes)), graphs.report)
            if run.key_on_disk is not None:
                self.shelf.keep(run.key_on_disk, graphs.request, found, run.store)
        kernel = found.kernel
        run.graphs.pack()
        kernel.program = kernel.text = None
        record = Record(self.specs, signature, shapes, integers, tuple(map(path_text, self.paths)), run.graphs, found.nodes, found.report,
                        kernel, seconds | kernel.seconds)
        arrays = [leaf.shape for leaf, kind in zip(run.leaves, self._result_leaves(run, signature)) if kind.is_array]
        made = record.specialisation = Specialisation(kernel.address, kernel.params, kernel.workspace_bytes, tuple(arrays), kernel, kernel.error)
        return record, made

    def clear(self) -> None:
        """Forget everything."""
        self._records.clear()
        self._made.clear()
        self._needed.clear()
        self._results.clear()

    # Tracing --------------------------------------------------------------------------------------------------------------------

    def _run(self, signature: Signature, shapes, ints) -> Run:
        """A trace; again, with one more function interpreted, for each that turns out to branch on a traced value."""
        while True:
            try:
                return self._run_once(signature, shapes, ints)
            except _Branches:
                continue

    def _run_once(self, signature: Signature, shapes, ints) -> Run:
        program = self.program
        instances = instances_of_call()
        if instances is None and any(map(_has_instance, self.specs)):
            raise Again
        start = time.perf_counter()
        with live_instances(None), tracing(program.callee.name, program.callee.function) as session:
            session.rebinder.branching = program.branching
            session.rolled_from = self.rolled_from
            arguments = Arguments(session, program, instances or {})
            leaves = arguments.inputs(signature, shapes, ints)
            values = arguments.values(self.specs, leaves)
            try:
                outcome = program.transform.run(session, program.callee, values, is_inner=False)
                spec, result = arguments.open_result(outcome.result)
            except TracedConversionError:
                if session.outer is not None:
                    raise NeedsInlining from None
                raise
            except TracedBoolError as error:
                code = session.rebinder.asking(error)
                if code is None or code in program.branching:
                    raise
                program.branching.add(code)
                raise _Branches from None
            program.history.traces += 1
            if arguments.is_incomplete:
                raise Again
            run = self._finish((signature, shapes, ints), arguments, outcome, spec, result)
            rolled = session.seconds.get("roll", 0.0)
            run.seconds["trace"] = time.perf_counter() - start - rolled
            if rolled:
                run.seconds["roll"] = rolled
            self._derive(run, session)
        return run

    def _derive(self, run: Run, session: Session) -> None:
        """Make the derivatives, if the cache does not know what becomes of them."""
        start = time.perf_counter()
        run.store = open_store() if self.program.settings.cache else None
        run.key_on_disk = self.shelf.key_of(run.graphs, run.options) if run.store is not None else None
        if run.key_on_disk is not None:
            run.kept = self.shelf.find(run.key_on_disk, run.graphs.request, run.store)
            run.seconds["look up"] = time.perf_counter() - start
        if run.kept is None:
            needed = len(session.trace.needed)
            run.graphs.derived  # noqa: B018  made here, where errors in it belong to the trace
            run.seconds["derive"] = session.seconds["derive"]
            assert len(session.trace.needed) == needed, "a derivative has asked for the value of an integer"

    def _finish(self, key, arguments: Arguments, outcome: Outcome, spec: Spec, result) -> Run:
        position = {node: i for i, node in enumerate(arguments.nodes)}
        like, leaves = [], []
        for given in result:
            leaf = as_traced(given, arguments.session.trace)
            argument = outcome.like.get(id(given))
            if argument is not None:
                like.append(position.get(argument.node))
            else:
                like.append(None if leaf.shape or leaf.dtype.name not in FLOATS else _like_scalar(key[0], leaf.dtype.name))
            leaves.append(leaf)
        arguments.session.trace.check_closed([leaf.node for leaf in leaves])
        needed = arguments.session.trace.needed
        value, derivatives = arguments.named("value", outcome.value), arguments.named("gradient", outcome.derivatives)
        traced = TracedNodes(arguments.session, arguments.nodes, self.names, [leaf.node for leaf in leaves], _result_names(leaves, value, derivatives),
                             value, derivatives, self.program.callee.name)
        settings = self.program.settings
        strided = frozenset(i for i, leaf in enumerate(key[0].leaves) if leaf.layout == "A")
        options = Options(fast=settings.simplify == "fast", checked=bool(os.environ.get("TRACER_CHECKED")))
        is_needed = [node in needed or (leaf.dtype == "bool" and not leaf.is_array) for node, leaf in zip(arguments.nodes, key[0].leaves)]
        return Run(key, spec, leaves, like, is_needed, Graphs(traced, settings, strided), options)

    def _changed_result(self, known, structure) -> OutputError:
        name = self.program.callee.name
        return OutputError(f"{name}() returns {_leaf_text(structure)} for these arguments, where it returned {_leaf_text(known)} for others of the same types. "
                           f"The code that builds the results is compiled once for all shapes and integers: "
                           f"make an object of its own for each kind of result, as in jit(functools.partial({name}, n=3)).")

    # Results --------------------------------------------------------------------------------------------------------------------

    def _result_leaves(self, run: Run, signature: Signature) -> list[Leaf]:
        found = []
        for leaf, like in zip(run.leaves, run.like):
            argument = signature.leaves[like] if like is not None else None
            is_array = leaf.ndim > 0 or (argument is not None and argument.is_array)
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
        program = self.program
        template = program.transform.template(program.callee)
        if template is None:
            known = next((found for other, found in self._structures.items() if _in_any_layout(other) == _in_any_layout(signature)), None)
            if known is not None:
                return known if self.is_flat else _as_structure(self.result, iter(known))
            made = f"{program.transform.maker}({program.callee.name}{', has_aux=True' * program.transform.has_aux})"
            # Not a TypeError, which Numba would take for a TypingError, and remember against the caller for ever.
            raise NotCompiledError(f"what {made} returns is not known before it is traced: call it once from Python, or its specialize(*example), "
                                   f"before @njit code calls it.")
        floats = {leaf.dtype for leaf in signature.leaves if leaf.dtype in FLOATS}
        value_dtype = "float32" if floats == {"float32"} else "float64"

        def number(dtype: str) -> Leaf:
            return Leaf("scalar", dtype, like=_like_scalar(signature, dtype))

        def second(row: Leaf, column: Leaf) -> Leaf:
            ndim = row.ndim + column.ndim
            return Leaf("array", row.dtype, ndim, "C") if ndim else number(row.dtype)

        places = iter(range(len(signature.leaves)))
        arguments = [_as_structure(spec, places) for spec in self.specs]

        def of_floats(argument, make):
            if isinstance(argument, tuple):
                return tuple([of_floats(part, make) for part in argument])
            return make(argument) if signature.leaves[argument].dtype in FLOATS else None

        def structure(part):
            if isinstance(part, tuple):
                return tuple(map(structure, part))
            if part is VALUE:
                return number(value_dtype)
            if isinstance(part, Pair):
                rows, columns = arguments[part.row], arguments[part.column]
                return of_floats(rows, lambda i: of_floats(columns, lambda j: second(signature.leaves[i], signature.leaves[j])))
            return of_floats(arguments[part], lambda i: replace(signature.leaves[i], layout="C", like=i))
        return structure(template)

    def _check_floats(self, signature: Signature) -> None:
        """Refuse a gradient with respect to an int before anything is traced."""
        for index in self.program.transform.differentiated(self.program.callee):
            leaf = signature.leaves[index]
            if leaf.dtype not in FLOATS:
                refuse_non_float(path_text(self.paths[index]), leaf.dtype, leaf.is_array)


def _like_scalar(signature: Signature, dtype: str) -> int | None:
    """The first scalar argument of this dtype: a number that is returned is Python's own where that is."""
    return next((i for i, leaf in enumerate(signature.leaves) if not leaf.is_array and leaf.dtype == dtype), None)


def _in_any_layout(signature: Signature) -> tuple[Leaf, ...]:
    return tuple([replace(leaf, layout="A") for leaf in signature.leaves])


def _leaf_text(structure) -> str:
    """A structure of results for people: ``(float64[2 axes], int64)``."""
    if isinstance(structure, tuple):
        return f"({', '.join(map(_leaf_text, structure))}{',' * (len(structure) == 1)})"
    if structure is None or not structure.is_array:
        return "None" if structure is None else structure.dtype
    return f"{structure.dtype}[{structure.ndim} {'axis' if structure.ndim == 1 else 'axes'}]"


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


def _result_names(leaves: Sequence[Traced], *named: tuple[list, list]) -> list[str]:
    known = {id(node): name for nodes, names in named for node, name in zip(nodes, names)}
    taken: set[str] = set()
    return [identifier((("arg", known.get(id(leaf.node), f"result{k}")),), taken) for k, leaf in enumerate(leaves)]
