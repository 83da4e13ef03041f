"""One cached function: what happens around the calls that C answers by itself.

a hit, quiet                 _core.Memo, C from end to end
a miss                       C calls _compute()
loud, mapped, other stores   C calls _call_through(): the same, step by step
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any, NoReturn, ParamSpec, TypeVar

from cjoblib import _core, _memo_code
from cjoblib._identity import Identity, code_of, identify, state_of
from cjoblib._mapped import load_mapped
from cjoblib._memo_code import build_func_identifier
from cjoblib._memo_options import Options
from cjoblib._memo_results import MemorizedResult, NotMemorizedResult
from cjoblib._memo_talk import Run, Talking, load_trouble
from cjoblib._native_store import (
    PRIVATE,
    LocalStoreBackend,
    decode_metadata,
    refusal_text,
)
from cjoblib._signature import argument_texts, rules_of
from cjoblib._stores import make_store
from cjoblib.func_inspect import (
    filter_args,
    format_call,
    get_func_code,
)

P = ParamSpec("P")
R = TypeVar("R")

QUERYING = 20  # verbosity from which on every look-up is told
COMPUTING = 10  # above which a computation's place is
LOADED = 4  # above which the duration of a load is

STATE = (
    "cache_validation_callback",
    "compress",
    "depth",
    "func_id",
    "ignore",
    "mmap_mode",
    "options",
    "store_backend",
    "_func_code_info",
)
"""Attributes that travel."""


class MemorizedFunc(_core.Memo[P, R], Talking):
    """A function whose results are kept. Made by :meth:`Memory.cache`.

    Parameters
    ----------
    func : callable
        The function.
    location : str, path, store backend or None
        Where the results are kept; None: nowhere.
    backend, ignore, mmap_mode, compress, verbose, cache_validation_callback
        As for :class:`Memory` and :meth:`Memory.cache`.
    timestamp : float, optional
        What times in messages are counted from.

    Attributes
    ----------
    func : callable
        The function itself.
    func_id : str
        Its name in the store: the module's path and the function's name, with ``/``.
    ignore : list of str
        Arguments that make no difference to the result.
    store_backend : store backend
        Where the results are.
    """

    __slots__ = (
        "_checked_code",
        "_code_told",
        "_origin",
        "_place",
        "_rules",
        "_version",
    )

    func_id: str
    ignore: list[str]

    def __init__(
        self,
        func: Callable[P, R],
        location: Any,
        backend: str = "local",
        ignore: Iterable[str] | None = None,
        mmap_mode: str | None = None,
        compress: Any = False,
        verbose: int = 1,
        timestamp: float | None = None,
        cache_validation_callback: Callable[[dict[str, Any]], Any] | None = None,
        *,
        options: Options | None = None,
    ) -> None:
        Talking.__init__(self)
        self.mmap_mode = mmap_mode
        self.compress = compress
        self.ignore = list(ignore) if ignore is not None else []
        self.cache_validation_callback = cache_validation_callback
        self.options = options or Options()
        self.timestamp = time.time() if timestamp is None else timestamp
        self.func_id = build_func_identifier(func)
        self._func_code_info: tuple[str, str | None, int] | None = None
        self._code_told: Any = None  # whose source that is
        self._origin: tuple[Any, str] | None = None
        rules = rules_of(func, self.ignore)
        super().__init__(func, rules, int(verbose), self.options.key, self._is_asked)
        self._rules = rules
        self._place: _core.Shelf | None = None
        self._version: bytes | None = None
        self._checked_code: bytes | None = None
        self.store_backend = make_store(
            backend, location, verbose, {"compress": compress, "mmap_mode": mmap_mode}
        )
        if not self._is_native and self.store_backend is not None:
            with contextlib.suppress(OSError):  # told when a result is to be stored
                self.store_backend.store_cached_func_code([self.func_id])
        try:
            functools.update_wrapper(self, func)
        except Exception:  # whatever a strange callable's attributes raise
            return

    @property
    def _is_asked(self) -> bool:
        """Whether a hit depends on the entry's metadata."""
        callback = self.cache_validation_callback
        return callback is not None or self.options.ttl is not None

    @property
    def _is_mapped(self) -> bool:
        """Whether arrays in results are mapped. A store of others may not say so."""
        if self._is_native:
            return self.store_backend.mmap_mode is not None
        return self.mmap_mode is not None

    @property
    def _is_native(self) -> bool:  # type: ignore[override]
        return isinstance(self.store_backend, LocalStoreBackend)

    # What the C part calls.

    def _renew(self) -> None:
        """Take in what the function is now, and find its place in the store."""
        if not self._is_native:
            self._watch = ()
            return
        shipped = self._version if self._watch is None else None
        identity = self._identify(shipped)
        rules = rules_of(self.func, self.ignore)
        if rules != self._rules:
            _core.Memo.__init__(
                self, self.func, rules, self._verbose, self.options.key, self._is_asked
            )
            self._rules = rules
        self._version = identity.version
        self._place = self._shelf = None
        try:
            token = _memo_code.settle(self)
            self._place = self.store_backend.shelf(self.func_id, self._version)
        except OSError:  # told by each call
            self._watch = identity.watch
            return
        self._watch = (*identity.watch, *token)
        if not self._is_mapped:
            self._shelf = self._place

    def _identify(self, shipped: bytes | None) -> Identity:
        """The function's identity; in another process that which came with it."""
        if shipped is None:
            return identify(self.func, self.options.dependencies)
        code = code_of(self.func)
        is_function = inspect.isfunction(code)
        return Identity(shipped, (code, None, state_of(code)) if is_function else ())

    def _compute(self, key: bytes, outcome: int, args: Any, kwargs: Any) -> Any:
        """Compute a call that has no entry, store the result, return it."""
        run = Run()
        if outcome > _core.MISS:
            run.troubles.append(refusal_text(self._path(key), outcome))
        return self._call_once(self._call_id(key), args, kwargs, False, run)[0]

    def _load_failed(
        self, key: bytes, error: BaseException, args: Any, kwargs: Any
    ) -> Any:
        """Compute a call whose entry can't be read or made an object of."""
        run = Run(load_trouble(self._path(key), error))
        return self._call(self._call_id(key), args, kwargs, False, run)[0]

    def _is_valid(self, key: bytes, metadata: bytes) -> bool:
        """Whether an entry still counts; one that does not is removed."""
        return self._is_metadata_valid(self._call_id(key), decode_metadata(metadata))

    def _refuse(self, args: Any, kwargs: Any) -> NoReturn:
        """Say how a call does not fit the function's signature."""
        filter_args(self.func, self.ignore, args, kwargs)
        self.func(*args, **kwargs)  # it says best what is wrong
        raise TypeError(f"{self._func_name}() can't be called like this")

    def _call_through(self, args: Any, kwargs: Any) -> Any:
        place = self._place
        if place is None or self._verbose > 1 or not self._is_mapped or self._is_asked:
            return self._cached_call(args, kwargs, shelving=False)[0]
        key = self._key(*args, **kwargs)
        if key is None:
            self._refuse(args, kwargs)
        try:
            outcome, value = load_mapped(place, key, self.store_backend.mmap_mode)
        except Exception as error:
            return self._load_failed(key, error, args, kwargs)
        return value if outcome == 0 else self._compute(key, outcome, args, kwargs)

    # Names.

    @property
    def _func_name(self) -> str:  # type: ignore[override]
        return self.func_id.rpartition("/")[2]

    def _call_id(self, key: bytes) -> tuple[str, str]:
        assert self._version is not None
        return self.func_id, f"{self._version.hex()}/{key.hex()}"

    def _path(self, key: bytes) -> str:
        assert self._place is not None
        return os.path.join(self._place.path, key.hex())

    def _get_args_id(self, *args: Any, **kwargs: Any) -> str:
        """The second part of a call's id."""
        if self._is_native:
            key = self._key(*args, **kwargs)
            if key is None:
                self._refuse(args, kwargs)
            return self._call_id(key)[1]
        from cjoblib import hashing

        if self.options.key is not None:
            return hashing.hash(self.options.key(*args, **kwargs))
        arguments = filter_args(self.func, self.ignore, args, kwargs)
        return hashing.hash(arguments, coerce_mmap=self.mmap_mode is not None)

    @property
    def func_code_info(self) -> tuple[str, str | None, int]:
        """The function's source, its file and first line, as `get_func_code` says."""
        code = getattr(self.func, "__code__", None)
        if self._func_code_info is None or code is not self._code_told:
            # What came from another process is not looked up here.
            if self._func_code_info is None or self._code_told is not None:
                self._func_code_info = get_func_code(self.func)
            self._code_told = code
        return self._func_code_info

    # One call, step by step.

    def _cached_call(
        self, args: Any, kwargs: Any, shelving: bool
    ) -> tuple[Any, dict[str, Any]]:
        """Look a call up or compute it: its result, or a reference to it when
        `shelving`, and its metadata when it was computed."""
        if self.store_backend is None:
            value = self.func(*args, **kwargs)
            return NotMemorizedResult(value) if shelving else value, {}
        call_id = (self.func_id, self._get_args_id(*args, **kwargs))
        if self._verbose >= QUERYING:
            self._tell_querying(call_id, args, kwargs)
        run = Run()
        if self._is_in_cache_and_valid(call_id):
            if shelving:
                return self._get_memorized_result(call_id), {}
            try:
                return self._load(call_id), {}
            except Exception as error:
                self._tell_not_loaded(call_id, args, kwargs, error, run)
        if self._verbose > COMPUTING:
            location = self.store_backend.get_cached_func_info([self.func_id])
            self.warn(
                f"Computing func {self._func_name}, argument hash {call_id[1]} "
                f"in location {location['location']}"
            )
        found: tuple[Any, dict[str, Any]] = self._call_once(
            call_id, args, kwargs, shelving, run
        )
        return found

    def _call_once(
        self, call_id: tuple[str, str], args: Any, kwargs: Any, shelving: bool, run: Run
    ) -> Any:
        """Compute a call, or wait for the thread or process that does it just now."""
        found = self._claim(call_id, shelving, run)
        if found is not None:
            self._tell(run)
            return found
        try:
            return self._call(call_id, args, kwargs, shelving, run)
        finally:
            run.end()

    def _claim(
        self, call_id: tuple[str, str], shelving: bool, run: Run, wait: bool = True
    ) -> tuple[Any, dict[str, Any]] | None:
        """What another has stored by now; None: it is ours to compute."""
        if self._place is None:
            return None
        key = bytes.fromhex(call_id[1].rpartition("/")[2])
        try:
            outcome, about, value, run.lease = self._place.claim(key, wait)
        except Exception:  # no locks to be had, or an entry that gives no object
            return None
        if outcome != 0 or about is None:
            return None
        if self._is_asked and not self._is_valid(key, about):
            return None
        if shelving:
            value = self._get_memorized_result(call_id)
        elif self._is_mapped:
            value = self._mapped(call_id, {}, value)
        return value, {}

    def _load(self, call_id: tuple[str, str]) -> Any:
        begun = time.time()
        value = self.store_backend.load_item(
            call_id, timestamp=self.timestamp, verbose=self._verbose
        )
        if self._verbose > LOADED:
            self._print_duration(time.time() - begun, "cache loaded ")
        return value

    def _is_in_cache_and_valid(self, call_id: tuple[str, str]) -> bool:
        store = self.store_backend
        try:
            known = self._is_native or _memo_code.is_code_known(self)
            if not known or not store.contains_item(call_id):
                return False
        except OSError:  # storing will say why
            return False
        if self.cache_validation_callback is None and self.options.ttl is None:
            return True
        return self._is_metadata_valid(call_id, store.get_metadata(call_id))

    def _is_metadata_valid(
        self, call_id: tuple[str, str], metadata: dict[str, Any]
    ) -> bool:
        metadata.pop(PRIVATE, None)
        callback, ttl = self.cache_validation_callback, self.options.ttl
        valid = ttl is None or time.time() < metadata.get("time", 0) + ttl
        if valid and callback is not None:
            valid = _ask(callback, metadata)
        if not valid:
            with contextlib.suppress(OSError):  # a store that can only be read
                self.store_backend.clear_item(call_id)
        return bool(valid)

    def _call(
        self,
        call_id: tuple[str, str],
        args: Any,
        kwargs: Any,
        shelving: bool,
        run: Run,
    ) -> Any:
        """Compute a call and store the result."""
        self._before_call(args, kwargs)
        begun, span = time.time(), _core.trace_begin()
        try:
            value = self.func(*args, **kwargs)
        except BaseException:
            self._tell(run)
            raise
        if span:
            _core.trace_span("compute", span, {"function": self.func_id})
        return self._after_call(call_id, args, kwargs, shelving, value, begun, run)

    def _before_call(self, args: Any, kwargs: Any) -> None:
        if self._verbose > 0:
            print(format_call(self.func, args, kwargs))

    def _after_call(
        self,
        call_id: tuple[str, str],
        args: Any,
        kwargs: Any,
        shelving: bool,
        value: Any,
        begun: float,
        run: Run,
    ) -> tuple[Any, dict[str, Any]]:
        seconds = time.time() - begun
        metadata = {
            "duration": seconds,
            "input_args": self._argument_texts(args, kwargs),
            "time": time.time(),
        }
        if seconds >= self.options.min_seconds:
            span = _core.trace_begin()
            run.is_stored = self._store(call_id, value, metadata, run)
            if span:
                _core.trace_span("store", span, {"function": self.func_id})
        run.end()
        if self._verbose > 0:
            self._print_duration(time.time() - begun)
        self._tell(run)
        if shelving:
            if run.is_stored:
                return self._get_memorized_result(call_id, metadata), metadata
            return NotMemorizedResult(value), metadata
        if run.is_stored and self._is_mapped:
            value = self._mapped(call_id, metadata, value)
        return value, metadata

    def _argument_texts(self, args: Any, kwargs: Any) -> dict[str, str]:
        try:
            return argument_texts(self._rules, args, kwargs)
        except Exception:  # whatever the __repr__ of an argument raises
            return {}

    def _store(
        self,
        call_id: tuple[str, str],
        value: Any,
        metadata: dict[str, Any],
        run: Run,
    ) -> bool:
        store = self.store_backend
        if not self._is_native:
            stored = store.dump_item(call_id, value, verbose=self._verbose)
            if stored is not False:
                store.store_metadata(call_id, metadata)
            return stored is not False
        if self._verbose > COMPUTING:
            print(f"Persisting in {os.path.join(store.location, *call_id)}")
        try:
            place = self._place or store.shelf(self.func_id, self._version)
            about = self._entry_metadata(metadata)
            key = bytes.fromhex(call_id[1].rpartition("/")[2])
            place.put(key, about, store.packed(value))
        except Exception as error:
            path = os.path.join(store.location, *call_id)
            run.troubles.append(
                f"the result of {self.func_id} was not stored in {path}: "
                f"{type(error).__name__}: {error}"
            )
            return False
        return True

    def _entry_metadata(self, metadata: dict[str, Any]) -> bytes:
        """The metadata and the code's origin as JSON, which is mostly known."""
        info = self.func_code_info
        if self._origin is None or self._origin[0] is not info:
            self._origin = info, _memo_code.origin_of(info)
        return (
            f'{{"duration": {metadata["duration"]!r}, "time": {metadata["time"]!r}, '
            f'"input_args": {json.dumps(metadata["input_args"])}, '
            f'"{PRIVATE}": {self._origin[1]}}}'
        ).encode()

    def _mapped(
        self, call_id: tuple[str, str], metadata: dict[str, Any], value: Any
    ) -> Any:
        """What was just stored, mapped: as it will be from now on."""
        try:
            return self.store_backend.load_item(
                call_id,
                metadata=metadata,
                timestamp=self.timestamp,
                verbose=self._verbose,
            )
        except Exception:  # somebody removed it already
            return value

    def _get_memorized_result(
        self, call_id: tuple[str, str], metadata: dict[str, Any] | None = None
    ) -> MemorizedResult:
        return MemorizedResult(
            self.store_backend,
            call_id,
            metadata=metadata,
            timestamp=self.timestamp,
            verbose=self._verbose - 1,
        )

    # The interface for users.

    def call_and_shelve(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Look a call up or compute it, and return a reference to the stored result.

        Returns
        -------
        MemorizedResult or NotMemorizedResult
            The latter when the result could not be stored.
        """
        return self._cached_call(args, kwargs, shelving=True)[0]

    def call(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Compute a call, whatever the cache holds, and store the result.

        Returns
        -------
        output : object
            The result.
        metadata : dict
            `duration` in seconds, `input_args` as texts, `time` of the computation.
        """
        if self.store_backend is None:
            return self.func(*args, **kwargs), {}
        call_id = (self.func_id, self._get_args_id(*args, **kwargs))
        return self._call(call_id, args, kwargs, False, Run())

    def check_call_in_cache(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Whether a call would be answered from the cache; nothing is computed."""
        if self.store_backend is None:
            return False
        call_id = (self.func_id, self._get_args_id(*args, **kwargs))
        return self._is_in_cache_and_valid(call_id)

    def clear(self, warn: bool = True) -> None:
        """Remove all results of the function, of every version of its code."""
        if self.store_backend is None:
            return
        if self._verbose > 0 and warn:
            self.warn(f"Clearing function cache identified by {self.func_id}")
        self.store_backend.clear_path([self.func_id])
        if not self._is_native:
            _memo_code.write_code(self)

    def __reduce__(self) -> Any:
        if _is_global(self):
            return self.__qualname__  # type: ignore[attr-defined]
        _ = self.func_code_info  # in another process the source is out of reach
        if self._is_native:
            self._make_ready()
        # What hangs on the function (its dict, __wrapped__) comes with it.
        state = {name: vars(self)[name] for name in STATE if name in vars(self)}
        state |= {"timestamp": None, "_verbose": self._verbose}
        return _rebuild, (type(self), self.func, state, self._version)

    def __repr__(self) -> str:
        location = getattr(self.store_backend, "location", None)
        return f"{type(self).__name__}(func={self.func}, location={location})"


def _ask(callback: Callable[[dict[str, Any]], Any], metadata: dict[str, Any]) -> Any:
    """What the user's callback says; a result whose metadata is lost does not count."""
    try:
        return callback(metadata)
    except KeyError:
        if {"time", "duration", "input_args"} <= set(metadata):
            raise
        return False


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
    state: dict[str, Any],
    version: bytes | None,
) -> MemorizedFunc[..., Any]:
    found = kind(
        func,
        state["store_backend"],
        ignore=state["ignore"],
        mmap_mode=state["mmap_mode"],
        compress=state["compress"],
        verbose=state.pop("_verbose"),
        cache_validation_callback=state["cache_validation_callback"],
        options=state["options"],
    )
    vars(found).update(state)
    found._version = version
    return found
