"""What callers of a kernel know of it: its name in the object code, and what it returns beside 0."""

KERNEL = "kernel"
BAD_ACCESS, BAD_INDEX = 1, 2  # an index of ours, or of the user's, was out of range
