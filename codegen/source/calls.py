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
        """A matrix as an expression: the array, its transpose, a slice of it, or a copy where it is none of these."""
        return self._sliced(matrix, rows, columns) or self._reshaped(matrix, rows, columns) or self._copied(matrix, rows, columns)

    def _sliced(self, matrix: Matrix, rows: int, columns: int) -> str | None:
        buffer = matrix.buffer
        steps, extents = (matrix.batch, matrix.row, matrix.column), (self.call.count, rows, columns)
        parts = along_axes(Affine(matrix.offset, tuple([s if n > 1 else 0 for s, n in zip(steps, extents)])), buffer.shape, extents)
        if parts is None or min(rows, columns) == 1 and len(buffer.shape) != 2:
            return None
        indices, order = [], []
        for part, length in zip(parts, buffer.shape):
            moving = [k for k, c in enumerate(part.coefs) if c]
            if len(moving) > 1:
                return None
            if not moving and length != 1 or moving == [0]:
                indices.append(affine_text(part, [self.counter, "", ""]))
                continue
            axis = moving[0] if moving else None
            order.append(axis)
            indices.append(_slice(part.offset, part.coefs[axis], extents[axis], length) if moving else ":")
        if len(order) != 2:
            return None
        whole = all(index == ":" for index in indices)
        name = self.text.name(buffer)
        text = self._whole(buffer) if whole else f"np.ascontiguousarray({name}[{', '.join(indices)}])"
        turned = (2, 1) in {tuple(order), (order[0] or 2, order[1] or 1)} and (order[0] == 2 or order[1] == 1)
        return f"{text}.T" if turned else text

    def _whole(self, buffer: Buffer) -> str:
        return self.text.contiguous(buffer)

    def _reshaped(self, matrix: Matrix, rows: int, columns: int) -> str | None:
        """The buffer is this batch of matrices, by another shape."""
        size, count = rows * columns, self.call.count
        if matrix.offset or math.prod(matrix.buffer.shape) != count * size or self.batched and matrix.batch != size:
            return None
        batch = f"[{self.counter}]" if self.batched else ""
        lead = f"{count}, " if self.batched else ""
        whole = self._whole(matrix.buffer)
        if matrix.column == 1 and matrix.row == columns:
            return f"{whole}.reshape(({lead}{rows}, {columns})){batch}"
        if matrix.row == 1 and matrix.column == rows:
            return f"{whole}.reshape(({lead}{columns}, {rows})){batch}.T"
        return None

    def _copied(self, matrix: Matrix, rows: int, columns: int) -> str:
        copy = self.text.function("matrix_at")
        offset = affine_text(Affine(matrix.offset, (matrix.batch if self.batched else 0,)), [self.counter])
        return f"{copy}({self.text.flat(matrix.buffer)}, {offset}, {rows}, {columns}, {matrix.row}, {matrix.column})"

    def _own(self, matrix: Matrix, rows: int, columns: int) -> str:
        """A matrix that is the whole of its buffer (or of its part of the batch), to be written to."""
        buffer = matrix.buffer
        if buffer.shape == (rows, columns) and not self.batched:
            return self.text.name(buffer)
        if buffer.shape == (self.call.count, rows, columns):
            return f"{self.text.name(buffer)}[{self.counter}]"
        view = f"{self.text.name(buffer)}.reshape(({self.call.count}, {rows}, {columns}))"
        return f"{view}[{self.counter if self.batched else 0}]"

    # -- routines --------------------------------------------------------------------------------------------------
    def matmul(self) -> None:
        (a, b), (c,) = self.call.reads, self.call.writes
        m, n, k = self.call.sizes
        left, right = self._read(a, m, k), self._read(b, k, n)
        product = f"np.dot({left}, {right})"
        if c.buffer.shape == (m, n) and not self.text.exists(c.buffer):
            self.text.add(f"{self.text.create(c.buffer, 'product')} = {product}")
            return
        self.text.allocate(c.buffer, "product")
        self._loop()
        self.text.add(f"{self._own(c, m, n)}[:] = {product}", self.depth)

    def _in_place(self, function: str) -> None:
        (matrix,), n = self.call.writes, self.call.sizes[0]
        self._loop()
        own = self._own(matrix, n, n)
        self.text.add(f"{own}[:] = {self.text.function(function)}({own})", self.depth)

    def inv(self) -> None:
        self._in_place("inverse")

    def cholesky(self) -> None:
        self._in_place("cholesky")

    def solve(self) -> None:
        """The right-hand side lies there with its columns as rows."""
        matrix, rhs = self.call.writes
        n, m = self.call.sizes
        self._loop()
        own = self._own(rhs, m, n)
        self.text.add(f"{own}[:] = {self.text.function('solve')}({self._own(matrix, n, n)}, {own}.T).T", self.depth)

    def _per_matrix(self, function: str) -> None:
        matrix, result = self.call.writes
        n = self.call.sizes[0]
        value = f"{self.text.function(function)}({self._own(matrix, n, n)})"
        if not result.buffer.shape:
            self.text.add(f"{self.text.create(result.buffer, function)} = {value}")
            return
        self.text.allocate(result.buffer, function)
        place, extents = Affine(0, (1,)), (self.call.count,)
        element, _ = self.text.element(result.buffer, place, extents)
        self._loop()
        if not self.batched:
            element = f"{self.text.flat(result.buffer)}[0]"
        self.text.add(f"{element} = {value}", self.depth)

    def det(self) -> None:
        self._per_matrix("determinant")

    def logabsdet(self) -> None:
        self._per_matrix("log_abs_determinant")

    def detsign(self) -> None:
        self._per_matrix("sign_of_determinant")


_ROUTINES = {name: getattr(CallWriter, name) for name in ("matmul", "inv", "solve", "cholesky", "det", "logabsdet", "detsign")}


def _slice(start: int, step: int, count: int, length: int) -> str:
    if step == 1:
        return ":" if (start, count) == (0, length) else f"{start}:{start + count}"
    stop = start + step * count
    return f"{start}:{stop if stop >= 0 else ''}:{step}"
