"""What a user chooses beside the function and its arguments."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """The options of a compiled object.

    ``simplify``  "safe", "fast" or False
    ``cache``     whether what is compiled is kept on disk and looked for there
    """

    simplify: str | bool = "safe"
    cache: bool = True
