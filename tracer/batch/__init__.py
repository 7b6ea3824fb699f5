"""Calls for many samples at once: ``loss.batch(X)``."""
