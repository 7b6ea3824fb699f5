"""Every error a user can meet.

::

    TracerError
    ├── TraceError                  the function cannot be traced as it is written
    │   ├── TracedBoolError         (TypeError)   `if`, `while`, `and`, `or`, `not`, `assert` on a traced value
    │   ├── TracedIndexError        (TypeError, IndexError)  a traced float as index, `range`, shape or axis
    │   ├── TracedConversionError   (TypeError)   `float(x)`, `np.asarray(x)`, `math.sin(x)` out of sight of the tracer
    │   ├── InPlaceError            (TypeError)   writing into an argument or a traced value
    │   ├── LeakedValueError        (RuntimeError) a traced value used after its trace has ended
    │   ├── ImpureError             (RuntimeError) random numbers, clocks or input that a trace would freeze
    │   └── UnsupportedError        (NotImplementedError, TypeError) an operation that is not there
    │       ├── MissingMethodError  (AttributeError) a method of arrays that is not there
    │       └── VaryingLengthError  a use of x[mask] that has to know how many elements the mask picks
    ├── ArgumentError               (TypeError)   an argument of a kind or dtype that is not taken
    ├── CarryError                  (TypeError, ValueError)  what the body of a loop or an arm returns does not fit
    ├── ShapeError                  (ValueError)  shapes that do not fit
    ├── OutputError                 (TypeError)   the function returns what has no gradient
    ├── DerivativeError             (TypeError)   an operation on the way has no derivative
    └── NotCompiledError            (RuntimeError, AttributeError) `.graph` and its kin before any call
    RecompileWarning                (UserWarning) one function is compiled again and again for values of one argument
    SideEffectWarning               (UserWarning) a traced function assigns to an attribute, which compiled calls do not repeat
    CacheWarning                    (UserWarning) the folder of the disk cache cannot be trusted

Each message says what happened, where in the user's file, why, and what to write instead.
Each also is the built-in exception that a person would catch.
"""

from __future__ import annotations


class TracerError(Exception):
    """Base of all errors of this package."""


class TraceError(TracerError):
    """The function cannot be traced as it is written."""


class TracedBoolError(TraceError, TypeError):
    """A Python branch asked for the truth of a traced value."""


class TracedIndexError(TraceError, TypeError, IndexError):
    """A traced value stood where a concrete integer is needed."""


class TracedConversionError(TraceError, TypeError):
    """A traced value was to become a Python number or a NumPy array."""


class InPlaceError(TraceError, TypeError):
    """A write into an argument or into a traced value."""


class LeakedValueError(TraceError, RuntimeError):
    """A traced value was used outside the call that made it."""


class ImpureError(TraceError, RuntimeError):
    """A source of side effects whose outcome a trace would freeze."""


class UnsupportedError(TraceError, NotImplementedError, TypeError):
    """An operation, or a form of one, that is not there."""


class MissingMethodError(UnsupportedError, AttributeError):
    """A method of arrays that traced values do not have."""


class VaryingLengthError(UnsupportedError):
    """How many elements a traced mask picks is not known while the graph is built."""


class ArgumentError(TracerError, TypeError):
    """An argument of a kind or dtype that is not taken."""


class CarryError(TracerError, TypeError, ValueError):
    """What the body of a loop returns does not fit what it was given, or arms return what does not fit together."""


class ShapeError(TracerError, ValueError):
    """Shapes that do not fit."""


class OutputError(TracerError, TypeError):
    """The function returns something of which no gradient is taken."""


class DerivativeError(TracerError, TypeError):
    """An operation between argument and result has no derivative."""


class NotCompiledError(TracerError, RuntimeError, AttributeError):
    """An attribute that shows a compiled specialisation was read before any call."""


class RecompileWarning(UserWarning):
    """One function was compiled again and again, for values of one static argument or one extent."""


class CacheWarning(UserWarning):
    """The folder of the disk cache belongs to another user, or others can write to it: it is not used."""


class SideEffectWarning(UserWarning):
    """A traced function assigned to an attribute of an object, which compiled calls do not repeat."""
