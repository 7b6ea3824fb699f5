"""Names of PyTorch that are not here, and what to write instead."""

from __future__ import annotations

_FUNC = "write torch.autograd.functional ({}) here, or tracer.grad, jvp and vjp of NumPy functions, and their batch"
_COMPILE = "eager is what runs at once; to compile, write the function in NumPy and call tracer.grad(f), or tracer.compare(f, x) to see both"
_COMPLEX = "there are no complex tensors, real arithmetic only"

_MODULE = "there are no modules; hold torch.nn.Parameter in a class or a list, and call torch.nn.functional"

INSTEAD = {
    "Module": _MODULE, "Linear": f"{_MODULE}.linear(x, weight, bias)", "Sequential": "there are no modules; call one function after the other",
    "init": "write the initial values: torch.randn(n, m) / n**0.5", "utils": "write it out: datasets are tensors, batches are x[torch.randperm(len(x))[:n]]",
    "backends": "there is NumPy", "distributions": "write the logarithm of the density, and draw with torch.randn, rand, bernoulli or multinomial",
    "func": _FUNC.format("jacobian, hessian, vjp, jvp, vhp, hvp"), "vmap": _FUNC.format("jacobian(..., vectorize=True)"),
    "compile": _COMPILE, "jit": _COMPILE, "export": _COMPILE, "fx": _COMPILE, "_dynamo": _COMPILE,
    "optim": "write the step: with torch.no_grad(): w -= rate * w.grad", "profiler": "call tracer.compare(f, x), or Python's cProfile",
    "complex64": _COMPLEX, "complex128": _COMPLEX, "cfloat": _COMPLEX, "cdouble": _COMPLEX, "complex": _COMPLEX, "view_as_complex": _COMPLEX,
    "view_as_real": _COMPLEX, "fft": _COMPLEX, "bfloat16": "write float32 or float16, which NumPy has", "sparse": "all tensors are dense",
    "distributed": "run one process; threads may go backward at once", "multiprocessing": "run one process; threads may go backward at once",
    "mps": "all tensors are on the CPU", "xpu": "all tensors are on the CPU", "load": "call numpy.load or pickle", "save": "call numpy.save or pickle",
}


def refusal(module: str, name: str) -> AttributeError:
    """The error for a name that a module does not have."""
    if name in INSTEAD:
        return AttributeError(f"{module} has no {name}: {INSTEAD[name]}")
    if module.endswith(".nn") and name[:1].isupper():
        return AttributeError(f"{module} has no {name}: {_MODULE}")
    return AttributeError(f"module '{module}' has no attribute '{name}'")
