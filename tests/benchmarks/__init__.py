"""Measured comparisons with other tools: ``python -m tests.benchmarks``. No test asserts a time, and pytest collects nothing here.

registry.py   what a case, a figure asked for and a measured row are; the table of cases
timing.py     interleaved samples, medians
counting.py   how much code there is to compile
machine.py    cores, threads, versions
problems/     functions with arguments, a gradient by hand, and the best formulation of each peer that needs one of its own
peers/        how each peer makes a value-and-gradient of a problem; each may be missing
cases/        what is measured, with the figures asked for
worker.py     runs one case in a process of its own, on a fixed number of cores
report.py     rows as Markdown, kept in RESULTS.md
"""
