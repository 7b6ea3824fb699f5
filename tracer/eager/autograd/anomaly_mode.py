"""``torch.autograd.detect_anomaly``: backward says which node returned NaN or raised, and where in the forward pass it was made."""

from __future__ import annotations

import warnings

from ..modes import state


def is_anomaly_enabled() -> bool:
    """Is anomaly detection on?"""
    return bool(state.anomaly)


def is_anomaly_check_nan_enabled() -> bool:
    """Would anomaly detection look for NaN?"""
    return state.anomaly != 1


def _set(value: int) -> None:
    state.anomaly = value
    state.refresh()


class set_detect_anomaly:
    """Turn anomaly detection on or off: at once as a function, or for the length of a ``with``."""

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = state.anomaly
        _set((2 if check_nan else 1) if mode else 0)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_) -> None:
        _set(self._before)


class detect_anomaly:
    """For the length of a ``with``: backward names the node that returned NaN or raised, with the traceback of the forward call that made it."""

    def __init__(self, check_nan: bool = True):
        self._value = 2 if check_nan else 1
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.", stacklevel=2)

    def __enter__(self) -> None:
        self._before = state.anomaly
        _set(self._value)

    def __exit__(self, *_) -> None:
        _set(self._before)
