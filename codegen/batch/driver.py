"""The code around all lane programs: chunks of samples, and tiles through which they are transposed where neighbours are not neighbours in memory.

It knows leaves by a table alone, and is therefore compiled once. For each leaf the table has, as 64-bit integers:

    BASE SAMPLE ELEMENTS OFFSETS ITEM MODE TILE UNIT

the address; the bytes from one sample to the next; the number of elements and the address of their byte offsets; bytes in one; how it is read; its tile;
whether the elements of a sample are neighbours.
"""

from __future__ import annotations

import functools

from codegen.llvm.target import attributes
from codegen.llvm.text import FunctionText, Integers

from .tiles import SIZES, SQUARE, copy

BASE, SAMPLE, ELEMENTS, OFFSETS, ITEM, MODE, TILE, UNIT = range(8)
FIELDS = 8
# Modes: neighbouring samples in place; rows in place; through the tile; one for all; tile only, its sum is taken.
DIRECT, ROWS, TILED, SHARED, SUMMED = range(5)
SPAN, SHARE, EACH = "span", "share", "each"


@functools.cache
def text() -> str:
    """The module."""
    functions = [copy(size, into) for size in SIZES for into in (True, False)]
    return "\n".join([*functions, _places(), _pass(True), _pass(False), _sum(4), _sum(8), _sums(), _run(), _span(), _share(), _each(), attributes()])


# Chunks -----------------------------------------------------------------------------------------------------------------------

def _field(f: FunctionText, leaf: str, number: int, type: str = "i64") -> str:
    at = f.let(f"getelementptr i64, ptr {leaf}, i64 {number}")
    return f.let(f"load {type}, ptr {at}, align 8")


def _leaf_loop(f: FunctionText, body) -> None:
    """``body(leaf)`` for each leaf of the table."""
    def one(k, _):
        step = f.let(f"mul i64 {k}, {FIELDS}")
        body(f.let(f"getelementptr i64, ptr %table, i64 {step}"))
        return []
    f.loop("%from", "%to", "1", [], one)


def _places() -> str:
    """``set_places(table, from, to, places, start, tiled, pitch)``: where the elements of each leaf are for the chunk that begins at ``start``, and the bytes
    from row to row where rows are in place, else 0.

    ``tiled``: leaves in place too are in their tile, for the last, padded chunk.
    """
    f = FunctionText("set_places", Integers(), "ptr %table, i64 %from, i64 %to, ptr %places, i64 %begin, i64 %tiled, i64 %chunk")
    cursor = f.entry("alloca ptr")
    f.do(f"store ptr %places, ptr {cursor}")

    def leaf(at):
        mode, size = _field(f, at, MODE), _field(f, at, ITEM)
        shared = f.let(f"icmp eq i64 {mode}, {SHARED}")
        in_place = f.let(f"and i1 {f.let(f'icmp ule i64 {mode}, {ROWS}')}, {f.let('icmp eq i64 %tiled, 0')}")
        in_rows = f.let(f"and i1 {f.let(f'icmp eq i64 {mode}, {ROWS}')}, {in_place}")
        outside = f.let(f"or i1 {in_place}, {shared}")
        sample = _field(f, at, SAMPLE)
        moved = f.let(f"mul i64 %begin, {sample}")
        base = _field(f, at, BASE, "ptr")
        first = f.let(f"getelementptr i8, ptr {base}, i64 {moved}")
        origin = f.let(f"select i1 {outside}, ptr {first}, ptr {_field(f, at, TILE, 'ptr')}")
        offsets, elements = _field(f, at, OFFSETS, "ptr"), _field(f, at, ELEMENTS)
        pitch = f.let(f"mul i64 %chunk, {size}")
        places = f.let(f"load ptr, ptr {cursor}")

        def element(e, _):
            own = f.let(f"load i64, ptr {f.let(f'getelementptr i64, ptr {offsets}, i64 {e}')}, align 8")
            inside = f.let(f"mul i64 {e}, {pitch}")
            offset = f.let(f"select i1 {outside}, i64 {own}, i64 {inside}")
            place = f.let(f"getelementptr i8, ptr {origin}, i64 {offset}")
            f.do(f"store ptr {place}, ptr {f.let(f'getelementptr ptr, ptr {places}, i64 {e}')}, align 8")
            return []
        f.loop("0", elements, "1", [], element)
        behind = f.let(f"getelementptr ptr, ptr {places}, i64 {elements}")
        f.do(f"store i64 {f.let(f'select i1 {in_rows}, i64 {sample}, i64 0')}, ptr {behind}, align 8")
        f.do(f"store ptr {f.let(f'getelementptr ptr, ptr {behind}, i64 1')}, ptr {cursor}")
    _leaf_loop(f, leaf)
    return f.text()


def _pass(into: bool) -> str:
    """``fill`` copies the samples of a chunk into tiles, ``empty`` results out of them."""
    f = FunctionText("fill" if into else "empty", Integers(), "ptr %table, i64 %from, i64 %to, i64 %begin, i64 %rows, i64 %tiled, i64 %chunk, i64 %padded")

    def leaf(at):
        mode, size = _field(f, at, MODE), _field(f, at, ITEM)
        through = f.let(f"icmp eq i64 {mode}, {TILED}")
        also = f.let(f"and i1 {f.let(f'icmp ule i64 {mode}, {ROWS}')}, {f.let('icmp ne i64 %tiled, 0')}")
        copied = f.let(f"or i1 {through}, {also}")

        def copy():
            sample = _field(f, at, SAMPLE)
            base = f.let(f"getelementptr i8, ptr {_field(f, at, BASE, 'ptr')}, i64 {f.let(f'mul i64 %begin, {sample}')}")
            tile, pitch = _field(f, at, TILE, "ptr"), f.let(f"mul i64 %chunk, {size}")
            offsets, elements, unit = _field(f, at, OFFSETS, "ptr"), _field(f, at, ELEMENTS), _field(f, at, UNIT)
            for each in SIZES:
                def call(each=each):
                    f.do(f"call void @{'in' if into else 'out'}{each}(ptr {tile}, i64 {pitch}, ptr {base}, i64 {sample}, ptr {offsets}, "
                         f"i64 {elements}, i64 {unit}, i64 %rows)")
                    if into:
                        _pad(f, each, tile, pitch, elements)
                    return []
                f.when(f.let(f"icmp eq i64 {size}, {each}"), [], call)
            return []
        f.when(copied, [], copy)
    _leaf_loop(f, leaf)
    return f.text()


def _pad(f: FunctionText, size: int, tile: str, pitch: str, elements: str) -> None:
    """Lanes behind the last sample repeat it."""
    element = f"i{8 * size}"
    last = f.let("sub i64 %rows, 1")

    def column(e, _):
        target = f.let(f"getelementptr i8, ptr {tile}, i64 {f.let(f'mul i64 {e}, {pitch}')}")
        value = f.let(f"load {element}, ptr {f.let(f'getelementptr {element}, ptr {target}, i64 {last}')}, align {size}")

        def row(r, _):
            f.do(f"store {element} {value}, ptr {f.let(f'getelementptr {element}, ptr {target}, i64 {r}')}, align {size}")
            return []
        f.loop("%rows", "%padded", "1", [], row)
        return []
    f.when(f.let("icmp slt i64 %rows, %padded"), [], lambda: f.loop("0", elements, "1", [], column))


# Sums over samples ------------------------------------------------------------------------------------------------------------

def _sum(size: int) -> str:
    """``sum8(tile, pitch, elements, rows, padded, totals)``: add the sum of each element over the rows of a tile to its total.

    A total is a float64 and what its rounding has lost (Neumaier, ZAMM 54, 1974); rows are summed in eight accumulators.
    """
    f = FunctionText(f"sum{size}", Integers(), "ptr %tile, i64 %pitch, i64 %elements, i64 %rows, i64 %padded, ptr %totals")
    element = {4: "float", 8: "double"}[size]
    type = f"<{SQUARE} x {element}>"

    def column(e, _):
        tile = f.let(f"getelementptr i8, ptr %tile, i64 {f.let(f'mul i64 {e}, %pitch')}")

        def clear(r, _):
            f.do(f"store {element} 0.0, ptr {f.let(f'getelementptr {element}, ptr {tile}, i64 {r}')}, align {size}")
            return []
        f.loop("%rows", "%padded", "1", [], clear)

        def add(r, carried):
            more = f.let(f"load {type}, ptr {f.let(f'getelementptr {element}, ptr {tile}, i64 {r}')}, align {size}")
            return [f.let(f"fadd {type} {carried[0]}, {more}")]
        total, = f.loop("0", "%padded", str(SQUARE), [(type, "zeroinitializer")], add)
        _add_to_total(f, f.let(f"getelementptr double, ptr %totals, i64 {f.let(f'mul i64 {e}, 2')}"), _across(f, total, element))
        return []
    f.loop("0", "%elements", "1", [], column)
    return f.text()


def _across(f: FunctionText, value: str, element: str) -> str:
    """The sum of all lanes, as float64."""
    type, step = f"<{SQUARE} x {element}>", SQUARE // 2
    while step:
        order = ", ".join(f"i32 {(k + step) % SQUARE}" for k in range(SQUARE))
        moved = f.let(f"shufflevector {type} {value}, {type} poison, <{SQUARE} x i32> <{order}>")
        value = f.let(f"fadd {type} {value}, {moved}")
        step //= 2
    one = f.let(f"extractelement {type} {value}, i64 0")
    return one if element == "double" else f.let(f"fpext float {one} to double")


def _add_to_total(f: FunctionText, at: str, x: str) -> None:
    beside = f.let(f"getelementptr double, ptr {at}, i64 1")
    old, lost = f.let(f"load double, ptr {at}, align 8"), f.let(f"load double, ptr {beside}, align 8")
    new = f.let(f"fadd double {old}, {x}")
    sizes = [f.let(f"and i64 {f.let(f'bitcast double {v} to i64')}, {2**63 - 1}") for v in (old, x)]  # ordered as the magnitudes are
    is_old = f.let(f"icmp uge i64 {sizes[0]}, {sizes[1]}")
    large = f.let(f"select i1 {is_old}, double {old}, double {x}")
    small = f.let(f"select i1 {is_old}, double {x}, double {old}")
    error = f.let(f"fadd double {f.let(f'fsub double {large}, {new}')}, {small}")
    f.do(f"store double {new}, ptr {at}, align 8")
    f.do(f"store double {f.let(f'fadd double {lost}, {error}')}, ptr {beside}, align 8")


def _sums() -> str:
    """``sums``: add the samples of a chunk to the totals of the leaves that are summed."""
    f = FunctionText("sums", Integers(), "ptr %table, i64 %from, i64 %to, i64 %rows, i64 %chunk, i64 %padded, ptr %totals")
    cursor = f.entry("alloca ptr")
    f.do(f"store ptr %totals, ptr {cursor}")

    def leaf(at):
        size, elements = _field(f, at, ITEM), _field(f, at, ELEMENTS)

        def add():
            totals = f.let(f"load ptr, ptr {cursor}, align 8")
            tile, pitch = _field(f, at, TILE, "ptr"), f.let(f"mul i64 %chunk, {size}")
            for each in (4, 8):
                f.when(f.let(f"icmp eq i64 {size}, {each}"), [], lambda each=each: f.do(
                    f"call void @sum{each}(ptr {tile}, i64 {pitch}, i64 {elements}, i64 %rows, i64 %padded, ptr {totals})") or [])
            used = f.let(f"mul i64 {elements}, 16")
            f.do(f"store ptr {f.let(f'getelementptr i8, ptr {totals}, i64 {used}')}, ptr {cursor}, align 8")
            return []
        f.when(f.let(f"icmp eq i64 {_field(f, at, MODE)}, {SUMMED}"), [], add)
    _leaf_loop(f, leaf)
    return f.text()


_BEFORE = "ptr %body, ptr %table, i64 %given, i64 %leaves, ptr %places, ptr %slots"


def _run() -> str:
    """``run(body, table, given, leaves, places, slots, low, high, chunk, width, totals)``: the samples [low, high), of which the first ``given`` leaves
    are known."""
    f = FunctionText("run", Integers(), f"{_BEFORE}, i64 %low, i64 %high, i64 %chunk, i64 %width, ptr %totals")

    def chunk(start, _):
        left = f.let(f"sub i64 %high, {start}")
        short = f.let(f"icmp slt i64 {left}, %chunk")
        rows = f.let(f"select i1 {short}, i64 {left}, i64 %chunk")
        up = f.let(f"add i64 {rows}, {f.let('sub i64 %width, 1')}")
        count = f.let(f"udiv i64 {up}, %width")
        padded = f.let(f"mul i64 {count}, %width")
        tiled = f.let(f"zext i1 {f.let(f'icmp ne i64 {padded}, {rows}')} to i64")
        f.do(f"call void @set_places(ptr %table, i64 0, i64 %leaves, ptr %places, i64 {start}, i64 {tiled}, i64 %chunk)")
        f.do(f"call void @fill(ptr %table, i64 0, i64 %given, i64 {start}, i64 {rows}, i64 {tiled}, i64 %chunk, i64 {padded})")
        f.do(f"call void %body(ptr %places, ptr %slots, i64 {count})")
        f.do(f"call void @empty(ptr %table, i64 %given, i64 %leaves, i64 {start}, i64 {rows}, i64 {tiled}, i64 %chunk, i64 {padded})")
        f.do(f"call void @sums(ptr %table, i64 %given, i64 %leaves, i64 {rows}, i64 %chunk, i64 {padded}, ptr %totals)")
        return []
    f.loop("%low", "%high", "%chunk", [], chunk)
    return f.text()


def _span() -> str:
    """``span(body, …, low, high, chunk, width, direct, totals)``, as ``run``; ``direct``: nothing goes through tiles but what does not fill a vector."""
    f = FunctionText(SPAN, Integers(), f"{_BEFORE}, i64 %low, i64 %high, i64 %chunk, i64 %width, i64 %direct, ptr %totals")

    def run(low: str, high: str, chunk: str) -> list:
        some = f.let(f"icmp slt i64 {low}, {high}")
        return f.when(some, [], lambda: f.do(f"call void @run({_BEFORE}, i64 {low}, i64 {high}, i64 {chunk}, i64 %width, ptr %totals)") or [])

    def direct():
        count = f.let("sub i64 %high, %low")
        middle = f.let(f"sub i64 %high, {f.let(f'srem i64 {count}, %width')}")
        return run("%low", middle, f.let(f"sub i64 {middle}, %low")) + run(middle, "%high", "%width")
    f.choose(f.let("icmp ne i64 %direct, 0"), "i64", direct, lambda: run("%low", "%high", "%chunk"))
    return f.text(linkage="")


def _share() -> str:
    """``share(next, step, shares, body, …)``, as ``span``: take one share of ``step`` samples after the other, until there are none.

    ``next`` is the first sample that no thread has taken. No thread waits for another, nor for the interpreter.
    """
    f = FunctionText(SHARE, Integers(), f"ptr %next, i64 %step, i64 %shares, {_BEFORE}, i64 %high, i64 %chunk, i64 %width, i64 %direct, ptr %totals")

    def take(_, __):
        low = f.let("atomicrmw add ptr %next, i64 %step monotonic, align 8")
        after = f.let(f"add i64 {low}, %step")
        high = f.let(f"select i1 {f.let(f'icmp slt i64 {after}, %high')}, i64 {after}, i64 %high")
        some = f.let(f"icmp slt i64 {low}, {high}")
        return f.when(some, [], lambda: f.do(
            f"call void @{SPAN}({_BEFORE}, i64 {low}, i64 {high}, i64 %chunk, i64 %width, i64 %direct, ptr %totals)") or [])
    f.loop("0", "%shares", "1", [], take)
    return f.text(linkage="")


def _each() -> str:
    """``each(kernel, buffers, steps, leaves, strides, params, workspace, moved, status, low, high)``: an ordinary kernel, one sample after another."""
    f = FunctionText(EACH, Integers(), "ptr %kernel, ptr %buffers, ptr %steps, i64 %leaves, ptr %strides, ptr %params, ptr %workspace, ptr %moved, "
                                       "ptr %status, i64 %low, i64 %high")

    def sample(i, _):
        def leaf(k, _):
            base = f.let(f"load ptr, ptr {f.let(f'getelementptr ptr, ptr %buffers, i64 {k}')}, align 8")
            step = f.let(f"load i64, ptr {f.let(f'getelementptr i64, ptr %steps, i64 {k}')}, align 8")
            at = f.let(f"getelementptr i8, ptr {base}, i64 {f.let(f'mul i64 {i}, {step}')}")
            f.do(f"store ptr {at}, ptr {f.let(f'getelementptr ptr, ptr %moved, i64 {k}')}, align 8")
            return []
        f.loop("0", "%leaves", "1", [], leaf)
        code = f.let("call i32 %kernel(ptr %moved, ptr %strides, ptr %params, ptr %workspace)")
        bad = f.let(f"icmp ne i32 {code}, 0")
        f.when(bad, [], lambda: f.do(f"store i32 {code}, ptr %status, align 4") or [])
        return []
    f.loop("%low", "%high", "1", [], sample)
    return f.text(linkage="")
