"""What the tests of the canonical hash share: short names and classes to hash."""

from __future__ import annotations

import collections
import enum
import pathlib

import hash_vectors

from cjoblib.hashing import hash

HERE = pathlib.Path(__file__).parent

DIGESTS = ("xxh128", "sha256")


def xxh(obj):
    return hash(obj, "xxh128")


def both(obj):
    return tuple(hash(obj, name) for name in DIGESTS)


class Slots:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class Colour(enum.Enum):
    RED = 1
    GREEN = object()


Pair = collections.namedtuple("Pair", "a b")


class OwnList(list):
    pass


class OwnDict(dict):
    pass


class OwnSet(set):
    pass


class Versioned:
    def __init__(self, version, noise=None):
        self.version, self.noise = version, noise

    def __cjoblib_hash__(self):
        return self.version


def model(**state):
    return hash_vectors.Point(**state)
