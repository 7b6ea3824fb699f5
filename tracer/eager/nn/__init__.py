"""``torch.nn``: the functions and parameters; there are no modules."""

from . import functional as functional
from .parameter import Parameter as Parameter
