"""``torch.autograd.detect_anomaly``: backward says which node returned NaN or raised, and where in the forward pass it was made."""

from __future__ import annotations

import warnings

from ..modes import state
from ..words import type_name


def is_anomaly_enabled() -> bool:
    """Is anomaly detection on?"""
    return bool(state.anomaly)


def is_anomaly_check_nan_enabled() -> bool:
    """Would anomaly detection look for NaN?"""
    return state.anomaly != 1


class set_detect_anomaly:
    """Turn anomaly detection on or off: at once as a function, or for the length of a ``with``."""

    def __init__(self, mode: bool, check_nan: bool = True):
        for position, value in enumerate((mode, check_nan), 1):
            if not isinstance(value, bool):
                raise TypeError(f"set_anomaly_enabled(): argument '{('enabled', 'check_nan')[position - 1]}' (position {position}) must be bool, not "
                                f"{type_name(value)}")
        self._before = state.anomaly
        state.detect((2 if check_nan else 1) if mode else 0)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_) -> None:
        state.detect(self._before)


class detect_anomaly:
    """For the length of a ``with``: backward names the node that returned NaN or raised, with the traceback of the forward call that made it."""

    def __init__(self, check_nan: bool = True):
        self._value = 2 if check_nan else 1
        warnings.warn("Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for debugging.", stacklevel=2)

    def __enter__(self) -> None:
        self._before = state.anomaly
        state.detect(self._value)

    def __exit__(self, *_) -> None:
        state.detect(self._before)
