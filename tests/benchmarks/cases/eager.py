"""The eager mode: what one operation costs, with the record of it and with its backward, and a long chain."""

import importlib

import numpy as np

from ..peers import reason
from ..problems import Inapplicable, disagreement
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
