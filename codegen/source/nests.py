"""A nest as Python loops: every instruction at the outermost level that it depends on, small expressions in one line."""

from __future__ import annotations

import re

import numpy as np

from codegen.loops import ArgReduce, Compute, Gather, Literal, Load, Nest, Reduce, Scan, Scatter, Store, place_depth, root_of
from tracer.graph.op import Instruction

from .expressions import ATOM, Expression, literal, template_of
from .names import TEMPORARY
from .places import affine_text, is_whole
from .roots import write_root
from .text import COLUMNS, INDENT, SourceText

_LONGEST_STEM = 10  # of an operand's name inside the name of a result


class NestWriter:
    """Writes one nest."""

    def __init__(self, text: SourceText, nest: Nest):
        self.text = text
        self.nest = nest
        self.extents = nest.extents
        self.rank = len(nest.extents)
        self.values: list[Expression] = []
        self.statements: list[list[str]] = [[] for _ in range(self.rank + 1)]  # by depth, before the next loop
        self.before: list[list[str]] = [[] for _ in range(self.rank)]          # by axis, just before its loop
        self.after: list[list[str]] = [[] for _ in range(self.rank)]           # by axis, just behind it
        self._uses()

    def _uses(self) -> None:
        """How deep each instruction stands, how often it is used, and at which depth it is used last."""
        body = self.nest.body
        self.depth: list[int] = []
        self.uses = [0] * len(body)
        self.used_at = [0] * len(body)
        for instruction in body:
            operands = _operands(instruction)
            depth = max([self.depth[k] for k in operands], default=0)
            if isinstance(instruction, Load):
                depth = place_depth(instruction.place)
            elif isinstance(instruction, Gather):
                depth = max(depth, place_depth(instruction.rest))
            for k in operands:
                self.uses[k] += 1
                self.used_at[k] = depth
            self.depth.append(depth)
        for root in self.nest.roots:
            for k in (root.value, *getattr(root, "indices", ())):
                self.uses[k] += 1
                self.used_at[k] = self.rank

    # -- the whole -------------------------------------------------------------------------------------------------
    def write(self) -> None:
        if self._is_fill():
            for root in self.nest.roots:
                self.text.allocate(root.buffer, "total", np.frombuffer(self.nest.body[root.value].bits, root.buffer.dtype)[0])
            return
        self.variables = self._variables()
        for position in range(len(self.nest.body)):
            self.values.append(self._value(position))
        self._allocate()
        for root in self.nest.roots:
            write_root(self, root)
        self._assemble()

    def _is_fill(self) -> bool:
        """Does the nest do nothing but fill new arrays with numbers?"""
        return bool(self.rank) and all(isinstance(i, Literal) for i in self.nest.body) and all(
            isinstance(r, Store) and not r.accumulate and not self.text.exists(r.buffer) and is_whole(r.place, r.buffer, self.extents)
            for r in self.nest.roots)

    def _variables(self) -> dict[int, Store]:
        """Straight-line values that are stored as a scalar get its name at once: position -> root."""
        found: dict[int, Store] = {}
        if not self.rank:
            for root in self.nest.roots:
                if isinstance(root, Store) and not root.buffer.shape and not root.accumulate and not self.text.exists(root.buffer):
                    instruction = self.nest.body[root.value]
                    if isinstance(instruction, (Compute, Gather)) or (isinstance(instruction, Load) and (instruction.buffer.shape or instruction.buffer.row)):
                        found.setdefault(root.value, root)
        return found

    def _allocate(self) -> None:
        """Make the arrays that this nest writes."""
        for root in self.nest.roots:
            self.text.allocate(root.buffer, self._result_name(root))

    def _result_name(self, root) -> str:
        if isinstance(root, (Reduce, ArgReduce, Scan)):
            return root.op.name
        instruction = self.nest.body[root.value]
        if isinstance(instruction, Compute):
            return instruction.op.name if root.buffer.shape else self._name_of(instruction)
        return f"{_original(self.text.name(root_of(instruction.buffer)))}_copy" if isinstance(instruction, Load) else "array"

    def _assemble(self) -> None:
        text = self.text
        for line in self.statements[0]:
            text.add(line)
        for axis, extent in enumerate(self.extents):
            for line in self.before[axis]:
                text.add(line, axis)
            text.add(f"for {text.counters[axis]} in range({extent}):", axis)
            for line in self.statements[axis + 1]:
                text.add(line, axis + 1)
        for axis in reversed(range(self.rank)):
            for line in self.after[axis]:
                text.add(line, axis)

    def innermost(self, text: str, line: str = "") -> None:
        """A statement inside all loops."""
        self.statements[self.rank].append(_commented(text, line))

    def target(self, root) -> str:
        """Where a root writes: an element, or the variable that a scalar is."""
        if not root.buffer.shape and not self.text.exists(root.buffer):
            self.text.create(root.buffer, self._result_name(root))
        return self.text.element(root.buffer, root.place, self.extents)[0]

    # -- values ----------------------------------------------------------------------------------------------------
    def _value(self, position: int) -> Expression:
        instruction = self.nest.body[position]
        if isinstance(instruction, Literal):
            return literal(instruction)
        if isinstance(instruction, Compute):
            expression = self._computed(position, instruction)
        elif isinstance(instruction, Load):
            if not instruction.buffer.shape and instruction.buffer.row is None:
                name = self.text.name(instruction.buffer)
                return Expression(name, ATOM, name)
            expression = Expression(self._loaded(instruction), ATOM, self.text.name(root_of(instruction.buffer)))
        else:
            expression = self._gathered(instruction)
        root = self.variables.get(position)
        if root is not None:
            name = self.text.create(root.buffer, self._name_of(instruction))
            return self._assign(position, name, expression)
        if self.uses[position] == 1 and self.used_at[position] == self.depth[position]:
            return expression
        return self._assign(position, self._fresh(instruction), expression)

    def _assign(self, position: int, name: str, expression: Expression) -> Expression:
        self.statements[self.depth[position]].append(_commented(f"{name} = {expression.text}", expression.line))
        return Expression(name, ATOM, name)

    def _fresh(self, instruction) -> str:
        """A name that nothing has yet."""
        base = self._name_of(instruction)
        return self.text.names.number(base) if base == TEMPORARY else self.text.names.take(base)

    def _name_of(self, instruction) -> str:
        """What to call a value: an element after its array, a function's value after both, anything else t1, t2, …"""
        if isinstance(instruction, Load):
            return self.text.element(instruction.buffer, instruction.place, self.extents)[1]
        if isinstance(instruction, Gather):
            return f"{self.text.name(instruction.buffer)}_at"
        stems = [self.values[k].stem for k in instruction.operands if not isinstance(self.nest.body[k], Literal)]
        if isinstance(instruction.op.lower, Instruction):
            return TEMPORARY
        if len(stems) == 1 and 0 < len(stems[0]) <= _LONGEST_STEM:
            return f"{instruction.op.name}_{stems[0]}"
        return instruction.op.name

    def _loaded(self, load: Load) -> str:
        return self.text.element(load.buffer, load.place, self.extents)[0]

    def _computed(self, position: int, instruction: Compute) -> Expression:
        pattern = template_of(instruction.op, instruction.dtype)
        self.text.use(pattern)
        operands = [self.values[k] for k in instruction.operands]
        line = self.text.user_line(instruction.node)
        for k, operand in enumerate(operands):
            # What stands twice in the text, or comes from another line of the user's, has a statement of its own.
            if not self._is_atom(instruction.operands[k]) and (k in pattern.repeated or (operand.line != line and operand.line and line)):
                operands[k] = self._name_operand(instruction.operands[k])
        text = pattern.fill(operands)
        room = COLUMNS - len(INDENT) * (self.depth[position] + 1) - len("t100 = ")
        while len(text) > room:
            long = [k for k, o in enumerate(instruction.operands) if not self._is_atom(o)]
            if not long:
                break
            longest = max(long, key=lambda k: len(operands[k].text))
            operands[longest] = self._name_operand(instruction.operands[longest])
            text = pattern.fill(operands)
        return Expression(text, pattern.level, "", line or next((o.line for o in operands if o.line), ""))

    def _name_operand(self, position: int) -> Expression:
        """Give a value that was to stand inside an expression a statement of its own."""
        expression = self.values[position]
        name = self._fresh(self.nest.body[position])
        self.values[position] = self._assign(position, name, expression)
        return self.values[position]

    def _is_atom(self, position: int) -> bool:
        """Is nothing gained by a name for it? A name already, a number, an element of an array."""
        expression = self.values[position]
        return isinstance(self.nest.body[position], Literal) or (expression.level == ATOM and "(" not in expression.text)

    def _gathered(self, gather: Gather) -> Expression:
        return Expression(self.at_indices(gather), ATOM, self.text.name(gather.buffer),
                          next((self.values[k].line for k in gather.indices if self.values[k].line), ""))

    def at_indices(self, instruction: Gather | Scatter) -> str:
        """The element at indices that are data."""
        check = self.text.function("checked_index")
        indices = [f"{check}({self.values[k].text}, {extent})" for k, extent in zip(instruction.indices, instruction.buffer.shape)]
        indices += [affine_text(part, self.text.counters) for part in instruction.rest]
        return f"{self.text.name(instruction.buffer)}[{', '.join(indices)}]"


def _operands(instruction) -> tuple[int, ...]:
    if isinstance(instruction, Compute):
        return instruction.operands
    return instruction.indices if isinstance(instruction, Gather) else ()


def _original(name: str) -> str:
    """What a copy was made of, by its name."""
    return re.sub(r"_copy(_\d+)?$", "", name)


def _commented(text: str, line: str) -> str:
    return f"{text}  # {line}" if line else text
