"""Dense algebra as calls of SciPy's BLAS and LAPACK, which are Fortran: column-major, every argument a pointer.

A row-major matrix is its transpose there. A product C = A B is asked for as Cᵀ = Bᵀ Aᵀ, so that nothing is copied.
A factorisation that fails leaves NaN (singular or not positive definite), as IEEE arithmetic would; NumPy raises LinAlgError.
"""

from __future__ import annotations

import numpy as np

from codegen.loops import Call, Matrix
from tracer.graph.op import Intrinsic, Libm, lowering
from tracer.ops import TABLE

from .access import Buffers
from .compute import ComputeWriter
from .target import register_capsule
from .text import FunctionText
from .types import memory_type, register_type, vector

_BLAS, _LAPACK = "scipy.linalg.cython_blas", "scipy.linalg.cython_lapack"
SMALL = 4   # rows, columns and terms of a product that needs no call


class CallWriter:
    """Writes one Call into a function."""

    def __init__(self, function: FunctionText, buffers: Buffers, compute: ComputeWriter, call: Call):
        self.f = function
        self.buffers = buffers
        self.compute = compute
        self.call = call
        self.dtype = (call.reads or call.writes)[0].buffer.dtype
        self.element = register_type(self.dtype)
        self.sizes = [function.integer(n) for n in call.sizes]

    def write(self) -> None:
        self.f.loop("0", self.f.integer(self.call.count), "1", [], lambda k, _: _ROUTINES[self.call.routine](self, k) or [])

    # -- arguments -------------------------------------------------------------------------------------------------
    def _matrix(self, matrix: Matrix, k: str) -> str:
        offset = self.f.add(self.f.integer(matrix.offset), self.f.mul(self.f.integer(matrix.batch), k))
        return self.f.let(f"getelementptr {memory_type(matrix.buffer.dtype)}, ptr {self.buffers.pointer(matrix.buffer)}, i64 {offset}", "m")

    def _int(self, value: str) -> str:
        place = self.f.entry("alloca i32")
        self.f.do(f"store i32 {self.f.let(f'trunc i64 {value} to i32')}, ptr {place}")
        return place

    def _char(self, letter: str) -> str:
        place = self.f.entry("alloca i8")
        self.f.do(f"store i8 {ord(letter)}, ptr {place}")
        return place

    def _number(self, value: str) -> str:
        place = self.f.entry(f"alloca {self.element}")
        self.f.do(f"store {self.element} {value}, ptr {place}")
        return place

    def _fortran(self, module: str, routine: str, *arguments: str) -> None:
        name = ("d" if self.element == "double" else "s") + routine
        symbol = register_capsule(module, name)
        self.compute.declarations.declare(symbol, "void", ("ptr",) * len(arguments), external=True)
        self.f.do(f"call void @{symbol}({', '.join(f'ptr {a}' for a in arguments)})")

    # -- products --------------------------------------------------------------------------------------------------
    def matmul(self, k: str) -> None:
        (a, b), (c,) = self.call.reads, self.call.writes
        m, n, inner = self.call.sizes
        if inner and max(self.call.sizes) <= SMALL:
            self._small_product(a, b, c, k)
        elif n == 1:
            self._matrix_vector(a, b, b.row, c, 1, k)
        elif m == 1:
            # cᵀ = Bᵀ aᵀ
            turned = Matrix(b.buffer, b.offset, b.column, b.row, b.batch)
            self._matrix_vector(turned, a, a.column, c, 0, k)
        else:
            self._matrix_matrix(a, b, c, k)

    def _small_product(self, a: Matrix, b: Matrix, c: Matrix, k: str) -> None:
        """In line, the rows of B in registers: a call takes longer than its arithmetic (35 ns, for 4×4)."""
        f, (_, n, inner) = self.f, self.call.sizes
        left, right, result = (self._matrix(each, k) for each in (a, b, c))
        rows = [self._read_row(right, self._times(r, b.row), b.column, n) for r in range(inner)]

        def row(i, _):
            start, total = f.mul(f.integer(a.row), i), None
            for r, values in enumerate(rows):
                factor = f.let(f"load {self.element}, ptr {self._at(left, f.add(start, self._times(r, a.column)))}, align {self.dtype.itemsize}")
                if n > 1:
                    one = f.let(f"insertelement {vector(self.element, n)} poison, {self.element} {factor}, i64 0")
                    factor = f.let(f"shufflevector {vector(self.element, n)} {one}, {vector(self.element, n)} poison, <{n} x i32> zeroinitializer")
                product = self._combined("multiply", factor, values)
                total = product if total is None else self._combined("add", total, product)
            self._write_row(result, f.mul(f.integer(c.row), i), c.column, n, total)
            return []
        f.loop("0", self.sizes[0], "1", [], row)

    def _combined(self, name: str, a: str, b: str) -> str:
        n = self.call.sizes[1]
        return self.compute.apply(lowering(TABLE[name], self.dtype), [a, b], self.dtype, self.dtype, n if n > 1 else 0)

    def _times(self, count: int, stride: int) -> str:
        return self.f.mul(str(count), self.f.integer(stride))

    def _read_row(self, matrix: str, start: str, stride: int, n: int) -> str:
        if n == 1 or stride == 1:
            return self.f.let(f"load {vector(self.element, n if n > 1 else 0)}, ptr {self._at(matrix, start)}, align {self.dtype.itemsize}")
        values = "poison"
        for j in range(n):
            place = self._at(matrix, self.f.add(start, self._times(j, stride)))
            one = self.f.let(f"load {self.element}, ptr {place}, align {self.dtype.itemsize}")
            values = self.f.let(f"insertelement {vector(self.element, n)} {values}, {self.element} {one}, i64 {j}")
        return values

    def _write_row(self, matrix: str, start: str, stride: int, n: int, values: str) -> None:
        type = vector(self.element, n if n > 1 else 0)
        if n == 1 or stride == 1:
            self.f.do(f"store {type} {values}, ptr {self._at(matrix, start)}, align {self.dtype.itemsize}")
            return
        for j in range(n):
            one = self.f.let(f"extractelement {type} {values}, i64 {j}")
            self.f.do(f"store {self.element} {one}, ptr {self._at(matrix, self.f.add(start, self._times(j, stride)))}, align {self.dtype.itemsize}")

    def _matrix_vector(self, a: Matrix, x: Matrix, step: int, y: Matrix, transposed: int, k: str) -> None:
        """y = A x; ``transposed`` tells which of the sizes are A's rows."""
        rows = self.sizes[0] if transposed else self.sizes[1]
        columns = self.sizes[2]
        row_major = a.column == 1
        shape = (columns, rows) if row_major else (rows, columns)
        leading = a.row if row_major else a.column
        self._fortran(_BLAS, "gemv", self._char("T" if row_major else "N"), self._int(shape[0]), self._int(shape[1]), self._number("1.0"),
                      self._matrix(a, k), self._int(self.f.integer(leading)), self._matrix(x, k), self._int(self.f.integer(step)),
                      self._number("0.0"), self._matrix(y, k), self._int("1"))

    def _matrix_matrix(self, a: Matrix, b: Matrix, c: Matrix, k: str) -> None:
        m, n, inner = self.sizes
        letters = ["N" if matrix.column == 1 else "T" for matrix in (b, a)]
        leading = [self.f.integer(matrix.row if matrix.column == 1 else matrix.column) for matrix in (b, a, c)]
        self._fortran(_BLAS, "gemm", self._char(letters[0]), self._char(letters[1]), self._int(n), self._int(m), self._int(inner),
                      self._number("1.0"), self._matrix(b, k), self._int(leading[0]), self._matrix(a, k), self._int(leading[1]),
                      self._number("0.0"), self._matrix(c, k), self._int(leading[2]))

    # -- factorisations --------------------------------------------------------------------------------------------
    def _pivots(self) -> str:
        return self.buffers.pointer(self.call.scratch[0])

    def _factor(self, matrix: str, n: str) -> str:
        """LU factors in place; where LAPACK says how it went."""
        info = self.f.entry("alloca i32")
        size = self._int(n)
        self._fortran(_LAPACK, "getrf", size, size, matrix, size, self._pivots(), info)
        return info

    def _fill_with_nan(self, info: str, matrix: str, count: str) -> None:
        failed = self.f.let(f"icmp ne i32 {self.f.let(f'load i32, ptr {info}')}, 0")

        def fill():
            self.f.loop("0", count, "1", [], lambda i, _: self.f.do(
                f"store {self.element} 0x7FF8000000000000, ptr {self._at(matrix, i)}") or [])
            return []
        self.f.when(failed, [], fill)

    def _at(self, matrix: str, offset: str, element: str | None = None) -> str:
        return self.f.let(f"getelementptr {element or self.element}, ptr {matrix}, i64 {offset}", "p")

    def inv(self, k: str) -> None:
        (matrix,), n = self.call.writes, self.sizes[0]
        place, size = self._matrix(matrix, k), self._int(n)
        info = self._factor(place, n)
        good = self.f.let(f"icmp eq i32 {self.f.let(f'load i32, ptr {info}')}, 0")

        def invert():
            work = self.call.scratch[1]
            self._fortran(_LAPACK, "getri", size, place, size, self._pivots(), self.buffers.pointer(work),
                          self._int(self.f.integer(int(np.prod(work.shape)))), info)
            return []
        self.f.when(good, [], invert)
        self._fill_with_nan(info, place, self.f.mul(n, n))

    def solve(self, k: str) -> None:
        matrix, rhs = self.call.writes
        n, m = self.sizes
        place, columns, size = self._matrix(matrix, k), self._matrix(rhs, k), self._int(n)
        info = self._factor(place, n)
        good = self.f.let(f"icmp eq i32 {self.f.let(f'load i32, ptr {info}')}, 0")
        outcome = self.f.entry("alloca i32")
        self.f.when(good, [], lambda: self._fortran(_LAPACK, "getrs", self._char("T"), size, self._int(m), place, size,
                                                    self._pivots(), columns, size, outcome) or [])
        self._fill_with_nan(info, columns, self.f.mul(n, m))

    def cholesky(self, k: str) -> None:
        """The upper factor of the column-major matrix is the lower one of ours; the other triangle is cleared."""
        (matrix,), n = self.call.writes, self.sizes[0]
        place, size = self._matrix(matrix, k), self._int(n)
        info = self.f.entry("alloca i32")
        self._fortran(_LAPACK, "potrf", self._char("U"), size, place, size, info)

        def clear(i, _):
            first = self.f.let(f"add i64 {i}, 1", "i")
            row = self.f.mul(i, n)
            self.f.loop(first, n, "1", [], lambda j, _: self.f.do(f"store {self.element} 0.0, ptr {self._at(place, self.f.add(row, j))}") or [])
            return []
        self.f.loop("0", n, "1", [], clear)
        self._fill_with_nan(info, place, self.f.mul(n, n))

    # -- sorting ---------------------------------------------------------------------------------------------------
    def argsort(self, k: str) -> None:
        """Pairs of sorted runs are merged, longer ones each time, without a branch: equal elements keep their order."""
        keys, order = self._matrix(self.call.reads[0], k), self._matrix(self.call.writes[0], k)
        merged = self.buffers.pointer(self.call.scratch[0])
        n, levels = self.sizes
        self.f.loop("0", n, "1", [], lambda i, _: self._store_place(i, order, i))

        def level(doublings, _):
            width, both = [self.f.let(f"shl i64 {first}, {doublings}", "i") for first in (1, 2)]
            self.f.loop("0", n, "1", [("i64", "0"), ("i64", "0")], lambda at, runs: self._merge(keys, order, merged, width, both, at, runs))
            self.f.loop("0", n, "1", [], lambda i, _: self._store_place(self._load_place(merged, i), order, i))
            return []
        self.f.loop("0", levels, "1", [], level)

    def _load_place(self, array: str, at: str) -> str:
        return self.f.let(f"load i64, ptr {self._at(array, at, 'i64')}", "i")

    def _store_place(self, value: str, array: str, at: str) -> list:
        self.f.do(f"store i64 {value}, ptr {self._at(array, at, 'i64')}")
        return []

    def _merge(self, keys: str, order: str, merged: str, width: str, both: str, at: str, runs: list[str]) -> list[str]:
        """One element of two runs that become one: the places in both, after it."""
        let, n = self.f.let, self.sizes[0]
        smallest = self.compute.declarations.declare("llvm.smin.i64", "i64", ("i64", "i64"))
        outside = let(f"sub i64 0, {both}", "i")
        start = let(f"and i64 {at}, {outside}", "i")
        middle, end = [let(f"call i64 @{smallest}(i64 {self.f.add(start, step)}, i64 {n})", "i") for step in (width, both)]
        begins = let(f"icmp eq i64 {at}, {start}")
        i, j = [let(f"select i1 {begins}, i64 {first}, i64 {place}", "i") for first, place in ((start, runs[0]), (middle, runs[1]))]
        left, right = [let(f"icmp slt i64 {place}, {stop}") for place, stop in ((i, middle), (j, end))]
        # What has run out is read at the start of the pair, where there is something.
        a, b = [self._load_place(order, let(f"select i1 {there}, i64 {place}, i64 {start}", "i")) for there, place in ((left, i), (right, j))]
        x, y = [let(f"load {self.element}, ptr {self._at(keys, each)}") for each in (a, b)]
        ended = let(f"xor i1 {left}, true")
        is_better = let(f"or i1 {ended}, {self._comes_before(y, x)}")
        takes = let(f"and i1 {right}, {is_better}")
        self._store_place(let(f"select i1 {takes}, i64 {b}, i64 {a}", "i"), merged, at)
        step = let(f"zext i1 {takes} to i64", "i")
        other = let(f"sub i64 1, {step}", "i")
        return [self.f.add(i, other), self.f.add(j, step)]

    def _comes_before(self, a: str, b: str) -> str:
        """Is a key less than another, NaN being the largest?"""
        let, keys = self.f.let, self.call.reads[0].buffer.dtype
        if keys.kind != "f":
            return let(f"icmp {'ult' if keys.kind == 'u' else 'slt'} {self.element} {a}, {b}")
        number, nan = let(f"fcmp ord {self.element} {a}, {a}"), let(f"fcmp uno {self.element} {b}, {b}")
        is_less, is_last = let(f"fcmp olt {self.element} {a}, {b}"), let(f"and i1 {number}, {nan}")
        return let(f"or i1 {is_less}, {is_last}")

    # -- determinants ----------------------------------------------------------------------------------------------
    def _determinant(self, k: str, first: str, factor) -> None:
        """Run over the diagonal of the LU factors; ``factor(total, entry, swapped)`` gives the next total."""
        matrix, result = self.call.writes
        n = self.sizes[0]
        place = self._matrix(matrix, k)
        self._factor(place, n)
        pivots = self._pivots()

        def step(i, totals):
            entry = self.f.let(f"load {self.element}, ptr {self._at(place, self.f.mul(i, self.f.let(f'add i64 {n}, 1', 'i')))}")
            pivot = self.f.let(f"load i32, ptr {self.f.let(f'getelementptr i32, ptr {pivots}, i64 {i}')}")
            here = self.f.let(f"trunc i64 {self.f.let(f'add i64 {i}, 1')} to i32")
            swapped = self.f.let(f"icmp ne i32 {pivot}, {here}")
            return [factor(totals[0], entry, swapped)]
        total = self.f.loop("0", n, "1", [(self.element, first)], step)[0]
        self.f.do(f"store {self.element} {total}, ptr {self._matrix(result, k)}")

    def _signed(self, value: str, swapped: str) -> str:
        return self.f.let(f"select i1 {swapped}, {self.element} {self.f.let(f'fneg {self.element} {value}')}, {self.element} {value}")

    def det(self, k: str) -> None:
        self._determinant(k, "1.0", lambda total, entry, swapped:
                          self.f.let(f"fmul {self.element} {total}, {self._signed(entry, swapped)}"))

    def logabsdet(self, k: str) -> None:
        def add(total, entry, swapped):
            size = self.compute.apply(Intrinsic("llvm.fabs"), [entry], self.dtype, self.dtype, 0)
            log = self.compute.apply(Libm("log"), [size], self.dtype, self.dtype, 0)
            return self.f.let(f"fadd {self.element} {total}, {log}")
        self._determinant(k, "0.0", add)

    def detsign(self, k: str) -> None:
        def multiply(total, entry, swapped):
            one = self.compute.apply(Intrinsic("llvm.copysign"), ["1.0", entry], self.dtype, self.dtype, 0)
            nothing = self.f.let(f"fcmp oeq {self.element} {entry}, 0.0")
            # A zero pivot makes the sign 0; a NaN stays one.
            unit = self.f.let(f"select i1 {nothing}, {self.element} 0.0, {self.element} {one}")
            number = self.f.let(f"fcmp ord {self.element} {entry}, {entry}")
            unit = self.f.let(f"select i1 {number}, {self.element} {unit}, {self.element} {entry}")
            return self.f.let(f"fmul {self.element} {total}, {self._signed(unit, swapped)}")
        self._determinant(k, "1.0", multiply)


_ROUTINES = {name: getattr(CallWriter, name) for name in ("matmul", "inv", "solve", "cholesky", "det", "logabsdet", "detsign", "argsort")}
