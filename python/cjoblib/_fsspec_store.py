"""A store on any file system that fsspec knows: S3, GCS, Azure, HDFS, memory, ...

The files are joblib's. Each is written by one put, so that it is there whole or not at
all. fsspec is imported when such a store is made.
"""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cjoblib import numpy_pickle
from cjoblib._store_backends import (
    RESULT,
    CacheItemInfo,
    StoreBackendBase,
    StoreBackendMixin,
)

WRITTEN = ("mtime", "LastModified", "last_modified", "updated", "created")


class FsspecStoreBackend(StoreBackendBase, StoreBackendMixin):
    """A store at a URL such as ``s3://bucket/folder``.

    `backend_options` may have `storage_options`, a dict for the file system.
    """

    def configure(
        self,
        location: Any,
        verbose: int = 1,
        backend_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Use the folder at the URL `location`.

        Raises
        ------
        ImportError
            fsspec, or what it needs for this kind of URL, is not installed.
        """
        options = backend_options or {}
        self.location = location.rstrip("/")
        self.verbose = verbose
        self.storage_options = dict(options.get("storage_options") or {})
        self.compress = options.get("compress", False)
        self.mmap_mode = None
        if options.get("mmap_mode") is not None:
            warnings.warn(
                f"Results at {location} can't be mapped. mmap_mode will be ignored.",
                stacklevel=4,
            )
        self.fs  # noqa: B018

    @property
    def fs(self) -> Any:
        """The file system; fsspec keeps one for each place."""
        try:
            core = importlib.import_module("fsspec.core")
        except ImportError as error:
            raise ImportError(
                f"a cache at {self.location} needs the package fsspec"
            ) from error
        return core.url_to_fs(self.location, **self.storage_options)[0]

    def _open_item(self, f: Any, mode: str) -> Any:
        return self.fs.open(f, mode)

    def _item_exists(self, location: Any) -> bool:
        return bool(self.fs.exists(location))

    def _move_item(self, src: Any, dst: Any) -> None:
        self.fs.mv(src, dst)

    def create_location(self, location: Any) -> None:
        """Make sure that a folder exists, where there are folders."""
        self.fs.makedirs(location, exist_ok=True)

    def clear_location(self, location: Any) -> None:
        """Delete a folder and what is in it; empty the store's own one."""
        fs = self.fs
        fs.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            fs.rm(location, recursive=True)
        if location == self.location:
            self.create_location(location)

    def load_item(
        self,
        call_id: Sequence[str],
        verbose: int = 1,
        timestamp: float | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Any:
        """Return the result of a call; see the base class."""
        self.fs.invalidate_cache()
        return super().load_item(call_id, verbose, timestamp, metadata)

    def _concurrency_safe_write(
        self, to_write: Any, filename: str, write_func: Callable[[Any, str], Any]
    ) -> None:
        data = to_write
        if filename.endswith(RESULT):
            file = io.BytesIO()
            numpy_pickle.dump(to_write, file, compress=self.compress or False)
            data = file.getvalue()
        if self.fs.protocol not in (("file", "local"), "file", "local"):
            self.fs.pipe_file(filename, data)
            return
        temporary = f"{filename}.{os.urandom(8).hex()}"
        try:
            self.fs.pipe_file(temporary, data)
            self.fs.mv(temporary, filename)
        except BaseException:
            with contextlib.suppress(OSError):
                self.fs.rm_file(temporary)
            raise

    def get_items(self) -> list[CacheItemInfo]:
        """Return a :class:`CacheItemInfo` for each stored result."""
        fs = self.fs
        fs.invalidate_cache()
        found: dict[str, list[Any]] = {}
        for path, about in fs.find(self.location, detail=True).items():
            folder, _, name = path.rpartition("/")
            item = found.setdefault(folder, [0, None])
            item[0] += about.get("size") or 0
            if name == RESULT:
                item[1] = _written(about)
        return [
            CacheItemInfo(fs.unstrip_protocol(folder), size, written)
            for folder, (size, written) in found.items()
            if written is not None
        ]


def _written(about: Mapping[str, Any]) -> datetime.datetime:
    """When a file was written, as local time without a zone."""
    for name in WRITTEN:
        value = about.get(name)
        if isinstance(value, (int, float)):
            return datetime.datetime.fromtimestamp(value)
        if isinstance(value, datetime.datetime):
            return value.astimezone().replace(tzinfo=None)
    return datetime.datetime.fromtimestamp(0)
