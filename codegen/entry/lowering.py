"""The machine code of a call of an object from `@njit` code, as part of the caller."""
import functools
from collections.abc import Iterator

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing.typeof import typeof

from . import native_entry
from .emit import POINTER, WORD, item_bytes, widened
from .registry import ATTRIBUTE, keep_text, live_object, request
from .table import Head
from .types import DTYPES, UNNAMED, Leaf, Signature, Structure, flatten

PACKAGE = __name__.rpartition(".")[0]
OUT = "out"
IN_PARALLEL_REGION = "__numba_parfor_gufunc"        # in the names of the functions that Numba makes of parallel loops


def number_type(dtype: str) -> types.Type:
    """Numba's type of a number."""
    return types.boolean if dtype == "bool" else getattr(types, dtype)


def numba_type(results: Structure) -> types.Type:
    """Numba's type of results."""
    if results is None:
        return types.none
    if isinstance(results, tuple):
        return types.BaseTuple.from_types([numba_type(part) for part in results])
    number = number_type(results.dtype)
    return types.Array(number, results.ndim, "C") if results.is_array else number


_DTYPE_OF = {number_type(dtype): dtype for dtype in DTYPES}


def leaf_of_type(kind: types.Type) -> Leaf | None:
    """What an argument of this Numba type is to an entry, None when it is nothing that an entry takes."""
    kind = types.unliteral(typeof(kind.value) if isinstance(kind, types.Omitted) else kind)     # omitted by the caller's caller
    if type(kind) is types.Array and kind.dtype in _DTYPE_OF:
        return Leaf("array", _DTYPE_OF[kind.dtype], kind.ndim, "C" if kind.layout == "C" and kind.aligned else "A")
    return Leaf("scalar", _DTYPE_OF[kind]) if kind in _DTYPE_OF else None


def tree_key(slot_key: str, kinds) -> str:
    """The key of what is called for arguments of these types: with tuples among them an attribute of the object, named by their structure."""
    trees = tuple(map(_tree_of_type, kinds))
    return f"{slot_key}{ATTRIBUTE}{trees}" if any(isinstance(tree, tuple) for tree in trees) else slot_key


def _tree_of_type(kind: types.Type):
    return tuple(map(_tree_of_type, kind)) if isinstance(kind, types.BaseAnonymousTuple) else 0


def leaves_of_type(kind: types.Type) -> list[types.Type]:
    """The types of the leaves of an argument."""
    return [leaf for part in kind for leaf in leaves_of_type(part)] if isinstance(kind, types.BaseAnonymousTuple) else [kind]


def out_of_type(kind: types.Type, is_of_tree: bool) -> Leaf | tuple[Leaf, ...]:
    """What memory for results of this Numba type is to an entry; for calls with trees it is nested as the results are, with None for numbers."""
    if is_of_tree:
        arrays = tuple([_leaf_of_out(part, OUT) for part in leaves_of_type(kind) if part != types.none])
        return arrays[0] if len(arrays) == 1 else arrays
    if isinstance(kind, types.BaseTuple):
        return tuple(_leaf_of_out(part, f"{OUT}[{k}]") for k, part in enumerate(kind))
    return _leaf_of_out(kind, OUT)


def is_nested_alike(kind: types.Type, results: Structure) -> bool:
    """Whether memory of this Numba type has the structure of results."""
    if isinstance(results, tuple):
        return isinstance(kind, types.BaseAnonymousTuple) and len(kind) == len(results) and all(map(is_nested_alike, kind, results))
    return isinstance(kind, types.Array) if results is not None and results.is_array else kind == types.none


def _leaf_of_out(kind: types.Type, name: str) -> Leaf:
    leaf = leaf_of_type(kind)
    if leaf is None or not leaf.is_array:
        raise TypeError(f"{name} is {kind}; results are written into arrays, or a tuple of them.")
    if leaf.layout != "C" or not kind.mutable:
        raise TypeError(f"{name} is {kind}; results are written into C-contiguous, writeable arrays.")
    return leaf


def lower_call(slot_key: str, context, builder, sig, args):
    """Emit a call of the object `slot_key`."""
    count = len(live_object(slot_key).parameters.parameters)
    slot_key = tree_key(slot_key, sig.args[:count])
    found = live_object(slot_key)
    given = [(kind, value) for kind, value in _flat(builder, sig.args[count], args[count]) if kind != types.none] if len(args) > count else []
    arguments = [leaf for kind, value in zip(sig.args[:count], args) for leaf in _flat(builder, kind, value)]
    signature = Signature(tuple([leaf_of_type(kind) for kind, _ in arguments]), out_of_type(sig.args[count], found.is_of_tree) if given else None)
    results, structure = found.state(signature).results, found.structure(signature)
    text = request(slot_key, signature, structure, parallel=IN_PARALLEL_REGION in builder.function.name)
    head = _load_slot(context, builder, _text_address(context, builder, slot_key, text), text)

    blocks = _store_arguments(context, builder, ((leaf, kind, value) for leaf, (kind, value) in zip(signature.leaves, arguments)), len(list(flatten(results))))
    result_block = cgutils.alloca_once(builder, POINTER, max(native_entry.result_words(results), 1))
    _store_given(context, builder, given, results, len(signature.leaves), blocks[0], result_block)
    code = builder.load(_word(builder, head, Head.CODE), typ=native_entry.ENTRY.as_pointer())
    status = builder.call(code, [head, *blocks, result_block])
    with builder.if_then(cgutils.is_not_null(builder, status), likely=False):
        context.call_conv.return_exc(builder)
    return _load_results(context, builder, structure, _ResultReader(builder, result_block), iter(given))


def _flat(builder, kind: types.Type, value) -> list[tuple[types.Type, ir.Value]]:
    """The leaves of nested tuples, each with its type."""
    if isinstance(kind, types.BaseAnonymousTuple):
        return [leaf for k, part in enumerate(kind) for leaf in _flat(builder, part, builder.extract_value(value, k))]
    return [(kind, value)]


def _store_given(context, builder, given, results: Structure, first: int, buffers, result_block) -> None:
    """Tell the entry of the arrays that are given for array results: their data and extents."""
    arrays, place = iter(given), 0
    for i, leaf in enumerate(flatten(results), first):
        if given and leaf.is_array:
            kind, value = next(arrays)
            array = cgutils.create_struct_proxy(kind)(context, builder, value)
            builder.store(array.data, _word(builder, buffers, i))
            for k in range(leaf.ndim):
                builder.store(builder.extract_value(array.shape, k), _word(builder, result_block, place + 2 + k))
        place += 2 + leaf.ndim if leaf.is_array else 1


def _word(builder, base, index: int):
    return builder.gep(base, [WORD(index)], source_etype=WORD)


def _text_address(context, builder, slot_key: str, text: str):
    """A constant string for objects with a name; else one in this process's memory, which tells Numba not to cache the caller."""
    if not slot_key.startswith(UNNAMED):
        return builder.bitcast(context.insert_const_string(builder.module, text), POINTER)
    return context.add_dynamic_addr(builder, keep_text(text), info="object without a name")


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

    def skip(self, count: int) -> None:
        self._place += count


def _load_results(context, builder, results: Structure, reader: _ResultReader, given: Iterator[tuple[types.Type, ir.Value]]):
    """The Numba value of the results; arrays that were given for them are returned as they are."""
    kind = numba_type(results)
    if results is None:
        return context.get_dummy_value()
    if isinstance(results, tuple):
        return context.make_tuple(builder, kind, [_load_results(context, builder, part, reader, given) for part in results])
    if not results.is_array:
        return context.data_model_manager[kind].from_data(builder, reader.next_word(context.get_data_type(kind)))
    taken = next(given, None)
    if taken is not None:
        reader.skip(2 + results.ndim)
        context.nrt.incref(builder, *taken)
        return taken[1]
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
