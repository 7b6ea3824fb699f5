"""Calls of NumPy's functions with all their keywords, for the tests that hold traced values against NumPy."""

from __future__ import annotations

import numpy as np

DTYPES = ("float64", "float32", "int64", "int32", "bool", "uint8")


def sample(shape, dtype="float64", seed=0):
    """Values without ties, away from the kinks, of any dtype."""
    random = np.random.default_rng(seed + 7 * len(np.atleast_1d(shape)))
    size = int(np.prod(shape))
    if dtype == "bool":
        return random.random(shape) < 0.5
    if np.dtype(dtype).kind in "iu":
        return random.integers(0 if dtype == "uint8" else -5, 6, shape).astype(dtype)
    spaced = (np.arange(size) - size / 2 + 0.3) * 0.37 + random.uniform(-0.1, 0.1, size)
    return random.permutation(spaced).reshape(shape).astype(dtype)


class Case:
    """A function of arrays and the shapes that it is given. ``smooth``: complex numbers go through it, so the gradient is known to rounding."""

    def __init__(self, function, *shapes, dtypes=("float64",), smooth=False, rough=False, positive=False):
        self.function, self.shapes, self.dtypes = function, shapes, dtypes
        self.smooth, self.rough, self.positive = smooth, rough, positive

    def arguments(self, dtype):
        arrays = [sample(shape, dtype, k) for k, shape in enumerate(self.shapes)]
        return [np.abs(a) + np.asarray(0.2, a.dtype) for a in arrays] if self.positive else arrays


FLOATS = ("float64", "float32")
ROWS, CUBE = (3, 4), (2, 3, 4)
MASK = np.array([[True, False, True, True], [False, True, True, False], [True, True, False, True]])
SMALL_MATRIX, BATCH = (4, 4), (2, 3, 3)


def well_conditioned(a):
    return a @ np.swapaxes(a, -1, -2) + 2.0 * np.eye(a.shape[-1])


def reductions():
    for name in ("sum", "prod", "mean", "max", "min", "amax", "amin", "ptp", "any", "all", "var", "std", "count_nonzero", "nansum", "nanprod"):
        function = getattr(np, name)
        integral = name in ("any", "all", "count_nonzero")
        smooth = name in ("sum", "prod", "mean")
        dtypes = DTYPES if name not in ("ptp",) else FLOATS
        for axis in (None, 0, -1, 1, (0, 2), (-1, 0), ()):
            if name == "ptp" and axis == ():
                continue
            for keepdims in (False, True):
                yield f"{name} {axis} {keepdims}", Case(lambda x, f=function, a=axis, k=keepdims: f(x, axis=a, keepdims=k), CUBE, dtypes=dtypes,
                                                        smooth=smooth and axis is not None, rough=integral)
    for name in ("sum", "prod", "max", "min"):
        function = getattr(np, name)
        yield f"{name} initial", Case(lambda x, f=function: f(x, axis=0, initial=2), ROWS, dtypes=FLOATS + ("int32",))
        yield f"{name} where", Case(lambda x, f=function: f(x, axis=0, where=MASK, initial=2), ROWS, dtypes=FLOATS + ("int32",))
        yield f"{name} empty", Case(lambda x, f=function: f(x, axis=0, initial=1), (0, 3), dtypes=FLOATS)
    for name in ("sum", "prod", "mean", "var", "std"):
        function = getattr(np, name)
        yield f"{name} dtype", Case(lambda x, f=function: f(x, axis=0, dtype="float64"), ROWS, dtypes=FLOATS + ("int32",))
        yield f"{name} where only", Case(lambda x, f=function: f(x, axis=-1, where=MASK), ROWS, dtypes=FLOATS + ("int64",))
        yield f"{name} traced where", Case(lambda x, f=function: f(x, where=x > -0.5), ROWS, dtypes=FLOATS)
    for name in ("any", "all"):
        yield f"{name} where", Case(lambda x, f=name: getattr(np, f)(x > 0, axis=0, where=MASK), ROWS, rough=True)
    for name in ("var", "std"):
        function = getattr(np, name)
        yield f"{name} ddof", Case(lambda x, f=function: f(x, ddof=1), ROWS, dtypes=FLOATS + ("int64",))
        yield f"{name} correction", Case(lambda x, f=function: f(x, axis=0, correction=1, keepdims=True), ROWS, dtypes=FLOATS)
        yield f"{name} mean", Case(lambda x, f=function: f(x, axis=0, mean=np.mean(x, 0, keepdims=True)), ROWS, dtypes=FLOATS)
        yield f"{name} where ddof", Case(lambda x, f=function: f(x, axis=0, where=MASK, ddof=1), ROWS)
    for name in ("argmax", "argmin"):
        function = getattr(np, name)
        for axis in (None, 0, -1):
            for keepdims in (False, True):
                yield f"{name} {axis} {keepdims}", Case(lambda x, f=function, a=axis, k=keepdims: f(x, axis=a, keepdims=k), CUBE, dtypes=DTYPES, rough=True)
    for name in ("cumsum", "cumprod"):
        for axis in (None, 0, -1):
            yield f"{name} {axis}", Case(lambda x, f=name, a=axis: getattr(np, f)(x, axis=a), CUBE, dtypes=DTYPES, smooth=True)
    yield "cumulative_sum", Case(lambda x: np.cumulative_sum(x, axis=1, include_initial=True), ROWS, dtypes=DTYPES, smooth=True)
    yield "cumulative_prod", Case(lambda x: np.cumulative_prod(x), (5,), dtypes=DTYPES, smooth=True)
    for name in ("nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nansum", "nanprod"):
        yield f"{name} with nan", Case(lambda x, f=name: getattr(np, f)(np.where(x > 1.0, np.nan, x), axis=0), ROWS)
    yield "average", Case(lambda x: np.average(x, axis=1), ROWS, dtypes=FLOATS + ("int32",))
    yield "average weights", Case(lambda x, w: np.average(x, axis=1, weights=np.abs(w) + 1.0), ROWS, (4,), dtypes=FLOATS)
    yield "average full weights", Case(lambda x, w: np.average(x, weights=np.abs(w) + 1.0, returned=True), ROWS, ROWS)
    yield "average over tuple", Case(lambda x, w: np.average(x, axis=(2, 0), weights=np.abs(w) + 1.0, keepdims=True), CUBE, (4, 2))


def norms():
    for order in (None, 1, 2, 3, 0.5, -1, np.inf, -np.inf, 0):
        yield f"vector norm {order}", Case(lambda x, o=order: np.linalg.norm(x, o, axis=-1), ROWS, dtypes=FLOATS)
        yield f"vector_norm {order}", Case(lambda x, o=order: np.linalg.vector_norm(x, ord=2 if o is None else o, axis=(0, 1)), ROWS)
    for order in (None, "fro", 1, -1, np.inf, -np.inf):
        for keepdims in (False, True):
            yield f"matrix norm {order} {keepdims}", Case(lambda x, o=order, k=keepdims: np.linalg.norm(x, o, axis=(2, 0), keepdims=k), CUBE, dtypes=FLOATS)
        yield f"matrix norm {order}", Case(lambda x, o=order: np.linalg.norm(x, o), ROWS)
    yield "norm", Case(lambda x: np.linalg.norm(x), CUBE, dtypes=FLOATS + ("int64",))
    yield "matrix_norm", Case(lambda x: np.linalg.matrix_norm(x), CUBE)


def shapes():
    linear = {
        "reshape": lambda x: np.reshape(x, (4, -1)), "reshape F": lambda x: np.reshape(x, (4, 6), order="F"), "method reshape": lambda x: x.reshape(2, 12),
        "reshape shape=": lambda x: np.reshape(x, shape=(24,)), "method reshape tuple": lambda x: x.reshape((2, 12)),
        "ravel": np.ravel, "ravel F": lambda x: np.ravel(x, "F"), "method ravel": lambda x: x.ravel(), "flatten": lambda x: x.flatten(),
        "flatten F": lambda x: x.flatten("F"), "transpose": np.transpose, "transpose axes": lambda x: np.transpose(x, (1, -1, 0)), "T": lambda x: x.T,
        "method transpose": lambda x: x.transpose(2, 0, 1), "mT": lambda x: x.mT, "swapaxes": lambda x: np.swapaxes(x, 0, -1),
        "method swapaxes": lambda x: x.swapaxes(1, 2), "moveaxis": lambda x: np.moveaxis(x, (0, -1), (1, 0)), "moveaxis one": lambda x: np.moveaxis(x, 0, -1),
        "rollaxis": lambda x: np.rollaxis(x, 2), "rollaxis start": lambda x: np.rollaxis(x, 0, 3), "expand_dims": lambda x: np.expand_dims(x, (0, -1)),
        "squeeze": lambda x: np.squeeze(x[:1, :, None]), "squeeze axis": lambda x: np.squeeze(x[:1, :, None], axis=(0, -2)),
        "method squeeze": lambda x: x[:1].squeeze(), "atleast_1d": lambda x: np.atleast_1d(x[0, 0, 0], x), "atleast_2d": lambda x: np.atleast_2d(x[0, 0]),
        "atleast_3d": lambda x: np.atleast_3d(x[0, 0], x[0], x), "broadcast_to": lambda x: np.broadcast_to(x, (5, 2, 3, 4)),
        "broadcast_arrays": lambda x: np.broadcast_arrays(x, x[:, :1], 2.0), "meshgrid": lambda x: np.meshgrid(x[0, 0], x[0, :, 0]),
        "meshgrid ij sparse": lambda x: np.meshgrid(x[0, 0], x[0, :, 0], indexing="ij", sparse=True), "copy": np.copy, "method copy": lambda x: x.copy(),
        "stack": lambda x: np.stack([x, 2 * x], axis=1), "stack last": lambda x: np.stack((x, x), -1), "stack array": lambda x: np.stack(x, 2),
        "concatenate": lambda x: np.concatenate([x, x[:, :2]], 1), "concatenate None": lambda x: np.concatenate([x, x[0]], axis=None),
        "concatenate constants": lambda x: np.concatenate([np.ones((1, 3, 4)), x]),
        "vstack": lambda x: np.vstack([x[0], x[1]]), "vstack vectors": lambda x: np.vstack((x[0, 0], x[1, 1])), "hstack": lambda x: np.hstack([x[0], x[1]]),
        "hstack vectors": lambda x: np.hstack((x[0, 0], x[1, 1])), "dstack": lambda x: np.dstack([x[0], x[1]]),
        "column_stack": lambda x: np.column_stack([x[0, 0], x[1, 1]]), "append": lambda x: np.append(x, 3),
        "append axis": lambda x: np.append(x, x[:1], axis=0),
        "block": lambda x: np.block([[x[0], x[1]], [x[1], x[0]]]), "block vector": lambda x: np.block([x[0, 0], 1, x[0, 1]]),
        "split": lambda x: np.split(x, 2, axis=2), "split indices": lambda x: np.split(x, [1, 3], axis=-1), "array_split": lambda x: np.array_split(x, 3, -1),
        "hsplit": lambda x: np.hsplit(x, 3), "vsplit": lambda x: np.vsplit(x, 2), "dsplit": lambda x: np.dsplit(x, 2),
        "unstack": lambda x: np.unstack(x, axis=1),
        "flip": np.flip, "flip axis": lambda x: np.flip(x, (0, -1)), "fliplr": np.fliplr, "flipud": np.flipud, "rot90": lambda x: np.rot90(x, 1, (1, 2)),
        "rot90 3": lambda x: np.rot90(x, 3), "rot90 2": lambda x: np.rot90(x, -2, (2, 0)), "roll": lambda x: np.roll(x, 5),
        "roll axis": lambda x: np.roll(x, -1, 1),
        "roll axes": lambda x: np.roll(x, (1, 2), (0, 2)), "roll same axis": lambda x: np.roll(x, (1, 2), axis=1),
        "roll one shift": lambda x: np.roll(x, 1, (0, 2)),
        "roll one shift list": lambda x: np.roll(x, (1, 2), 2),
        "repeat": lambda x: np.repeat(x, 3), "repeat axis": lambda x: np.repeat(x, 2, axis=1), "repeat list": lambda x: np.repeat(x, [2, 0, 1], axis=1),
        "method repeat": lambda x: x.repeat(2, 0), "tile": lambda x: np.tile(x, 2), "tile more": lambda x: np.tile(x, (2, 1, 3, 1)),
        "tile few": lambda x: np.tile(x, (2, 1)),
        "diag": lambda x: np.diag(x[0]), "diag k": lambda x: np.diag(x[0], 2), "diag -k": lambda x: np.diag(x[0], -1), "diag out": lambda x: np.diag(x[0], 7),
        "diag vector": lambda x: np.diag(x[0, 0]), "diag vector k": lambda x: np.diag(x[0, 0], 2), "diag vector -k": lambda x: np.diag(x[0, 0], -2),
        "diagflat": lambda x: np.diagflat(x[0], 1), "diagonal": lambda x: np.diagonal(x), "diagonal axes": lambda x: np.diagonal(x, 1, 2, 0),
        "method diagonal": lambda x: x.diagonal(-1, 1, 2), "linalg.diagonal": lambda x: np.linalg.diagonal(x, offset=1), "trace": lambda x: np.trace(x),
        "trace offset": lambda x: np.trace(x, 1, 1, 2), "linalg.trace": lambda x: np.linalg.trace(x[:, :, :3]), "tril": np.tril,
        "tril k": lambda x: np.tril(x, 1),
        "triu": np.triu, "triu k": lambda x: np.triu(x, -1), "tril vector": lambda x: np.tril(x[0, 0]), "pad": lambda x: np.pad(x, 1),
        "pad pairs": lambda x: np.pad(x, ((0, 1), (2, 0), (1, 1))),
        "pad one pair": lambda x: np.pad(x, (1, 2)), "pad constant": lambda x: np.pad(x, ((1, 1), (0, 0), (0, 2)), constant_values=3),
        "pad constants": lambda x: np.pad(x, 1, constant_values=((1, 2), (3, 4), (5, 6))), "pad none": lambda x: np.pad(x, 0),
        "pad edge": lambda x: np.pad(x, 2, "edge"), "pad wrap": lambda x: np.pad(x, ((0, 0), (4, 1), (1, 1)), "wrap"),
        "pad reflect": lambda x: np.pad(x, ((0, 0), (1, 2), (3, 1)), mode="reflect"), "pad symmetric": lambda x: np.pad(x, 2, "symmetric"),
        "zeros_like": lambda x: np.zeros_like(x) + x, "ones_like": lambda x: np.ones_like(x, shape=(2, 3, 4)) * x,
        "full_like": lambda x: np.full_like(x, 3) * x,
        "full_like dtype": lambda x: np.full_like(x, 2.5, dtype=float) * x, "diff": lambda x: np.diff(x), "diff 2": lambda x: np.diff(x, 2, axis=1),
        "diff ends": lambda x: np.diff(x, axis=0, prepend=0, append=x[:1]), "ediff1d": lambda x: np.ediff1d(x, to_end=[1, 2], to_begin=0),
        "delete": lambda x: np.delete(x, [0, 2], axis=2), "compress": lambda x: np.compress([True, False, True], x, axis=1),
        "extract": lambda x: np.extract(np.arange(24).reshape(2, 3, 4) % 3 == 0, x), "matrix_transpose": np.matrix_transpose,
        "add.reduce": lambda x: np.add.reduce(x), "add.reduce axis": lambda x: np.add.reduce(x, axis=(0, 2), keepdims=True),
        "add.accumulate": lambda x: np.add.accumulate(x, 1),
        "subtract.outer": lambda x: np.subtract.outer(x[0], x[1, 0]), "iteration": lambda x: [row for row in x[0]],
        "flat": lambda x: list(x.flat)[3], "unpacking": lambda x: sum(x[0, 0]), "linspace": lambda x: np.linspace(x[0], x[1], 5),
    }
    yield "astype", Case(lambda x: x.astype("float64"), CUBE, dtypes=DTYPES)
    yield "concatenate dtype", Case(lambda x: np.concatenate([x, x], dtype="float64"), CUBE, dtypes=DTYPES)
    boolean = ("subtract.outer", "add.reduce", "add.accumulate", "trace", "linalg.trace", "ediff1d", "linspace", "unpacking")
    for name, function in linear.items():
        skipped = name.startswith(boolean)
        yield name, Case(function, CUBE, dtypes=tuple(d for d in DTYPES if not (skipped and d in ("bool", "uint8"))), smooth=True)


INDICES = [
    0, -1, (0, 1), (0, -1, 2), slice(1, None), (slice(None), slice(None, None, -1)), (Ellipsis, 0), (0, Ellipsis), (Ellipsis, slice(3, 0, -2)), None,
    (None, 0, None, slice(None), None), (slice(5, 9),), (slice(-2, None), slice(0, 0)), Ellipsis, (), (slice(None, None, 2), 1),
    [0, 1, 1], ([0, 1], [2, 0]), (slice(None), [0, 2]), (slice(None), [2, 1, 0]), ([0, 1], slice(None), [3, 1]), (0, slice(None), [3, 1]),
    (slice(None), 0, [3, 1]),
    ([[0], [1]], [[0, 2]]), (Ellipsis, [1, 1, 3]), (None, [1, 0]), ([1, 0], None), (slice(None), None, [1, 0]), ([0, 1], None, [1, 0]),
    (slice(None), [1, 2], None, 1),
    (slice(None), [-1, -2]), np.array([[0, 1], [1, 0]]), (slice(1), np.array([2, 0]), slice(None, None, -1)), (np.array(1), slice(None)),
    (np.int64(1), np.int32(-1)),
    np.array([True, False]), (slice(None), np.array([True, False, True])), np.arange(24).reshape(2, 3, 4) % 5 == 0, (np.ones((2, 3), bool), 1),
    (np.array([True, False]), slice(None), [0, 3]), (np.array([[True, False, True], [False, False, True]]), slice(None, None, 2)), [],
    (slice(None), []), (slice(None), slice(None), [[1], [2]]), (1, [0, 2], slice(None)), (1, slice(None), [0]), ([0], slice(None), 1),
    ([0, 1], Ellipsis, [0, 1]), ([0, 1], [0, 1], Ellipsis, [0, 1]),
    True, False, (True, 0), (slice(None), True), (np.array(True), [0, 1]), (slice(None), np.array(True), [0, 1]), (0, 1, 2, None),
    (Ellipsis, None, [0, 2], None),
    [True, False], (slice(None), [2, 2], slice(1, 3)), np.zeros((0,), int), (np.zeros((2, 3), bool),), range(2), (slice(None), range(0, 3, 2)), (np.uint8(1),),
    (slice(None), [0, 1], 0), (0, [0, 1]), (0, 0, [0, 1]), ([1, 0], 0, slice(None)), ([1, 0], 0, 0),
]


def indices():
    for index in INDICES:
        yield f"x[{index}]".replace("\n", ""), Case(lambda x, i=index: x[i], CUBE, dtypes=DTYPES, smooth=True)
    takes = {"take": lambda x: np.take(x, [0, 5, -1, 5]), "take axis": lambda x: np.take(x, [[0, 2], [1, 1]], axis=1),
             "take scalar": lambda x: np.take(x, 1, axis=-1),
             "take wrap": lambda x: np.take(x, [7, -9], axis=1, mode="wrap"), "take clip": lambda x: np.take(x, [7, -9], axis=1, mode="clip"),
             "method take": lambda x: x.take([1, 0], axis=0),
             "take_along_axis": lambda x: np.take_along_axis(x, np.array([[[2, 0, -1, 1]], [[0, 0, 1, 1]]]), 1)}
    for name, function in takes.items():
        yield name, Case(function, CUBE, dtypes=DTYPES, smooth=True)
    yield "take_along_axis argmax", Case(lambda x: np.take_along_axis(x, np.argmax(x, axis=1, keepdims=True), 1), CUBE)
    yield "index by argmax", Case(lambda x: x[np.argmax(x[:, 0, 0])], CUBE)
    yield "take by argmax", Case(lambda x: np.take(x, np.argmax(x[0, 0]), axis=2), CUBE)
    yield "traced indices", Case(lambda x: x[:, np.argmax(x, axis=2)[0] - 3, ::2], CUBE)
    yield "traced indices apart", Case(lambda x: x[np.argmin(x, axis=0)[:2, 0], :, np.argmax(x, axis=2)[0, :2]], CUBE)
    yield "traced list", Case(lambda x: x[[np.argmax(x[:, 0, 0]), 0]], CUBE)


def products():
    float_int = ("float64", "float32", "int64", "int32")
    pairs = [((4,), (4,)), (ROWS, (4,)), ((3,), ROWS), (ROWS, (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 3)), ((5, 1, 3, 4), (2, 4, 3)),
             ((2, 3, 4), (4,)), ((3,), (2, 3, 4)),
             ((3, 4), (2, 4, 2))]
    for a, b in pairs:
        yield f"matmul {a} {b}", Case(lambda x, y: x @ y, a, b, dtypes=float_int + ("bool",), smooth=True)
        if not (len(a) > 1 and len(b) > 1 and a[-1] != b[-2]):
            yield f"dot {a} {b}", Case(lambda x, y: np.dot(x, y), a, b, dtypes=float_int, smooth=True)
    yield "dot scalar", Case(lambda x: np.dot(x, 2.0) + np.dot(3, x), ROWS, dtypes=float_int, smooth=True)
    yield "method dot", Case(lambda x, y: x.dot(y), ROWS, (4,), smooth=True)
    yield "matmul constant", Case(lambda x: np.arange(6.0).reshape(2, 3) @ x, ROWS, dtypes=float_int, smooth=True)
    yield "inner", Case(np.inner, CUBE, (5, 4), dtypes=float_int, smooth=True)
    yield "outer", Case(np.outer, ROWS, (4,), dtypes=float_int, smooth=True)
    yield "linalg.outer", Case(np.linalg.outer, (3,), (4,), smooth=True)
    yield "vdot", Case(np.vdot, ROWS, ROWS)
    yield "vecdot", Case(lambda x, y: np.vecdot(x, y), CUBE, (4,), dtypes=float_int)
    yield "linalg.vecdot", Case(lambda x, y: np.linalg.vecdot(x, y, axis=0), ROWS, ROWS)
    yield "matvec", Case(lambda x, y: np.matvec(x, y), CUBE, (2, 4), smooth=True)
    yield "vecmat", Case(lambda x, y: np.vecmat(x, y), (2, 3), CUBE)
    for axes in (0, 1, 2, ((1,), (0,)), ([0, 1], [1, 0]), (-1, -2)):
        yield f"tensordot {axes}", Case(lambda x, y, a=axes: np.tensordot(x, y, a), (4, 4), (4, 4), dtypes=float_int, smooth=True)
    yield "tensordot cube", Case(lambda x, y: np.tensordot(x, y, ([2, 0], [1, 0])), CUBE, (2, 4, 5), smooth=True)
    yield "kron", Case(np.kron, (2, 3), (3, 2), dtypes=float_int, smooth=True)
    yield "kron ranks", Case(np.kron, (2,), (3, 2), smooth=True)
    for text, *given in (("ij,jk->ik", ROWS, (4, 5)), ("ij,jk", ROWS, (4, 5)), ("ii", (3, 3)), ("ii->i", (3, 3)), ("ij->ji", ROWS), ("ij->", ROWS),
                         ("ij->j", ROWS), ("i,i", (4,), (4,)),
                         ("i,j->ij", (3,), (4,)), ("i,j", (3,), (4,)), ("bij,bjk->bik", CUBE, (2, 4, 5)), ("...ij,...jk->...ik", CUBE, (2, 4, 5)),
                         ("...j,j", CUBE, (4,)),
                         ("i...->...i", CUBE), ("ij,ik,il->jkl", ROWS, (3, 2), (3, 5)), ("ij,jk,kl->il", ROWS, (4, 5), (5, 2)),
                         ("ij,jk,kl,lm->im", ROWS, (4, 5), (5, 2), (2, 3)),
                         ("iij,jk->ik", (3, 3, 4), (4, 2)), ("ij,ij->", ROWS, ROWS), ("ij,ij->i", ROWS, ROWS), ("ab,cd->abcd", (2, 3), (2, 2)),
                         ("i,ij,j", (3,), ROWS, (4,)),
                         ("bhqd,bhkd->bhqk", (2, 3, 4, 2), (2, 3, 5, 2)), ("i,->i", (3,), ()), ("ij,jk->ik", (3, 1), (4, 5)),
                         ("...i,...i->...", (1, 3), (4, 3)), ("iji->j", (3, 4, 3)), ("jk,ik->kij", (2, 4), (3, 4)),
                         ("ij , jk -> ik", ROWS, (4, 5)), ("iii", (3, 3, 3)), ("a...b,...c", (2, 3, 4), (3, 5))):
        yield f"einsum {text} {given}", Case(lambda *arrays, t=text: np.einsum(t, *arrays), *given, dtypes=float_int, smooth=True)
    yield "einsum sublists", Case(lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), ROWS, (4, 5), smooth=True)
    yield "einsum sublists ellipsis", Case(lambda x, y: np.einsum(x, [Ellipsis, 1], y, [1, 2]), CUBE, (4, 5), smooth=True)
    yield "einsum optimize", Case(lambda x, y: np.einsum("ij,jk->ik", x, y, optimize=True), ROWS, (4, 5), smooth=True)
    yield "cross", Case(np.cross, (4, 3), (3,), dtypes=float_int, smooth=True)
    yield "cross axis", Case(lambda x, y: np.cross(x, y, axis=0), (3, 4), (3, 4), smooth=True)
    yield "cross axes", Case(lambda x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), (3, 4), (4, 3), smooth=True)
    yield "linalg.cross", Case(np.linalg.cross, (4, 3), (4, 3), smooth=True)
    yield "convolve", Case(np.convolve, (6,), (3,), dtypes=float_int, smooth=True)
    for mode in ("full", "same", "valid"):
        yield f"convolve {mode}", Case(lambda x, y, m=mode: np.convolve(x, y, m), (4,), (6,), smooth=True)
        yield f"correlate {mode}", Case(lambda x, y, m=mode: np.correlate(x, y, m), (6,), (4,))
        yield f"correlate short {mode}", Case(lambda x, y, m=mode: np.correlate(x, y, m), (3,), (6,))
    yield "trapezoid", Case(lambda y: np.trapezoid(y, dx=0.5), ROWS, dtypes=FLOATS, smooth=True)
    yield "trapezoid x", Case(lambda y, x: np.trapezoid(y, x, axis=0), ROWS, (3,), smooth=True)
    yield "polyval", Case(np.polyval, (4,), ROWS, smooth=True, dtypes=float_int)
    yield "vander", Case(lambda x: np.vander(x, 4), (3,), dtypes=float_int, smooth=True)
    yield "vander increasing", Case(lambda x: np.vander(x, increasing=True), (3,), smooth=True)


def algebra():
    for shape in (SMALL_MATRIX, BATCH, (1, 1), (2, 2)):
        yield f"inv {shape}", Case(lambda a: np.linalg.inv(well_conditioned(a)), shape, dtypes=FLOATS, smooth=True)
        yield f"det {shape}", Case(lambda a: np.linalg.det(well_conditioned(a)), shape, dtypes=FLOATS, smooth=True)
        yield f"slogdet {shape}", Case(lambda a: tuple(np.linalg.slogdet(well_conditioned(a))), shape, dtypes=FLOATS)
        yield f"cholesky {shape}", Case(lambda a: np.linalg.cholesky(well_conditioned(a)), shape, dtypes=FLOATS)
    yield "slogdet names", Case(lambda a: np.linalg.slogdet(a).logabsdet * np.linalg.slogdet(a).sign, SMALL_MATRIX)
    yield "cholesky upper", Case(lambda a: np.linalg.cholesky(well_conditioned(a), upper=True), SMALL_MATRIX)
    for a, b in ((SMALL_MATRIX, (4,)), (SMALL_MATRIX, (4, 2)), (BATCH, (2, 3, 2)), (BATCH, (3, 2)), (BATCH, (3,))):
        yield f"solve {a} {b}", Case(lambda a, b: np.linalg.solve(well_conditioned(a), b), a, b, dtypes=FLOATS, smooth=True)
    for n in (0, 1, 2, 3, 5, -2):
        yield f"matrix_power {n}", Case(lambda a, n=n: np.linalg.matrix_power(well_conditioned(a) / 3.0, n), (3, 3), smooth=True)
    yield "multi_dot", Case(lambda a, b, c: np.linalg.multi_dot([a, b, c]), ROWS, (4, 5), (5, 2), smooth=True)
    yield "multi_dot vectors", Case(lambda a, b, c, d: np.linalg.multi_dot([a, b, c, d]), (3,), ROWS, (4, 5), (5,), smooth=True)


def choices():
    dtypes = FLOATS + ("int32",)
    yield "where", Case(lambda x, y: np.where(x > y, x * 2, y), ROWS, (4,), dtypes=dtypes)
    yield "where scalars", Case(lambda x: np.where(x > 0, x, 0.0), ROWS, dtypes=FLOATS)
    yield "where constants", Case(lambda x: np.where(x > 0, 1, 2), ROWS, dtypes=dtypes, rough=True)
    yield "where mask", Case(lambda x: np.where(MASK, x, -x), ROWS, dtypes=dtypes)
    yield "where number as condition", Case(lambda x: np.where(x, x, 1), ROWS, dtypes=dtypes)
    yield "select", Case(lambda x: np.select([x < -1, x < 1], [x, x * x], default=7), ROWS, dtypes=dtypes)
    yield "choose", Case(lambda x: np.choose(np.array([0, 1, 1, 0]), [x, -x]), ROWS)
    for name, function in {"clip": lambda x: np.clip(x, -1, 1), "clip low": lambda x: np.clip(x, -1, None), "clip high": lambda x: np.clip(x, None, 1),
                           "clip names": lambda x: np.clip(x, min=-1, max=1), "method clip": lambda x: x.clip(-1, 1),
                           "clip arrays": lambda x: np.clip(x, np.arange(4) - 2, 2),
                           "clip nothing": lambda x: np.clip(x, None, None), "clip traced": lambda x: np.clip(x, x.min() / 2, x[0] + 0.5),
                           "round": lambda x: np.round(x, 1),
                           "method round": lambda x: x.round(), "round()": lambda x: round(x[0, 0]) if hasattr(x, "node") else x[0, 0].round(),
                           "around": lambda x: np.around(x, -1) if x.dtype.kind == "f" else x}.items():
        yield name, Case(function, ROWS, dtypes=dtypes if name != "clip traced" else FLOATS)
    yield "clip int by float", Case(lambda x: np.clip(x, 0.5, None), ROWS, dtypes=("int64", "int32", "float32"))
    yield "nan_to_num", Case(lambda x: np.nan_to_num(np.where(x > 1, np.inf, np.where(x < -1, -np.inf, np.where(x > 0, np.nan, x)))), ROWS,
                             dtypes=FLOATS, rough=True)
    yield "nan_to_num values", Case(lambda x: np.nan_to_num(np.where(x > 0, np.inf, x), nan=1.0, posinf=3.0, neginf=4.0), ROWS)
    yield "isclose", Case(lambda x: np.isclose(x, x + 1e-9), ROWS, rough=True)
    yield "allclose", Case(lambda x: np.allclose(x, x * 1.1), ROWS, rough=True)
    yield "fix", Case(np.fix, ROWS, dtypes=FLOATS)
    yield "sinc", Case(np.sinc, ROWS, dtypes=FLOATS)
    yield "modf", Case(lambda x: np.modf(x), ROWS, dtypes=FLOATS)
    yield "divmod", Case(lambda x: np.divmod(x, 1.5), ROWS, dtypes=FLOATS)
    yield "searchsorted", Case(lambda v: np.searchsorted(np.array([-1.0, 0.0, 1.0]), v), ROWS, rough=True)
    yield "searchsorted right", Case(lambda v: np.searchsorted(np.array([-1.0, 0.0, 1.0]), v, "right"), ROWS, rough=True)
    yield "interp", Case(lambda x, f: np.interp(x, np.array([-1.5, -0.5, 0.5, 2.0]), f), ROWS, (4,))
    yield "interp ends", Case(lambda x, f: np.interp(x, np.array([-1.5, -0.5, 0.5, 1.0]), f, left=-7.0, right=9.0), ROWS, (4,))
    yield "maximum.reduce", Case(lambda x: np.maximum.reduce(x, axis=1), ROWS, dtypes=dtypes)
    yield "multiply.reduce", Case(lambda x: np.multiply.reduce(x, axis=None), ROWS, dtypes=dtypes)
    yield "multiply.accumulate", Case(lambda x: np.multiply.accumulate(x), ROWS, dtypes=dtypes)
    yield "multiply.outer", Case(lambda x: np.multiply.outer(x, x[0]), ROWS, dtypes=dtypes)
    yield "nancumsum", Case(lambda x: np.nancumsum(np.where(x > 1, np.nan, x), axis=1), ROWS)
    yield "nancumprod", Case(lambda x: np.nancumprod(np.where(x > 1, np.nan, x)), ROWS)
    yield "positive", Case(lambda x: np.positive(x) + np.conj(x) + np.real(x) + np.imag(x), ROWS, dtypes=dtypes)
    yield "angle", Case(np.angle, ROWS, rough=True)
    yield "ldexp", Case(lambda x: np.ldexp(x, 3), ROWS, dtypes=FLOATS)
    yield "linspace", Case(lambda x: np.linspace(x, 2.0, 4, endpoint=False, axis=-1), ROWS)
    yield "linspace step", Case(lambda x: np.linspace(0, x[0, 0], 3, retstep=True), ROWS)
    yield "linspace one", Case(lambda x: np.linspace(x, 5, 1), ROWS)
    yield "logspace", Case(lambda x: np.logspace(x[0], 1.0, 3, base=2.0), ROWS)
    yield "unravel_index", Case(lambda x: np.unravel_index(np.argmax(x), x.shape), CUBE, rough=True)
    yield "unravel_index F", Case(lambda x: np.unravel_index(np.argmin(x), (4, 3), order="F"), ROWS, rough=True)
    yield "read at unravel_index", Case(lambda x: x[np.unravel_index(np.argmax(x), x.shape)], CUBE)
    yield "tril_indices_from", Case(lambda x: x[np.tril_indices_from(x)], ROWS, dtypes=dtypes)
    yield "triu_indices_from", Case(lambda x: x[np.triu_indices_from(x, 1)], ROWS, dtypes=dtypes)
    yield "diag_indices_from", Case(lambda x: x[np.diag_indices_from(x)], SMALL_MATRIX, dtypes=dtypes)
    yield "sizes", Case(lambda x: x * np.size(x) + np.ndim(x) + np.shape(x)[1] + len(x) + np.size(x, 0), ROWS, dtypes=dtypes)


def orders():
    for axis in (-1, 0, 1, None):
        yield f"sort {axis}", Case(lambda x, a=axis: np.sort(x, axis=a), CUBE, dtypes=DTYPES)
        yield f"argsort {axis}", Case(lambda x, a=axis: np.argsort(x, axis=a, kind="stable"), CUBE, dtypes=DTYPES, rough=True)
        for name in ("median", "nanmedian"):
            yield f"{name} {axis}", Case(lambda x, a=axis, n=name: getattr(np, n)(x, axis=a, keepdims=True), CUBE, dtypes=FLOATS + ("int64",))
    for method in ("linear", "lower", "higher", "nearest", "midpoint"):
        yield f"quantile {method}", Case(lambda x, m=method: np.quantile(x, [0.0, 0.3, 0.77, 1.0], axis=(0, 2), method=m), CUBE)
        yield f"nanquantile {method}", Case(lambda x, m=method: np.nanquantile(np.where(x > 2, np.nan, x), [[0.0, 0.3], [0.77, 1.0]], axis=0, method=m), CUBE)
    yield "percentile", Case(lambda x: np.percentile(x, 41, axis=1), ROWS, dtypes=("float64", "int64"))
    yield "quantile of NaN", Case(lambda x: np.quantile(np.where(x > 2, np.nan, x), 0.5, axis=1), CUBE, rough=True)
    yield "partition", Case(lambda x: np.partition(x, 2)[:, 2], ROWS)
    yield "lexsort", Case(lambda x: x[0][np.lexsort((x[0], np.sign(x[1])))], ROWS, rough=True)
    yield "sort of one", Case(np.sort, (1,))
    yield "sort of none", Case(np.sort, (0,))
    yield "sort with infinities", Case(lambda x: np.sort(np.where(x > 1, np.inf, np.where(x < -1, np.nan, x)), axis=None), ROWS, rough=True)
    yield "sort of many", Case(lambda x: np.sort(x)[::7], (130,), dtypes=FLOATS)


def more():
    dtypes = FLOATS + ("int64",)
    yield "cov", Case(np.cov, ROWS, dtypes=("float64", "int64"))
    yield "cov columns", Case(lambda x, y: np.cov(x, y, rowvar=False, ddof=0), ROWS, ROWS)
    yield "cov of a vector", Case(lambda x: np.cov(x[0]), ROWS)
    yield "corrcoef", Case(np.corrcoef, ROWS)
    yield "gradient", Case(lambda x: np.gradient(x, 0.5), ROWS)
    yield "gradient axis", Case(lambda x: np.gradient(x, axis=0, edge_order=2), ROWS, dtypes=("float64", "int64"))
    yield "gradient uneven", Case(lambda x: np.gradient(x, np.array([0.0, 1.0, 1.7, 3.0]), axis=1), ROWS)
    yield "gradient uneven edges", Case(lambda x: np.gradient(x, np.array([0.0, 1.0, 1.7, 3.0]), axis=1, edge_order=2), ROWS)
    yield "gradient distances", Case(lambda x: np.gradient(x[0], np.cumsum(x[1] ** 2 + 0.1)), ROWS)
    yield "gradient of two", Case(lambda x: np.gradient(x[:2, 0]), ROWS)
    yield "digitize", Case(lambda x: np.digitize(x, [-1.0, 0.0, 1.5]), ROWS, rough=True)
    yield "digitize falling", Case(lambda x: np.digitize(x, [1.5, 0.0, -1.0], right=True), ROWS, dtypes=dtypes, rough=True)
    yield "insert", Case(lambda x: np.insert(x, 1, x[0, 0], axis=1), ROWS, dtypes=dtypes)
    yield "insert places", Case(lambda x: np.insert(x, [3, 1, 1], x[0, :3]), ROWS)
    yield "insert rows", Case(lambda x: np.insert(x, -1, x[0] * 2, axis=0), ROWS)
    yield "insert slice", Case(lambda x: np.insert(x[0], slice(0, 4, 2), x[1, :2]), ROWS)
    yield "bincount", Case(lambda x: np.bincount([0, 2, 1, 2], weights=x[0], minlength=5), ROWS)
    yield "array_equal", Case(lambda x: (np.array_equal(x, x), np.array_equal(x, x[0]), np.array_equiv(x, x[0])), ROWS, rough=True)
    yield "isin", Case(lambda x: np.isin(np.round(x), [0, 1, 3]), ROWS, dtypes=dtypes, rough=True)
    yield "piecewise", Case(lambda x: np.piecewise(x, [x < -0.5, x > 0.5], [lambda v: v * v, lambda v: np.log(v), 2.0]), ROWS)
    yield "piecewise two", Case(lambda x: np.piecewise(x, [x < 0], [np.sin, lambda v: 3 * v]), ROWS)
    yield "piecewise none", Case(lambda x: np.piecewise(x[0], x[0] < 0, [7.0]), ROWS, rough=True)
    yield "piecewise rows", Case(lambda x: np.piecewise(x[0], x[:2] < 0, [np.sin, np.cos]), ROWS)
    yield "apply_along_axis", Case(lambda x: np.apply_along_axis(lambda row: row * row[0], 1, x), ROWS)
    yield "apply_along_axis to a number", Case(lambda x: np.apply_along_axis(lambda row: row[0] * row[-1], 0, x), CUBE)
    yield "polyfit", Case(lambda x: np.polyfit(np.arange(4.0), x.T, 2), ROWS)
    yield "polyfit with weights", Case(lambda x: np.polyfit(np.arange(4.0), x[0], 1, w=[1.0, 2.0, 1.0, 0.5]), ROWS)
    yield "lstsq", Case(lambda x: np.linalg.lstsq(np.vander(np.arange(4.0), 2), x[0])[:2], ROWS)
    yield "pinv", Case(np.linalg.pinv, ROWS)
    yield "pinv of a tall matrix", Case(lambda x: np.linalg.pinv(x.T), ROWS)
    yield "tolist", Case(lambda x: np.stack([np.float64(0) + v for v in x.tolist()[1]]), ROWS)
    yield "item", Case(lambda x: np.stack([np.float64(0) + v for v in (x.item(2), x.item((1, 1)), x.item(1, 2), x[0, 0].item())]), ROWS)


CASES = {name: case for family in (reductions, norms, shapes, indices, products, algebra, choices, orders, more) for name, case in family()}
