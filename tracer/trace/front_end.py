"""Numba's front end, with what it does not read itself: `import`, `**` in calls and dicts, f-strings with a format, `a, *rest = ...`,
functions inside with keyword-only defaults, and attributes of `super()` (one instruction since Python 3.12).

These become expressions of kinds of their own in the intermediate representation; the interpreter of branches evaluates them, no compiler sees them.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable

from numba.core import bytecode, byteflow, interpreter, ir, postproc

IMPORT, IMPORT_FROM, MERGE, FORMAT, UNPACK = "import", "import_from", "merge", "format", "unpack"
_CONVERSIONS = (None, str, repr, ascii)
_OF_COMPILERS = "peep_hole_call_function_ex_to_call_function_kw"  # refuses `**` of dicts that are not literal


def blocks_of(function: types.FunctionType) -> dict[int, ir.Block]:
    """The blocks of a function. Raises what Numba raises for what is read by neither."""
    identity = bytecode.FunctionIdentity.from_function(function)
    made = _Interpreter(identity).interpret(bytecode.ByteCode(func_id=identity))
    postproc.PostProcessor(made).run(False)
    return made.blocks


def _with_globals(function: types.FunctionType, **named) -> Callable:
    """A function of Numba's that finds our classes where it names its own."""
    return types.FunctionType(function.__code__, {**function.__globals__, **named}, function.__name__, function.__defaults__, function.__closure__)


class _Runner(byteflow.TraceRunner):
    """What the instructions take from the stack and leave there."""

    def _one(self, state, inst, **given) -> None:
        result = state.make_temp()
        state.append(inst, res=result, **given)
        state.push(result)

    def op_IMPORT_NAME(self, state, inst):
        names, level = state.pop(), state.pop()
        self._one(state, inst, names=names, level=level)

    def op_IMPORT_FROM(self, state, inst):
        self._one(state, inst, module=state.get_tos())

    def op_DICT_MERGE(self, state, inst):
        added = state.pop()
        above = [state.pop() for _ in range(inst.arg - 1)]
        self._one(state, inst, first=state.pop(), added=added)
        for each in reversed(above):
            state.push(each)

    op_DICT_UPDATE = op_DICT_MERGE

    def op_FORMAT_VALUE(self, state, inst):
        pattern = state.pop() if inst.arg & 4 else None
        self._one(state, inst, value=state.pop(), pattern=pattern)

    def op_FORMAT_SIMPLE(self, state, inst):
        self._one(state, inst, value=state.pop(), pattern=None)

    def op_FORMAT_WITH_SPEC(self, state, inst):
        pattern = state.pop()
        self._one(state, inst, value=state.pop(), pattern=pattern)

    def op_CONVERT_VALUE(self, state, inst):
        self._one(state, inst, value=state.pop())

    def op_LOAD_SUPER_ATTR(self, state, inst):
        of, owner, function = state.pop(), state.pop(), state.pop()
        bound, result = state.make_temp(), state.make_temp()
        state.append(inst, function=function, owner=owner, of=of, bound=bound, res=result)
        pushed = [result, state.make_null()] if inst.arg & 1 else [result]  # of a method that is called next
        for each in pushed if sys.version_info >= (3, 13) else reversed(pushed):
            state.push(each)

    def op_UNPACK_EX(self, state, inst):
        before, behind = inst.arg & 0xFF, inst.arg >> 8
        parts, value = state.make_temp(), state.pop()
        made = [state.make_temp() for _ in range(before + 1 + behind)]
        state.append(inst, value=value, before=before, behind=behind, parts=parts, made=made)
        for each in reversed(made):
            state.push(each)


class _Flow(byteflow.Flow):
    run = _with_globals(byteflow.Flow.run, TraceRunner=_Runner)
    # Inside of `try` a block ends behind each instruction that may raise, and with it goes what KW_NAMES tells of a call (Python 3.11).
    _run_handle_exception = _with_globals(byteflow.Flow._run_handle_exception, _NO_RAISE_OPS=byteflow._NO_RAISE_OPS | {"KW_NAMES", "CACHE"})


class _Interpreter(interpreter.Interpreter):
    """The expressions that the instructions are."""

    interpret = _with_globals(interpreter.Interpreter.interpret, Flow=_Flow)

    def post_process(self, peepholes, func_ir):
        return super().post_process([each for each in peepholes if each.__name__ != _OF_COMPILERS], func_ir)

    def _store(self, op: str, res: str, **parts) -> None:
        self.store(ir.Expr(op, self.loc, **parts), res)

    def op_IMPORT_NAME(self, inst, names, level, res):
        self._store(IMPORT, res, name=self.code_names[inst.arg], names=self.get(names), level=self.get(level))

    def op_IMPORT_FROM(self, inst, module, res):
        self._store(IMPORT_FROM, res, name=self.code_names[inst.arg], module=self.get(module))

    def op_DICT_MERGE(self, inst, first, added, res):
        self._store(MERGE, res, first=self.get(first), added=self.get(added), once=inst.opname == "DICT_MERGE")

    op_DICT_UPDATE = op_DICT_MERGE

    def op_FORMAT_VALUE(self, inst, value, pattern, res):
        conversion = _CONVERSIONS[inst.arg & 3] if inst.opname == "FORMAT_VALUE" else None
        self._store(FORMAT, res, value=self.get(value), pattern=None if pattern is None else self.get(pattern), conversion=conversion)

    op_FORMAT_SIMPLE = op_FORMAT_WITH_SPEC = op_FORMAT_VALUE

    def op_CONVERT_VALUE(self, inst, value, res):
        self._store(FORMAT, res, value=self.get(value), pattern=None, conversion=_CONVERSIONS[inst.arg])

    def op_LOAD_SUPER_ATTR(self, inst, function, owner, of, bound, res):
        self.store(ir.Expr.call(self.get(function), (self.get(owner), self.get(of)), (), self.loc), bound)
        self.store(ir.Expr.getattr(self.get(bound), self.code_names[inst.arg >> 2], self.loc), res)

    def op_UNPACK_EX(self, inst, value, before, behind, parts, made):
        self._store(UNPACK, parts, value=self.get(value), before=before, behind=behind)
        for at, name in enumerate(made):
            self.store(ir.Expr.static_getitem(self.get(parts), at, None, self.loc), name)

    def op_MAKE_FUNCTION(self, inst, kwdefaults=None, **parts):
        super().op_MAKE_FUNCTION(inst, kwdefaults=None, **parts)
        self.current_block.body[-1].value.kwdefaults = None if kwdefaults is None else self.get(kwdefaults)


__all__ = ["FORMAT", "IMPORT", "IMPORT_FROM", "MERGE", "UNPACK", "blocks_of"]
