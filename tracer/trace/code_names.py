"""What a function's code looks up and assigns by name."""

from __future__ import annotations

import dis
import functools
import types


@functools.lru_cache(maxsize=4096)
def names_of(code: types.CodeType) -> frozenset[str]:
    """The global and attribute names in a code object and in those nested in it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= names_of(constant)
    return frozenset(found)


_STORE_GLOBAL = dis.opmap["STORE_GLOBAL"]


@functools.lru_cache(maxsize=4096)
def stored_globals(code: types.CodeType) -> frozenset[str]:
    """The names that a `global` statement assigns."""
    found: set[str] = set()
    if _STORE_GLOBAL in code.co_code[::2]:  # reading the bytes first: decoding a long function takes longer than tracing it
        found = {i.argval for i in dis.get_instructions(code) if i.opcode == _STORE_GLOBAL}
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            found |= stored_globals(constant)
    return frozenset(found)
