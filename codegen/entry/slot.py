"""Calls from `@njit` code.

The caller's machine code holds a private null pointer for each call of an object. When it first runs it imports this package and
asks `resolve("key|arguments->results")` for the head of an entry, which it then keeps. So a caller that Numba has cached on disk
holds no address, and an object that was changed, renamed or removed since then is an answer or a Python exception.
"""
import ctypes
import functools
import gc
import os
import weakref

from llvmlite import ir
from numba.core import cgutils, errors, types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.imputils import lower_constant
from numba.core.registry import cpu_target
from numba.core.typing.templates import fold_arguments
from numba.core.typing.templates import signature as numba_signature
from numba.core.typing.typeof import typeof
from numba.extending import NativeValue, models, register_model, unbox

from . import native_entry
from .emit import INT32, POINTER, WORD, item_bytes, widened
from .table import Head
from .types import DTYPES, Leaf, Signature, Structure, flatten, structure_text

PACKAGE = __name__.rpartition(".")[0]

IN_PARALLEL_REGION = "__numba_parfor_gufunc"        # in the names of the functions that Numba makes of parallel loops


class _Registry:
    """The live objects by key, and all states that compiled callers hold."""

    def __init__(self):
        self.objects: dict[str, weakref.WeakSet] = {}
        self.states: dict[int, object] = {}
        self.texts: list[ctypes.Array] = []
        self.lowered: set[tuple] = set()

    def live(self, key: str) -> list:
        return list(self.objects.get(key, ()))


_registry = _Registry()


def register(entry_dispatcher) -> None:
    """Make an object known under its `slot_key`."""
    _registry.objects.setdefault(entry_dispatcher.slot_key, weakref.WeakSet()).add(entry_dispatcher)


def live_object(key: str):
    """The one object of this key; LookupError when there is none, or more than one."""
    found = _registry.live(key)
    if len(found) > 1:
        gc.collect()        # old ones may only wait for the collector
        found = _registry.live(key)
    if len(found) > 1:
        raise LookupError(f"{len(found)} objects are called `{key}`, so that compiled code cannot tell which one it calls. "
                          "Make one and use it everywhere.")
    if not found:
        raise LookupError(f"compiled code calls `{key}`, but there is no such object (any more): it was renamed or removed, or its module is "
                          "not imported. Import it, or delete the caller's __pycache__.")
    return found[0]


def resolve(text: str) -> int:
    """Address of the head of the entry that a compiled caller asks for: `key|arguments->results`, with `|parallel` for a parallel region."""
    key, call, *parallel = text.split("|")
    arguments, _, results = call.partition("->")
    with global_compiler_lock:
        found = live_object(key)
        state = found.state(Signature.parse(arguments))
        if structure_text(state.results) != results:
            raise TypeError(f"`{key}` of ({arguments}) now returns {structure_text(state.results)}, but its caller was compiled for {results}. "
                            "Delete the caller's __pycache__.")
        _registry.states[id(state)] = state
        return state.native_head(parallel=bool(parallel))


class EntryType(types.Callable, types.Opaque):
    """Numba's type of one object: two objects have two types."""

    def __init__(self, slot_key: str):
        self.slot_key = slot_key
        super().__init__(f"EntryDispatcher({slot_key})")

    def get_call_type(self, context, args, kws):
        try:
            found = live_object(self.slot_key)
        except LookupError as error:
            raise errors.TypingError(str(error)) from error
        names = list(found.parameters.parameters)
        folded = fold_arguments(found.parameters, args, kws, lambda i, p, kind: kind, lambda i, p, value: types.Omitted(value), None)
        leaves = tuple(_typing_leaf(found, names[i], kind) for i, kind in enumerate(folded))
        try:
            results = found.state(Signature(leaves)).results
        except TypeError as error:
            raise errors.TypingError(f"{found.__name__}(): {error}") from error
        arguments = [kind if leaf.is_array else _number_type(leaf.dtype) for kind, leaf in zip(folded, leaves)]
        return numba_signature(_numba_type(results), *arguments).replace(pysig=found.parameters)

    def get_call_signatures(self):
        return (), True

    def get_impl_key(self, sig):
        key = type(self), self.slot_key
        if key not in _registry.lowered:
            _registry.lowered.add(key)
            lowering = functools.partial(_lower_call, self.slot_key)
            cpu_target.target_context.insert_func_defn([(lowering, key, (types.VarArg(types.Any),))])
        return key


def _number_type(dtype: str) -> types.Type:
    return types.boolean if dtype == "bool" else getattr(types, dtype)


def _numba_type(results: Structure) -> types.Type:
    if results is None:
        return types.none
    if isinstance(results, tuple):
        return types.BaseTuple.from_types([_numba_type(part) for part in results])
    number = _number_type(results.dtype)
    return types.Array(number, results.ndim, "C") if results.is_array else number


DTYPE_OF = {_number_type(dtype): dtype for dtype in DTYPES}


def _leaf_of_type(kind: types.Type) -> Leaf | None:
    """What an argument of this Numba type is to an entry, None when it is nothing that an entry takes."""
    kind = types.unliteral(typeof(kind.value) if isinstance(kind, types.Omitted) else kind)
    if type(kind) is types.Array and kind.dtype in DTYPE_OF:
        return Leaf("array", DTYPE_OF[kind.dtype], kind.ndim, "C" if kind.layout == "C" and kind.aligned else "A")
    return Leaf("scalar", DTYPE_OF[kind]) if kind in DTYPE_OF else None


def _typing_leaf(found, name: str, kind: types.Type) -> Leaf:
    leaf = _leaf_of_type(kind)
    if leaf is not None:
        return leaf
    raise errors.TypingError(f"{found.__name__}(): argument '{name}' is {kind}. From @njit code it takes arrays and numbers of "
                             f"{', '.join(DTYPES)}; pass the parts of a tuple one by one.")


# Lowering.

register_model(EntryType)(models.OpaqueModel)


@lower_constant(EntryType)
def _constant(context, builder, kind, value):
    return context.get_dummy_value()


@unbox(EntryType)
def _unbox(kind, value, c):
    return NativeValue(c.context.get_dummy_value())


def _lower_call(slot_key: str, context, builder, sig, args):
    """Emit a call of the object `slot_key`."""
    leaves = tuple(_leaf_of_type(kind) for kind in sig.args)
    results = live_object(slot_key).state(Signature(leaves)).results
    parallel = IN_PARALLEL_REGION in builder.function.name
    text = f"{slot_key}|{Signature(leaves)}->{structure_text(results)}{'|parallel' if parallel else ''}"
    head = _load_slot(context, builder, _text_address(context, builder, slot_key, text), text)

    blocks = _store_arguments(context, builder, zip(leaves, sig.args, args), len(list(flatten(results))))
    result_block = cgutils.alloca_once(builder, POINTER, max(native_entry.result_words(results), 1))
    code = builder.load(_word(builder, head, Head.CODE), typ=native_entry.ENTRY.as_pointer())
    status = builder.call(code, [head, *blocks, result_block])
    with builder.if_then(cgutils.is_not_null(builder, status), likely=False):
        context.call_conv.return_exc(builder)
    return _load_results(context, builder, results, _ResultReader(builder, result_block))


def _word(builder, base, index: int):
    return builder.gep(base, [WORD(index)], source_etype=WORD)


def _text_address(context, builder, slot_key: str, text: str):
    """A constant string for objects with a name; else one in this process's memory, which tells Numba not to cache the caller."""
    if not slot_key.startswith("#"):
        return builder.bitcast(context.insert_const_string(builder.module, text), POINTER)
    memory = ctypes.create_string_buffer(text.encode())
    _registry.texts.append(memory)
    return context.add_dynamic_addr(builder, ctypes.addressof(memory), info="object without a name")


def _load_slot(context, builder, text_address, text: str):
    """The head from the caller's slot; when that is empty, ask `resolve` and fill it."""
    name = f"tracegrad.slot.{text}"
    slot = builder.module.globals.get(name)
    if slot is None:
        slot = ir.GlobalVariable(builder.module, WORD, name)
        slot.linkage, slot.initializer = "internal", WORD(0)
    known = builder.load_atomic(slot, "acquire", 8, typ=POINTER)
    before = builder.block
    with builder.if_then(cgutils.is_null(builder, known), likely=False):
        api = context.get_python_api(builder)
        gil = api.gil_ensure()
        package = api.import_module(context.insert_const_string(builder.module, PACKAGE))
        answer = _call_resolve(context, builder, api, package, text_address)
        with builder.if_then(cgutils.is_null(builder, answer), likely=False):
            api.gil_release(gil)
            context.call_conv.return_exc(builder)
        found = builder.bitcast(api.long_as_voidptr(answer), POINTER)
        api.decref(answer)
        api.gil_release(gil)
        builder.store_atomic(builder.ptrtoint(found, WORD), slot, "release", 8)
        after = builder.block
    head = builder.phi(POINTER)
    head.add_incoming(known, before)
    head.add_incoming(found, after)
    return head


def _call_resolve(context, builder, api, package, text_address):
    """`package.resolve(text)`, or null with an exception set."""
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(api.pyobj, [api.pyobj, api.cstring, api.cstring], var_arg=True), "PyObject_CallMethod")
    answer = cgutils.alloca_once_value(builder, package)
    with builder.if_then(cgutils.is_not_null(builder, package)):
        method, formats = (context.insert_const_string(builder.module, text) for text in ("resolve", "s"))
        builder.store(builder.call(function, [package, method, formats, text_address]), answer)
        api.decref(package)
    return builder.load(answer)


def _store_arguments(context, builder, arguments, result_count: int):
    """Lay the arguments out on the stack: buffers (with room for results), key words, strides."""
    arguments = list(arguments)
    rank = sum(leaf.ndim for leaf, _, _ in arguments)
    sizes = (len(arguments) + result_count, rank + len(arguments), rank)
    blocks = [cgutils.alloca_once(builder, POINTER, max(size, 1)) for size in sizes]
    buffers, words, strides = blocks
    axis, countable = 0, rank
    for i, (leaf, kind, value) in enumerate(arguments):
        if leaf.is_array:
            array = cgutils.create_struct_proxy(kind)(context, builder, value)
            builder.store(array.data, _word(builder, buffers, i))
            for k in range(leaf.ndim):
                builder.store(builder.extract_value(array.shape, k), _word(builder, words, axis + k))
                builder.store(builder.extract_value(array.strides, k), _word(builder, strides, axis + k))
            axis += leaf.ndim
            continue
        memory = cgutils.alloca_once(builder, POINTER)
        builder.store(context.get_value_as_data(builder, kind, value), memory)
        builder.store(memory, _word(builder, buffers, i))
        if leaf.is_countable:
            builder.store(widened(builder, memory, leaf), _word(builder, words, countable))
            countable += 1
    return blocks


class _ResultReader:
    """Reads the words of a result block in order."""

    def __init__(self, builder, block):
        self._builder, self._block, self._place = builder, block, 0

    def next_word(self, kind: ir.Type = WORD):
        self._place += 1
        return self._builder.load(_word(self._builder, self._block, self._place - 1), typ=kind)


def _load_results(context, builder, results: Structure, reader: _ResultReader):
    """The Numba value of the results."""
    kind = _numba_type(results)
    if results is None:
        return context.get_dummy_value()
    if isinstance(results, tuple):
        return context.make_tuple(builder, kind, [_load_results(context, builder, part, reader) for part in results])
    if not results.is_array:
        return context.data_model_manager[kind].from_data(builder, reader.next_word(context.get_data_type(kind)))
    array = cgutils.create_struct_proxy(kind)(context, builder)
    array.meminfo, data = reader.next_word(POINTER), reader.next_word(POINTER)
    array.data = builder.bitcast(data, array.data.type)
    shape = [reader.next_word() for _ in range(results.ndim)]
    strides, stride = [], WORD(item_bytes(results.dtype))
    array.itemsize = stride
    for extent in reversed(shape):
        strides.insert(0, stride)
        stride = builder.mul(stride, extent)
    array.shape, array.strides = (cgutils.pack_array(builder, numbers, WORD) for numbers in (shape, strides))
    array.nitems = functools.reduce(builder.mul, shape, WORD(1))
    array.parent = ir.Constant(array.parent.type, None)
    return array._getvalue()


# A process forked while another thread compiles would inherit a lock that nobody gives back.
os.register_at_fork(before=global_compiler_lock.acquire, after_in_parent=global_compiler_lock.release,
                    after_in_child=global_compiler_lock.release)
