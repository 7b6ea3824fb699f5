"""``np.einsum``: contracted in pairs, each a matrix product between transposes, in the order that ``np.einsum_path`` finds."""

from __future__ import annotations

import math

import numpy as np

from ...errors import ShapeError
from ..functions import implements
from ..value import Traced
from .common import cast, operands, promoted, refuse_out, reshaped, transposed
from .contractions import matrix_product, vector_product
from .reductions import any_, sum_

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_BYTE = bytes(8)


@implements(np.einsum)
def einsum(*arguments, out=None, optimize=False, dtype=None, **keywords):
    """Einstein summation over any number of operands, with implicit or explicit output, ellipses and repeated labels."""
    refuse_out(out, "einsum")
    text, given = _text_form(arguments)
    values = promoted(*operands(*given))
    if dtype is not None:
        values = [cast(x, np.dtype(dtype)) for x in values]
    terms, output = _labels(text.replace(" ", ""), [x.ndim for x in values])
    _check_extents(terms, values)
    for label in output:
        if label not in "".join(terms):
            raise ValueError(f"einstein sum subscripts string included output subscript '{label}' which never appeared in an input")
        if output.count(label) > 1:
            raise ValueError(f"einstein sum subscripts string includes output subscript '{label}' multiple times")
    return _contract(list(zip(terms, values)), output)


def _text_form(arguments: tuple) -> tuple[str, tuple]:
    """The subscripts as text, also where they were given as lists of ints behind each operand."""
    if isinstance(arguments[0], str):
        return arguments[0], arguments[1:]
    given = arguments[: len(arguments) // 2 * 2]
    terms = [_letters_of(sublist) for sublist in given[1::2]]
    text = ",".join(terms)
    if len(arguments) % 2:
        text += "->" + _letters_of(arguments[-1])
    return text, given[0::2]


def _letters_of(sublist) -> str:
    return "".join(["..." if entry is Ellipsis else _LETTERS[entry] for entry in sublist])


def _labels(text: str, ranks: list[int]) -> tuple[list[str], str]:
    """The labels of each operand and of the output, ellipses spelled out in letters that are free."""
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise ValueError("more operands provided to einstein sum function than specified in the subscripts string" if len(terms) < len(ranks) else
                         "fewer operands provided to einstein sum function than specified in the subscripts string")
    if not set(text) <= set(_LETTERS + ".,->"):
        raise ValueError(f"invalid subscript '{(set(text) - set(_LETTERS + '.,->')).pop()}' in einstein sum subscripts string, subscripts must be letters")
    free = [letter for letter in _LETTERS if letter not in text]
    hidden = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks)]
    longest = max([n for term, n in zip(terms, hidden) if "..." in term], default=0)
    spare = "".join(free[:longest])
    for position, (term, n) in enumerate(zip(terms, hidden)):
        if n < 0 or (n and "..." not in term):
            amount = "too many" if n < 0 else "not enough"
            raise ValueError(f"einstein sum subscripts string contains {amount} subscripts for operand {position}")
        terms[position] = term.replace("...", spare[len(spare) - n:])
    if not arrow:
        letters = "".join(terms)
        right = spare + "".join([c for c in sorted(set(letters)) if letters.count(c) == 1 and c not in spare])
    return terms, right.replace("...", spare)


def _check_extents(terms: list[str], values: list[Traced]) -> None:
    extents: dict[str, int] = {}
    for position, (term, x) in enumerate(zip(terms, values)):
        for axis, (label, n) in enumerate(zip(term, x.shape)):
            known = extents.setdefault(label, n)
            if n != known and 1 not in (n, known):
                raise ShapeError(f"operands could not be broadcast together: einsum label '{label}' has length {known}, "
                                 f"and {n} in axis {axis} of operand {position}")
            extents[label] = max(n, known) if n != 0 else 0


def _path(terms: list[str], values: list[Traced], output: str):
    """In which order to contract, from NumPy, which is shown arrays of these shapes that take no memory."""
    if len(terms) <= 2:
        return [tuple(range(len(terms)))]
    ghosts = [np.ndarray(x.shape, np.float64, _BYTE, 0, (0,) * x.ndim) for x in values]
    path, _ = np.einsum_path(f"{','.join(terms)}->{output}", *ghosts, optimize="greedy")
    return path[1:]


def _contract(parts: list[tuple[str, Traced]], output: str) -> Traced:
    parts = [_diagonal(term, x) for term, x in parts]
    for places in _path([term for term, _ in parts], [x for _, x in parts], output):
        picked = [parts[k] for k in sorted(places)]
        parts = [part for k, part in enumerate(parts) if k not in places]
        needed = set(output).union(*[set(term) for term, _ in parts])
        while len(picked) > 1:
            first, second = picked.pop(0), picked.pop(0)
            later = needed.union(*[set(term) for term, _ in picked])
            picked.insert(0, _pair(first, second, later))
        parts.append(picked[0])
    term, x = _summed(*parts[0], set(output))
    return transposed(x, tuple([term.index(label) for label in output]))


def _diagonal(term: str, x: Traced) -> tuple[str, Traced]:
    """A label that stands twice in one operand takes the diagonal."""
    for label in sorted(set(term)):
        while term.count(label) > 1:
            first = term.index(label)
            second = term.index(label, first + 1)
            if x.shape[first] != x.shape[second]:
                raise ShapeError(f"dimensions in single operand for collapsing index '{label}' don't match ({x.shape[first]} != {x.shape[second]})")
            x = np.diagonal(x, 0, first, second)
            term = "".join([c for k, c in enumerate(term) if k not in (first, second)]) + label
    return term, x


def _summed(term: str, x: Traced, needed: set[str]) -> tuple[str, Traced]:
    """Without the labels that nobody needs any more."""
    axes = tuple([k for k, label in enumerate(term) if label not in needed])
    if not axes:
        return term, x
    total = any_(x, axes) if x.node.type.is_bool else sum_(x, axes, dtype=x.dtype)
    return "".join([c for c in term if c in needed]), total


def _pair(first: tuple[str, Traced], second: tuple[str, Traced], needed: set[str]) -> tuple[str, Traced]:
    """Two operands contracted over the labels that both have and nobody needs later."""
    (a, x), (b, y) = [_summed(term, value, needed | set(other)) for (term, value), (other, _) in ((first, second), (second, first))]
    (a, x), (b, y) = _without_stretched(a, x, b, y, needed)
    both = [label for label in a if label in b]
    batch = [label for label in both if label in needed]
    inner = [label for label in both if label not in needed]
    rows, columns = [c for c in a if c not in b], [c for c in b if c not in a]
    left = transposed(x, tuple([a.index(c) for c in (*batch, *rows, *inner)]))
    right = transposed(y, tuple([b.index(c) for c in (*batch, *inner, *columns)]))
    return "".join((*batch, *rows, *columns)), _product(left, right, len(batch), len(rows), len(inner))


def _without_stretched(a: str, x: Traced, b: str, y: Traced, needed: set[str]):
    """A label of length 1 on one side and more on the other is broadcast: the side of length 1 drops it."""
    result = []
    for term, value, other, partner in ((a, x, b, y), (b, y, a, x)):
        short = [k for k, c in enumerate(term) if value.shape[k] == 1 and c in other and partner.shape[other.index(c)] != 1]
        if short:
            value = np.squeeze(value, tuple(short))
            term = "".join([c for k, c in enumerate(term) if k not in short])
        result.append((term, value))
    (a, x), (b, y) = result
    return _summed(a, x, needed | set(b)), _summed(b, y, needed | set(a))


def _product(left: Traced, right: Traced, batch: int, rows: int, inner: int) -> Traced:
    """(batch, rows, inner) by (batch, inner, columns), each a group of axes."""
    stacked, row_shape = left.shape[:batch], left.shape[batch: batch + rows]
    column_shape = right.shape[batch + inner:]
    size = math.prod(left.shape[batch + rows:])
    if not inner:
        wide = reshaped(left, (*stacked, *row_shape, *[1] * len(column_shape)))
        return wide * reshaped(right, (*stacked, *[1] * len(row_shape), *column_shape))
    if not rows and not column_shape:
        return vector_product(reshaped(left, (*stacked, size)), reshaped(right, (*stacked, size)))
    lead = (math.prod(stacked),) if batch else ()
    product = matrix_product(reshaped(left, (*lead, math.prod(row_shape), size)), reshaped(right, (*lead, size, math.prod(column_shape))))
    return reshaped(product, (*stacked, *row_shape, *column_shape))


