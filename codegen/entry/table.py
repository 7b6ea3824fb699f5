"""The run-time table of one signature: from extents and static integers to a record that the compiled entry can use.

Everything here is int64 memory that machine code reads without locks:

    head    table, handler, code, ...                   one block per entry, see `Head`
    table   index mask, one mask per countable scalar, then slots of (record, key words)
    record  kernel, params, workspace, workspace bytes, when it was last used, then the extents of all array results

A slot is written once: its key first, then its record with a release store; a reader that finds no record asks Python. A table
that is too full, or whose key changes, is replaced by a new one.
"""
import ctypes
import enum
import weakref

import numpy as np

from .load import address_of
from .types import RecordWord, Specialisation

MULTIPLIER = 0x9E3779B97F4A7C15     # 2**64 / golden ratio: Knuth's multiplicative hashing
WORD = 2**64


class Head(enum.IntEnum):
    """Words of an entry's head, the only memory whose address compiled code is given."""

    TABLE = 0
    HANDLER = 1         # the Python object that is called back
    CODE = 2            # the entry for compiled callers
    NDARRAY = 3         # type objects that the entry for Python compares with
    MEMMAP = 4
    FLOAT = 5
    INT = 6
    BOOL = 7
    NONE = 8


class Record:
    """A specialisation as the entry sees it. Frees its workspace when it goes."""

    def __init__(self, specialisation: Specialisation):
        self.specialisation = specialisation
        self.params = np.ascontiguousarray(specialisation.params, np.int64)
        extents = [extent for shape in specialisation.output_shapes for extent in shape]
        self.words = np.array(
            [specialisation.kernel, address_of(self.params), 0, specialisation.workspace_bytes, 0, *extents], np.int64)
        specialisation.words = self.words
        # At exit another thread may still be in the kernel: leave it to the system.
        weakref.finalize(self, _free_workspace, self.words).atexit = False

    @property
    def address(self) -> int:
        return address_of(self.words)


def _free_workspace(words: np.ndarray) -> None:
    free = ctypes.pythonapi.PyMem_RawFree
    free.argtypes, free.restype = [ctypes.c_void_p], None
    free(int(words[RecordWord.WORKSPACE]))


class Table:
    """Open addressing, linear probing, at most half full, so that a reader always meets an empty slot."""

    def __init__(self, masks: tuple[int, ...], rank: int, capacity: int):
        self._masks = masks
        self._header = 1 + len(masks)
        self._stride = 1 + rank + len(masks)
        self._slots = 2
        while self._slots < 2 * capacity:
            self._slots *= 2
        self._capacity = self._slots // 2
        self._used = 0
        self.words = np.zeros(self._header + self._slots * self._stride, np.int64)
        self.words[0] = self._slots - 1
        self.words[1:self._header] = masks

    @property
    def is_full(self) -> bool:
        return self._used == self._capacity

    def insert(self, key: tuple[int, ...], record: Record, publish) -> None:
        """Add a key that is not there. `publish(address, value)` is a release store."""
        assert not self.is_full
        index = hash_words(key) & self._slots - 1
        while self.words[self._header + index * self._stride]:
            index = index + 1 & self._slots - 1
        slot = self._header + index * self._stride
        self.words[slot + 1:slot + self._stride] = key
        publish(address_of(self.words) + 8 * slot, record.address)
        self._used += 1


def hash_words(words: tuple[int, ...]) -> int:
    """The hash that compiled entries compute, of signed 64-bit words."""
    value = 0
    for word in words:
        value = (value ^ word % WORD) * MULTIPLIER % WORD
        value ^= value >> 32
    return value
