"""What the interpreter of branches knows of a function's code: its blocks, and where the paths from a branch come together again."""

from __future__ import annotations

import dis
import functools
import inspect
import os
import sysconfig
import types
from dataclasses import dataclass

from numba.core import ir
from numba.core.analysis import compute_cfg_from_blocks, compute_live_map, compute_use_defs
from numba.core.errors import NumbaError, UnsupportedBytecodeError

from ..errors import TracedBoolError
from .front_end import blocks_of

LIBRARIES = tuple(os.path.abspath(sysconfig.get_path(name)) + os.sep for name in ("purelib", "platlib", "stdlib", "platstdlib"))
_HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = tuple(os.path.join(os.path.dirname(_HERE), package) + os.sep for package in ("tracer", "codegen"))
YIELDED = "$yielded"  # a variable: what a generator expression has given so far
RAISES = ir.Raise, ir.StaticRaise, ir.DynamicRaise
# Functions of ours that refuse what can be answered in a function that is interpreted.
_QUESTIONS = "__bool__", "attribute_or_error", "call_interpreted"
_IS = dis.opmap["IS_OP"]
_MAKES_CELL = "LOAD_CLOSURE", "LOAD_FAST"  # how a variable gets into a function that is being made, before and from Python 3.13 on


@dataclass(frozen=True)
class Flow:
    """The blocks of a function's code by their labels.

    ``order``     the place of each when no loop goes round
    ``loops``     for each block the loops around it, the innermost first: where their rounds begin, and their blocks
    ``stops``     for each branch, where an arm waits for the other: at the blocks that both reach without leaving the innermost loop around them or
                  beginning it again, at its next round, behind it; if there are none, before the arm that goes on longer
    ``endless``   for each branch in a loop that no iterator ends, the blocks of this loop
    ``turning``   for each loop that no iterator ends, by the block that its rounds begin with, where a round stops: at the next one, or behind the loop
    ``inside``    the blocks of each of these loops
    ``live``      the variables that are still needed, before each block
    ``offsets``   an offset in the code for each line
    """

    blocks: dict[int, ir.Block]
    order: dict[int, int]
    loops: dict[int, tuple[tuple[tuple[int, ...], frozenset[int]], ...]]
    stops: dict[int, frozenset[int]]
    endless: dict[int, frozenset[int]]
    turning: dict[int, frozenset[int]]
    inside: dict[int, frozenset[int]]
    live: dict[int, set[str]]
    offsets: dict[int, int]

    def comes_before(self, one: int, other: int) -> bool:
        """Do paths that are at these blocks pass the first one before the other? The beginning of a loop around both is that of its next round."""
        common = next((loop for loop in self.loops[one] if other in loop[1]), None)
        headers = common[0] if common is not None else ()
        if one in headers or other in headers:
            return one not in headers or (other in headers and headers.index(one) < headers.index(other))
        return self._stage(one, common) < self._stage(other, common)

    def _stage(self, label: int, common: tuple | None) -> int:
        """The place of a block, or of the whole loop that it is in, inside of a loop."""
        for loop in self.loops[label]:
            if loop == common:
                break
            label = loop[0][0]
        return self.order[label]


@functools.lru_cache(maxsize=1024)
def flow_of(code: types.CodeType) -> Flow:
    """The flow of a function's code. Raises TracedBoolError for what Numba's front end does not read."""
    function = types.FunctionType(code, {"__builtins__": __builtins__}, closure=tuple([types.CellType(None) for _ in code.co_freevars]))
    _refuse_nonlocal(code)
    _refuse_later_assignments(code)
    try:
        blocks = blocks_of(function)
    except (NumbaError, UnsupportedBytecodeError, NotImplementedError, AssertionError) as error:
        raise TracedBoolError(
            f"{code.co_name}() ({code.co_filename}:{code.co_firstlineno}) branches on a traced value and contains what cannot be followed into both arms: "
            f"{str(error).splitlines()[0]}. Put the branch into a function of its own, or write np.where(condition, a, b).") from None
    _refuse_unmade(code, blocks)
    graph = compute_cfg_from_blocks(blocks)
    after = graph.post_dominators()
    meets = {label: max(after[label] - {label}, key=lambda k: len(after[k]), default=None) for label in blocks}
    order = _order(graph, blocks)
    loops = {label: _loops(graph, label) for label in blocks}
    stops, endless = {}, {}
    for label, block in blocks.items():
        if isinstance(block.terminator, ir.Branch):
            headers, inside = loops[label][0] if loops[label] else ((), frozenset(blocks))
            stops[label] = _stops(graph, blocks, label, headers, inside, meets[label])
            if headers and not _steps(blocks, headers):
                endless[label] = inside
    endless_loops = {loop for found in loops.values() for loop in found if not _steps(blocks, loop[0])}
    inside = {headers[-1]: body for headers, body in endless_loops}
    turning = {first: frozenset({target for each in body for target, _ in graph.successors(each)} - body | {first}) for first, body in inside.items()}
    offsets: dict[int, int] = {}
    for start, _, line in code.co_lines():
        if line is not None:
            offsets.setdefault(line, start)
    uses = compute_use_defs(blocks)
    live = compute_live_map(graph, blocks, uses.usemap, uses.defmap)
    if code.co_flags & inspect.CO_GENERATOR:
        live = {label: names | {YIELDED} for label, names in live.items()}
    return Flow(blocks, order, loops, stops, endless, turning, inside, live, offsets)


def _order(graph, blocks: dict[int, ir.Block]) -> dict[int, int]:
    """The place of each block behind all that lead to it, not counting the ways back to the beginning of a loop; Numba's own order has not got that."""
    over = graph.dominators()
    before = {label: {source for source, _ in graph.predecessors(label) if label not in over[source]} for label in blocks}
    order: dict[int, int] = {}
    pending = sorted(blocks)
    while pending:
        label = next((each for each in pending if before[each] <= order.keys()), pending[0])
        order[label] = len(order)
        pending.remove(label)
    return order


def _loops(graph, label: int) -> tuple:
    """The loops around a block. A `while` is tested in front of its first round and behind each; with `continue`, which goes to the front, it looks like
    a loop around another that begins with its second block: these are one."""
    every = list(graph.loops().values())
    found, inner = [], {}
    for loop in every:
        following = {target for target, _ in graph.successors(loop.header)}
        # One that begins with another, with code behind that in its round, is two.
        inner[loop.header] = [each.header for each in every if each.header in following and each.header != loop.header and loop.body.issuperset(each.body)
                              ] if following - set(loop.body) else []
    merged = {header for headers in inner.values() for header in headers}
    for loop in graph.in_loops(label):
        if loop.header not in merged:
            found.append(((loop.header, *inner[loop.header]), frozenset(loop.body)))
    return tuple(found)


def _steps(blocks: dict[int, ir.Block], headers: tuple[int, ...]) -> bool:
    """Do the rounds of a loop begin with asking an iterator? With `continue` in it, its first block is an empty one."""
    for label in headers:
        while isinstance(blocks[label].terminator, ir.Jump) and len(blocks[label].body) == 1:
            label = blocks[label].terminator.target
        if any(map(_is_step, blocks[label].body)):
            return True
    return False


def _is_step(statement) -> bool:
    """Does a statement ask an iterator for its next element?"""
    return isinstance(statement, ir.Assign) and isinstance(statement.value, ir.Expr) and statement.value.op == "iternext"


def _stops(graph, blocks: dict[int, ir.Block], label: int, headers: tuple[int, ...], inside: frozenset[int], meet: int | None) -> frozenset[int]:
    def goes_on(labels: set[int]) -> int:
        """How long an arm is; one that does nothing but raise an exception is nothing."""
        ends = any(each in headers or isinstance(blocks[each].terminator, ir.Return) or not inside.issuperset(dict(graph.successors(each))) for each in labels)
        return len(labels) if ends else 0
    branch = blocks[label].terminator
    yes, no = (_reached(graph, target, inside, headers) for target in (branch.truebr, branch.falsebr))
    found = yes & no or {branch.truebr if goes_on(yes) >= goes_on(no) else branch.falsebr}
    left = {target for each in inside for target, _ in graph.successors(each)} - inside
    # What does nothing but raise an exception does it at once.
    left = {each for each in left if any(isinstance(blocks[k].terminator, ir.Return) for k in _reached(graph, each, blocks, ()))}
    return frozenset(found | left | {*headers, meet} - {None})


def _reached(graph, start: int, inside, headers: tuple[int, ...]) -> set[int]:
    """The blocks of a loop on the paths from one of them, as far as the next round."""
    found, pending = set(), [start]
    while pending:
        label = pending.pop()
        if label in inside and label not in found:
            found.add(label)
            if label not in headers:
                pending.extend(target for target, _ in graph.successors(label))
    return found


def _refuse_unmade(code: types.CodeType, blocks: dict[int, ir.Block]) -> None:
    """Of a value that `:=` both names and hands on, the front end forgets the second."""
    made = {statement.target.name for block in blocks.values() for statement in block.find_insts(ir.Assign)}
    for block in blocks.values():
        for statement in block.body:
            if any(name.name.startswith("$") and name.name not in made for name in statement.list_vars()):
                raise TracedBoolError(f"{code.co_name}() ({code.co_filename}:{statement.loc.line}) branches on a traced value and assigns by `:=` inside an "
                                      f"expression. Give the variable its value in a statement before.")


def _refuse_nonlocal(code: types.CodeType) -> None:
    """A variable that a function inside rebinds is not a variable of this function's blocks alone."""
    inside = [each for each in code.co_consts if isinstance(each, types.CodeType)]
    for each in inside:
        rebound = {step.argval for step in dis.get_instructions(each) if step.opname == "STORE_DEREF"} & set(each.co_freevars)
        if rebound:
            raise TracedBoolError(
                f"{code.co_name}() ({code.co_filename}:{code.co_firstlineno}) branches on a traced value, and {each.co_name}() inside it rebinds "
                f"`{min(rebound)}` by `nonlocal`: that cannot be followed into both arms. Return the new value instead.")
        _refuse_nonlocal(each)


def _refuse_later_assignments(code: types.CodeType) -> None:
    """A function inside reads a variable when it is called; what it is given here is what the variable is when the function is made."""
    read: set[str] = set()
    for step in dis.get_instructions(code):
        if step.opname in _MAKES_CELL and step.argval in code.co_cellvars:
            read.add(step.argval)
        elif step.opname == "STORE_DEREF" and step.argval in read:
            raise TracedBoolError(
                f"{code.co_name}() ({code.co_filename}:{code.co_firstlineno}) branches on a traced value, and assigns `{step.argval}` after a function inside "
                f"it has been made that reads it: that cannot be followed into both arms. Pass the value to the function instead.")


@functools.lru_cache(maxsize=4096)
def compares_with_true(code: types.CodeType) -> bool:
    """Does a function, or one inside of it, ask what `is True` or `is False`? Of a traced bool Python would say that it is neither, without asking it."""
    if any(type(constant) is bool for constant in code.co_consts) and _IS in code.co_code[::2]:  # to decode a long function takes longer than to trace it
        steps = [step for step in dis.get_instructions(code) if step.opname != "EXTENDED_ARG"]
        for at, step in enumerate(steps):
            if step.opcode == _IS and any(each.opname == "LOAD_CONST" and type(each.argval) is bool for each in steps[max(at - 2, 0):at]):
                return True
    return any(compares_with_true(each) for each in code.co_consts if isinstance(each, types.CodeType))


@functools.lru_cache(maxsize=1024)
def can_be_followed(code: types.CodeType) -> bool:
    """Can a function be interpreted as it stands, whether it branches on traced values or not?"""
    if code.co_flags & (inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR):
        return False
    try:
        blocks = flow_of(code).blocks
    except TracedBoolError:
        return False
    return not any(isinstance(statement, ir.EnterWith) for block in blocks.values() for statement in block.body)


def branching_code(error: TracedBoolError, namespaces: set[int], known: set[types.CodeType]) -> types.CodeType | None:
    """The code that asked for the truth of a traced value: it can be interpreted if it is a function of the user that the trace has rebound,
    one whose globals are among ``namespaces`` (by id). None otherwise. A function inside another is made by the one around it, which comes first:
    ``known`` is the code that is interpreted already."""
    asked, around, step = None, [], error.__traceback__
    while step is not None:
        frame, step = step.tb_frame, step.tb_next
        if id(frame.f_globals) in namespaces:
            asked = frame.f_code
            around.append(asked)
        elif step is not None or frame.f_code.co_name not in _QUESTIONS:
            asked = None  # the question came through a library
    if asked is None:
        return None
    maker = next((code for code in reversed(around) if asked in code.co_consts), None)
    while maker is not None and maker not in known:
        asked, maker = maker, next((code for code in reversed(around) if maker in code.co_consts), None)
    return asked


__all__ = ["RAISES", "YIELDED", "Flow", "branching_code", "can_be_followed", "compares_with_true", "flow_of"]
