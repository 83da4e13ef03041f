"""`dump` when it is killed, interrupted, or has no room: old or new, nothing else."""

from __future__ import annotations

import errno
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from cjoblib.numpy_pickle import dump, load

np = pytest.importorskip("numpy")


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
    )


DUMPING = """
    import sys
    import numpy as np
    from cjoblib import dump
    compress = eval(sys.argv[2])
    values = [np.full(400_000, k) for k in range(2)]
    dump(values[0], sys.argv[1], compress=compress)
    print("begun", flush=True)
    while True:
        for value in values:
            dump(value, sys.argv[1], compress=compress)
"""


@pytest.mark.parametrize("compress", [0, 1, "blosc"])
def test_killed(compress: Any, tmp_path: Path) -> None:
    """Old or new, and nothing besides."""
    rng = random.Random(0)
    for _ in range(5):
        child = start(DUMPING, tmp_path / "file", repr(compress))
        assert child.stdout is not None
        with child.stdout:
            assert child.stdout.readline() == "begun\n"
            signal.sigtimedwait([], rng.random() / 50)
            child.kill()
            child.wait()
        found = load(tmp_path / "file", verify=True)
        assert found[0] in (0, 1)
        assert (found == found[0]).all()
    dump("new", tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("compress", [0, 1, "zstd"])
def test_interrupted(compress: Any, tmp_path: Path) -> None:
    """Ctrl-C in the middle of the elements."""
    dump("old", tmp_path / "file")
    array = np.random.RandomState(0).rand(3_000_000)
    caught = threading.Event()

    def handler(number: int, frame: object) -> None:
        caught.set()
        raise KeyboardInterrupt

    class Interrupting:
        def __reduce__(self) -> Any:
            signal.raise_signal(signal.SIGUSR1)
            return (str, ())

    class Later:
        """A signal comes while C is at work."""

        def __reduce__(self) -> Any:
            signal.setitimer(signal.ITIMER_REAL, 0.001)
            return (str, ())

    before = [(number, signal.signal(number, handler))
              for number in (signal.SIGUSR1, signal.SIGALRM)]  # fmt: skip
    try:
        for value in ([array, Interrupting()], [Later(), array, array, array, array]):
            caught.clear()
            with pytest.raises(KeyboardInterrupt):
                dump(value, tmp_path / "file", compress=compress)
            assert caught.is_set()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, old in before:
            signal.signal(number, old)
    assert load(tmp_path / "file") == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.fixture
def small(tmp_path: Path) -> Any:
    """A file system of 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "cjoblib", str(folder)],
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("cannot mount")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("compress", [0, "lz4", "blosc"])
def test_no_space(compress: Any, small: Path) -> None:
    dump("old", small / "file")
    values = [np.random.RandomState(0).rand(1_000_000), os.urandom(8_000_000)]
    if compress == "blosc":
        del values[1]
    for value in values:
        for name in ("file", "new"):
            with pytest.raises(OSError, match=str(small / name)) as caught:
                dump(value, small / name, compress=compress)
            assert caught.value.errno == errno.ENOSPC
    assert os.listdir(small) == ["file"]
    assert load(small / "file") == "old"
    dump(np.arange(100_000), small / "file", compress=compress)
    assert os.statvfs(small).f_bavail * 4096 > 3_000_000


def test_targets_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        dump(1, tmp_path)
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        load(tmp_path)
    with pytest.raises(FileNotFoundError, match="none"):
        dump(1, tmp_path / "none" / "file")
    for compress in (0, 3):
        with pytest.raises(OSError, match="/dev/full") as caught:
            dump(np.zeros(1_000_000), "/dev/full", compress=compress)
        assert caught.value.errno == errno.ENOSPC
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_mapped_files_that_are_replaced(tmp_path: Path) -> None:
    """The reader keeps what it had, also when it is what is dumped."""
    path = tmp_path / "file"
    array = np.arange(100_000)
    dump(array, path)
    for mode in ("r", "c", "r+"):
        mapped = load(path, mmap_mode=mode)
        dump(mapped, path)
        assert np.array_equal(load(path), array)
        dump(array * 2, path)
        assert np.array_equal(mapped, array)
        dump(array, path)


def test_a_reader_of_pickles_alone_may_leave_first(tmp_path: Path) -> None:
    """What is written into a FIFO ends with the pickle, for a reader that is then gone."""
    os.mkfifo(tmp_path / "fifo")
    found = []

    def read() -> None:
        with open(tmp_path / "fifo", "rb") as file:
            found.append(load(file))

    for compress in (0, "zlib"):
        reader = threading.Thread(target=read)
        reader.start()
        dump([np.arange(30_000), "end"], tmp_path / "fifo", compress=compress)
        reader.join()
        assert found.pop()[1] == "end"
    assert stat.S_ISFIFO(os.stat(tmp_path / "fifo").st_mode)


def test_raw_sockets() -> None:
    """They take and give some bytes at a time, and stay open."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        socket.SocketIO(ours, "w") as out,
        socket.SocketIO(theirs, "r") as into,
    ):
        for value in (np.arange(300_000), "text", list(range(10_000))):
            writer = threading.Thread(target=dump, args=(value, out))
            writer.start()
            assert repr(load(into)) == repr(value)
            writer.join()


def test_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dump([1], tmp_path / "file", durable=True)
    assert load(tmp_path / "file", verify=True) == [1]
    monkeypatch.setenv("CJOBLIB_DURABLE", "1")
    dump([2], tmp_path / "file", compress=1)
    assert load(tmp_path / "file", verify=True) == [2]


MEMORY = """
    import sys
    import numpy as np
    from cjoblib import dump
    compress = int(sys.argv[2])
    dump(np.arange(1000), sys.argv[1], compress=compress)
    array = np.ones(1 << 23)

    def kilobytes(field):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith(field))

    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before = kilobytes("VmRSS:")
    dump(array, sys.argv[1], compress=compress)
    print(kilobytes("VmHWM:") - before)
"""


@pytest.mark.parametrize(("compress", "limit"), [(0, 2 << 10), (1, 8 << 10)])
def test_memory(compress: int, limit: int, tmp_path: Path) -> None:
    child = start(MEMORY, tmp_path / "file", compress)
    output, _ = child.communicate()
    assert child.returncode == 0
    assert int(output) <= limit
