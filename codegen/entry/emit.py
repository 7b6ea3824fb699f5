"""LLVM parts that both kinds of entry share: find the record of a call, run its kernel, call back into Python.

Each module gets its own internal `find` and `launch`, and exports `publish`, the release store that Python fills tables with.
"""
import sys
from mmap import PAGESIZE

from llvmlite import ir

from .table import MULTIPLIER, Head, RecordWord
from .types import Leaf, Signature, Structure, flatten

WORD, INT32, BYTE, BIT = (ir.IntType(bits) for bits in (64, 32, 8, 1))
ZERO = WORD(0)
POINTER, VOID = ir.PointerType(), ir.VoidType()
NULL = ir.Constant(POINTER, None)
KERNEL = ir.FunctionType(INT32, [POINTER] * 4)
LLVM_TYPES = {"float64": ir.DoubleType(), "float32": ir.FloatType(), "bool": BYTE}
SIZES = {"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "float32": 4}
ALIGNMENT = 64                  # of a workspace
HUGE_PAGE_BYTES = 1 << 22       # results from this size on ask for huge pages
MADV_HUGEPAGE = 14              # linux/mman.h

# What Python answers when the entry has called it back; a null pointer means that an exception is set.
RETRY, GIVE_UP = 0, 1


def llvm_type(dtype: str) -> ir.Type:
    """LLVM's type of a number in memory."""
    return LLVM_TYPES.get(dtype) or ir.IntType(8 * item_bytes(dtype))


def item_bytes(dtype: str) -> int:
    """Size of a number in memory."""
    return SIZES.get(dtype, 8)


class Emitter(ir.IRBuilder):
    """An IR builder with the few idioms that entries are made of."""

    @classmethod
    def of(cls, module: ir.Module, name: str, kind: ir.FunctionType, *, internal: bool = False) -> "Emitter":
        """Start a function."""
        function = ir.Function(module, kind, name)
        if internal:
            function.linkage = "internal"
        return cls(function.append_basic_block("start"))

    def extern(self, name: str, result: ir.Type, *values: ir.Value, more: tuple[ir.Value, ...] | None = None) -> ir.Value:
        """Call a C function; `more` are the values of its variable arguments."""
        kinds = [POINTER if isinstance(value.type, ir.PointerType) else value.type for value in values]
        kind = ir.FunctionType(result, kinds, var_arg=more is not None)
        function = self.module.globals.get(name) or ir.Function(self.module, kind, name)
        return self.call(function, [*values, *(more or ())])

    def indirect(self, kind: ir.FunctionType, base: ir.Value, index: int, *values: ir.Value) -> ir.Value:
        """Call the function whose address is in an array of words."""
        return self.call(self.get(base, index, kind.as_pointer()), values)

    def word_at(self, base: ir.Value, index: int | ir.Value) -> ir.Value:
        """Address of an int64 or pointer in an array of them."""
        return self.gep(base, [WORD(index) if isinstance(index, int) else index], source_etype=WORD)

    def byte_at(self, base: ir.Value, offset: int | ir.Value) -> ir.Value:
        """Address of what is so many bytes further."""
        return self.gep(base, [WORD(offset) if isinstance(offset, int) else offset], source_etype=BYTE)

    def get(self, base: ir.Value, index: int | ir.Value, kind: ir.Type = WORD) -> ir.Value:
        """Load from an array of words."""
        return self.load(self.word_at(base, index), typ=kind)

    def put(self, value: ir.Value, base: ir.Value, index: int) -> None:
        """Store into an array of words."""
        self.store(value, self.word_at(base, index))

    def words(self, count: int) -> ir.Value:
        """Stack memory, 8-byte words. Only for the start of a function: in a loop it would grow."""
        return self.alloca(POINTER, max(count, 1))      # of WORD, llvmlite would make it a pointer that takes integers only

    def is_null(self, pointer: ir.Value) -> ir.Value:
        """Whether a pointer is null."""
        return self.icmp_unsigned("==", pointer, NULL)

    def text(self, value: str) -> ir.Value:
        """Address of a constant C string."""
        name = f".text.{value}"
        if name not in self.module.globals:
            data = bytearray(value.encode() + b"\0")
            constant = ir.GlobalVariable(self.module, ir.ArrayType(BYTE, len(data)), name)
            constant.initializer, constant.global_constant, constant.linkage = constant.value_type(data), True, "private"
        return self.module.globals[name]

    def branch_if(self, condition: ir.Value, target: ir.Block) -> None:
        """Go to `target` in the unlikely case, else go on."""
        onward = self.append_basic_block()
        self.cbranch(condition, target, onward).set_weights([1, 99])
        self.position_at_end(onward)

    def ask_python(self, head: ir.Value, method: str, first: ir.Value, second: ir.Value = ZERO) -> ir.Value:
        """Call a method of the handler, from any thread. Its answer is `RETRY`, `GIVE_UP`, or -1 with an exception set."""
        return self.call(self.module.globals["ask"], [head, self.text(method), first, second])


def new_module(signature: Signature, name: str) -> ir.Module:
    """A module with `ask`, `find`, `launch` and `<name>.publish`."""
    module = ir.Module(name)
    _emit_ask(module)
    _emit_find(module, signature)
    _emit_launch(module)
    publish = Emitter.of(module, f"{name}.publish", ir.FunctionType(VOID, [WORD.as_pointer(), WORD]))
    publish.store_atomic(publish.function.args[1], publish.function.args[0], "release", 8)
    publish.ret_void()
    return module


def _emit_ask(module: ir.Module) -> None:
    """`i32 ask(ptr head, ptr method, i64 first, i64 second)`: see `Emitter.ask_python`."""
    emit = Emitter.of(module, "ask", ir.FunctionType(INT32, [POINTER, POINTER, WORD, WORD]), internal=True)
    head, method, first, second = emit.function.args
    gil = emit.extern("PyGILState_Ensure", INT32)
    handler = emit.get(head, Head.HANDLER, POINTER)
    answer = emit.extern("PyObject_CallMethod", POINTER, handler, method, emit.text("LL"), more=(first, second))
    failed = emit.append_basic_block("failed")
    emit.branch_if(emit.is_null(answer), failed)
    number = emit.trunc(emit.extern("PyLong_AsLong", WORD, answer), INT32)
    emit.extern("Py_DecRef", VOID, answer)
    emit.extern("PyGILState_Release", VOID, gil)
    emit.ret(number)
    emit.position_at_end(failed)
    emit.extern("PyGILState_Release", VOID, gil)
    emit.ret(INT32(-1))


def _emit_find(module: ir.Module, signature: Signature) -> None:
    """`ptr find(ptr head, ptr words)`: the record for these extents and integers, or null when there is none to be had."""
    emit = Emitter.of(module, "find", ir.FunctionType(POINTER, [POINTER, POINTER]), internal=True)
    head, raw = emit.function.args
    header = 1 + len(signature.countable)
    count = signature.rank + len(signature.countable)
    stride = 1 + count
    words = [emit.get(raw, i) for i in range(count)]
    retry, probe, compare, following, miss, found = (
        emit.append_basic_block(name) for name in ("retry", "probe", "compare", "following", "miss", "found"))
    emit.branch(retry)

    emit.position_at_end(retry)
    table = emit.load_atomic(emit.word_at(head, Head.TABLE), "acquire", 8, typ=POINTER)
    key = words[:signature.rank] + [
        emit.and_(word, emit.get(table, 1 + i)) for i, word in enumerate(words[signature.rank:])]
    index_mask = emit.get(table, 0)
    start = emit.and_(_emit_hash(emit, key), index_mask)
    emit.branch(probe)

    emit.position_at_end(probe)
    index = emit.phi(WORD)
    index.add_incoming(start, retry)
    slot = emit.word_at(table, emit.add(emit.mul(index, WORD(stride)), WORD(header)))
    record = emit.load_atomic(slot, "acquire", 8, typ=POINTER)
    emit.cbranch(emit.is_null(record), miss, compare).set_weights([1, 99])

    emit.position_at_end(compare)
    difference = WORD(0)
    for i, word in enumerate(key):
        difference = emit.or_(difference, emit.xor(word, emit.get(slot, 1 + i)))
    emit.cbranch(emit.icmp_unsigned("==", difference, WORD(0)), found, following)

    emit.position_at_end(following)
    index.add_incoming(emit.and_(emit.add(index, WORD(1)), index_mask), following)
    emit.branch(probe)

    emit.position_at_end(miss)
    answer = emit.ask_python(head, "miss", emit.ptrtoint(raw, WORD))
    nothing = emit.append_basic_block("nothing")
    emit.cbranch(emit.icmp_signed("==", answer, INT32(RETRY)), retry, nothing)

    emit.position_at_end(nothing)
    emit.ret(NULL)

    emit.position_at_end(found)
    emit.ret(record)


def _emit_hash(emit: Emitter, words: list[ir.Value]) -> ir.Value:
    """As `table.hash_words`."""
    value = WORD(0)
    for word in words:
        value = emit.mul(emit.xor(value, word), WORD(MULTIPLIER))
        value = emit.xor(value, emit.lshr(value, WORD(32)))
    return value


def _emit_launch(module: ir.Module) -> None:
    """`i32 launch(ptr head, ptr record, ptr buffers, ptr strides)`: run the kernel in a workspace; 0, or not when it failed."""
    emit = Emitter.of(module, "launch", ir.FunctionType(INT32, [POINTER] * 4), internal=True)
    head, record, buffers, strides = emit.function.args
    memory = emit.words(1)
    emit.store(NULL, memory)
    size = emit.get(record, RecordWord.WORKSPACE_BYTES)
    place = emit.word_at(record, RecordWord.WORKSPACE)
    needed = emit.icmp_unsigned("!=", size, WORD(0))
    with emit.if_then(needed):
        emit.store(emit.inttoptr(emit.atomic_rmw("xchg", place, WORD(0), "acq_rel"), POINTER), memory)
        with emit.if_then(emit.is_null(emit.load(memory, typ=POINTER)), likely=False):
            fresh = emit.extern("PyMem_RawMalloc", POINTER, emit.add(size, WORD(ALIGNMENT)))
            with emit.if_then(emit.is_null(fresh), likely=False):
                emit.ret(emit.ask_python(head, "no_memory", size))
            emit.store(fresh, memory)
    start = emit.ptrtoint(emit.load(memory, typ=POINTER), WORD)
    aligned = emit.inttoptr(emit.and_(emit.add(start, WORD(ALIGNMENT - 1)), WORD(-ALIGNMENT)), POINTER)
    params = emit.get(record, RecordWord.PARAMS, POINTER)
    status = emit.indirect(KERNEL, record, RecordWord.KERNEL, buffers, strides, params, aligned)
    with emit.if_then(needed):
        spare = emit.atomic_rmw("xchg", place, emit.ptrtoint(emit.load(memory, typ=POINTER), WORD), "acq_rel")
        with emit.if_then(emit.icmp_unsigned("!=", spare, WORD(0)), likely=False):
            emit.extern("PyMem_RawFree", VOID, emit.inttoptr(spare, POINTER))
    with emit.if_then(emit.icmp_signed("!=", status, INT32(0)), likely=False):
        emit.ret(emit.ask_python(head, "fail", emit.ptrtoint(record, WORD), emit.sext(status, WORD)))
    emit.ret(INT32(0))


def find(emit: Emitter, head: ir.Value, words: ir.Value) -> ir.Value:
    """The record of a call; null when it failed."""
    return emit.call(emit.module.globals["find"], [head, words])


def launch(emit: Emitter, head: ir.Value, record: ir.Value, buffers: ir.Value, strides: ir.Value) -> ir.Value:
    """Run the kernel; whether it failed."""
    status = emit.call(emit.module.globals["launch"], [head, record, buffers, strides])
    return emit.icmp_signed("!=", status, INT32(0))


def widened(emit: Emitter, memory: ir.Value, leaf: Leaf) -> ir.Value:
    """The value of an integer or bool in memory, as a key word."""
    number = emit.load(memory, typ=llvm_type(leaf.dtype))
    if number.type == WORD:
        return number
    return emit.sext(number, WORD) if leaf.dtype.startswith("int") else emit.zext(number, WORD)


def result_extents(results: Structure) -> list[tuple[Leaf, int]]:
    """The flat results, each with the place of its first extent among all."""
    placed, place = [], 0
    for leaf in flatten(results):
        placed.append((leaf, place))
        place += leaf.ndim
    return placed


def advise_huge_pages(emit: Emitter, data: ir.Value, size: ir.Value) -> None:
    """Ask for huge pages inside a large fresh block (Linux).

    A fresh result of 40 MB, filled: 6 ms with, 23 ms without (NumPy, which asks too: 6 ms).
    """
    if sys.platform != "linux":
        return
    with emit.if_then(emit.icmp_unsigned(">=", size, WORD(HUGE_PAGE_BYTES)), likely=False):
        start = emit.ptrtoint(data, WORD)
        first = emit.and_(emit.add(start, WORD(PAGESIZE - 1)), WORD(-PAGESIZE))
        inside = emit.and_(emit.sub(emit.add(start, size), first), WORD(-PAGESIZE))
        emit.extern("madvise", INT32, emit.inttoptr(first, POINTER), inside, INT32(MADV_HUGEPAGE))
