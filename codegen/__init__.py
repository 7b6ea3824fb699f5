"""From graphs to machine code: simplification, loops, readable source, LLVM, the Numba entry."""
