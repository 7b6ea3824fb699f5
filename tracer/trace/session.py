"""The trace that is running: what calls inside it share. A context variable, owned here."""

from __future__ import annotations

import collections
import contextlib
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from ..errors import InPlaceError, TracedBoolError, TracedConversionError
from . import numpy_api  # noqa: F401  imported for what it registers
from .context import Trace, collector_paused, is_internal
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
    except RecursionError as error:
        raise _endless(error) from error
    except ValueError as error:
        # NumPy puts an error of its own before ours when it asks a traced value for its number.
        if isinstance(error.__cause__, TracedConversionError):
            raise InPlaceError(_buffer_text(error)) from error.__cause__
        raise
    finally:
        _current.reset(token)
        session.rebinder.write_back()
        session.trace.active = False


def _endless(error: RecursionError) -> TracedBoolError:
    """The error for a function of the user that calls itself more often than Python allows."""
    calls = collections.Counter(frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__) if not is_internal(frame.f_code))
    code, depth = calls.most_common(1)[0] if calls else (None, 0)
    name = f"{code.co_name}() ({code.co_filename}:{code.co_firstlineno})" if code is not None and depth > 2 else "a traced function"
    return TracedBoolError(f"{name} calls itself without an end, or deeper than Python allows ({sys.getrecursionlimit()}). Where traced values say when it "
                           f"ends, both arms are followed while the graph is built, and the one that goes deeper never ends. "
                           f"Write a loop over a fixed range, or pass the depth as an int.")


def _buffer_text(error: BaseException) -> str:
    *_, (frame, line) = traceback.walk_tb(error.__traceback__)
    return (f"a traced value is written into a NumPy array that was made outside the traced function ({frame.f_code.co_filename}:{line}). "
            f"The array would keep no trace of it. Make the array inside: np.zeros(3), or np.array(a) for a copy of it.")
