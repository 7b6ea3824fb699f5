"""Record what PyTorch does with the cases and programs: ``python -m tests.eager.parity.record``."""

import json
import sys

import torch

from .collection import RECORDED, cases
from .operations import operations, recorded_program
from .programs import RECORDED_SEEDS, program_of_seed
from .transcript import transcript


def main() -> int:
    """Write the recording, one line per case."""
    programs = {str(case): case.program for case in cases()} | {f"program {seed}": program_of_seed(seed) for seed in RECORDED_SEEDS}
    programs |= {f"operation {expression}": recorded_program(expression, domain) for expression, domain in operations()}
    entries = []
    for name, program in programs.items():
        torch.manual_seed(0)
        entries.append(f"{json.dumps(name)}: {json.dumps(transcript(program, torch), ensure_ascii=False)}")
    RECORDED.write_text("{\n" + ",\n".join(entries) + "\n}\n")
    print(f"{len(entries)} cases recorded with torch {torch.__version__}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
