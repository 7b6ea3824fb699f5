"""Which rows belong to which level, in the order in which they are tried."""

from __future__ import annotations

import functools

from .fast_rules import FAST_RULES
from .movement_rules import MOVEMENT_RULES
from .pattern import Rule, RuleIndex
from .rules import ACCURACY_RULES, EXACT_RULES, MARKER_RULES

LEVELS: dict[str | bool, tuple[Rule, ...]] = {
    False: MARKER_RULES,
    # For graphs that are expanded already: no row makes an operation that has an expansion.
    "exact": (*MARKER_RULES, *EXACT_RULES, *MOVEMENT_RULES),
    "safe": (*MARKER_RULES, *EXACT_RULES, *ACCURACY_RULES, *MOVEMENT_RULES),
    # Rows of real-number algebra come first: where both match, they do more.
    "fast": (*MARKER_RULES, *FAST_RULES, *EXACT_RULES, *ACCURACY_RULES, *MOVEMENT_RULES),
}


@functools.cache
def index_of(level: str | bool) -> RuleIndex:
    """The compiled table of a level."""
    return RuleIndex(LEVELS[level])
