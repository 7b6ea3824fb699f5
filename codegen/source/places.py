"""Places in buffers as subscripts: ``X[i, j + 1]``, or an index into the flat view where the place does not follow the axes."""

from __future__ import annotations

from collections.abc import Sequence

from codegen.loops import Affine, Buffer, Place


def affine_text(part: Affine, counters: Sequence[str]) -> str:
    """``2*i + j - 1``; what is subtracted comes behind what is added."""
    terms = sorted((_term(c, name) for c, name in zip(part.coefs, counters) if c), key=lambda term: term.startswith("-"))
    if part.offset or not terms:
        terms.insert(0 if terms and terms[0].startswith("-") and part.offset > 0 else len(terms), str(part.offset))
    return " ".join([terms[0], *(f"- {term[1:]}" if term.startswith("-") else f"+ {term}" for term in terms[1:])])


def _term(coefficient: int, name: str) -> str:
    if abs(coefficient) == 1:
        return name if coefficient > 0 else f"-{name}"
    return f"{coefficient}*{name}"


def unravel(index: int, shape: tuple[int, ...]) -> list[int]:
    """The index along each axis of a flat C-order index; the first axis takes what is outside the shape."""
    result = []
    for n in reversed(shape[1:]):
        result.append(index % n if n else 0)
        index = index // n if n else 0
    return [*([index] if shape else []), *reversed(result)]


def along_axes(place: Affine, shape: tuple[int, ...], extents: tuple[int, ...]) -> tuple[Affine, ...] | None:
    """A flat place as one index per axis; None where no such indices exist.

    The element at counters 0 tells the offsets and its neighbour along each loop the coefficients; they are right
    everywhere if they keep within the shape over all the loops.
    """
    if len(shape) == 1:
        return (place,)
    first = unravel(place.offset, shape)
    columns = []
    for coefficient, extent in zip(place.coefs, extents):
        moves = coefficient and extent > 1
        columns.append([b - a for a, b in zip(first, unravel(place.offset + coefficient, shape))] if moves else [0] * len(shape))
    parts = tuple([Affine(offset, tuple([column[axis] for column in columns])) for axis, offset in enumerate(first)])
    for part, n in zip(parts, shape):
        low = part.offset + sum([min(0, c * (e - 1)) for c, e in zip(part.coefs, extents) if e])
        high = part.offset + sum([max(0, c * (e - 1)) for c, e in zip(part.coefs, extents) if e])
        if not 0 <= low <= high < max(n, 1):
            return None
    return parts


def is_whole(place: Place, buffer: Buffer, extents: tuple[int, ...]) -> bool:
    """Does the place go through the whole buffer, element by element in C order?"""
    if not isinstance(place, Affine) or place.offset:
        return False
    step = 1
    for coefficient, extent in zip(reversed(place.coefs), reversed(extents)):
        if coefficient != step:
            return False
        step *= extent
    size = 1
    for n in buffer.shape:
        size *= n
    return step == size
