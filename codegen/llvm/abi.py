"""What callers of a kernel know of it: its name in the object code, and what it returns beside 0."""

KERNEL = "kernel"
BAD_ACCESS, BAD_INDEX, NO_MEMORY = 1, 2, 3  # an index of ours, or of the user's, was out of range; a tape could not grow
