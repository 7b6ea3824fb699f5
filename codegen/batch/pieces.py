"""What a lane program is made of: straight-line pieces, each run for one vector of samples after another, and rounds of them that the data end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from codegen.loops import Buffer, Nest


@dataclass(eq=False, slots=True)
class Turning:
    """Rounds as long as a lane of ``going`` is on; lanes that are not keep their states.

    ``tape``  the number of the tape on which each round first leaves the slots ``kept``, which are neighbours; None where no way back asks for any
    """

    going: Buffer
    round: list[Piece]
    kept: list[Buffer]
    tape: int | None


@dataclass(eq=False, slots=True)
class Unwinding:
    """A round for each row of a tape, from the last to the first, after the row is copied to the slots ``kept``."""

    round: list[Piece]
    kept: list[Buffer]
    tape: int


Piece = Nest | Turning | Unwinding


def nests(pieces: Sequence[Piece]) -> Iterator[tuple[Nest, int]]:
    """All straight-line code, each with the number of loops around it."""
    for piece in pieces:
        if isinstance(piece, Nest):
            yield piece, 0
        else:
            for nest, depth in nests(piece.round):
                yield nest, depth + 1
