"""The answer to compiled callers: the head of the entry that they ask for."""
import functools
import re
import sys
import traceback
from dataclasses import replace

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from .emit import GIVE_UP
from .load import address_of
from .registry import PARALLEL, keep_state, live_object
from .state import native_code
from .table import Head, Table
from .types import Leaf, Signature, parse_leaf, structure_text

_LEAF = re.compile(r"[a-z]+\d*(?:\[\d+[CA]\])?")


def resolve(text: str) -> int:
    """Address of the head of the entry that a compiled caller asks for, see `request`."""
    key, call, region = text.rsplit("|", 2)
    arguments, _, results = call.partition("->")
    signature = Signature.parse(arguments)
    try:
        with global_compiler_lock:
            called = live_object(key)
            if called is None:
                raise LookupError(f"there is no object `{key}` any more. Delete the __pycache__ of its caller.")
            state, returned = called.state(signature), structure_text(called.structure(signature))
            if returned != results:
                raise TypeError(f"`{key}` of ({arguments}) now returns {returned}, but its caller was compiled for "
                                f"{results}. Delete the caller's __pycache__.")
            keep_state(state)
            return state.native_head(parallel=region == PARALLEL)
    except Exception:
        if region != PARALLEL:
            raise
        with global_compiler_lock:
            return _lost_head(key, signature, results)


class _Lost:
    """Answers to calls of what is not there."""

    def miss(self, address: int, unused: int) -> int:
        return GIVE_UP

    def no_memory(self, size: int, unused: int) -> int:
        return GIVE_UP


@functools.cache
def _lost_head(key: str, signature: Signature, results: str) -> int:
    """The head of an entry which fills results with NaN, for parallel regions: Numba loses exceptions there, and the rest of the loop with them."""
    print(f"Exception in a parallel region, in a call of `{key}`; its results there are NaN:\n{traceback.format_exc()}", file=sys.stderr)
    leaves = tuple(_like_an_argument(parse_leaf(each), signature) for each in _LEAF.findall(results.replace("None", "")))
    head, handler = np.zeros(len(Head), np.int64), _Lost()
    table = Table((0,) * len(signature.countable), signature.rank, capacity=1)
    head[Head.HANDLER], head[Head.CODE], head[Head.TABLE] = id(handler), native_code(signature, leaves, True)[0], address_of(table.words)
    keep_state((head, handler, table))
    return address_of(head)


def _like_an_argument(leaf: Leaf, signature: Signature) -> Leaf:
    """With the shape of the first argument that it can have it of: the request does not tell."""
    like = next((i for i, argument in enumerate(signature.leaves) if argument.is_array and (argument.dtype, argument.ndim) == (leaf.dtype, leaf.ndim)), None)
    return replace(leaf, like=like) if leaf.is_array else leaf
