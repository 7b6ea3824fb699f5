"""Which object has which key, for compiled callers: live objects are found again, and what callers hold is kept."""
import ctypes
import gc
import os
import weakref

from numba.core.compiler_lock import global_compiler_lock

from .types import UNNAMED, Signature, structure_text

PARALLEL = "parallel"
ATTRIBUTE = ">"     # in the key of an object that is an attribute of another


class _Registry:
    """The live objects by key, and all that compiled callers hold addresses of."""

    def __init__(self):
        self._objects: dict[str, list[weakref.ref]] = {}
        self.states: dict[int, object] = {}
        self.texts: list[ctypes.Array] = []

    def add(self, key: str, entry_dispatcher) -> None:
        # Names come again, with the next object; other keys never do.
        forget = (lambda _: self._objects.pop(key)) if key.startswith(UNNAMED) else (lambda gone: self._objects[key].remove(gone))
        self._objects.setdefault(key, []).append(weakref.ref(entry_dispatcher, forget))

    def live(self, key: str) -> list:
        found = [reference() for reference in self._objects.get(key, ())]
        return [entry_dispatcher for entry_dispatcher in found if entry_dispatcher is not None]


_registry = _Registry()


def register(entry_dispatcher) -> None:
    """Make an object known under its `slot_key`."""
    _registry.add(entry_dispatcher.slot_key, entry_dispatcher)


def _one_of(found: list) -> list:
    """One of several objects, if any will do."""
    return found[:1] if all(found[0].is_equal(other) for other in found[1:]) else found


def live_object(key: str):
    """The one object of this key; LookupError when there is none, or more than one."""
    found = _one_of(_registry.live(key))
    if len(found) > 1:
        gc.collect()        # old ones may only wait for the collector
        found = _one_of(_registry.live(key))
    if len(found) > 1:
        raise LookupError(f"{len(found)} objects are called `{key}`, so that compiled code cannot tell which one it calls. "
                          "Make one and use it everywhere.")
    if not found:
        owner, _, attribute = key.rpartition(ATTRIBUTE)
        if owner:
            return live_object(owner).compiled_attribute(attribute)
        raise LookupError(f"there is no object `{key}` (any more): it was renamed or removed, or its module is not imported. "
                          "Import it; or, when cached code still calls it, delete the __pycache__ of the caller.")
    return found[0]


def equal_objects(entry_dispatcher) -> list:
    """The live objects that compiled callers may take for this one: itself, and those that do the same under the same key."""
    return [other for other in _registry.live(entry_dispatcher.slot_key) if entry_dispatcher.is_equal(other)]


def request(key: str, signature: Signature, results, *, parallel: bool) -> str:
    """The text with which a compiled caller asks for an entry."""
    return f"{key}|{signature}->{structure_text(results)}|{PARALLEL if parallel else ''}"


def keep_state(state) -> None:
    """Keep what compiled callers hold the address of."""
    _registry.states[id(state)] = state


def keep_text(text: str) -> int:
    """Address of a C string that stays."""
    memory = ctypes.create_string_buffer(text.encode())
    _registry.texts.append(memory)
    return ctypes.addressof(memory)


# A process forked while another thread compiles would inherit a lock that nobody gives back.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=global_compiler_lock.acquire, after_in_parent=global_compiler_lock.release,
                        after_in_child=global_compiler_lock.release)
