"""The eager mode: what one operation costs, with the record of it and with its backward, and a long chain."""

import importlib

import numpy as np

from ..peers import reason
from ..problems import Inapplicable, disagreement
from ..problems.operations import OPERATIONS, calls, geometric_mean
from ..registry import Ask, Row, case
from ..timing import interleaved

CHAIN = 1_000


def by_library(name):
    """The three programs in PyTorch's names: for tracer.eager and for PyTorch."""
    def make(program):
        library = importlib.import_module(name)
        if name == "torch":
            library.set_num_threads(1)
        x = library.tensor([0.5, -1.0, 2.0], dtype=library.float64, requires_grad=True)
        w = library.tensor([1.0, 2.0, 3.0], dtype=library.float64)
        start = library.tensor(0.5, dtype=library.float64, requires_grad=True)

        def record():
            return x * w

        def round_trip():
            x.grad = None
            (x * w).sum().backward()
            return x.grad

        def chain():
            start.grad = None
            y = start
            for _ in range(CHAIN // 2):
                y = y * 0.999 + 0.001
            y.backward()
            return start.grad

        call = {"record": record, "round trip": round_trip, "chain": chain}[program]
        return call, lambda: np.asarray(call().detach())
    return make


def by_autograd(program):
    """HIPS autograd; it has no record without a backward."""
    import autograd
    w = np.array([1.0, 2.0, 3.0])

    def chain(y):
        for _ in range(CHAIN // 2):
            y = y * 0.999 + 0.001
        return y

    if program == "record":
        raise Inapplicable("records only on the way to a gradient")
    if program == "round trip":
        function, point = autograd.grad(lambda x: autograd.numpy.sum(x * w)), np.array([0.5, -1.0, 2.0])
    else:
        function, point = autograd.grad(chain), 0.5
    return (lambda: function(point)), lambda: np.asarray(function(point))


LIBRARIES = {"tracer.eager": by_library("tracer.eager"), "PyTorch": by_library("torch"), "autograd": by_autograd}


def measured(program, expected, effort):
    """A row for each library; one with wrong numbers is not timed."""
    calls, notes = {}, {}
    for name, make in LIBRARIES.items():
        try:
            call, outcome = make(program)
            wrong = disagreement([outcome().astype(np.float64)], [expected])
            if wrong:
                raise Inapplicable(f"WRONG: {wrong}")
            calls[name] = call
        except Exception as error:  # whatever a library raises belongs into its row
            notes[name] = reason(error)
    times = iter(interleaved([(call, ()) for call in calls.values()], effort))
    for name in LIBRARIES:
        timed = next(times) if name in calls else None
        yield Row(name, timed and timed.median, "s", "fresh", timed and timed.spread, notes.get(name, ""))


def asks(of_torch):
    return Ask(of_torch, ("PyTorch",), "tracer.eager"), Ask(0.5, ("autograd",), "tracer.eager")


@case("eager-record", "Eager: `x * w` of three elements, recorded", asks(2.0)[0])
def _(effort):
    return measured("record", np.array([0.5, -2.0, 6.0]), effort)


@case("eager-round-trip", "Eager: `(x * w).sum().backward()` of three elements", *asks(2.0))
def _(effort):
    return measured("round trip", np.array([1.0, 2.0, 3.0]), effort)


@case("eager-chain", f"Eager: {CHAIN:,} scalar operations forward and backward", *asks(1.5))
def _(effort):
    return measured("chain", np.array(0.999 ** (CHAIN // 2)), effort)


def by_operation(backward, effort):
    """One row for each library: the geometric mean over the operations. The slowest, beside PyTorch, are named."""
    import torch

    from tracer import eager
    torch.set_num_threads(1)
    ours, theirs = calls(eager, backward), calls(torch, backward)
    ratios, times = {}, []
    for name in OPERATIONS:
        for own, other in zip(*[_outcome(call, backward) for call in (ours[name], theirs[name])], strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-12, atol=1e-15, err_msg=name)
        times.append([each.median for each in interleaved([(ours[name], ()), (theirs[name], ())], effort)])
        ratios[name] = times[-1][0] / times[-1][1]
    slowest = sorted(ratios, key=ratios.get, reverse=True)
    over = [f"`{name}` {ratios[name]:.1f}" for name in slowest if ratios[name] > 2]
    note = f"{len(OPERATIONS) - len(over)} of {len(OPERATIONS)} within twice PyTorch's; the others, so many times: {', '.join(over) or 'none'}"
    for name, found, text in zip(("tracer.eager", "PyTorch"), zip(*times), (note, "")):
        yield Row(name, geometric_mean(found), "s", "fresh", (min(found), max(found)), text)


def _outcome(call, backward):
    tensors = [leaf.grad for leaf in call()] if backward else [call()]
    return [np.asarray(each.detach()) for each in tensors if each is not None]


@case("eager-operations-record", f"Eager: {len(OPERATIONS)} small operations, recorded; geometric mean, fastest and slowest", asks(2.0)[0])
def _(effort):
    return by_operation(False, effort)


@case("eager-operations-backward", f"Eager: {len(OPERATIONS)} small operations and their backward; geometric mean, fastest and slowest", asks(2.0)[0])
def _(effort):
    return by_operation(True, effort)
