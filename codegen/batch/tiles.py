"""Copies between the samples of a batch and tiles, in which neighbouring samples are neighbours in memory: transposition in squares."""

from __future__ import annotations

from codegen.llvm.text import FunctionText, Integers

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
    sources, targets = (outside, inside) if into else (inside, outside)
    vectors = [f.let(f"load <{len(targets)} x {element}>, ptr {a}, align {size}") for a in sources]
    for vector, target in zip(_transposed(f, vectors, element, len(targets)), targets):
        f.do(f"store <{len(sources)} x {element}> {vector}, ptr {target}, align {size}")


def _transposed(f: FunctionText, rows: list[str], element: str, width: int) -> list[str]:
    """The columns of a matrix whose rows are vectors: halves are joined until a column is whole, two inputs to a shuffle."""
    if width == 4 and len(rows) == 8:
        top, bottom = (_transposed(f, half, element, 4) for half in (rows[:4], rows[4:]))
        order = ", ".join(f"i32 {k}" for k in range(8))
        return [f.let(f"shufflevector <4 x {element}> {a}, <4 x {element}> {b}, <8 x i32> <{order}>") for a, b in zip(top, bottom)]
    if width == 8 and len(rows) == 4:
        halves = [[f.let(f"shufflevector <8 x {element}> {row}, <8 x {element}> poison, <4 x i32> <{', '.join(f'i32 {k + s}' for k in range(4))}>")
                   for row in rows] for s in (0, 4)]
        return [column for half in halves for column in _transposed(f, half, element, 4)]
    step = width // 2
    while step:
        rows = _exchanged(f, rows, element, width, step)
        step //= 2
    return rows


def _exchanged(f: FunctionText, rows: list[str], element: str, width: int, step: int) -> list[str]:
    """Swap the off-diagonal blocks of size ``step``."""
    result = list(rows)
    for k in range(width):
        if k & step:
            continue
        a, b = rows[k], rows[k + step]
        low = [j if not j & step else j - step + width for j in range(width)]
        high = [j + step if not j & step else j + width for j in range(width)]
        for position, order in ((k, low), (k + step, high)):
            mask = ", ".join(f"i32 {j}" for j in order)
            result[position] = f.let(f"shufflevector <{width} x {element}> {a}, <{width} x {element}> {b}, <{width} x i32> <{mask}>")
    return result
