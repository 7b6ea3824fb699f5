"""What is traced beside the function itself: value, gradient, Jacobian, Hessian and the products with them.

A transform runs the user's function on traced arguments and derives what it is asked for in the same trace. So a compiled object
that is called inside another trace is simply run there. The arguments that it differentiates are cut off from the graph
around it first (``copy_of``): a variable of an enclosing function is a constant to it, also where it is the same number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .chosen import Chosen, classify_traced, failing, float_outputs, rolled, scalar_output, split_auxiliary
from .derivation import derived
from .derive.forward import tangents as forward
from .derive.reverse import gradients as reverse
from .graph.types import ArrayType, array_type
from .trace.arguments import Callee, callee_of, select
from .trace.functions import FUNCTIONS
from .trace.rows import in_rows
from .trace.session import Session
from .trace.trees import Describer, Spec, build
from .trace.value import Traced, as_traced, cast

VALUE = "value"  # in a template: the number that the user's function returns


@dataclass(frozen=True)
class Pair:
    """In a template: the derivative of the gradient with respect to one argument, by another one; their places."""

    row: int
    column: int


@dataclass
class Outcome:
    """What a transform has made: trees of traced values."""

    result: Any                # what a call returns
    value: Any                 # the outputs of the user's function
    derivatives: Any = None    # what was derived, in the structure of the arguments
    like: dict[int, Traced] = field(default_factory=dict)  # id of a gradient -> the argument whose kind of number it is


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
    has_derivative: ClassVar[bool] = True
    takes_out: ClassVar[bool] = False  # may array results be written into memory of the caller's
    has_value_first: ClassVar[bool] = False  # of results; there is no memory for it

    @property
    def maker(self) -> str:
        """The public function that makes such objects."""
        return self.kind

    def template(self, callee: Callee):
        """What a call with flat arguments returns: VALUE, places of arguments that a gradient is like, pairs of them, tuples; None when only a trace tells."""
        return None

    def written(self, result: Spec) -> tuple[Spec, int]:
        """The part of a result that memory of the caller's is for, and how many leaves come before it."""
        return (result.parts[1], 1) if self.has_value_first else (result, 0)

    def callee(self, function) -> Callee:
        """How the object that is made of a function is called."""
        return callee_of(function)

    def value_transform(self) -> Transform:
        return Value()

    def value_and_gradient_transform(self) -> Transform:
        return ValueAndGradient(self.argnums, self.has_aux)

    def differentiated(self, callee: Callee) -> tuple[int, ...]:
        """The parameters, of a function with plain ones, that derivatives are taken of."""
        return tuple([place[0] for place in select(self.argnums, callee).places])

    def _output(self, session: Session, callee: Callee, values: Sequence, is_inner: bool):
        """What the user's function returns; loops that it has unrolled are loops again."""
        if is_inner:
            return callee.call(session.rebinder.see, values)
        output = callee.call(session.rebinder.see, [in_rows(each) for each in values])
        return rolled(session, failing(session, output))

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
    maker = "jit"
    has_derivative = False
    takes_out = True

    def check(self, callee):
        pass

    def document(self, callee):
        return f"{callee.name}, compiled."

    def differentiated(self, callee):
        return ()

    def run(self, session, callee, values, is_inner):
        output = self._output(session, callee, values, is_inner)
        return Outcome(output, output)


class Number(Value):
    """The function itself, where it must return one float: known before any trace, so that compiled callers can be compiled first."""

    takes_out = False

    def run(self, session, callee, values, is_inner):
        value, _ = scalar_output(session, callee, self._output(session, callee, values, is_inner), False)
        value = cast(value, _value_dtype(values, value))
        return Outcome(value, value)

    def template(self, callee):
        return VALUE


class OfNumber(Transform):
    """What is made of a function that returns one number."""

    takes_out = True

    def value_transform(self):
        return Value() if self.has_aux else Number()

    def _places(self, callee: Callee, entry: Callable[[int], Any]):
        """A template with an entry for each argument that is differentiated."""
        selection = select(self.argnums, callee)
        found = tuple([entry(place[0]) for place in selection.places])
        return found[0] if selection.is_single else found


class Gradient(OfNumber):
    """The gradient of a function that returns one number."""

    kind = "grad"
    title = "Gradient"

    def run(self, session, callee, values, is_inner):
        chosen = self._chosen(session, callee, values, is_inner)
        output = self._output(session, callee, chosen.values, is_inner)
        value, aux = scalar_output(session, callee, output, self.has_aux)
        leaves = derived(session, is_inner, ("gradient",), (value, *chosen.floats), types_of(chosen.floats),
                         lambda: reverse(session.trace, value, chosen.floats))
        like = {id(leaf): argument for leaf, argument in zip(leaves, chosen.floats)}
        tree = chosen.tree(leaves)
        value = cast(value, _value_dtype(values, value))
        return Outcome(self._result(value, aux, tree), value, tree, like)

    def _result(self, value, aux, tree):
        return (tree, aux) if self.has_aux else tree

    def template(self, callee):
        return None if self.has_aux else self._places(callee, lambda place: place)


class ValueAndGradient(Gradient):
    """Value and gradient, which share all work."""

    kind = "value_and_grad"
    title = "Value and gradient"
    has_value_first = True

    def _result(self, value, aux, tree):
        return ((value, aux), tree) if self.has_aux else (value, tree)

    def template(self, callee):
        gradient = super().template(callee)
        return None if gradient is None else (VALUE, gradient)


def _value_dtype(values: Sequence, value: Traced) -> np.dtype:
    """float32 where all floats among the arguments are, otherwise float64: known before any trace, as compiled callers need it."""
    describer = Describer(classify_traced)
    for each in values:
        describer(each)
    floats = {leaf.dtype.name for leaf in describer.leaves if type(leaf) is Traced and leaf.node.type.is_float}
    return np.dtype("float32") if floats == {"float32"} else np.dtype("float64")


class Jacobian(Transform):
    """All derivatives of all outputs: an array of shape output.shape + argument.shape for each pair of leaves."""

    kind = "jacobian"
    title = "Jacobian"
    takes_out = True

    def run(self, session, callee, values, is_inner):
        chosen = self._chosen(session, callee, values, is_inner)
        output = self._output(session, callee, chosen.values, is_inner)
        aux = None
        if self.has_aux:
            output, aux = split_auxiliary(callee, output)
        spec, leaves = float_outputs(session, callee, output)
        rows = _matrix(session, is_inner, "jacobian", leaves, leaves, chosen.floats, lambda: derivatives_of(session, leaves, chosen.floats))
        tree = build(spec, iter([chosen.tree(row) for row in rows]))
        return Outcome((tree, aux) if self.has_aux else tree, output, tree)


class Hessian(OfNumber):
    """All second derivatives of a function that returns one number."""

    kind = "hessian"
    title = "Hessian"

    def run(self, session, callee, values, is_inner):
        chosen = self._chosen(session, callee, values, is_inner)
        output = self._output(session, callee, chosen.values, is_inner)
        value, aux = scalar_output(session, callee, output, self.has_aux)
        rows = _matrix(session, is_inner, "hessian", [value], chosen.floats, chosen.floats,
                       lambda: derivatives_of(session, reverse(session.trace, value, chosen.floats), chosen.floats))
        tree = chosen.tree([chosen.tree(row) for row in rows])
        return Outcome((tree, aux) if self.has_aux else tree, value, tree)

    def template(self, callee):
        return None if self.has_aux else self._places(callee, lambda row: self._places(callee, lambda column: Pair(row, column)))


def types_of(values: Sequence[Traced]) -> list[ArrayType]:
    """The types of traced values."""
    return [value.node.type for value in values]


def _matrix(session: Session, is_inner: bool, request: str, outputs: Sequence[Traced], rows: Sequence[Traced], columns: Sequence[Traced],
            sweep: Callable[[], list[list[Traced]]]) -> list[list[Traced]]:
    """One derivative for each pair of a row and a column; ``outputs`` are what is differentiated."""
    types = [array_type(row.dtype, (*row.shape, *column.shape)) for row in rows for column in columns]
    flat = iter(derived(session, is_inner, (request, len(outputs)), (*outputs, *columns), types,
                        lambda: [cast(entry, kind.dtype) for entry, kind in zip((entry for row in sweep() for entry in row), types)]))
    return [[next(flat) for _ in columns] for _ in rows]


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
