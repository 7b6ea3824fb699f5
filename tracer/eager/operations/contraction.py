"""Einstein's sum convention, as a batch of matrix products."""

from __future__ import annotations

import functools
import math
import string

from ..record import look_up_nodes
from ..tensor import Tensor
from .products import bmm
from .slicing import diagonal


def einsum(*arguments) -> Tensor:
    """``einsum("ij,jk->ik", a, b)``: products summed over the labels that the result does not have."""
    equation, operands = _arguments(arguments)
    inputs, output = _labels(equation, tuple([t._data.ndim for t in operands]))
    for k, operand in enumerate(operands):
        if operand._view is not None:  # each is looked at before the sizes of the next
            _extents(inputs[:k + 1], operands[:k + 1])
            look_up_nodes((operand,))
    extents = _extents(inputs, operands)
    summed = [label for label in extents if label not in output]
    last = {label: max(k for k, labels in enumerate(inputs) if label in labels) for label in summed}
    order = output + "".join(summed)
    permuted = [_aligned(t, labels, order) for t, labels in zip(operands, inputs)]
    made = permuted[0]
    if len(operands) == 1:
        axes = [order.index(label) for label in summed]
        return made.sum(axes) if axes else made
    gone: set[str] = set()
    for k in range(1, len(permuted)):
        ready = [label for label in summed if last[label] == k and label not in gone]
        early = [label for label in summed if last[label] < k and label not in gone]
        if early:
            made = made.sum([order.index(label) for label in early], keepdim=True)
        gone.update(early)
        made = _pair(made, permuted[k], [order.index(label) for label in ready])
        gone.update(ready)
    return made.view(made.shape[:len(output)]) if summed else made


def _arguments(arguments) -> tuple[str, list[Tensor]]:
    """The equation and the operands, from either form: text and operands, or operands each with a list of numbered labels."""
    if not isinstance(arguments[0], str):
        if len(arguments) < 2:
            raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list")

        def text(numbers) -> str:
            return "".join(["..." if n is Ellipsis else string.ascii_letters[26 + n if n < 26 else n - 26] for n in numbers])
        equation = ",".join(map(text, arguments[1:2 * (len(arguments) // 2):2]))
        return equation + (f"->{text(arguments[-1])}" if len(arguments) % 2 else ""), list(arguments[:2 * (len(arguments) // 2):2])
    operands = arguments[1:]
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    if not operands:
        raise ValueError("einsum(): must specify the equation string and at least one operand, or at least one operand and its subscripts list")
    return arguments[0].replace(" ", ""), list(operands)


@functools.lru_cache(maxsize=1024)
def _labels(equation: str, ranks: tuple[int, ...]) -> tuple[list[str], str]:
    """One letter per axis for each operand and the result, the ellipsis written out with private characters."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) > len(ranks):
        raise RuntimeError("einsum(): fewer operands were provided than specified in the equation")
    if len(terms) < len(ranks):
        raise RuntimeError("einsum(): more operands were provided than specified in the equation")
    widest, inputs = 0, []
    for number, (term, rank) in enumerate(zip(terms, ranks)):
        for character in term.replace("...", ""):
            if character not in string.ascii_letters:
                raise RuntimeError(f"einsum(): invalid subscript given at index {equation.index(character)} in the equation string, subscripts must be in "
                                   f"[a-zA-Z]")
        named = len(term.replace("...", ""))
        if "..." in term:
            if named > rank:
                raise RuntimeError(f"einsum(): the number of subscripts in the equation ({named}) is more than the number of dimensions ({rank}) for "
                                   f"operand {number}")
            widest = max(widest, rank - named)
        elif named != rank:
            raise RuntimeError(f"einsum(): the number of subscripts in the equation ({named}) does not match the number of dimensions ({rank}) for operand "
                               f"{number} and no "
                               "ellipsis was given")
    hidden = [chr(0xE000 + k) for k in range(widest)]
    for term, rank in zip(terms, ranks):
        own = rank - len(term.replace("...", ""))
        inputs.append(term.replace("...", "".join(hidden[widest - own:])))
    if arrow:
        output = right.replace("...", "".join(hidden))
        for label in output:
            if output.count(label) > 1:
                raise RuntimeError(f"einsum(): output subscript {label} appears more than once in the output")
            if not any(label in labels for labels in inputs):
                raise RuntimeError(f"einsum(): output subscript {label} does not appear in the equation for any input operand")
        return inputs, output
    joined = "".join(inputs)
    return inputs, "".join(hidden) + "".join(sorted({c for c in joined if joined.count(c) == 1 and c not in hidden}, key=string.ascii_letters.swapcase().index))


def _extents(inputs: list[str], operands: list[Tensor]) -> dict[str, int]:
    extents: dict[str, int] = {}
    for number, (labels, operand) in enumerate(zip(inputs, operands)):
        own: dict[str, int] = {}
        for axis, (label, extent) in enumerate(zip(labels, operand._data.shape)):
            if own.setdefault(label, extent) != extent:
                raise RuntimeError(f"einsum(): subscript {label} is repeated for operand {number} but the sizes don't match, {extent} != {own[label]}")
            before = extents.get(label, 1)
            if before != 1 and extent not in (1, before):
                raise RuntimeError(f"einsum(): subscript {label} has size {extent} for operand {number} which does not broadcast with previously seen size "
                                   f"{before}" if label in string.ascii_letters else
                                   f"einsum(): dimension {axis} covered by ellipsis in operand {number}has size {extent} which does not broadcast with "
                                   f"previously seen ellipsis with size {before} for the respective dimension")
            extents[label] = max(before, extent) if 0 not in (before, extent) else 0
    return extents


def _aligned(operand: Tensor, labels: str, order: str) -> Tensor:
    """Diagonals for repeated labels, then one axis per label of ``order``, of extent 1 where the operand has none."""
    labels = list(labels)
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            operand = diagonal(operand, 0, first, second)
            labels.pop(second), labels.pop(first), labels.append(label)
            place = len(labels) - 1
            target = first
            axes = list(range(operand.ndim))
            axes.insert(target, axes.pop(place))
            operand = operand.permute(*axes)
            labels.insert(target, labels.pop(place))
    for label in order:
        if label not in labels:
            operand = operand.unsqueeze(-1)
            labels.append(label)
    return operand.permute(*[labels.index(label) for label in order])


def _pair(a: Tensor, b: Tensor, axes: list[int]) -> Tensor:
    """The product of two aligned operands, summed over axes, which stay with extent 1."""
    if not axes:
        return a * b
    shape_a, shape_b = a._data.shape, b._data.shape
    both = [k for k in axes if shape_a[k] != 1 and shape_b[k] != 1]
    alone_a, alone_b = [k for k in axes if k not in both and shape_a[k] != 1], [k for k in axes if k not in both and shape_b[k] != 1]
    a, b = a.sum(alone_a, keepdim=True) if alone_a else a, b.sum(alone_b, keepdim=True) if alone_b else b
    if not both:
        return a * b
    shape_a, shape_b = a._data.shape, b._data.shape
    rest = [k for k in range(a.ndim) if k not in axes]
    batch = [k for k in rest if shape_a[k] != 1 and shape_b[k] != 1]
    only_a = [k for k in rest if k not in batch and shape_a[k] != 1]
    only_b = [k for k in rest if k not in batch and k not in only_a]
    if only_a and only_b and only_a[-1] > only_b[-1]:  # the result comes in its order with the operands exchanged
        return _pair(b, a, axes)
    extents = [shape_a[k] if shape_b[k] == 1 else shape_b[k] for k in range(a.ndim)]

    def size(group, shape) -> int:
        return math.prod([shape[k] for k in group])
    idle = [k for k in axes if k not in both]
    left = a.permute(*batch, *only_a, *both, *only_b, *idle).reshape(size(batch, shape_a), size(only_a, shape_a), size(both, shape_a))
    right = b.permute(*batch, *both, *only_b, *only_a, *idle).reshape(size(batch, shape_b), size(both, shape_b), size(only_b, shape_b))
    made = bmm(left, right).view([extents[k] for k in (*batch, *only_a)] + [1] * len(axes) + [extents[k] for k in only_b])
    places = [*batch, *only_a, *axes, *only_b]
    return made.permute(*[places.index(k) for k in range(a.ndim)])


FUNCTIONS = {"einsum": einsum}
