"""``python -m tracer cache``: show the disk cache; ``python -m tracer cache clear``: empty it."""

from __future__ import annotations

import argparse
import datetime
import itertools
import warnings

from codegen.cache.folder import VARIABLE, distrust, wanted_folder
from codegen.cache.store import Store, Stored, open_store

from .errors import CacheWarning


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; 0 when all went well."""
    parser = argparse.ArgumentParser(prog="python -m tracer", description="Compiled gradients of plain NumPy code.")
    commands = parser.add_subparsers(dest="command", required=True)
    cache = commands.add_parser("cache", help="show or clear the disk cache", description=f"The disk cache. Its folder is {VARIABLE}, if that is set.")
    cache.add_argument("action", nargs="?", choices=("show", "clear"), default="show")
    chosen = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CacheWarning)  # said below
        store = open_store()
    if store is None:
        folder = wanted_folder()
        print(f"no cache: {VARIABLE} is empty" if folder is None else f"no cache: {distrust(folder) or folder}")
        return 1
    if chosen.action == "clear":
        count = store.clear()
        print(f"{count} {'entry' if count == 1 else 'entries'} removed from {store.folder}")
    else:
        print("\n".join(_shown(store)))
    return 0


def _shown(store: Store) -> list[str]:
    entries = store.entries()
    total = sum(stored.size for stored in entries)
    lines = [store.folder, f"{_size(total)} of {_size(store.limit)}"]
    by_kind = itertools.groupby(sorted(entries, key=lambda stored: stored.kind), key=lambda stored: stored.kind)
    return lines + [_row(kind, list(group)) for kind, group in by_kind]


def _row(kind: str, entries: list[Stored]) -> str:
    used = datetime.datetime.fromtimestamp(max(stored.used for stored in entries))
    return f"  {kind:<16}{len(entries):>8}{_size(sum(stored.size for stored in entries)):>12}   last used {used:%Y-%m-%d %H:%M}"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count / 2**10:.1f} KiB"


if __name__ == "__main__":
    raise SystemExit(main())
