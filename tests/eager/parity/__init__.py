"""Sameness with PyTorch: cases as small programs, what PyTorch does with them, and the comparison.

``cases/*.txt`` has the programs, ``recorded.json`` what PyTorch did. ``python -m tests.eager.parity.record`` records anew.
"""
