"""Random numbers written into tensors; no gradient goes through them."""

from __future__ import annotations

import math

import numpy as np

from ..tensor import Tensor, made_of
from ..updates import update
from .define import kind, operation
from .random import Generator, generator_of, no_gradient

_FLOATS = "{} distribution is a continuous probability distribution. dtype must be a floating point but you specified {}"


def _drawing(name: str, kernel: str, draw, parameters: tuple[tuple[str, float], ...], check, grad_fn: str = ""):
    """The method that writes ``draw(generator, count, dtype, *parameters)``. ``kernel``: PyTorch's, which is told of in errors."""
    cls = kind(grad_fn or f"{name.title().replace('_', '')}Backward0", no_gradient)

    def drawn(self: Tensor, *values, generator: Generator | None = None, **named) -> Tensor:
        values = [named.get(key, value) for (key, _), value in zip(parameters, (*values, *[default for _, default in parameters[len(values):]]))]
        x = self._data
        check(self, *values)
        if x.dtype.kind != "f" and kernel:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{self.dtype.legacy}'")
        numbers = draw(generator_of(generator), x.size, x.dtype, *values).astype(x.dtype).reshape(x.shape)
        return update(self, lambda target: operation(cls, (target,), numbers))
    drawn.__name__ = name
    drawn.__doc__ = f"Overwrite with numbers of the distribution: ``Tensor.{name}``."
    return drawn


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise RuntimeError(message)


def _uniform(source: Generator, count: int, dtype, low: float, high: float):
    made = source.uniform(count, dtype)
    return made * (made.dtype.type(high) - made.dtype.type(low)) + made.dtype.type(low)


def _log_normal(source: Generator, count: int, dtype, mean: float, std: float):
    return np.exp(source.normals_one_by_one(count, dtype, mean, std))


def _check_uniform(self: Tensor, low: float, high: float) -> None:
    if self._data.dtype.kind == "f":
        _require(low <= high, f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")


def _check_cauchy(self: Tensor, _: float, sigma: float) -> None:
    _require(sigma > 0.0, f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    _require(self._data.dtype.kind == "f", _FLOATS.format("Cauchy", self.dtype.c_name))


def _check_exponential(self: Tensor, rate: float) -> None:
    _require(self._data.dtype.kind == "f", _FLOATS.format("Exponential", self.dtype.legacy))
    _require(rate > 0.0, f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")


def _check_geometric(self: Tensor, p: float) -> None:
    _require(0 < p < 1, f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if self._data.dtype.kind == "b":
        raise NotImplementedError("\"geometric_cpu\" not implemented for 'Bool'")


uniform_ = _drawing("uniform_", "check_uniform_bounds", _uniform, (("a", 0.0), ("b", 1.0)), _check_uniform)
normal_ = _drawing("normal_", "normal_kernel_cpu", lambda source, *given: source.normal(*given), (("mean", 0.0), ("std", 1.0)),
                   lambda _, mean, std: _require(std >= 0.0, f"normal expects std >= 0.0, but found std {std:g}"))
log_normal_ = _drawing("log_normal_", "log_normal_cpu", _log_normal, (("mean", 1.0), ("std", 2.0)),
                       lambda _, mean, std: _require(std > 0.0, f"log_normal_ expects std > 0.0, but found std={std:g}"))
cauchy_ = _drawing("cauchy_", "", lambda source, count, _, median, sigma: median + sigma * np.tan(math.pi * (source.doubles(count) - 0.5)),
                   (("median", 0.0), ("sigma", 1.0)), _check_cauchy)
exponential_ = _drawing("exponential_", "", lambda source, count, _, rate: -1.0 / rate * np.log1p(-source.doubles(count)), (("lambd", 1.0),),
                        _check_exponential)
geometric_ = _drawing("geometric_", "", lambda source, count, _, p: np.ceil(np.log(source.doubles(count)) / math.log1p(-p)), (("p", 0.5),), _check_geometric)
_bernoulli_ = _drawing("bernoulli_", "", lambda source, count, _, p: source.doubles(count) < p, (("p", 0.5),),
                       lambda _, p: _require(0 <= p <= 1, f"bernoulli_ expects p to be in [0, 1], but got p={p:g}"), "BernoulliBackward2")


def bernoulli_(self: Tensor, p=0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with 1 with the probability ``p``, else with 0."""
    if isinstance(p, Tensor):
        return self.copy_(made_of(np.broadcast_to(p._data, self._data.shape)).bernoulli(generator=generator))
    return _bernoulli_(self, p, generator=generator)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Elements set to 0 with probability ``p``, the others scaled so that the mean stays."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        mask = made_of(np.zeros_like(input._data))
    else:
        mask = made_of(np.empty_like(input._data)).bernoulli_(1 - p).div_(1 - p)
    return input.mul_(mask) if inplace else input * mask


for _function in (uniform_, normal_, log_normal_, cauchy_, exponential_, geometric_, bernoulli_):
    setattr(Tensor, _function.__name__, _function)
FUNCTIONS = {"dropout": dropout}
