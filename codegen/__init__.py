"""Graph to machine code: simplify, schedule, emit, and the Numba entry."""
