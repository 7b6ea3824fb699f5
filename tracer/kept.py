"""Specialisations in the cache: from a traced graph with its request for derivatives straight to machine code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np

from codegen.cache.fingerprint import fingerprint
from codegen.cache.store import Entry, Store, digest_of
from codegen.kernel import Kernel, Options, find_code
from codegen.report import Report

from .graph.graph import Graph
from .graph.identity import captured_arrays, identity
from .graphs import Graphs


class Kept(NamedTuple):
    """What is known of a specialisation without its graphs. ``nodes``: traced, with derivatives, simplified."""

    kernel: Any
    nodes: tuple[int, int, int]
    report: Report


class Shelf:
    """Where the specialisations of single calls stand in the cache."""

    kind = "specialisation"

    def key_of(self, graphs: Graphs, options: Options) -> str | None:
        """The key of a specialisation; None when its graph has none."""
        found = identity(graphs.request)
        return found and digest_of(found, repr(graphs.settings.simplify), repr(options), repr(sorted(graphs.strided)), *self._parts(), fingerprint())

    def find(self, key: str, request: Graph, store: Store) -> Kept | None:
        """The specialisation of this key; None when it is not in the cache, or its machine code is not."""
        entry = store.get(self.kind, key)
        found = entry and find_code(entry.header["kernel"]["key"], store)
        if not found:
            return None
        header, blocks = entry
        captured = captured_arrays(request)
        arrays = [captured[source].values if isinstance(source, int) else _array(source, blocks) for source in header["arrays"]]
        report = Report(**header["report"])
        report.rewrites = Counter(report.rewrites)
        return Kept(self._read(header["kernel"], arrays, blocks, *found), tuple(header["nodes"]), report)

    def keep(self, key: str, request: Graph, kept: Kept, store: Store) -> None:
        """Put a specialisation into the cache. Of arrays that the function has captured, the content is not written: the next trace has it."""
        known = {id(each.values): k for k, each in enumerate(captured_arrays(request))}
        blocks: list[bytes] = []
        kernel, arrays = self._written(kept.kernel, blocks)
        sources = [known[id(array)] if id(array) in known else _source(array, blocks) for array in arrays]
        report = {field.name: getattr(kept.report, field.name) for field in fields(Report)}
        store.put(self.kind, key, Entry({"kernel": kernel, "nodes": kept.nodes, "report": report, "arrays": sources}, tuple(blocks)))

    def _parts(self) -> tuple[str, ...]:
        """What the key depends on beside the graph."""
        return ()

    def _written(self, kernel, blocks: list[bytes]) -> tuple[dict, Sequence[np.ndarray]]:
        """A kernel as JSON and blocks, and the arrays that it runs with."""
        blocks.append(kernel.params.tobytes())
        return {"key": kernel.key, "workspace_bytes": kernel.workspace_bytes, "places": kernel.places}, kernel.arrays

    def _read(self, header: dict, arrays: Sequence[np.ndarray], blocks: Sequence[bytes], code, origin: str):
        """The kernel of what was written."""
        values = np.frombuffer(blocks[0], np.int64).copy()
        for place, array in zip(header["places"], arrays):
            values[place] = array.ctypes.data
        return Kernel(values, header["workspace_bytes"], header["key"], origin, {}, tuple(arrays), tuple(header["places"]), code)


def _source(array: np.ndarray, blocks: list[bytes]) -> dict:
    blocks.append(array.tobytes())
    return {"block": len(blocks) - 1, "dtype": array.dtype.str, "shape": array.shape}


def _array(source: dict, blocks: Sequence[bytes]) -> np.ndarray:
    return np.frombuffer(blocks[source["block"]], source["dtype"]).reshape(source["shape"])
