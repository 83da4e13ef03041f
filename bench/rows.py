"""The rows that run today, by their names in the table of goals: calls, cached and parallel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

import frame
import rows_files
import rows_hash
import rows_memory
import rows_store
import rows_threads
from frame import Row, Timed


def library(name: str) -> ModuleType:
    return __import__(name)


def warm_call(name: str):  # type: ignore[no-untyped-def]
    """A `Parallel` call of two no-ops whose workers are there already."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        module = library(name)

        def work() -> None:
            done = module.Parallel(n_jobs=2)(module.delayed(abs)(i) for i in (1, 2))
            assert done == [1, 2]

        work()
        yield frame.repeat(work, 20)

    return side


@contextmanager
def warm_pool_map(folder: Path) -> Iterator[Timed]:
    from multiprocessing import Pool

    with Pool(2) as pool:
        yield frame.repeat(lambda: pool.map(abs, (1, 2)), 20)


COLD = """
import time
{before}
begun = time.perf_counter()
{within}
assert Parallel(n_jobs=2)(delayed(abs)(i) for i in (1, 2)) == [1, 2]
print(time.perf_counter() - begun)
"""


def cold_call(name: str, with_import: bool):  # type: ignore[no-untyped-def]
    """The first `Parallel` call of a new interpreter."""
    line = f"from {name} import Parallel, delayed"
    before, within = ("", line) if with_import else (line, "")
    code = COLD.format(before=before, within=within)
    return lambda folder: frame.plain(frame.fresh_process(code))


def importing(name: str):  # type: ignore[no-untyped-def]
    """Importing the names that most programs use, beyond a bare interpreter."""
    code = (
        "import time; begun = time.perf_counter(); "
        f"from {name} import Memory, Parallel, delayed, dump, load, hash; "
        "print(time.perf_counter() - begun)"
    )
    return lambda folder: frame.plain(frame.fresh_process(code))


ROWS = [
    *rows_memory.ROWS,
    Row(
        "P1",
        "warm Parallel(n_jobs=2) call of 2 no-ops",
        {
            "joblib": warm_call("joblib"),
            "cjoblib": warm_call("cjoblib"),
            "multiprocessing.Pool": warm_pool_map,
        },
        goal=45,
    ),
    Row(
        "P4",
        "cold first call, 2 workers",
        {"joblib": cold_call("joblib", False), "cjoblib": cold_call("cjoblib", False)},
        goal=10,
        rounds=9,
    ),
    Row(
        "P4i",
        "the same with the import",
        {"joblib": cold_call("joblib", True), "cjoblib": cold_call("cjoblib", True)},
        goal=8,
        rounds=9,
    ),
    Row(
        "I1",
        "import beyond a bare interpreter",
        {"joblib": importing("joblib"), "cjoblib": importing("cjoblib")},
        limit=0.015,
        rounds=9,
    ),
    *rows_store.ROWS,
    *rows_hash.ROWS,
    *rows_files.ROWS,
    *rows_threads.ROWS,
]
