"""The store of `Memory` itself: the C library's, in the dress of a store backend.

A call's id is `(function id, "VERSION/KEY")`, both in hexadecimal digits, so that an
entry stands at `os.path.join(location, *call_id)`.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cjoblib import _core
from cjoblib._store_backends import (
    CacheItemInfo,
    CacheWarning,
    StoreBackendBase,
    StoreBackendMixin,
    loading_text,
    write_gitignore,
)
from cjoblib.disk import memstr_to_bytes

FOLDER = "cjoblib"  # that the C library makes in a location
HEX_DIGITS = 32  # of a version or a key
PRIVATE = "origin"  # in an entry's metadata, for us alone
NO_VERSION = bytes(16)
HEAD_BYTES = {1: 80, 2: 88}  # of an entry's file, by the version of its format
MOST_METADATA = 1 << 20


class LocalStoreBackend(StoreBackendBase, StoreBackendMixin):
    """The C library's store, in a folder.

    Attributes
    ----------
    location : str
        The folder `cjoblib` in the one that was asked for.
    """

    __slots__ = ("_opened",)  # neither pickled nor seen by vars()

    _opened: _core.Store | None

    def configure(
        self,
        location: Any,
        verbose: int = 1,
        backend_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Use the folder `location`, or `cjoblib` in it.

        A folder that can't be used is a warning, and one for each call later.
        """
        options = dict(backend_options or {})
        location = os.path.abspath(os.path.expanduser(location))
        if os.path.basename(location) != FOLDER:
            location = os.path.join(location, FOLDER)
        self.location = location
        self.verbose = verbose
        self.compress = options.pop("compress", False) or False
        self.mmap_mode = options.pop("mmap_mode", None)
        self.options = {
            k: v for k, v in options.items() if k in ("durable", "max_bytes")
        }
        if self.compress and self.mmap_mode is not None:
            self.mmap_mode = None
        try:
            self.store  # noqa: B018
        except OSError as error:
            warnings.warn(
                f"nothing is cached: the folder {self._root} can't be used: {error}",
                CacheWarning,
                stacklevel=4,
            )

    @property
    def _root(self) -> str:
        return os.path.dirname(str(self.location))

    @property
    def store(self) -> _core.Store:
        """The C library's store, open.

        Raises
        ------
        OSError
            The folder can't be used.
        """
        opened = getattr(self, "_opened", None)
        if opened is None:
            _make_private(self._root)
            opened = _core.Store(self._root, **self.options)
            write_gitignore(self._root, 0o600)
            self._opened = opened
        return opened

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)

    def with_mmap_mode(self, mmap_mode: str | None) -> LocalStoreBackend:
        """This store, whose arrays are mapped in another way."""
        if mmap_mode == self.mmap_mode or self.compress:
            return self
        other = type(self)()
        vars(other).update(vars(self), mmap_mode=mmap_mode)
        other._opened = getattr(self, "_opened", None)
        return other

    # Places.

    def shelf(self, func_id: str, version: bytes = NO_VERSION) -> _core.Shelf:
        """The place of a function at a version of its code."""
        return self.store.shelf(func_id, version)

    def place(self, call_id: Sequence[str]) -> tuple[_core.Shelf, bytes]:
        """The shelf and the key of a call."""
        version, _, key = call_id[1].partition("/")
        return self.shelf(call_id[0], bytes.fromhex(version)), bytes.fromhex(key)

    def versions(self, func_id: str) -> list[bytes]:
        """The versions of a function of which something is stored, latest last."""
        folder = os.path.dirname(self.shelf(func_id).path)
        found = []
        for entry in _listed(folder):
            if _is_hex(entry.name):
                with contextlib.suppress(OSError):
                    used = entry.stat(follow_symlinks=False).st_mtime_ns
                    found.append((used, bytes.fromhex(entry.name)))
        return [version for _, version in sorted(found)]

    def sample(self, func_id: str, version: bytes) -> dict[str, Any] | None:
        """The metadata of some entry of a version, None if there is none."""
        shelf = self.shelf(func_id, version)
        for entry in _listed(shelf.path):
            if _is_hex(entry.name):
                outcome, data = shelf.about(bytes.fromhex(entry.name))
                if outcome == 0 and data is not None:
                    return decode_metadata(data)
        return None

    def clear_version(self, func_id: str, version: bytes) -> None:
        """Remove all results of one version."""
        shelf = self.shelf(func_id, version)
        for entry in _listed(shelf.path):
            if _is_hex(entry.name):
                shelf.remove(bytes.fromhex(entry.name))
        with contextlib.suppress(OSError):
            os.rmdir(shelf.path)

    # Results.

    def load_item(
        self,
        call_id: Sequence[str],
        verbose: int = 1,
        timestamp: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the result of a call.

        Raises
        ------
        KeyError
            There is none.
        ValueError
            It is damaged, or not ours.
        """
        shelf, key = self.place(call_id)
        path = os.path.join(shelf.path, key.hex())
        if verbose > 1:
            print(loading_text(call_id[0], path, verbose, timestamp, metadata))
        if self.mmap_mode is not None:
            from cjoblib._mapped import load_mapped

            outcome, value = load_mapped(shelf, key, self.mmap_mode)
        else:
            outcome, _, value = shelf.get(key)
        if outcome == _core.MISS:
            raise KeyError(
                "Non-existing item (may have been cleared).\n"
                f"File {path} does not exist"
            )
        if outcome != 0:
            raise ValueError(refusal_text(path, outcome))
        return value

    def dump_item(self, call_id: Sequence[str], item: Any, verbose: int = 1) -> bool:
        """Keep the result of a call; what prevents it is a warning."""
        try:
            shelf, key = self.place(call_id)
            shelf.put(key, b"{}", self.packed(item))
        except Exception as error:
            warnings.warn(
                f"Unable to cache to disk in {os.path.join(self.location, *call_id)}. "
                f"Exception: {type(error).__name__}: {error}.",
                CacheWarning,
                stacklevel=2,
            )
            return False
        return True

    def packed(self, item: Any) -> Any:
        """The object to store for a result."""
        if self.mmap_mode is not None:
            return _contiguous(item)
        if self.compress:
            from cjoblib._packed import pack

            return pack(item, self.compress)
        return item

    def contains_item(self, call_id: Sequence[str]) -> bool:
        """Return whether there is a result of a call."""
        shelf, key = self.place(call_id)
        return shelf.has(key)

    def clear_item(self, call_id: Sequence[str]) -> None:
        """Remove the result of a call, if there is one."""
        shelf, key = self.place(call_id)
        shelf.remove(key)

    def get_metadata(self, call_id: Sequence[str]) -> dict[str, Any]:
        """Return what is known of a call; nothing when there is no result."""
        try:
            shelf, key = self.place(call_id)
            data = shelf.about(key)[1]
        except OSError:
            return {}
        return {} if data is None else public_metadata(data)

    def store_metadata(
        self, call_id: Sequence[str], metadata: Mapping[str, Any]
    ) -> None:
        """Do nothing: an entry has its metadata from the start."""

    def contains_path(self, call_id: Sequence[str]) -> bool:
        """Return whether something of a function is stored."""
        return bool(self.versions(call_id[0]))

    def clear_path(self, call_id: Sequence[str]) -> None:
        """Remove all results of a function, of every version."""
        self.shelf(call_id[0]).clear()

    def store_cached_func_code(
        self, call_id: Sequence[str], func_code: str | None = None
    ) -> None:
        """Do nothing: the code's version is part of where a result stands."""

    # The whole store.

    def clear(self) -> None:
        """Remove everything."""
        self.store.clear()

    def enforce_store_limits(
        self,
        bytes_limit: int | str | None,
        items_limit: int | None = None,
        age_limit: datetime.timedelta | None = None,
    ) -> None:
        """Remove what was used longest ago until the store is within its limits."""
        if isinstance(bytes_limit, str):
            bytes_limit = memstr_to_bytes(bytes_limit)
        seconds = None if age_limit is None else age_limit.total_seconds()
        if seconds is not None and seconds < 0:
            raise ValueError("age_limit has to be a positive timedelta")
        reduce = getattr(self.store, "reduce", None)
        if reduce is None or self.verbose > 10:  # each one is told
            super().enforce_store_limits(bytes_limit, items_limit, age_limit)
        else:
            reduce(bytes_limit, items_limit, seconds)

    def get_items(self) -> list[CacheItemInfo]:
        """Return a :class:`CacheItemInfo` for each stored result."""
        return [
            CacheItemInfo(path, n_bytes, datetime.datetime.fromtimestamp(used / 1e9))
            for path, n_bytes, used in self.walk()
        ]

    def walk(self) -> Iterator[tuple[str, int, int]]:
        """Yield path, bytes and time of last use (ns) of each result, in no order."""
        waiting = [self.location]
        while waiting:
            folder = waiting.pop()
            in_version = _is_hex(os.path.basename(folder))
            for entry in _listed(folder):
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith("."):
                            waiting.append(entry.path)
                    elif in_version and _is_hex(entry.name):
                        stat = entry.stat(follow_symlinks=False)
                        yield entry.path, stat.st_size, stat.st_mtime_ns

    def read_metadata(self, path: str) -> bytes:
        """The metadata of an entry's file, unchecked; nothing when it can't be read."""
        try:
            with open(path, "rb") as file:
                head = file.read(min(HEAD_BYTES.values()))
                file.seek(head_bytes(head))
                n_bytes = int.from_bytes(head[16:24], "little")
                return file.read(n_bytes) if n_bytes < MOST_METADATA else b""
        except OSError:
            return b""

    # What the base class wants; nobody else uses it.

    def _open_item(self, f: Any, mode: str) -> Any:
        return open(f, mode)

    def _item_exists(self, location: Any) -> bool:
        return os.path.exists(location)

    def _move_item(self, src: Any, dst: Any) -> None:
        os.replace(src, dst)

    def create_location(self, location: Any) -> None:
        """Do nothing: the store makes its folders."""

    def clear_location(self, location: Any) -> None:
        """Remove one entry's file, or everything."""
        if location == self.location:
            self.clear()
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(location)


def _make_private(folder: str) -> None:
    """Make a folder for its owner alone, where there is none. What can't be made, the
    store says best."""
    if not os.path.isdir(folder):
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            os.mkdir(folder, 0o700)


def refusal_text(path: str, outcome: int) -> str:
    """What is wrong with an entry that was refused."""
    if outcome == _core.CORRUPT:
        return f"the entry {path} is damaged"
    return (
        f"the entry {path} is a link, or a file or folder of another owner, "
        "and was not touched"
    )


def head_bytes(head: bytes) -> int:
    """Where an entry's metadata begins, by the first bytes of its file."""
    return HEAD_BYTES.get(int.from_bytes(head[8:12], "little"), 0)


def decode_metadata(data: bytes) -> dict[str, Any]:
    """The metadata of an entry, with what is for us alone; nothing if it is no such."""
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def public_metadata(data: bytes) -> dict[str, Any]:
    """The metadata of an entry, as joblib has it."""
    found = decode_metadata(data)
    found.pop(PRIVATE, None)
    return found


def _contiguous(item: Any) -> Any:
    """An array that can be mapped in place of one that can't."""
    flags = getattr(item, "flags", None)
    if getattr(flags, "forc", True) or not hasattr(item, "__array_interface__"):
        return item
    return item.copy()


def _is_hex(name: str) -> bool:
    return len(name) == HEX_DIGITS and all(c in "0123456789abcdef" for c in name)


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
