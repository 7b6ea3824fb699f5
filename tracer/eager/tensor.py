"""The tensor: NumPy data, a place on the tape, a version counter.

Data of 0-d tensors is a NumPy scalar until something needs to share or overwrite it, since arithmetic on scalars takes a third of the time of that on
0-d arrays (60 against 180 ns). Attributes that most tensors never have are defaults of the class: a tensor is made by setting two or three of them.
"""

from __future__ import annotations

import operator
import weakref

import numpy as np

from .devices import CPU
from .dtypes import DTYPES, Dtype
from .modes import state
from .node import INFERENCE, UNTRACKED, Node, Output


class Size(tuple):
    """A shape; prints as ``torch.Size([2, 3])``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def numel(self) -> int:
        """The number of elements."""
        count = 1
        for extent in self:
            count *= extent
        return count

    def __getitem__(self, key):
        found = tuple.__getitem__(self, key)
        return _sized(Size, found) if isinstance(key, slice) else found

    def __new__(cls, extents=()):
        extents = tuple(extents)
        for extent in extents:
            if extent.__class__ is not int:
                return tuple.__new__(cls, [_extent(each, place) for place, each in enumerate(extents)])
        return tuple.__new__(cls, extents)

    def __add__(self, other):
        if not isinstance(other, tuple):
            raise TypeError(f"can only concatenate tuple (not {type(other).__name__}) to torch.Size")
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times):
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__


def _extent(value, position: int) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"torch.Size() takes an iterable of 'int' (item {position} is '{type(value).__name__}')") from None


_sized = tuple.__new__  # of extents that need no look at them


class Counter(list):
    """A version in its only place, and the tensors whose views share it (weak references)."""

    __slots__ = ("bases",)

    def __init__(self):
        super().__init__((0,))
        self.bases = []


class Tensor:
    """A tensor as ``torch.Tensor``: float64, float32, float16, integer and bool, on the CPU.

    ``_data``      ndarray or NumPy scalar
    ``_rg``        takes part in differentiation: a leaf that requires grad, or a recorded result
    ``_grad_fn``   the node that made it; None for leaves
    ``_number``    which output of that node
    ``_counter``   [version], shared with views and detached tensors; None while it is 0 and nobody shares it
    ``_view``      for views: how they come from their base (:class:`~tracer.eager.views.View`)
    ``_views``     weak references to views of this tensor
    """

    _rg = False
    _grad_fn: Node | None = None
    _number = 0
    _counter = None
    _grad = None
    _view = None
    _views = None
    _leaf_views = False  # some of them were said to require grad
    _accumulator = None
    _hooks = None        # of register_hook on a leaf
    _post_hooks = None   # of register_post_accumulate_grad_hook
    _inference = False
    _detached = -1       # the time, on the nodes' clock, of detach_
    _tangent = None      # in forward mode (level, tangent); the tangent may be a Pending
    retains_grad = False
    is_cuda = is_sparse = is_quantized = is_meta = is_nested = is_mps = is_xla = is_xpu = is_mkldnn = is_sparse_csr = False
    is_cpu = True
    __array_priority__ = 1000

    # Places on the tape ----------------------------------------------------------------------------------------------------
    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for leaves."""
        node = self._grad_fn
        return None if node is UNTRACKED else node

    @property
    def is_leaf(self) -> bool:
        """Was it made by the user, and not by a recorded operation?"""
        return self.grad_fn is None

    @property
    def output_nr(self) -> int:
        """Which output of its node this is."""
        return self._number

    @property
    def _version(self) -> int:
        if self._inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._counter is None else self._counter[0]

    # Shape and dtype -------------------------------------------------------------------------------------------------------
    @property
    def shape(self) -> Size:
        """The extents."""
        return _sized(Size, self._data.shape)

    @property
    def dtype(self) -> Dtype:
        """The element type."""
        return DTYPES[self._data.dtype]

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    @property
    def device(self):
        """Always the CPU."""
        return CPU

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self._data.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._data.dtype.itemsize * self._data.size

    def size(self, dim: int | None = None):
        """The extents, or one of them."""
        if dim is None:
            return _sized(Size, self._data.shape)
        return self._data.shape[wrapped_dim(dim, self._data.ndim)]

    def dim(self) -> int:
        """The number of axes."""
        return self._data.ndim

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return int(self._data.size)

    nelement = numel

    def element_size(self) -> int:
        """Bytes of an element."""
        return self._data.dtype.itemsize

    def stride(self, dim: int | None = None):
        """Steps between elements along each axis, counted in elements."""
        data = self._data
        steps = data.strides if data.size or self._view is not None or any(data.strides) else logical_strides(data)
        strides = tuple([step // data.dtype.itemsize for step in steps])
        return strides if dim is None else strides[wrapped_dim(dim, len(strides))]

    def is_floating_point(self) -> bool:
        """Is the dtype one of floats?"""
        return self._data.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Never."""
        return False

    def is_contiguous(self) -> bool:
        """Do the elements lie in C order without gaps?"""
        return is_contiguous(self._data)

    def is_inference(self) -> bool:
        """Was it made in inference mode?"""
        return self._inference

    def _is_view(self) -> bool:
        return self._view is not None

    @property
    def _base(self) -> Tensor | None:
        return None if self._view is None else self._view.base

    def data_ptr(self) -> int:
        """The address of the first element."""
        return shared(self).__array_interface__["data"][0]

    def storage_offset(self) -> int:
        """Elements between the start of the base's memory and this tensor's."""
        base = self if self._view is None else self._view.base
        return (self.data_ptr() - base.data_ptr()) // self._data.dtype.itemsize


class Pending:
    """A tangent that is computed when it is asked for, or when something that it depends on is about to change.

    The node, which of its outputs, the inputs' tangents, whether the computation is recorded, and the output's data.
    """

    __slots__ = ("node", "number", "tangents", "create", "data", "value", "__weakref__")

    def __init__(self, node: Node, number: int, create: bool, data):
        self.node, self.number, self.tangents, self.create, self.data = node, number, node.tangents, create, data
        self.value = None
        state.pending.add(self)


class Layout:
    """``torch.strided``, the only layout there is."""

    def __repr__(self) -> str:
        return "torch.strided"


STRIDED = Tensor.layout = Layout()


class Result(Output):
    """An :class:`Output` that becomes a tensor again."""

    __slots__ = ()

    def tensor(self, node: Node) -> Tensor:
        """The result, hanging on its node."""
        made = made_of(self.data)
        made._rg, made._grad_fn, made._number, made._counter = True, node, self.number, self.counter
        return made


_new = object.__new__


def made_of(data) -> Tensor:
    """A tensor of this data, outside of the tape."""
    made = _new(Tensor)
    made._data = data
    if state.special and state.inference:
        made._inference, made._counter = True, INFERENCE
    return made


def made_by(node: Node, data, number: int = 0) -> Tensor:
    """The result of a recorded operation."""
    made = _new(Tensor)
    made._data = data
    if node.tangents is not None:
        is_recorded = any(edge is not None and edge is not UNTRACKED for edge in node.edges)
        create = state.recording and (is_recorded or any(each is not None and each._rg for each in node.tangents))
        made._tangent = state.level, Pending(node, number, create, data)
        if not is_recorded:
            return made
    made._rg, made._grad_fn = True, node
    if number:
        made._number = number
    return made


def own_node(tensor: Tensor) -> Node | None:
    """The node that a tensor has now; a view whose memory was overwritten may have to get another before it is used."""
    node = tensor.__dict__.get("_grad_fn")
    return None if node is UNTRACKED else node


def shared(tensor: Tensor) -> np.ndarray:
    """The data as an array that may be shared and written to."""
    data = tensor._data
    if not isinstance(data, np.ndarray):
        data = tensor._data = np.array(data)
        node = tensor._grad_fn
        if node is not None and node.saved:
            node.results_are(data, tensor._number)  # what is written to it without counting, through `.data`, the node sees too
    return data


def counter_of(tensor: Tensor) -> Counter:
    """The version counter, made when somebody is to share it."""
    if tensor._counter is None:
        tensor._counter = Counter()
    return tensor._counter


def count_updates(tensor: Tensor, times: int) -> None:
    """So many updates more; nobody counts those of inference tensors."""
    counter = counter_of(tensor)
    if counter is not INFERENCE:
        counter[0] += times


def retain(tensor: Tensor) -> None:
    """Note at its node that the gradient of a tensor is to be kept."""
    node = tensor._grad_fn
    node.retained = {**(node.retained or {}), tensor._number: weakref.ref(tensor)}


def wrapped_dim(dim: int, ndim: int) -> int:
    """A dim counted from the front; IndexError out of range."""
    extent = max(ndim, 1)
    if not -extent <= dim < extent:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-extent}, {extent - 1}], but got {dim})")
    return dim + extent if dim < 0 else dim


def unsigned(dim):
    """A dim, or several, as PyTorch keeps them: -1 as 2**64 - 1."""
    return dim if dim is None else dim % 2**64 if isinstance(dim, int) else tuple([each % 2**64 for each in dim])


def logical_strides(data) -> tuple[int, ...]:
    """Byte strides of fresh data without elements, as PyTorch counts them; NumPy gives such arrays whatever strides it likes."""
    step, strides = data.dtype.itemsize, []
    for extent in reversed(data.shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


def with_logical_strides(data: np.ndarray) -> np.ndarray:
    """Data without elements, with the strides that its views go by."""
    return np.lib.stride_tricks.as_strided(data, strides=logical_strides(data))


def is_contiguous(data) -> bool:
    """C order, as PyTorch sees it: axes of extent 1 may have any stride."""
    return bool(data.flags.c_contiguous)


def _not_writable(name: str):
    def refuse(self, value):
        raise AttributeError(f"attribute '{name}' of 'torch._C.TensorBase' objects is not writable")
    return refuse


for _name, _property in list(vars(Tensor).items()):
    if isinstance(_property, property) and _property.fset is None:
        setattr(Tensor, _name, _property.setter(_not_writable(_name)))
