"""One case in a process of its own: ``python -m tests.benchmarks.worker NAME CORES [--quick]`` writes its rows as JSON to stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from .machine import use_cores
from .registry import Case, Row, load_cases
from .timing import FULL, QUICK

ROOT = Path(__file__).parents[2]


def rows_of(case: Case, threads: int, quick: bool) -> list[Row]:
    """Measure a case in a new process on ``threads`` cores."""
    command = [sys.executable, "-m", __name__, case.name, str(threads), *["--quick"][:quick]]
    # What is compiled is compiled anew; the cases of the cache name a folder of their own.
    done = subprocess.run(command, stdout=subprocess.PIPE, cwd=ROOT, env=os.environ | {"TRACER_CACHE_DIR": ""})
    if done.returncode:
        return [Row("(all)", None, "s", note=f"the measuring process ended with {done.returncode}")]
    rows = json.loads(done.stdout.splitlines()[-1])
    return [Row(**row | {"spread": row["spread"] and tuple(row["spread"])}) for row in rows]


def main(name: str, threads: str, *options: str) -> None:
    """Measure and print."""
    use_cores(int(threads))
    rows = list(load_cases()[name].measure(QUICK if "--quick" in options else FULL))
    print(json.dumps([asdict(row) for row in rows]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
