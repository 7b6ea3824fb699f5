"""What NumPy's functions on traced values refuse: NumPy's own errors where NumPy has one, else what happened, why, and what to write."""

from __future__ import annotations

import numpy as np
import pytest

from tests.tracer.arrays import run, start
from tracer.errors import InPlaceError, ShapeError, TracedConversionError, TracedIndexError, UnsupportedError
from tracer.graph.graph import live_nodes
from tracer.graph.types import array_type
from tracer.trace.context import Trace
from tracer.trace.numpy_api import REBOUND
from tracer.trace.value import Traced

X = np.arange(12.0).reshape(3, 4)

# Calls on a (3, 4) array that NumPy refuses; the traced ones say the same.
AS_NUMPY = {
    "row out of bounds": lambda x: x[5], "row below": lambda x: x[-4], "column": lambda x: x[0, 9], "of a vector": lambda x: x[0][7],
    "too many": lambda x: x[0, 0, 0], "too many slices": lambda x: x[:, :, :], "too many with a new axis": lambda x: x[None, 0, 0, 0],
    "float": lambda x: x[1.0], "string": lambda x: x["a"], "floats": lambda x: x[np.array([1.5])], "list": lambda x: x[[0, 3]],
    "negative list": lambda x: x[:, [-5]], "short mask": lambda x: x[np.array([True, False])], "narrow mask": lambda x: x[np.ones((3, 3), bool)],
    "deep mask": lambda x: x[np.ones((3, 4, 1), bool)], "lists": lambda x: x[[0, 1], [0, 1, 2]], "float slice": lambda x: x[1.0:],
    "step 0": lambda x: x[::0], "two ellipses": lambda x: x[..., ...],
    "reshape": lambda x: x.reshape(5, 2), "reshape with -1": lambda x: np.reshape(x, (5, -1)), "two -1": lambda x: x.reshape(-1, -1),
    "matmul": lambda x: x @ x, "matmul vector": lambda x: x @ np.ones(3), "matmul number": lambda x: x @ 2.0, "dot": lambda x: np.dot(x, x),
    "dot vector": lambda x: np.dot(x, np.ones(3)), "inner": lambda x: np.inner(x, np.ones(3)), "tensordot": lambda x: np.tensordot(x, x, 1),
    "sum axis": lambda x: np.sum(x, axis=2), "sum twice": lambda x: np.sum(x, axis=(0, 0)), "max axis": lambda x: x.max(-3),
    "argmax axis": lambda x: np.argmax(x, axis=5), "max of nothing": lambda x: np.max(x[:0]), "max along nothing": lambda x: np.max(x[:0], axis=0),
    "argmin of nothing": lambda x: np.argmin(x[:0]), "min of nothing": lambda x: np.min(x[:, :0], axis=1),
    "concatenate": lambda x: np.concatenate([x, x[:, :2]]), "concatenate ranks": lambda x: np.concatenate([x, x[0]]),
    "concatenate numbers": lambda x: np.concatenate([x[0, 0], x[0, 1]]), "concatenate axis": lambda x: np.concatenate([x, x], axis=2),
    "stack": lambda x: np.stack([x, x[:2]]), "vstack": lambda x: np.vstack([x, x[:, :2]]), "column_stack": lambda x: np.column_stack([x[0], x]),
    "transpose twice": lambda x: x.transpose(0, 0), "transpose too few": lambda x: np.transpose(x, (0,)), "swapaxes": lambda x: np.swapaxes(x, 0, 2),
    "moveaxis": lambda x: np.moveaxis(x, 0, (0, 1)), "squeeze": lambda x: np.squeeze(x, 0), "expand_dims": lambda x: np.expand_dims(x, 5),
    "expand_dims twice": lambda x: np.expand_dims(x, (0, 0)), "rollaxis": lambda x: np.rollaxis(x, 1, 5), "flip": lambda x: np.flip(x, 3),
    "roll": lambda x: np.roll(x, 1, 4), "rot90": lambda x: np.rot90(x, 1, (0, 0)), "fliplr": lambda x: np.fliplr(x[0]),
    "broadcast_to": lambda x: np.broadcast_to(x, (3, 5)), "broadcast_to fewer": lambda x: np.broadcast_to(x, (4,)),
    "split": lambda x: np.split(x, 2), "unstack": lambda x: np.unstack(x[0, 0]), "repeat": lambda x: np.repeat(x, [1, 2], axis=0),
    "pad": lambda x: np.pad(x, -1), "tile": lambda x: np.tile(x, -1), "diff": lambda x: np.diff(x, -1), "delete": lambda x: np.delete(x, 5, 0),
    "inv": np.linalg.inv, "inv of a vector": lambda x: np.linalg.inv(x[0]), "det": np.linalg.det, "matrix_power": lambda x: np.linalg.matrix_power(x, 2),
    "solve vector": lambda x: np.linalg.solve(x[:, :3], np.ones(4)), "solve matrix": lambda x: np.linalg.solve(x[:, :3], np.ones((4, 2))),
    "multi_dot": lambda x: np.linalg.multi_dot([x]), "linalg.outer": lambda x: np.linalg.outer(x, x), "trace": lambda x: np.trace(x[0]),
    "diag": lambda x: np.diag(x[None]), "diagonal": lambda x: np.diagonal(x, 0, 0, 0), "vander": np.vander,
    "einsum rank": lambda x: np.einsum("ijk", x), "einsum output": lambda x: np.einsum("ij->k", x), "einsum twice": lambda x: np.einsum("ij->ii", x),
    "einsum letter": lambda x: np.einsum("i1", x), "take": lambda x: np.take(x, [20]), "take mode": lambda x: np.take(x, [0], mode="x"),
    "take_along_axis": lambda x: np.take_along_axis(x, np.array([0]), 0), "vector norm": lambda x: np.linalg.norm(x[0], "fro"),
    "matrix norm": lambda x: np.linalg.norm(x, 3), "norm of a cube": lambda x: np.linalg.norm(x[None], 2),
    "norm axes": lambda x: np.linalg.norm(x, axis=(0, 0)),
    "where of numbers": lambda x: np.sum(x, where=np.array([1, 0, 1, 1])), "max where": lambda x: np.max(x, where=x > 0),
    "average": lambda x: np.average(x, weights=np.ones(3)), "average axis": lambda x: np.average(x, axis=1, weights=np.ones(3)),
    "ddof twice": lambda x: np.var(x, ddof=1, correction=1), "cumulative_sum": lambda x: np.cumulative_sum(x), "convolve": lambda x: np.convolve(x, x),
    "convolve nothing": lambda x: np.convolve(x[0], x[0, :0]), "linspace": lambda x: np.linspace(x[0, 0], 1, -2),
    "select": lambda x: np.select([x > 0], [x, x]),
    "interp": lambda x: np.interp(x[0], [0, 1], [0, 1, 2]), "truth of an array": lambda x: bool(x > 0),
    "swapaxes of a number": lambda x: x[0, 0].swapaxes(0, 1), "sort axis": lambda x: np.sort(x, axis=2), "percentile": lambda x: np.percentile(x, 120),
    "gradient of one": lambda x: np.gradient(x[:1, 0]), "gradient distances": lambda x: np.gradient(x[0], np.ones(3)), "item": lambda x: x.item(),
    "bins": lambda x: np.digitize(x, [0.0, 2.0, 1.0]), "nonzero of a number": lambda x: np.nonzero(x[0, 0]),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", AS_NUMPY)
def test_numpys_error(name):
    with pytest.raises((ValueError, IndexError, TypeError)) as theirs:
        AS_NUMPY[name](X)
    _, (x,) = start((X,))
    with pytest.raises(type(theirs.value)) as ours:
        AS_NUMPY[name](x)
    assert str(ours.value) == str(theirs.value)


IN_PLACE = "np.sum(..., out=) writes a traced value into an array that keeps no trace of it. Use the result instead."
OURS = {
    "out": (lambda x: np.sum(x, out=np.zeros(())), InPlaceError, IN_PLACE),
    "out of a method": (lambda x: x.sum(out=np.zeros(())), InPlaceError, IN_PLACE),
    "a traced matrix of lstsq": (lambda x: np.linalg.lstsq(x, X), UnsupportedError,
                                 "np.linalg.lstsq with a traced matrix needs its singular values, which are not supported. "
                                 "Use np.linalg.solve(a.T @ a, a.T @ b)."),
    "a traced q": (lambda x: np.quantile(x, x[0, 0]), UnsupportedError,
                   "np.quantile with a traced q is not supported: which elements it lies between is not known while the graph is built. Pass q as a number."),
    "traced edges": (lambda x: np.digitize(X, x[0]), UnsupportedError,
                     "np.digitize with traced edges is not supported: whether they rise or fall is not known while the graph is built. Use np.searchsorted."),
    "traced mask": (lambda x: np.outer(x, x)[:, x > 0], UnsupportedError,
                    "a traced array of bools as index: how many elements it picks is not known while the graph is built. "
                    "Write np.where(mask, x, 0.0), which keeps the shape, or give reductions where=mask."),
    "order": (lambda x: np.ravel(x, "K"), UnsupportedError,
              "np.reshape(..., order='K') depends on how the array lies in memory, which is not known while the graph is built. Use order='C' or order='F'."),
    "spectral norm": (lambda x: np.linalg.norm(x, 2), UnsupportedError,
                      "np.linalg.norm(..., ord=2) of a matrix needs singular values, which are not supported. Use ord='fro', 1 or np.inf."),
    "broadcast": (lambda x: np.broadcast_to(x, 4), ShapeError, "input operand has more dimensions than allowed by the axis remapping"),
    "where= that does not fit": (lambda x: np.sum(x, where=np.ones((2, 4), bool)), ShapeError,
                                 "where= of shape (2, 4) does not broadcast to the array's shape (3, 4)"),
    "batches": (lambda x: np.ones((2, 5, 3)) @ np.stack([x, x, x]), ShapeError, "matmul: batches of shapes (2,) and (3,) do not broadcast together"),
    "einsum": (lambda x: np.einsum("ij,jk", x, x), ShapeError,
               "operands could not be broadcast together: einsum label 'j' has length 4, and 3 in axis 0 of operand 1"),
    "repeats": (lambda x: np.repeat(x, np.argmax(x, axis=0)), UnsupportedError,
                "np.repeat with traced repeats: how long the result is, is not known while the graph is built. Pass Python ints."),
    "pad": (lambda x: np.pad(x, 1, "mean"), UnsupportedError,
            "np.pad(..., mode='mean') is not supported on traced values. Modes that are: 'constant', 'edge', 'wrap', 'reflect', 'symmetric'."),
    "asarray": (lambda x: np.asarray(x), TracedConversionError, None), "float": (lambda x: np.float64(x[0, 0]), TracedConversionError, None),
    "array of traced": (lambda x: np.array([x[0, 0], x[0, 1]]), TracedConversionError, None),
}


@pytest.mark.parametrize("name", OURS)
def test_our_error(name):
    call, kind, message = OURS[name]
    _, (x,) = start((X,))
    with pytest.raises(kind) as caught:
        call(x)
    if message is not None:
        assert str(caught.value) == message


NEAREST = {np.unique: "np.sort", np.linalg.eigh: "np.linalg.det", np.linalg.svd: "np.linalg.norm", np.linalg.qr: "np.linalg.solve", np.argwhere: "np.where",
           np.fft.fft: "np.cos", np.trim_zeros: "slice", np.histogram: "kernel"}


@pytest.mark.parametrize("function", NEAREST, ids=lambda f: f.__name__)
def test_an_unsupported_function_names_itself_the_line_and_what_works(function):
    _, (x,) = start((X,))
    with pytest.raises(UnsupportedError) as caught:
        function(x)
    message = str(caught.value)
    assert message.startswith(f"{function.__module__}.{function.__name__} is not supported on traced values (")
    assert "test_numpy_errors.py:" in message and NEAREST[function] in message


# Integers ---------------------------------------------------------------------------------------------------------------

def integer_argument(value: int):
    """A trace, a traced array and a traced Python int argument with this value."""
    trace = Trace()
    x = Traced(trace.builder.input(array_type("float64", (3, 4)), 0), trace)
    n = Traced(trace.builder.input(array_type("int64"), 1), trace, int)
    trace.concrete[n.node] = value
    return trace, x, n


@pytest.mark.parametrize("use, shape", [(lambda x, n: x[n], (4,)), (lambda x, n: x[:n], (2, 4)), (lambda x, n: x[:, -n], (3,)), (lambda x, n: x[0, n:], (2,)),
                                        (lambda x, n: np.sum(x, axis=n - 1), (3,)), (lambda x, n: np.reshape(x, (n, -1)), (2, 6)),
                                        (lambda x, n: np.repeat(x, n, axis=0), (6, 4)), (lambda x, n: np.tile(x, n), (3, 8)),
                                        (lambda x, n: np.roll(x, n), (3, 4)),
                                        (lambda x, n: np.stack([x] * 2, axis=n), (3, 4, 2)), (lambda x, n: np.diff(x, n), (3, 2)),
                                        (lambda x, n: np.eye(3)[n] @ x, (4,)),
                                        (lambda x, n: np.broadcast_to(x, (n, 3, 4)), (2, 3, 4)), (lambda x, n: np.linspace(0.0, x[0, 0], n), (2,))])
def test_a_python_int_argument_is_asked_for_its_value_where_one_is_needed(use, shape):
    trace, x, n = integer_argument(2)
    result = use(x, n)
    assert result.shape == shape and trace.needed == {n.node}


def test_a_python_int_argument_stays_data_otherwise():
    trace, x, n = integer_argument(2)
    assert (x * n + np.mean(x) / n).dtype == np.float64 and trace.needed == set()


def test_a_traced_float_is_no_index():
    _, (x,) = start((X,))
    with pytest.raises(TracedIndexError, match=r"an index needs a concrete integer, but `index` .* is traced data"):
        x[x[0, 0]]
    with pytest.raises(IndexError):
        x[:x[0, 0]]


def test_integer_data_as_index_is_a_gather_that_wraps_and_is_checked():
    vector, places = np.array([10.0, 20.0, 30.0]), np.array([0, -1, 2])
    np.testing.assert_array_equal(run(lambda x, i: x[i], vector, places)[0], vector[places])
    np.testing.assert_array_equal(run(lambda x, i: x[i], vector, np.int64(-3))[0], 10.0)
    with pytest.raises(IndexError, match="index -1 is out of bounds for axis 0 with size 3"):
        run(lambda x, i: x[i], vector, np.array([-4]))


# Weak scalars and run-time counts ----------------------------------------------------------------------------------------

SINGLE = np.array([1.5, 2.5], np.float32)


@pytest.mark.parametrize("use", [lambda x, s: x * s, lambda x, s: np.where(x > s, x, s), lambda x, s: np.clip(x, s, None), lambda x, s: np.clip(x, 0.0, s),
                                 lambda x, s: np.maximum(x, s), lambda x, s: np.select([x > 2], [x], s)])
def test_a_python_float_takes_the_dtype_of_its_partner(use):
    trace = Trace()
    x = Traced(trace.builder.input(array_type("float32", (2,)), 0), trace)
    s = Traced(trace.builder.input(array_type("float64"), 1), trace, float)
    assert use(x, s).dtype == np.asarray(use(SINGLE, 2.0)).dtype == np.float32


@pytest.mark.parametrize("use", [np.sum, np.mean, np.ravel, lambda s: np.stack([s, s]), np.abs, np.max, lambda s: np.where(s > 0, s, 1),
                                 np.zeros_like, lambda s: np.reshape(s, (1, 1))])
def test_an_array_made_of_a_python_float_is_float64(use):
    trace = Trace()
    s = Traced(trace.builder.input(array_type("float64"), 0), trace, float)
    result = use(s)
    assert result.weak in (None, float) and result.dtype == np.asarray(use(2.0)).dtype == np.float64


@pytest.mark.parametrize("use", [np.mean, np.var, lambda x: np.std(x, ddof=1), np.average, lambda x: np.mean(x, axis=-1)])
def test_lengths_enter_as_run_time_constants(use):
    def kinds(n):
        _, (x,) = start((np.ones((2, n)),))
        return [(node.op.name, node.attrs[2]) for node in live_nodes((use(x).node,)) if node.op.name == "constant" and node.attrs[2]]
    assert kinds(5) and len(kinds(5)) == len(kinds(7))


def test_means_of_nothing_are_nan():
    assert np.isnan(run(np.mean, np.zeros(0))[0]) and np.isnan(run(lambda x: np.var(x, ddof=3), np.zeros(2))[0])
    assert run(np.sum, np.zeros(0))[0] == 0 and run(np.prod, np.zeros((0, 3)))[0] == 1


def test_scipys_functions_refuse_what_they_cannot():
    _, (x,) = start((X,))
    with pytest.raises(UnsupportedError, match="exact=True"):
        REBOUND["factorial"](x, exact=True)
    with pytest.raises(TracedIndexError):
        REBOUND["polygamma"](x[0, 0], 1.0)
