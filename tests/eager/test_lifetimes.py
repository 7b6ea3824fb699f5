"""Deep graphs, freed graphs, and backward from several threads."""

import gc
import sys
import threading
import weakref

import numpy as np
import pytest

from tracer import eager as torch

DEPTH = 100_000


@pytest.fixture
def no_collector():
    """Without the collector only reference counts free anything."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def test_a_chain_of_100_000_operations_goes_backward_and_is_freed():
    limit = sys.getrecursionlimit()
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(DEPTH):
        y = y + 1e-5
    y.backward()
    assert x.grad.item() == 1.0 and y.item() == pytest.approx(2.0, abs=2e-2)
    del y
    assert sys.getrecursionlimit() == limit


def test_a_deep_graph_that_never_went_backward_is_freed(no_collector):
    x = torch.tensor(1.0, requires_grad=True)
    y = first = x * 1.0
    for _ in range(DEPTH):
        y = y * 1.0
    seen = weakref.ref(first)
    del first, y
    assert seen() is None


def test_a_dropped_graph_goes_without_the_collector(no_collector):
    x = torch.ones(1000, requires_grad=True)
    y = x.exp()
    z = (y * y).sum()
    values = [weakref.ref(each) for each in (y, z)]
    del y, z
    assert [each() for each in values] == [None] * 2


def test_a_graph_that_went_backward_goes_without_the_collector(no_collector):
    x = torch.ones(1000, requires_grad=True)
    y = x.tanh()
    z = (y * x).sum()
    z.backward(retain_graph=True)
    z.backward()
    values = [weakref.ref(each) for each in (y, z)]
    del y, z
    assert [each() for each in values] == [None] * 2 and gc.collect() is not None


def test_views_and_their_bases_go_without_the_collector(no_collector):
    x = torch.ones(10, requires_grad=True)
    y = x * 2
    v = y[1:]
    v.mul_(3)
    y.sum().backward()
    values = [weakref.ref(each) for each in (y, v)]
    del y, v
    assert [each() for each in values] == [None] * 2


def test_backward_frees_what_was_saved():
    x = torch.ones(3, requires_grad=True)
    w = torch.ones(3)
    saved = weakref.ref(w)
    y = (x * w).sum()
    del w
    y.backward()
    gc.collect()
    assert saved() is None


def test_threads_accumulate_into_one_gradient():
    x = torch.zeros(1000, dtype=torch.float64, requires_grad=True)
    count, rounds, failures = 8, 50, []

    def work(number):
        try:
            for _ in range(rounds):
                (x * float(number + 1)).sum().backward()
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert failures == []
    assert np.array_equal(x.grad.numpy(), np.full(1000, rounds * sum(range(1, count + 1)), float))


def test_threads_go_backward_through_shared_parts():
    x = torch.ones(100, dtype=torch.float64, requires_grad=True)
    shared = x * 2.0
    ends = [shared * float(k) for k in range(8)]
    threads = [threading.Thread(target=lambda end=end: end.sum().backward(retain_graph=True)) for end in ends]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert np.array_equal(x.grad.numpy(), np.full(100, 2.0 * sum(range(8))))


def test_grad_mode_belongs_to_its_thread():
    inside, done, seen = threading.Event(), threading.Event(), []

    def work():
        inside.wait()
        seen.append(torch.is_grad_enabled())
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    with torch.no_grad():
        inside.set()
        done.wait()
        assert not torch.is_grad_enabled()
    thread.join()
    assert seen == [True]


def test_a_deep_view_of_a_view_is_updated_and_goes_backward():
    x = torch.ones(4, requires_grad=True)
    base = x * 1
    view = base
    for _ in range(20_000):
        view = view[:]
    view.mul_(2)
    base.sum().backward()
    assert x.grad.tolist() == [2.0] * 4


def test_many_updates_of_views_go_backward_and_are_freed(no_collector):
    x = torch.ones(2, requires_grad=True)
    y = x * 1
    first = weakref.ref(y.grad_fn)
    for _ in range(10_000):
        y[0].mul_(1.0)
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    del y
    assert first() is None


def test_dead_views_are_forgotten_by_their_base():
    x = torch.zeros(4)
    for _ in range(1000):
        x[:2]
    assert len(x._views) <= 16


def test_updated_views_and_what_was_saved_of_them_go_without_the_collector(no_collector):
    x = torch.ones(2, requires_grad=True)
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        y = x.exp()
        view = y[0]
        z = y * y
        view.add_(1)
        z.sum().backward()
        seen = [weakref.ref(each) for each in (y, view, z, view.grad_fn)]
        del y, view, z
    assert [each() for each in seen] == [None] * 4
