"""The object that a user holds: a Numba dispatcher whose entry reaches kernels, with what was traced and compiled to look at.

It has no Python ``__call__`` as long as its arguments and results are arrays, numbers and tuples of them. When others come, its
class becomes one of its own with generated flatten code as ``__call__``.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba.core.compiler_lock import global_compiler_lock

from codegen.entry import ATTRIBUTE, CFunction, EntryDispatcher, Signature, equal_objects, keep_state
from codegen.entry.dispatcher import _leaf as leaf_of
from codegen.entry.lowering import OUT

from .batch.axes import InAxes
from .batch.calls import Batches, How
from .bound import BoundCompiled
from .errors import ArgumentError
from .history import History, defined_at
from .lowered import Lowered, Shown
from .memory import Memory
from .pickling import Shipped, by_name, pickled, travels_by_name_alone, unpickled
from .plan import Plan
from .run import Again, NeedsInlining, NeedsTree, Program, live_instances
from .settings import Settings
from .trace.arguments import Callee, TracedArgument, classify, describe_arguments
from .trace.flatten_source import call_function, identifier_of, stub_function
from .trace.objects import traced_in
from .trace.session import current_session, session_of
from .trace.trees import DATA, build, container_kind
from .trace.value import Traced
from .transform import Transform
from .tree_calls import TreeCall, TreeCalls

MOST_ROUNDS = 100  # of reading attributes that lead to further attributes


class Compiled(Shown, EntryDispatcher):
    """A function that is traced, derived and compiled when it is called.

    It is an ordinary Numba function in ``@njit`` code. Closures and globals are read when the function is traced, as Numba does;
    ``retrace()`` forgets what was compiled. One call's arguments decide its specialisation: dtypes, ranks, layouts and extents of
    arrays; bools, strings, None and other static values by type and value; integers only where the trace needs their value.
    """

    def __init__(self, callee: Callee, transform: Transform, settings: Settings, document: Any = None, parent: tuple[Compiled, str] | None = None):
        transform.check(callee)
        self._history = History(callee.name, defined_at(callee.function))
        self._program = Program(callee, transform, settings, self._history, {})
        self._batches = Batches(self._program)
        self._siblings: dict[str, Compiled] = {}
        self._parent = parent
        self._document = document if document is not None else callee.function
        names = [p.name for p in callee.parameters]
        self._flat_plan = Plan(self._program, [DATA] * len(names), is_flat=True, paths=[(("arg", name),) for name in names])
        self._wrap(self._document, callee)  # Numba asks for the name already while it is set up
        takes_out = transform.takes_out and not transform.has_aux
        self._takes_trees_out = takes_out and all(p.name != OUT and p.kind is not p.VAR_KEYWORD for p in callee.parameters)
        self._tree_calls = TreeCalls(self._program, self.__qualname__, self._takes_trees_out)
        key = self._stable_key(self._document, transform, settings)
        super().__init__(_entry_function(callee), self._flat_plan, key, takes_out=takes_out and callee.is_plain)
        self._wrap(self._document, callee)
        if isinstance(self._document, types.FunctionType):
            self.py_func = self._document
        if not callee.is_plain or any(p.default is not p.empty and leaf_of(p.default) is None for p in callee.parameters):
            self._become_tree()

    def _stable_key(self, function, transform: Transform, settings: Settings) -> str | None:
        if self._parent is not None:
            owner, attribute = self._parent
            return owner.key and f"{owner.key}{ATTRIBUTE}{attribute}"
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
        if not module or not name or "<" in name or (module == "__main__" and not hasattr(sys.modules["__main__"], "__file__")):
            return None
        return f"{module}:{name}:{transform.kind}:{transform.argnums}:{transform.has_aux}:{settings.simplify}"

    def _wrap(self, function, callee: Callee) -> None:
        # The attributes of an instance, or of another compiled object, are its own.
        functools.update_wrapper(self, function, updated=("__dict__",) if isinstance(function, types.FunctionType) else ())
        self.__name__ = getattr(function, "__name__", callee.name)
        self.__qualname__ = getattr(function, "__qualname__", callee.name)
        visible = [p for i, p in enumerate(callee.parameters) if i >= len(callee.hidden)]
        self.__signature__ = callee.signature.replace(parameters=visible)
        own = getattr(function, "__doc__", None)
        self.__doc__ = self._program.transform.document(callee) + (f"\n\n{inspect.cleandoc(own)}" if own else "")

    # Calls --------------------------------------------------------------------------------------------------------------------

    def refuse(self, name, value):
        """Raise for an argument that is neither data nor static."""
        try:
            classify(value, (("arg", name),))
        except TracedArgument:
            raise NeedsInlining from None
        super().refuse(name, value)

    def compile_for_other(self, args, kwargs):
        """What is called for arguments that are no arrays and numbers: flatten code, or a part of the trace that they belong to."""
        values = self._program.callee.bind(args, kwargs)
        if any(True for _ in traced_in(values)):
            return lambda *args, **kwargs: self.inline(self._program.callee.bind(args, kwargs))
        self._become_tree()
        return lambda *args, **kwargs: self._call_slowly(self._program.callee.bind(args, kwargs))

    def call_for_other(self, args: tuple):
        values, out = args[:len(self.parameters.parameters)], self.out_of(args)
        if out is not None and not any(True for _ in traced_in(values)):
            self._become_tree()
            return lambda *_: self._call_slowly(values, out)
        return super().call_for_other(args)

    def _compile_for_args(self, *args, **kwargs):
        out = self.out_of(args)
        if self._takes_trees_out and container_kind(out) is not None and (type(out) is not tuple or any(map(container_kind, out))):
            return self.call_for_other(args)
        try:
            return super()._compile_for_args(*args, **kwargs)
        except NeedsInlining:
            self.refuse_out(out, "values of a trace that is running")
            return self.without_out(lambda *args, **kwargs: self.inline(self._program.callee.bind(args, kwargs)))
        except NeedsTree:
            self._become_tree()
            values = args[:len(self.parameters.parameters)]
            return lambda *_: self._call_slowly(values, out)

    @property
    def _is_tree(self) -> bool:
        return "__call__" in type(self).__dict__

    def _become_tree(self) -> None:
        """From now on calls go through flatten code."""
        with global_compiler_lock:
            if not self._is_tree:
                self._set_call(self._generated_call())

    def _set_call(self, function: Callable) -> None:
        # A static method: the C dispatcher's slot calls it with the arguments alone, and arity errors count as the user does.
        if self._is_tree:
            type(self).__call__ = staticmethod(function)
        else:
            self.__class__ = type(Compiled)(Compiled.__name__, (Compiled,), {"__call__": staticmethod(function), "__module__": __name__})

    def _generated_call(self, **known) -> Callable:
        callee = self._program.callee
        hidden = dict(zip((p.name for p in callee.parameters), callee.hidden))
        return call_function(identifier_of(self.__name__), self.__qualname__, self.__signature__,
                             lambda values, out=None: self._call_slowly((*callee.hidden, *values), out),
                             hidden=hidden, takes_out=self._takes_trees_out, **known)

    def _call_slowly(self, values: tuple, out: Any = None):
        """Call with one value per parameter, of a structure that the generated code does not know."""
        callee = self._program.callee
        for _ in range(MOST_ROUNDS):
            try:
                specs, describer = describe_arguments(callee, values, self._program.reads)
            except TracedArgument:
                return self._inlined(values, out)
            call = self._tree_calls.find(specs, describer.paths)
            try:
                with live_instances(describer.instances):
                    flat = call.entry(*describer.leaves) if out is None else self._call_into(call, describer.leaves, out)
            except Again:
                self._tree_calls.forget(specs)  # more is read than it knows
                continue
            except NeedsInlining:
                return self._inlined(values, out)
            if call.code is None:
                call.code = self._generated_call(specs=specs, entry=call.entry, again=Again, result=call.plan.result, memory=self._memory(call))
            self._set_call(call.code)
            return build(call.plan.result, iter(flat))
        raise AssertionError(f"the attributes that {callee.name} reads do not come to an end")

    def _call_into(self, call: TreeCall, leaves: list, out):
        """The results of the flat entry, with their arrays in memory of the caller's."""
        with global_compiler_lock:
            # What is returned, and thereby what `out` is to look like, a trace tells.
            kinds = list(map(leaf_of, leaves))
            shapes = tuple(value.shape for value, leaf in zip(leaves, kinds) if leaf.is_array)
            ints = tuple(int(value) if leaf.is_countable else None for value, leaf in zip(leaves, kinds))
            call.plan.find(Signature(tuple(kinds)), shapes, ints)
            memory = self._memory(call)
        places = memory.leaves(out, self.__name__)
        flat = call.entry(*leaves, memory.arrays(places))
        memory.check(places, flat)
        return flat

    def _memory(self, call: TreeCall) -> Memory | None:
        if self._takes_trees_out and call.entry.memory is None:
            call.entry.memory = Memory(*self._program.transform.written(call.plan.result))
        return call.entry.memory

    def _inlined(self, values: tuple, out):
        self.refuse_out(out, "values of a trace that is running")
        return self.inline(values)

    def inline(self, values: Sequence):
        """Run the transform in the trace that is running, on one value per parameter, and return traced values."""
        traced = [value for value in traced_in(tuple(values)) if type(value) is Traced]
        session = session_of(traced) if traced else current_session()
        return self._program.transform.run(session, self._program.callee, values, is_inner=True).result

    def __set_name__(self, owner, name):
        """Defined in the body of a class it is a method: argnums count after ``self``."""
        if not self.__qualname__.startswith(f"{owner.__qualname__}."):
            return  # a function of a module that became an attribute
        program = self._program
        program.callee = dataclasses.replace(program.callee, uncounted=1)
        program.transform.check(program.callee)
        self._wrap(self._document, program.callee)

    def __get__(self, instance, owner=None):
        return self if instance is None else BoundCompiled(self, instance)

    # What was traced and compiled -------------------------------------------------------------------------------------------------

    def lower(self, *args, **kwargs) -> Lowered:
        """The specialisation for these arguments, compiled but not run."""
        callee = self._program.callee
        values = callee.bind((*callee.hidden, *args), kwargs)
        for _ in range(MOST_ROUNDS):
            specs, describer = describe_arguments(callee, values, self._program.reads)
            leaves = list(map(leaf_of, values))
            if self._is_tree or None in leaves:
                plan, leaves, given = self._tree_calls.find(specs, describer.paths).plan, list(map(leaf_of, describer.leaves)), describer.leaves
            else:
                plan, given = self._flat_plan, values
            try:
                with global_compiler_lock, live_instances(describer.instances):
                    shapes = tuple(value.shape for value, leaf in zip(given, leaves) if leaf.is_array)
                    ints = tuple(int(value) if leaf.is_countable else None for value, leaf in zip(given, leaves))
                    if plan is self._flat_plan:
                        self.state(Signature(tuple(leaves)), shapes, ints)
                    return Lowered(plan.find_with_graphs(Signature(tuple(leaves)), shapes, ints), self)
            except Again:
                continue
            except NeedsTree:
                self._become_tree()
        raise AssertionError(f"the attributes that {callee.name} reads do not come to an end")

    def specialize(self, *args, **kwargs) -> None:
        """Compile for arguments like these, so that ``@njit`` callers know what is returned."""
        self.lower(*args, **kwargs)

    def cfunc(self, *example, signature: str | None = None) -> CFunction:
        """A C function for arguments of the dtypes and shapes of these.

        Numbers are passed by value, arrays as pointers to contiguous data. A single result that is a number is returned; other results are
        written through further pointers, and 0 is returned, or -1 for an error. With ``signature`` it takes what SciPy passes instead:
        for `scipy.integrate` "double (double, void *)", "double (int, double *)" or "double (int, double *, void *)"; for `scipy.ndimage`
        "int (double *, intptr_t, double *, void *)" or "int (double *, intptr_t, double *, intptr_t, void *)".
        """
        example = [value.copy() if isinstance(value, np.ndarray) else value for value in example]
        record = self.lower(*example).record
        name = self.__name__
        if record.structure != self._flat_plan.specs or self._is_tree:
            raise ArgumentError(f"{name}.cfunc() takes numbers and arrays; there are no trees in C. Write a function of the leaves.")
        compiled_in = [each for each, number in zip(record.names, record.integers) if number is not None]
        if compiled_in:
            raise ArgumentError(f"{name}.cfunc(): the value of `{compiled_in[0]}` is compiled in, so that it cannot be passed. "
                                f"Fix it in a function of the other arguments: lambda ...: {name}(..., {compiled_in[0]}=3).")
        with global_compiler_lock:
            state = self.state(record.signature)
            keep_state(state)
            return state.c_function(name, record.shapes, record.specialisation, signature)

    def batch(self, *args, in_axes: InAxes = 0, out: Any = None, reduce: str | None = None, parallel: bool | None = None, progress: bool = False, **kwargs):
        """The results for many samples at once: arrays with one axis more, in front, for the samples.

        ``in_axes`` says which axis of an array argument counts the samples: 0 for every array, None for what all samples share; numbers are
        shared. It takes one entry for all arguments, a tuple with one per argument, a dict by name, and inside of these the trees of arguments.
        ``out`` is memory for the results, in their structure. ``reduce="sum"`` and ``"mean"`` give the sum and mean over the samples without
        making the results of each; their bits do not depend on the number of threads. ``parallel`` says whether threads are used, otherwise the
        amount of work does (NUMBA_NUM_THREADS limits them). ``progress`` shows a bar for batches that take more than a second.

        A sample runs in one lane of a vector where the function of one sample is made of scalars and small arrays, which ``explain()`` says; its
        result does not depend on its place among the others. No other number of samples makes it compile again.
        """
        callee = self._program.callee
        return self._batches(callee.bind((*callee.hidden, *args), kwargs), How(in_axes, out, reduce, parallel, progress))

    def retrace(self) -> None:
        """Forget what was traced and compiled; the next call reads closures and globals anew. No call may be running."""
        for each in equal_objects(self):  # what `@njit` code calls may be another object of this function
            each._forget()

    def _forget(self) -> None:
        with global_compiler_lock:
            self._history.clear()
            self._program.reads.clear()
            self._tree_calls.clear()
            self._batches.clear()
            self._flat_plan.clear()
            self.clear()
            if self._is_tree:
                self._set_call(self._generated_call())
        for sibling in self._siblings.values():
            sibling._forget()

    # Siblings --------------------------------------------------------------------------------------------------------------------

    def sibling(self, name: str, transform: Transform) -> Compiled:
        """Another object of the same function, made once."""
        with global_compiler_lock:
            found = self._siblings.get(name)
            if found is None:
                found = self._siblings[name] = Compiled(self._program.callee, transform, self._program.settings, self._document, (self, name))
            return found

    @property
    def value(self) -> Compiled:
        """The function itself, compiled."""
        return self.sibling("value", self._program.transform.value_transform())

    @property
    def value_and_grad(self) -> Compiled:
        """Value and gradient, which share all work."""
        return self.sibling("value_and_grad", self._program.transform.value_and_gradient_transform())

    def compiled_attribute(self, name: str) -> Compiled | None:
        """What ``self.value`` and ``self.value_and_grad`` are in ``@njit`` code, and what is called there for arguments that are tuples."""
        return getattr(self, name) if name in ("value", "value_and_grad") else self._tree_calls.native(name)

    def is_equal(self, other: EntryDispatcher) -> bool:
        """Two objects of one function with the same options."""
        return isinstance(other, Compiled) and self._document is other._document and self._program.settings == other._program.settings

    # Pickling and names -----------------------------------------------------------------------------------------------------------

    def __reduce__(self):
        if self._parent is not None:
            return getattr, self._parent
        if by_name(self.__module__, self.__qualname__) is self:
            if travels_by_name_alone(self.__module__, self._document):
                return self.__qualname__
            return named_or_rebuilt, (self.__module__, self.__qualname__, Shipped(self._document), self._program.transform, self._program.settings)
        return rebuild, (pickled(self._document, repr(self)), self._program.transform, self._program.settings)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __repr__(self) -> str:
        return f"<{self._program.transform.kind} of {self.__module__}.{self.__qualname__}{self.__signature__}>"


def _entry_function(callee: Callee) -> Callable:
    """What tells the entry its parameters: nothing where flatten code stands before it."""
    if not callee.is_plain:
        return stub_function(identifier_of(callee.name), callee.name, inspect.Signature())
    return stub_function(identifier_of(callee.name), callee.name, callee.signature)


def rebuild(function: Callable, transform: Transform, settings: Settings) -> Compiled:
    """Make an object anew from what was pickled of it."""
    return make_compiled(unpickled(function), transform, settings)


def named_or_rebuilt(module: str, name: str, function: Shipped, transform: Transform, settings: Settings) -> Compiled:
    """What a module binds to the name, or, where it does not know it, the object made anew."""
    found = by_name(module, name)
    return found if isinstance(found, Compiled) else rebuild(function, transform, settings)


def make_compiled(function: Callable, transform: Transform, settings: Settings) -> Compiled:
    """The object for a function of the user, or for one of ours."""
    return Compiled(transform.callee(function), transform, settings, function)
