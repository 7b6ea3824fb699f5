"""Linking machine code, and letting go of it."""

import subprocess
import sys

CYCLES = """
import gc
from codegen.llvm.target import Linked, compile_object
code = compile_object("define i32 @f() { ret i32 7 }", 1)
kept = Linked(code)
for _ in range(40):
    Linked(code)
    gc.collect()
    compile_object("define double @g(double %x) { %y = fadd double %x, 1.0 ret double %y }", 2)
import ctypes
assert ctypes.CFUNCTYPE(ctypes.c_int)(kept.address("f"))() == 7
print("fine")
"""


def test_dropped_code_leaves_the_rest_alone():
    """An engine frees its target machine; one that was shared took the whole process down some kernels later."""
    result = subprocess.run([sys.executable, "-c", CYCLES], capture_output=True, text=True, check=False)
    assert result.returncode == 0 and result.stdout == "fine\n", result.stderr[-500:]
