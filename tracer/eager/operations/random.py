"""PyTorch's random numbers on the CPU, bit by bit: MT19937, one generator per process."""

from __future__ import annotations

import math
import threading

import numpy as np

from ..dtypes import Dtype, get_default_dtype, int64
from ..tensor import Tensor, made_of
from ..updates import update
from .creation import _finished, _shape_of
from .shaping import sizes_of

_BLOCK = 16  # normal numbers are made so many at a time, half of them from cosines and half from sines


class Generator:
    """A stream of 32-bit numbers."""

    def __init__(self, device: str = "cpu"):
        self._lock = threading.Lock()
        self.manual_seed(67280421310721)

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed."""
        self._seed = int(seed) % (1 << 64)
        self._bits = np.random.MT19937()
        self._bits._legacy_seeding(self._seed & 0xFFFFFFFF)
        self._spare: float | None = None
        return self

    def initial_seed(self) -> int:
        """The seed that it started from."""
        return self._seed

    def words(self, count: int) -> np.ndarray:
        """The next 32-bit numbers."""
        return self._bits.random_raw(count).astype(np.uint64)

    def doubles(self, count: int) -> np.ndarray:
        """Uniform numbers of 53 bits."""
        words = self.words(2 * count)
        return ((words[0::2] << np.uint64(32) | words[1::2]) & np.uint64((1 << 53) - 1)).astype(np.float64) * 2.0**-53

    def uniform(self, count: int, dtype) -> np.ndarray:
        """Uniform numbers in [0, 1) as a dtype takes them: 24 bits for float32, 53 for float64."""
        if np.dtype(dtype) == np.float64:
            return self.doubles(count)
        return ((self.words(count) & np.uint64((1 << 24) - 1)).astype(np.float32) * np.float32(2.0**-24)).astype(dtype)

    def normal(self, count: int, dtype, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
        """Normal numbers by Box and Muller, in blocks of sixteen, or one by one below."""
        if count < _BLOCK:
            return np.array([self._one_normal() * std + mean for _ in range(count)], np.float64).astype(dtype)
        values = self.uniform(count, dtype)
        whole = count - count % _BLOCK
        values[:whole] = _normal_blocks(values[:whole], mean, std)
        if whole != count:
            values[-_BLOCK:] = _normal_blocks(self.uniform(_BLOCK, dtype), mean, std)
        return values

    def _one_normal(self) -> float:
        if self._spare is not None:
            value, self._spare = self._spare, None
            return value
        u1, u2 = self.doubles(2).tolist()
        radius, angle = math.sqrt(-2.0 * math.log1p(-u2)), 2.0 * math.pi * u1
        self._spare = radius * math.sin(angle)
        return radius * math.cos(angle)


def _normal_blocks(uniform: np.ndarray, mean: float, std: float) -> np.ndarray:
    blocks = uniform.reshape(-1, 2, _BLOCK // 2)
    scalar = uniform.dtype.type
    radius = np.sqrt(scalar(-2) * np.log(scalar(1) - blocks[:, 0]))
    angle = scalar(2.0 * math.pi) * blocks[:, 1]
    made = np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1) * scalar(std) + scalar(mean)
    return made.reshape(-1).astype(uniform.dtype)


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Start the random numbers of this process anew."""
    return default_generator.manual_seed(seed)


def _of(generator: Generator | None) -> Generator:
    return default_generator if generator is None else generator


def rand(*size, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, out=None, device=None) -> Tensor:
    """Uniform numbers in [0, 1)."""
    shape = _shape_of("rand", size)
    numpy = (dtype or get_default_dtype()).numpy
    return _finished(_of(generator).uniform(math.prod(shape), numpy).reshape(shape), requires_grad)


def randn(*size, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, out=None, device=None) -> Tensor:
    """Normal numbers of mean 0 and deviation 1."""
    shape = _shape_of("randn", size)
    numpy = (dtype or get_default_dtype()).numpy
    return _finished(_of(generator).normal(math.prod(shape), numpy).reshape(shape), requires_grad)


def randint(low, high=None, size=None, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """Integers from ``low`` (0) up to ``high``, which is left out."""
    if size is None:
        low, high, size = 0, low, high
    shape = sizes_of((size,))
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    count, extent = math.prod(shape), high - low
    source = _of(generator)
    if extent >= 1 << 32:
        words = source.words(2 * count)
        raw = words[0::2] << np.uint64(32) | words[1::2]
    else:
        raw = source.words(count)
    return _finished(((raw % np.uint64(extent)).astype(np.int64) + low).astype((dtype or int64).numpy).reshape(shape), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """The integers below ``n`` in random order."""
    order = np.arange(n)
    source = _of(generator)
    if n:
        words = source.words(n - 1).tolist()
        for k in range(n - 1):
            z = int(words[k]) % (n - k)
            order[k], order[z + k] = order[z + k], order[k]
    return _finished(order.astype((dtype or int64).numpy), requires_grad)


def normal(mean=0.0, std=1.0, size=None, *, generator: Generator | None = None, out=None) -> Tensor:
    """Normal numbers of this mean and deviation, which may be tensors."""
    if size is None:
        shape = np.broadcast_shapes(*[x._data.shape if isinstance(x, Tensor) else () for x in (mean, std)])
        base = randn(shape, generator=generator)
        return base * std + mean
    return made_of(_of(generator).normal(math.prod(size), get_default_dtype().numpy, mean, std).reshape(size))


def bernoulli(input: Tensor, *, generator: Generator | None = None, out=None) -> Tensor:
    """1 with the probability that the element says, else 0."""
    draws = _of(generator).doubles(input._data.size).reshape(input._data.shape) if input._data.dtype == np.float64 else _of(generator).uniform(
        input._data.size, np.float32).reshape(input._data.shape)
    return made_of((draws < input._data).astype(input._data.dtype))


def uniform_(self: Tensor, a: float = 0.0, b: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with uniform numbers."""
    made = _of(generator).uniform(self._data.size, self._data.dtype).reshape(self._data.shape)
    return update(self, lambda target: made_of((made * (made.dtype.type(b) - made.dtype.type(a)) + made.dtype.type(a)).astype(target._data.dtype)))


def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with normal numbers."""
    made = _of(generator).normal(self._data.size, self._data.dtype, mean, std).reshape(self._data.shape)
    return update(self, lambda target: made_of(made))


def rand_like(input: Tensor, *, dtype: Dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Uniform numbers in the shape and dtype of a tensor."""
    return rand(tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad)


def randn_like(input: Tensor, *, dtype: Dtype | None = None, requires_grad: bool = False) -> Tensor:
    """Normal numbers in the shape and dtype of a tensor."""
    return randn(tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad)


def initial_seed() -> int:
    """The seed that the random numbers of this process started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Where the random numbers are, for :func:`set_rng_state`."""
    state = default_generator._bits.state["state"]
    spare = default_generator._spare
    words = np.concatenate([state["key"], [state["pos"], spare is not None]]).astype(np.uint64)
    return made_of(np.concatenate([words, np.array([spare or 0.0]).view(np.uint64)]).view(np.uint8))


def set_rng_state(new_state: Tensor) -> None:
    """Go back to where the random numbers were."""
    words = np.ascontiguousarray(new_state._data).view(np.uint64)
    state = default_generator._bits.state
    state["state"] = {"key": words[:624].astype(np.uint32), "pos": int(words[624])}
    default_generator._bits.state = state
    default_generator._spare = float(words[626:627].view(np.float64)[0]) if words[625] else None


def multinomial(input: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None, out=None) -> Tensor:
    """Positions drawn with these weights; one at a time and without replacement, by the exponential race that PyTorch runs."""
    weights = np.atleast_2d(input._data).astype(np.float64)
    if num_samples == 1 or not replacement:
        q = -np.log1p(-_of(generator).doubles(weights.size)).reshape(weights.shape)
        drawn = np.argsort(-(weights / q), axis=1, kind="stable")[:, :num_samples]
    else:
        bounds = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        draws = _of(generator).doubles(weights.shape[0] * num_samples).reshape(weights.shape[0], num_samples)
        drawn = np.stack([np.searchsorted(b, u) for b, u in zip(bounds, draws)])
    return made_of(drawn[0] if input.ndim == 1 else drawn)


FUNCTIONS = {f.__name__: f for f in (manual_seed, initial_seed, get_rng_state, set_rng_state, multinomial, rand, randn, randint, randperm, normal, bernoulli,
                                     rand_like, randn_like)} | {"Generator": Generator}
Tensor.uniform_, Tensor.normal_, Tensor.bernoulli = uniform_, normal_, bernoulli
