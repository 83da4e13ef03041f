"""The fuzz targets' seeds, replayed whole, cut and damaged: `make fuzz` looks for new ones.

RELIABILITY.md: A04.
"""

import io
import os
import pickle
import pickletools
import random
import sys
import time
from pathlib import Path

import pytest
from seeds import SEED

from cjoblib._core import Unpickler, pickle_loads

FOLDER = Path(__file__).resolve().parents[1] / "fuzz" / "corpus" / "unpickler"
STREAMS = {path.name: path.read_bytes() for path in sorted(FOLDER.iterdir())}
SECONDS = float(os.environ.get("CJOBLIB_FUZZ_SECONDS", "3"))

#: What a stream may raise, whatever is in it, when it may import nothing.
CLEAN = (
    pickle.UnpicklingError, EOFError, ValueError, OverflowError, TypeError, AttributeError,
    KeyError, IndexError, MemoryError, RecursionError,
)  # fmt: skip


def outcome(load, data):
    """The type of the value or of the clean exception; nothing was imported."""
    n_modules = len(sys.modules)
    try:
        kind = type(load(data))
    except CLEAN as error:
        assert str(error) or isinstance(error, MemoryError)
        kind = type(error)
    assert len(sys.modules) == n_modules, data
    return kind


def load_bytes(data):
    return pickle_loads(data, allow=[])


def load_file(data):
    return Unpickler(io.BytesIO(data), allow=[]).load()


def check(data):
    assert outcome(load_bytes, data) is outcome(load_file, data), data


def test_there_is_a_seed_for_each_opcode():
    assert len(STREAMS) > 100
    assert {op.name for op in pickletools.opcodes} <= {
        name.removeprefix("op-") for name in STREAMS
    }


@pytest.mark.parametrize("name", STREAMS)
def test_seeds(name):
    """The whole stream, and the stream cut after each byte."""
    data = STREAMS[name]
    for size in range(len(data) + 1):
        check(data[:size])


def test_seeds_are_what_pickle_makes_of_them():
    """Those of a pickler that need no import give pickle's own value."""
    n = 0
    for name, data in STREAMS.items():
        if not name.startswith("protocol") or name.endswith("-classes"):
            continue
        try:
            value = load_bytes(data)
        except pickle.UnpicklingError:
            # Bytes, sets and bytearrays are globals before they have an opcode.
            assert name < "protocol5"
            continue
        assert repr(value) == repr(pickle.loads(data))
        n += 1
    assert n > 10


def test_seeds_with_one_byte_changed():
    """At random places, for a bounded time; each refusal takes no time to speak of."""
    chooser = random.Random(SEED)
    names = list(STREAMS)
    n = 0
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        data = bytearray(STREAMS[chooser.choice(names)])
        if data:
            data[chooser.randrange(len(data))] = chooser.randrange(256)
        start = time.monotonic()
        check(bytes(data))
        assert time.monotonic() - start < 1, bytes(data)
        n += 1
    assert n > 100
