"""Dense routines: ``np.dot`` on views of the operands, and factorisations that leave NaN where they fail."""

from __future__ import annotations

import math

from codegen.loops import Affine, Buffer, Call, Matrix

from .places import affine_text, along_axes
from .text import SourceText


class CallWriter:
    """Writes one Call."""

    def __init__(self, text: SourceText, call: Call):
        self.text = text
        self.call = call
        self.batched = call.count > 1
        self.counter = text.counters[0]
        self.depth = int(self.batched)

    def write(self) -> None:
        _ROUTINES[self.call.routine](self)

    def _loop(self) -> None:
        if self.batched:
            self.text.add(f"for {self.counter} in range({self.call.count}):")

    # -- operands --------------------------------------------------------------------------------------------------
    def _read(self, matrix: Matrix, rows: int, columns: int) -> str:
        """A matrix as an expression: the array, a slice of it, a view by another shape, or a copy where it is none of these."""
        return self._sliced(matrix, rows, columns) or self._reshaped(matrix, rows, columns) or self._copied(matrix, rows, columns)

    def _sliced(self, matrix: Matrix, rows: int, columns: int) -> str | None:
        """Rows and columns each lie along an axis of the buffer, and the batch along a third."""
        buffer, extents = matrix.buffer, (self.call.count, rows, columns)
        steps = tuple([step if n > 1 else 0 for step, n in zip((matrix.batch, matrix.row, matrix.column), extents)])
        parts = along_axes(Affine(matrix.offset, steps), buffer.shape, extents)
        if parts is None or min(rows, columns) == 1:
            return None
        indices, order = [], []
        for part, length in zip(parts, buffer.shape):
            moving = [k for k, c in enumerate(part.coefs) if c]
            if moving in ([1], [2]):
                order += moving
                indices.append(_slice(part.offset, part.coefs[moving[0]], extents[moving[0]], length))
            elif moving in ([], [0]):
                indices.append(affine_text(part, (self.counter, "", "")))
            else:
                return None
        if sorted(order) != [1, 2]:
            return None
        return self._subscripted(buffer, indices) + (".T" if order == [2, 1] else "")

    def _subscripted(self, buffer: Buffer, indices: list[str]) -> str:
        while indices and indices[-1] == ":":
            indices.pop()
        name = self.text.name(buffer)
        text = f"{name}[{', '.join(indices)}]" if indices else name
        # Numba warns of products of what may not be contiguous.
        return f"np.ascontiguousarray({text})" if any(":" in index for index in indices[1:]) or "::" in text else text

    def _reshaped(self, matrix: Matrix, rows: int, columns: int) -> str | None:
        """The buffer is this batch of matrices, by another shape."""
        size, count = rows * columns, self.call.count
        if matrix.offset or math.prod(matrix.buffer.shape) != count * size or (self.batched and matrix.batch != size):
            return None
        if matrix.column == 1 and matrix.row == columns:
            return self._one_of(matrix.buffer, rows, columns)
        if matrix.row == 1 and matrix.column == rows:
            return f"{self._one_of(matrix.buffer, columns, rows)}.T"
        return None

    def _one_of(self, buffer: Buffer, rows: int, columns: int) -> str:
        """The array as a matrix, or as the one of its batch that the loop is at; a view that can be written to."""
        if self.batched:
            return f"{self.text.reshaped(buffer, (self.call.count, rows, columns))}[{self.counter}]"
        return self.text.reshaped(buffer, (rows, columns))

    def _copied(self, matrix: Matrix, rows: int, columns: int) -> str:
        copy = self.text.function("matrix_at")
        offset = affine_text(Affine(matrix.offset, (matrix.batch if self.batched else 0,)), [self.counter])
        return f"{copy}({self.text.flat(matrix.buffer)}, {offset}, {rows}, {columns}, {matrix.row}, {matrix.column})"

    def _assign(self, target: str, value: str) -> None:
        """Write a matrix: into its part of the batch, or into the whole array."""
        self._loop()
        self.text.add(f"{target}{'' if self.batched else '[:]'} = {value}", self.depth)

    # -- routines --------------------------------------------------------------------------------------------------
    def matmul(self) -> None:
        (a, b), (c,) = self.call.reads, self.call.writes
        m, n, k = self.call.sizes
        product = f"np.dot({self._read(a, m, k)}, {self._read(b, k, n)})"
        if c.buffer.shape == (m, n) and not self.text.exists(c.buffer):
            self.text.add(f"{self.text.create(c.buffer, 'product')} = {product}")
            return
        self.text.allocate(c.buffer, "product")
        self._assign(self._one_of(c.buffer, m, n), product)

    def _in_place(self, function: str) -> None:
        (matrix,), n = self.call.writes, self.call.sizes[0]
        own = self._one_of(matrix.buffer, n, n)
        self._assign(own, f"{self.text.function(function)}({own})")

    def inv(self) -> None:
        self._in_place("inverse")

    def cholesky(self) -> None:
        self._in_place("cholesky")

    def solve(self) -> None:
        """The right-hand side lies there with its columns as rows."""
        matrix, rhs = self.call.writes
        n, m = self.call.sizes
        own = self._one_of(rhs.buffer, m, n)
        self._assign(own, f"{self.text.function('solve')}({self._one_of(matrix.buffer, n, n)}, {own}.T).T")

    def _per_matrix(self, function: str) -> None:
        matrix, result = self.call.writes
        n = self.call.sizes[0]
        value = f"{self.text.function(function)}({self._one_of(matrix.buffer, n, n)})"
        if not result.buffer.shape:
            self.text.add(f"{self.text.create(result.buffer, function)} = {value}")
            return
        self.text.allocate(result.buffer, function)
        element = f"{self.text.flat(result.buffer)}[{self.counter if self.batched else 0}]"
        self._loop()
        self.text.add(f"{element} = {value}", self.depth)

    def argsort(self) -> None:
        (keys,), (order,), n = self.call.reads, self.call.writes, self.call.sizes[0]
        self.text.allocate(order.buffer, "order")
        self._assign(self._one_of(order.buffer, 1, n), f"{self.text.function('argsort')}({self._one_of(keys.buffer, 1, n)})")

    def det(self) -> None:
        self._per_matrix("determinant")

    def logabsdet(self) -> None:
        self._per_matrix("log_abs_determinant")

    def detsign(self) -> None:
        self._per_matrix("sign_of_determinant")


_ROUTINES = {name: getattr(CallWriter, name) for name in ("matmul", "inv", "solve", "cholesky", "det", "logabsdet", "detsign", "argsort")}


def _slice(start: int, step: int, count: int, length: int) -> str:
    if step == 1:
        return ":" if (start, count) == (0, length) else f"{start}:{start + count}"
    stop = start + step * count
    return f"{start}:{stop if stop >= 0 else ''}:{step}"
