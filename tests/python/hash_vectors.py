"""The test vectors of doc/formats/hash.md: read them, evaluate them, print them anew.

    python hash_vectors.py doc/formats/hash.md            compare; 1 if any differs
    python hash_vectors.py doc/formats/hash.md --print    the table as this build has it

Runs under any interpreter that has cjoblib, with or without NumPy.
"""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import pathlib
import re
import sys
import types
import uuid
from typing import Any, NamedTuple

Colour = enum.Enum("Colour", [("RED", 1)], module="vectors")
Bits = enum.Flag("Bits", [("A", 1), ("B", 2)], module="vectors")


class Point:
    """An instance with a state; it counts as importable from `vectors`."""

    def __init__(self, **state: Any) -> None:
        self.__dict__.update(state)


Point.__module__ = "vectors"
vectors = types.ModuleType("vectors")
vectors.Point, vectors.Colour, vectors.Bits = Point, Colour, Bits  # type: ignore[attr-defined]
sys.modules["vectors"] = vectors


class Vector(NamedTuple):
    expression: str
    xxh128: str
    sha256: str


def namespace() -> dict[str, Any]:
    names = dict(globals())
    try:
        import numpy
    except ImportError:
        pass
    else:
        names["np"] = numpy
    return names


def loop() -> list[Any]:
    items: list[Any] = [1]
    items.append(items)
    return items


def read(path: str) -> list[Vector]:
    text = pathlib.Path(path).read_text()
    rows = re.findall(r"^\| `(.*)` \| `([0-9a-f]*)` \| `([0-9a-f]*)` \|$", text, re.M)
    return [Vector(*row) for row in rows]


def compute(vectors: list[Vector]) -> list[Vector]:
    """The same vectors with this build's values; without NumPy those that need none."""
    from cjoblib.hashing import hash

    names = namespace()
    return [
        Vector(
            v.expression,
            *(hash(eval(v.expression, names), name) for name in ("xxh128", "sha256")),
        )
        for v in vectors
        if "np" in names or "np." not in v.expression
    ]


def main(path: str, printing: bool = False) -> int:
    known = read(path)
    found = compute(known)
    if printing:
        for v in found:
            print(f"| `{v.expression}` | `{v.xxh128}` | `{v.sha256}` |")
        return 0
    different = set(found) - set(known)
    for v in sorted(different):
        print("differs:", v.expression, v.xxh128)
    print(f"{len(found)} vectors, {len(different)} differ, {sys.version.split()[0]}")
    return 1 if different or not found else 0


_USED = (collections, datetime, decimal, fractions, functools, uuid)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1], "--print" in sys.argv))
