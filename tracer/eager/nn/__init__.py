"""``torch.nn``: the functions and parameters; there are no modules."""

from ..refused import refusal
from . import functional as functional
from .parameter import Parameter as Parameter


def __getattr__(name: str):
    raise refusal(__name__, name)
