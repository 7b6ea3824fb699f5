"""Rows of samples and columns of lanes, each from the other in registers: shuffles of two inputs, no memory between.

``width`` samples, one in each row, have up to ``width`` elements each, which are neighbours in memory. Rows are read as short vectors and joined to
full ones, row r with the rows r + n, r + 2n, … where n elements are in a row; squares of n × n are then transposed in each, all at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from codegen.llvm.text import FunctionText
from codegen.llvm.types import mangled

Declare = Callable[[str, str, tuple[str, ...]], str]


def whole(count: int) -> int:
    """The power of two that so many elements fit into."""
    return 1 << (count - 1).bit_length()


def read(f: FunctionText, declare: Declare, rows: Sequence[str], element: str, count: int) -> list[str]:
    """The columns of ``count`` elements that begin at the addresses ``rows``, each as a vector of as many lanes as there are rows."""
    size, width = whole(count), len(rows)
    parts = [_load(f, declare, row, element, count, size) for row in rows]
    columns = [_joined(f, parts[first::size], element, size) for first in range(size)]
    return _transposed(f, columns, element, width)[:count]


def write(f: FunctionText, declare: Declare, columns: Sequence[str], rows: Sequence[str], element: str) -> None:
    """Store columns of lanes into rows."""
    count, width = len(columns), len(rows)
    size = whole(count)
    vectors = _transposed(f, [*columns, *["poison"] * (size - count)], element, width)
    for number, row in enumerate(rows):
        part = _part(f, vectors[number % size], element, width, number // size * size, size)
        _store(f, declare, part, row, element, count, size)


def _transposed(f: FunctionText, vectors: list[str], element: str, width: int) -> list[str]:
    """The square of n × n in each n lanes of n vectors: off-diagonal blocks are exchanged, from large to small."""
    step = len(vectors) // 2
    while step:
        vectors = _exchanged(f, vectors, element, width, step)
        step //= 2
    return vectors


def _exchanged(f: FunctionText, vectors: list[str], element: str, width: int, step: int) -> list[str]:
    result = list(vectors)
    low = [lane if not lane & step else lane - step + width for lane in range(width)]
    high = [lane + step if not lane & step else lane + width for lane in range(width)]
    for k in range(len(vectors)):
        if k & step:
            continue
        a, b = vectors[k], vectors[k + step]
        result[k], result[k + step] = _shuffled(f, a, b, element, width, low), _shuffled(f, a, b, element, width, high)
    return result


def _joined(f: FunctionText, parts: list[str], element: str, size: int) -> str:
    while len(parts) > 1:
        parts = [_shuffled(f, a, b, element, size, range(2 * size)) for a, b in zip(parts[::2], parts[1::2])]
        size *= 2
    return parts[0]


def _part(f: FunctionText, vector: str, element: str, width: int, first: int, size: int) -> str:
    return vector if size == width else _shuffled(f, vector, "poison", element, width, range(first, first + size))


def _shuffled(f: FunctionText, a: str, b: str, element: str, width: int, lanes: Sequence[int]) -> str:
    if a == b == "poison":
        return "poison"
    order = ", ".join(f"i32 {lane}" for lane in lanes)
    return f.let(f"shufflevector <{width} x {element}> {a}, <{width} x {element}> {b}, <{len(lanes)} x i32> <{order}>")


# Memory: where a row has fewer elements than a vector, nothing behind them is touched --------------------------------------------

def _mask(count: int, size: int) -> str:
    return f"<{size} x i1> <{', '.join(f'i1 {int(lane < count)}' for lane in range(size))}>"


def _bytes(element: str) -> int:
    return {"float": 4, "double": 8}.get(element) or int(element[1:]) // 8


def _load(f: FunctionText, declare: Declare, at: str, element: str, count: int, size: int) -> str:
    type, align = f"<{size} x {element}>", _bytes(element)
    if count == size:
        return f.let(f"load {type}, ptr {at}, align {align}")
    name = declare(f"llvm.masked.load.{mangled(element, size)}.p0", type, ("ptr", "i32", f"<{size} x i1>", type))
    return f.let(f"call {type} @{name}(ptr {at}, i32 {align}, {_mask(count, size)}, {type} poison)")


def _store(f: FunctionText, declare: Declare, value: str, at: str, element: str, count: int, size: int) -> None:
    type, align = f"<{size} x {element}>", _bytes(element)
    if count == size:
        f.do(f"store {type} {value}, ptr {at}, align {align}")
        return
    name = declare(f"llvm.masked.store.{mangled(element, size)}.p0", "void", (type, "ptr", "i32", f"<{size} x i1>"))
    f.do(f"call void @{name}({type} {value}, ptr {at}, i32 {align}, {_mask(count, size)})")
