"""`dump` and `load` when it goes wrong, and with files that are not on a disk."""

from __future__ import annotations

import errno
import io
import os
import pickle
import random
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cjoblib.numpy_pickle import dump, load

np = pytest.importorskip("numpy")

KINDS = ["zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd"]

each_kind = pytest.mark.parametrize("kind", KINDS)
each_codec = pytest.mark.parametrize("compress", [0, *KINDS])


# --- never half a file ---


class Failing:
    """Cannot be pickled, and only says so in the middle."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> Any:
        raise self.error


@each_codec
@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failed_dump_changes_nothing(
    compress: Any, error: BaseException, tmp_path: Path
) -> None:
    value = [np.arange(100_000), Failing(error)]
    with pytest.raises(type(error)):
        dump(value, tmp_path / "new", compress=compress)
    dump("old", tmp_path / "file")
    with pytest.raises(type(error)):
        dump(value, tmp_path / "file", compress=compress)
    assert os.listdir(tmp_path) == ["file"]
    assert load(tmp_path / "file") == "old"


def test_mode_is_kept_or_usual(tmp_path: Path) -> None:
    path = tmp_path / "file"
    old = os.umask(0o027)
    try:
        dump(1, path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        dump(2, path, compress=1)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(old)


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder/target")
    for value in (1, 2):  # the target is made, then replaced
        dump(value, tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert load(tmp_path / "folder" / "target") == value
    assert os.listdir(tmp_path / "folder") == ["target"]


def test_errors_name_the_file(tmp_path: Path) -> None:
    for path, number in [
        (tmp_path / "none" / "file", errno.ENOENT),
        (tmp_path, errno.EISDIR),
        (Path("/dev/full"), errno.ENOSPC),
    ]:
        for compress in (0, "lz4"):
            with pytest.raises(OSError, match=str(path)) as caught:
                dump(np.arange(100_000), path, compress=compress)
            assert caught.value.errno == number
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        load(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anything")
def test_not_ours_to_write(tmp_path: Path) -> None:
    dump(1, tmp_path / "file")
    (tmp_path / "file").chmod(0o444)
    with pytest.raises(PermissionError, match="file"):
        dump(2, tmp_path / "file")
    (tmp_path / "file").chmod(0o644)
    tmp_path.chmod(0o555)
    with pytest.raises(PermissionError, match="other"):
        dump(2, tmp_path / "other")
    tmp_path.chmod(0o755)
    assert load(tmp_path / "file") == 1


@pytest.mark.parametrize("compress", [0, "gzip"])
def test_fifo(compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    array = np.arange(100_000)
    writer = threading.Thread(
        target=dump, args=([array, 1], path, compress), daemon=True
    )
    writer.start()
    np.testing.assert_array_equal(load(path)[0], array)
    writer.join()
    assert stat.S_ISFIFO(path.stat().st_mode)


# --- damaged files ---


@each_codec
def test_truncated(compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    dump([np.arange(1000), "end" * 100], path, compress=compress)
    data = path.read_bytes()
    for cut in [*range(1, len(data), 97), len(data) - 1]:
        path.write_bytes(data[:cut])
        with pytest.raises((EOFError, ValueError, pickle.UnpicklingError)) as caught:
            load(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "lzma"])
def test_flipped_bits_are_noticed(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    value = [np.random.RandomState(0).bytes(3000), list(range(100))]
    dump(value, path, compress=kind)
    data = bytearray(path.read_bytes())
    choose = random.Random(0)
    for _ in range(150):
        # Not in the header: some of its bits say nothing, others "not compressed".
        at, bit = choose.randrange(16, len(data)), 1 << choose.randrange(8)
        data[at] ^= bit
        path.write_bytes(data)
        data[at] ^= bit
        try:
            found = load(path)
        except Exception:  # which one depends on the bit
            continue
        assert found == value


@each_kind
def test_trailing_garbage(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    dump(np.arange(10), path, compress=kind)
    with open(path, "ab") as file:
        file.write(b"some bytes that do not belong here")
    with pytest.raises(OSError, match=str(path)):
        load(path)


# --- file objects ---


@each_codec
def test_bytes_io(compress: Any) -> None:
    buffer = io.BytesIO()
    assert dump([np.arange(5), 1], buffer, compress=compress) is None
    for _ in range(2):  # from the end it goes back to the start by itself
        assert load(buffer)[0].tolist() == [0, 1, 2, 3, 4]


def test_several_dumps_are_read_back_in_turn(tmp_path: Path) -> None:
    values = [np.arange(5), "text", np.ones((3, 3), order="F")]
    for file in (open(tmp_path / "file", "w+b"), io.BytesIO()):
        with file:
            file.write(b"header")
            for value in values:
                dump(value, file)
            file.seek(6)
            for value in values:
                np.testing.assert_array_equal(load(file), value)


def connect_pipe(buffering: int) -> tuple[Any, Any]:
    r, w = os.pipe()
    return open(r, "rb", buffering), open(w, "wb", buffering)


def connect_socket(buffering: int) -> tuple[Any, Any]:
    one, other = socket.socketpair()
    with one, other:  # the files keep them
        return one.makefile("rb", buffering), other.makefile("wb", buffering)


@each_codec
@pytest.mark.parametrize("buffering", [-1, 0], ids=["buffered", "raw"])
@pytest.mark.parametrize("connect", [connect_pipe, connect_socket])
def test_pipes_and_sockets(
    connect: Callable[[int], tuple[Any, Any]], buffering: int, compress: Any
) -> None:
    reader, writer = connect(buffering)
    value = [np.arange(200_000), "text", np.ones((300, 300), order="F")[::2]]

    def write() -> None:
        with writer:
            dump(value, writer, compress=compress)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    with reader:
        found = load(reader)
    thread.join()
    assert found[1] == "text"
    np.testing.assert_array_equal(found[0], value[0])
    np.testing.assert_array_equal(found[2], value[2])


def test_a_plain_object_with_write_keeps_what_it_gets() -> None:
    class Writer:
        def __init__(self) -> None:
            self.pieces: list[bytes] = []

        def write(self, data: bytes) -> None:
            self.pieces.append(data)

    class Reader:
        def __init__(self, data: bytes) -> None:
            self.below = io.BytesIO(data)

        def read(self, size: int) -> bytes:
            return self.below.read(size)

        def readline(self) -> bytes:
            return self.below.readline()

    for compress in (0, "zlib"):
        writer, array = Writer(), np.arange(1000)
        dump(array, writer, compress=compress)
        array[:] = 0
        found = load(Reader(b"".join(writer.pieces)))
        assert found.tolist() == list(range(1000))
