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
    if isinstance(store, LocalStoreBackend):
        for path, n_bytes, used in store.walk():
            about = decode_metadata(store.read_metadata(path))
            yield _entry(store, path, 2, n_bytes, _moment(used / 1e9), about)
    elif store is not None:
        for item in store.get_items():
            call_id = _call_id(store, str(item.path), 1)
            about = store.get_metadata(call_id)
            yield _entry(store, str(item.path), 1, item.size, item.last_access, about)


def _call_id(store: Any, path: str, n_parts: int) -> tuple[str, str]:
    """The function's and the arguments' id of an entry; `n_parts` are of the latter."""
    parts = path.removeprefix(os.path.join(store.location, "")).split("/")
    return "/".join(parts[:-n_parts]), "/".join(parts[-n_parts:])


def _moment(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds)


def _entry(
    store: Any,
    path: str,
    n_parts: int,
    n_bytes: int,
    used: datetime.datetime,
    about: dict[str, Any],
) -> Entry:
    func_id, args_id = _call_id(store, path, n_parts)
    computed = about.get("time")
    return Entry(
        func_id,
        args_id,
        about.get("input_args", {}),
        n_bytes,
        about.get("duration"),
        None if computed is None else _moment(computed),
        used,
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
    native = store.store if isinstance(store, LocalStoreBackend) else None
    kept: dict[str, int] = getattr(native, "info", dict)()
    return {
        **{name: kept[name] for name in ("hits", "misses", "evicted") if name in kept},
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
