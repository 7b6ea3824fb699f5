"""Tests leave the user's cache alone; those of the cache name a folder of their own."""

import os

import pytest


@pytest.fixture(scope="session", autouse=True)
def _no_cache():
    # Processes that a test starts inherit it.
    before = os.environ.get("TRACER_CACHE_DIR")
    os.environ["TRACER_CACHE_DIR"] = os.environ.get("TRACER_TESTS_CACHE_DIR", "")
    yield
    if before is None:
        del os.environ["TRACER_CACHE_DIR"]
    else:
        os.environ["TRACER_CACHE_DIR"] = before
