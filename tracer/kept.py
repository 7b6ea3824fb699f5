"""Specialisations in the cache: from a traced graph with its request for derivatives straight to machine code."""

from __future__ import annotations

from collections import Counter
from dataclasses import fields
from typing import NamedTuple

import numpy as np

from codegen.cache.fingerprint import fingerprint
from codegen.cache.store import Entry, Store, digest_of
from codegen.kernel import Kernel, Options, find_code
from codegen.report import Report

from .graph.graph import Graph
from .graph.identity import captured_arrays, identity
from .graphs import Graphs

KIND = "specialisation"


class Kept(NamedTuple):
    """What is known of a specialisation without its graphs. ``nodes``: traced, with derivatives, simplified."""

    kernel: Kernel
    nodes: tuple[int, int, int]
    report: Report


def key_of(graphs: Graphs, options: Options) -> str | None:
    """The key of a specialisation; None when its graph has none."""
    found = identity(graphs.request)
    return found and digest_of(found, repr(graphs.settings.simplify), repr(options), repr(sorted(graphs.strided)), fingerprint())


def find(key: str, request: Graph, store: Store) -> Kept | None:
    """The specialisation of this key; None when it is not in the cache, or its machine code is not."""
    entry = store.get(KIND, key)
    found = entry and find_code(entry.header["kernel"], store)
    if not found:
        return None
    code, origin = found
    header, (params, *blocks) = entry
    captured = captured_arrays(request)
    arrays = tuple([captured[source].values if isinstance(source, int) else _array(source, blocks) for source in header["arrays"]])
    values = np.frombuffer(params, np.int64).copy()
    for place, array in zip(header["places"], arrays):
        values[place] = array.ctypes.data
    report = Report(**header["report"])
    report.rewrites = Counter(report.rewrites)
    kernel = Kernel(values, header["workspace_bytes"], header["kernel"], origin, {}, arrays, tuple(header["places"]), code)
    return Kept(kernel, tuple(header["nodes"]), report)


def keep(key: str, request: Graph, kept: Kept, store: Store) -> None:
    """Put a specialisation into the cache. Of arrays that the function has captured, the content is not written: the next trace has it."""
    known = {id(each.values): k for k, each in enumerate(captured_arrays(request))}
    sources: list = []
    blocks = [kept.kernel.params.tobytes()]
    for array in kept.kernel.arrays:
        source = known.get(id(array))
        if source is None:
            source = {"block": len(blocks) - 1, "dtype": array.dtype.str, "shape": array.shape}
            blocks.append(array.tobytes())
        sources.append(source)
    report = {field.name: getattr(kept.report, field.name) for field in fields(Report)}
    header = {"kernel": kept.kernel.key, "workspace_bytes": kept.kernel.workspace_bytes, "nodes": kept.nodes, "report": report,
              "arrays": sources, "places": kept.kernel.places}
    store.put(KIND, key, Entry(header, tuple(blocks)))


def _array(source: dict, blocks: list[bytes]) -> np.ndarray:
    return np.frombuffer(blocks[source["block"]], source["dtype"]).reshape(source["shape"])
