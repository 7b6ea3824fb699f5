"""Branches on traced values: both arms are traced, and joined where they meet.

A function runs natively until it asks for the truth of a traced value. From then on it is interpreted, over the intermediate representation that
Numba's front end makes of its bytecode (no source text is needed). At a branch on a traced condition each arm is traced from there to the block
where all paths meet again, on the same variables and the same memory; what the arms leave behind is joined by selects. A branch therefore costs
both of its arms, forward and backward, but no more: code behind it is traced once, however many branches there are. No NaN of the arm that is
not taken gets through, since cotangents that pass a select are guarded.
"""

from __future__ import annotations

import functools
import inspect
import operator
import types
from collections.abc import Callable

import numpy as np
from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks
from numba.core.compiler import run_frontend
from numba.core.errors import NumbaError

from ..errors import TracedBoolError
from .buffers import Buffer, become_traced
from .memory import ELEMENTS, Storage
from .numpy_api.common import find_trace
from .value import Traced, as_traced

DEEPEST = 100  # arms inside one another: as many rounds of a loop can be left by a traced condition
_EXIT = object()


class Disagreement:
    """A variable that two arms leave with values that cannot be joined; an error for whoever reads it."""

    def __init__(self, text: str):
        self.text = text


class Cursor:
    """Where a loop is: an iterator whose place can be put back for the other arm."""

    def __init__(self, values):
        self.values = values if isinstance(values, (list, tuple, range)) else list(values)
        self.at = 0

    def __iter__(self):
        return self

    def __next__(self):
        value, is_there = self.step()
        if not is_there:
            raise StopIteration
        return value

    def step(self) -> tuple:
        """The next element and whether there was one."""
        if self.at >= len(self.values):
            return None, False
        self.at += 1
        return self.values[self.at - 1], True


@functools.lru_cache(maxsize=1024)
def _code_of(code: types.CodeType):
    """Blocks of a function's code, the block where the paths from each block meet, and an offset in the code for each line."""
    function = types.FunctionType(code, {"__builtins__": __builtins__}, closure=tuple([types.CellType(None) for _ in code.co_freevars]))
    try:
        blocks = run_frontend(function).blocks
    except (NumbaError, NotImplementedError, AssertionError) as error:
        raise TracedBoolError(
            f"{code.co_name}() ({code.co_filename}:{code.co_firstlineno}) branches on a traced value and contains what cannot be followed into both arms: "
            f"{str(error).splitlines()[0]}. Put the branch into a function of its own, or write np.where(condition, a, b).") from None
    after = compute_cfg_from_blocks(blocks).post_dominators()
    meets = {label: max(after[label] - {label}, key=lambda k: len(after[k]), default=None) for label in blocks}
    offsets: dict[int, int] = {}
    for start, _, line in code.co_lines():
        if line is not None:
            offsets.setdefault(line, start)
    return blocks, meets, offsets


def interpreted(function: types.FunctionType) -> Callable:
    """The function, run by :class:`Interpreter`."""
    @functools.wraps(function)
    def run(*args, **kwargs):
        return Interpreter(function).call(args, kwargs)
    return run


def branching_code(error: TracedBoolError, namespaces: set[int]) -> types.CodeType | None:
    """The code that asked for the truth of a traced value: it can be interpreted if it is a function of the user that the trace has rebound,
    one whose globals are among ``namespaces`` (by id). None otherwise."""
    asked, step = None, error.__traceback__
    while step is not None:
        frame, step = step.tb_frame, step.tb_next
        if id(frame.f_globals) in namespaces:
            asked = frame
        elif step is not None or frame.f_code.co_name != "__bool__":
            asked = None  # the question came through a library
    if asked is None or (asked.f_code.co_name.startswith("<") and asked.f_code.co_name != "<lambda>"):
        return None  # comprehensions and generators have code of their own, which is no function's
    return asked.f_code


class Interpreter:
    """Runs one call of a function block by block."""

    def __init__(self, function: types.FunctionType):
        self.function = function
        self.code = function.__code__
        self.blocks, self.meets, self.offsets = _code_of(self.code)
        self.depth = 0
        self.trace = None
        self.line = self.code.co_firstlineno

    def call(self, args: tuple, kwargs: dict):
        bound = inspect.signature(self.function).bind(*args, **kwargs)
        bound.apply_defaults()
        self.arguments = list(bound.arguments.values())
        end, value = self.run(min(self.blocks), {}, None)
        assert end is _EXIT
        return value

    # Control ---------------------------------------------------------------------------------------------------------------
    def run(self, label: int, env: dict, stop: int | None):
        """From a block to ``stop`` (then ``(None, None)``) or to the function's end (then ``(_EXIT, result)``)."""
        while label != stop:
            *body, last = self.blocks[label].body
            for statement in body:
                self.execute(statement, env)
            self.line = last.loc.line
            if isinstance(last, ir.Jump):
                label = last.target
            elif isinstance(last, ir.Return):
                return _EXIT, self.read(last.value, env)
            elif isinstance(last, ir.Branch):
                condition = self.read(last.cond, env)
                if not self.is_traced(condition):
                    label = last.truebr if condition else last.falsebr
                    continue
                end, value = self.both(label, last, condition, env, stop)
                if end is _EXIT:
                    return end, value
                label = self.meets[label]
            else:
                self.execute(last, env)
                raise AssertionError(f"a block ends with {last}")
        return None, None

    def is_traced(self, condition) -> bool:
        """Is the truth of this value not known while the graph is built?"""
        if type(condition) is not Traced:
            return False
        if condition.size != 1:
            bool(condition)  # raises NumPy's error
        return not condition.owner.depends_on_integers_only(condition.node)

    def both(self, label: int, branch: ir.Branch, condition: Traced, env: dict, stop: int | None):
        """Trace both arms and join what they leave."""
        line = self.line
        self.trace = condition.owner
        condition = condition if condition.node.type.is_bool else condition != 0
        condition = np.reshape(condition, ()) if condition.shape else condition
        if self.depth >= DEEPEST:
            raise TracedBoolError(
                f"a loop in {self.code.co_name}() ({self.place(line)}) is left by a traced condition, and after {DEEPEST} rounds there is no end: how often it "
                f"turns depends on the arguments. Write a `for` over a fixed range with an `if` inside.")
        meet = self.meets[label]
        memory = Memory(env, self.trace)
        self.depth += 1
        outcomes = []
        for target in (branch.truebr, branch.falsebr):
            memory.restore()
            arm = dict(env)
            end, value = self.run(target, arm, meet)
            outcomes.append((end, value, arm, memory.state()))
        self.depth -= 1
        self.line = line
        (end, yes, first, left), (other, no, second, right) = outcomes
        if end is not other:
            raise AssertionError("arms end in different places")
        memory.join(condition, left, right, self)
        if end is _EXIT:
            return _EXIT, self.joined(condition, yes, no, "the results", strict=True)
        for name in first.keys() | second.keys():
            if name in first and name in second:
                env[name] = self.joined(condition, first[name], second[name], f"`{_shown(name)}`")
            else:
                env[name] = Disagreement(f"`{_shown(name)}` is given a value by one arm of the `if` only ({self.place(line)}). Give it one before.")
        return None, None

    def place(self, line: int) -> str:
        """``file:line``."""
        return f"{self.code.co_filename}:{line}"

    # Joining ---------------------------------------------------------------------------------------------------------------
    def joined(self, condition: Traced, a, b, what: str, strict: bool = False):
        """One value for both arms; a :class:`Disagreement`, or if ``strict`` the error at once, where there is none."""
        if a is b or (type(a) is type(b) and isinstance(a, (str, bool, int, float, complex, type(None))) and a == b and repr(a) == repr(b)):
            return a
        for each in (a, b):
            if isinstance(each, Disagreement):
                return each
        if type(a) is type(b) and type(a) in (tuple, list) and len(a) == len(b):
            return type(a)([self.joined(condition, x, y, what, strict) for x, y in zip(a, b)])
        if type(a) is dict and type(b) is dict and a.keys() == b.keys():
            return {key: self.joined(condition, a[key], b[key], what, strict) for key in a}
        if isinstance(a, Cursor) and isinstance(b, Cursor) and a.values is b.values and a.at == b.at:
            return a
        if _is_numeric(a) and _is_numeric(b):
            return self._selected(condition, a, b, what)
        text = (f"the arms of the `if` ({self.place(self.line)}) disagree in {what}: {_kind(a)} in one, {_kind(b)} in the other. Both arms must leave the same "
                f"structure behind.")
        if strict:
            raise TracedBoolError(text)
        return Disagreement(text)

    def _selected(self, condition: Traced, a, b, what: str):
        shapes = np.shape(a), np.shape(b)
        if shapes[0] != shapes[1]:
            return Disagreement(f"the arms of the `if` ({self.place(self.line)}) disagree in {what}: shape {shapes[0]} in one, {shapes[1]} in the other.")
        weak = {_weak(a), _weak(b)}
        self.trace.location = self.where()
        made = np.where(condition, a, b)
        self.trace.location = None
        return Traced(made.node, made.owner, float if weak == {float, int} else weak.pop()) if weak <= {float, int, bool} else made

    def where(self):
        """The user's place, for what is made here."""
        return self.code, self.offsets.get(self.line, 0)

    # Statements ------------------------------------------------------------------------------------------------------------
    def read(self, variable: ir.Var, env: dict):
        value = env[variable.name]
        if isinstance(value, Disagreement):
            raise TracedBoolError(value.text)
        return value

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
        elif isinstance(statement, ir.DelItem):
            del self.read(statement.target, env)[self.read(statement.index, env)]
        elif isinstance(statement, ir.StoreMap):
            self.read(statement.dct, env)[self.read(statement.key, env)] = self.read(statement.value, env)
        elif isinstance(statement, ir.SetAttr):
            self._refuse_in_arm("an attribute is assigned")
            setattr(self.read(statement.target, env), statement.attr, self.read(statement.value, env))
        elif isinstance(statement, (ir.Raise, ir.StaticRaise, ir.DynamicRaise)):
            self._raise(statement, env)
        else:
            raise TracedBoolError(f"{self.code.co_name}() ({self.place(self.line)}) branches on a traced value and contains a statement that cannot be "
                                  f"followed into "
                                  f"both arms: {type(statement).__name__}. Put the branch into a function of its own.")

    def _refuse_in_arm(self, what: str) -> None:
        if self.depth:
            raise TracedBoolError(f"{what} in an arm of an `if` on a traced value ({self.place(self.line)}): whether that happens is not known when the "
                                  f"graph is "
                                  f"built. Do it behind the `if`, with a value from np.where(condition, a, b).")

    def _raise(self, statement, env: dict) -> None:
        self._refuse_in_arm("an exception is raised, or an assertion may fail,")
        if isinstance(statement, ir.Raise):
            raise self.read(statement.exception, env)
        arguments = [self.read(a, env) if isinstance(a, ir.Var) else a for a in statement.exc_args or ()]
        raise statement.exc_class(*arguments)

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
            return names[value.name] if value.name in names else (builtins if isinstance(builtins, dict) else vars(builtins))[value.name]
        if isinstance(value, ir.FreeVar):
            return self.function.__closure__[value.index].cell_contents
        return self.expression(value, env)

    def expression(self, e: ir.Expr, env: dict):
        """The value of an expression."""
        handler = _EXPRESSIONS.get(e.op)
        if handler is None:
            raise TracedBoolError(f"{self.code.co_name}() ({self.place(self.line)}) branches on a traced value and contains an expression that cannot be "
                                  f"followed into "
                                  f"both arms: {e.op}. Put the branch into a function of its own.")
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
        return self.placed(e.fn, self.read(e.lhs, env), self.read(e.rhs, env))

    def unary(self, e, env):
        operand = self.read(e.value, env)
        if e.fn is operator.not_ and self.is_traced(operand):
            return self.placed(lambda x: np.logical_not(x if x.node.type.is_bool else x != 0), operand)
        return self.placed(e.fn, operand)

    def call_(self, e, env):
        function = self.read(e.func, env)
        args = [self.read(a, env) for a in e.args] + (list(self.read(e.vararg, env)) if e.vararg is not None else [])
        kwargs = {name: self.read(a, env) for name, a in e.kws} | (self.read(e.varkwarg, env) if getattr(e, "varkwarg", None) is not None else {})
        if function is bool and len(args) == 1 and self.is_traced(args[0]):
            return args[0]
        if isinstance(function, types.FunctionType) and not (function.__module__ or "").startswith("numpy"):
            return function(*args, **kwargs)
        return self.placed(lambda: function(*args, **kwargs))

    def make_function(self, e, env):
        code = e.code.value if hasattr(e.code, "value") else e.code
        captured = self.read(e.closure, env) if isinstance(e.closure, ir.Var) else ()
        defaults = self.read(e.defaults, env) if isinstance(e.defaults, ir.Var) else e.defaults
        return types.FunctionType(code, self.function.__globals__, code.co_name, defaults, tuple([types.CellType(value) for value in captured]) or None)


_EXPRESSIONS = {
    "binop": Interpreter.binop, "unary": Interpreter.unary, "call": Interpreter.call_, "make_function": Interpreter.make_function,
    "inplace_binop": lambda self, e, env: self.placed(e.fn, self.read(e.lhs, env), self.read(e.rhs, env)),
    "build_tuple": lambda self, e, env: tuple([self.read(v, env) for v in e.items]),
    "build_list": lambda self, e, env: [self.read(v, env) for v in e.items],
    "build_set": lambda self, e, env: {self.read(v, env) for v in e.items},
    "build_map": lambda self, e, env: {self.read(k, env): self.read(v, env) for k, v in e.items},
    "getattr": lambda self, e, env: getattr(self.read(e.value, env), e.attr),
    "getitem": lambda self, e, env: self.placed(operator.getitem, self.read(e.value, env), self.read(e.index, env)),
    "static_getitem": lambda self, e, env: self.placed(operator.getitem, self.read(e.value, env), e.index),
    "cast": lambda self, e, env: self.read(e.value, env),
    "getiter": lambda self, e, env: Cursor(self.read(e.value, env)),
    "iternext": lambda self, e, env: self.read(e.value, env).step(),
    "pair_first": lambda self, e, env: self.read(e.value, env)[0],
    "pair_second": lambda self, e, env: self.read(e.value, env)[1],
    "exhaust_iter": lambda self, e, env: tuple(self.read(e.value, env)),
    "undef": lambda self, e, env: None,
    "null": lambda self, e, env: None,
}


class Memory:
    """What can be changed in place through the variables: lists, dicts, buffers, places in loops. It is put back before each arm, and joined after."""

    def __init__(self, env: dict, trace):
        self.objects: dict[int, object] = {}
        for value in env.values():
            self._collect(value, trace)
        self.start = self.state()

    def _collect(self, value, trace) -> None:
        kind = type(value)
        if kind is Buffer:
            become_traced(value, trace)
            kind = type(value)
        if kind is Traced:
            if value.memory is not None:
                root = value.memory.root
                self.objects[id(root)] = root
        elif kind in (list, dict, tuple):
            if id(value) not in self.objects:
                if kind is not tuple:
                    self.objects[id(value)] = value
                for each in value.values() if kind is dict else value:
                    if type(each) in (list, dict, tuple, Traced, Buffer):
                        self._collect(each, trace)
        elif kind is Cursor:
            self.objects[id(value)] = value

    def state(self) -> dict[int, object]:
        """What the objects hold now."""
        return {key: _state_of(each) for key, each in self.objects.items()}

    def restore(self) -> None:
        """Put back what they held at the branch."""
        for key, each in self.objects.items():
            _set_state(each, self.start[key])

    def join(self, condition: Traced, left: dict, right: dict, interpreter: Interpreter) -> None:
        """Leave in each object what both arms left, joined."""
        for key, each in self.objects.items():
            a, b = left[key], right[key]
            if isinstance(each, Storage):
                _join_storage(each, condition, a, b, interpreter)
            elif isinstance(each, Cursor):
                each.at = a if a == b else len(each.values)
            elif len(a) == len(b) and (isinstance(each, list) or a.keys() == b.keys()):
                joined = interpreter.joined(condition, a, b, "a list" if isinstance(each, list) else "a dict", strict=True)
                _set_state(each, joined)
            else:
                raise TracedBoolError(f"the arms of the `if` ({interpreter.place(interpreter.line)}) leave a {type(each).__name__} with {len(a)} elements "
                                      f"in one and "
                                      f"{len(b)} in the other: how long it is would depend on the arguments.")


def _state_of(each):
    if isinstance(each, Storage):
        return each.ground, each.whole, dict(each.parts), each.pattern
    return each.at if isinstance(each, Cursor) else each.copy()


def _set_state(each, state) -> None:
    if isinstance(each, Storage):
        each.ground, each.whole, each.parts, each.pattern = state[0], state[1], dict(state[2]), state[3]
        each.version += 1
    elif isinstance(each, Cursor):
        each.at = state
    elif isinstance(each, list):
        each[:] = state
    else:
        each.clear()
        each.update(state)


def _join_storage(storage: Storage, condition: Traced, a: tuple, b: tuple, interpreter: Interpreter) -> None:
    trace = condition.owner
    if a[0] is b[0] and a[3] is b[3] is ELEMENTS:
        changed = [key for key in a[2].keys() | b[2].keys() if a[2].get(key) is not b[2].get(key)]
        _set_state(storage, a)
        first = {key: storage.element_node(key) for key in changed}
        _set_state(storage, b)
        for key in sorted(changed):
            node = interpreter._selected(condition, Traced(first[key], trace), Traced(storage.element_node(key), trace), "an element").node
            storage.write_element(key, node)
        return
    _set_state(storage, a)
    first = storage.current()
    _set_state(storage, b)
    second = storage.current()
    if first is not second:
        node = interpreter._selected(condition, Traced(first, trace), Traced(second, trace), "an array").node
        _set_state(storage, (node, node, {}, ELEMENTS))


def _is_numeric(value) -> bool:
    return isinstance(value, (Traced, Buffer, bool, int, float, np.generic, np.ndarray))


def _weak(value):
    if type(value) is Traced:
        return value.weak
    return type(value) if type(value) in (float, int, bool) else None


def _kind(value) -> str:
    return "None" if value is None else f"{type(value).__name__} of {len(value)}" if isinstance(value, (tuple, list, dict)) else type(value).__name__


def _shown(name: str) -> str:
    """A variable as the user knows it."""
    return name.partition(".")[0].lstrip("$")


__all__ = ["DEEPEST", "Interpreter", "as_traced", "branching_code", "find_trace", "interpreted"]
