"""Rows of `Memory`: calls that are found, mapped, and computed, beside other caches."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import frame
from frame import Row, Side, Timed

N_BIG = 1_000_000  # float64: 8 MB


def identity(x: Any) -> Any:
    """The function that is cached: it does nothing, so what is timed is overhead."""
    return x


def size(x: Any) -> int:
    """Takes much and gives little."""
    return int(x.size)


def zeros(n: int) -> Any:
    """Takes little and gives much."""
    import numpy as np

    return np.zeros(n)


def memory(
    name: str, function: Callable[..., Any], **options: Any
) -> Callable[[Path], Any]:
    """A function cached by a library's `Memory`."""

    def cached(folder: Path) -> Any:
        return (
            __import__(name).Memory(str(folder), verbose=0, **options).cache(function)
        )

    return cached


def diskcache(function: Callable[..., Any]) -> Callable[[Path], Any]:
    def cached(folder: Path) -> Any:
        import diskcache

        return diskcache.Cache(str(folder)).memoize()(function)

    return cached


def cachier(function: Callable[..., Any]) -> Callable[[Path], Any]:
    def cached(folder: Path) -> Any:
        from cachier import cachier

        return cachier(cache_dir=str(folder))(function)

    return cached


def lru_cache(function: Callable[..., Any]) -> Callable[[Path], Any]:
    """In memory, for this process alone: what no cache on disk can reach."""
    return lambda folder: functools.lru_cache(maxsize=None)(function)


def hit(cached: Callable[[Path], Any], argument: Any, n: int) -> Side:
    """A call that is found, after one that was computed."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        value = argument() if callable(argument) else argument
        function = cached(folder)
        function(value)
        yield frame.repeat(lambda: function(value), n)

    return side


def miss(cached: Callable[[Path], Any]) -> Side:
    """Calls with a new argument each time."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        function = cached(folder)
        numbers = itertools.count()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield frame.repeat(lambda: function(next(numbers)), 100)

    return side


def big() -> Any:
    import numpy as np

    return np.random.default_rng(0).random(N_BIG)


def both(
    function: Callable[..., Any],
    argument: Any,
    n: int,
    *peers: Callable[..., Any],
    **options: Any,
) -> dict[str, Side]:
    sides = {
        name: hit(memory(name, function, **options), argument, n)
        for name in ("joblib", "cjoblib")
    }
    return sides | {p.__name__: hit(p(function), argument, n) for p in peers}


ROWS = [
    Row(
        "M1",
        "Memory hit, f(1) returning an int",
        both(identity, 1, 500, diskcache, cachier, lru_cache),
        goal=12,
    ),
    Row(
        "M2",
        "hit with an 8 MB array argument",
        both(size, big, 20, diskcache),
        goal=30,
    ),
    Row(
        "M3",
        "hit returning an 8 MB array",
        both(zeros, N_BIG, 20, diskcache, cachier, lru_cache),
        goal=3,
    ),
    Row(
        "M3m",
        'the same with mmap_mode="r"',
        both(zeros, N_BIG, 50, mmap_mode="r"),
        goal=4,
    ),
    Row(
        "M4",
        "Memory miss of a trivial function",
        {
            "joblib": miss(memory("joblib", identity)),
            "cjoblib": miss(memory("cjoblib", identity)),
            "diskcache": miss(diskcache(identity)),
            "cachier": miss(cachier(identity)),
        },
        goal=3,
    ),
]
