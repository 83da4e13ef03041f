"""Compressed files: cjoblib.compressor, and the Encoder and Decoder below it."""

from __future__ import annotations

import bz2
import errno
import gc
import gzip
import io
import lzma
import os
import threading
import weakref
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cjoblib import _core
from cjoblib.compressor import (
    _COMPRESSORS,
    BinaryGzipFile,
    BinaryLZ4File,
    BinaryXZFile,
    BinaryZlibFile,
    CodecFile,
    CompressorWrapper,
    register_compressor,
)

KINDS = ["zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd"]
DATA = os.urandom(200_000) + bytes(400_000) + b"the end"

STANDARD: dict[str, tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]] = {
    "zlib": (zlib.compress, zlib.decompress),
    "gzip": (gzip.compress, gzip.decompress),
    "bz2": (bz2.compress, bz2.decompress),
    "xz": (lzma.compress, lzma.decompress),
    "lzma": (lambda data: lzma.compress(data, lzma.FORMAT_ALONE), lzma.decompress),
}


def encoded(kind: str, data: bytes, level: int | None = None) -> bytes:
    file = io.BytesIO()
    encoder = _core.Encoder(file.write, kind, level)
    encoder.write(data)
    encoder.finish()
    return file.getvalue()


def decoded(kind: str, stream: bytes) -> bytes:
    with opened(kind, io.BytesIO(stream)) as file:
        return bytes(file.read())


def opened(kind: str, file: Any, mode: str = "rb") -> CodecFile:
    made: CodecFile = _COMPRESSORS[kind].fileobj_factory(file, mode)
    return made


class Boom(Exception):
    """What a broken file raises in these tests."""


def boom(*args: object) -> Any:
    raise Boom(args)


# --- Encoder and Decoder ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("data", [b"", b"a", DATA], ids=["empty", "one", "big"])
def test_round_trip(kind: str, data: bytes) -> None:
    assert decoded(kind, encoded(kind, data)) == data


@pytest.mark.parametrize("kind", STANDARD)
def test_the_standard_library_reads_and_writes_the_same(kind: str) -> None:
    compress, decompress = STANDARD[kind]
    assert decompress(encoded(kind, DATA)) == DATA
    assert decoded(kind, compress(DATA)) == DATA


@pytest.mark.parametrize("kind", KINDS)
def test_errors_of_the_file_pass_unchanged(kind: str) -> None:
    encoder = _core.Encoder(boom, kind)
    with pytest.raises(Boom):
        encoder.write(DATA)
        encoder.finish()
    with pytest.raises(OSError, match="cancel"):
        encoder.write(DATA)
    with pytest.raises(OSError, match="cancel"):
        encoder.finish()
    with pytest.raises(Boom):
        _core.Decoder(boom, kind).readinto(bytearray(10))


@pytest.mark.parametrize("kind", KINDS)
def test_damage(kind: str) -> None:
    stream = encoded(kind, DATA)
    for cut in (0, 1, len(stream) // 2, len(stream) - 1):
        with pytest.raises(EOFError, match=f"{kind} stream ends too early"):
            decoded(kind, stream[:cut])
    for garbage in (b"\x01" * 20, b"this has nothing to do with it"):
        with pytest.raises(OSError, match=f"not a {kind} stream") as caught:
            decoded(kind, stream + garbage)
        assert caught.value.errno == errno.EBADMSG


def test_write_may_take_little_and_say_nothing() -> None:
    pieces: list[bytes] = []

    def write_little(data: bytes) -> int:
        pieces.append(data[:1000])
        return min(1000, len(data))

    encoder = _core.Encoder(write_little, "zlib", 1)
    encoder.write(DATA)
    encoder.finish()
    assert zlib.decompress(b"".join(pieces)) == DATA

    pieces.clear()
    encoder = _core.Encoder(pieces.append, "zlib", 1)  # returns None, keeps the bytes
    encoder.write(DATA)
    encoder.finish()
    assert zlib.decompress(b"".join(pieces)) == DATA


@pytest.mark.parametrize("answer", [0, -1, 10**9])
def test_write_that_lies(answer: int) -> None:
    encoder = _core.Encoder(lambda data: answer, "zlib")
    encoder.write(b"abc")
    with pytest.raises(OSError, match=r"write\(\) says it took"):
        encoder.finish()


def test_read_that_lies_or_waits() -> None:
    with pytest.raises(OSError, match=r"read\(\d+\) gave \d+ bytes"):
        _core.Decoder(lambda n: bytes(n + 1), "zlib").readinto(bytearray(10))
    with pytest.raises(BlockingIOError):
        _core.Decoder(lambda n: None, "zlib").readinto(bytearray(10))
    with pytest.raises(TypeError):
        _core.Decoder(lambda n: "text", "zlib").readinto(bytearray(10))  # type: ignore[arg-type,return-value]


def test_wrong_arguments() -> None:
    for arguments in [("rar",), ("zlib", 10), ("zlib", -1), ("zstd", 0), ("zstd", 23)]:
        with pytest.raises(ValueError, match=r"codec|level"):
            _core.Encoder(boom, *arguments)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no codec is called 'rar'"):
        _core.Decoder(boom, "rar")
    with pytest.raises(TypeError):
        _core.Encoder(1, "zlib")  # type: ignore[arg-type]
    with pytest.raises(BufferError):
        _core.Decoder(io.BytesIO().read, "zlib").readinto(b"read-only")
    with pytest.raises(TypeError):
        _core.Encoder(boom, "zlib").write("text")  # type: ignore[arg-type]


def test_a_stream_is_one_call_at_a_time() -> None:
    def write_back(data: bytes) -> None:
        encoder.write(data)

    encoder = _core.Encoder(write_back, "lz4")
    with pytest.raises(RuntimeError, match="another call"):
        encoder.write(DATA)


def test_two_threads_compress_at_once() -> None:
    streams: dict[int, bytes] = {}

    def work(i: int) -> None:
        streams[i] = encoded("zlib", bytes([i]) * 3_000_000, 9)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, stream in streams.items():
        assert zlib.decompress(stream) == bytes([i]) * 3_000_000


def test_cycles_are_collected() -> None:
    class File:
        encoder: Any

        def write(self, data: bytes) -> None:
            pass

    file = File()
    file.encoder = _core.Encoder(file.write, "zlib")
    gone = weakref.ref(file)
    del file
    gc.collect()
    assert gone() is None


# --- CodecFile ---


@pytest.mark.parametrize("kind", KINDS)
def test_file_by_name(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "data"
    with opened(kind, path, "wb") as file:
        assert file.writable()
        assert not file.readable()
        assert not file.seekable()
        assert file.write(DATA) == len(DATA) == file.tell()
        for method in (file.read, lambda: file.seek(0), lambda: file.readinto(b"")):
            with pytest.raises(io.UnsupportedOperation):
                method()
    assert file.closed
    with opened(kind, str(path)) as file:
        assert file.readable()
        assert file.seekable()
        assert not file.writable()
        assert file.read(10) == DATA[:10]
        assert file.read() == DATA[10:]
        assert file.read() == file.read1() == b""
        with pytest.raises(io.UnsupportedOperation):
            file.write(b"")
    for closed_method in (file.read, file.tell, file.fileno, file.readable):
        with pytest.raises(ValueError, match="closed file"):
            closed_method()
    file.close()


@pytest.mark.parametrize("kind", KINDS)
def test_file_object_stays_open_and_where_it_was(kind: str) -> None:
    below = io.BytesIO(b"head")
    below.seek(4)
    with opened(kind, below, "wb") as file:
        file.write(DATA)
    assert not below.closed
    below.seek(4)
    with opened(kind, below) as file:
        assert file.seek(len(DATA) - 3) == len(DATA) - 3
        assert file.read() == b"end"
        assert file.seek(-7, io.SEEK_END) == file.tell() == len(DATA) - 7
        assert file.read(3) == b"the"
        assert file.seek(-3, io.SEEK_CUR) == len(DATA) - 7
        assert file.seek(5) == 5
        assert file.read(9) == DATA[5:14]
        assert file.seek(10**9) == len(DATA)
        with pytest.raises(ValueError, match="whence"):
            file.seek(0, 7)
    assert not below.closed


def test_the_first_error_of_a_file_is_the_one_that_comes_out() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(errno.ENOSPC, "full")

    file = io.BufferedWriter(BinaryLZ4File(Full(), "wb"))
    with pytest.raises(OSError, match="full") as caught, file:
        file.write(DATA)
    assert caught.value.errno == errno.ENOSPC


def test_levels() -> None:
    data = b"".join(b"%d" % i for i in range(20_000))
    for file_type, best in (
        (BinaryZlibFile, 9),
        (BinaryXZFile, 9),
        (BinaryLZ4File, 16),
    ):
        sizes = []
        for level in (1, best):
            below = io.BytesIO()
            with file_type(below, "wb", compresslevel=level) as file:
                file.write(data)
            sizes.append(len(below.getvalue()))
        assert sizes[0] != sizes[1]
        with pytest.raises(
            ValueError, match=f"You provided 'compresslevel={best + 1}'"
        ):
            file_type(io.BytesIO(), "wb", compresslevel=best + 1)


@pytest.mark.parametrize("bad", [-1, 10, "a", (), 1.5])
def test_bad_levels(bad: Any) -> None:
    with pytest.raises(ValueError, match="must be an integer between 1 and 9"):
        BinaryGzipFile(io.BytesIO(), "wb", compresslevel=bad)


def test_bad_modes_and_files() -> None:
    for mode in ("a", "x", "r", "w", 1):
        with pytest.raises(ValueError, match="Invalid mode"):
            BinaryZlibFile(io.BytesIO(), mode)  # type: ignore[arg-type]
    not_files: list[Any] = [1, (), {}]
    for file in not_files:
        with pytest.raises(TypeError, match="must be a str or bytes object, or a file"):
            BinaryZlibFile(file)


def test_a_pipe_is_not_waited_for_longer_than_its_stream() -> None:
    """The writer keeps the pipe open: what it wrote must come out all the same."""
    r, w = os.pipe()
    with open(r, "rb") as readable, open(w, "wb", buffering=0) as writable:
        writable.write(zlib.compress(b"abc"))
        assert BinaryZlibFile(readable).read(3) == b"abc"


# --- register_compressor ---


def test_register(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cjoblib.compressor._COMPRESSORS", dict(_COMPRESSORS))
    ours = CompressorWrapper(obj=gzip.GzipFile, prefix=b"mine", extension=".mine")
    register_compressor("mine", ours)
    with pytest.raises(ValueError, match="Compressor 'mine' already registered"):
        register_compressor("mine", ours)
    register_compressor("mine", ours, force=True)
    with pytest.raises(ValueError, match="should be a string"):
        register_compressor(1, ours)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="CompressorWrapper"):
        register_compressor("other", None)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="implement the file object interface"):
        register_compressor("other", CompressorWrapper(obj=object))
    assert "mine" not in _COMPRESSORS
