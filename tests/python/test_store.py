"""The binding of the store: ``_core.Store``, ``_core.Shelf``, ``_core.Lease``."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from cjoblib import _core

KEY = bytes(range(16))
VERSION = b"v" * 16


def shelf_in(folder, **options):
    return _core.Store(folder, **options).shelf("module/function", VERSION)


def child(code, folder):
    """An interpreter that runs `code` with `shelf`, and prints when it is ready."""
    text = textwrap.dedent(
        """
        import os, sys, time
        from cjoblib import _core
        KEY = bytes(range(16))
        shelf = _core.Store(sys.argv[1]).shelf("module/function", b"v" * 16)
        """
    ) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", text, str(folder)], stdout=subprocess.PIPE, text=True
    )


def test_a_claim_computes_or_finds(tmp_path):
    shelf = shelf_in(tmp_path)
    outcome, meta, value, lease = shelf.claim(KEY)
    assert (outcome, meta, value) == (_core.MISS, None, None)
    assert isinstance(lease, _core.Lease)
    assert shelf.claim(KEY)[3] is None  # recursion: compute without
    shelf.put(KEY, b"meta", [1, 2])
    lease.release(True)
    lease.release(True)
    assert shelf.claim(KEY) == (0, b"meta", [1, 2], None)


def test_a_dropped_lease_is_given_back(tmp_path):
    shelf, found = shelf_in(tmp_path), []
    lease = shelf.claim(KEY)[3]

    def look():
        found.append(shelf_in(tmp_path).claim(KEY, False)[3] is not None)

    def look_in_thread():
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()

    look_in_thread()
    del lease
    look_in_thread()
    assert found == [False, True]


def test_threads_compute_once(tmp_path):
    n_computed, results = [], []
    start = threading.Barrier(8)

    def call():
        shelf = shelf_in(tmp_path)
        start.wait()
        outcome, _, value, lease = shelf.claim(KEY)
        if outcome:
            n_computed.append(1)
            value = {"value": 42}
            shelf.put(KEY, b"", value)
            lease.release(True)
        results.append(value)

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(n_computed) == 1
    assert results == [{"value": 42}] * 8


def test_a_killed_holder_is_followed_at_once(tmp_path):
    holder = child(
        """
        lease = shelf.claim(KEY)[3]
        print(lease is not None, flush=True)
        time.sleep(1000)
        """,
        tmp_path,
    )
    assert holder.stdout.readline() == "True\n"
    shelf = shelf_in(tmp_path)
    assert shelf.claim(KEY, False)[3] is None
    holder.kill()
    begun = time.monotonic()
    assert shelf.claim(KEY)[3] is not None
    assert time.monotonic() - begun < 1
    holder.wait()
    holder.stdout.close()


def test_a_forked_child_keeps_nothing_of_a_killed_parent(tmp_path):
    holder = child(
        """
        lease = shelf.claim(KEY)[3]
        pid = os.fork()
        if pid == 0:
            lease.release(True)
            assert shelf.claim(KEY, False)[3] is None  # still the parent's
            print(os.getpid(), flush=True)
            time.sleep(1000)
        time.sleep(1000)
        """,
        tmp_path,
    )
    grandchild = int(holder.stdout.readline())
    try:
        shelf = shelf_in(tmp_path)
        assert shelf.claim(KEY, False)[3] is None
        holder.kill()
        holder.wait()
        outcome, _, _, lease = shelf.claim(KEY)
        assert outcome == _core.MISS
        assert lease is not None
    finally:
        os.kill(grandchild, signal.SIGKILL)
        holder.stdout.close()


def test_ctrl_c_ends_the_wait(tmp_path):
    shelf = shelf_in(tmp_path)
    lease = shelf.claim(KEY)[3]
    waiter = child(
        """
        print("ready", flush=True)
        try:
            shelf.claim(KEY)
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
        tmp_path,
    )
    assert waiter.stdout.readline() == "ready\n"
    number = f":{os.stat(tmp_path / 'cjoblib' / '.leases').st_ino} "

    def waits():
        lines = Path("/proc/locks").read_text().splitlines()
        return any(number in line and "->" in line for line in lines)

    while not waits():
        assert waiter.poll() is None
    waiter.send_signal(signal.SIGINT)
    assert waiter.stdout.read() == "interrupted\n"
    assert waiter.wait() == 0
    waiter.stdout.close()
    lease.release(True)


def test_durable_entries_are_entries(tmp_path):
    shelf_in(tmp_path, durable=True).put(KEY, b"", "value")
    assert shelf_in(tmp_path).get(KEY) == (0, b"", "value")


@pytest.mark.parametrize("wrong", [b"short", "text", None, b"x" * 17])
def test_what_is_no_key_is_named(tmp_path, wrong):
    with pytest.raises(ValueError, match="a key is 16 bytes"):
        shelf_in(tmp_path).claim(wrong)


def test_versions_notes_and_entries(tmp_path):
    store = _core.Store(tmp_path)
    old, new = (store.shelf("m/f", version * 16) for version in (b"o", b"n"))
    old.put(KEY, b"meta", 1)
    new.put(KEY, b"", 2)
    assert old.note() is None
    old.set_note(b"def f(): ...")
    assert old.note() == b"def f(): ..."
    assert sorted(new.versions()) == [b"n" * 16, b"o" * 16]
    assert sorted(version for _, version in store.versions()) == sorted(new.versions())
    (folder,) = (path for path, version in store.versions() if version == b"o" * 16)
    assert os.path.join(tmp_path, folder) == old.path
    ((path, size, created, used, meta, is_sound),) = store.entries(folder)
    assert os.path.getsize(tmp_path / path) == size
    assert abs(time.time() - created) < 60
    assert abs(time.time() - used) < 60
    assert (meta, is_sound) == (b"meta", True)
    new.clear("others")
    assert old.note() is None
    assert new.versions() == [b"n" * 16]
    new.clear("this")
    assert store.versions() == []
    with pytest.raises(ValueError, match="'all', 'this' or 'others', not 'all of it'"):
        new.clear("all of it")


def test_ttl_is_counted_from_the_making(tmp_path):
    shelf_in(tmp_path).put(KEY, b"", 1)
    assert shelf_in(tmp_path, ttl=3600).get(KEY) == (0, b"", 1)
    brief = shelf_in(tmp_path, ttl=1e-9)
    assert brief.get(KEY)[0] == _core.MISS
    assert not brief.has(KEY)
    for wrong in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="ttl is a time above 0"):
            shelf_in(tmp_path, ttl=wrong)
    with pytest.raises(TypeError):
        shelf_in(tmp_path, ttl="soon")


def test_reduce_removes_what_was_used_longest_ago(tmp_path):
    store = _core.Store(tmp_path)
    shelf = store.shelf("m/f", VERSION)
    keys = [bytes([i]) * 16 for i in range(10)]
    for hours, key in enumerate(keys):
        shelf.put(key, b"", hours)
        then = time.time() - 3600 * hours
        os.utime(os.path.join(shelf.path, key.hex()), (then, then))
    size = store.info()["bytes"] // 10
    assert store.info()["entries"] == 10
    assert store.reduce()["removed"] == 0
    assert store.reduce(items_limit=8) == {
        "removed": 2,
        "removed_bytes": 2 * size,
        "entries": 8,
        "bytes": 8 * size,
    }
    assert store.reduce(bytes_limit=6 * size)["entries"] == 6
    assert store.reduce(age_limit=3600 * 2.5)["entries"] == 3
    assert [shelf.has(key) for key in keys] == [True] * 3 + [False] * 7
    assert store.statistics()["evicted"] == 7
    for wrong in ({"items_limit": -1}, {"age_limit": -1.0}, {"bytes_limit": 2**64}):
        with pytest.raises(ValueError, match="from 0"):
            store.reduce(**wrong)
    with pytest.raises(TypeError, match="whole number"):
        store.reduce(bytes_limit="1K")


def test_max_bytes_is_kept_by_puts(tmp_path):
    store = _core.Store(tmp_path, max_bytes=10_000)
    shelf = store.shelf("m/f", VERSION)
    for number in range(100):
        shelf.put(number.to_bytes(16, "big"), b"", b"x" * 1000)
        assert store.check()["bytes"] <= 10_000
    assert store.info()["entries"] == store.check()["entries"]
    with pytest.raises(OSError, match="[Tt]oo large") as error:
        shelf.put(KEY, b"", b"x" * 10_000)
    assert error.value.filename == shelf.path
    with pytest.raises(ValueError, match="max_bytes"):
        _core.Store(tmp_path, max_bytes=0)


def test_an_idle_store_keeps_no_file_open_for_writing(tmp_path):
    shelf = shelf_in(tmp_path, max_bytes=10**6)
    lease = shelf.claim(KEY)[3]
    shelf.put(KEY, b"", 1)
    lease.release(True)
    flags = []
    for fd in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{fd}"
        if os.path.exists(path) and os.readlink(path).startswith(str(tmp_path)):
            info = Path(f"/proc/self/fdinfo/{fd}").read_text()
            flags.append(int(info.split("flags:")[1].split()[0], 8))
    assert flags
    assert not any(flag & (os.O_WRONLY | os.O_RDWR) for flag in flags)
