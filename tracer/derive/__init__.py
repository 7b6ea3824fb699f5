"""Derivatives as graph passes: reverse and forward sweeps that add nodes to the same trace."""
