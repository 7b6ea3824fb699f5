"""Divisions by zero and overflows are results, and no warnings."""

import subprocess
import sys

PROGRAM = """
from tracer import eager as torch
x = torch.tensor([0.0], requires_grad=True)
x.sqrt().sum().backward()
print(x.grad, 1 / torch.zeros(1), torch.tensor([1e30]) * 1e30, torch.zeros(1).log())
"""


def test_infinities_are_silent():
    """In a process of its own, since pytest sets the filters of warnings anew."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    assert done.stdout == "tensor([inf]) tensor([inf]) tensor([inf]) tensor([-inf])\n" and done.stderr == ""


def test_it_is_found_in_the_package_that_was_imported():
    code = "import tracer; print(tracer.eager.tensor(1.0))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "tensor(1.)\n"
