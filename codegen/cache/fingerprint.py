"""What else code depends on, beside the text that it is made from: versions, the processor, and the source of this project."""

from __future__ import annotations

import functools
import importlib.util
import os
import platform
import sys

import llvmlite
import numba
import numpy as np
import scipy

from codegen.llvm.target import machine

from .store import digest_of

_PACKAGES = ("tracer", "codegen")
_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@functools.cache
def fingerprint() -> str:
    """The hash of all that makes entries of another installation, or of another machine, foreign."""
    this = machine()
    versions = [np.__version__, scipy.__version__, numba.__version__, llvmlite.__version__, sys.version, platform.machine(), *platform.libc_ver()]
    return digest_of(*versions, _sympy_version(), this.cpu, this.features, *_own_source())


def _sympy_version() -> bytes:
    """The file that holds SymPy's version: SymPy itself takes 0.3 s to import."""
    found = importlib.util.find_spec("sympy")
    with open(os.path.join(os.path.dirname(found.origin), "release.py"), "rb") as file:
        return file.read()


def _own_source() -> list[str]:
    """Every file of this project by name, size and time, so that a changed pass finds nothing that it did not make (0.5 ms)."""
    found = []
    folders = [os.path.join(_ROOT, package) for package in _PACKAGES]
    for folder in folders:
        for file in os.scandir(folder):
            if file.name.endswith(".py"):
                status = file.stat()
                found.append(f"{os.path.relpath(file.path, _ROOT)} {status.st_size} {status.st_mtime_ns}")
            elif file.is_dir() and file.name != "__pycache__":
                folders.append(file.path)
    return sorted(found)
