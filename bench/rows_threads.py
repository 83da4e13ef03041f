"""Rows of loops without other processes: many short calls in threads, and with one job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import frame
from frame import Row, Side, Timed

N_THREADS = 8


def identity(x: int) -> int:
    """A call that does nothing."""
    return x


def loop(name: str, n_calls: int, **options: Any) -> Side:
    """A `Parallel` call of so many no-ops."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        module = __import__(name)

        def work() -> None:
            calls = (module.delayed(identity)(i) for i in range(n_calls))
            if list(module.Parallel(**options)(calls)) != list(range(n_calls)):
                raise RuntimeError(f"{name}: wrong results")

        yield frame.repeat(work, 1)

    return side


def pause(microseconds: int) -> Callable[[int], int]:
    """Return a call that takes so long, without the GIL; 0: it does nothing."""

    def wait(x: int) -> int:
        time.sleep(microseconds * 1e-6)
        return x

    return wait if microseconds else identity


def least(function: Callable[[int], int]) -> float:
    """Seconds that a thousand calls take at least, spread over the threads."""
    begun = time.perf_counter()
    for i in range(50):
        function(i)
    return (time.perf_counter() - begun) / 50 * 1000 / N_THREADS


def over_threads(name: str, microseconds: int, return_as: str) -> Side:
    """What is left of the time of 1,000 calls over 8 threads besides the calls' own."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        module = __import__(name)
        function = pause(microseconds)

        def timed() -> float:
            own = least(function)
            begun = time.perf_counter()
            loop = module.Parallel(
                n_jobs=N_THREADS, backend="threading", return_as=return_as
            )
            for _ in loop(module.delayed(function)(i) for i in range(1000)):
                pass
            return max(1e-7, time.perf_counter() - begun - own)

        yield timed

    return side


def over_executor(microseconds: int) -> Side:
    """The same by `concurrent.futures`."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        function = pause(microseconds)

        def timed() -> float:
            own = least(function)
            begun = time.perf_counter()
            with ThreadPoolExecutor(N_THREADS) as executor:
                for _ in executor.map(function, range(1000)):
                    pass
            return max(1e-7, time.perf_counter() - begun - own)

        yield timed

    return side


def _overhead_rows() -> list[Row]:
    rows = []
    for us in (0, 10, 100):
        for name, return_as in (("", "generator"), ("u", "generator_unordered")):
            order = "unordered" if name else "ordered"
            rows.append(
                Row(
                    f"T2-{us}{name}",
                    f"what 1,000 calls of {us} us cost more, 8 threads, {order}",
                    {
                        "cjoblib": over_threads("cjoblib", us, return_as),
                        "joblib": over_threads("joblib", us, return_as),
                        "ThreadPoolExecutor": over_executor(us),
                    },
                    goal=4,
                    reference="ThreadPoolExecutor",
                    rounds=9,
                )
            )
    return rows


def _sides(n_calls: int, **options: Any) -> dict[str, Side]:
    return {name: loop(name, n_calls, **options) for name in ("cjoblib", "joblib")}


ROWS = [
    Row(
        "T1",
        "10,000 no-ops in 2 threads",
        _sides(10_000, n_jobs=2, backend="threading"),
        goal=50,
        rounds=9,
    ),
    *_overhead_rows(),
    Row("S1", "100,000 no-ops, n_jobs=1", _sides(100_000, n_jobs=1), goal=8, rounds=9),
]
