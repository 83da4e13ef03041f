"""The unpickler gives what pickle gives, from every source, and reads nothing beyond."""

import collections
import io
import os
import pickle
import socket
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import cases
from unpickler_cases import LOADERS, PROTOCOLS, Plain, Point, check_error

from cjoblib._core import Unpickler, pickle_loads


@pytest.mark.parametrize("size", [70_000, 3_000_000])
@pytest.mark.parametrize("make", [bytes, bytearray, lambda b: b.decode("latin-1")])
def test_large_values_from_files(make, size, tmp_path):
    value = make(bytes(range(256)) * (size // 256))
    for proto in PROTOCOLS:
        data = pickle.dumps([value, 1, value[:10]], proto)
        (tmp_path / "p").write_bytes(data + b"rest")
        # An unbuffered file reads the lines of protocol 0 byte by byte.
        bufferings = (-1,) if proto < 3 else (-1, 0)
        files = [open(tmp_path / "p", "rb", buffering=b) for b in bufferings]
        for opened in (*files, io.BytesIO(data + b"rest")):
            with opened as file:
                assert Unpickler(file).load() == [value, 1, value[:10]]
                assert file.read() == b"rest"


# --- files -----------------------------------------------------------------------------------


class Trickle(io.RawIOBase):
    """Gives one byte at a time."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, view):
        got = self.data.read(1)
        view[: len(got)] = got
        return len(got)


class OnlyRead:
    """Has read and readline, nothing else."""

    def __init__(self, data):
        file = io.BytesIO(data)
        self.read, self.readline = file.read, file.readline


@pytest.mark.parametrize("proto", PROTOCOLS)
@pytest.mark.parametrize(
    "opener",
    [io.BytesIO, OnlyRead, Trickle, lambda d: io.BufferedReader(Trickle(d)),
     lambda d: io.BufferedReader(io.BytesIO(d), 7)],
)  # fmt: skip
def test_nothing_beyond_the_pickle_is_consumed(opener, proto):
    values = [[i, "text%d" % i, {"k": [i] * 100}, b"x" * 70000] for i in range(3)]
    values.append(list(range(40000)))
    file = opener(
        b"".join(pickle.dumps(v, proto) + b"raw%d\n" % i for i, v in enumerate(values))
    )
    for i, value in enumerate(values):
        assert Unpickler(file).load() == value
        assert b"".join(file.read(1) for _ in range(5)) == b"raw%d\n" % i
    with pytest.raises(EOFError):
        Unpickler(file).load()


def test_a_socket_and_a_pipe_do_not_wait_for_more():
    value = {"a": list(range(1000)), "b": b"x" * 100_000}
    for proto in PROTOCOLS:
        data = pickle.dumps(value, proto)
        ours, theirs = socket.socketpair()
        read_fd, write_fd = os.pipe()
        with ours, theirs, ours.makefile("rb") as a, open(read_fd, "rb") as b:
            writers = [
                threading.Thread(target=theirs.sendall, args=(data,)),
                threading.Thread(target=lambda d=data, fd=write_fd: write_all(fd, d)),
            ]
            for file, writer in zip((a, b), writers):
                writer.start()
                assert Unpickler(file).load() == value
                writer.join(30)
        os.close(write_fd)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def test_frames_that_end_early_or_late():
    frame = lambda n: b"\x95" + struct.pack("<Q", n)  # noqa: E731
    for load in LOADERS:
        check_error(load, b"\x80\x04" + frame(3) + b"N.", pickle.UnpicklingError)
        assert load(b"\x80\x04" + frame(1) + b"N.") is None
        assert load(b"\x80\x04" + frame(0) + b"N.") is None
        # An argument may straddle a frame's end, as in CPython's C unpickler.
        assert load(b"\x80\x04" + frame(3) + b"\x8c\x03abc.") == "abc"
    file = io.BytesIO(b"\x80\x04" + frame(4) + b"N.K\x05" + b".")
    unpickler = Unpickler(file)
    assert unpickler.load() is None
    assert unpickler.load() == 5


@pytest.mark.parametrize("n", [9_999, 10_000, 10_001, 25_000])
@pytest.mark.parametrize("first", [(), (None,), (7, b"x"), (Plain,)])
def test_large_dicts(n, first):
    """Also with a key of another kind, and after the dict has been told that it is large."""
    keys = [*first, *map(str, range(n)), *((0.5,) if n % 2 else ())]
    shared = [1]
    value = {key: shared for key in keys}
    for make in (dict, collections.OrderedDict, collections.Counter):
        made = make(value)
        loaded = pickle_loads(pickle.dumps([made, made]))
        assert list(loaded[0].items()) == list(made.items())
        assert type(loaded[0]) is make
        assert loaded[0] is loaded[1]
        assert loaded[0].pop("17") == [1]
        assert len(loaded[0]) == len(made) - 1


# --- differential ----------------------------------------------------------------------------

_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.binary().map(bytearray) | st.complex_numbers(allow_nan=False)
    | st.text(alphabet=st.characters()) | st.integers(-300, 70000)
)  # fmt: skip

_keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary()

_objects = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_keys, inner)
        | st.sets(_keys)
        | st.frozensets(_keys)
        | st.dictionaries(st.sampled_from(["x", "y", "long_name"]), inner).map(
            lambda d: Plain(**d)
        )
        | st.dictionaries(st.text(), inner).map(collections.OrderedDict)
        | st.tuples(inner, inner).map(lambda t: Point(*t))
        | inner.map(lambda x: [x, x])
    ),
    max_leaves=30,
)


@settings(max_examples=cases(400))
@given(_objects)
def test_as_pickle_loads(value):
    """Every protocol, every kind of source: what pickle.loads makes of it, to the type."""
    for proto in PROTOCOLS:
        data = pickle.dumps(value, proto)
        expected = pickle.loads(data)
        for load in LOADERS:
            loaded = load(data)
            assert loaded == expected
            assert type(loaded) is type(expected)
            assert repr(loaded) == repr(expected) or "Plain" in repr(value)


def test_numpy():
    np = pytest.importorskip("numpy")
    values = [
        np.arange(10),
        np.float64(1.5),
        np.zeros((2, 3), order="F"),
        np.array([1, "a", None], dtype=object),
        np.array(["2020"], dtype="M8[D]"),
    ]
    for value in values:
        for proto in PROTOCOLS:
            for load in LOADERS:
                loaded = load(pickle.dumps(value, proto))
                assert np.array_equal(loaded, value) and loaded.dtype == value.dtype
    buffers = []
    data = pickle.dumps(values[0], 5, buffer_callback=buffers.append)
    assert np.shares_memory(pickle_loads(data, buffers=buffers), values[0])
