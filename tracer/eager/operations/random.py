"""PyTorch's random numbers on the CPU, bit by bit: MT19937, one generator per process."""

from __future__ import annotations

import math
import threading

import numpy as np

from ..dtypes import Dtype, get_default_dtype, int64
from ..tensor import Tensor, made_of
from .creation import _finished, _shape_of, like_function
from .define import kind, operation
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
            return self.normals_one_by_one(count, dtype, mean, std)
        values = self.uniform(count, dtype)
        whole = count - count % _BLOCK
        values[:whole] = _normal_blocks(values[:whole], mean, std)
        if whole != count:
            values[-_BLOCK:] = _normal_blocks(self.uniform(_BLOCK, dtype), mean, std)
        return values

    def normals_one_by_one(self, count: int, dtype, mean: float, std: float) -> np.ndarray:
        """Normal numbers in float64, whatever the dtype."""
        return np.array([self._one_normal() * std + mean for _ in range(count)], np.float64).astype(dtype)

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


def generator_of(generator: Generator | None) -> Generator:
    """The one given, or that of the process."""
    return default_generator if generator is None else generator


def _float(dtype: Dtype | None, kernel: str):
    dtype = dtype or get_default_dtype()
    if not dtype.is_floating_point:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtype.legacy}'")
    return dtype.numpy


def rand(*size, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, out=None, device=None) -> Tensor:
    """Uniform numbers in [0, 1)."""
    shape = _shape_of("rand", size)
    numpy = _float(dtype, "check_uniform_bounds")
    return _finished(generator_of(generator).uniform(math.prod(shape), numpy).reshape(shape), requires_grad)


def randn(*size, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, out=None, device=None) -> Tensor:
    """Normal numbers of mean 0 and deviation 1."""
    shape = _shape_of("randn", size)
    numpy = _float(dtype, "normal_kernel_cpu")
    return _finished(generator_of(generator).normal(math.prod(shape), numpy).reshape(shape), requires_grad)


def randint(low, high=None, size=None, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """Integers from ``low`` (0) up to ``high``, which is left out."""
    if size is None:
        low, high, size = 0, low, high
    shape = sizes_of((size,))
    if high <= low:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    count, extent = math.prod(shape), high - low
    source = generator_of(generator)
    if extent >= 1 << 32:
        words = source.words(2 * count)
        raw = words[0::2] << np.uint64(32) | words[1::2]
    else:
        raw = source.words(count)
    return _finished(((raw % np.uint64(extent)).astype(np.int64) + low).astype((dtype or int64).numpy).reshape(shape), requires_grad)


def randperm(n: int, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, device=None) -> Tensor:
    """The integers below ``n`` in random order."""
    order = np.arange(n)
    source = generator_of(generator)
    if n:
        words = source.words(n - 1).tolist()
        for k in range(n - 1):
            z = int(words[k]) % (n - k)
            order[k], order[z + k] = order[z + k], order[k]
    return _finished(order.astype((dtype or int64).numpy), requires_grad)


def no_gradient(node, g, *_):
    """Backward of what is drawn: zeros."""
    return (made_of(np.zeros_like(g._data)[()]),) * len(node.edges)


def _no_gradients(node, g):
    return tuple([made_of(np.zeros(shape, g._data.dtype)[()]) for shape in node.shapes])


NORMAL = {(True, False): kind("NormalBackward1", _no_gradients, keeps="mean_sym_sizes:first"),
          (False, True): kind("NormalBackward2", _no_gradients, keeps="std_sym_sizes:first"),
          (True, True): kind("NormalBackward3", _no_gradients, keeps="mean_sym_sizes:first std_sym_sizes:last")}
BERNOULLI = kind("BernoulliBackward0", no_gradient)


def normal(mean=0.0, std=1.0, size=None, *, generator: Generator | None = None, dtype: Dtype | None = None, requires_grad: bool = False, layout=None,
           device=None, out=None) -> Tensor:
    """Normal numbers of this mean and deviation, which may be tensors."""
    tensors = [each for each in (mean, std) if isinstance(each, Tensor)]
    if not isinstance(std, Tensor) and std < 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if not tensors:
        numbers = generator_of(generator).normal(math.prod(size), (dtype or get_default_dtype()).numpy, mean, std).reshape(size)
        return _finished(numbers, requires_grad)
    if isinstance(std, Tensor) and (std._data < 0).any():
        raise RuntimeError("normal expects all elements of std >= 0.0")
    data = [each._data if isinstance(each, Tensor) else each for each in (mean, std)]
    shape, goal = np.broadcast_shapes(*[np.shape(each) for each in data]), np.result_type(*[each._data for each in tensors])
    numbers = generator_of(generator).normal(math.prod(shape), goal).reshape(shape)
    return operation(NORMAL[isinstance(mean, Tensor), isinstance(std, Tensor)], tuple(tensors), (numbers * data[1] + data[0]).astype(goal),
                     shapes=[each._data.shape for each in tensors], first=tensors[0]._data.shape, last=tensors[-1]._data.shape)


def bernoulli(input: Tensor, p: float | None = None, *, generator: Generator | None = None, out=None) -> Tensor:
    """1 with the probability that the element says, or ``p``, else 0."""
    if p is not None:
        return made_of(np.empty_like(input._data)).bernoulli_(p, generator=generator)
    x, source = input._data, generator_of(generator)
    if x.dtype.kind != "f":
        raise NotImplementedError(f"\"bernoulli_tensor_cpu_p_\" not implemented for '{input.dtype.legacy}'")
    if not ((x >= 0) & (x <= 1)).all():
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message be improved?  If so, please report an "
                           "enhancement request to PyTorch.)")
    draws = source.doubles(x.size) if x.dtype == np.float64 else source.uniform(x.size, np.float32)
    return operation(BERNOULLI, (input,), (draws.reshape(x.shape) < x).astype(x.dtype))


rand_like, randn_like = like_function(rand), like_function(randn)


def randint_like(input: Tensor, low, high=None, *, dtype: Dtype | None = None, requires_grad: bool = False, device=None, layout=None,
                 memory_format=None) -> Tensor:
    """Integers in the shape and dtype of a tensor."""
    low, high = (0, low) if high is None else (low, high)
    return randint(low, high, tuple(input.shape), dtype=dtype or input.dtype, requires_grad=requires_grad)


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
    if not (np.isfinite(input._data) & (input._data >= 0)).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if (input._data.sum(-1) <= 0).any():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    if not replacement and num_samples > input._data.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    weights = np.atleast_2d(input._data).astype(np.float64)
    if num_samples == 1 or not replacement:
        q = -np.log1p(-generator_of(generator).doubles(weights.size)).reshape(weights.shape)
        drawn = np.argsort(-(weights / q), axis=1, kind="stable")[:, :num_samples]
    else:
        bounds = np.cumsum(weights / weights.sum(axis=1, keepdims=True), axis=1)
        draws = generator_of(generator).doubles(weights.shape[0] * num_samples).reshape(weights.shape[0], num_samples)
        drawn = np.stack([np.searchsorted(b, u) for b, u in zip(bounds, draws)])
    return made_of(np.ascontiguousarray(drawn[0] if input.ndim == 1 else drawn))


FUNCTIONS = {f.__name__: f for f in (manual_seed, initial_seed, get_rng_state, set_rng_state, multinomial, rand, randn, randint, randperm, normal, bernoulli,
                                     rand_like, randn_like, randint_like)} | {"Generator": Generator}
Tensor.bernoulli, Tensor.multinomial = bernoulli, multinomial
