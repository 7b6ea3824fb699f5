"""Inside a trace: the arguments that derivatives are taken of, and the outputs that have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .arms import in_arms
from .errors import ArgumentError, OutputError, TracedBoolError
from .ops import TABLE
from .rolling.roll import roll_trace
from .trace.arguments import Callee, Selection
from .trace.buffers import Buffer
from .trace.objects import SeenMaker, record_of
from .trace.session import Session
from .trace.static import Static
from .trace.trees import DATA, NOTHING, Describer, Path, build, container_kind, map_data, path_text
from .trace.value import Traced, as_traced, make

# Trees of traced values -------------------------------------------------------------------------------------------------------

def classify_traced(value, path: Path):
    """DATA for whatever can become a traced value; anything else is taken as it is."""
    kind = type(value)
    if kind in (Traced, Buffer, float, int) or (isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, np.bool_)):
        return DATA
    return Static(value, key=(kind, id(value)))  # lives no longer than one trace


def open_tree(session: Session, value, path: Path = ()):
    """The spec and the traced leaves of a value inside a trace."""
    describer = Describer(classify_traced)
    spec = describer(value, path)
    return spec, [as_traced(leaf, session.trace) for leaf in describer.leaves], describer.paths


def failing(session: Session, output):
    """What the user's function returned, with NaN for its floats where an exception would have been raised on the way."""
    if not session.trace.failures:
        return output
    spec, leaves, _ = open_tree(session, output)
    floats = [k for k, leaf in enumerate(leaves) if leaf.dtype.kind == "f"]
    for condition, kind, line in session.trace.failures:
        if not floats:
            raise TracedBoolError(f"{kind} is raised in an arm of an `if` on a traced value ({line}), and {session.trace.name}() returns no float that could "
                                  f"be NaN then: whether it happens is not known when the graph is built. Check arguments before the call.")
        for k in floats:
            leaves[k] = leaves[k] * np.where(condition, np.nan, 1.0)
    return build(spec, iter(leaves))


def rolled(session: Session, output):
    """What the user's function returned, with what it has unrolled as loops again, and what is dear in an arm of a branch in that arm alone."""
    builder = session.trace.builder
    is_long, chooses = len(builder) >= session.rolled_from, builder.has(TABLE["where"])
    if not (is_long or chooses):
        return output
    spec, leaves, _ = open_tree(session, output)
    if is_long:
        with session.timed("roll"):
            leaves = roll_trace(session.trace, leaves)
    return build(spec, iter(in_arms(session.trace, leaves) if chooses else leaves))


class Chosen:
    """The arguments that derivatives are taken of. ``floats`` are their float leaves; ``values`` all arguments, with these in place."""

    def __init__(self, session: Session, callee: Callee, selection: Selection, values: Sequence, is_inner: bool):
        self.selection = selection
        self.values = list(values)
        self.floats: list[Traced] = []
        self.names: list[str] = []
        self._specs = [self._open(session, callee, place, is_inner) for place in selection.places]

    def _open(self, session: Session, callee: Callee, place: tuple, is_inner: bool):
        parameter, *inside = place
        path = (("arg", callee.parameters[parameter].name), *(("item", key) for key in inside))
        value = self.values[parameter][inside[0]] if inside else self.values[parameter]
        if type(value) is Traced and value.type.is_float and not is_inner:  # nearly always: there is nothing to take apart
            self.floats.append(value)
            self.names.append(path_text(path))
            return DATA
        spec, leaves, paths = open_tree(session, value, path)
        _check_has_float(value, leaves, path)
        if is_inner:
            leaves = [_cut(session, leaf) for leaf in leaves]
        self.floats += [leaf for leaf in leaves if leaf.node.type.is_float]
        self.names += [path_text(p) for leaf, p in zip(leaves, paths) if leaf.node.type.is_float]
        self._put(parameter, inside, build(spec, iter(leaves), SeenMaker(session.rebinder.see), path))
        carried = iter(leaves)
        return map_data(spec, lambda: DATA if next(carried).node.type.is_float else NOTHING)

    def _put(self, parameter: int, inside: list, value) -> None:
        if not inside:
            self.values[parameter] = value
        elif isinstance(self.values[parameter], dict):
            self.values[parameter] = self.values[parameter] | {inside[0]: value}
        else:
            items = list(self.values[parameter])
            items[inside[0]] = value
            self.values[parameter] = tuple(items)

    def tree(self, leaves: Sequence):
        """One value per float leaf, in the structure of the arguments; None where there is no float."""
        leaves = iter(leaves)
        trees = tuple([build(spec, leaves) for spec in self._specs])
        return trees[0] if self.selection.is_single else trees


def _cut(session: Session, leaf: Traced) -> Traced:
    if not leaf.node.type.is_float:
        return leaf
    made = make(TABLE["copy_of"], (leaf,), (session.trace.fresh_tag(),))
    made.weak = leaf.weak
    return made


def _check_has_float(value, leaves: list[Traced], path: Path) -> None:
    if any(leaf.node.type.is_float for leaf in leaves):
        return
    name = path_text(path)
    asked = f"the gradient with respect to `{name}` is asked for, but"
    if container_kind(value) is None and (record_of(value) is not None or not leaves) and not isinstance(value, (str, bool, type(None))):
        kind = type(record_of(value).target if record_of(value) is not None else value).__name__
        raise ArgumentError(f"{asked} it is an instance of {kind}, which is no tree of numbers. Pass its arrays, or make {kind} a dataclass.")
    if len(leaves) == 1 and container_kind(value) is None:
        refuse_non_float(name, leaves[0].dtype.name, leaves[0].ndim > 0)
    if leaves:
        raise ArgumentError(f"{asked} there is no float in it. Write its numbers as floats, 3.0 instead of 3.")
    raise ArgumentError(f"{asked} it is {_static_text(value)}, which is static. Name the float arguments with argnums=.")


def refuse_non_float(name: str, dtype: str, is_array: bool) -> None:
    """Raise for an argument that a gradient is asked of, of a dtype that has none."""
    if is_array:
        what, cure = f"an array of {dtype}", f"{name}.astype(float)"
    else:
        what, cure = ("a bool", "1.0 or 0.0") if dtype == "bool" else ("an int", f"3.0 instead of 3, or float({name})")
    raise ArgumentError(f"the gradient with respect to `{name}` is asked for, but it is {what}, and only floats have one. Pass {cure}.")


def _static_text(value) -> str:
    return f"an empty {type(value).__name__}" if container_kind(value) is not None else repr(value)


# What the user's function returned ----------------------------------------------------------------------------------------------

def split_auxiliary(callee: Callee, output) -> tuple:
    """The value and what is returned beside it, for ``has_aux``."""
    if not isinstance(output, tuple) or len(output) != 2:
        raise OutputError(f"{callee.name}() returned {output_text(output)}, but has_aux=True expects a pair: return value, aux.")
    return output


def scalar_output(session: Session, callee: Callee, output, has_aux: bool) -> tuple[Traced, Any]:
    """The number to differentiate, and what is returned beside it."""
    name, aux = callee.name, None
    if has_aux:
        output, aux = split_auxiliary(callee, output)
    if output is None:
        raise OutputError(f"{name}() returned None. Does it lack a return statement?")
    if container_kind(output) is not None:
        cure = "Return one number" + ("" if has_aux else "; to return more beside it, return (value, aux) and pass has_aux=True")
        raise OutputError(f"{name}() returned {output_text(output)}; a gradient is of one number. {cure}.")
    if not isinstance(output, (Traced, float, int, np.ndarray, np.generic)):
        raise OutputError(f"{name}() returned {output_text(output)}; a gradient is of one float.")
    value = as_traced(output, session.trace)
    if value.shape:
        raise OutputError(f"{name}() returned an array of shape {value.shape}; a gradient is of one number. "
                          f"Reduce it with np.sum or np.mean, or use jacobian({name}).")
    if not value.node.type.is_float:
        raise OutputError(f"{name}() returned a value of dtype {value.dtype}; only floats have a gradient. "
                          f"Return a float, or the integer beside it with has_aux=True.")
    return value, aux


def output_text(output) -> str:
    """What a function returned, for messages."""
    if isinstance(output, Traced):
        return f"an array of shape {output.shape}" if output.shape else f"one {output.dtype}"
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {len(output)}"
    return "None" if output is None else f"a {type(output).__name__}"


def float_outputs(session: Session, callee: Callee, output):
    """The spec and leaves of outputs that all must be floats."""
    spec, leaves, paths = open_tree(session, output, (("arg", "output"),))
    if not leaves:
        raise OutputError(f"{callee.name}() returned {output_text(output)}; a derivative is of floats.")
    for leaf, path in zip(leaves, paths):
        if not leaf.node.type.is_float:
            raise OutputError(f"{callee.name}() returned a value of dtype {leaf.dtype} ({path_text(path)}); only floats have a derivative.")
    return spec, leaves
