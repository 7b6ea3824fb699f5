"""The entry for calls from Python: `PyObject *entry(PyObject *head, PyObject *args, PyObject *kwargs)`.

Numba's dispatcher calls it with a tuple of as many arguments as there are parameters, whose types it has checked; all but one
thing: it takes subclasses of ndarray and misaligned arrays for plain ones, so these two are checked here.
Results are NumPy's own memory: NumPy keeps small blocks and asks for huge pages for large ones.
"""
import platform
from collections.abc import Iterator

import numpy as np
from llvmlite import ir

from . import emit as shared
from .emit import BIT, BYTE, INT32, NULL, POINTER, VOID, WORD, Emitter, llvm_type
from .given import Call, Given, check_given
from .load import numpy_symbol
from .table import Head, RecordWord
from .types import Leaf, Signature, Structure, flatten

# Where CPython and NumPy keep things, part of their ABI; tests compare them with what Python says.
TYPE = 8
FIRST_ITEM = tuple.__basicsize__
# The cycle counter of other processors is not for user code.
CLOCK = "llvm.readcyclecounter" if platform.machine() in ("x86_64", "AMD64") else "llvm.readsteadycounter"
ARRAY_DATA, ARRAY_EXTENTS, ARRAY_STRIDES, ARRAY_FLAGS = 16, 32, 40, 64
CONTIGUOUS_AND_ALIGNED = 0x0001 | 0x0100
WRITEABLE = 0x0400

# Results that are Python's own numbers, with the type that an argument must have exactly for a result like it to be one.
PYTHON_NUMBERS = {"float64": Head.FLOAT, "int64": Head.INT, "bool": Head.BOOL}

ENTRY = ir.FunctionType(POINTER, [POINTER] * 3)


def module_text(signature: Signature, results: Structure, name: str) -> str:
    """LLVM text of the entry `<name>`."""
    module = shared.new_module(signature, name)
    _PythonEntry(module, signature, results, name).build()
    return str(module)


class _PythonEntry:
    """Emits one entry, from top to bottom."""

    def __init__(self, module: ir.Module, signature: Signature, results: Structure, name: str):
        self.signature, self.results = signature, results
        self.outputs = shared.result_extents(results)
        self.emit = Emitter.of(module, name, ENTRY)
        self.closure, self.arguments, _ = self.emit.function.args
        self.head = self.emit.load(self.emit.byte_at(self.closure, ARRAY_DATA), typ=POINTER)
        self.buffers = self.emit.words(len(signature.leaves) + len(self.outputs))
        self.words = self.emit.words(signature.rank + len(signature.countable))
        self.strides = self.emit.words(signature.rank)
        # Where to go when a step fails: gives up the objects made so far and returns null, with the exception that is set.
        self.exit = self._exit_block(None)

    def build(self) -> None:
        scalars = self._read_arguments()
        record = shared.find(self.emit, self.head, self.words)
        self._give_up_if(self.emit.is_null(record))
        # 6 ns, so that an object can show what its last call used.
        self.emit.store(self.emit.extern(CLOCK, WORD), self.emit.word_at(record, RecordWord.LAST_USED))
        arrays = self._allocate(record, scalars)
        self._give_up_if(shared.launch(self.emit, self.head, record, self.buffers, self.strides))
        self.emit.ret(self._build_results(arrays, scalars))

    def _argument(self, index: int) -> ir.Value:
        return self.emit.load(self.emit.byte_at(self.arguments, FIRST_ITEM + 8 * index), typ=POINTER)

    def _given(self, number: int) -> ir.Value:
        """What stands behind the arguments: the array for a result, or a tuple of them."""
        out = self._argument(len(self.signature.leaves))
        if isinstance(self.signature.out, tuple):
            return self.emit.load(self.emit.byte_at(out, FIRST_ITEM + 8 * number), typ=POINTER)
        return out

    def _is_plain(self, array: ir.Value, wanted: int) -> ir.Value:
        flags = self.emit.load(self.emit.byte_at(array, ARRAY_FLAGS), typ=INT32)
        has_flags = self.emit.icmp_unsigned("==", self.emit.and_(flags, INT32(wanted)), INT32(wanted))
        return self.emit.and_(has_flags, self._has_type(array, Head.NDARRAY, Head.MEMMAP))

    def _has_type(self, value: ir.Value, *types: Head) -> ir.Value:
        kind = self.emit.load(self.emit.byte_at(value, TYPE), typ=POINTER)
        answer = BIT(0)
        for place in types:
            answer = self.emit.or_(answer, self.emit.icmp_unsigned("==", kind, self.emit.get(self.head, place, POINTER)))
        return answer

    def _exit_block(self, value: ir.Value | None) -> ir.Block:
        block = self.emit.append_basic_block("exit")
        with self.emit.goto_block(block):
            if value is None:
                self.emit.ret(NULL)
            else:
                self.emit.extern("Py_DecRef", VOID, value)
                self.emit.branch(self.exit)
        return block

    def _give_up_if(self, condition: ir.Value) -> None:
        self.emit.branch_if(condition, self.exit)

    def _own(self, value: ir.Value) -> None:
        """Take charge of a new reference; null is an exception."""
        self._give_up_if(self.emit.is_null(value))
        self.exit = self._exit_block(value)

    def _read_arguments(self) -> list[ir.Value]:
        """Fill buffers, words and strides. Returns a stack slot for each scalar result, made here, in front of any branch."""
        slots = [self.emit.words(1) for leaf in self.signature.leaves if not leaf.is_array]
        results = [self.emit.words(1) for leaf, _ in self.outputs if not leaf.is_array]
        self._check_arrays()
        slot, axis, countable = iter(slots), 0, self.signature.rank
        for i, leaf in enumerate(self.signature.leaves):
            if leaf.is_array:
                self._read_array(self._argument(i), leaf, i, axis)
                axis += leaf.ndim
                continue
            memory = next(slot)
            self._read_scalar(self._argument(i), leaf, memory)
            self.emit.put(memory, self.buffers, i)
            if leaf.is_countable:
                self.emit.put(shared.widened(self.emit, memory, leaf), self.words, countable)
                countable += 1
        return results

    def _check_arrays(self) -> None:
        """Hand calls with odd arrays to Python, which refuses them or takes the general entry."""
        emit = self.emit
        plain = BIT(1)
        for i, leaf in enumerate(self.signature.leaves):
            if leaf.is_array:
                plain = emit.and_(plain, self._is_plain(self._argument(i), CONTIGUOUS_AND_ALIGNED if leaf.layout == "C" else 0))
        for k in range(len(self.signature.given)):
            plain = emit.and_(plain, self._is_plain(self._given(k), CONTIGUOUS_AND_ALIGNED | WRITEABLE))
        with emit.if_then(emit.not_(plain), likely=False):
            handler = emit.get(self.head, Head.HANDLER, POINTER)
            answer = emit.extern("PyObject_CallMethod", POINTER, handler, emit.text("call_with_odd_arrays"), emit.text("(O)"),
                                 more=(self.arguments,))
            emit.ret(answer)

    def _read_array(self, array: ir.Value, leaf: Leaf, index: int, axis: int) -> None:
        emit = self.emit
        emit.put(emit.load(emit.byte_at(array, ARRAY_DATA), typ=POINTER), self.buffers, index)
        extents = emit.load(emit.byte_at(array, ARRAY_EXTENTS), typ=POINTER)
        strides = emit.load(emit.byte_at(array, ARRAY_STRIDES), typ=POINTER)
        for k in range(leaf.ndim):
            emit.put(emit.get(extents, k), self.words, axis + k)
            emit.put(emit.get(strides, k), self.strides, axis + k)

    def _read_scalar(self, value: ir.Value, leaf: Leaf, memory: ir.Value) -> None:
        emit = self.emit
        if leaf.dtype == "float64":
            number = emit.extern("PyFloat_AsDouble", llvm_type("float64"), value)
            emit.store(number, memory)
            odd = emit.fcmp_ordered("==", number, llvm_type("float64")(-1.0))
        elif leaf.dtype == "int64":
            number = emit.extern("PyLong_AsLongLong", WORD, value)
            emit.store(number, memory)
            odd = emit.icmp_signed("==", number, WORD(-1))
        elif leaf.dtype == "bool":
            number = emit.extern("PyObject_IsTrue", INT32, value)
            emit.store(emit.trunc(number, BYTE), memory)
            odd = emit.icmp_signed("==", number, INT32(-1))
        else:                       # NumPy's scalars of the other types have a type of their own: nothing to convert
            emit.extern(numpy_symbol("ScalarAsCtype"), VOID, value, memory)
            return
        with emit.if_then(odd, likely=False):       # -1 is either the number or an error
            self._give_up_if(emit.not_(emit.is_null(emit.extern("PyErr_Occurred", POINTER))))

    def _allocate(self, record: ir.Value, slots: list[ir.Value]) -> list[ir.Value]:
        """Make the result arrays and point the kernel to all results."""
        emit, arrays, slot, others = self.emit, [], iter(slots), []
        for i, (leaf, place) in enumerate(self.outputs, len(self.signature.leaves)):
            if not leaf.is_array:
                emit.put(next(slot), self.buffers, i)
                continue
            if self.signature.given:
                array = self._take(record, leaf, place, len(arrays), others)
            else:
                extents = emit.word_at(record, RecordWord.EXTENTS + place)
                array = emit.extern(numpy_symbol("Empty"), POINTER, INT32(leaf.ndim), extents, self._descriptor(leaf), INT32(0))
                self._own(array)
            arrays.append(array)
            emit.put(emit.load(emit.byte_at(array, ARRAY_DATA), typ=POINTER), self.buffers, i)
        return arrays

    def _take(self, record: ir.Value, leaf: Leaf, place: int, number: int, others: list) -> ir.Value:
        """The array that was given for a result, checked, with a reference of its own."""
        emit, array = self.emit, self._given(number)
        emit.extern("Py_IncRef", VOID, array)
        self._own(array)
        extents = emit.load(emit.byte_at(array, ARRAY_EXTENTS), typ=POINTER)
        data = emit.load(emit.byte_at(array, ARRAY_DATA), typ=POINTER)
        given = Given(leaf.dtype, place, data, [emit.get(extents, k) for k in range(leaf.ndim)], others)
        check_given(emit, Call(self.signature, self.head, self.buffers, self.words, self.strides), record, number, given, self.exit)
        return array

    def _descriptor(self, leaf: Leaf) -> ir.Value:
        return self.emit.extern(numpy_symbol("DescrFromType"), POINTER, INT32(np.dtype(leaf.dtype).num))

    def _build_results(self, arrays: list[ir.Value], slots: list[ir.Value]) -> ir.Value:
        """The Python value of the results. Tuples are all made before the first is filled: filling cannot fail."""
        arrays, slots = iter(arrays), iter(slots)
        leaves = [next(arrays) if leaf.is_array else self._box(leaf, next(slots)) for leaf in flatten(self.results)]
        tuples = {}
        self._make_tuples(self.results, (), tuples)
        return self._fill(self.results, (), tuples, iter(leaves))

    def _make_tuples(self, part: Structure, path: tuple[int, ...], made: dict) -> None:
        if isinstance(part, tuple):
            made[path] = self.emit.extern("PyTuple_New", POINTER, WORD(len(part)))
            self._own(made[path])
            for i, inner in enumerate(part):
                self._make_tuples(inner, (*path, i), made)

    def _fill(self, part: Structure, path: tuple[int, ...], tuples: dict, leaves: Iterator[ir.Value]) -> ir.Value:
        if part is None:
            nothing = self.emit.get(self.head, Head.NONE, POINTER)
            self.emit.extern("Py_IncRef", VOID, nothing)
            return nothing
        if isinstance(part, Leaf):
            return next(leaves)
        for i, inner in enumerate(part):
            value = self._fill(inner, (*path, i), tuples, leaves)
            self.emit.store(value, self.emit.byte_at(tuples[path], FIRST_ITEM + 8 * i))
        return tuples[path]

    def _box(self, leaf: Leaf, memory: ir.Value) -> ir.Value:
        """A Python number, or NumPy's scalar where the argument that it is like is not exactly a Python number."""
        emit = self.emit
        if leaf.dtype not in PYTHON_NUMBERS:
            value = self._box_numpy(leaf, memory)
        elif leaf.like is None:
            value = self._box_python(leaf, memory)
        else:
            exact = self._has_type(self._argument(leaf.like), PYTHON_NUMBERS[leaf.dtype])
            with emit.if_else(exact, likely=True) as (then, otherwise):
                with then:
                    python, python_block = self._box_python(leaf, memory), emit.block
                with otherwise:
                    numpy, numpy_block = self._box_numpy(leaf, memory), emit.block
            value = emit.phi(POINTER)
            value.add_incoming(python, python_block)
            value.add_incoming(numpy, numpy_block)
        self._own(value)
        return value

    def _box_python(self, leaf: Leaf, memory: ir.Value) -> ir.Value:
        number = self.emit.load(memory, typ=llvm_type(leaf.dtype))
        if leaf.dtype == "float64":
            return self.emit.extern("PyFloat_FromDouble", POINTER, number)
        if leaf.dtype == "bool":
            return self.emit.extern("PyBool_FromLong", POINTER, self.emit.zext(number, WORD))
        return self.emit.extern("PyLong_FromLongLong", POINTER, number)

    def _box_numpy(self, leaf: Leaf, memory: ir.Value) -> ir.Value:
        descriptor = self._descriptor(leaf)
        value = self.emit.extern(numpy_symbol("Scalar"), POINTER, memory, descriptor, NULL)
        self.emit.extern("Py_DecRef", VOID, descriptor)
        return value
