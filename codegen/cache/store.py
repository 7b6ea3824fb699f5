"""Entries of the cache: one file each, written whole, checked before it is believed, the least recently used removed first.

An entry is a magic line, a digest, and the content: a JSON header with the lengths of the byte blocks that follow. The digest is over the
entry's name too, so that a file under a foreign name is no entry. Nothing is unpickled. Whatever is wrong with a file, or with the disk,
is a miss.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tracer.errors import CacheWarning

from .folder import distrust, is_private, prepared, wanted_folder

MAGIC = b"tracegrad cache 1\n"
DIGEST_BYTES = 32
HEADER_BYTES = 4                # the length of the JSON header, big-endian
SUFFIX = ".entry"
UNFINISHED = ".part"
UNFINISHED_SECONDS = 3600       # what a killed process has left is removed after this
DEFAULT_MEGABYTES = 512
LARGEST_SHARE = 8               # an entry beyond this part of the limit is not kept
SIZE_VARIABLE = "TRACER_CACHE_MB"


class Entry(NamedTuple):
    """What is stored under a name: a JSON value and blocks of bytes."""

    header: dict
    blocks: tuple[bytes, ...] = ()


class Stored(NamedTuple):
    """A file of the cache, for listing and eviction."""

    path: str
    kind: str
    size: int
    used: float     # seconds since the epoch


class Store:
    """The entries of one folder, which exists and is private."""

    def __init__(self, folder: str, limit: int):
        self.folder = folder
        self.limit = limit
        self._unchecked = limit     # bytes written since eviction looked last; at first it knows nothing

    def get(self, kind: str, key: str) -> Entry | None:
        """The entry, or None when there is none that is whole."""
        path = self._path(kind, key)
        try:
            data = _read(path)
        except OSError:
            return None
        entry = _unpacked(data, f"{kind}-{key}")
        with contextlib.suppress(OSError):
            if entry is None:
                os.unlink(path)
            else:
                os.utime(path)
        return entry

    def touch(self, kind: str, key: str) -> bool:
        """Note that an entry is in use; whether it is there."""
        try:
            os.utime(self._path(kind, key))
        except FileNotFoundError:
            return False
        except OSError:
            pass
        return True

    def put(self, kind: str, key: str, entry: Entry) -> None:
        """Keep an entry, if the disk takes it."""
        data = _packed(entry, f"{kind}-{key}")
        if len(data) * LARGEST_SHARE > self.limit:
            return
        unfinished = os.path.join(self.folder, f"{os.getpid()}-{os.urandom(8).hex()}{UNFINISHED}")
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "wb") as file:
                file.write(data)
            os.replace(unfinished, self._path(kind, key))
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(unfinished)
            return
        self._unchecked += len(data)
        if self._unchecked * 16 > self.limit:
            self._unchecked = 0
            self.evict()

    def entries(self) -> list[Stored]:
        """All entries, the least recently used first."""
        found = []
        with contextlib.suppress(OSError):
            for file in os.scandir(self.folder):
                if file.name.endswith(SUFFIX):
                    with contextlib.suppress(OSError):
                        status = file.stat(follow_symlinks=False)
                        found.append(Stored(file.path, file.name.partition("-")[0], status.st_size, status.st_mtime))
        return sorted(found, key=lambda stored: stored.used)

    def evict(self) -> None:
        """Remove what was used longest ago until a quarter of the limit is free, if the limit is passed; and what was never finished."""
        entries = self.entries()
        total = sum(stored.size for stored in entries)
        if total > self.limit:
            for stored in entries:
                if total <= self.limit * 3 // 4:
                    break
                total -= stored.size
                _remove(stored.path)
        for path in self._unfinished():
            _remove(path)

    def clear(self) -> int:
        """Remove every entry; how many there were."""
        entries = self.entries()
        for stored in entries:
            _remove(stored.path)
        for path in self._unfinished():
            _remove(path)
        return len(entries)

    def _unfinished(self) -> Iterator[str]:
        with contextlib.suppress(OSError):
            for file in list(os.scandir(self.folder)):
                with contextlib.suppress(OSError):
                    if file.name.endswith(UNFINISHED) and time.time() - file.stat(follow_symlinks=False).st_mtime > UNFINISHED_SECONDS:
                        yield file.path

    def _path(self, kind: str, key: str) -> str:
        return os.path.join(self.folder, f"{kind}-{key}{SUFFIX}")


def open_store() -> Store | None:
    """The cache that the environment asks for; None when there is none or it cannot be trusted."""
    folder = wanted_folder()
    return None if folder is None else _opened(folder, _limit())


@functools.cache
def _opened(folder: str, limit: int) -> Store | None:
    if not prepared(folder):
        return None
    reason = distrust(folder)
    if reason is not None:
        warnings.warn(f"the cache is not used: {reason}.", CacheWarning, stacklevel=2)
        return None
    return Store(folder, limit)


def _limit() -> int:
    chosen = os.environ.get(SIZE_VARIABLE, "")
    return (int(chosen) if chosen.isdecimal() else DEFAULT_MEGABYTES) << 20


def digest_of(*parts: str | bytes) -> str:
    """A key: the hash of parts, none of which can run into the next."""
    made = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        made.update(len(data).to_bytes(8, "big"))
        made.update(data)
    return made.hexdigest()


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        return file.read() if is_private(descriptor) else b""


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _packed(entry: Entry, name: str) -> bytes:
    header = json.dumps({"sizes": list(map(len, entry.blocks)), "value": entry.header}, separators=(",", ":")).encode()
    content = b"".join((len(header).to_bytes(HEADER_BYTES, "big"), header, *entry.blocks))
    return MAGIC + _digest(name, content) + content


def _unpacked(data: bytes, name: str) -> Entry | None:
    start = len(MAGIC) + DIGEST_BYTES
    content = memoryview(data)[start:]
    if not data.startswith(MAGIC) or data[len(MAGIC):start] != _digest(name, content):
        return None
    # What follows was written by us, whole: the digest says so.
    size = int.from_bytes(content[:HEADER_BYTES], "big")
    header = json.loads(bytes(content[HEADER_BYTES:HEADER_BYTES + size]))
    return Entry(header["value"], _blocks(content[HEADER_BYTES + size:], header["sizes"]))


def _blocks(content: memoryview, sizes: Sequence[int]) -> tuple[bytes, ...]:
    found, place = [], 0
    for size in sizes:
        found.append(bytes(content[place:place + size]))
        place += size
    return tuple(found)


def _digest(name: str, content: bytes | memoryview) -> bytes:
    made = hashlib.blake2b(name.encode(), digest_size=DIGEST_BYTES)
    made.update(content)
    return made.digest()
