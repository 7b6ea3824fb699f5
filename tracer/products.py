"""Products with the Jacobian and the Hessian, whose arguments are the primals and the directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from .chosen import Chosen, float_outputs, open_tree, scalar_output, split_auxiliary
from .derivation import derived
from .derive.forward import tangents as forward
from .derive.reverse import gradients as reverse
from .derive.reverse import pullback
from .errors import ArgumentError, ShapeError
from .trace.arguments import Callee, Selection, product_callee
from .trace.session import Session
from .trace.static import MISSING, Static
from .trace.trees import DATA, build, map_data, path_text
from .trace.value import Traced, cast
from .transform import Outcome, Transform, types_of


class Product(Transform):
    """A function of ``primals`` (the arguments, as a tuple) and ``directions`` (tangents or cotangents)."""

    directions: ClassVar[str] = "tangents"

    def callee(self, function):
        return product_callee(function, self.directions)

    def check(self, callee):
        pass

    def document(self, callee):
        return f"{self.title} of {callee.name}."

    def differentiated(self, callee):
        return ()

    def run(self, session, callee, values, is_inner):
        *hidden, primals, directions = values
        primals = _as_tuple(primals, "primals", f"{self.kind}()")
        inner = callee.inner
        bound = inner.bind((*hidden, *primals), {})
        count = len(primals)
        places = tuple([_primal_place(inner, len(hidden) + k) for k in range(count)])
        chosen = Chosen(session, inner, Selection(places, False), bound, is_inner)
        output = self._output(session, inner, chosen.values, is_inner)
        return self._product(session, inner, chosen, output, primals, directions, is_inner)

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

    def _product(self, session, callee, chosen, output, primals, directions, is_inner):
        tangents = _directions(session, _as_tuple(directions, "tangents", "jvp()"), primals, chosen.floats, "tangents", "primals")
        spec, leaves = float_outputs(session, callee, output)
        moved = derived(session, is_inner, ("jvp", len(leaves)), (*leaves, *chosen.floats, *tangents), types_of(leaves),
                        lambda: forward(session.trace, leaves, chosen.floats, tangents))
        tree = build(spec, iter(moved))
        return Outcome((output, tree), output, tree)


class CotangentProduct(Product):
    """The cotangents of the primals for cotangents of the outputs."""

    kind = "vjp"
    title = "Vector-Jacobian product"
    directions = "cotangents"

    def _product(self, session, callee, chosen, output, primals, directions, is_inner):
        if self.has_aux:
            output, _ = split_auxiliary(callee, output)
        _, leaves = float_outputs(session, callee, output)
        cotangents = _directions(session, directions, output, leaves, "cotangents", "outputs")
        pulled = derived(session, is_inner, ("vjp", len(leaves)), (*leaves, *chosen.floats, *cotangents), types_of(chosen.floats),
                         lambda: pullback(session.trace, leaves, chosen.floats, cotangents))
        like = {id(leaf): argument for leaf, argument in zip(pulled, chosen.floats)}
        tree = chosen.tree(pulled)
        return Outcome(tree, output, tree, like)


class HessianProduct(Product):
    """The Hessian times a vector, without the Hessian: a forward sweep over the gradient."""

    kind = "hvp"
    title = "Hessian-vector product"

    def _product(self, session, callee, chosen, output, primals, directions, is_inner):
        tangents = _directions(session, _as_tuple(directions, "tangents", "hvp()"), primals, chosen.floats, "tangents", "primals")
        value, _ = scalar_output(session, callee, output, self.has_aux)
        moved = derived(session, is_inner, ("hvp",), (value, *chosen.floats, *tangents), types_of(chosen.floats),
                        lambda: forward(session.trace, reverse(session.trace, value, chosen.floats), chosen.floats, tangents))
        like = {id(leaf): argument for leaf, argument in zip(moved, chosen.floats)}
        tree = chosen.tree(moved)
        return Outcome(tree[0] if len(primals) == 1 else tree, value, tree, like)
