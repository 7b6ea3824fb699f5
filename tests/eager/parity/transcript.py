"""Running a program statement by statement, and keeping all that it shows: printed text, values of expressions, warnings and errors."""

import ast
import contextlib
import functools
import io
import math
import re
import warnings

import numpy as np

# Where PyTorch raised a warning in its C++ is no part of the message; nor are the address of an object, the module of a class, and
# frames of a traceback outside of the program.
NOISE = [
    (re.compile(r" \(Triggered internally at [^)]*\)"), ""),
    (re.compile(r"0x[0-9a-f]{6,}"), "0x0"),
    (re.compile(r"\b(torch|tracer\.eager)\.[\w.]*?(\w+)(?= object at|'>)"), r"\2"),
    (re.compile(r'  File "(?!<program>)[^\n]*\n(?:    [^\n]*\n)*'), ""),
    # Which of two words there is for a negative index of a 0-d tensor goes by memory that PyTorch reads behind the shape.
    (re.compile(r"index (-\d+) is out of bounds for dimension 0 with size \d+|select\(\) cannot be applied to a 0-dim tensor\."), "no such index"),
]
OWN_FAULT = "INTERNAL ASSERT FAILED"  # a program in which PyTorch says so of itself tells nothing from there on
# Warnings of PyTorch about its own implementation, and of NumPy where catching all warnings undoes our filter.
# Some warnings PyTorch gives once in a process, so that what shows them depends on what has run before.
NOT_OURS = re.compile("torch.jit.script|__array|use of `x.T`|Tensor.m?[TH] is deprecated|requires_grad=True to a scalar|encountered in")
NEGATIVE_ZERO = re.compile(r"-(?=0\.0*(?:[],)\s]|$))")
SPACE = re.compile(r"(^|[\s\[,]) +| +(?=[\],])")
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
            failure = f"{type(error).__name__}: {error}\n" if str(error) else f"{type(error).__name__}\n"
    text = output.getvalue() + failure + "".join(f"{each.category.__name__}: {each.message}\n" for each in caught if not NOT_OURS.search(str(each.message)))
    return without_noise(text).rstrip("\n")


def without_noise(text: str) -> str:
    """The text without addresses and places in C++ files."""
    for pattern, replacement in NOISE:
        text = pattern.sub(replacement, text)
    return text


def bits(tensor) -> str:
    """The exact values: dtype, shape and bytes."""
    array = np.ascontiguousarray(tensor.detach().numpy())
    return f"{array.dtype} {array.shape} {array.tobytes().hex()}"


def differences(program: str, ours: list[str], theirs: list[str], allowed: int = 0) -> str:
    """The statements whose texts differ, in words; empty when they are the same, or differ in no more statements than are allowed."""
    theirs = theirs[:next((k for k, text in enumerate(theirs) if OWN_FAULT in text), None)]
    lines = [ast.get_source_segment(program, statement) for statement in ast.parse(program).body][:len(theirs)]
    ours = ours[:len(theirs)]
    found = [f">>> {line}\n    expected {b!r}\n    found    {a!r}" for line, a, b in zip(lines, ours, theirs, strict=True) if not same(a, b)]
    return "\n".join(["", *found, "in", program]) if len(found) > allowed else ""


def same(ours: str, theirs: str) -> bool:
    """Equal texts; floats may differ as roundings do: in the last of four printed digits, or by some units of float32 or float64 where all are printed.

    Zeros may have either sign, which changes the width of their column.
    """
    if ours == theirs:
        return True
    a, b = [NUMBER.split(SPACE.sub(lambda found: found[1] or "", NEGATIVE_ZERO.sub("", text))) for text in (ours, theirs)]
    return len(a) == len(b) and a[::2] == b[::2] and all(map(close, a[1::2], b[1::2]))


def close(a: str, b: str) -> bool:
    """Whether two printed floats are the same but for rounding."""
    digits = max(len(each.partition("e")[0].strip("-0.").replace(".", "")) for each in (a, b))
    if digits > 11 and all(float(each) == float(np.float32(each)) for each in (a, b)):
        digits = 8  # a float32 as a Python number
    relative, absolute = (1e-11, 1e-13) if digits > 11 else (5e-6, 1e-6) if digits > 6 else (2e-4, 1.001e-4)
    return math.isclose(float(a), float(b), rel_tol=relative, abs_tol=absolute)
