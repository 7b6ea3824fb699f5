"""The entry for calls from `@njit` code: `i32 entry(ptr head, ptr buffers, ptr words, ptr strides, ptr results)`.

The caller fills `buffers` (room for inputs and results), `words` (extents, then integers) and `strides`. Each scalar result takes
one word of `results`; each array result one for its Numba memory block, one for its data, one for each extent; of an array that is
given for a result the caller fills in data and extents, there and among the buffers. Returns 0, or -1 with a Python exception set.

In a parallel region Numba loses exceptions. The entry made for there reports the error, fills the results with NaN and returns 0.
"""
from collections.abc import Iterator

from llvmlite import ir

from . import emit as shared
from .emit import INT32, POINTER, VOID, WORD, Emitter, item_bytes, llvm_type
from .given import Call, Given, check_given
from .table import RecordWord
from .types import Leaf, Signature, Structure, flatten

ENTRY = ir.FunctionType(INT32, [POINTER] * 5)
ARRAY_ALIGNMENT = 32
BLOCK_DATA = 24             # place of the data pointer in Numba's memory block, see numba/core/runtime/nrt.h


def result_words(results: Structure) -> int:
    """Size of the result block."""
    return sum(2 + leaf.ndim if leaf.is_array else 1 for leaf in flatten(results))


def module_text(signature: Signature, results: Structure, name: str, *, parallel: bool) -> str:
    """LLVM text of the entry `<name>`."""
    module = shared.new_module(signature, name)
    _NativeEntry(module, signature, results, name).build(parallel)
    return str(module)


class _NativeEntry:
    """Emits one entry, from top to bottom."""

    def __init__(self, module: ir.Module, signature: Signature, results: Structure, name: str):
        self.signature, self.outputs = signature, shared.result_extents(results)
        self.emit = Emitter.of(module, name, ENTRY)
        self.head, self.buffers, self.words, self.strides, self.results = self.emit.function.args

    def build(self, parallel: bool) -> None:
        emit = self.emit
        # Where to go when a step fails; `_allocate` puts blocks in front of it that free what it has made.
        failure = emit.append_basic_block("failure")
        record = shared.find(emit, self.head, self.words)
        emit.branch_if(emit.is_null(record), failure)
        free = self._allocate([[emit.get(record, RecordWord.EXTENTS + place + k) for k in range(leaf.ndim)]
                               for leaf, place in self.outputs], failure, record)
        emit.branch_if(shared.launch(emit, self.head, record, self.buffers, self.strides), free)
        emit.ret(INT32(0))

        emit.position_at_end(failure)
        if parallel:
            self._fill_with_nan()
        emit.ret(INT32(0 if parallel else -1))

    def _places(self) -> Iterator[tuple[int, int, Leaf]]:
        """For each result its place among the buffers, that of its first word, and what it is."""
        place = 0
        for i, (leaf, _) in enumerate(self.outputs, len(self.signature.leaves)):
            yield i, place, leaf
            place += 2 + leaf.ndim if leaf.is_array else 1

    def _allocate(self, extents: list[list[ir.Value]], failure: ir.Block, record: ir.Value | None = None) -> ir.Block:
        """Make the results, or check what was given for them. Returns the block that frees them and goes on to `failure`."""
        emit, others, number = self.emit, [], 0
        for (i, place, leaf), shape, (_, first) in zip(self._places(), extents, self.outputs):
            if not leaf.is_array:
                emit.put(emit.word_at(self.results, place), self.buffers, i)
                continue
            if self.signature.given:
                if record is not None:
                    given = Given(leaf.dtype, first, emit.get(self.buffers, i, POINTER),
                                         [emit.get(self.results, place + 2 + k) for k in range(leaf.ndim)], others)
                    call = Call(self.signature, self.head, self.buffers, self.words, self.strides)
                    check_given(emit, call, record, number, given, failure)
                number += 1
                continue
            size = WORD(item_bytes(leaf.dtype))
            for k, extent in enumerate(shape):
                emit.put(extent, self.results, place + 2 + k)
                size = emit.mul(size, extent)
            memory = emit.extern("NRT_MemInfo_alloc_aligned", POINTER, size, INT32(ARRAY_ALIGNMENT))
            with emit.if_then(emit.is_null(memory), likely=False):
                emit.ask_python(self.head, "no_memory", size)
                emit.branch(failure)
            failure = self._free_block(memory, failure)
            data = emit.load(emit.byte_at(memory, BLOCK_DATA), typ=POINTER)
            shared.advise_huge_pages(emit, data, size)
            emit.put(memory, self.results, place)
            emit.put(data, self.results, place + 1)
            emit.put(data, self.buffers, i)
        return failure

    def _free_block(self, memory: ir.Value, onward: ir.Block) -> ir.Block:
        block = self.emit.append_basic_block("free")
        with self.emit.goto_block(block):
            self.emit.extern("NRT_MemInfo_call_dtor", VOID, memory)
            self.emit.branch(onward)
        return block

    def _fill_with_nan(self) -> None:
        """Results as large as the arguments that they are like, else with one element, of NaN (0 for integers)."""
        emit = self.emit
        no_memory = emit.append_basic_block("no_memory")
        with emit.goto_block(no_memory):
            emit.ret(INT32(-1))
        starts = [sum(leaf.ndim for leaf in self.signature.leaves[:i]) for i in range(len(self.signature.leaves))]
        self._allocate([
            [WORD(1) if leaf.like is None else emit.get(self.words, starts[leaf.like] + k) for k in range(leaf.ndim)]
            for leaf, _ in self.outputs], no_memory)
        for i, place, leaf in self._places():
            data, count = emit.get(self.buffers, i, POINTER), WORD(1)
            for k in range(leaf.ndim):
                count = emit.mul(count, emit.get(self.results, place + 2 + k))
            kind = llvm_type(leaf.dtype)
            nothing = kind(float("nan")) if leaf.dtype.startswith("float") else kind(0)
            self._fill(data, count, nothing)

    def _fill(self, data: ir.Value, count: ir.Value, value: ir.Value) -> None:
        emit = self.emit
        before, loop, body, after = emit.block, *(emit.append_basic_block(name) for name in ("loop", "body", "after"))
        emit.branch(loop)
        emit.position_at_end(loop)
        index = emit.phi(WORD)
        index.add_incoming(WORD(0), before)
        emit.cbranch(emit.icmp_signed("<", index, count), body, after)
        emit.position_at_end(body)
        emit.store(value, emit.gep(data, [index], source_etype=value.type))
        index.add_incoming(emit.add(index, WORD(1)), body)
        emit.branch(loop)
        emit.position_at_end(after)
