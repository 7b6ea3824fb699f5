"""Repetition in a graph: runs of equal operations found and rolled into loops, and loops put together from what is known of their body."""
