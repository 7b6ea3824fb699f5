"""A tensor reshaped in place under no_grad after it was used: its gradient has the right shape, or is refused."""

import pytest

from tracer import eager


def leaf_and_interior():
    x = eager.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    return x, x * 2


@pytest.mark.parametrize("change", ["t_()", "squeeze_()", "transpose_(0, 1)", "swapaxes_(0, 1)"])
def test_a_gradient_of_another_shape_is_refused_at_the_node(change):
    x, y = leaf_and_interior()
    before = (y * 3).sum()
    with eager.no_grad():
        eval(f"y.{change}")
    assert y.grad_fn.name() == "MulBackward0" and y.grad_fn.next_functions[0][0].variable is x
    with pytest.raises(RuntimeError, match=r"was reshaped in place under no_grad: .* expected shape compatible with \[1, 3\]"):
        (before + (y * y).sum()).backward()
    assert x.grad is None


def test_a_gradient_with_one_more_axis_is_brought_back():
    x, y = leaf_and_interior()
    before = (y * 3).sum()
    with eager.no_grad():
        y.unsqueeze_(0)
    (before + (y * y).sum()).backward()
    assert x.grad.tolist() == [[14.0, 22.0, 30.0]]


@pytest.mark.parametrize("change", ["t_()", "squeeze_()"])
def test_a_leaf_that_was_used_before_is_refused(change):
    x, _ = leaf_and_interior()
    before = (x + 1).sum()
    with eager.no_grad():
        eval(f"x.{change}")
    with pytest.raises(RuntimeError, match="the leaf was reshaped in place since it was used"):
        before.backward()


def test_a_leaf_that_is_used_afterwards_has_a_gradient_of_its_new_shape():
    x = eager.tensor([[1.0, 2.0, 3.0]], requires_grad=True)
    with eager.no_grad():
        x.t_()
    (x * x).sum().backward()
    assert x.grad.tolist() == [[2.0], [4.0], [6.0]]
