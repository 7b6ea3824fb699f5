"""Straight-line code as arrays: what each instruction is, and where its operands come from.

Two instructions are of one *kind* when they do the same to operands of the same sort; which values, elements and numbers they take does not
matter. Values have as address their place in the stream, elements their index; numbers have none, since a table can hold any.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codegen.loops import Affine, Compute, Gather, Literal, Load, Nest, Store


@dataclass(frozen=True, slots=True)
class Stream:
    """The computations of a straight-line nest in order, its stores behind them.

    ``positions``  of each token in the body; ``~k`` for the store that is root k
    ``kinds``      equal numbers for instructions of one kind
    ``addresses``  (tokens, width): of the operands, elements and values alike, filled up with 0
    ``is_value``   of the same shape: is the address one of a value?
    ``rest``       roots that are no plain stores
    """

    nest: Nest
    positions: list[int]
    kinds: np.ndarray
    addresses: np.ndarray
    is_value: np.ndarray
    rest: list

    def instruction(self, token: int):
        """The Compute, Gather or Store of a token."""
        position = self.positions[token]
        return self.nest.body[position] if position >= 0 else self.nest.roots[~position]

    def operands(self, token: int) -> tuple[int, ...]:
        """The positions in the body of what a token takes."""
        return operand_positions(self.instruction(token))

    def dtype(self, token: int) -> np.dtype:
        """The type of a computed value."""
        return value_dtype(self.instruction(token))


def operand_positions(instruction) -> tuple[int, ...]:
    """The positions of the operands of a Compute, Gather or Store."""
    if isinstance(instruction, Compute):
        return instruction.operands
    return instruction.indices if isinstance(instruction, Gather) else (instruction.value,)


def value_dtype(instruction) -> np.dtype:
    """The type of what a Compute or Gather gives."""
    return instruction.buffer.dtype if isinstance(instruction, Gather) else instruction.dtype


def offsets_of(place) -> tuple[int, ...]:
    """The indices of an element: one in a dense buffer, else one per axis."""
    return (place.offset,) if isinstance(place, Affine) else tuple([part.offset for part in place])


def read_stream(nest: Nest) -> Stream:
    """The stream of a nest without loops."""
    body, positions, kinds, rows, numbers = nest.body, [], [], [], {}
    sorts: list = [None] * len(body)      # what an operand is, as part of the kind of its user
    places: list = [()] * len(body)       # its addresses
    values: list = [()] * len(body)       # which of these are of values

    def token(position: int, head: tuple, operands, extra: tuple = ()) -> None:
        key = (*head, *[sorts[k] for k in operands])
        row, flags = extra, (False,) * len(extra)
        for k in operands:
            row += places[k]
            flags += values[k]
        kinds.append(numbers.setdefault(key, len(numbers)))
        rows.append((row, flags))
        positions.append(position)

    for position, instruction in enumerate(body):
        if isinstance(instruction, Load):
            sorts[position], places[position] = instruction.buffer, offsets_of(instruction.place)
            values[position] = (False,) * len(places[position])
            continue
        if isinstance(instruction, Literal):
            sorts[position] = "number", instruction.dtype.char, instruction.run_time
            continue
        sorts[position], places[position], values[position] = value_dtype(instruction).char, (len(positions),), (True,)
        if isinstance(instruction, Compute):
            token(position, (instruction.op, instruction.dtype.char, instruction.operand_dtype.char), instruction.operands)
        else:
            token(position, (instruction.buffer, instruction.rest), instruction.indices)
    read = {i.buffer for i in body if isinstance(i, (Load, Gather))}
    rest = []
    for number, root in enumerate(nest.roots):
        if isinstance(root, Store) and not root.accumulate and root.buffer not in read:
            token(~number, ("store", root.buffer), (root.value,), offsets_of(root.place))
        else:
            rest.append(root)
    return Stream(nest, positions, np.array(kinds, np.int64), *_matrices(rows), rest)


def _matrices(rows: list) -> tuple[np.ndarray, np.ndarray]:
    width = max((len(row) for row, _ in rows), default=0)
    addresses = np.array([row + (0,) * (width - len(row)) for row, _ in rows], np.int64).reshape(len(rows), width)
    flags = np.array([flag + (False,) * (width - len(flag)) for _, flag in rows], bool).reshape(len(rows), width)
    return addresses, flags
