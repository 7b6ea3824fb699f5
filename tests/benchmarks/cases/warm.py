"""The first gradient in a new process whose function an earlier one has compiled: seconds from after ``import numba`` to the result."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ..problems.programs import INPUTS, program
from ..registry import Ask, Row, case
from ..timing import summary
from ..worker import ROOT

BEYOND = "tracer over njit(cache=True)"
SMALL = "import numpy as np\nfrom tracer import grad\ng = grad(lambda x: np.sum(np.sin(x) * np.exp(-x)))\ng(np.arange(5.0))"
DENSE = ("import numpy as np\nfrom tracer import grad\nA = np.random.default_rng(0).normal(size=(50, 50))\n"
         "g = grad(lambda x: np.sum(np.tanh(A @ x) ** 2) + np.linalg.slogdet(np.outer(x, x) + 9 * np.eye(50))[1])\ng(np.arange(50.0))")
# Numba caches functions of files only.
BY_HAND = "import numpy as np\nimport by_hand\nby_hand.gradient(np.arange(5.0))"
MODULE = ("import numba, numpy as np\n@numba.njit(cache=True)\ndef gradient(x):\n    return np.cos(x) * np.exp(-x) - np.sin(x) * np.exp(-x)\n")
LONG = ("import numpy as np\nfrom tracer import value_and_grad\nfrom program import program\ng = value_and_grad(program)\n"
        f"g(np.linspace(0.5, 1.5, {INPUTS}))")


class Folder:
    """A folder with modules and caches of its own, bytecode among them."""

    def __init__(self, folder: str, **modules: str):
        self.folder = folder
        for name, text in modules.items():
            Path(folder, f"{name}.py").write_text(text)
        self._environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | {
            "TRACER_CACHE_DIR": f"{folder}/cache", "NUMBA_CACHE_DIR": f"{folder}/numba", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode",
            "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}

    def seconds(self, script: str) -> float:
        """Of one process."""
        text = f"import numba, time\nstart = time.perf_counter()\n{script}\nprint(time.perf_counter() - start)"
        done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, cwd=self.folder, env=self._environment)
        if done.returncode:
            raise RuntimeError(done.stderr.strip().splitlines()[-1])
        return float(done.stdout)


def measured(scripts, effort, **modules):
    """The first run of each fills the caches; then they run in turn."""
    with tempfile.TemporaryDirectory() as folder:
        place = Folder(folder, **modules)
        cold = {name: place.seconds(script) for name, script in scripts.items()}
        samples = {name: [] for name in scripts}
        for _ in range(effort.processes):
            for name, script in scripts.items():
                samples[name].append(place.seconds(script))
    for name, found in samples.items():
        yield Row(name, summary(found).median, "s", spread=summary(found).spread)
    yield from [Row(f"{name}, empty cache", seconds, "s") for name, seconds in cold.items()]


@case("warm-small", "First gradient in a new process with a warm cache, beyond `import numba`: a small function",
      Ask(0.15), Ask(0.05, subject=BEYOND), threads=(2,))
def _(effort):
    rows = list(measured({"tracer": SMALL, "njit(cache=True) by hand": BY_HAND}, effort, by_hand=MODULE))
    seconds = {row.peer: row.value for row in rows}
    yield Row(BEYOND, seconds["tracer"] - seconds["njit(cache=True) by hand"], "s")
    yield from rows


@case("warm-dense", "The same with matrix products and a determinant", Ask(0.25), threads=(2,))
def _(effort):
    return measured({"tracer": DENSE}, effort)


@case("warm-10000", "The same, a program of 10,000 operations", Ask(0.5), threads=(2,))
def _(effort):
    source = "\n".join(["import numpy as np", "def program(x):", *program(10_000, seed=0)._forward(), f"    return v{INPUTS + 10_000 - 1}", ""])
    return measured({"tracer": LONG}, effort, program=source)
