"""Compressed streams and the programs that everybody has: each reads what the other
wrote, also when several threads made it."""

from __future__ import annotations

import io
import shutil
import subprocess

import pytest

from cjoblib import _core

TOOLS = {
    "gzip": ["gzip"],
    "pigz": ["pigz"],
    "bz2": ["bzip2"],
    "xz": ["xz"],
    "lzma": ["xz", "--format=lzma"],
    "lz4": ["lz4"],
    "zstd": ["zstd", "-q"],
}

# Several blocks of every kind: numbers in eight bytes, then text.
DATA = b"".join((n * n % 251).to_bytes(8, "little") for n in range(130_000)) + b"".join(
    b"line %d of the text\n" % n for n in range(20_000)
)


def run(name: str, option: str, data: bytes) -> bytes:
    command = TOOLS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"there is no {command[0]} here")
    done = subprocess.run([*command, option, "-c"], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def kind_of(name: str) -> str:
    return "gzip" if name == "pigz" else name


def encoded(kind: str, data: bytes, level: int | None, n_threads: int) -> bytes:
    file = io.BytesIO()
    encoder = _core.Encoder(file.write, kind, level, n_threads)
    encoder.write(data)
    encoder.finish()
    return file.getvalue()


def decoded(kind: str, stream: bytes, size: int, n_threads: int) -> bytes:
    buffer = bytearray(size + 1)
    decoder = _core.Decoder(io.BytesIO(stream).read, kind, n_threads)
    n = decoder.readinto(buffer)
    return bytes(buffer[:n])


@pytest.mark.parametrize("level", [None, 1, 3])
@pytest.mark.parametrize("name", TOOLS)
def test_the_program_reads_ours(name: str, level: int | None) -> None:
    for data in (DATA, DATA[:1000], b""):
        stream = encoded(kind_of(name), data, level, 3)
        assert run(name, "-d", stream) == data


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("name", TOOLS)
def test_the_programs_stream_is_read(name: str, n_threads: int) -> None:
    stream = run(name, "-3", DATA)
    assert decoded(kind_of(name), stream, len(DATA), n_threads) == DATA
    if name != "lzma":
        both = stream + encoded(kind_of(name), DATA, 1, n_threads)
        got = decoded(kind_of(name), both, 2 * len(DATA), n_threads)
        assert got == DATA + DATA
    with pytest.raises((OSError, EOFError)):
        decoded(kind_of(name), stream + b"garbage", len(DATA), n_threads)
    with pytest.raises(EOFError):
        decoded(kind_of(name), stream[:-1], len(DATA), n_threads)


@pytest.mark.parametrize("n_threads", [-1, 2**40])
def test_number_of_threads_is_checked(n_threads: int) -> None:
    with pytest.raises((ValueError, OverflowError)):
        _core.Encoder(io.BytesIO().write, "zlib", 1, n_threads)
    with pytest.raises((ValueError, OverflowError)):
        _core.Decoder(io.BytesIO().read, "zlib", n_threads)
