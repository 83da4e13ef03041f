"""Disk-cached function calls: ``Memory(location).cache(function)``.

A call's key is the digest of its arguments, its place in the store is named after the
function and the version of its code. Looking a call up is C from end to end
(``cjoblib._core.Memo``); what happens once per function or once per computation is here.
"""

from __future__ import annotations

import functools
import os
import sys
import time
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, ParamSpec, TypeVar, overload

from cjoblib import _core

# Importing it also says how other libraries' classes are hashed.
from cjoblib.hashing import UnhashableError

__all__ = ["CacheWarning", "MemorizedFunc", "Memory", "UnhashableError"]

P = ParamSpec("P")
R = TypeVar("R")


class _Missing:
    """Stands for the default of a parameter that has none."""


_MISSING = _Missing()


class CacheWarning(UserWarning):
    """Something kept a result from being stored or read; the call itself was computed."""


# --- what a function is --------------------------------------------------------------------


class _Table(NamedTuple):
    """A signature as ``_core.Memo`` wants it."""

    names: tuple[str, ...]
    defaults: tuple[Any, ...]
    n_positional_only: int
    n_positional: int
    takes_varargs: bool
    takes_keywords: bool


def _table(func: Callable[..., Any]) -> _Table:
    import inspect

    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):  # NumPy's ufuncs, some builtins: taken as they come
        return _Table((), (), 0, 0, True, True)
    kinds = [p.kind for p in parameters]
    named = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    kind = inspect.Parameter
    n_only = kinds.count(kind.POSITIONAL_ONLY)
    return _Table(
        tuple(sys.intern(p.name) for p in named),
        tuple(_MISSING if p.default is p.empty else p.default for p in named),
        n_only,
        n_only + kinds.count(kind.POSITIONAL_OR_KEYWORD),
        kind.VAR_POSITIONAL in kinds,
        kind.VAR_KEYWORD in kinds,
    )


def _ignored(table: _Table, ignore: Iterable[str], name: str) -> frozenset[str]:
    wanted = frozenset(ignore)
    known = {*table.names}
    known |= {"*"} if table.takes_varargs else set()
    known |= {"**"} if table.takes_keywords else set()
    for argument in sorted(wanted - known):
        raise ValueError(
            f"Ignore list: argument '{argument}' is not defined for function {name}"
        )
    return wanted


def _code_digest(code: types.CodeType, digest: _core.Digest) -> None:
    """Take in a code object: what it does, not where it stands."""
    digest.update(code.co_code)
    digest.update(repr((code.co_names, code.co_varnames, code.co_freevars)).encode())
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            _code_digest(constant, digest)
        else:
            digest.update(_core.canonical_hash(constant).encode())


def _version(func: Callable[..., Any]) -> bytes:
    """The version of a function's code, 16 bytes.

    The source text where there is one; the bytecode where there is none, and for lambdas
    too, of which one line can hold several.
    """
    import inspect

    digest = _core.Digest("xxh128")
    func = inspect.unwrap(func)
    inner = func
    while isinstance(inner, functools.partial):
        inner = inner.func
    inner = getattr(inner, "__func__", inner)
    code = getattr(inner, "__code__", None)
    try:
        source = inspect.getsource(inner)
    except (OSError, TypeError):
        source = ""
    digest.update(source.encode("utf-8", "surrogatepass"))
    if isinstance(code, types.CodeType) and (not source or code.co_name == "<lambda>"):
        _code_digest(code, digest)
    for bound in _bound(func):
        digest.update(_core.canonical_hash(bound).encode())
    return digest.digest()


def _bound(func: Any) -> list[Any]:
    """Values that a callable carries along: they are part of what it computes."""
    found: list[Any] = []
    while isinstance(func, functools.partial):
        found += [func.args, func.keywords]
        func = func.func
    if isinstance(func, types.MethodType):
        found.append(func.__self__)
    return found


# --- one function --------------------------------------------------------------------------


class MemorizedFunc(_core.Memo[P, R]):
    """A function whose results are kept on disk. Made by :meth:`Memory.cache`.

    Attributes
    ----------
    func : callable
        The function itself.
    func_id : str
        Its name in the store: the module's path and the function's name, with ``/``.
    ignore : list of str
        Arguments that make no difference to the result.
    """

    func_id: str
    ignore: list[str]
    _location: str | None
    _version: bytes

    def __new__(
        cls,
        func: Callable[P, R],
        store: _core.Store | None,
        *,
        location: str | None = None,
        ignore: Iterable[str] = (),
        verbose: int = 1,
        version: bytes | None = None,
        func_id: str | None = None,
    ) -> MemorizedFunc[P, R]:
        if func_id is None:
            func_id = _func_id(func)
        if version is None:
            version = _version(func)
        shelf = store.shelf(func_id, version) if store is not None else None
        table = _table(func)
        ignored = _ignored(table, ignore, func_id.rpartition("/")[2])
        self = super().__new__(
            cls,
            func,
            shelf,
            table.names,
            table.defaults,
            _MISSING,
            ignored,
            *table[2:],
            verbose,
        )
        functools.update_wrapper(self, func)
        self.func_id = func_id
        self.ignore = sorted(ignored)
        self._location = location
        self._version = version
        return self

    # The C part calls the following by name.

    def _compute(self, key: bytes, outcome: int, args: Any, kwargs: Any) -> Any:
        """Compute a call that has no entry, store the result, return it."""
        if outcome > _core.MISS:
            self._warn_refused(key, outcome)
        if self._verbose > 0:
            self._print_calling(args, kwargs)
        begun = time.time()
        value = self.func(*args, **kwargs)
        seconds = time.time() - begun
        self._store(key, value, seconds)
        if self._verbose > 0:
            self._print_duration(seconds)
        return value

    def _load_failed(self, key: bytes, error: BaseException) -> None:
        warnings.warn(
            f"the entry {self._path(key)} could not be loaded "
            f"({type(error).__name__}: {error}); the call is computed again",
            CacheWarning,
            stacklevel=2,
        )

    def _loading(self, key: bytes) -> None:
        from cjoblib.logger import format_time

        self._load_begun = time.time()
        name = self.func_id.rpartition("/")[2]
        since = format_time(max(0.0, self._load_begun - _BEGUN))
        what = f"{name} from {self._path(key)}" if self._verbose > 10 else f"{name}..."
        print(f"[Memory]{since}: Loading {what}")

    def _loaded(self) -> None:
        self._print_duration(time.time() - self._load_begun, " cache loaded")

    # Messages.

    def _warn_refused(self, key: bytes, outcome: int) -> None:
        if outcome == _core.CORRUPT:
            what = "is damaged"
        else:
            what = (
                "is a link, or a file or folder of another owner, and was not touched"
            )
        warnings.warn(
            f"the entry {self._path(key)} {what}; the call is computed again",
            CacheWarning,
            stacklevel=4,
        )

    def _print_calling(self, args: Any, kwargs: Any) -> None:
        from cjoblib.func_inspect import format_call

        print(format_call(self.func, args, kwargs))

    def _print_duration(self, seconds: float, what: str = "") -> None:
        from cjoblib.logger import format_time

        name = self.func_id.rpartition("/")[2]
        print(f"{name}{what} - {format_time(seconds)}".rjust(80, "_"))

    # Storing.

    def _store(self, key: bytes, value: Any, seconds: float) -> None:
        import json

        assert self._shelf is not None
        metadata = json.dumps(
            {"seconds": round(seconds, 6), "time": time.time()}
        ).encode()
        try:
            self._shelf.put(key, metadata, value)
        except Exception as why:
            warnings.warn(
                f"the result of {self.func_id} was not stored in {self._path(key)}: "
                f"{type(why).__name__}: {why}",
                CacheWarning,
                stacklevel=4,
            )

    def _path(self, key: bytes) -> str:
        assert self._shelf is not None
        return os.path.join(self._shelf.path, key.hex())

    # The interface for users.

    def call(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute the call, whatever the cache holds, and store the result."""
        key = self._key(*args, **kwargs) if self._shelf is not None else None
        if key is None:
            return self.func(*args, **kwargs)
        value: R = self._compute(key, _core.MISS, args, kwargs)
        return value

    def check_call_in_cache(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Whether there is an entry for the call; its content is not looked at."""
        key = self._key(*args, **kwargs) if self._shelf is not None else None
        return key is not None and self._shelf is not None and self._shelf.has(key)

    def clear(self, warn: bool = True) -> None:
        """Remove all results of the function, of every version of its code."""
        if self._shelf is None:
            return
        if warn and self._verbose > 0:
            warnings.warn(f"Clearing function cache {self._shelf.path}", stacklevel=2)
        self._shelf.clear()

    def __reduce__(self) -> Any:
        if _is_global(self):
            return self.__qualname__  # type: ignore[attr-defined]
        state = (
            self._location,
            self.ignore,
            self._verbose,
            self._version,
            self.func_id,
        )
        return _rebuild, (type(self), self.func, *state)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(func={self.func}, location={self._location})"


_BEGUN = time.time()

_STORE_BACKENDS: dict[str, type[_core.Store]] = {"local": _core.Store}
"""Stores by the name that ``Memory(backend=...)`` takes."""


def _is_global(function: Any) -> bool:
    """Whether an import of its module gives this very object (a decorated function)."""
    module = getattr(function, "__module__", None)
    if module in (None, "__main__") or "__qualname__" not in vars(function):
        return False
    found = sys.modules.get(module)
    for part in function.__qualname__.split("."):
        found = getattr(found, part, None)
    return found is function


def _rebuild(
    kind: type[MemorizedFunc[..., Any]],
    func: Callable[..., Any],
    location: str | None,
    ignore: list[str],
    verbose: int,
    version: bytes,
    func_id: str,
) -> MemorizedFunc[..., Any]:
    return kind(
        func,
        _store(location),
        location=location,
        ignore=ignore,
        verbose=verbose,
        version=version,
        func_id=func_id,
    )


def _func_id(func: Callable[..., Any]) -> str:
    from cjoblib.func_inspect import get_func_name

    modules, name = get_func_name(func)
    return "/".join(_component(part) for part in (*modules, name) if part) or "unknown"


def _component(name: str) -> str:
    """A name as one component of a path; the store itself escapes what else is unsafe."""
    name = name.encode("utf-8", "backslashreplace").decode()
    return name.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def _store(location: str | None, backend: str = "local") -> _core.Store | None:
    """The store of a folder; None, with a warning, when it can't be had."""
    if backend not in _STORE_BACKENDS:
        known = ", ".join(sorted(_STORE_BACKENDS))
        raise ValueError(f"no store backend is called {backend!r}: there are {known}")
    if location is None:
        return None
    try:
        return _STORE_BACKENDS[backend](location)
    except OSError as why:
        warnings.warn(
            f"nothing is cached: the folder {location} can't be used: {why}",
            CacheWarning,
            stacklevel=4,
        )
        return None


# --- a folder of results -------------------------------------------------------------------


class Memory:
    """A folder in which results of function calls are kept.

    Parameters
    ----------
    location : str, path or None
        The folder; ``~`` is the home folder. It is made when needed. None: nothing is
        kept, functions are called as they are.
    backend : str, default 'local'
        The kind of store; ``'local'`` is a folder of a file system.
    verbose : int, default 1
        0: silent; 1: each computation is printed; 2: each load too; 11: with paths.
    cachedir : str or path
        The old name of `location`; deprecated.

    Notes
    -----
    A result that can't be stored or read back (full disk, folder without permission,
    damaged file) costs one :class:`CacheWarning` that names the path; the call itself is
    computed and its result returned.

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
        *,
        verbose: int = 1,
        cachedir: str | os.PathLike[str] | None = None,
    ) -> None:
        if cachedir is not None:
            if location is not None:
                raise ValueError(
                    "Memory: give location alone; cachedir is its old name"
                )
            warnings.warn(
                "Memory(cachedir=...) is now Memory(location=...)",
                DeprecationWarning,
                stacklevel=2,
            )
            location = cachedir
        if location is not None and not isinstance(location, (str, os.PathLike)):
            raise TypeError(f"location must be a path or None, not {location!r}")
        self.location: str | None = None
        if location is not None:
            self.location = os.path.abspath(os.path.expanduser(location))
        self.backend = backend
        self._verbose = int(verbose)
        self.store = _store(self.location, backend)

    @overload
    def cache(
        self,
        func: Callable[P, R],
        ignore: list[str] | None = None,
        verbose: int | None = None,
    ) -> MemorizedFunc[P, R]: ...

    @overload
    def cache(
        self,
        func: None = None,
        ignore: list[str] | None = None,
        verbose: int | None = None,
    ) -> Callable[[Callable[P, R]], MemorizedFunc[P, R]]: ...

    def cache(
        self,
        func: Callable[P, R] | None = None,
        ignore: list[str] | None = None,
        verbose: int | None = None,
    ) -> Any:
        """Keep the results of a function; also a decorator, with and without arguments.

        Parameters
        ----------
        func : callable
        ignore : list of str, optional
            Names of arguments that make no difference to the result.
        verbose : int, optional
            Instead of the memory's own.

        Returns
        -------
        MemorizedFunc

        Raises
        ------
        ValueError
            A name in `ignore` is not an argument of the function.
        TypeError
            `func` can't be called.
        """
        if func is None:
            return functools.partial(self.cache, ignore=ignore, verbose=verbose)
        if not callable(func):
            raise TypeError(f"Memory.cache needs a callable, not {func!r}")
        if isinstance(func, MemorizedFunc):
            func = func.func
        return MemorizedFunc(
            func,
            self.store,
            location=self.location,
            ignore=ignore or (),
            verbose=self._verbose if verbose is None else verbose,
        )

    def eval(self, func: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function through the cache."""
        if self.store is None:
            return func(*args, **kwargs)
        return self.cache(func)(*args, **kwargs)

    def clear(self, warn: bool = True) -> None:
        """Remove every result of every function."""
        if self.store is None:
            return
        if warn and self._verbose > 0:
            warnings.warn(
                f"Flushing completely the cache {self.location}", stacklevel=2
            )
        self.store.clear()

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "store": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.store = _store(self.location, self.backend)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(location={self.location})"
