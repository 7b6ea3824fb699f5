"""Devices: there is the CPU, and PyTorch's words for whoever asks for another."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable

from .dtypes import Dtype, dtype_of
from .words import type_name

_KINDS = "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone"
_NAME = re.compile(r"([a-z]+)(?::(0|[1-9]\d*))?")
_SIGNATURES = ("device() received an invalid combination of arguments - got ({given}), but expected one of:\n * (torch.device device)\n{why}"
               " * (str type, int index = -1)\n")
_NO_ACCELERATOR = "Cannot access accelerator device when none is available."


class Device:
    """``torch.device("cpu")``. Others can be named, and no tensor can be there."""

    __slots__ = ("_key",)

    def __init__(self, type="\0", index: int | None = None):
        if type == "\0":
            raise TypeError(_SIGNATURES.format(given="", why=""))
        if isinstance(type, int) and not isinstance(type, bool):
            raise RuntimeError(_NO_ACCELERATOR)
        if not isinstance(type, (str, Device)):
            given = type.__class__.__name__
            raise TypeError(_SIGNATURES.format(given=given, why=f"      didn't match because some of the arguments have invalid types: (!{given}!)\n"))
        self._key = type._key if isinstance(type, Device) else _parsed(type, index)

    @property
    def type(self) -> str:
        """The kind of device."""
        return self._key[0]

    @property
    def index(self) -> int | None:
        """Which of its kind; None for the current one."""
        return self._key[1]

    def __enter__(self) -> Device:
        check_device(self, "device")
        return self

    def __exit__(self, *_) -> None:
        pass

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (")" if self.index is None else f", index={self.index})")

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other) -> bool:
        return isinstance(other, Device) and other._key == self._key

    def __hash__(self) -> int:
        return hash(self._key)


def _parsed(text: str, index: int | None) -> tuple[str, int | None]:
    found = _NAME.fullmatch(text)
    if not found:
        raise RuntimeError(f"Invalid device string: '{text}'")
    if found[1] not in _KINDS.split(", "):
        raise RuntimeError(f"Expected one of {_KINDS.replace(', privateuseone', ', privateuseone device type at start of device string')}: {text}")
    return found[1], index if found[2] is None else int(found[2])


CPU = Device("cpu")


def check_device(device, name: str) -> None:
    """Refuse what is not the CPU, as a PyTorch without CUDA does: AssertionError. ``name``: of the function that was given it."""
    if device is None:
        return
    if isinstance(device, int) and not isinstance(device, bool):
        raise RuntimeError(_NO_ACCELERATOR)
    if not isinstance(device, (str, Device)):
        raise TypeError(f"{name}(): argument 'device' must be torch.device, not {type(device).__name__}")
    kind = Device(device).type
    if kind == "cuda":
        raise AssertionError("Torch not compiled with CUDA enabled")
    if kind != "cpu":
        raise NotImplementedError(f"{name}(): all tensors are on the CPU; write device=\"cpu\", not \"{device}\"")


def with_options(function: Callable) -> Callable:
    """The same function, with ``device=``, ``dtype=`` and ``requires_grad=`` looked at, if its signature names a device."""
    if isinstance(function, type):
        return function
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return function
    if "device" not in parameters:
        return function
    name = function.__name__

    @functools.wraps(function)
    def call(*args, **named):
        if named:
            check_device(named.pop("device", None), name)
            dtype = named.get("dtype")
            if dtype is not None and dtype.__class__ is not Dtype:
                named["dtype"] = dtype = dtype_of(dtype)
                if not isinstance(dtype, Dtype):
                    raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type_name(dtype)}")
            if named.get("requires_grad", False).__class__ is not bool:
                raise TypeError(f"{name}(): argument 'requires_grad' must be bool, not {type_name(named['requires_grad'])}")
        return function(*args, **named)
    return call
