"""Writing one LLVM function: fresh names, blocks, loops with carried values, integers that become parameters."""

from __future__ import annotations

from collections.abc import Callable

KERNEL_ARGUMENTS = "ptr %buffers, ptr %strides, ptr %params, ptr %workspace"
ARGUMENTS = f"{KERNEL_ARGUMENTS}, ptr %counters, ptr %status"  # of its pieces


class Integers:
    """The kernel's run-time integers, numbered in the order in which the text first needs them.

    0, 1 and -1 are written out; every other number is a parameter, so that a kernel's text says nothing of extents. ``role`` keeps
    numbers apart that are equal by accident only. Behind the first LIMIT parameters numbers are literal: a long program with
    thousands of static indices gains nothing from reading them from memory.
    """

    LIMIT = 256

    def __init__(self):
        self.values: list[int] = []
        self._known: dict[tuple, int] = {}

    def number(self, value: int, role) -> int | None:
        """The parameter's position, or None for a number that is written out."""
        if role == "extent" and -1 <= value <= 1:
            return None
        found = self._known.get((role, value))
        if found is None:
            if role == "extent" and len(self.values) >= self.LIMIT:
                return None
            found = self._known[role, value] = len(self.values)
            self.values.append(value)
        return found

    def arrays(self) -> dict[int, int]:
        """The captured arrays by number, each with the place of its address among the parameters."""
        return {role[1]: place for (role, _), place in self._known.items() if role[0] == "array"}


class FunctionText:
    """The text of one function while it is written."""

    def __init__(self, name: str, integers: Integers, arguments: str = ARGUMENTS):
        self.name = name
        self.arguments = arguments
        self.integers = integers
        self.head: list[str] = []   # allocas and parameters: they stand in the entry block
        self.lines: list[str] = []
        self._count = 0
        self._params: dict[int, str] = {}
        self.block = "start"

    def fresh(self, stem: str = "v") -> str:
        self._count += 1
        return f"%{stem}{self._count}"

    def let(self, right: str, stem: str = "v") -> str:
        """A new name for the value of an instruction."""
        self._count += 1
        name = f"%{stem}{self._count}"
        self.lines.append(f"  {name} = {right}")
        return name

    def do(self, line: str) -> None:
        self.lines.append(f"  {line}")

    def entry(self, right: str, stem: str = "e") -> str:
        """A value computed once, when the function starts."""
        name = self.fresh(stem)
        self.head.append(f"  {name} = {right}")
        return name

    def integer(self, value: int, role="extent") -> str:
        """An i64: written out or loaded from the parameters."""
        number = self.integers.number(value, role)
        return str(value) if number is None else self.parameter(number)

    def parameter(self, number: int) -> str:
        found = self._params.get(number)
        if found is None:
            place = self.entry(f"getelementptr i64, ptr %params, i64 {number}", "q")
            found = self._params[number] = self.entry(f"load i64, ptr {place}, align 8", "n")
        return found

    def array_address(self, number: int) -> str:
        return self.entry(f"inttoptr i64 {self.parameter(number)} to ptr", "a")

    # -- arithmetic on i64, folding what is written out -------------------------------------------------------------
    def add(self, a: str, b: str) -> str:
        if a == "0":
            return b
        if b == "0":
            return a
        return self.let(f"add i64 {a}, {b}", "i")

    def mul(self, a: str, b: str) -> str:
        if a == "0" or b == "0":
            return "0"
        if a == "1":
            return b
        if b == "1":
            return a
        return self.let(f"mul i64 {a}, {b}", "i")

    # -- control flow ----------------------------------------------------------------------------------------------
    def label(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def start_block(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.block = label

    def branch(self, label: str) -> None:
        self.do(f"br label %{label}")

    def loop(self, start: str, stop: str, step: str, carried: list[tuple[str, str]], body: Callable) -> list[str]:
        """``for i in range(start, stop, step)``. ``carried``: (type, first value) of what each round hands to the next;
        ``body(i, values)`` writes one round and returns the next values. Returns the values after the last round."""
        head, inside, latch, out = (self.label(stem) for stem in ("loop", "body", "next", "done"))
        before = self.block
        self.branch(head)
        self.start_block(head)
        counter = self.fresh("i")
        names = [self.fresh("c") for _ in carried]
        position = len(self.lines)
        self.lines.append("")
        going = self.let(f"icmp slt i64 {counter}, {stop}")
        self.do(f"br i1 {going}, label %{inside}, label %{out}")
        self.start_block(inside)
        following = body(counter, names)
        self.branch(latch)
        self.start_block(latch)
        advanced = self.let(f"add i64 {counter}, {step}", "i")
        self.branch(head)
        phis = [f"  {counter} = phi i64 [ {start}, %{before} ], [ {advanced}, %{latch} ]"]
        phis += [f"  {name} = phi {type} [ {first}, %{before} ], [ {after}, %{latch} ]"
                 for name, (type, first), after in zip(names, carried, following)]
        self.lines[position] = "\n".join(phis)
        self.start_block(out)
        return names

    def when(self, condition: str, carried: list[tuple[str, str]], body: Callable) -> list[str]:
        """``if condition:`` with values that the body replaces; returns them afterwards."""
        inside, out = self.label("then"), self.label("end")
        before = self.block
        self.do(f"br i1 {condition}, label %{inside}, label %{out}")
        self.start_block(inside)
        following = body()
        last = self.block
        self.branch(out)
        self.start_block(out)
        return [self.let(f"phi {type} [ {old}, %{before} ], [ {new}, %{last} ]")
                for (type, old), new in zip(carried, following)]

    def choose(self, condition: str, type: str, yes: Callable, no: Callable) -> list[str]:
        """The values that ``yes()`` or ``no()`` returns, all of one type, of which one is run."""
        labels, out, found = [self.label("yes"), self.label("no")], self.label("end"), []
        self.do(f"br i1 {condition}, label %{labels[0]}, label %{labels[1]}")
        for label, body in zip(labels, (yes, no)):
            self.start_block(label)
            found.append((body(), self.block))
            self.branch(out)
        self.start_block(out)
        (first, one), (second, other) = found
        return [self.let(f"phi {type} [ {a}, %{one} ], [ {b}, %{other} ]") for a, b in zip(first, second, strict=True)]

    def text(self, attributes: str = "#0", linkage: str = "internal ", result: str = "") -> str:
        """The function; ``result``, as in ``i32 %code``, is what it returns."""
        head = "\n".join(self.head)
        body = "\n".join(self.lines)
        type = result.partition(" ")[0] or "void"
        return (f"define {linkage}{type} @{self.name}({self.arguments}) {attributes} {{\nentry:\n{head}\n  br label %start\nstart:\n{body}\n"
                f"  ret {result or 'void'}\n}}")
