"""What each thread has switched on: gradient mode, inference mode, hooks on saved tensors, anomaly detection, forward-mode levels.

All of it is one object per thread, of which ``recording`` alone is looked at by every operation.
"""

from __future__ import annotations

import functools
import inspect
import threading
import warnings
from typing import Any

from .words import type_name

_OF_CLASS = ("Decorating classes is deprecated and will be disabled in future versions. You should only decorate functions or methods. To preserve the current "
             "behavior of class decoration, you can directly decorate the `__init__` method and nothing else.")


class State(threading.local):
    """One thread's modes.

    ``recording``  operations on tensors that require grad make nodes
    ``inference``  new tensors are inference tensors
    ``special``    something below is on, so that operations take their long way
    ``hooks``      (pack, unpack) pairs of saved_tensors_hooks, innermost last; a str while they are disabled
    ``mutations``  the context of allow_mutation_on_saved_tensors
    ``passing``    the backward pass that is running
    ``anomaly``    0, or 1 | 2 for detect_anomaly without | with the check for NaN; the same in all threads
    ``level``      number of the open dual level, 0 for none; ``levels`` have been opened so far
    ``pending``    tangents at that level that are not computed yet
    ``updating``   an integer or bool tensor is updated by a recorded operation, whose result may have a node
    ``multithreading``  what set_multithreading_enabled has set; nothing looks at it
    ``evaluated``  under ``anomaly`` the node whose backward is running
    """

    recording = True
    inference = False
    special = False
    updating = False
    multithreading = True
    anomaly = 0
    level = levels = 0
    pending: Any = None
    evaluated = None
    hooks: Any = ()
    mutations: Any = None
    passing: Any = None

    def refresh(self) -> None:
        """Set ``special`` after a change."""
        if self.inference or self.hooks or self.level:
            self.special = True
        else:
            self.__dict__.pop("special", None)  # then it is as the class has it, for all threads

    @classmethod
    def detect(cls, anomaly: int) -> None:
        """Set ``anomaly``, which is the same in all threads."""
        cls.anomaly, cls.special = anomaly, bool(anomaly)


state = State()


class _Mode:
    """A context manager that is a decorator too, of functions and generators."""

    def __call__(self, function):
        if inspect.isgeneratorfunction(function):
            return self._of_generator(function)
        if inspect.isclass(function):
            warnings.warn(_OF_CLASS, FutureWarning, stacklevel=2)

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self._again():
                return function(*args, **kwargs)
        return wrapped

    def _of_generator(self, function):
        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            generator = function(*args, **kwargs)
            try:
                with self._again():
                    response = generator.send(None)
                while True:
                    try:
                        request = yield response
                    except GeneratorExit:
                        with self._again():
                            generator.close()
                        raise
                    except BaseException as error:
                        with self._again():
                            response = generator.throw(error)
                    else:
                        with self._again():
                            response = generator.send(request)
            except StopIteration as stop:
                return stop.value
        return wrapped

    def _again(self):
        return type(self)()


class _Recording(_Mode):
    """Gradient mode is ``value`` inside."""

    value = False

    def __new__(cls, function=None):
        made = super().__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> None:
        self._before = state.recording
        state.recording = self.value

    def __exit__(self, *_) -> None:
        state.recording = self._before


class no_grad(_Recording):
    """Nothing is recorded inside; a context manager or a decorator."""


class enable_grad(_Recording):
    """Operations are recorded inside, even within ``no_grad``."""

    value = True


class set_grad_enabled(_Mode):
    """Switch gradient mode at once; as a context manager only inside."""

    def __init__(self, mode: bool):
        if not isinstance(mode, bool):
            raise TypeError(f"set_grad_enabled(): argument 'enabled' (position 1) must be bool, not {type_name(mode)}")
        self._before = state.recording
        self.mode = mode
        state.recording = mode

    def __call__(self, function):
        state.recording = self._before
        return super().__call__(function)

    def _again(self):
        return set_grad_enabled(self.mode)

    def __enter__(self) -> None:
        state.recording = bool(self.mode)

    def __exit__(self, *_) -> None:
        state.recording = self._before

    def __repr__(self) -> str:
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self.mode})"


class inference_mode(_Mode):
    """No recording and no version counters inside; the tensors made there can never be used in recorded operations."""

    def __new__(cls, mode=True):
        made = super().__new__(cls)
        if isinstance(mode, bool):
            return made
        made.mode = True
        return made(mode)

    def __init__(self, mode: bool = True):
        self.mode = mode

    def _again(self):
        return inference_mode(self.mode)

    def __enter__(self) -> None:
        self._before = state.recording, state.inference
        state.inference = self.mode
        state.recording = not self.mode
        state.refresh()

    def __exit__(self, *_) -> None:
        state.recording, state.inference = self._before
        state.refresh()


class set_multithreading_enabled(_Mode):
    """Kept as PyTorch keeps it; a backward pass runs in the thread that asks for it anyway."""

    def __init__(self, mode: bool):
        self._before, self.mode, state.multithreading = state.multithreading, mode, mode

    def _again(self):
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_) -> None:
        state.multithreading = self._before


def is_multithreading_enabled() -> bool:
    """What :class:`set_multithreading_enabled` has set."""
    return state.multithreading


def is_grad_enabled() -> bool:
    """Are operations recorded in this thread?"""
    return state.recording


def is_inference_mode_enabled() -> bool:
    """Is this thread in inference mode?"""
    return state.inference
