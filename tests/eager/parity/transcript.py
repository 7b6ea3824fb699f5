"""Running a program statement by statement, and keeping all that it shows: printed text, values of expressions, warnings and errors."""

import ast
import contextlib
import functools
import io
import math
import re
import traceback
import warnings

import numpy as np

# Where PyTorch raised a warning in its C++ is no part of the message; nor are the address of an object, the module of a class, and
# frames of a traceback outside of the program.
NOISE = [
    (re.compile(r" \(Triggered internally at [^)]*\)"), ""),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x0"),
    (re.compile(r"\b(torch|tracer\.eager)\.[\w.]*?(\w+)(?= object at|'>)"), r"\2"),
    (re.compile(r'  File "(?!<program>)[^\n]*\n(?:    [^\n]*\n)*'), ""),
]
NOT_OURS = re.compile("torch.jit.script|__array")  # warnings of PyTorch about its own implementation
NUMBER = re.compile(r"(?<![\w.])(-?\d+\.\d*(?:e[+-]?\d+)?|-?\d+e[+-]?\d+)(?!\w)")


def transcript(program: str, library) -> list[str]:
    """What each statement shows, one text per statement."""
    namespace = {"torch": library, "np": np, "math": math, "bits": bits, "contextlib": contextlib, "functools": functools}
    return ["\n".join(shown(part, namespace) for part in parts(statement)) for statement in ast.parse(program).body]


def parts(statement: ast.stmt) -> list[ast.stmt]:
    """A statement; the elements of a tuple each on its own, so that an error in one does not hide the others."""
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Tuple):
        return [ast.copy_location(ast.Expr(element), element) for element in statement.value.elts]
    return [statement]


def shown(statement: ast.stmt, namespace: dict) -> str:
    """The text that one statement prints, warns and raises."""
    output = io.StringIO()
    failure = ""
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(output):
        warnings.simplefilter("always")
        try:
            exec(compile(ast.Interactive([statement]), "<program>", "single"), namespace)
        except Exception as error:
            failure = "".join(traceback.format_exception_only(error))
            failure = f"{type(error).__name__}{failure[failure.index(':'):] if ':' in failure else failure}" if str(error) else f"{type(error).__name__}\n"
    text = output.getvalue() + failure + "".join(f"{each.category.__name__}: {each.message}\n" for each in caught if not NOT_OURS.search(str(each.message)))
    return without_noise(text.rstrip("\n"))


def without_noise(text: str) -> str:
    """The text without addresses and places in C++ files."""
    for pattern, replacement in NOISE:
        text = pattern.sub(replacement, text)
    return text


def bits(tensor) -> str:
    """The exact values: dtype, shape and bytes."""
    array = np.ascontiguousarray(tensor.detach().numpy())
    return f"{array.dtype} {array.shape} {array.tobytes().hex()}"


def differences(program: str, ours: list[str], theirs: list[str], relative: float = 0.0) -> str:
    """The statements whose texts differ, in words; empty when they are the same. ``relative`` is the tolerance of printed floats."""
    lines = [ast.get_source_segment(program, statement) for statement in ast.parse(program).body]
    found = [f">>> {line}\n    expected {b!r}\n    found    {a!r}" for line, a, b in zip(lines, ours, theirs, strict=True) if not same(a, b, relative)]
    return "\n".join(["", *found, "in", program]) if found else ""


def same(ours: str, theirs: str, relative: float) -> bool:
    """Equal texts, printed floats within a tolerance."""
    if ours == theirs:
        return True
    if not relative:
        return False
    a, b = NUMBER.split(ours), NUMBER.split(theirs)
    return len(a) == len(b) and a[::2] == b[::2] and all(math.isclose(float(x), float(y), rel_tol=relative, abs_tol=1e-4) for x, y in zip(a[1::2], b[1::2]))
