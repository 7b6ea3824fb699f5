"""Parameters: leaves that are trained."""

from tracer import eager as torch


def test_a_parameter_is_a_leaf_that_requires_grad():
    w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    assert w.requires_grad and w.is_leaf and isinstance(w, torch.Tensor)
    assert repr(w) == "Parameter containing:\ntensor([1., 2.], requires_grad=True)"
    (3.0 * w * w + w).sum().backward()
    assert w.grad.tolist() == [7.0, 13.0]
    with torch.no_grad():
        w -= 0.5 * w.grad
    assert w.tolist() == [-2.5, -4.5] and type(w) is torch.nn.Parameter
    assert not torch.nn.Parameter(torch.ones(2), requires_grad=False).requires_grad


def test_a_step_of_gradient_descent_beside_an_ordinary_tensor():
    w, plain = torch.nn.Parameter(torch.ones(3)), torch.ones(3, requires_grad=True)
    for each in (w, plain):
        ((each * torch.arange(3.0)).exp().sum() + each.mean()).backward()
    assert torch.equal(w.grad, plain.grad)
