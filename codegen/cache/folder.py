"""Where the cache is, and whether it may be trusted: a folder that nobody but its owner can write."""

from __future__ import annotations

import os
import stat
import sys

VARIABLE = "TRACER_CACHE_DIR"


def wanted_folder() -> str | None:
    """The folder that is asked for: ``TRACER_CACHE_DIR``, else one among the user's caches; None when the variable is empty."""
    chosen = os.environ.get(VARIABLE)
    if chosen is not None:
        return os.path.abspath(os.path.expanduser(chosen)) if chosen else None
    home = os.path.expanduser("~")
    if not os.path.isabs(home):
        return None
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.join(home, "AppData", "Local")
    elif sys.platform == "darwin":
        base = os.path.join(home, "Library", "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache")
    return os.path.join(base, "tracegrad")


def prepared(folder: str) -> bool:
    """Make the folder (mode 0700) if it is not there; whether it can be had."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
    except OSError:
        return False
    return True


def distrust(folder: str) -> str | None:
    """Why entries of this folder must not be run: it does not belong to this user, or others may write to it. None when all is well."""
    try:
        found = os.stat(folder)
    except OSError as error:
        return f"{folder} cannot be read ({error.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return f"{folder} is no folder"
    return _distrust(found, folder)


def is_private(descriptor: int) -> bool:
    """Whether an open entry is a plain file that nobody but its owner, who is this user, can write."""
    found = os.fstat(descriptor)
    return stat.S_ISREG(found.st_mode) and _distrust(found, "it") is None


def _distrust(found: os.stat_result, name: str) -> str | None:
    if os.name != "posix":
        return None  # the folders of a user's profile are private by their access lists
    if found.st_uid != os.geteuid():
        return f"{name} belongs to another user"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return f"{name} can be written by other users (mode {stat.S_IMODE(found.st_mode):04o}); chmod 700 makes it private"
    return None
