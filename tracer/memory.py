"""Memory that a caller gives for results that are trees: ``out`` has their structure, and its arrays are written into."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from codegen.entry.lowering import OUT

from .errors import ArgumentError
from .trace.trees import DATA, Branch, Describer, Path, Spec, build, path_text, structure_text


class Memory:
    """What ``out`` looks like for results of one structure, of which the first leaves, ``skipped``, get no memory (the value beside a gradient).

    ``spec`` has its containers; what stands at the place of a number is not looked at.
    """

    def __init__(self, result: Spec, skipped: int):
        self.spec = _containers(result)
        self.skipped = skipped
        self.paths: list[Path] = _described(build(self.spec, itertools.repeat(None)))[1].paths

    def leaves(self, out, name: str) -> list:
        """The leaves of ``out``; raises when it has another structure."""
        found, describer = _described(out)
        if found is DATA and not isinstance(out, np.ndarray):
            raise ArgumentError(f"out is a {type(out).__name__}. Behind the arguments of {name}() comes memory for the results: {structure_text(self.spec)}.")
        if found != self.spec:
            raise ArgumentError(f"{name}(): out has the structure {structure_text(found)}, but what is written into it has {structure_text(self.spec)}.")
        return describer.leaves

    @staticmethod
    def arrays(leaves: Sequence):
        """What the entry takes for the arrays among the leaves."""
        found = tuple([leaf for leaf in leaves if isinstance(leaf, np.ndarray)])
        return found[0] if len(found) == 1 else found

    def check(self, leaves: Sequence, results: Sequence) -> None:
        """Refuse arrays at the places of numbers, which the entry cannot see."""
        for leaf, path, result in zip(leaves, self.paths, results[self.skipped:]):
            if isinstance(leaf, np.ndarray) and leaf is not result:
                raise ArgumentError(f"{path_text(path)} is an array, but the result is a number, which is returned. Put None there.")


def _containers(spec: Spec) -> Spec:
    if isinstance(spec, Branch):
        return spec._replace(parts=tuple([_containers(part) for part in spec.parts]))
    return DATA


def _described(out) -> tuple[Spec, Describer]:
    describer = Describer(lambda value, path: DATA)
    return describer(out, (("arg", OUT),)), describer
