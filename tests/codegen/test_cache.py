"""The disk cache: entries, their folder, and what can be wrong with either."""

import os
import random
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from codegen.cache import folder as folders
from codegen.cache.store import MAGIC, Entry, Store, digest_of, open_store
from tracer.errors import CacheWarning

ENTRY = Entry({"imports": ["exp"], "nested": {"x": [1, 2.5, None]}}, (b"object code" * 20, b"", bytes(range(256))))
KEY = digest_of("some", "text")


@pytest.fixture
def store(tmp_path):
    tmp_path.chmod(0o700)
    return Store(str(tmp_path), 1 << 20)


def put(store, key=KEY, entry=ENTRY) -> Path:
    store.put("kernel", key, entry)
    return Path(store.folder, f"kernel-{key}.entry")


def test_an_entry_comes_back(store):
    path = put(store)
    assert store.get("kernel", KEY) == ENTRY
    assert path.stat().st_mode & 0o777 == 0o600
    assert store.get("kernel", digest_of("other")) is None and store.get("entry", KEY) is None
    assert [p.name for p in Path(store.folder).iterdir()] == [path.name]


def test_keys_do_not_run_into_each_other():
    assert digest_of("ab", "c") != digest_of("a", "bc") != digest_of("abc")
    assert digest_of("a", "") != digest_of("a")


def test_a_thousand_flipped_bits_are_misses(store):
    path = put(store)
    whole = path.read_bytes()
    places = random.Random(0).sample(range(8 * len(whole)), 1000)
    for place in places:
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        assert store.get("kernel", KEY) is None, place
        assert not path.exists(), place


def test_truncated_and_lengthened_entries_are_misses(store):
    path = put(store)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert store.get("kernel", KEY) is None, length
    path.write_bytes(whole + b"\0")
    assert store.get("kernel", KEY) is None
    path.write_bytes(whole)
    assert store.get("kernel", KEY) == ENTRY


def test_an_entry_under_a_foreign_name_is_a_miss(store):
    path = put(store)
    other = digest_of("other")
    path.rename(path.with_name(f"kernel-{other}.entry"))
    assert store.get("kernel", other) is None
    put(store).rename(path.with_name(f"entry-{KEY}.entry"))
    assert store.get("entry", KEY) is None


def test_an_entry_of_another_format_is_a_miss(store):
    path = put(store)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(MAGIC, MAGIC.replace(b"1", b"2"), 1))
    assert store.get("kernel", KEY) is None


def test_half_written_entries_are_not_seen_and_removed_later(store):
    left = Path(store.folder, "1-abc.part")
    left.write_bytes(b"half")
    fresh = Path(store.folder, "2-abc.part")
    fresh.write_bytes(b"being written")
    os.utime(left, (0, 0))
    assert store.entries() == []
    store.evict()
    assert not left.exists() and fresh.exists()


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_an_entry_that_others_can_write_is_a_miss(store, mode):
    put(store).chmod(mode)
    assert store.get("kernel", KEY) is None


def test_an_entry_of_another_user_is_a_miss(store, monkeypatch):
    put(store)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    assert store.get("kernel", KEY) is None


def test_a_link_is_no_entry(store, tmp_path):
    path = put(store)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert store.get("kernel", KEY) is None


def test_the_least_recently_used_go(tmp_path):
    store = Store(str(tmp_path), 40_000)
    keys = [digest_of(str(k)) for k in range(30)]
    for age, key in enumerate(keys):
        os.utime(put(store, key, Entry({}, (bytes(1000),))), (1000 + age, 1000 + age))
    assert store.get("kernel", keys[0]) is not None  # used now
    for k in range(20):
        put(store, digest_of(f"more {k}"), Entry({}, (bytes(1000),)))
    kept = [k for k, key in enumerate(keys) if store.get("kernel", key) is not None]
    assert 0 in kept and 1 not in kept and 29 in kept
    assert sum(stored.size for stored in store.entries()) <= 40_000


def test_an_entry_as_large_as_the_cache_is_not_kept(tmp_path):
    store = Store(str(tmp_path), 4000)
    put(store, entry=Entry({}, (bytes(1000),)))
    assert store.entries() == []


def test_clearing(store):
    put(store)
    put(store, digest_of("other"))
    assert store.clear() == 2 and store.entries() == [] and store.get("kernel", KEY) is None


def test_a_disk_that_takes_nothing_is_no_error(store, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")
    for name in ("open", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, full)
            put(store)
        assert list(Path(store.folder).iterdir()) == []


def test_a_file_that_may_not_grow_is_no_error(tmp_path):
    pytest.importorskip("resource")
    tmp_path.chmod(0o700)
    run(f"""
        import os, resource, signal
        from codegen.cache.store import Entry, Store
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        store = Store({str(tmp_path)!r}, 1 << 20)
        store.put("kernel", "0", Entry({{}}, (bytes(1000),)))
        assert store.get("kernel", "0") is None and os.listdir({str(tmp_path)!r}) == []
    """)


def test_a_folder_that_is_removed_meanwhile_is_no_error(store):
    os.rmdir(store.folder)
    put(store)
    assert store.get("kernel", KEY) is None and store.entries() == [] and store.clear() == 0


# The folder ---------------------------------------------------------------------------------------------------------------------

def test_the_folder_is_made_private(tmp_path, monkeypatch):
    chosen = tmp_path / "a" / "b"
    monkeypatch.setenv(folders.VARIABLE, str(chosen))
    assert open_store().folder == str(chosen)
    assert chosen.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o720, 0o702, 0o777])
def test_a_folder_that_others_can_write_is_not_used(tmp_path, monkeypatch, mode):
    tmp_path.chmod(mode)
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path))
    with pytest.warns(CacheWarning) as caught:
        assert open_store() is None
    assert str(caught[0].message) == (f"the cache is not used: {tmp_path} can be written by other users (mode 0{mode:o}); chmod 700 makes it private.")


def test_a_folder_of_another_user_is_not_used(tmp_path, monkeypatch):
    tmp_path.chmod(0o700)
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.warns(CacheWarning, match="belongs to another user"):
        assert open_store() is None


def test_a_folder_that_cannot_be_made_means_no_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(folders.VARIABLE, str(tmp_path / "file" / "below"))
    assert open_store() is None


def test_where_the_folder_is(monkeypatch):
    monkeypatch.setenv(folders.VARIABLE, "")
    assert folders.wanted_folder() is None and open_store() is None
    monkeypatch.setenv(folders.VARIABLE, "~/some")
    assert folders.wanted_folder() == os.path.expanduser("~/some")
    monkeypatch.delenv(folders.VARIABLE)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert folders.wanted_folder() == "/caches/tracegrad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert folders.wanted_folder() == os.path.expanduser("~/.cache/tracegrad")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert folders.wanted_folder() == os.path.expanduser("~/Library/Caches/tracegrad")


def test_two_processes_write_the_same_entry(tmp_path):
    tmp_path.chmod(0o700)
    text = f"""
        from codegen.cache.store import Entry, Store
        store = Store({str(tmp_path)!r}, 1 << 30)
        blocks = bytes(range(256)) * 400
        for k in range(300):
            store.put("kernel", str(k % 7), Entry({{}}, (blocks,)))
            found = store.get("kernel", str(k % 5))
            assert found is None or found.blocks == (blocks,), k
    """
    started = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(text)], cwd=Path(__file__).parents[2]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 7


def test_use_is_noted(store):
    path = put(store)
    os.utime(path, (1000, 1000))
    store.get("kernel", KEY)
    assert path.stat().st_mtime > time.time() - 60


def run(text: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
