"""What an object knows about one signature: its specialisations, the table that compiled code reads, and the answers to its calls.

Nothing here holds the object that a user holds: compiled callers keep states for ever, and the object must be able to go.

When is a specialisation that was pushed out of a full table dropped? Calls from Python keep the GIL from looking the table up to
the end of the kernel, so that whoever runs Python code knows that none is inside; it is dropped at once. Once a signature
has been called from `@njit` code, which may run without the GIL, it is kept until `clear()`.
"""
import ctypes
import functools
import sys
import traceback
import weakref
from collections.abc import Callable

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from codegen.cache.fingerprint import fingerprint
from codegen.cache.store import Entry, digest_of, open_store
from tracer.errors import ArgumentError, ShapeError

from . import native_entry, python_entry
from .c_function import CFunction, Shape, c_function
from .emit import GIVE_UP, RETRY
from .load import address_of, address_of_symbol, imported_symbols, load, object_bytes, python_function
from .registry import equal_objects
from .table import WORD, Head, Record, Table
from .types import Leaf, Signature, Specialisation, Specialiser, Structure

KIND = "entry"                  # of entries of the cache
MAX_SPECIALISATIONS = 512       # of a signature; a quarter, the oldest, goes when there are more


class EntryState:
    """The specialisations for one signature of one object, shared by its entries for Python and for compiled callers."""

    def __init__(self, owner, specialiser: Specialiser, signature: Signature, results: Structure):
        self.signature = signature
        self.results = results
        self.owner = weakref.ref(owner)
        self._specialiser = specialiser
        self._records: dict[tuple[int, ...], Record] = {}
        self._masks = self._current_masks()
        self._publish: Callable[[int, int], None] | None = None
        self._kept_records: list[Record] = []       # what compiled callers may still be using
        self._kept_tables: list[Table] = []
        self._is_native = False
        self._heads: list[np.ndarray] = []
        self._native_heads: dict[bool, np.ndarray] = {}     # by whether for parallel regions
        self._native_handlers: list = []
        self._c_functions: dict[tuple, tuple[CFunction, Record]] = {}
        self._table = self._new_table()

    def python_entry(self, name: str) -> Callable:
        """The entry for Python, as a builtin function that keeps its head."""
        code, publish = _python_code(self.signature, self.results)
        return python_function(name, code, self._new_head(self, code, publish))

    def native_head(self, *, parallel: bool) -> int:
        """Address of the head for compiled callers. The state must then live for ever."""
        self._is_native = True
        if parallel not in self._native_heads:
            handler = SilentCallbacks(self, "a parallel region") if parallel else self
            self._native_handlers.append(handler)
            self._native_heads[parallel] = self._new_head(handler, *native_code(self.signature, self.results, parallel))
        return address_of(self._native_heads[parallel])

    def c_function(self, name: str, shapes: tuple, specialisation: Specialisation, text: str | None) -> CFunction:
        """A C function of one of the specialisations, made once. The state must then live for ever."""
        if (shapes, text) not in self._c_functions:
            handler = SilentCallbacks(self, "a C function")
            head = np.zeros(len(Head), np.int64)
            head[Head.HANDLER] = id(handler)
            self._native_handlers.append((handler, head))
            shape = Shape.of(self.signature, self.results, shapes, specialisation.output_shapes)
            self._c_functions[shapes, text] = c_function(name, shape, specialisation, address_of(head), text)
        return self._c_functions[shapes, text][0]

    def _new_head(self, handler, code: int, publish: int) -> np.ndarray:
        self._publish = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(publish)
        head = np.zeros(len(Head), np.int64)
        head[Head.HANDLER], head[Head.CODE] = id(handler), code
        for place, value in PYTHON_OBJECTS.items():
            head[place] = id(value)
        head[Head.TABLE] = address_of(self._table.words)
        self._heads.append(head)
        return head

    @property
    def specialisations(self) -> list:
        """What is in use, oldest first."""
        return [record.specialisation for record in self._records.values()]

    # What compiled code calls back, always with two integers. An exception here is the exception of the call.

    def miss(self, address: int, unused: int) -> int:
        """No record for the key words at `address`."""
        count = self.signature.rank + len(self.signature.countable)
        self.find_or_specialise(tuple((ctypes.c_int64 * count).from_address(address)))
        return RETRY

    def fail(self, record_address: int, status: int) -> int:
        """A kernel returned something else than 0."""
        raise self._record_at(record_address).specialisation.error(status)

    def no_memory(self, size: int, unused: int) -> int:
        """A result or a workspace could not be allocated."""
        raise MemoryError(f"cannot allocate {size} bytes")

    def refuse_shape(self, record_address: int, number: int) -> int:
        """The array that was given for an array result, counted from zero, has another shape."""
        shape = self._record_at(record_address).specialisation.output_shapes[number]
        raise ShapeError(f"{self._name_of_out(number)} has not the shape of the result, which is {shape}.")

    def refuse_overlap(self, number: int, unused: int) -> int:
        """The array that was given for a result shares memory with an argument or with another one."""
        raise ArgumentError(f"{self._name_of_out(number)} shares memory with an argument, or with another array of out. Pass memory of its own.")

    def refuse_length(self, given: int, wanted: int) -> int:
        """A C caller has passed a block of another length than the example's."""
        raise ShapeError(f"a caller passes {given} numbers in one block, but the C function is for {wanted}: cfunc() makes it for the shapes of its example.")

    def _name_of_out(self, number: int) -> str:
        owner, count = self.owner(), len(self.signature.out) if isinstance(self.signature.out, tuple) else None
        return "out" if owner is None else owner.name_of_out(number, count)

    def call_with_odd_arrays(self, arguments: tuple):
        """A call from Python with a subclass of ndarray, or a misaligned array; the answer is the result of the call."""
        return self.owner().call_with_odd_arrays(arguments)

    def _record_at(self, address: int) -> Record:
        made_for_c = [record for _, record in self._c_functions.values()]
        return next(record for record in (*self._records.values(), *self._kept_records, *made_for_c) if record.address == address)

    def clear(self) -> None:
        """Forget every specialisation. No call may be running in another thread."""
        with global_compiler_lock:
            self._records.clear()
            self._replace_table()
            self._kept_records.clear()
            self._kept_tables.clear()

    def find_or_specialise(self, words: tuple[int, ...]) -> None:
        """Make sure that the table has a record for these extents and integers."""
        with global_compiler_lock:
            if self._key(words) in self._records:
                return
            shapes, ints = self._shapes(words), self._ints(words)
            record = Record(self._specialiser.specialise(self.signature.without_out, shapes, ints))
            if self._masks != (masks := self._current_masks()):
                self._masks = masks
                self._forget(list(self._records))
            if len(self._records) >= MAX_SPECIALISATIONS:
                self._forget(list(self._records)[:MAX_SPECIALISATIONS // 4])
            self._insert(self._key(words), record)

    def _insert(self, key: tuple[int, ...], record: Record) -> None:
        # While this one was traced, the same may have been called and made.
        if key in self._records:
            return
        self._records[key] = record
        if self._table.is_full:
            self._replace_table()
        else:
            self._table.insert(key, record, self._publish)

    def _forget(self, keys: list[tuple[int, ...]]) -> None:
        gone = [self._records.pop(key) for key in keys]
        if self._is_native:
            self._kept_records += gone
        self._replace_table()

    def _replace_table(self) -> None:
        if self._is_native:
            self._kept_tables.append(self._table)
        self._table = self._new_table()
        for key, record in self._records.items():
            self._table.insert(key, record, self._publish)
        for head in self._heads:
            self._publish(address_of(head) + 8 * Head.TABLE, address_of(self._table.words))

    def _new_table(self) -> Table:
        return Table(self._masks, self.signature.rank, capacity=2 * len(self._records) + 4)

    def _current_masks(self) -> tuple[int, ...]:
        static = self._specialiser.static_ints(self.signature.without_out)
        return tuple(-1 if static[i] else 0 for i in self.signature.countable)

    def _key(self, words: tuple[int, ...]) -> tuple[int, ...]:
        rank = self.signature.rank
        return (*words[:rank], *(word & mask for word, mask in zip(words[rank:], self._masks)))

    def _shapes(self, words: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        extents = iter(words)
        return tuple(tuple(next(extents) for _ in range(leaf.ndim)) for leaf in self.signature.arrays)

    def _ints(self, words: tuple[int, ...]) -> tuple[int | None, ...]:
        leaves, values = self.signature.leaves, iter(words[self.signature.rank:])
        return tuple(_number(leaf, next(values)) if leaf.is_countable else None for leaf in leaves)


def _number(leaf: Leaf, word: int) -> int:
    """The number that a key word stands for."""
    if leaf.dtype == "bool":
        return bool(word)
    return word % WORD if leaf.dtype == "uint64" else word


class SilentCallbacks:
    """Answers to calls where exceptions are lost, as Numba does in a parallel region: the first of each object is written to stderr."""

    def __init__(self, state: EntryState, where: str):
        self._state, self._where = state, where

    def miss(self, address: int, unused: int) -> int:
        return self._caught(self._state.miss, address, unused)

    def fail(self, record_address: int, status: int) -> int:
        return self._caught(self._state.fail, record_address, status)

    def no_memory(self, size: int, unused: int) -> int:
        return self._caught(self._state.no_memory, size, unused)

    def refuse_shape(self, record_address: int, number: int) -> int:
        return self._caught(self._state.refuse_shape, record_address, number)

    def refuse_length(self, given: int, wanted: int) -> int:
        return self._caught(self._state.refuse_length, given, wanted)

    def refuse_overlap(self, number: int, unused: int) -> int:
        return self._caught(self._state.refuse_overlap, number, unused)

    def _caught(self, method: Callable, *arguments) -> int:
        try:
            return method(*arguments)
        except Exception as error:
            owner = self._state.owner()
            if owner is not None:
                for each in equal_objects(owner):
                    each.last_error = error
                if next(owner.errors_lost) == 0:
                    print(f"Exception in {self._where}, in {owner!r}; its results there are NaN:", file=sys.stderr)
                    traceback.print_exception(error)
            return GIVE_UP


PYTHON_OBJECTS = {Head.NDARRAY: np.ndarray, Head.MEMMAP: np.memmap, Head.FLOAT: float, Head.INT: int, Head.BOOL: bool, Head.NONE: None}


# The code knows neither the object nor the process, so that one copy serves every object with such a signature.

@functools.cache
def _python_code(signature: Signature, results: Structure) -> tuple[int, int]:
    name = _entry_name("python", signature, results)
    return _built(name, lambda: python_entry.module_text(signature, results, name))


@functools.cache
def native_code(signature: Signature, results: Structure, parallel: bool) -> tuple[int, int]:
    """The addresses of the entry for compiled callers and of its `publish`."""
    name = _entry_name("parallel" if parallel else "native", signature, results)
    return _built(name, lambda: native_entry.module_text(signature, results, name, parallel=parallel))


def _entry_name(kind: str, signature: Signature, results: Structure) -> str:
    return f"tracegrad_entry_{digest_of(kind, repr(signature), repr(results))[:24]}"


def _built(name: str, make_text: Callable[[], str]) -> tuple[int, int]:
    """The addresses of an entry and of its `publish`. From the cache it takes 1 ms, made anew 14."""
    store, key = open_store(), digest_of(name, fingerprint())
    kept = store and store.get(KIND, key)
    if not kept or not all(address_of_symbol(symbol) for symbol in kept.header["imports"]):
        text = make_text()
        kept = Entry({"imports": imported_symbols(text)}, (object_bytes(text),))
        if store:
            store.put(KIND, key, kept)
    code, publish = load(kept.blocks[0], name, f"{name}.publish")
    return code, publish
