"""The rows of the store: making room, and stores of many entries."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import frame
from frame import Row, Side, Timed

N_ENTRIES = 100_000
N_MANY = 1_000_000
LINKS = 50_000  # names that one file may have, on ext4 65,000


def some(n: int) -> list[int]:
    return list(range(n))


# --- making room ---------------------------------------------------------------------------


def fill_joblib(folder: Path) -> Any:
    """joblib's store with N_ENTRIES of the size of a small result's."""
    from joblib import Memory

    memory = Memory(str(folder), verbose=0)
    place = memory.cache(some).call_and_shelve(10)
    entry = Path(memory.store_backend.location, *place._call_id)
    files = [(path.name, path.read_bytes()) for path in entry.iterdir()]
    for number in range(1, N_ENTRIES):
        other = entry.parent / f"{number:032x}"
        other.mkdir()
        for name, data in files:
            (other / name).write_bytes(data)
    return memory


def fill_ours(folder: Path, n: int = N_ENTRIES) -> Any:
    from cjoblib import _core

    store = _core.Store(folder)
    shelf = store.shelf("module/function", b"v" * 16)
    for number in range(n):
        shelf.put(number.to_bytes(16, "big"), b"{}", number)
    return store


@contextmanager
def remove_some_joblib(folder: Path) -> Iterator[Timed]:
    memory = fill_joblib(folder)
    left = itertools.count(N_ENTRIES - 500, -500)
    yield frame.repeat(lambda: memory.reduce_size(items_limit=next(left)), 1)


@contextmanager
def remove_some_ours(folder: Path) -> Iterator[Timed]:
    store = fill_ours(folder)
    left = itertools.count(N_ENTRIES - 500, -500)

    def work() -> None:
        assert store.reduce(items_limit=next(left))["removed"] == 500

    yield frame.repeat(work, 1)


@contextmanager
def remove_nothing_joblib(folder: Path) -> Iterator[Timed]:
    memory = fill_joblib(folder)
    yield frame.repeat(lambda: memory.reduce_size(bytes_limit="1T"), 1)


@contextmanager
def remove_nothing_ours(folder: Path) -> Iterator[Timed]:
    store = fill_ours(folder)
    yield frame.repeat(lambda: store.reduce(bytes_limit=2**40), 100)


# --- many entries --------------------------------------------------------------------------


def hit_among(n_entries: int) -> Side:
    """A hit in a store with so many entries; a thousand of them are asked for in turn."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        fill_ours(folder, 1000)
        from cjoblib import _core

        shelf = _core.Store(folder).shelf("module/function", b"v" * 16)
        data = Path(shelf.path, f"{0:032x}").read_bytes()
        for number in range(1000, n_entries):
            path = os.path.join(shelf.path, f"{number << 64:032x}")
            if number % LINKS == 0 or number == 1000:
                first = path
                Path(path).write_bytes(data)
            else:
                os.link(first, path)
        keys = [number.to_bytes(16, "big") for number in range(1000)]

        def timed() -> float:
            begun = time.perf_counter()
            for key in keys:
                shelf.get(key)
            return (time.perf_counter() - begun) / len(keys)

        yield timed

    return side


ROWS = [
    Row(
        "M5",
        f"making room: {N_ENTRIES:,} entries, 500 go",
        {"joblib": remove_some_joblib, "cjoblib": remove_some_ours},
        goal=15,
        rounds=5,
    ),
    Row(
        "M5b",
        f"the same, {N_ENTRIES:,} entries, none goes",
        {"joblib": remove_nothing_joblib, "cjoblib": remove_nothing_ours},
        limit=0.0002,
        rounds=5,
    ),
    Row(
        "G1",
        f"a hit among {N_MANY:,} entries",
        {"among 1,000": hit_among(1000), "cjoblib": hit_among(N_MANY)},
        goal=0.9,
        limit=10e-6,
        reference="among 1,000",
        rounds=30,
    ),
]
