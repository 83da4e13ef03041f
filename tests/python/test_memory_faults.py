"""`Memory` when things go wrong: the value is right, nobody is troubled more than once."""

import os
import pickle
import shutil
import subprocess
import sys
import textwrap
import threading
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cjoblib import Memory
from cjoblib.memory import CacheWarning, NotMemorizedResult

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounts, or gives files away")
DEADLINE_S = 60


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache", verbose=0)


@contextmanager
def one_warning(*texts):
    """Exactly one warning, that has all of the texts."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [w.category for w in caught] == [CacheWarning], [str(w) for w in caught]
    for text in texts:
        assert str(text) in str(caught[0].message)


@contextmanager
def silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def mounted(folder, *options):
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True)
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def identity(x):
    return x


# --- damage --------------------------------------------------------------------------


@pytest.mark.parametrize("value", [{"a": 1, "b": "text"}, np.arange(8.0)])
def test_every_flipped_bit_is_noticed(memory, value):
    cached = memory.cache(identity)
    expected = pickle.dumps(cached(value))
    (entry,) = memory.entries()
    path = Path(entry.path)
    whole = path.read_bytes()
    for at in range(len(whole)):
        data = bytearray(whole)
        data[at] ^= 1 << at % 8
        path.write_bytes(data)
        with one_warning(path.name, "damaged"):
            assert pickle.dumps(cached(value)) == expected
        with silence():
            assert pickle.dumps(cached(value)) == expected


@pytest.mark.parametrize("options", [{"compress": 3}, {"mmap_mode": "r"}])
def test_every_lost_end_is_noticed(tmp_path, options):
    memory = Memory(tmp_path, verbose=0, **options)
    cached = memory.cache(np.arange)
    cached(40)
    (entry,) = memory.entries()
    whole = Path(entry.path).read_bytes()
    for n in range(0, len(whole), 5):
        Path(entry.path).write_bytes(whole[:n])
        with one_warning("damaged"):
            np.testing.assert_array_equal(cached(40), np.arange(40))


def test_an_entry_under_another_key_is_not_its_value(memory):
    cached = memory.cache(identity)
    cached(1), cached(2)
    one, two = (
        e.path for e in sorted(memory.entries(), key=lambda e: e.input_args["x"])
    )
    shutil.copy(one, two)
    with one_warning("damaged"):
        assert cached(2) == 2


# --- what can't be stored ------------------------------------------------------------


class Fails:
    def __reduce__(self):
        raise pickle.PicklingError("half way")


def test_pickling_that_fails_half_way(memory):
    cached = memory.cache(lambda: [b"x" * 9000, Fails()])
    for _ in range(2):
        with one_warning("half way", memory.store_backend.location):
            assert len(cached()) == 2
    assert not cached.check_call_in_cache()
    with one_warning("half way"):
        assert isinstance(cached.call_and_shelve(), NotMemorizedResult)
    assert memory.check() == (True, 0, 0, 0, 0, 0)


@NEEDS_ROOT
def test_a_full_disk(tmp_path):
    with mounted(tmp_path / "small", "-t", "tmpfs", "-o", "size=4m", "none") as folder:
        memory = Memory(folder, verbose=0)
        big = memory.cache(lambda n: bytes(4_800_000 + n))
        for n in range(20):
            with one_warning("No space left", folder):
                assert len(big(n)) == 4_800_000 + n
        small = memory.cache(identity)
        with silence():
            assert [small(n) for n in range(50)] == list(range(50))
        assert all(small.check_call_in_cache(n) for n in range(50))
        assert memory.check().ok
        assert memory.check().entries == 50


@NEEDS_ROOT
@pytest.mark.parametrize("backend", ["local", "joblib"])
def test_a_store_that_can_only_be_read(tmp_path, backend):
    folder = tmp_path / "ro"
    folder.mkdir()
    Memory(folder, backend, verbose=0).cache(identity)(1)
    with mounted(folder, "--bind", str(folder)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        memory = Memory(folder, backend, verbose=0)
        cached = memory.cache(identity)
        with silence():
            assert cached(1) == 1
        with one_warning(folder, "Read-only"):
            assert cached(2) == 2
        with one_warning(folder, "Read-only"):
            assert memory.cache(abs)(-1) == 1


@NEEDS_ROOT
def test_entries_of_others_and_links_are_not_read(memory, tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "exploded"),)

    cached = memory.cache(identity)
    cached(1)
    (entry,) = memory.entries()
    path = Path(entry.path)
    os.chown(path, 65534, 65534)
    with one_warning(path.name, "another owner"):
        assert cached(1) == 1
    path.unlink()
    path.symlink_to("/etc/passwd")
    with one_warning(path.name, "link"):
        assert cached(1) == 1
    path.unlink(missing_ok=True)
    (tmp_path / "elsewhere").write_bytes(pickle.dumps(Bomb()))
    path.symlink_to(tmp_path / "elsewhere")
    with one_warning(path.name, "link"):
        assert cached(1) == 1
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("mask", [0o022, 0o000])
def test_files_are_private(tmp_path, mask):
    before = os.umask(mask)
    try:
        memory = Memory(tmp_path / "new", verbose=0)
        memory.cache(identity)(1)
    finally:
        os.umask(before)
    paths = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert {p.stat().st_mode & 0o777 for p in paths if p.is_dir()} == {0o700}
    assert {p.stat().st_mode & 0o777 for p in paths if p.is_file()} == {0o600}


# --- others at work ------------------------------------------------------------------


@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_clearing_and_evicting_meanwhile(tmp_path, mmap_mode):
    memory = Memory(tmp_path, verbose=0, mmap_mode=mmap_mode)
    make = memory.cache(np.full)
    wrong = []
    stop = threading.Event()

    def work():
        try:
            with warnings.catch_warnings():
                for n in range(400):
                    if make(50, n % 20).tolist() != [n % 20] * 50:
                        wrong.append(n)
        except BaseException as error:
            wrong.append(error)

    def disturb():
        try:
            while not stop.is_set():
                memory.reduce_size(items_limit=5)
                make.clear(warn=False)
                memory.clear(warn=False)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    disturber = threading.Thread(target=disturb)
    with silence():
        for thread in (*threads, disturber):
            thread.start()
        for thread in threads:
            thread.join()
        stop.set()
        disturber.join()
    assert wrong == []
    assert memory.check().ok


CALLER = """
    import os, sys
    from cjoblib import Memory

    def slow(x):
        with open("witness", "a") as file:
            file.write("ran\\n")
        if sys.argv[1] == "hold":
            print("inside", flush=True)
            sys.stdin.readline()
        total = 0
        for i in range(2_000_000):
            total += i
        return x, total

    cached = Memory("cache", verbose=0).cache(slow, version=1)
    print("ready", flush=True)
    sys.stdin.readline()
    print(cached(1), flush=True)
"""


def start(folder, *arguments):
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(CALLER), *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def go(process):
    process.stdin.write("go\n")
    process.stdin.flush()


def finish(process):
    out, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0
    return out


def test_processes_compute_once(tmp_path):
    running = [start(tmp_path, "run") for _ in range(8)]
    for process in running:
        go(process)
    assert len({finish(process) for process in running}) == 1
    assert (tmp_path / "witness").read_text() == "ran\n"


def test_the_work_of_a_dead_process_is_taken_over(tmp_path):
    holder, other = start(tmp_path, "hold"), start(tmp_path, "run")
    go(holder)
    assert holder.stdout.readline() == "inside\n"
    go(other)
    holder.kill()
    assert finish(other).startswith("(1, ")
    holder.communicate()
    assert (tmp_path / "witness").read_text() == "ran\n" * 2
    memory = Memory(tmp_path / "cache", verbose=0)
    memory.check(fix=True)
    assert memory.check().ok


def test_nothing_is_left_open(memory):
    cached = memory.cache(identity)
    mapped = memory.cache(identity, mmap_mode="r")
    failing = memory.cache(lambda n: Fails())

    def use(n):
        cached(n), mapped(np.arange(n)), cached(1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            failing(n)

    use(1)
    before = len(os.listdir("/proc/self/fd"))
    for n in range(1, 100):
        use(n)
    assert len(os.listdir("/proc/self/fd")) == before
