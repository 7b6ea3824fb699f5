"""Copies between the samples of a batch and tiles, in which neighbouring samples are neighbours in memory: transposition in squares."""

from __future__ import annotations

from codegen.llvm.text import FunctionText, Integers

from .rows import read, write

SIZES = (1, 2, 4, 8)  # of an element, in bytes
SQUARE = 8            # rows and columns that are transposed at a time


def copy(size: int, into: bool) -> str:
    """``in8(tile, pitch, base, sample, offsets, elements, unit, rows)``: element e of row r is at ``tile + e*pitch + r*size``."""
    f = FunctionText(f"{'in' if into else 'out'}{size}", Integers(),
                     "ptr %tile, i64 %pitch, ptr %base, i64 %sample, ptr %offsets, i64 %elements, i64 %unit, i64 %rows")
    done = "0"
    if size >= 4:
        done = _squares(f, size, into)
    _one_by_one(f, size, into, done, "%elements", "0")
    if done != "0":
        square_rows = f.let(f"and i64 %rows, {-SQUARE}")
        _one_by_one(f, size, into, "0", done, square_rows)
    return f.text()


def _one_by_one(f: FunctionText, size: int, into: bool, low: str, high: str, first_row: str) -> None:
    element = f"i{8 * size}"

    def column(e, _):
        at = f.let(f"getelementptr i64, ptr %offsets, i64 {e}")
        offset = f.let(f"load i64, ptr {at}, align 8")
        source = f.let(f"getelementptr i8, ptr %base, i64 {offset}")
        shift = f.let(f"mul i64 {e}, %pitch")
        target = f.let(f"getelementptr i8, ptr %tile, i64 {shift}")

        def row(r, _):
            step = f.let(f"mul i64 {r}, %sample")
            outside = f.let(f"getelementptr i8, ptr {source}, i64 {step}")
            inside = f.let(f"getelementptr {element}, ptr {target}, i64 {r}")
            a, b = (outside, inside) if into else (inside, outside)
            value = f.let(f"load {element}, ptr {a}, align {size}")
            f.do(f"store {element} {value}, ptr {b}, align {size}")
            return []
        f.loop(first_row, "%rows", "1", [], row)
        return []
    f.loop(low, high, "1", [], column)


def _squares(f: FunctionText, size: int, into: bool) -> str:
    """Transpose squares of full rows, where elements are neighbours; returns the number of elements done."""
    count = f.let(f"and i64 %elements, {-SQUARE}")
    rest = f.let(f"and i64 %elements, {SQUARE // 2}")
    all_columns = f.let(f"add i64 {count}, {rest}")
    is_unit = f.let("icmp ne i64 %unit, 0")
    full = f.let(f"and i64 %rows, {-SQUARE}")
    done = f.let(f"select i1 {is_unit}, i64 {all_columns}, i64 0")
    whole = f.let(f"select i1 {is_unit}, i64 {count}, i64 0")

    def band(r, _):
        step = f.let(f"mul i64 {r}, %sample")
        start = f.let(f"getelementptr i8, ptr %base, i64 {step}")

        def square(e, _):
            _transpose(f, size, into, start, r, e, SQUARE)
            return []
        f.loop("0", whole, str(SQUARE), [], square)
        half = f.let(f"icmp slt i64 {whole}, {done}")
        f.when(half, [], lambda: _transpose(f, size, into, start, r, whole, SQUARE // 2) or [])
        return []
    f.loop("0", full, str(SQUARE), [], band)
    return done


def _transpose(f: FunctionText, size: int, into: bool, start: str, row: str, first: str, columns: int) -> None:
    """``SQUARE`` rows of so many columns."""
    element = f"i{8 * size}"
    outside, inside = [], []
    shift = f.let(f"mul i64 {first}, {size}")
    for r in range(SQUARE):
        step = f.let(f"mul i64 %sample, {r}")
        both = f.let(f"add i64 {step}, {shift}")
        outside.append(f.let(f"getelementptr i8, ptr {start}, i64 {both}"))
    for c in range(columns):
        column = f.let(f"add i64 {first}, {c}")
        step = f.let(f"mul i64 {column}, %pitch")
        at = f.let(f"getelementptr i8, ptr %tile, i64 {step}")
        inside.append(f.let(f"getelementptr {element}, ptr {at}, i64 {row}"))
    if into:
        for vector, at in zip(read(f, _declare, outside, element, columns), inside):
            f.do(f"store <{SQUARE} x {element}> {vector}, ptr {at}, align {size}")
        return
    write(f, _declare, [f.let(f"load <{SQUARE} x {element}>, ptr {at}, align {size}") for at in inside], outside, element)


def _declare(name: str, *_) -> str:
    raise AssertionError(f"whole squares need no {name}")
