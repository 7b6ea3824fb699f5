"""The Numba entry: the object that a user holds, and how calls from Python and from compiled code reach kernels.

The only place with Numba's private API; tests/codegen/test_entry.py has a canary for each name.
"""
from .answers import resolve
from .c_function import CFunction
from .dispatcher import EntryDispatcher
from .registry import ATTRIBUTE, equal_objects, keep_state, live_object
from .state import MAX_SPECIALISATIONS
from .types import Leaf, Signature, Specialisation, Specialiser

__all__ = ["ATTRIBUTE", "MAX_SPECIALISATIONS", "CFunction", "EntryDispatcher", "Leaf", "Signature", "Specialisation", "Specialiser",
           "equal_objects", "keep_state", "live_object", "resolve"]
