"""What the tests of the unpickler share: streams, loaders, classes to load."""

import collections
import io
import os
import pickle
import subprocess
import sys
import textwrap

import pytest

from cjoblib._core import Unpickler, pickle_loads

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

#: What a stream that is no pickle may raise, without any global allowed.
STREAM_ERRORS = (pickle.UnpicklingError, EOFError, ValueError, OverflowError)
#: The same with opcodes applied to objects that are not what they expect.
ALL_ERRORS = (
    *STREAM_ERRORS, TypeError, AttributeError, MemoryError, KeyError, IndexError, ImportError
)  # fmt: skip


class Plain:
    """An instance without __setstate__."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__


class Slotted:
    """An instance with slots and no dict."""

    __slots__ = ("a", "b")


Point = collections.namedtuple("Point", "x y")


def load_file(data, **options):
    return Unpickler(io.BytesIO(data), **options).load()


def load_buffered(data, **options):
    return Unpickler(io.BufferedReader(io.BytesIO(data), 16), **options).load()


LOADERS = [pickle_loads, load_file, load_buffered]


def samples():
    """Objects of all kinds, small."""
    recursive = [1]
    recursive.append(recursive)
    return [
        None, True, False, 0, 255, 65535, -1, 2**31, 10**40, -(10**300), 1.5, "", "a", "é",
        "\ud800", "long" * 100, b"", b"abc", b"x" * 300, bytearray(b"ab"), (), (1,), (1, 2),
        (1, 2, 3), (1, 2, 3, 4), [], list(range(50)), {}, {"a": [1, {"b": 2}]}, set(), {1, 2},
        frozenset([1, 2]), collections.OrderedDict(a=1), Plain(x=1, y="z"),
        Point(1, 2), recursive, 1j, range(3), [[["deep"]]], len, Plain,
    ]  # fmt: skip


def pickles():
    """Streams of all protocols, and hand-made ones with opcodes that no pickler writes."""
    made = [pickle.dumps(sample, p) for sample in samples() for p in PROTOCOLS]
    made += [
        b"(i__builtin__\nlist\n.", b"(c__builtin__\nlist\no.", b"S'a\\x41\\n\\101'\n.",
        b"(dS'a'\nI1\ns.", b"(lI1\na.", b"N0(N1N.", b"((l2t.", b"U\x03abc.",
        b"T\x03\x00\x00\x00abc.", b"L10L\n.", b"F1.5\n.", b"Vabc\np0\ng0\n.",
        b"]r\x00\x00\x01\x00j\x00\x00\x01\x00.", b"(NNd.", b"\x80\x04\x8f(K\x01\x90.",
        b"\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00ab.",
        b"\x80\x04\x8e\x02\x00\x00\x00\x00\x00\x00\x00ab.",
        b"\x8b\x02\x00\x00\x00\x01\x02.", b"cbuiltins\nint\n)}\x92.",
    ]  # fmt: skip
    slotted = Slotted()
    slotted.a = 1
    made += [pickle.dumps(slotted, p) for p in PROTOCOLS[2:]]
    return made


def check_error(load, data, errors, **options):
    """The stream is refused with one of the errors, in its own words."""
    with pytest.raises(errors) as info:
        load(data, **options)
    assert str(info.value)
    return info.value


def run_child(code, timeout=120):
    """The output of a program in a process of its own, which must end well."""
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
