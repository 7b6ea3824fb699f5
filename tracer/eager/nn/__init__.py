"""``torch.nn``: the functions; there are no modules."""

from . import functional as functional
