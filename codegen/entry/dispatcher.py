"""The object that a user holds: a Numba dispatcher whose compiled functions are entries.

A call from Python runs Numba's C dispatcher, which looks the argument types up and calls the entry; no Python code. What the C
code does not know comes to `_compile_for_args`, once for each combination of types.
"""
import enum
import functools
import inspect
import itertools
import types as python_types
import uuid
from dataclasses import replace

import numpy as np
from numba import _dispatcher
from numba.core import types
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import CPUDispatcher
from numba.np import numpy_support

from tracer.errors import ArgumentError

from .lowering import OUT
from .registry import live_object, register
from .slot import EntryType
from .state import EntryState
from .types import DTYPES, UNNAMED, Leaf, Signature, Specialiser, Structure, flatten

PLAIN_ARRAYS = (np.ndarray, np.memmap)


class _Missing:
    """Default of every parameter that has none, for the C dispatcher's own message is unlike Python's."""

    def __repr__(self):
        return "<missing>"


MISSING = _Missing()
# The default of `out`. Numba's dispatcher knows the type of a complex number at once, where None would take it 0.1 µs; a complex result is none.
NO_OUT = 0j


class EntryDispatcher(CPUDispatcher):
    """A function of arrays and numbers, compiled on dtype, rank and layout, and within these on extents by `specialiser`.

    `py_func` gives the parameters; it is not called here. `key` is a text that finds the object again in another process, or None
    when there is no such text; then compiled callers cannot be cached. With `takes_out` a further argument, `out`, may be memory for
    the array results: an array, or a tuple of them.
    """

    def __init__(self, py_func, specialiser: Specialiser, key: str | None, *, takes_out: bool = False):
        parameters = inspect.signature(py_func).parameters.values()
        for parameter in parameters:
            if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
                raise TypeError(f"{py_func.__qualname__}() cannot be compiled: parameter `{parameter}` is not a plain parameter. "
                                "Write its arguments out by name.")
        self.parameters = inspect.Signature([p.replace(annotation=p.empty) for p in parameters])
        super().__init__(_without_defaults(py_func))
        functools.update_wrapper(self, py_func)
        self.py_func, self.__defaults__ = py_func, py_func.__defaults__
        # Once more, now with defaults: Numba would wrap them in objects that only its own compiler understands.
        defaults = tuple(MISSING if p.default is p.empty else p.default for p in parameters)
        self.takes_out = takes_out and OUT not in self.parameters.parameters
        names, defaults = (*self.parameters.parameters, *[OUT] * self.takes_out), (*defaults, *[NO_OUT] * self.takes_out)
        _dispatcher.Dispatcher.__init__(self, self._tm.get_pointer(), len(defaults), True, names, defaults, False, False, False)
        assert key is None or not key.startswith(UNNAMED), key
        self.specialiser = specialiser
        self.key = key
        self.slot_key = key if key is not None else f"{UNNAMED}{uuid.uuid4().hex}"
        self.last_error: Exception | None = None
        self.errors_lost = itertools.count()    # in parallel regions; counted in one step, whichever thread comes first
        self._states: dict[Signature, EntryState] = {}
        self._entries: dict[Signature, object] = {}
        self._inserted: set[tuple[int, ...]] = set()
        register(self)

    @property
    def _numba_type_(self):
        return EntryType(self.slot_key)

    def __repr__(self):
        return f"<{type(self).__name__} {self.__module__}.{self.__qualname__}{self.parameters}>"

    def __reduce__(self):
        # By reference. Without a name it is found in this process only; Numba pickles what a cached caller's closure holds.
        return live_object, (self.slot_key,)

    # Hooks.

    def refuse(self, name: str, value) -> None:
        """Raise for an argument of a kind that cannot be differentiated at all."""
        what, instead = _description(value)
        raise ArgumentError(f"{self.__name__}(): argument '{name}' is {what}, which is not supported. Pass {instead}.")

    def compile_for_other(self, args: tuple, kwargs: dict):
        """A callable for arguments that are no arrays and numbers: dicts, lists, strings, None, instances."""
        name, value = next((n, v) for n, v in zip(self.parameters.parameters, args) if _is_other(v))
        raise ArgumentError(f"{self.__name__}(): argument '{name}' is a {type(value).__name__}. Pass an array or a number.")

    def call_for_other(self, args: tuple):
        """The same for all arguments of a call, memory for results among them."""
        self.refuse_out(self.out_of(args), "arguments that are no arrays and numbers")
        return self.without_out(self.compile_for_other(args[:len(self.parameters.parameters)], {}))

    def name_of_out(self, number: int, count: int | None) -> str:
        """What an array for results is called, of as many; None when `out` is a single one."""
        return OUT if count is None else f"{OUT}[{number}]"

    def is_equal(self, other: "EntryDispatcher") -> bool:
        """Whether two live objects of one key do the same, so that compiled callers may take either."""
        return self is other

    def compiled_attribute(self, name: str) -> "EntryDispatcher | None":
        """The object that `self.<name>` is in compiled code, None when there is none. It lives as long as this one."""
        return None

    is_of_tree = False      # whether its arguments are the leaves of what was passed

    def written(self, results: Structure) -> Structure:
        """The part of the results that memory of the caller's is for."""
        return results

    def structure(self, signature: Signature) -> Structure:
        """What a call from compiled code returns; its leaves are the results of the signature's state."""
        return self.state(signature).results

    # What Numba's C dispatcher calls.

    def typeof_pyval(self, value):
        """Numba's type of an argument. For plain arrays made here: Numba's own way imports numpy.ma, 30 ms."""
        if type(value) in PLAIN_ARRAYS and value.dtype.isnative and value.dtype.name in DTYPES:
            kind = types.Array(numpy_support.from_dtype(value.dtype), value.ndim, numpy_support.map_layout(value),
                               readonly=not value.flags.writeable)
            self._types_active_call.add(kind)       # a type's code is its own only while it lives
            return kind
        return super().typeof_pyval(value)

    def _compile_for_args(self, *args, **kwargs):
        given = args[:len(self.parameters.parameters)]
        self._check_none_missing(given)
        for name, value in zip(self.parameters.parameters, given):
            if not _is_other(value) and _leaf(value) is None:
                self.refuse(name, value)
        if any(map(_is_other, given)):
            return self.call_for_other(args)
        with global_compiler_lock:
            entry = self._python_entry(args)
            self._insert_entry(args, entry)
            return entry

    def without_out(self, function):
        """A function of the arguments alone as one that is called with `out` too."""
        count = len(self.parameters.parameters)
        return lambda *args, **kwargs: function(*args[:count], **kwargs)

    def call_with_odd_arrays(self, args: tuple):
        """Call with arrays that Numba takes for plain ones: subclasses are refused, misaligned ones take the general entry."""
        for name, value in zip(self.parameters.parameters, args):
            if isinstance(value, np.ndarray) and _leaf(value) is None:
                self.refuse(name, value)
        with global_compiler_lock:
            entry = self._python_entry(args)
        return entry(*args)

    def out_of(self, args: tuple):
        """What was given as `out`, or None."""
        out = args[-1] if self.takes_out else None
        return None if out is NO_OUT else out

    def refuse_out(self, out, what: str) -> None:
        """Raise if there is memory for results."""
        if out is not None:
            raise ArgumentError(f"{self.__name__}(): out is not taken with {what}. Leave it away.")

    # From here on with the compiler lock held.

    def _python_entry(self, args: tuple):
        given, leaves = args[:len(self.parameters.parameters)], tuple(map(_leaf, args[:len(self.parameters.parameters)]))
        signature = Signature(leaves, self._leaves_of_out(self.out_of(args)))
        if signature not in self._entries:
            shapes = tuple(value.shape for value, leaf in zip(given, leaves) if leaf.is_array)
            ints = tuple(np.asarray(value).item() if leaf.is_countable else None for value, leaf in zip(given, leaves))
            self._entries.setdefault(signature, self.state(signature, shapes, ints).python_entry(self.__name__))
        return self._entries[signature]

    def _leaves_of_out(self, out) -> Leaf | tuple[Leaf, ...] | None:
        """What memory for results is to an entry."""
        if out is None:
            return None
        arguments = f"{self.__name__}{self.parameters}"
        if type(out) is tuple:
            return tuple(_leaf_of_out(array, self.name_of_out(k, len(out)), arguments) for k, array in enumerate(out))
        return _leaf_of_out(out, self.name_of_out(0, None), arguments)

    def _insert_entry(self, args: tuple, entry) -> None:
        """The same entry for every combination of Numba types that comes down to it: read-only, Fortran order, ..."""
        # A misaligned array has the type of an aligned one, which must not get the general entry.
        if not all(value.flags.aligned for value in args if isinstance(value, np.ndarray)):
            return
        codes = tuple(self.typeof_pyval(value)._code for value in args)
        # Two threads may come here with the same types; entered twice they would be ambiguous, and every call come here.
        if codes not in self._inserted:
            self._inserted.add(codes)
            self._insert(codes, entry, False)

    def state(self, signature: Signature, shapes: tuple | None = None, ints: tuple | None = None) -> EntryState:
        """What is known about a signature; made when it is new."""
        if signature not in self._states:
            results = self.specialiser.results(signature.without_out, shapes, ints)
            if signature.out is not None:
                _check_out(signature, results)
            self._states.setdefault(signature, EntryState(self, self.specialiser, signature, results))
        return self._states[signature]

    def _check_none_missing(self, args: tuple) -> None:
        """Raise Python's own TypeError for a call with too few arguments."""
        missing = [repr(name) for name, value in zip(self.parameters.parameters, args) if value is MISSING]
        if len(missing) == 1:
            raise TypeError(f"{self.__name__}() missing 1 required positional argument: {missing[0]}")
        if missing:
            *first, last = missing
            names = f"{', '.join(first)}{',' if len(first) > 1 else ''} and {last}"
            raise TypeError(f"{self.__name__}() missing {len(missing)} required positional arguments: {names}")

    def compile(self, sig):
        """Numba's way to compile for given types; there is none here."""
        raise TypeError(f"{self.__name__}() is compiled when it is called; it has no compile()")

    def clear(self) -> None:
        """Forget what was compiled. No call may be running in another thread."""
        for state in list(self._states.values()):
            state.clear()

    recompile = clear


def _without_defaults(py_func):
    function = python_types.FunctionType(py_func.__code__, py_func.__globals__, py_func.__name__, None, py_func.__closure__)
    return functools.update_wrapper(function, py_func)


def _leaf(value) -> Leaf | None:
    """What an argument is to an entry, None when it is nothing that an entry takes."""
    kind = type(value)
    if kind in PLAIN_ARRAYS:
        if not value.dtype.isnative or value.dtype.name not in DTYPES:
            return None
        flags = value.flags
        return Leaf("array", value.dtype.name, value.ndim, "C" if flags.c_contiguous and flags.aligned else "A")
    if isinstance(value, np.generic):
        return Leaf("scalar", value.dtype.name) if value.dtype.name in DTYPES else None
    if isinstance(value, bool):
        return Leaf("scalar", "bool")
    if isinstance(value, int) and -2**63 <= value < 2**63:
        return Leaf("scalar", "int64")
    return Leaf("scalar", "float64") if isinstance(value, float) else None


def _leaf_of_out(array, name: str, arguments: str) -> Leaf:
    leaf = _leaf(array)
    if leaf is None or not leaf.is_array:
        what = f"an array of {array.dtype.str!r}" if type(array) in PLAIN_ARRAYS else f"a {type(array).__name__}"
        raise ArgumentError(f"{name} is {what}. Behind {arguments} comes memory for the results: an array (numpy.ndarray), or a tuple of them.")
    if leaf.layout != "C":
        raise ArgumentError(f"{name} is not contiguous; results are written into C-contiguous, aligned arrays.")
    if not array.flags.writeable:
        raise ArgumentError(f"{name} is read-only.")
    return leaf


def _check_out(signature: Signature, results: Structure) -> None:
    """Raise if the arrays of `out` are not of the dtypes and ranks of the array results, one for one."""
    wanted = [replace(leaf, like=None) for leaf in flatten(results) if leaf.is_array]
    if list(signature.given) != wanted or (len(wanted) > 1) != isinstance(signature.out, tuple):
        texts = [", ".join(f"{leaf.dtype}[{leaf.ndim} {'axis' if leaf.ndim == 1 else 'axes'}]" for leaf in leaves) or "none"
                 for leaves in (signature.given, wanted)]
        raise ArgumentError(f"out is {texts[0]}, where the array results are {texts[1]}. "
                            "Give one array for a single result, and a tuple with an array for each of several.")


def _is_other(value) -> bool:
    """Whether it is no array and no number at all, of any type."""
    return isinstance(value, enum.Enum) or not isinstance(value, (np.ndarray, np.generic, int, float, complex))


def _description(value) -> tuple[str, str]:
    """What a refused argument is, and what to pass instead."""
    if isinstance(value, np.ndarray) and type(value) not in PLAIN_ARRAYS:
        return f"a {type(value).__module__}.{type(value).__qualname__}", "numpy.asarray(...) of it"
    if isinstance(value, np.ndarray) and not value.dtype.isnative:
        return f"an array of dtype {value.dtype.str!r}, of foreign byte order", "x.astype(x.dtype.newbyteorder('='))"
    if isinstance(value, (np.ndarray, np.generic)):
        what = "an array" if isinstance(value, np.ndarray) else "a number"
        return f"{what} of dtype {value.dtype}", "float64 or float32" if value.dtype.kind != "c" else "real and imaginary part apart"
    if isinstance(value, complex):
        return "a complex number", "real and imaginary part apart"
    return f"the integer {value}, which has more than 64 bits", "a float"
