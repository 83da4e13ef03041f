"""The rows of `hash`, beside joblib and Dask, and of the pickle engine, beside pickle.

All sides of a row work on one and the same object, so that nobody has the luckier addresses.
Dask hashes arrays with xxhash, when that is installed.
"""

from __future__ import annotations

import gc
import json
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import frame
from frame import Row, Side, Timed

Call = Callable[[], object]
Prepare = Callable[[Any], Call]
"""Given the object of the row, the call to be timed."""


def sides(
    build: Callable[[], Any], prepared: dict[str, Prepare], times: int = 1
) -> dict[str, Side]:
    """Sides that do their work, `times` times in a row, on one object.

    It is built when the first side is entered and goes when the last one is left.
    """
    held: list[Any] = []

    @contextmanager
    def entered(prepare: Prepare) -> Iterator[Timed]:
        if not held:
            held.append(build())
        call = prepare(held[0])
        yield once(call) if times == 1 else frame.repeat(call, times)
        held.clear()

    def side(prepare: Prepare) -> Side:
        def enter(folder: Path) -> AbstractContextManager[Timed]:
            return entered(prepare)

        return enter

    return {name: side(prepare) for name, prepare in prepared.items()}


def once(call: Call) -> Timed:
    """Time one call, without the end of its result.

    Nothing is due to be collected when it starts, so that each side pays for the turns of
    the collector that it causes, and for no other's.
    """

    def timed() -> float:
        gc.collect()
        begun = time.perf_counter()
        result = call()
        taken = time.perf_counter() - begun
        del result
        return taken

    return timed


# --- hash ----------------------------------------------------------------------------------


def hashed(module: str, *arguments: str) -> Prepare:
    return lambda obj: partial(import_module(module).hash, obj, *arguments)


def dask_token(obj: Any) -> Call:
    return partial(import_module("dask.tokenize").tokenize, obj)


JOBLIB = hashed("joblib")
MD5 = hashed("cjoblib")
XXH128 = hashed("cjoblib", "xxh128")
N_ITEMS = 1_000_000


def big_dict() -> dict[str, int]:
    return {str(k): k for k in range(N_ITEMS)}


def big_array() -> Any:
    return import_module("numpy").random.default_rng(0).random(1 << 24)


# The object is at its largest when it is done, and what its growth freed goes back to the
# system, so that all that the hash needs shows as new memory. The small call imports.
GROWTH = """
import ctypes
from {module} import {name} as hash

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) for l in status if l.startswith(field))

obj = {{str(k): k for k in range({n_items})}}
hash({{"a": [1, 2.0, "up"]}}{arguments})
ctypes.CDLL(None).malloc_trim(0)
with open("/proc/self/clear_refs", "w") as refs:
    refs.write("5")
before = kilobytes("VmRSS:")
hash(obj{arguments})
print(max(kilobytes("VmHWM:") - before, 4) * 1024 / 1e6)
"""


def growth(module: str, name: str = "hash", arguments: str = "") -> Side:
    """Megabytes that a new process grows by, at its highest, to hash the big dict."""
    code = GROWTH.format(module=module, name=name, arguments=arguments, n_items=N_ITEMS)
    return lambda folder: frame.plain(frame.fresh_process(code))


def small(name: str, work: str, obj: object, goal: float) -> Row:
    prepared = {
        "joblib": JOBLIB,
        "cjoblib": MD5,
        "cjoblib, xxh128": XXH128,
        "dask": dask_token,
    }
    return Row(name, work, sides(lambda: obj, prepared, times=1000), goal=goal)


HASH = [
    small("H1", "hash(1), md5", 1, 10),
    small("H2", "hash of a small dict, md5", {"a": 1, "b": [1, 2, 3], "c": "xyz"}, 12),
    Row(
        "H3",
        "hash of a dict of 10^6 str -> int, xxh128",
        sides(big_dict, {"joblib": JOBLIB, "cjoblib": XXH128, "dask": dask_token}),
        goal=15,
        rounds=3,
        warm_up=False,
    ),
    Row(
        "H3m",
        "the same, md5 of the sorted items",
        sides(big_dict, {"joblib": JOBLIB, "cjoblib": MD5}),
        goal=10,
        rounds=3,
        warm_up=False,
    ),
    Row(
        "H3r",
        "memory for it beyond the dict, xxh128",
        {
            "joblib": growth("joblib"),
            "cjoblib": growth("cjoblib", arguments=", 'xxh128'"),
            "dask": growth("dask.tokenize", "tokenize"),
        },
        limit=16,
        rounds=2,
        warm_up=False,
        unit="MB",
    ),
    Row(
        "H3rm",
        "the same, md5",
        {"joblib": growth("joblib"), "cjoblib": growth("cjoblib")},
        limit=16,
        rounds=2,
        warm_up=False,
        unit="MB",
    ),
    Row(
        "H4",
        "hash of a 128 MB array, xxh128",
        sides(big_array, {"joblib": JOBLIB, "cjoblib": XXH128, "dask": dask_token}),
        goal=25,
    ),
    Row(
        "H4m",
        "the same, md5",
        sides(big_array, {"joblib": JOBLIB, "cjoblib": MD5}),
        goal=0.95,
    ),
]


# --- the pickle engine ---------------------------------------------------------------------


@dataclass
class Point:
    """A small instance, whose state is a `__dict__`."""

    x: int
    y: float
    label: str


def mixed_list() -> list[object]:
    kinds: tuple[Callable[[int], object], ...] = (int, float, str)
    return [kinds[k % 3](k) for k in range(N_ITEMS)]


def instances() -> list[Point]:
    return [Point(k, k / 7, f"point {k}") for k in range(100_000)]


def records() -> Any:
    """As the json module gives them: keys are shared, values are not."""
    made = [
        {
            "id": k,
            "name": f"user {k}",
            "active": k % 3 == 0,
            "parent": None,
            "scores": [k / 7, k / 11, k / 13],
            "tags": [f"t{k % 100}", f"u{k % 7}"],
            "address": {
                "street": f"{k} Main",
                "zip": f"{k:05}",
                "at": {"x": k, "y": 1.5},
            },
        }
        for k in range(30_000)
    ]
    return json.loads(json.dumps(made))


PROTOCOL = pickle.HIGHEST_PROTOCOL


def dumping(dumps: Callable[..., bytes]) -> Prepare:
    def prepare(obj: Any) -> Call:
        assert pickle.loads(dumps(obj, PROTOCOL)) == obj
        return partial(dumps, obj, PROTOCOL)

    return prepare


def loading(loads: Callable[..., Any]) -> Prepare:
    """Both sides read what pickle wrote."""

    def prepare(obj: Any) -> Call:
        data = pickle.dumps(obj, PROTOCOL)
        assert loads(data) == obj
        return partial(loads, data)

    return prepare


def our_dumps(obj: Any) -> Call:
    return dumping(import_module("cjoblib._core").pickle_dumps)(obj)


def our_loads(obj: Any) -> Call:
    return loading(import_module("cjoblib._core").pickle_loads)(obj)


OBJECTS: tuple[tuple[str, str, Callable[[], Any]], ...] = (
    ("d", "a dict of 10^6 str -> int", big_dict),
    ("l", "a list of 10^6 int, float, str", mixed_list),
    ("i", "10^5 small instances", instances),
    ("r", "30,000 nested JSON-like records", records),
)

PICKLE = [
    Row(
        f"K1{name}",
        f"pickle {what}",
        sides(build, {"pickle": dumping(pickle.dumps), "cjoblib": our_dumps}),
        goal=1.3,
        rounds=9,
        reference="pickle",
    )
    for name, what, build in OBJECTS
] + [
    Row(
        f"K2{name}",
        f"unpickle {what}",
        sides(build, {"pickle": loading(pickle.loads), "cjoblib": our_loads}),
        goal=1,
        rounds=9,
        reference="pickle",
    )
    for name, what, build in OBJECTS
]

ROWS = [*HASH, *PICKLE]
