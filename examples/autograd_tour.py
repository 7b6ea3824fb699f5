"""A tour of define-by-run differentiation: PyTorch's autograd, statement by statement, on NumPy alone.

    python examples/autograd_tour.py            # on tracer.eager
    python examples/autograd_tour.py --torch    # on PyTorch: the same output

Each statement is shown as in a Python session, with what it prints. Errors are a part of the tour.
"""

import ast
import importlib
import sys
import warnings

TOUR = '''\
# Scalars and leaves: the gradient is kept for leaves that ask for it.
x = tensor(5.)
w = tensor(3., requires_grad=True)
z = x * w**2
z
z.backward()
print(x.grad)
w.grad
2*x*w
x.is_leaf, w.is_leaf, z.is_leaf
x.requires_grad, w.requires_grad, z.requires_grad

# What is computed from it requires gradient too.
x = tensor(2., requires_grad=True)
y = x*x
y.requires_grad
z = x*y
z.backward()
x.grad
y.grad_fn.name(), z.grad_fn.name()

# Cutting the graph: detach, no_grad, and the flag of a result.
x = tensor(2., requires_grad=True)
y = x*x
y.detach()
y.detach().requires_grad
with no_grad():
    y = x*x
y
y.requires_grad
y = x*x
y.requires_grad = False
z = x*y.detach()
z.backward()
x.grad

# A value used in several places sums its contributions.
x = tensor(2., requires_grad=True)
y = 3*x + x**2 + x
y.backward()
x.grad

# The graph of a result is freed when backward has gone through it.
x = tensor(2., requires_grad=True)
y = x**2
z1 = 3*y
z2 = 4*y
z1.backward()
z2.backward()

# Unless it is retained.
x = tensor(2., requires_grad=True)
y = x**2
z1 = 3*y
z2 = 4*y
z1.backward(retain_graph=True)
x.grad
z2.backward()
x.grad

# Where nothing was saved, nothing is missed the second time.
x = tensor([1., 2.], requires_grad=True)
s = (x+1).sum()
s.backward()
s.backward()
x.grad

# Gradients accumulate until they are reset.
x = tensor(3., requires_grad=True)
y = 3*x**2
y.backward()
x.grad
y = 3*x**2
y.backward()
x.grad
x.grad.zero_()
y = 3*x**2
y.backward()
x.grad

# Vectors: backward starts from a scalar, or from a gradient that is given.
x = tensor([1., 2., 3.], requires_grad=True)
(x**2).sum().backward()
x.grad
(x**2).backward()
x.grad = None
(x**2).backward(tensor([1., 10., 100.]))
x.grad

# Writing into a leaf is refused; binding the name anew is not.
x = tensor([1., 2., 3.], requires_grad=True)
x[1] = x[2] + 1
x = 4*x
x
x.is_leaf

# On a result it works, and becomes a part of the graph.
x = tensor([1., 2., 3.], requires_grad=True)
y = 2*x
y[1] = y[2] + 1
y
y.sum().backward()
x.grad

# But a value that was saved for the gradient must not be overwritten.
x = tensor([1., 2., 3.], requires_grad=True)
y = 2*x
z = y**2
y[1] = 0.
z.sum().backward()
y._version

# Views see what is written into their base, and the graph knows it.
x = tensor([1., 2., 3.], requires_grad=True)
base = 2*x
view = base[:2]
view.mul_(10)
base
view
base.sum().backward()
x.grad

# The largest element takes the whole gradient; equal ones share it.
x = tensor([1., 2., 4., 3., 0.], requires_grad=True)
m = max(x)
m
m.backward()
x.grad
x = tensor([4., 1., 4.], requires_grad=True)
max(x).backward()
x.grad
x.grad = None
pair = max(x, dim=0)
pair.values
pair.indices
pair.values.backward()
x.grad

# Derivatives of derivatives.
x = tensor(2., requires_grad=True)
first, = autograd.grad(x**3, x, create_graph=True)
first
second, = autograd.grad(first, x, create_graph=True)
second
second.backward()
x.grad

# The graph can be walked, and listened to.
x = tensor([1., 2.], requires_grad=True)
y = (x.exp() * x).sum()
y.grad_fn.name()
y.grad_fn.next_functions[0][0].name()
[f.name() for f, _ in y.grad_fn.next_functions[0][0].next_functions]
handle = x.register_hook(lambda g: print("gradient of x:", g))
y.backward()
handle.remove()

# Random numbers come from the same generator.
generator = manual_seed(0)
rand(3)
randn(2, 2)

# A function with a derivative of one's own.
class Cube(autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3
    @staticmethod
    def backward(ctx, gradient):
        x, = ctx.saved_tensors
        return 3 * x**2 * gradient
x = tensor(2., requires_grad=True)
y = Cube.apply(x)
y
y.backward()
x.grad
'''


def main(arguments: list[str]) -> int:
    warnings.simplefilter("ignore")
    name = "torch" if "--torch" in arguments else "tracer.eager"
    library = importlib.import_module(name)
    names = ("Tensor", "autograd", "manual_seed", "max", "no_grad", "rand", "randn", "tensor")
    run(TOUR, {each: getattr(library, each) for each in names})
    return 0


def run(tour: str, namespace: dict) -> None:
    """Show each statement, then what it prints, or the error that it raises."""
    lines = tour.splitlines()
    shown = 0
    for statement in ast.parse(tour).body:
        for line in lines[shown:statement.lineno - 1]:
            print(line)  # blank lines and comments between statements
        shown = statement.end_lineno
        for number, line in enumerate(lines[statement.lineno - 1:shown]):
            print("... " if number else ">>> ", line, sep="")
        try:
            exec(compile(ast.Interactive([statement]), "<tour>", "single"), namespace)
        except Exception as error:
            print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
