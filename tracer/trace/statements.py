"""Statements and expressions of a function, as Numba's front end reads its bytecode, on traced values and all others."""

from __future__ import annotations

import functools
import operator
import sys
import types
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numba.core import ir

from ..errors import TracedBoolError, TracerError
from .arm_memory import Cursor, Disagreement
from .builtin_functions import SEEN_CLASS, Super
from .choice import Choice
from .flow import YIELDED, flow_of
from .front_end import FORMAT, IMPORT, IMPORT_FROM, MERGE, UNPACK
from .value import Traced

PENDING, CAUGHT = "$pending", "$caught"  # variables: an exception that was raised, and one that is being handled
_AGAIN = "Unreachable condition reached (op code RERAISE"  # how the front end begins what stands for `raise` without anything
_WITHOUT_EFFECT = (np.errstate, warnings.catch_warnings, type(np.printoptions()))


class Statements:
    """One call of a function: what its statements do to variables. ``conditional``: conditions that what is done now depends on."""

    def __init__(self, function: types.FunctionType):
        self.function = function
        self.code = function.__code__
        self.flow = flow_of(self.code)
        self.arguments: list = []
        self.conditional = 0
        self.catches_warnings = False
        self.known: list[tuple[Traced, bool]] = []  # conditions, and whether they are true where we are
        self.trace = None
        self.line = self.code.co_firstlineno

    def place(self, line: int) -> str:
        """``file:line``."""
        return f"{self.code.co_filename}:{line}"

    def where(self):
        """The user's place, for what is made here."""
        return self.code, self.flow.offsets.get(self.line, 0)

    def is_traced(self, condition) -> bool:
        """Is the truth of this value not known while the graph is built?"""
        if type(condition) is not Traced:
            return False
        if condition.size != 1:
            bool(condition)  # raises NumPy's error
        return not condition.owner.depends_on_integers_only(condition.node)

    def read(self, variable: ir.Var, env: dict):
        value = env[variable.name]
        if isinstance(value, Disagreement):
            raise TracedBoolError(value.text)
        return value

    def read_choice(self, variable: ir.Var, env: dict):
        """The same where text or None in one arm will do: for what is returned, who called asks which it is."""
        value = env[variable.name]
        return value if isinstance(value, Choice) else self.read(variable, env)

    def execute(self, statement, env: dict) -> None:
        """One statement that does not end its block."""
        self.line = statement.loc.line
        if isinstance(statement, ir.Assign):
            env[statement.target.name] = self.value(statement.value, env)
        elif isinstance(statement, (ir.Del, ir.PopBlock)):
            pass
        elif isinstance(statement, (ir.SetItem, ir.StaticSetItem)):
            index = self.read(statement.index if isinstance(statement, ir.SetItem) else statement.index_var, env)
            self.placed(operator.setitem, self.read(statement.target, env), index, self.read(statement.value, env))
        elif isinstance(statement, ir.EnterWith):
            self._enter(self.read(statement.contextmanager, env))
        elif isinstance(statement, (ir.TryRaise, ir.StaticTryRaise, ir.DynamicTryRaise)):
            error = self._exception(statement, env)  # the next block handles it
            env[CAUGHT] = error() if isinstance(error, type) else error
        elif isinstance(statement, ir.DelItem):
            del self.read(statement.target, env)[self.read(statement.index, env)]
        elif isinstance(statement, ir.StoreMap):
            self.read(statement.dct, env)[self.read(statement.key, env)] = self.read(statement.value, env)
        elif isinstance(statement, ir.SetAttr):
            target = self.read(statement.target, env)
            if not hasattr(type(target), SEEN_CLASS):  # of what was made in the trace, memory knows the attributes
                self._refuse_in_arm("an attribute is assigned")
            setattr(target, statement.attr, self.read(statement.value, env))
        else:
            raise TracedBoolError(f"{self.code.co_name}() ({self.place(self.line)}) branches on a traced value and contains a statement that cannot be "
                                  f"followed into both arms: {type(statement).__name__}. Put the branch into a function of its own.")

    def _enter(self, manager) -> None:
        """What a `with` block that changes no numbers begins with."""
        if type(manager) not in _WITHOUT_EFFECT:
            raise TracedBoolError(f"{self.code.co_name}() ({self.place(self.line)}) branches on a traced value and has a `with` block of a "
                                  f"{type(manager).__name__}, which cannot be followed into both arms. Put the branch into a function of its own.")

        self.catches_warnings |= type(manager) is warnings.catch_warnings

    def _exception(self, statement, env: dict) -> BaseException:
        if isinstance(statement, (ir.Raise, ir.TryRaise)):
            return env.get(CAUGHT) if statement.exception is None else self.read(statement.exception, env)
        if statement.exc_class is AssertionError and str((statement.exc_args or ("",))[0]).startswith(_AGAIN) and env.get(CAUGHT) is not None:
            return env[CAUGHT]
        arguments = [self.read(a, env) if isinstance(a, ir.Var) else a for a in statement.exc_args or ()]
        return statement.exc_class(*arguments)

    def caught(self, error: Exception, body: Sequence, at: int, env: dict) -> bool:
        """Is a statement inside of `try`? Then the exception is kept for what asks for it behind the statement."""
        if isinstance(error, TracerError) or not any(_is_marker(each, "exception_check") for each in body[at:]):
            return False
        env[PENDING] = error
        if isinstance(body[at], ir.Assign):
            env[body[at].target.name] = Disagreement(f"an exception was raised before this had a value ({self.place(self.line)})")
        return True

    def _refuse_in_arm(self, what: str) -> None:
        if self.conditional:
            raise TracedBoolError(f"{what} in an arm of an `if` on a traced value ({self.place(self.line)}): whether that happens is not known when the "
                                  f"graph is built. Do it behind the `if`, with a value from np.where(condition, a, b).")

    def value(self, value, env: dict):
        """The right side of an assignment."""
        if isinstance(value, ir.Var):
            return env[value.name]  # a disagreement may be copied about as long as nobody reads it
        if isinstance(value, ir.Const):
            return value.value
        if isinstance(value, ir.Arg):
            return self.arguments[value.index]
        if isinstance(value, ir.Global):
            names = self.function.__globals__
            builtins = names["__builtins__"]
            if value.name in names:
                return names[value.name]
            builtins = builtins if isinstance(builtins, dict) else vars(builtins)
            return builtins[value.name] if value.name in builtins else value.value  # a marker of the front end's own
        if isinstance(value, ir.FreeVar):
            return self.function.__closure__[value.index].cell_contents
        if isinstance(value, ir.Yield):
            if self.code.co_name != "<genexpr>":
                raise TracedBoolError(f"{self.code.co_name}() ({self.place(self.line)}) branches on a traced value and is a generator. Have it return a list.")
            return env[YIELDED].append(self.read(value.value, env))
        return self.expression(value, env)

    def expression(self, e: ir.Expr, env: dict):
        """The value of an expression."""
        handler = _EXPRESSIONS.get(e.op)
        if handler is None:
            raise TracedBoolError(f"{self.code.co_name}() ({self.place(self.line)}) branches on a traced value and contains an expression that cannot be "
                                  f"followed into both arms: {e.op}. Put the branch into a function of its own.")
        return handler(self, e, env)

    def placed(self, function: Callable, *operands):
        """Call an operation with its nodes at the user's line."""
        trace = self.trace or next((o.owner for o in operands if type(o) is Traced), None)
        if trace is None:
            return function(*operands)
        before, trace.location = trace.location, self.where()
        try:
            return function(*operands)
        finally:
            trace.location = before

    def binop(self, e, env):
        answer = self._of_choice(e.fn, env[e.lhs.name], env[e.rhs.name])
        if answer is not None:
            return answer
        left, right = self.read(e.lhs, env), self.read(e.rhs, env)
        if e.fn in _IDENTITIES and any(self.is_traced(a) and a.node.type.is_bool and type(b) is bool for a, b in ((left, right), (right, left))):
            return self.placed(_IDENTITIES[e.fn], left, right)  # True and False are what a bool may be
        if e.fn is operator.contains:
            return self._is_in(left, right)
        return self.placed(e.fn, left, right)

    def attribute(self, e, env):
        owner = self.read(e.value, env)
        chosen = vars(owner).get(e.attr) if hasattr(type(owner), SEEN_CLASS) and hasattr(owner, "__dict__") else None
        if not isinstance(chosen, Choice):
            return getattr(owner, e.attr)
        for condition, is_true in self.known:
            chosen = chosen.where(condition, is_true) if isinstance(chosen, Choice) else chosen
        return chosen

    def element(self, e, env):
        index, values = self.read(e.index, env), env[e.value.name]
        return values.letter(index) if isinstance(values, Choice) else self.placed(operator.getitem, self.read(e.value, env), index)

    def _of_choice(self, function: Callable, left, right):
        """What ==, !=, `is`, `is not` and `in` tell of a choice and text or None; None for any other question."""
        if function is operator.contains and isinstance(right, Choice) and type(left) in (tuple, list, set, frozenset) and _TEXTS.issuperset(map(type, left)):
            return functools.reduce(functools.partial(self.placed, np.logical_or), [right.equals(each, self.placed) for each in left], False)
        chosen, value = (left, right) if isinstance(left, Choice) else (right, left)
        if not isinstance(chosen, Choice) or function not in (_QUESTIONS if type(value) is str else _QUESTIONS | _IDENTITIES) or type(value) not in _TEXTS:
            return None
        answer = chosen.equals(value, self.placed)
        return self.placed(np.logical_not, answer) if function in (operator.ne, operator.is_not) else answer

    def _is_in(self, container, value):
        """`value in container`, which == tells."""
        if type(container) not in (list, tuple) or not any(type(each) is Traced and not each.shape for each in (value, *container)):
            return value in container
        equal = [self.placed(operator.eq, each, value) for each in container]
        return functools.reduce(functools.partial(self.placed, np.logical_or), equal, False)

    def _ask(self, e, env) -> bool:
        """Is there an exception that the last statement has raised?"""
        error = env.pop(PENDING, None)
        if error is not None:
            env[CAUGHT] = error
        return error is not None

    def _matches(self, e, env) -> bool:
        return isinstance(env.get(CAUGHT), self.read(e.args[1], env))

    def unary(self, e, env):
        operand = self.read(e.value, env)
        if e.fn is operator.not_ and self.is_traced(operand):
            return self.placed(lambda x: np.logical_not(x if x.node.type.is_bool else x != 0), operand)
        return self.placed(e.fn, operand)

    def call_(self, e, env):
        function = self.read(e.func, env)
        marker = getattr(function, "_name", None) if hasattr(function, "_defn") else None
        if marker in _MARKERS:
            return _MARKERS[marker](self, e, env)
        args = [self.read(a, env) for a in e.args] + (list(self.read(e.vararg, env)) if e.vararg is not None else [])
        kwargs = {name: self.read(a, env) for name, a in e.kws} | (self.read(e.varkwarg, env) if getattr(e, "varkwarg", None) is not None else {})
        if function is bool and len(args) == 1 and self.is_traced(args[0]):
            return args[0]
        if isinstance(function, Super) and not args:
            args = [self.function.__closure__[self.code.co_freevars.index("__class__")].cell_contents, self.arguments[0]]
        if function is next and not isinstance(args[0], Cursor):
            self._refuse_in_arm("an iterator is advanced by next()")
        if (self.conditional and function in (print, warnings.warn)) or (self.catches_warnings and function in _FILTERS):
            return None  # whether it is said is not known; the `with` block that would undo it has not been entered
        if isinstance(function, types.FunctionType) and not (function.__module__ or "").startswith("numpy"):
            return function(*args, **kwargs)
        return self.placed(lambda: function(*args, **kwargs))

    def imported(self, e, env):
        names = self.function.__globals__
        builtins = names["__builtins__"]
        find = builtins["__import__"] if isinstance(builtins, dict) else builtins.__import__
        return find(e.name, names, None, self.read(e.names, env), self.read(e.level, env))

    def imported_from(self, e, env):
        module = self.read(e.module, env)
        if not hasattr(module, e.name):
            path = f"{module.__name__}.{e.name}"
            if path not in sys.modules:
                raise ImportError(f"cannot import name {e.name!r} from {module.__name__!r}")
            return sys.modules[path]
        return getattr(module, e.name)

    def merged_dict(self, e, env):
        """Another dict with the elements of two; in a call none may be given twice."""
        first, added = self.read(e.first, env), self.read(e.added, env)
        twice = [key for key in added.keys() if e.once and key in first]
        if twice:
            raise TypeError(f"got multiple values for keyword argument {twice[0]!r}")
        return {**first, **added}

    def formatted(self, e, env):
        value = self.read(e.value, env)
        value = value if e.conversion is None else e.conversion(value)
        return format(value, "" if e.pattern is None else self.read(e.pattern, env))

    def unpacked(self, e, env):
        values = list(self.read(e.value, env))
        if len(values) < e.before + e.behind:
            raise ValueError(f"not enough values to unpack (expected at least {e.before + e.behind}, got {len(values)})")
        end = len(values) - e.behind
        return *values[:e.before], values[e.before:end], *values[end:]

    def make_function(self, e, env):
        code = e.code.value if hasattr(e.code, "value") else e.code
        captured = self.read(e.closure, env) if isinstance(e.closure, ir.Var) else ()
        defaults = self.read(e.defaults, env) if isinstance(e.defaults, ir.Var) else e.defaults
        made = types.FunctionType(code, self.function.__globals__, code.co_name, defaults, tuple([types.CellType(value) for value in captured]) or None)
        made.__kwdefaults__ = None if e.kwdefaults is None else self.read(e.kwdefaults, env)
        return made


def _is_marker(statement, name: str) -> bool:
    return isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Global) and statement.value.name == name


_FILTERS = (warnings.simplefilter, warnings.filterwarnings, warnings.resetwarnings)
_TEXTS = {str, type(None)}
_QUESTIONS = {operator.eq: np.equal, operator.ne: np.not_equal}
_IDENTITIES = {operator.is_: np.equal, operator.is_not: np.not_equal}
_MARKERS = {"mark_try_block": lambda self, e, env: None, "end_try_block": lambda self, e, env: None, "exception_check": Statements._ask,
            "exception_match": Statements._matches}
_EXPRESSIONS = {
    "binop": Statements.binop, "unary": Statements.unary, "call": Statements.call_, "make_function": lambda self, e, env: self.make_function(e, env),
    "inplace_binop": lambda self, e, env: self.placed(e.fn, self.read(e.lhs, env), self.read(e.rhs, env)),
    "build_tuple": lambda self, e, env: tuple([self.read(v, env) for v in e.items]),
    "build_list": lambda self, e, env: [self.read(v, env) for v in e.items],
    "build_set": lambda self, e, env: {self.read(v, env) for v in e.items},
    "build_map": lambda self, e, env: {self.read(k, env): self.read(v, env) for k, v in e.items},
    "getattr": Statements.attribute,
    "getitem": Statements.element,
    "static_getitem": lambda self, e, env: self.placed(operator.getitem, self.read(e.value, env), e.index),
    "cast": lambda self, e, env: self.read_choice(e.value, env),
    "getiter": lambda self, e, env: Cursor(self.read(e.value, env)),
    "iternext": lambda self, e, env: self.read(e.value, env).step(),
    "pair_first": lambda self, e, env: self.read(e.value, env)[0],
    "pair_second": lambda self, e, env: self.read(e.value, env)[1],
    "exhaust_iter": lambda self, e, env: tuple(self.read(e.value, env)),
    "undef": lambda self, e, env: None,
    "null": lambda self, e, env: None,
    IMPORT: Statements.imported, IMPORT_FROM: Statements.imported_from, MERGE: Statements.merged_dict, FORMAT: Statements.formatted,
    UNPACK: Statements.unpacked,
}


__all__ = ["Statements"]
