"""PyTorch's random numbers on the CPU, bit by bit: MT19937, one generator per process."""

from __future__ import annotations

import math
import secrets
import threading

import numpy as np

from ..devices import CPU, check_device
from ..dtypes import Dtype, get_default_dtype, int64
from ..tensor import Tensor, made_of
from .creation import check_sizes, finished, like_function
from .define import kind, operation
from .shaping import sizes_of

_BLOCK = 16  # normal numbers are made so many at a time, half of them from cosines and half from sines


class Generator:
    """A stream of 32-bit numbers."""

    def __init__(self, device="cpu"):
        check_device(device, "Generator")
        self._lock = threading.Lock()
        self.manual_seed(67280421310721)

    @property
    def device(self):
        """The CPU."""
        return CPU

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed."""
        seed = int(seed)
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError("Overflow when unpacking long long")
        self._seed = seed % (1 << 64)
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

    def integers(self, count: int, low: int, high: int) -> np.ndarray:
        """Integers from ``low`` up to ``high``, which is left out: remainders of 32 bits, or of 64 where these are too few."""
        if high - low >= 1 << 32:
            words = self.words(2 * count)
            words = words[0::2] << np.uint64(32) | words[1::2]
        else:
            words = self.words(count)
        return (words % np.uint64(high - low)).astype(np.int64) + low

    def normal(self, count: int, dtype, mean: float = 0.0, std: float = 1.0) -> np.ndarray:
        """Normal numbers by Box and Muller, in blocks of sixteen, or one by one below."""
        if count < _BLOCK:
            return np.array([self.one_normal() * std + mean for _ in range(count)], np.float64).astype(dtype)
        values = self.uniform(count, dtype)
        whole = count - count % _BLOCK
        values[:whole] = _normal_blocks(values[:whole], mean, std)
        if whole != count:
            values[-_BLOCK:] = _normal_blocks(self.uniform(_BLOCK, dtype), mean, std)
        return values

    def one_normal(self) -> float:
        """The next normal number; they are made in pairs."""
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


def manual_seed(seed) -> Generator:
    """Start the random numbers of this process anew."""
    return default_generator.manual_seed(seed)


def source_of(generator: Generator | None) -> Generator:
    """The generator, or that of the process."""
    return default_generator if generator is None else generator


def _floats(kernel: str, dtype: Dtype | None):
    dtype = dtype or get_default_dtype()
    if not dtype.is_floating_point:
        raise NotImplementedError(f'"{kernel}" not implemented for \'{dtype.legacy}\'')
    return dtype.numpy


def rand(*size, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, out=None, device=None) -> Tensor:
    """Uniform numbers in [0, 1)."""
    shape = check_sizes("rand", size)
    numpy = _floats("check_uniform_bounds", dtype)
    return finished(source_of(generator).uniform(math.prod(shape), numpy).reshape(shape), requires_grad)


def randn(*size, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, out=None, device=None) -> Tensor:
    """Normal numbers of mean 0 and deviation 1."""
    shape = check_sizes("randn", size)
    numpy = _floats("normal_kernel_cpu", dtype)
    return finished(source_of(generator).normal(math.prod(shape), numpy).reshape(shape), requires_grad)


def randint(low, high=None, size=None, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """Integers from ``low`` (0) up to ``high``, which is left out."""
    if size is None:
        low, high, size = 0, low, high
    shape = sizes_of((size,))
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    drawn = source_of(generator).integers(math.prod(shape), low, high)
    return finished(drawn.astype((dtype or int64).numpy).reshape(shape), requires_grad)


def randint_like(input: Tensor, *bounds: int, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """Integers in the shape and dtype of a tensor: below the last bound, and from 0 or the first of two."""
    low, high = (0, *bounds) if len(bounds) == 1 else bounds
    return randint(low, high, tuple(input._data.shape), dtype=dtype or input.dtype, requires_grad=requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """The integers below ``n`` in random order."""
    if n < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {n}: [{n}]")
    order = np.arange(n)
    source = source_of(generator)
    if n:
        words = source.words(n - 1).tolist()
        for k in range(n - 1):
            z = int(words[k]) % (n - k)
            order[k], order[z + k] = order[z + k], order[k]
    return finished(order.astype((dtype or int64).numpy), requires_grad)


def check_deviation(std) -> None:
    """Refuse negative ones."""
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if isinstance(std, Tensor) and (std._data < 0).any():
        raise RuntimeError("normal expects all elements of std >= 0.0")


def _no_gradients(node, g):
    return tuple([made_of(np.zeros(shape, g._data.dtype)[()]) for shape in node.shapes])


NORMAL = {(True, False): kind("NormalBackward1", _no_gradients, keeps="mean_sym_sizes:first"),
          (False, True): kind("NormalBackward2", _no_gradients, keeps="std_sym_sizes:first"),
          (True, True): kind("NormalBackward3", _no_gradients, keeps="mean_sym_sizes:first std_sym_sizes:last")}


def normal(mean=0.0, std=1.0, size=None, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, layout=None,
           device=None, out=None) -> Tensor:
    """Normal numbers of this mean and deviation, which may be tensors."""
    check_deviation(std)
    tensors = [each for each in (mean, std) if isinstance(each, Tensor)]
    if not tensors:
        numbers = source_of(generator).normal(math.prod(size), (dtype or get_default_dtype()).numpy, mean, std).reshape(size)
        return finished(numbers, requires_grad)
    data = [each._data if isinstance(each, Tensor) else each for each in (mean, std)]
    shape, goal = np.broadcast_shapes(*[np.shape(each) for each in data]), np.result_type(*[each._data for each in tensors])
    numbers = source_of(generator).normal(math.prod(shape), goal).reshape(shape)
    return operation(NORMAL[isinstance(mean, Tensor), isinstance(std, Tensor)], tuple(tensors), (numbers * data[1] + data[0]).astype(goal),
                     shapes=[each._data.shape for each in tensors], first=tensors[0]._data.shape, last=tensors[-1]._data.shape)


rand_like, randn_like = like_function(rand), like_function(randn)


def seed() -> int:
    """Start the random numbers of this process from a seed that nobody knows."""
    fresh = secrets.randbits(64)
    manual_seed(fresh)
    return fresh


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
    if input.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if input._data.dtype.kind != "f":
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {input.dtype.legacy}")
    if num_samples <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not (np.isfinite(input._data).all() and (input._data >= 0).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (input._data.sum(-1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and num_samples > input._data.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    weights = np.atleast_2d(input._data).astype(np.float64)
    if num_samples == 1 or not replacement:
        q = -np.log1p(-source_of(generator).doubles(weights.size)).reshape(weights.shape)
        drawn = np.argsort(-(weights / q), axis=1, kind="stable")[:, :num_samples]
    else:
        bounds = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        draws = source_of(generator).doubles(weights.shape[0] * num_samples).reshape(weights.shape[0], num_samples)
        drawn = np.stack([np.searchsorted(b, u) for b, u in zip(bounds, draws)])
    return made_of(np.ascontiguousarray(drawn[0] if input.ndim == 1 else drawn))


FUNCTIONS = {f.__name__: f for f in (manual_seed, initial_seed, get_rng_state, set_rng_state, multinomial, rand, randn, randint, randperm, normal,
                                     rand_like, randint_like, randn_like, seed)} | {"Generator": Generator}
Tensor.multinomial = multinomial
