"""How operations that are no element-wise expressions become statements: one function a kind, found through ``LOWERINGS``."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import product

import numpy as np

from codegen.loops import Affine, ArgReduce, Call, Load, Matrix, Reduce, Scan, Scatter, Store, accumulates
from tracer.graph.node import Node
from tracer.ops import TABLE

from .maps import NotAffine, counter, flatten, identity_map, operand_map, space_of, zero
from .plan import view_leaf

ADD, MULTIPLY, SUM = TABLE["add"], TABLE["multiply"], TABLE["sum"]
INVERSION_COLUMNS = 64  # workspace of LAPACK's getri: n times its block size
ASSEMBLY_CELLS = 8  # a gather-form assembly may have this many cells and as many again per piece; else pieces are added one after another
COMPARED_PIECES = 64  # of an assembly that is added up, to find those that need no addition


# Reductions -------------------------------------------------------------------------------------------------------------

def identity_of(op, dtype: np.dtype):
    """What a reduction starts from."""
    extreme = {TABLE["max"]: -1, TABLE["min"]: 1}.get(op)
    if extreme is not None:
        if dtype.kind == "f":
            return extreme * math.inf
        limits = np.iinfo(dtype) if dtype.kind in "iu" else None
        return (limits.min if extreme < 0 else limits.max) if limits else extreme > 0
    return {TABLE["sum"]: 0, TABLE["any"]: False, TABLE["prod"]: 1, TABLE["all"]: True}[op]


def lower_reduce(schedule, node: Node) -> None:
    """Sums, products and extremes: a reduction in a nest over the operand, which other work on it may share."""
    operand = node.inputs[0]
    shape = operand.type.shape
    space = space_of(shape)
    loops = [axis for axis, n in enumerate(shape) if n != 1]
    axes = frozenset(loops.index(axis) for axis in node.attrs[0] if shape[axis] != 1)
    nest = schedule.nest_for(space, schedule.earliest_to_read(operand, space))
    value = nest.evaluate(operand, identity_map(shape))
    buffer = schedule.allocate(node)
    kept = [part for axis, part in enumerate(identity_map(shape)) if axis not in node.attrs[0]]
    place = nest.place(buffer, tuple(kept))
    if axes:
        root = Reduce(node.op, value, axes, buffer, place)
        if accumulates(root, len(space)):
            schedule.initial(buffer, identity_of(node.op, node.type.dtype))
        nest.nest.roots.append(root)
    else:
        nest.nest.roots.append(Store(value, buffer, place))
    schedule.made_at[node] = nest.position


def _map_with_axis_last(shape: tuple[int, ...], last: int):
    """The loops over a shape with one axis innermost, and the identity map over them."""
    order = [axis for axis, n in enumerate(shape) if n != 1 and axis != last] + [last]
    extents = tuple([shape[axis] for axis in order])
    rank = len(order)
    map = [zero(rank)] * len(shape)
    for position, axis in enumerate(order):
        map[axis] = Affine(0, tuple([int(k == position) for k in range(rank)]))
    return extents, tuple(map)


def lower_arg_reduce(schedule, node: Node) -> None:
    """The place of an extreme along an axis: an ordered nest of its own."""
    operand, axis = node.inputs[0], node.attrs[0]
    extents, map = _map_with_axis_last(operand.type.shape, axis)
    nest = schedule.new_nest(extents, ordered=True)
    value = nest.evaluate(operand, map)
    buffer = schedule.allocate(node)
    place = nest.place(buffer, map[:axis] + map[axis + 1:])
    nest.nest.roots.append(ArgReduce(node.op, value, len(extents) - 1, buffer, place))
    schedule.made_at[node] = nest.position


def lower_scan(schedule, node: Node) -> None:
    """Running sums and products along an axis: an ordered nest of its own."""
    operand, axis = node.inputs[0], node.attrs[0]
    extents, map = _map_with_axis_last(operand.type.shape, axis)
    nest = schedule.new_nest(extents, ordered=True)
    value = nest.evaluate(operand, map)
    buffer = schedule.allocate(node)
    nest.nest.roots.append(Scan(node.op, value, len(extents) - 1, buffer, nest.place(buffer, map)))
    schedule.made_at[node] = nest.position


# Assembly ---------------------------------------------------------------------------------------------------------------

def lower_concatenate(schedule, node: Node) -> None:
    """Pieces side by side along an axis."""
    axis = node.attrs[0]
    pieces, start = [], 0
    for piece in node.inputs:
        spec = tuple([(start if k == axis else 0, n, 1) for k, n in enumerate(piece.type.shape)])
        pieces.append((piece, spec))
        start += piece.type.shape[axis]
    _assemble(schedule, node, pieces)


def lower_assemble(schedule, node: Node) -> None:
    """Pieces added up at static indices."""
    _assemble(schedule, node, list(zip(node.inputs, node.attrs[1])))


def _assemble(schedule, node: Node, pieces: list) -> None:
    """Write the sum of pieces that are placed at static indices; zero where there is none."""
    buffer = schedule.allocate(node)
    cells = _cells(node.type.shape, [spec for _, spec in pieces])
    if cells is None:
        position = _add_one_after_another(schedule, node, buffer, pieces)
    else:
        position = max((_write_cell(schedule, buffer, pieces, corner, extent, active) for corner, extent, active in cells),
                       default=len(schedule.statements) - 1)
    schedule.made_at[node] = max(position, 0) if schedule.statements else -1


def _cells(shape, specs):
    """The borders of the pieces cut the array into boxes: [(corner, extent, active pieces)]; None when gather form does not pay."""
    spans = []
    for spec in specs:
        span = []
        for entry in spec:
            start, count, step = (entry, 1, 1) if isinstance(entry, int) else entry
            if step not in (1, -1) and count > 1:
                return None
            span.append((start, start + count) if step > 0 else (start - count + 1, start + 1))
        if all(low < high for low, high in span):
            spans.append((len(spans), span))
        else:
            spans.append((len(spans), None))
    borders = [sorted({0, n, *(edge for _, span in spans if span for edge in span[axis])}) for axis, n in enumerate(shape)]
    if math.prod(len(b) - 1 for b in borders) > ASSEMBLY_CELLS * (1 + len(specs)):
        return None
    active: dict[tuple, list[int]] = {}
    for k, span in spans:
        if span is not None:
            ranges = [range(bisect_left(b, low), bisect_left(b, high)) for b, (low, high) in zip(borders, span)]
            for cell in product(*ranges):
                active.setdefault(cell, []).append(k)
    result = []
    for cell in product(*[range(len(b) - 1) for b in borders]):
        corner = tuple([b[k] for b, k in zip(borders, cell)])
        extent = tuple([b[k + 1] - b[k] for b, k in zip(borders, cell)])
        result.append((corner, extent, active.get(cell, [])))
    return result


def are_disjoint(a: tuple, b: tuple) -> bool:
    """Do two specs certainly name no element in common? Ranges that are far apart, or that step past one another."""
    return any([_far_apart(*[(e, 1, 1) if isinstance(e, int) else e for e in pair]) for pair in zip(a, b)])


def _far_apart(a: tuple[int, int, int], b: tuple[int, int, int]) -> bool:
    (low, high), (lowest, highest) = [sorted((start, start + (count - 1) * step)) for start, count, step in (a, b)]
    return 0 in (a[1], b[1]) or high < lowest or highest < low or (a[0] - b[0]) % math.gcd(a[2], b[2]) != 0


def _write_cell(schedule, buffer, pieces, corner, extent, active) -> int:
    space = space_of(extent)
    nodes = [pieces[k][0] for k in active]
    # Scalars are read inside their own straight-line code; arrays at other elements than the nest is at, so behind their nest.
    scalars = not space and all(n.type.size == 1 for n in nodes)
    earliest = max([schedule.earliest_to_read(n, space) if scalars else schedule.earliest_to_read_moved(n) for n in nodes], default=0)
    nest = schedule.nest_for(space, earliest)
    local = identity_map(extent)
    rank = len(space)
    total = None
    for k in active:
        node, spec = pieces[k]
        value = nest.evaluate(node, _inverse(spec, corner, local))
        total = value if total is None else nest.compute(ADD, (total, value), buffer.dtype, buffer.dtype)
    if total is None:
        total = nest.literal(0, buffer.dtype)
    place = tuple([Affine(part.offset + low, part.coefs) for part, low in zip(local, corner)])
    nest.nest.roots.append(Store(total, buffer, flatten(place, buffer.shape, rank)))
    return nest.position


def _inverse(spec, corner, local):
    """The piece's own index at each element of a cell."""
    result = []
    for entry, low, part in zip(spec, corner, local):
        if not isinstance(entry, int):
            start, _, step = entry
            result.append(Affine((low - start) * (1 if step > 0 else -1), part.coefs if step > 0 else tuple([-c for c in part.coefs])))
    return tuple(result)


def _add_one_after_another(schedule, node: Node, buffer, pieces) -> int:
    schedule.initial(buffer, 0)
    position = -1
    for k, (piece, spec) in enumerate(pieces):
        shape = piece.type.shape
        nest = schedule.new_nest(space_of(shape))
        map = identity_map(shape)
        value = nest.evaluate(piece, map)
        parts, axis = [], 0
        for entry in spec:
            if isinstance(entry, int):
                parts.append(Affine(entry, (0,) * nest.rank))
            else:
                parts.append(map[axis].scaled(entry[2], entry[0]))
                axis += 1
        # What is the first at its place is put there: added to the zero it would lose the sign of -0.0.
        adds = k > COMPARED_PIECES or any([not are_disjoint(spec, other) for _, other in pieces[:k]])
        nest.nest.roots.append(Store(value, buffer, flatten(tuple(parts), buffer.shape, nest.rank), accumulate=adds))
        position = nest.position
    return position


def lower_scatter(schedule, node: Node) -> None:
    """Values added at integer indices from the data, one after another."""
    values, indices = node.inputs[0], node.inputs[1:]
    buffer = schedule.allocate(node)
    schedule.initial(buffer, 0)
    shape = values.type.shape
    nest = schedule.new_nest(space_of(shape), ordered=True)
    map = identity_map(shape)
    kept = len(buffer.shape) - len(indices)
    lead = map[: len(map) - kept]
    value = nest.evaluate(values, map)
    found = []
    for index in indices:
        parts = lead[len(lead) - index.type.ndim:] if index.type.ndim else ()
        found.append(nest.evaluate(index, tuple([zero(nest.rank) if n == 1 else p for p, n in zip(parts, index.type.shape)])))
    nest.nest.roots.append(Scatter(value, buffer, tuple(found), tuple(map[len(map) - kept:])))
    schedule.made_at[node] = nest.position


# Dense algebra ------------------------------------------------------------------------------------------------------------

def lower_matmul(schedule, node: Node) -> None:
    """Matrix products: nests where a side is a vector or all is small, otherwise BLAS."""
    a, b = node.inputs
    *batch, m, k = a.type.shape
    n = b.type.shape[-1]
    count = math.prod(batch)
    if 0 in (*batch, m, n, k):
        schedule.initial(schedule.allocate(node), 0)
        schedule.made_at[node] = -1
        return
    if 1 in (m, n) and not batch:
        _matrix_vector(schedule, node, *((a, b) if n == 1 else (b, a)), transposed=n != 1)
        return
    left, right = _matrix(schedule, a), _matrix(schedule, b)
    buffer = schedule.allocate(node)
    result = Matrix(buffer, 0, n, 1, m * n)
    schedule.statements.append(Call("matmul", (left, right), (result,), (m, n, k), count))
    schedule.made_at[node] = len(schedule.statements) - 1


def _matrix_vector(schedule, node: Node, matrix: Node, vector: Node, transposed: bool) -> None:
    """A loop nest of ours: one thread of it is as fast as memory, it fuses with what is around it, and the operands may be expressions.

    Loops run along the matrix as it lies, so that lanes read neighbours: a product along rows is a sum in registers, one along columns
    adds rows to the result.
    """
    shape = matrix.type.shape
    order = (0, 1) if _rows_contiguous(schedule, matrix) else (1, 0)
    extents = tuple([shape[axis] for axis in order if shape[axis] != 1])
    loops = [axis for axis in order if shape[axis] != 1]
    rank = len(loops)
    map = tuple([counter(loops.index(axis), rank) if axis in loops else zero(rank) for axis in (0, 1)])
    summed = 0 if transposed else 1
    earliest = max(schedule.earliest_to_read_moved(matrix), schedule.earliest_to_read_moved(vector))
    nest = schedule.nest_for(extents, earliest)
    left = nest.evaluate(matrix, map)
    at = map[summed]
    right = nest.evaluate(vector, (at, zero(rank)) if not transposed else (zero(rank), at))
    dtype = node.type.dtype
    value = nest.compute(MULTIPLY, (left, right), dtype, dtype, node)
    buffer = schedule.allocate(node)
    place = nest.place(buffer, (zero(rank), map[1]) if transposed else (map[0], zero(rank)))
    if summed in loops:
        root = Reduce(SUM, value, frozenset((loops.index(summed),)), buffer, place)
        if accumulates(root, rank):
            schedule.initial(buffer, 0)
    else:
        root = Store(value, buffer, place)
    nest.nest.roots.append(root)
    schedule.made_at[node] = nest.position


def _rows_contiguous(schedule, matrix: Node) -> bool:
    leaf = view_leaf(matrix)
    if leaf not in schedule.made_at or not schedule.memory_of(leaf).dense:
        return True
    try:
        found = _view(schedule, matrix, leaf)
    except NotAffine:
        return True
    return found is None or found.column == 1


def _matrix(schedule, node: Node) -> Matrix:
    """The node as BLAS can read it: where it lies, if rows or columns are contiguous there, else a dense copy."""
    leaf = view_leaf(node)
    if leaf in schedule.made_at and schedule.memory_of(leaf).dense:
        try:
            found = _view(schedule, node, leaf)
        except NotAffine:
            found = None
        if found is not None:
            return found
    buffer = schedule.new_work(node.type.dtype, node.type.shape)
    schedule.store_into(node, buffer, identity_map(node.type.shape), space_of(node.type.shape))
    *_, rows, columns = node.type.shape
    return Matrix(buffer, 0, columns, 1, rows * columns)


def _view(schedule, node: Node, leaf: Node) -> Matrix | None:
    shape = node.type.shape
    rank = len(shape)
    map = tuple([Affine(0, tuple([int(j == k) for j in range(rank)])) for k in range(rank)])
    current = node
    while current is not leaf:
        map = operand_map(current, current.inputs[0], map, rank)
        current = current.inputs[0]
    buffer = schedule.memory_of(leaf)
    offset, (*batch, row, column) = flatten(map, buffer.shape, rank)
    rows, columns = shape[-2:]
    step = 0
    if batch:
        step = batch[-1]
        if any(outer != inner * n for outer, inner, n in zip(batch, batch[1:], shape[1:-2])):
            return None
    unit_rows = (column == 1 or columns == 1) and (row >= columns or rows == 1)
    unit_columns = (row == 1 or rows == 1) and (column >= rows or columns == 1)
    if not (unit_rows or unit_columns):
        return None
    # Steps that only ever multiply zero are made regular, so that BLAS is given a legal leading dimension.
    if unit_rows:
        row, column = (row if rows > 1 else columns), 1
    else:
        row, column = 1, (column if columns > 1 else rows)
    return Matrix(buffer, offset, row, column, step)


def _square_copy(schedule, node: Node, buffer) -> Matrix:
    schedule.store_into(node, buffer, identity_map(node.type.shape), space_of(node.type.shape))
    n = node.type.shape[-1]
    return Matrix(buffer, 0, n, 1, n * n)


def _pivots(schedule, n: int):
    return schedule.new_work("int32", (n,))


def lower_in_place(routine: str):
    """A factorisation that overwrites its matrix: the operand is copied into the result, then worked on there."""
    def lower(schedule, node: Node) -> None:
        matrix = _square_copy(schedule, node.inputs[0], schedule.allocate(node))
        n = node.type.shape[-1]
        scratch = (_pivots(schedule, n), schedule.new_work(node.type.dtype, (n, INVERSION_COLUMNS))) if routine == "inv" else ()
        schedule.statements.append(Call(routine, (), (matrix,), (n,), math.prod(node.type.shape[:-2]), scratch))
        schedule.made_at[node] = len(schedule.statements) - 1
    return lower


def lower_determinant(routine: str):
    """A scalar per matrix from its LU factors."""
    def lower(schedule, node: Node) -> None:
        operand = node.inputs[0]
        matrix = _square_copy(schedule, operand, schedule.new_work(operand.type.dtype, operand.type.shape))
        result = Matrix(schedule.allocate(node), 0, 1, 1, 1)
        n = operand.type.shape[-1]
        schedule.statements.append(Call(routine, (), (matrix, result), (n,), math.prod(node.type.shape), (_pivots(schedule, n),)))
        schedule.made_at[node] = len(schedule.statements) - 1
    return lower


def lower_solve(schedule, node: Node) -> None:
    """LAPACK solves for columns of a column-major right-hand side, which are rows of ours: it is transposed on the way in and out."""
    a, b = node.inputs
    *batch, n, m = b.type.shape
    matrix = _square_copy(schedule, a, schedule.new_work(a.type.dtype, a.type.shape))
    turned = schedule.new_work(b.type.dtype, (*batch, m, n))
    nest = schedule.new_nest(space_of(b.type.shape))
    map = identity_map(b.type.shape)
    swapped = (*map[:-2], map[-1], map[-2])
    value = nest.evaluate(b, map)
    nest.nest.roots.append(Store(value, turned, nest.place(turned, swapped)))
    rhs = Matrix(turned, 0, n, 1, m * n)
    schedule.statements.append(Call("solve", (), (matrix, rhs), (n, m), math.prod(batch), (_pivots(schedule, n),)))
    back = schedule.new_nest(space_of(node.type.shape))
    buffer = schedule.allocate(node)
    value = back.add(Load(turned, back.place(turned, swapped)))
    back.nest.roots.append(Store(value, buffer, back.place(buffer, map)))
    schedule.made_at[node] = back.position


def lower_argsort(schedule, node: Node) -> None:
    """The order along the last axis: the keys are laid side by side, then merged."""
    operand = node.inputs[0]
    shape = operand.type.shape
    keys = schedule.new_work(operand.type.dtype, shape)
    schedule.store_into(operand, keys, identity_map(shape), space_of(shape))
    n = shape[-1]
    reads, writes = (Matrix(keys, 0, n, 1, n),), (Matrix(schedule.allocate(node), 0, n, 1, n),)
    schedule.statements.append(Call("argsort", reads, writes, (n, (n - 1).bit_length()), math.prod(shape[:-1]), (schedule.new_work("int64", (n,)),)))
    schedule.made_at[node] = len(schedule.statements) - 1


LOWERINGS = {
    **{TABLE[name]: lower_reduce for name in ("sum", "prod", "max", "min", "any", "all")},
    **{TABLE[name]: lower_arg_reduce for name in ("argmax", "argmin")},
    **{TABLE[name]: lower_scan for name in ("cumsum", "cumprod")},
    TABLE["argsort"]: lower_argsort,
    TABLE["concatenate"]: lower_concatenate,
    TABLE["assemble"]: lower_assemble,
    TABLE["scatter_add"]: lower_scatter,
    TABLE["matmul"]: lower_matmul,
    TABLE["solve"]: lower_solve,
    TABLE["inv"]: lower_in_place("inv"),
    TABLE["cholesky"]: lower_in_place("cholesky"),
    **{TABLE[name]: lower_determinant(name) for name in ("det", "detsign", "logabsdet")},
}
