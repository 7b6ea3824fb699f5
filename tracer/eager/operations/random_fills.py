"""Overwriting tensors with random numbers: ``uniform_``, ``normal_``, ``bernoulli_`` and their like."""

from __future__ import annotations

import numpy as np

from ..node import Node
from ..record import recorded, result
from ..tensor import Tensor, made_of
from ..updates import update
from .filling import FillBackward2
from .operands import check_kernel
from .random import Generator, check_deviation, source_of

_CONTINUOUS = "{} distribution is a continuous probability distribution. dtype must be a floating point but you specified {}"


def _filled(self: Tensor, kind: type[Node], values: np.ndarray) -> Tensor:
    def drawn(target):
        return result(recorded(kind, (target,)), values.reshape(target._data.shape).astype(target._data.dtype)[()])
    return update(self, drawn)


def _kind(name: str) -> type[Node]:
    return type(name, (FillBackward2,), {"__doc__": "Of random numbers, which have no gradient."})


_KINDS = {name: _kind(f"{name}Backward0") for name in ("Uniform", "Normal", "LogNormal", "Exponential", "Geometric", "Cauchy", "Random", "Bernoulli")}
_KINDS |= {name: _kind(name) for name in ("RandomBackward1", "RandomBackward2", "BernoulliBackward1", "BernoulliBackward2")}


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with uniform numbers."""
    if a > b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a:g} > to={b:g}")
    check_kernel("check_uniform_bounds", self)
    made = source_of(generator).uniform(self._data.size, self._data.dtype)
    return _filled(self, _KINDS["Uniform"], made * (made.dtype.type(b) - made.dtype.type(a)) + made.dtype.type(a))


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with normal numbers."""
    check_deviation(std)
    check_kernel("normal_kernel_cpu", self)
    return _filled(self, _KINDS["Normal"], source_of(generator).normal(self._data.size, self._data.dtype, mean, std))


def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with exponentials of normal numbers, drawn one by one."""
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    check_kernel("log_normal_cpu", self)
    source = source_of(generator)
    return _filled(self, _KINDS["LogNormal"], np.exp(np.array([source.one_normal() * std + mean for _ in range(self._data.size)])))


def bernoulli_(self: Tensor, p=0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with 1 with the probability ``p``, a number or a tensor of them, else 0."""
    source, count = source_of(generator), self._data.size
    if not isinstance(p, Tensor):
        if not 0 <= p <= 1:
            raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        return _filled(self, _KINDS["BernoulliBackward2"], source.doubles(count) < p)
    return _filled(self, _KINDS["BernoulliBackward1"], _ones_by(source, p._data))


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None, out=None) -> Tensor:
    """1 with the probability that the element says, or with ``p``, else 0."""
    if p is not None:
        return bernoulli_(made_of(np.empty(input._data.shape, input._data.dtype)), p, generator=generator)
    check_kernel("bernoulli_tensor_cpu_p_", input)
    ones = _ones_by(source_of(generator), input._data).astype(input._data.dtype)
    return result(recorded(_KINDS["Bernoulli"], (input,)), ones[()])


def _ones_by(source: Generator, probabilities) -> np.ndarray:
    probabilities = np.asarray(probabilities)
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please report an "
                           "enhancement request to PyTorch.)")
    draws = source.doubles(probabilities.size) if probabilities.dtype == np.float64 else source.uniform(probabilities.size, np.float32)
    return draws.reshape(probabilities.shape) < probabilities


def exponential_(self: Tensor, lambd: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with waiting times of a rate."""
    if self._data.dtype.kind != "f":
        raise RuntimeError(_CONTINUOUS.format("Exponential", self.dtype.legacy))
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    return _filled(self, _KINDS["Exponential"], -np.log1p(-source_of(generator).doubles(self._data.size)) / lambd)


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with the number of trials until one succeeds."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    check_kernel("geometric_cpu", self, "fiu")
    return _filled(self, _KINDS["Geometric"], np.ceil(np.log(source_of(generator).doubles(self._data.size)) / np.log1p(-p)))


def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with numbers that have no mean."""
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    if self._data.dtype.kind != "f":
        raise RuntimeError(_CONTINUOUS.format("Cauchy", self.dtype.c_name))
    return _filled(self, _KINDS["Cauchy"], median + sigma * np.tan(np.pi * (source_of(generator).doubles(self._data.size) - 0.5)))


def random_(self: Tensor, *bounds: int, generator: Generator | None = None) -> Tensor:
    """Overwrite with integers from 0, or the first of two bounds, up to the last, which is left out; without one, all that the dtype tells apart."""
    kind = self._data.dtype
    if bounds:
        low, high = (0, bounds[0]) if len(bounds) == 1 else bounds
    else:
        digits = np.finfo(kind).nmant + 1 if kind.kind == "f" else np.iinfo(kind).bits - (kind.kind == "i") if kind.kind in "iu" else 1
        low, high = 0, (1 << digits) + (kind.kind == "f")
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    return _filled(self, _KINDS[("RandomBackward2", "RandomBackward1", "Random")[len(bounds)]], source_of(generator).integers(self._data.size, low, high))


for _function in (uniform_, normal_, log_normal_, bernoulli_, exponential_, geometric_, cauchy_, random_):
    setattr(Tensor, _function.__name__, _function)
Tensor.bernoulli = bernoulli
FUNCTIONS = {"bernoulli": bernoulli}
