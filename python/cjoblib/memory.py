"""Disk-cached function calls: ``Memory(location).cache(function)``.

A call's key is the digest of its arguments; its place in the store is named after the
function and the version of its code. Looking a call up is C from end to end
(``cjoblib._core.Memo``); what happens once per function or once per computation is in
the modules beside this one:

    _identity, _project   what a function is
    _memorized            what happens around a call
    _memo_code            what a change of code means
    _native_store         the C library's store; _store_backends: stores in Python
"""

from __future__ import annotations

import datetime
import functools
import inspect
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ParamSpec, TypeVar, overload

from cjoblib import _identity
from cjoblib._memo_async import AsyncMemorizedFunc
from cjoblib._memo_code import (
    _FUNCTION_HASHES,
    JobLibCollisionWarning,
    extract_first_line,
)
from cjoblib._memo_code import build_func_identifier as _build_func_identifier
from cjoblib._memo_options import (
    Options,
    bytes_of,
    checked_callback,
    checked_options,
    checked_track,
    expires_after,
    one_location,
    refuse_generators,
)
from cjoblib._memo_report import CheckResult, Entry, check, entries, info
from cjoblib._memo_results import (
    AsyncNotMemorizedFunc,
    MemorizedResult,
    NotMemorizedFunc,
    NotMemorizedResult,
)
from cjoblib._memorized import MemorizedFunc
from cjoblib._native_store import LocalStoreBackend
from cjoblib._packed import method
from cjoblib._store_backends import (
    CacheWarning,
    FileSystemStoreBackend,
    StoreBackendBase,
)
from cjoblib._stores import (
    _STORE_BACKENDS,
    check_options,
    kind_for,
    place_in,
    register_store_backend,
)
from cjoblib._stores import make_store as _store_backend_factory

# Importing it also says how other libraries' classes are hashed.
from cjoblib.hashing import UnhashableError
from cjoblib.logger import Logger

__all__ = [
    "_FUNCTION_HASHES",
    "_STORE_BACKENDS",
    "AsyncMemorizedFunc",
    "AsyncNotMemorizedFunc",
    "CacheWarning",
    "CheckResult",
    "Entry",
    "FileSystemStoreBackend",
    "JobLibCollisionWarning",
    "MemorizedFunc",
    "MemorizedResult",
    "Memory",
    "NotMemorizedFunc",
    "NotMemorizedResult",
    "StoreBackendBase",
    "UnhashableError",
    "_build_func_identifier",
    "_store_backend_factory",
    "expires_after",
    "extract_first_line",
    "register_store_backend",
]

P = ParamSpec("P")
R = TypeVar("R")


class Memory(Logger):
    """A folder in which results of function calls are kept.

    Parameters
    ----------
    location : str, path or None
        The folder; ``~`` is the home folder. It is made when needed. None: nothing is
        kept, functions are called as they are.
    backend : str, default 'local'
        The kind of store. ``'cjoblib'`` is a folder of a file system in a format of
        its own, ``'joblib'`` one that is shared with joblib. ``'local'`` means the
        first, and the second after :func:`cjoblib.install_as_joblib`. A URL such as
        ``s3://bucket/folder`` needs the package fsspec. See also
        :func:`register_store_backend`.
    mmap_mode : {None, 'r', 'r+', 'w+', 'c'}
        Arrays in results are mapped from the file, read-only (`'r'`) or as a private
        copy that is made as it is written to (all others). None: they are read.
    compress : bool, int, str or (str, int), default False
        Compress results, as for :func:`cjoblib.dump`. They can't be mapped then.
    verbose : int, default 1
        0: silent; 1: each computation is printed; 2: each load too; 11: with paths.
    backend_options : dict
        What a registered backend takes.
    cachedir : str or path
        The old name of `location`; deprecated.
    durable : bool, default False
        A stored result survives a power cut. Otherwise the newest ones may be lost
        then; they are computed again.
    max_bytes : int or str, optional
        The most that results may take together, such as ``'10G'``: those that were
        used longest ago make room for new ones.
    ttl, min_seconds, on_change, track
        For all functions that do not have their own.

    Notes
    -----
    Options of :meth:`cache` beyond joblib's:

    key : callable
        Called with the call's arguments: what it returns takes their place in telling
        calls apart.
    ttl : float or datetime.timedelta
        Seconds after which a result is computed again.
    min_seconds : float
        Calls that take less time are not stored.
    on_change : {'clear', 'keep', 'ignore'}
        When the function's code has changed, results of the old code are removed; or
        kept, should it come back; or served all the same.
    version : str or int
        Stands for the code: what the code is makes no difference then.
    depends : list
        Functions, classes, modules and values that belong to the function's code.
    track : {None, 'project'}
        `'project'`: the functions and constants of your own that the function refers
        to, and what they refer to, belong to its code. Your own is what neither Python
        nor an installed package brings.

    Values that a function has captured belong to it as they were when it was first
    used; those that it sets itself (``nonlocal``) do not.

    A result that can't be stored or read back (full disk, folder without permission,
    damaged file) costs one :class:`CacheWarning` that names the path; the call itself
    is computed and its result returned.

    Examples
    --------
    >>> from cjoblib import Memory
    >>> memory = Memory(None)
    >>> @memory.cache
    ... def square(x):
    ...     return x * x
    >>> square(3)
    9
    """

    def __init__(
        self,
        location: str | os.PathLike[str] | None = None,
        backend: str = "local",
        mmap_mode: str | None = None,
        compress: bool | int | str | tuple[str, int] = False,
        verbose: int = 1,
        backend_options: Mapping[str, Any] | None = None,
        *,
        cachedir: str | os.PathLike[str] | None = None,
        durable: bool = False,
        max_bytes: int | str | None = None,
        ttl: float | datetime.timedelta | None = None,
        min_seconds: float = 0.0,
        on_change: str = "clear",
        track: str | None = None,
    ) -> None:
        super().__init__()
        location = one_location(location, cachedir)
        if compress:
            method(compress)
            if mmap_mode is not None:
                warnings.warn("Compressed results cannot be memmapped", stacklevel=2)
        self.location = location
        self.backend = backend
        backend = kind_for(backend, location)
        self.mmap_mode = mmap_mode
        self.compress = compress
        self.timestamp: float | None = time.time()
        self.backend_options = dict(backend_options or {})
        self._verbose = verbose
        self._options = checked_options(
            Options(), ttl=ttl, min_seconds=min_seconds, on_change=on_change
        )
        self._track = checked_track(track)
        options = dict(self.backend_options)
        if durable:
            options["durable"] = True
        if max_bytes is not None:
            options["max_bytes"] = bytes_of(max_bytes)
        check_options(backend, options)
        place: Any = location
        if isinstance(location, str):
            place = place_in(backend, location)
        self.store_backend = _store_backend_factory(
            backend,
            place,
            verbose=self._verbose,
            backend_options=dict(compress=compress, mmap_mode=mmap_mode, **options),
        )

    @overload
    def cache(
        self,
        func: Callable[P, R],
        ignore: list[str] | None = None,
        verbose: int | None = None,
        mmap_mode: Any = False,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> MemorizedFunc[P, R]: ...

    @overload
    def cache(
        self,
        func: None = None,
        ignore: list[str] | None = None,
        verbose: int | None = None,
        mmap_mode: Any = False,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> Callable[[Callable[P, R]], MemorizedFunc[P, R]]: ...

    def cache(
        self,
        func: Callable[P, R] | None = None,
        ignore: list[str] | None = None,
        verbose: int | None = None,
        mmap_mode: Any = False,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        **options: Any,
    ) -> Any:
        """Keep the results of a function; also a decorator, with and without arguments.

        Parameters
        ----------
        func : callable
        ignore : list of str, optional
            Names of arguments that make no difference to the result.
        verbose, mmap_mode : instead of the memory's own
        cache_validation_callback : callable, optional
            Called with the metadata of a stored result (`duration`, `input_args`,
            `time`); if it does not return true, the call is computed again.
        **options
            `key`, `ttl`, `min_seconds`, `on_change`, `version`, `depends`, `track`:
            see :class:`Memory`.

        Raises
        ------
        ValueError
            A name in `ignore` is not an argument of the function, or an option has a
            value that it can't have.
        TypeError
            `func` can't be called, or makes a generator; or there's no such option.
        """
        callback = checked_callback(cache_validation_callback)
        chosen = self._chosen(**options)
        if func is None:
            options |= {"verbose": verbose, "mmap_mode": mmap_mode, "ignore": ignore}
            return functools.partial(
                self.cache, cache_validation_callback=callback, **options
            )
        if isinstance(func, (MemorizedFunc, NotMemorizedFunc)):
            func = func.func
        if not callable(func):
            raise TypeError(f"Memory.cache needs a callable, not {func!r}")
        is_async = inspect.iscoroutinefunction(func)
        if self.store_backend is None:
            return (AsyncNotMemorizedFunc if is_async else NotMemorizedFunc)(func)
        refuse_generators(func)
        kind: Any = AsyncMemorizedFunc if is_async else MemorizedFunc
        return kind(
            func,
            self._store_for(mmap_mode),
            backend=self.backend,
            ignore=ignore,
            mmap_mode=self.mmap_mode if mmap_mode is False else mmap_mode,
            compress=self.compress,
            verbose=self._verbose if verbose is None else verbose,
            timestamp=self.timestamp,
            cache_validation_callback=callback,
            options=chosen,
        )

    def _store_for(self, mmap_mode: Any) -> Any:
        """The memory's store, or one like it that maps in another way."""
        store = self.store_backend
        if mmap_mode is False or not isinstance(store, LocalStoreBackend):
            return store
        return store.with_mmap_mode(mmap_mode)

    def _chosen(
        self,
        *,
        version: str | int | None = None,
        depends: Iterable[Any] = (),
        track: Any = False,
        **options: Any,
    ) -> Options:
        """The options of one function, checked."""
        chosen = checked_options(self._options, **options)
        track = self._track if track is False else checked_track(track)
        return chosen._replace(
            dependencies=_identity.Dependencies(
                None if version is None else f"{type(version).__name__} {version}",
                tuple(depends),
                track is not None,
            )
        )

    def eval(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function through the cache."""
        if self.store_backend is None:
            return func(*args, **kwargs)
        return self.cache(func)(*args, **kwargs)

    def clear(self, warn: bool = True) -> None:
        """Remove every result of every function."""
        if warn:
            self.warn("Flushing completely the cache")
        if self.store_backend is not None:
            self.store_backend.clear()
            _FUNCTION_HASHES.clear()

    def reduce_size(
        self,
        bytes_limit: int | str | None = None,
        items_limit: int | None = None,
        age_limit: datetime.timedelta | None = None,
    ) -> None:
        """Remove the results that were used longest ago, until the cache fits.

        Parameters
        ----------
        bytes_limit : int or str, optional
            The most that results may take together, such as ``'500M'``.
        items_limit : int, optional
            The most results.
        age_limit : datetime.timedelta, optional
            Results that were not used for longer go.

        Raises
        ------
        ValueError
            `age_limit` is negative, or `bytes_limit` is no size.
        """
        limits = (bytes_limit, items_limit, age_limit)
        if self.store_backend is not None and limits != (None, None, None):
            self.store_backend.enforce_store_limits(*limits)

    def check(self, fix: bool = False) -> CheckResult:
        """Read and check everything that is stored.

        Parameters
        ----------
        fix : bool
            Remove what is damaged, and what dead processes left behind.
        """
        return check(self.store_backend, fix)

    def entries(self) -> Iterator[Entry]:
        """Yield an :class:`Entry` for each stored result, in no order."""
        return entries(self.store_backend)

    def info(self, msg: str | None = None) -> Any:
        """Return how much is stored: `entries`, `bytes`, `functions`, `location`; and
        of handles that were closed `hits`, `misses`, `evicted`.

        With a text it is a logger's `info`, which joblib's `Memory` has too.
        """
        if msg is not None:
            return super().info(msg)
        return info(self.store_backend)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "timestamp": None}

    def __repr__(self) -> str:
        location = getattr(self.store_backend, "location", None)
        return f"{type(self).__name__}(location={location})"
