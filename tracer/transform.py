"""What is traced beside the function itself: value, gradient, Jacobian, Hessian and the products with them.

A transform runs the user's function on traced arguments and derives what it is asked for in the same trace. So a compiled object
that is called inside another trace is simply run there. The arguments that it differentiates are cut off from the graph
around it first (``copy_of``): a variable of an enclosing function is a constant to it, also where it is the same number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .derive.forward import tangents as forward
from .derive.reverse import gradients as reverse
from .derive.reverse import pullback
from .errors import ArgumentError, OutputError, ShapeError
from .ops import TABLE
from .trace.arguments import Callee, Selection, select
from .trace.objects import record_of
from .trace.session import Session
from .trace.trees import DATA, MISSING, NOTHING, Describer, Path, Static, build, container_kind, map_data, path_text
from .trace.value import FUNCTIONS, Traced, as_traced, cast, make


@dataclass
class Outcome:
    """What a transform has made: trees of traced values."""

    result: Any                # what a call returns
    value: Any                 # the outputs of the user's function
    derivatives: Any = None    # what was derived, in the structure of the arguments
    like: dict[int, Traced] = field(default_factory=dict)  # id of a gradient -> the argument whose kind of number it is


# Trees of traced values -------------------------------------------------------------------------------------------------------

def _classify_traced(value, path: Path):
    kind = type(value)
    if kind is Traced or kind in (float, int) or isinstance(value, (np.ndarray, np.generic)) and not isinstance(value, np.bool_):
        return DATA
    return Static(value, key=(kind, id(value)))  # lives no longer than one trace


def open_tree(session: Session, value, path: Path = ()):
    """The spec and the traced leaves of a value inside a trace."""
    describer = Describer(_classify_traced)
    spec = describer(value, path)
    return spec, [as_traced(leaf, session.trace) for leaf in describer.leaves], describer.paths


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
        spec, leaves, paths = open_tree(session, value, path)
        _check_has_float(value, leaves, path)
        if is_inner:
            leaves = [_cut(session, leaf) for leaf in leaves]
        self.floats += [leaf for leaf in leaves if leaf.node.type.is_float]
        self.names += [path_text(p) for leaf, p in zip(leaves, paths) if leaf.node.type.is_float]
        self._put(parameter, inside, build(spec, iter(leaves)))
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
    if record_of(value) is not None or not leaves and container_kind(value) is None and not isinstance(value, (str, bool, type(None))):
        kind = type(record_of(value).target if record_of(value) is not None else value).__name__
        raise ArgumentError(f"{asked} it is a {kind} object, which is no tree of numbers. Pass its arrays, or make {kind} a dataclass.")
    if len(leaves) == 1 and leaves[0].weak is int and container_kind(value) is None:
        raise ArgumentError(f"{asked} it is an int, and only floats have one. Pass 3.0 instead of 3, or float({name}).")
    if len(leaves) == 1 and container_kind(value) is None:
        type_ = leaves[0].node.type
        what = f"an array of {type_.dtype}" if type_.ndim else f"of type {type_.dtype}"
        raise ArgumentError(f"{asked} it is {what}, and only floats have one. Pass {name}.astype(float).")
    if leaves:
        raise ArgumentError(f"{asked} there is no float in it. Write its numbers as floats, 3.0 instead of 3.")
    raise ArgumentError(f"{asked} it is {_static_text(value)}, which is static. Name the float arguments with argnums=.")


def _static_text(value) -> str:
    return f"an empty {type(value).__name__}" if container_kind(value) is not None else repr(value)


# What the user's function returned ----------------------------------------------------------------------------------------------

def scalar_output(session: Session, callee: Callee, output, has_aux: bool) -> tuple[Traced, Any]:
    """The number to differentiate, and what is returned beside it."""
    name, aux = callee.name, None
    if has_aux:
        if not isinstance(output, tuple) or len(output) != 2:
            raise OutputError(f"{name}() returned {_output_text(output)}, but has_aux=True expects a pair: return value, aux.")
        output, aux = output
    if output is None:
        raise OutputError(f"{name}() returned None. Does it lack a return statement?")
    if container_kind(output) is not None:
        cure = "Return one number" + ("" if has_aux else "; to return more beside it, return (value, aux) and pass has_aux=True")
        raise OutputError(f"{name}() returned {_output_text(output)}; a gradient is of one number. {cure}.")
    if not isinstance(output, (Traced, float, int, np.ndarray, np.generic)):
        raise OutputError(f"{name}() returned {_output_text(output)}; a gradient is of one float.")
    value = as_traced(output, session.trace)
    if value.shape:
        raise OutputError(f"{name}() returned an array of shape {value.shape}; a gradient is of one number. "
                          f"Reduce it with np.sum or np.mean, or use jacobian({name}).")
    if not value.node.type.is_float:
        raise OutputError(f"{name}() returned a value of dtype {value.dtype}; only floats have a gradient. "
                          f"Return a float, or the integer beside it with has_aux=True.")
    return value, aux


def _output_text(output) -> str:
    if isinstance(output, Traced):
        return f"an array of shape {output.shape}" if output.shape else f"one {output.dtype}"
    if isinstance(output, (tuple, list)):
        return f"a {type(output).__name__} of {len(output)}"
    return "None" if output is None else f"a {type(output).__name__}"


def float_outputs(session: Session, callee: Callee, output):
    """The spec and leaves of outputs that all must be floats."""
    spec, leaves, paths = open_tree(session, output, (("arg", "output"),))
    if not leaves:
        raise OutputError(f"{callee.name}() returned {_output_text(output)}; a derivative is of floats.")
    for leaf, path in zip(leaves, paths):
        if not leaf.node.type.is_float:
            raise OutputError(f"{callee.name}() returned a value of dtype {leaf.dtype} ({path_text(path)}); only floats have a derivative.")
    return spec, leaves


# Transforms -----------------------------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Transform:
    """What is made of a function; hashable, part of the key of a compiled object."""

    kind: ClassVar[str]
    argnums: int | str | tuple = 0
    has_aux: bool = False

    def run(self, session: Session, callee: Callee, values: Sequence, is_inner: bool) -> Outcome:
        """Trace and derive. ``values``: one per parameter; ``is_inner``: inside the trace of another function."""
        raise NotImplementedError

    def check(self, callee: Callee) -> None:
        """Refuse what cannot be before any call."""
        select(self.argnums, callee)

    def document(self, callee: Callee) -> str:
        return f"{self.title} of {callee.name} with respect to {argument_names(self.argnums, callee)}."

    title: ClassVar[str] = ""

    def _chosen(self, session, callee, values, is_inner) -> Chosen:
        return Chosen(session, callee, select(self.argnums, callee, values), values, is_inner)


def argument_names(argnums, callee: Callee) -> str:
    """The differentiated arguments by name, as far as the signature tells."""
    names = []
    for place, each in zip(select(argnums, callee).places, argnums if isinstance(argnums, tuple) else (argnums,)):
        names.append(f"argument {each}" if place is None or len(place) > 1 else callee.parameters[place[0]].name)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class Value(Transform):
    """The function itself."""

    kind = "value"

    def check(self, callee):
        pass

    def document(self, callee):
        return f"{callee.name}, compiled."

    def run(self, session, callee, values, is_inner):
        output = callee.call(session.rebinder.see, values)
        return Outcome(output, output)


class Gradient(Transform):
    """The gradient of a function that returns one number."""

    kind = "grad"
    title = "Gradient"

    def run(self, session, callee, values, is_inner):
        chosen = self._chosen(session, callee, values, is_inner)
        output = callee.call(session.rebinder.see, chosen.values)
        value, aux = scalar_output(session, callee, output, self.has_aux)
        with session.timed("derive"):
            leaves = reverse(session.trace, value, chosen.floats)
        like = {id(leaf): argument for leaf, argument in zip(leaves, chosen.floats)}
        tree = chosen.tree(leaves)
        value = cast(value, _value_dtype(values, value))
        return Outcome(self._result(value, aux, tree), value, tree, like)

    def _result(self, value, aux, tree):
        return (tree, aux) if self.has_aux else tree


class ValueAndGradient(Gradient):
    """Value and gradient, which share all work."""

    kind = "value_and_grad"
    title = "Value and gradient"

    def _result(self, value, aux, tree):
        return ((value, aux), tree) if self.has_aux else (value, tree)


def _value_dtype(values: Sequence, value: Traced) -> np.dtype:
    """float32 where all floats among the arguments are, otherwise float64: known before any trace, as compiled callers need it."""
    describer = Describer(_classify_traced)
    for each in values:
        describer(each)
    floats = {leaf.dtype.name for leaf in describer.leaves if type(leaf) is Traced and leaf.node.type.is_float}
    return np.dtype("float32") if floats == {"float32"} else np.dtype("float64")


class Jacobian(Transform):
    """All derivatives of all outputs: an array of shape output.shape + argument.shape for each pair of leaves."""

    kind = "jacobian"
    title = "Jacobian"

    def run(self, session, callee, values, is_inner):
        chosen = self._chosen(session, callee, values, is_inner)
        output = callee.call(session.rebinder.see, chosen.values)
        aux = None
        if self.has_aux:
            if not isinstance(output, tuple) or len(output) != 2:
                raise OutputError(f"{callee.name}() returned {_output_text(output)}, but has_aux=True expects a pair: return value, aux.")
            output, aux = output
        spec, leaves = float_outputs(session, callee, output)
        with session.timed("derive"):
            rows = derivatives_of(session, leaves, chosen.floats)
        tree = build(spec, iter([chosen.tree(row) for row in rows]))
        return Outcome((tree, aux) if self.has_aux else tree, output, tree)


class Hessian(Transform):
    """All second derivatives of a function that returns one number."""

    kind = "hessian"
    title = "Hessian"

    def run(self, session, callee, values, is_inner):
        chosen = self._chosen(session, callee, values, is_inner)
        output = callee.call(session.rebinder.see, chosen.values)
        value, aux = scalar_output(session, callee, output, self.has_aux)
        with session.timed("derive"):
            rows = derivatives_of(session, reverse(session.trace, value, chosen.floats), chosen.floats)
        tree = chosen.tree([chosen.tree(row) for row in rows])
        return Outcome((tree, aux) if self.has_aux else tree, value, tree)


def derivatives_of(session: Session, outputs: list[Traced], arguments: list[Traced]) -> list[list[Traced]]:
    """The matrix of Jacobians: a reverse sweep per output element or a forward sweep per input element, whichever are fewer."""
    if sum(y.size for y in outputs) <= sum(x.size for x in arguments):
        return [_rows(session, y, arguments) for y in outputs]
    columns = [_columns(session, outputs, x) for x in arguments]
    return [list(row) for row in zip(*columns)]


def _rows(session: Session, output: Traced, arguments: list[Traced]) -> list[Traced]:
    sweeps = [reverse(session.trace, FUNCTIONS["getitem"](output, index) if index else output, arguments) for index in np.ndindex(output.shape)]
    return [_stacked(session, [sweep[k] for sweep in sweeps], output.shape, x.shape, x.dtype) for k, x in enumerate(arguments)]


def _columns(session: Session, outputs: list[Traced], argument: Traced) -> list[Traced]:
    sweeps = []
    for index in np.ndindex(argument.shape):
        direction = np.zeros(argument.shape, argument.dtype)
        direction[index] = 1
        sweeps.append(forward(session.trace, outputs, [argument], [as_traced(direction if index else direction[()], session.trace)]))
    return [_stacked(session, [sweep[k] for sweep in sweeps], y.shape, argument.shape, y.dtype, axis=-1) for k, y in enumerate(outputs)]


def _stacked(session: Session, parts: list[Traced], rows: tuple, columns: tuple, dtype, axis: int = 0) -> Traced:
    shape = (*rows, *columns)
    if not parts:
        return as_traced(np.zeros(shape, dtype), session.trace)
    return parts[0] if not shape else FUNCTIONS[np.reshape](FUNCTIONS[np.stack](parts, axis=axis), shape)


# Products with the Jacobian and the Hessian: the arguments are (primals, directions) ---------------------------------------------

class Product(Transform):
    """A function of ``primals`` (the arguments, as a tuple) and ``directions`` (tangents or cotangents)."""

    def check(self, callee):
        pass

    def document(self, callee):
        return f"{self.title} of {callee.name}."

    def run(self, session, callee, values, is_inner):
        *hidden, primals, directions = values
        primals = _as_tuple(primals, "primals", f"{self.kind}()")
        inner = callee.inner
        bound = inner.bind((*hidden, *primals), {})
        count = len(primals)
        places = tuple([_primal_place(inner, len(hidden) + k) for k in range(count)])
        chosen = Chosen(session, inner, Selection(places, False), bound, is_inner)
        output = inner.call(session.rebinder.see, chosen.values)
        return self._product(session, inner, chosen, output, primals, directions)

    def _product(self, session, callee, chosen: Chosen, output, primals, directions) -> Outcome:
        raise NotImplementedError


def _as_tuple(value, what: str, name: str) -> tuple:
    if not isinstance(value, (tuple, list)):
        raise ArgumentError(f"{name} takes {what} as a tuple with one entry per argument, not a {_kind(value)}: {name[:-1]}f, (x,), (v,)).")
    return tuple(value)


def _kind(value) -> str:
    return str(value.node.type) if type(value) is Traced else type(value).__name__


def _primal_place(callee: Callee, index: int) -> tuple:
    if index < len(callee.positional):
        return (callee.positional[index],)
    star = next(i for i, p in enumerate(callee.parameters) if p.kind is p.VAR_POSITIONAL)
    return star, index - len(callee.positional)


def _directions(session: Session, given, like, leaves: Sequence[Traced], what: str, of: str) -> list[Traced]:
    """Tangents or cotangents, checked against what they belong to: the same structure, shapes and (by casting) dtypes."""
    spec, _, paths = open_tree(session, like)
    other, values, _ = open_tree(session, given)
    if not _same_structure(spec, other):
        raise ShapeError(f"the {what} do not have the structure of the {of}: {_structure_text(other)} where {_structure_text(spec)} is needed.")
    kept = [value for value, primal in zip(values, open_tree(session, like)[1]) if primal.node.type.is_float]
    for value, leaf, path in zip(kept, leaves, paths):
        if value.shape != leaf.shape:
            raise ShapeError(f"a {what[:-1]} has shape {value.shape} where its {of[:-1]} has {leaf.shape} ({path_text(path) or of}).")
    return [cast(value, leaf.dtype) for value, leaf in zip(kept, leaves)]


def _same_structure(a, b) -> bool:
    if a is DATA or b is DATA or isinstance(a, Static) or isinstance(b, Static):
        return (a is DATA) == (b is DATA)
    return a.kind is b.kind and a.keys == b.keys and all(map(_same_structure, a.parts, b.parts))


def _structure_text(spec) -> str:
    return repr(build(map_data(spec, lambda: Static(MISSING, "*")), iter(()))).replace("<missing>", "*")


class TangentProduct(Product):
    """Outputs and their tangents: (f(primals), J @ tangents)."""

    kind = "jvp"
    title = "Jacobian-vector product"

    def _product(self, session, callee, chosen, output, primals, directions):
        tangents = _directions(session, _as_tuple(directions, "tangents", "jvp()"), primals, chosen.floats, "tangents", "primals")
        spec, leaves = float_outputs(session, callee, output)
        with session.timed("derive"):
            moved = forward(session.trace, leaves, chosen.floats, tangents)
        tree = build(spec, iter(moved))
        return Outcome((output, tree), output, tree)


class CotangentProduct(Product):
    """The cotangents of the primals for cotangents of the outputs."""

    kind = "vjp"
    title = "Vector-Jacobian product"

    def _product(self, session, callee, chosen, output, primals, directions):
        aux = None
        if self.has_aux:
            output, aux = output
        spec, leaves = float_outputs(session, callee, output)
        cotangents = _directions(session, directions, output, leaves, "cotangents", "outputs")
        with session.timed("derive"):
            pulled = pullback(session.trace, leaves, chosen.floats, cotangents)
        like = {id(leaf): argument for leaf, argument in zip(pulled, chosen.floats)}
        tree = chosen.tree(pulled)
        return Outcome(tree, output, tree, like)


class HessianProduct(Product):
    """The Hessian times a vector, without the Hessian: a forward sweep over the gradient."""

    kind = "hvp"
    title = "Hessian-vector product"

    def _product(self, session, callee, chosen, output, primals, directions):
        tangents = _directions(session, _as_tuple(directions, "tangents", "hvp()"), primals, chosen.floats, "tangents", "primals")
        value, _ = scalar_output(session, callee, output, self.has_aux)
        with session.timed("derive"):
            moved = forward(session.trace, reverse(session.trace, value, chosen.floats), chosen.floats, tangents)
        like = {id(leaf): argument for leaf, argument in zip(moved, chosen.floats)}
        tree = chosen.tree(moved)
        return Outcome(tree[0] if len(primals) == 1 else tree, value, tree, like)
