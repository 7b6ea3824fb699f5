"""The first gradient of a small function in a new process: wall time of ``python -c``, nothing cached but bytecode."""

import math
import os
import subprocess
import sys
import tempfile

from ..registry import Ask, Row, case
from ..timing import clocked, summary
from ..worker import ROOT

FUNCTION = "def f(x): return np.sin(x) * x * x + np.exp(-x)\n"
GRADIENT = 2.0 * math.sin(1.0) + math.cos(1.0) - math.exp(-1.0)  # at 1
FLOOR = "floor: import numba, one scalar njit"
SCRIPTS = {
    "tracer": "import numpy as np\nfrom tracer import grad\n" + FUNCTION + "print(grad(f)(1.0))",
    FLOOR: "import numba\n@numba.njit\ndef f(x): return x * x\nf(1.0)\nprint(GRADIENT)",
    "import numba": "import numba\nprint(GRADIENT)",
    "JAX": "import jax, jax.numpy as np\njax.config.update('jax_enable_x64', True)\n" + FUNCTION + "print(jax.jit(jax.grad(f))(1.0))",
    "torch": "import torch\n" + FUNCTION.replace("np.", "torch.") + "x = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)\n"
             "print(torch.autograd.grad(f(x), x)[0].item())",
    "autograd": "import autograd.numpy as np\nfrom autograd import grad\n" + FUNCTION + "print(grad(f)(1.0))",
    "CasADi": "import casadi as np\n" + FUNCTION + "x = np.SX.sym('x')\nprint(float(np.Function('g', [x], [np.gradient(f(x), x)])(1.0)))",
}


def run(script):
    """Seconds of one process; its output is checked."""
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | {"XDG_CACHE_HOME": empty, "NUMBA_CACHE_DIR": empty}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode; without it Python's own compiler is what is measured
        command = [sys.executable, "-c", script.replace("GRADIENT", repr(GRADIENT))]
        seconds, done = clocked(lambda: subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment))
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    if abs(float(done.stdout) - GRADIENT) > 1e-9:
        raise RuntimeError(f"WRONG: {done.stdout.strip()}")
    return seconds


@case("startup", "First gradient of a small function in a new process", Ask(0.4, subject="tracer over the floor"), threads=(2,))
def _(effort):
    samples, notes = {name: [] for name in SCRIPTS}, dict.fromkeys(SCRIPTS, "")
    for measured in [False] + [True] * effort.processes:
        for name, script in SCRIPTS.items():
            try:
                seconds = run(script) if not notes[name] else 0.0
            except RuntimeError as error:
                notes[name] = str(error)
                continue
            if measured:
                samples[name].append(seconds)
    timed = {name: summary(found) for name, found in samples.items() if not notes[name]}
    if {"tracer", FLOOR} <= timed.keys():
        yield Row("tracer over the floor", timed["tracer"].median - timed[FLOOR].median, "s")
    else:
        yield Row("tracer over the floor", None, "s", note="not measured")
    for name in SCRIPTS:
        found = timed.get(name)
        yield Row(name, found and found.median, "s", spread=found and found.spread, note=notes[name])
