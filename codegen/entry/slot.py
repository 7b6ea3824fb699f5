"""Calls from `@njit` code: Numba's type of an object.

The caller's machine code holds a private null pointer for each call of an object. When it first runs it imports this package and
asks `resolve` for the head of an entry, which it then keeps. So a caller that Numba has cached on disk holds no address, and an
object that was changed, renamed or removed since then is an answer or a Python exception.
"""
import functools
import inspect
import itertools
from collections.abc import Iterator

from numba.core import errors, types
from numba.core.imputils import lower_constant, lower_getattr_generic
from numba.core.registry import cpu_target
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.core.typing.templates import signature as numba_signature
from numba.core.typing.typeof import typeof
from numba.extending import NativeValue, models, register_model, unbox

from .lowering import OUT, is_nested_alike, leaf_of_type, leaves_of_type, lower_call, numba_type, number_type, out_of_type, tree_key
from .registry import live_object
from .types import DTYPES, Leaf, Signature, structure_text

_OUT = inspect.Parameter(OUT, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None)


class EntryType(types.Callable, types.Opaque):
    """Numba's type of one object: two objects have two types."""

    def __init__(self, slot_key: str):
        self.slot_key = slot_key
        super().__init__(f"EntryDispatcher({slot_key})")

    # What Numba's type inference and lowering ask.

    def get_call_type(self, context, args, kws):
        try:
            found = live_object(self.slot_key)
        except LookupError as error:
            raise errors.TypingError(str(error)) from error
        try:
            args, kws, out = _split_out(found, args, kws)
            given = found.parameters.bind(*args, **kws).arguments
            kinds = {name: given[name] if name in given else typeof(p.default) for name, p in found.parameters.parameters.items()}
            called = live_object(tree_key(self.slot_key, kinds.values())) or found
            leaves = {name: [_leaf(name, part) for part in (leaves_of_type(kind) if called.is_of_tree else [kind])] for name, kind in kinds.items()}
            signature = Signature(tuple(itertools.chain(*leaves.values())), out and out_of_type(out, called.is_of_tree))
            called.state(signature)
            results = called.structure(signature)
            if out is not None and called.is_of_tree and not is_nested_alike(out, called.written(results)):
                raise TypeError(f"out is {out}, which has not the structure of what is written into it: {structure_text(called.written(results))}.")
        except TypeError as error:
            raise errors.TypingError(f"{found.__name__}(): {error}") from error
        arguments = [_argument_type(kind, iter(leaves[name])) for name, kind in kinds.items()]
        parameters = found.parameters
        if out is not None:
            arguments.append(out)
            parameters = parameters.replace(parameters=[*parameters.parameters.values(), _OUT])
        return numba_signature(numba_type(results), *arguments).replace(pysig=parameters)

    def get_call_signatures(self):
        return (), True

    def get_impl_key(self, sig):
        key = type(self), self.slot_key
        _insert_lowering(key)
        return key


@functools.cache
def _insert_lowering(key: tuple) -> None:
    lowering = functools.partial(lower_call, key[1])
    cpu_target.target_context.insert_func_defn([(lowering, key, (types.VarArg(types.Any),))])


def _split_out(found, args: tuple, kws: dict) -> tuple[tuple, dict, types.Type | None]:
    """The arguments, and what is given as `out` behind them or by name."""
    if not found.takes_out:
        return args, kws, None
    if OUT in kws:
        return args, {name: kind for name, kind in kws.items() if name != OUT}, kws[OUT]
    count = len(found.parameters.parameters)
    return (args[:count], kws, args[count]) if len(args) == count + 1 else (args, kws, None)


def _argument_type(kind: types.Type, leaves: Iterator[Leaf]) -> types.Type:
    """What an argument is converted to: literals and omitted numbers to plain ones."""
    if isinstance(kind, types.BaseAnonymousTuple):
        return types.BaseTuple.from_types([_argument_type(part, leaves) for part in kind])
    leaf = next(leaves)
    return kind if leaf.is_array else number_type(leaf.dtype)


def _leaf(name: str, kind: types.Type) -> Leaf:
    leaf = leaf_of_type(kind)
    if leaf is None:
        raise TypeError(f"argument '{name}' is {kind}. From @njit code arrays and numbers of {', '.join(DTYPES)} are taken, and tuples of them.")
    return leaf


register_model(EntryType)(models.OpaqueModel)


@infer_getattr
class EntryAttributes(AttributeTemplate):
    """Attributes of an object that are objects themselves."""

    key = EntryType

    def generic_resolve(self, kind: EntryType, name: str):
        """Numba's type of the attribute; None when there is none."""
        try:
            found = live_object(kind.slot_key).compiled_attribute(name)
        except LookupError:     # a call tells why
            return None
        return None if found is None else found._numba_type_


@lower_getattr_generic(EntryType)
def _attribute(context, builder, kind, value, name):
    return context.get_dummy_value()


@lower_constant(EntryType)
def _constant(context, builder, kind, value):
    return context.get_dummy_value()


@unbox(EntryType)
def _unbox(kind, value, c):
    return NativeValue(c.context.get_dummy_value())
