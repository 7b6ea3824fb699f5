"""Calls with arguments that are trees: an entry for the leaves of each structure, and the code that takes the trees apart."""

from __future__ import annotations

import ast
import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Sequence

from numba.core.compiler_lock import global_compiler_lock

from codegen.entry import EntryDispatcher

from .errors import ArgumentError
from .memory import Memory
from .plan import Plan
from .run import Again, NeedsTree, Program
from .trace.flatten_source import identifier_of, signature_of_names, stub_function
from .trace.static import Static
from .trace.trees import DATA, TUPLE, Branch, Path, Spec, path_text

KEPT_STRUCTURES = 64  # of arguments that are trees; the least recently used go


class FlatEntry(EntryDispatcher):
    """The entry behind generated flatten code: leaves only."""

    memory: Memory | None = None  # once results are known
    is_of_tree = True

    def written(self, results):
        return results[1] if self.specialiser.program.transform.has_value_first else results

    def structure(self, signature):
        try:
            return self.specialiser.nested(signature.without_out)
        except NeedsTree:
            raise ArgumentError(f"{self.__name__}() returns what is no nest of tuples of arrays and numbers, which is for Python alone.") from None

    def name_of_out(self, number, count):
        if self.memory is None or len(self.memory.paths) != (count or 1):
            return super().name_of_out(number, count)  # numbers are among them
        return path_text(self.memory.paths[number])

    def refuse(self, name, value):
        raise Again

    def compile_for_other(self, args, kwargs):
        raise Again


@dataclasses.dataclass(eq=False)
class TreeCall:
    """Calls with arguments of one structure: their plan, the entry for the leaves, and the flatten code, once the result is known."""

    plan: Plan
    entry: FlatEntry
    code: Callable | None = None


class TreeCalls:
    """What was made for each structure of the arguments."""

    def __init__(self, program: Program, qualname: str, takes_out: bool):
        self._program = program
        self._qualname = qualname
        self._takes_out = takes_out
        self._found: OrderedDict[tuple, TreeCall] = OrderedDict()
        self._native: dict[str, TreeCall] = {}  # what compiled callers may hold the address of

    def find(self, specs: tuple[Spec, ...], paths: Sequence[Path]) -> TreeCall:
        """What is called for arguments of this structure."""
        with global_compiler_lock:
            found = self._found.get(specs)
            if found is None:
                plan = Plan(self._program, specs, is_flat=False, paths=paths)
                stub = stub_function(identifier_of(self._program.callee.name), self._qualname, signature_of_names(plan.names))
                found = self._found[specs] = TreeCall(plan, FlatEntry(stub, plan, None, takes_out=self._takes_out))
                while len(self._found) > KEPT_STRUCTURES:
                    self._found.popitem(last=False)
            else:
                self._found.move_to_end(specs)
            return found

    def native(self, text: str) -> FlatEntry | None:
        """What compiled code calls for nested tuples, which it writes as nested tuples of zeros; None for anything else."""
        with global_compiler_lock:
            if text not in self._native:
                if not text.startswith("(") or not self._program.callee.is_plain:
                    return None
                trees, paths = ast.literal_eval(text), []
                specs = tuple([_spec(tree, (("arg", p.name),), paths) for tree, p in zip(trees, self._program.callee.parameters)])
                self._native[text] = self.find(specs, paths)
            return self._native[text].entry

    def forget(self, specs: tuple[Spec, ...]) -> None:
        """Drop one structure."""
        self._found.pop(specs, None)

    def clear(self) -> None:
        """Forget what was traced and compiled."""
        for call in (*self._found.values(), *self._native.values()):
            call.plan.clear()
            call.entry.clear()
        self._found.clear()


def _spec(tree, path: Path, paths: list[Path]) -> Spec:
    """The spec of nested tuples, all leaves of which are data."""
    if not isinstance(tree, tuple):
        paths.append(path)
        return DATA
    parts = tuple([_spec(part, (*path, ("item", k)), paths) for k, part in enumerate(tree)])
    return Branch(TUPLE, tuple, tuple(map(Static, range(len(tree)))), parts)
