"""Stores written in Python: their base class, what they share, and joblib's own layout.

A store keeps items under a call's id, `(function id, arguments' id)`:

    LOCATION/<function id>/func_code.py                 source of the function
    LOCATION/<function id>/<arguments' id>/output.pkl   the result, as `dump` writes it
    LOCATION/<function id>/<arguments' id>/metadata.json

:class:`StoreBackendMixin` does this on whatever can open, move and delete files;
:class:`FileSystemStoreBackend` does it on a folder, and shares it with joblib.
"""

from __future__ import annotations

import datetime
import json
import operator
import os
import re
import shutil
import threading
import time
import uuid
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pickle import PicklingError
from typing import Any, NamedTuple

from cjoblib import numpy_pickle
from cjoblib.backports import concurrency_safe_rename
from cjoblib.disk import memstr_to_bytes, mkdirp, rm_subdirs
from cjoblib.logger import format_time

__all__ = [
    "CacheItemInfo",
    "CacheWarning",
    "FileSystemStoreBackend",
    "StoreBackendBase",
    "StoreBackendMixin",
    "concurrency_safe_write",
]

RESULT = "output.pkl"
METADATA = "metadata.json"
CODE = "func_code.py"
CallId = Sequence[str]


class CacheWarning(UserWarning):
    """Something kept a result from being stored or read; the call itself was computed."""


class CacheItemInfo(NamedTuple):
    """One stored result.

    Attributes
    ----------
    path : str
    size : int
        Bytes, with the metadata.
    last_access : datetime.datetime
    """

    path: str
    size: int
    last_access: datetime.datetime


def concurrency_safe_write(
    object_to_write: Any, filename: str, write_func: Callable[[Any, str], Any]
) -> str:
    """Write under a name that nobody else uses, and return it.

    Parameters
    ----------
    object_to_write : object
    filename : str
        What the file is to be called later.
    write_func : callable
        Called as ``write_func(object_to_write, temporary_name)``.
    """
    thread = threading.get_ident()
    temporary = f"{filename}.{uuid.uuid4().hex}-{os.getpid()}-{thread}"
    write_func(object_to_write, temporary)
    return temporary


class StoreBackendBase(metaclass=ABCMeta):
    """What a store has to offer.

    To write one, derive from this and :class:`StoreBackendMixin`, and register it with
    :func:`cjoblib.memory.register_store_backend`.
    """

    location: Any = None

    @abstractmethod
    def _open_item(self, f: Any, mode: str) -> Any:
        """Open the file named `f`, with mode `"rb"` or `"wb"`."""

    @abstractmethod
    def _item_exists(self, location: Any) -> bool:
        """Return whether a file or folder of this name exists."""

    @abstractmethod
    def _move_item(self, src: Any, dst: Any) -> Any:
        """Give a file another name, and replace what has it, in one step."""

    @abstractmethod
    def create_location(self, location: Any) -> Any:
        """Make sure that a folder exists."""

    @abstractmethod
    def clear_location(self, location: Any) -> Any:
        """Delete a folder and what is in it; empty the store's own one."""

    @abstractmethod
    def get_items(self) -> list[Any]:
        """Return a :class:`CacheItemInfo` for each stored result."""

    @abstractmethod
    def configure(
        self, location: Any, verbose: int = 0, backend_options: Any = None
    ) -> Any:
        """Take the place to store in, and options such as `compress`, `mmap_mode`."""


class StoreBackendMixin:
    """Items as files, for any store that has the methods of the base class."""

    location: Any

    def _path(self, call_id: CallId, *names: str) -> str:
        return os.path.join(self.location, *call_id, *names)

    # Results.

    def load_item(
        self,
        call_id: CallId,
        verbose: int = 1,
        timestamp: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the result of a call.

        Raises
        ------
        KeyError
            There is none.
        """
        path = self._path(call_id)
        if verbose > 1:
            print(loading_text(call_id[0], path, verbose, timestamp, metadata))
        filename = os.path.join(path, RESULT)
        if not self._item_exists(filename):  # type: ignore[attr-defined]
            raise KeyError(
                "Non-existing item (may have been cleared).\n"
                f"File {filename} does not exist"
            )
        mmap_mode = getattr(self, "mmap_mode", None)
        if mmap_mode is not None:  # only what has a name can be mapped
            return numpy_pickle.load(filename, mmap_mode=mmap_mode)
        with self._open_item(filename, "rb") as file:  # type: ignore[attr-defined]
            return numpy_pickle.load(file)

    def dump_item(self, call_id: CallId, item: Any, verbose: int = 1) -> Any:
        """Keep the result of a call; what prevents it is a warning."""
        try:
            path = self._path(call_id)
            if not self._item_exists(path):  # type: ignore[attr-defined]
                self.create_location(path)  # type: ignore[attr-defined]
            if verbose > 10:
                print(f"Persisting in {path}")
            filename = os.path.join(path, RESULT)
            self._concurrency_safe_write(item, filename, self._write_result)
        except PicklingError as error:
            warnings.warn(
                "Unable to cache to disk: failed to pickle output for "
                f"{self._path(call_id)}. Exception: {error}.",
                FutureWarning,
                stacklevel=2,
            )
        except Exception as error:
            warnings.warn(
                f"Unable to cache to disk in {self._path(call_id)}. "
                f"Exception: {type(error).__name__}: {error}.",
                CacheWarning,
                stacklevel=2,
            )
        else:
            return True
        return False

    def _write_result(self, item: Any, filename: str) -> None:
        compress = getattr(self, "compress", False) or False
        with self._open_item(filename, "wb") as file:  # type: ignore[attr-defined]
            numpy_pickle.dump(item, file, compress=compress)

    def contains_item(self, call_id: CallId) -> bool:
        """Return whether there is a result of a call."""
        exists: bool = self._item_exists(self._path(call_id, RESULT))  # type: ignore[attr-defined]
        return exists

    def clear_item(self, call_id: CallId) -> None:
        """Remove the result of a call, if there is one."""
        path = self._path(call_id)
        if self._item_exists(path):  # type: ignore[attr-defined]
            self.clear_location(path)  # type: ignore[attr-defined]

    def get_item_info(self, call_id: CallId) -> dict[str, Any]:
        """Return where a result is."""
        return {"location": self._path(call_id)}

    # Metadata.

    def get_metadata(self, call_id: CallId) -> dict[str, Any]:
        """Return what is known of a call; nothing if that is lost."""
        try:
            filename = self._path(call_id, METADATA)
            with self._open_item(filename, "rb") as file:  # type: ignore[attr-defined]
                found = json.loads(file.read().decode("utf-8"))
        except Exception:  # each store has its own errors
            return {}
        return found if isinstance(found, dict) else {}

    def store_metadata(self, call_id: CallId, metadata: Mapping[str, Any]) -> None:
        """Keep what is known of a call; a failure costs it alone."""
        try:
            self.create_location(self._path(call_id))  # type: ignore[attr-defined]
            data = json.dumps(metadata).encode("utf-8")
            filename = self._path(call_id, METADATA)
            self._concurrency_safe_write(data, filename, self._write_bytes)
        except Exception:  # each store has its own errors
            return

    def _write_bytes(self, data: bytes, filename: str) -> None:
        with self._open_item(filename, "wb") as file:  # type: ignore[attr-defined]
            file.write(data)

    # Functions.

    def contains_path(self, call_id: CallId) -> bool:
        """Return whether there is a folder of a function."""
        exists: bool = self._item_exists(self._path(call_id))  # type: ignore[attr-defined]
        return exists

    def clear_path(self, call_id: CallId) -> None:
        """Remove all results of a function."""
        self.clear_item(call_id)

    def store_cached_func_code(
        self, call_id: CallId, func_code: str | None = None
    ) -> None:
        """Make the folder of a function, and keep its source there if it is given."""
        path = self._path(call_id)
        if not self._item_exists(path):  # type: ignore[attr-defined]
            self.create_location(path)  # type: ignore[attr-defined]
        if func_code is not None:
            data = func_code.encode("utf-8", "surrogatepass")
            filename = os.path.join(path, CODE)
            self._concurrency_safe_write(data, filename, self._write_bytes)

    def get_cached_func_code(self, call_id: CallId) -> str:
        """Return the source that was kept.

        Raises
        ------
        OSError
            There is none; some stores raise other errors.
        """
        filename = self._path(call_id, CODE)
        with self._open_item(filename, "rb") as file:  # type: ignore[attr-defined]
            text: str = file.read().decode("utf-8", "surrogatepass")
        return text

    def get_cached_func_info(self, call_id: CallId) -> dict[str, Any]:
        """Return where the results of a function are."""
        return {"location": self._path(call_id)}

    # The whole store.

    def clear(self) -> None:
        """Remove everything."""
        self.clear_location(self.location)  # type: ignore[attr-defined]

    def enforce_store_limits(
        self,
        bytes_limit: int | str | None,
        items_limit: int | None = None,
        age_limit: datetime.timedelta | None = None,
    ) -> None:
        """Remove what was used longest ago until the store is within its limits."""
        doomed = self._get_items_to_delete(bytes_limit, items_limit, age_limit)
        for item in doomed:
            if getattr(self, "verbose", 0) > 10:
                print(f"Deleting item {item}")
            try:
                self.clear_location(item.path)  # type: ignore[attr-defined]
            except OSError:  # somebody else deletes it too
                continue

    def _get_items_to_delete(
        self,
        bytes_limit: int | str | None,
        items_limit: int | None = None,
        age_limit: datetime.timedelta | None = None,
    ) -> list[Any]:
        if isinstance(bytes_limit, str):
            bytes_limit = memstr_to_bytes(bytes_limit)
        if age_limit is not None and age_limit.total_seconds() < 0:
            raise ValueError("age_limit has to be a positive timedelta")
        items = sorted(self.get_items(), key=operator.attrgetter("last_access"))  # type: ignore[attr-defined]
        n_bytes = sum(item.size for item in items)
        n_items = len(items)
        oldest_kept = None
        if age_limit is not None:
            oldest_kept = datetime.datetime.now() - age_limit
        doomed = []
        for item in items:
            fits = bytes_limit is None or n_bytes <= bytes_limit
            few = items_limit is None or n_items <= items_limit
            young = oldest_kept is None or item.last_access > oldest_kept
            if fits and few and young:
                break
            doomed.append(item)
            n_bytes -= item.size
            n_items -= 1
        return doomed

    def _concurrency_safe_write(
        self, to_write: Any, filename: str, write_func: Callable[[Any, str], Any]
    ) -> None:
        """Write a file so that others see all of it or nothing."""
        written: list[str] = []

        def write(value: Any, temporary: str) -> None:
            written.append(temporary)
            write_func(value, temporary)

        try:
            temporary = concurrency_safe_write(to_write, filename, write)
            self._move_item(temporary, filename)  # type: ignore[attr-defined]
        except BaseException:
            for name in written:
                self._discard(name)
            raise

    def _discard(self, filename: str) -> None:
        """Remove a file that was not finished, where a store knows how."""

    def __repr__(self) -> str:
        return f'{type(self).__name__}(location="{self.location}")'


def loading_text(
    func_id: str,
    path: str,
    verbose: int,
    timestamp: float | None,
    metadata: Mapping[str, Any] | None,
) -> str:
    """The line that tells of a load."""
    since = ""
    if timestamp is not None:
        since = f"{format_time(time.time() - timestamp): <16}"
    call = os.path.basename(func_id)
    if metadata is not None and "input_args" in metadata:
        shown = ", ".join(f"{k}={v}" for k, v in metadata["input_args"].items())
        call += f"({shown})"
    end = "..." if verbose < 10 else f" from {path}"
    return f"[Memory]{since}: Loading {call}{end}"


def write_gitignore(location: str, mode: int = 0o666) -> None:
    """Keep a cache's folder out of version control, unless there is a rule already."""
    filename = os.path.join(location, ".gitignore")
    if os.path.lexists(filename):
        return
    try:
        with open(
            filename, "x", opener=lambda f, flags: os.open(f, flags, mode)
        ) as file:
            file.write("# Created by joblib automatically.\n*\n")
    except FileExistsError:
        return
    except OSError as error:
        warnings.warn(f"Unable to write {filename}. Exception: {error}.", stacklevel=3)


class FileSystemStoreBackend(StoreBackendBase, StoreBackendMixin):
    """A folder in joblib's layout: joblib and cjoblib find each other's results in it."""

    _open_item = staticmethod(open)  # type: ignore[assignment]
    _item_exists = staticmethod(os.path.exists)  # type: ignore[assignment]
    _move_item = staticmethod(concurrency_safe_rename)

    def configure(
        self,
        location: Any,
        verbose: int = 1,
        backend_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Use the folder `location`, which is made when needed.

        Parameters
        ----------
        location : str
        verbose : int
        backend_options : dict
            `compress` and `mmap_mode`, as for :func:`cjoblib.dump` and `load`.
        """
        options = backend_options or {}
        self.location = location
        if not os.path.exists(location):
            mkdirp(location)
        parent, name = os.path.split(location)
        write_gitignore(parent if parent and name == "joblib" else location)
        self.compress = options.get("compress", False)
        self.mmap_mode = options.get("mmap_mode")
        if self.compress and self.mmap_mode is not None:
            warnings.warn(
                "Compressed items cannot be memmapped in a filesystem store. "
                "Option will be ignored.",
                stacklevel=2,
            )
        self.verbose = verbose

    def create_location(self, location: Any) -> None:
        """Make sure that a folder exists."""
        mkdirp(location)

    def clear_location(self, location: Any) -> None:
        """Delete a folder and what is in it; empty the store's own one."""
        if location == self.location:
            rm_subdirs(location)
        else:
            shutil.rmtree(location, ignore_errors=True)

    def _discard(self, filename: str) -> None:
        try:
            os.unlink(filename)
        except OSError:
            return

    def get_items(self) -> list[CacheItemInfo]:
        """Return a :class:`CacheItemInfo` for each stored result."""
        found = []
        for folder, _, names in os.walk(self.location):
            if re.match("[a-f0-9]{32}", os.path.basename(folder)):
                item = _folder_item(folder, names)
                if item is not None:
                    found.append(item)
        return found


def _folder_item(folder: str, names: list[str]) -> CacheItemInfo | None:
    """The item in a folder; None when somebody deletes it."""
    try:
        try:
            used = os.path.getatime(os.path.join(folder, RESULT))
        except OSError:
            used = os.path.getatime(folder)
        size = sum(os.path.getsize(os.path.join(folder, name)) for name in names)
    except OSError:
        return None
    return CacheItemInfo(folder, size, datetime.datetime.fromtimestamp(used))
