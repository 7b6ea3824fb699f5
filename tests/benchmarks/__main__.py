"""The command line."""

from __future__ import annotations

import argparse
import sys
import time

from .machine import cores, description
from .registry import load_cases
from .report import RESULTS, section, write
from .worker import rows_of


def main() -> int:
    """Measure the cases named, print their tables, and keep them with ``--write``."""
    cases = load_cases()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measured comparisons with other tools.")
    parser.add_argument("names", nargs="*", metavar="case", help="all, if none is named: " + ", ".join(cases))
    parser.add_argument("--quick", action="store_true", help="fewer samples")
    parser.add_argument("--write", action="store_true", help=f"keep the tables in {RESULTS.name}")
    options = parser.parse_args()
    if unknown := [name for name in options.names if name not in cases]:
        parser.error(f"no case is called {', '.join(unknown)}; there are {', '.join(cases)}")
    print(description(), end="\n\n", flush=True)
    sections = []
    for name in options.names or cases:
        for threads in sorted({min(count, len(cores())) for count in cases[name].threads}, reverse=True):
            start = time.perf_counter()
            sections.append(section(cases[name], threads, rows_of(cases[name], threads, options.quick)))
            print(sections[-1], flush=True)
            print(f"({time.perf_counter() - start:.0f} s)", file=sys.stderr)
    if options.write:
        write(sections)
    return 0


if __name__ == "__main__":
    sys.exit(main())
