"""The trace that is running: what calls inside it share. A context variable, owned here."""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from ..errors import InPlaceError, TracedConversionError
from . import numpy_api  # noqa: F401  imported for what it registers
from .context import Trace, collector_paused
from .rebind import Rebinder
from .value import Traced

_current: ContextVar[Session | None] = ContextVar("tracer_session", default=None)


class Session:
    """One trace, the rebinding of the functions it calls, and the sessions around it."""

    def __init__(self, name: str):
        self.trace = Trace(name)
        self.rebinder = Rebinder()
        self.outer = _current.get()
        self.seconds: dict[str, float] = {}  # by stage
        self.rolled_from = 1 << 62  # operations, to look for loops among them
        self.deferred: list = []  # derivatives that are asked for and not made yet

    def call(self, function: Callable, *args, **kwargs):
        """Call a function of the user in this trace."""
        return self.rebinder.see(function)(*args, **kwargs)
    @contextlib.contextmanager
    def reopened(self) -> Iterator[None]:
        """While what was put off in a trace that has ended is done."""
        self.trace.active = True
        try:
            with collector_paused():
                yield
        finally:
            self.trace.active = False

    @contextlib.contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def current_session() -> Session | None:
    """The innermost session that is running."""
    return _current.get()


def session_of(values) -> Session:
    """The running session that traced values belong to."""
    traced = next(v for v in values if type(v) is Traced)
    session = _current.get()
    while session is not None and session.trace is not traced.owner:
        session = session.outer
    if session is None:
        traced.owner.check_active(traced.node)
        raise AssertionError("an active trace without a session")
    return session


@contextlib.contextmanager
def tracing(name: str, root: Callable | None = None, kind: type[Session] = Session) -> Iterator[Session]:
    """A new session of this kind, with the collector paused."""
    session = kind(name)
    session.rebinder.own(root)
    token = _current.set(session)
    try:
        with collector_paused():
            yield session
        if session.trace.refusal is not None:
            raise session.trace.refusal
    except ValueError as error:
        # NumPy puts an error of its own before ours when it asks a traced value for its number.
        if isinstance(error.__cause__, TracedConversionError):
            raise InPlaceError(_buffer_text(error)) from error.__cause__
        raise
    finally:
        _current.reset(token)
        session.rebinder.write_back()
        session.trace.active = False


def _buffer_text(error: BaseException) -> str:
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return (f"a traced value is written into a NumPy array that was made outside the traced function ({frame.f_code.co_filename}:{line}). "
            f"The array would keep no trace of it. Make the array inside: np.zeros(3), or np.array(a) for a copy of it.")
