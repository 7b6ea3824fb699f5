"""The machine that measured: cores, vector units, versions; and how many of the cores a process may use."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from pathlib import Path

VECTOR_FLAGS = ("avx2", "fma", "avx512f", "avx512dq", "avx512vl")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
PACKAGES = ("tracegrad", "numpy", "scipy", "numba", "llvmlite", "sympy", "jax", "torch", "autograd", "casadi", "heyoka")


def cores() -> list[int]:
    """The cores that this process may use."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))


def use_cores(count: int) -> None:
    """Stay on the first ``count`` cores. Libraries size their pools when they are imported: call this before."""
    chosen = cores()[:count]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, chosen)
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(len(chosen))))


def description() -> str:
    """One paragraph of Markdown."""
    model, flags = processor()
    vector = " ".join(flag for flag in VECTOR_FLAGS if flag in flags) or "no known vector flags"
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (f"{model}, {len(cores())} cores ({vector}), {platform.system()} {platform.release()}, libc {' '.join(platform.libc_ver()) or 'unknown'}, "
            f"Python {sys.version.split()[0]}; {versions}.")


def processor() -> tuple[str, set[str]]:
    """Model name and feature flags, where the system tells."""
    path = Path("/proc/cpuinfo")
    if not path.exists():
        return platform.processor() or platform.machine(), set()
    fields = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in fields.items()}
    return fields.get("model name", platform.machine()), set(fields.get("flags", fields.get("Features", "")).split())


def version(package: str) -> str:
    """The installed version, or that there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "(not installed)"
