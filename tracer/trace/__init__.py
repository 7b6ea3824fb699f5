"""Tracing: traced values, NumPy's protocols, rebinding and argument trees."""
