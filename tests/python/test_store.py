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
