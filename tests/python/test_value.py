"""Objects in blocks of memory that the caller gives: encoded once, read back in place."""

import mmap
import pickle

import numpy as np
import pytest

from cjoblib import _core


def block(n_bytes):
    return mmap.mmap(-1, n_bytes)


VALUES = [
    None,
    [1, 2.5, "text", b"bytes", {"k": (1, 2)}],
    np.arange(10.0),
    {
        "a": np.zeros((3, 4), order="F"),
        "b": [np.ones(0), np.array(7)],
        "c": np.arange(9)[::2],
    },
    pickle.PickleBuffer(bytearray(b"owner of memory")),
    np.array(["x", None], dtype=object),
]


def equal(a, b):
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and (a == b).all()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(equal, a, b))
    return bytes(a) == bytes(b) if isinstance(a, pickle.PickleBuffer) else a == b


@pytest.mark.parametrize("allocate", [bytearray, block, lambda n: bytearray(n + 1000)])
@pytest.mark.parametrize("value", VALUES)
def test_round_trip(value, allocate):
    room = _core.encode_value(value, allocate)
    assert equal(value, _core.decode_value(room))


def test_arrays_stand_on_the_block():
    room = _core.encode_value([np.arange(1000), np.ones(5)], bytearray)
    first, second = _core.decode_value(room)
    start = np.frombuffer(room, dtype="u1").ctypes.data
    for array in (first, second):
        assert start < array.ctypes.data < start + len(room)
        assert (array.ctypes.data - start) % 64 == 0
        assert array.flags.writeable
    first[0] = 77
    assert _core.decode_value(room)[0][0] == 77
    with pytest.raises(BufferError):
        room.append(0)  # the arrays hold it
    del first, second, array
    room.append(0)


def test_read_only_block_gives_read_only_arrays():
    room = bytes(_core.encode_value(np.arange(5), bytearray))
    array = _core.decode_value(room)
    assert not array.flags.writeable
    np.testing.assert_array_equal(array, np.arange(5))


def test_by_value():
    room = _core.encode_value(lambda x: x + 1, bytearray, True)
    assert _core.decode_value(room)(1) == 2
    with pytest.raises((pickle.PicklingError, AttributeError)):
        _core.encode_value(lambda x: x + 1, bytearray)


def test_bad_rooms():
    for allocate, error in (
        (lambda n: bytearray(n - 1), ValueError),
        (bytes, BufferError),
        (lambda n: None, TypeError),
        (lambda n: 1 / 0, ZeroDivisionError),
        (None, TypeError),
    ):
        with pytest.raises(error):
            _core.encode_value([np.arange(3)], allocate)


def test_every_damaged_byte_is_an_error_or_a_value():
    room = _core.encode_value({"x": np.arange(4), "y": "text"}, bytearray)
    whole = bytes(room)
    for at in range(len(whole)):
        for bit in (1, 0x80):
            data = bytearray(whole)
            data[at] ^= bit
            try:
                _core.decode_value(data)
            except Exception:
                continue
    for size in range(len(whole) - 32):
        with pytest.raises(Exception):  # noqa: B017
            _core.decode_value(whole[:size])
