"""From loops to machine code: LLVM text, lanes, vector mathematics, object code."""
