"""What `Memory` tells of what it stores."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from cjoblib._native_store import LocalStoreBackend, decode_metadata


class Entry(NamedTuple):
    """One stored result, as :meth:`Memory.entries` tells of it.

    Attributes
    ----------
    func_id : str
        The function's name in the store.
    args_id : str
        The version of its code, and the digest of the arguments.
    input_args : dict of str
        The arguments as short texts.
    n_bytes : int
    duration : float or None
        Seconds that the computation took.
    computed, used : datetime.datetime or None
        When it was computed, and used last.
    path : str
    """

    func_id: str
    args_id: str
    input_args: dict[str, str]
    n_bytes: int
    duration: float | None
    computed: datetime.datetime | None
    used: datetime.datetime
    path: str


class CheckResult(NamedTuple):
    """What :meth:`Memory.check` found.

    Attributes
    ----------
    ok : bool
        Nothing is damaged or left behind.
    entries, bytes : int
        Sound results, and their size.
    corrupt : int
        Damaged ones; with `fix` they have been removed.
    orphans : int
        Temporary and lock files of dead processes; with `fix` they have been removed.
    foreign : int
        Files that are not the store's: links, files of other owners.
    """

    ok: bool
    entries: int = 0
    bytes: int = 0
    corrupt: int = 0
    orphans: int = 0
    foreign: int = 0


def check(store: Any, fix: bool) -> CheckResult:
    """See :meth:`cjoblib.Memory.check`."""
    if store is None:
        return CheckResult(True)
    found = _native(store, "check").store.check(fix)
    counts = {name: found[name] for name in CheckResult._fields if name in found}
    bad = ("corrupt", "orphans", "foreign")
    return CheckResult(not any(counts.get(name) for name in bad), **counts)


def entries(store: Any) -> Iterator[Entry]:
    """See :meth:`cjoblib.Memory.entries`."""
    if store is not None:
        native = _native(store, "entries")
        for path, n_bytes, used in native.walk():
            yield _entry(native, path, n_bytes, used)


def _entry(store: LocalStoreBackend, path: str, n_bytes: int, used: int) -> Entry:
    folder, key = os.path.split(path)
    folder, version = os.path.split(folder)
    about = decode_metadata(store.read_metadata(path))
    computed = about.get("time")
    return Entry(
        os.path.relpath(folder, store.location),
        f"{version}/{key}",
        about.get("input_args", {}),
        n_bytes,
        about.get("duration"),
        computed and datetime.datetime.fromtimestamp(computed),
        datetime.datetime.fromtimestamp(used / 1e9),
        path,
    )


def info(store: Any) -> dict[str, Any]:
    """See :meth:`cjoblib.Memory.info`."""
    if store is None:
        return {"location": None, "entries": 0, "bytes": 0, "functions": {}}
    functions: dict[str, int] = {}
    n_bytes = 0
    root = os.path.join(store.location, "")
    depth = -2 if isinstance(store, LocalStoreBackend) else -1
    for item in store.get_items():
        n_bytes += item.size
        parts = str(item.path).removeprefix(root).split(os.sep)
        name = "/".join(parts[:depth])
        functions[name] = functions.get(name, 0) + 1
    return {
        "location": store.location,
        "entries": sum(functions.values()),
        "bytes": n_bytes,
        "functions": functions,
    }


def _native(store: Any, what: str) -> LocalStoreBackend:
    if not isinstance(store, LocalStoreBackend):
        raise TypeError(
            f"Memory.{what} is for backend='local', not for {type(store).__name__}"
        )
    return store
