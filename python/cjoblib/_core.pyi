from collections.abc import Callable, Collection, Iterable
from os import PathLike
from pickle import PickleBuffer, PicklingError
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, final

from typing_extensions import Buffer

P = ParamSpec("P")
R = TypeVar("R")

class _Readable(Protocol):
    def read(self, n: int, /) -> bytes: ...
    def readline(self) -> bytes: ...

@final
class UnpicklerMemo:
    def clear(self) -> None: ...
    def copy(self) -> dict[int, Any]: ...

version: str
MISS: int
CORRUPT: int
FOREIGN: int

def cpu_look(root: str | PathLike[str] | None = None, /) -> tuple[int, int, int]: ...
def cpu_count_cores(root: str | PathLike[str] | None = None, /) -> int: ...

class UnhashableError(PicklingError, TypeError): ...

@final
class Digest:
    def __new__(cls, name: str = "xxh128") -> Digest: ...
    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...

@final
class Encoder:
    def __new__(
        cls,
        write: Callable[[bytes], object],
        kind: str,
        level: int | None = None,
        n_threads: int = 1,
    ) -> Encoder: ...
    def write(self, data: Buffer, /) -> int: ...
    def finish(self) -> None: ...

@final
class Decoder:
    def __new__(
        cls, read: Callable[[int], Buffer | None], kind: str, n_threads: int = 1
    ) -> Decoder: ...
    def readinto(self, buffer: Buffer, /) -> int: ...

@final
class Region: ...

@final
class Lease:
    def release(self, is_stored: bool = False, /) -> None: ...

@final
class Shelf:
    @property
    def path(self) -> str: ...
    def get(self, key: bytes, /) -> tuple[int, bytes | None, Any]: ...
    def about(self, key: bytes, /) -> tuple[int, bytes | None]: ...
    def claim(
        self, key: bytes, wait: bool = True, /
    ) -> tuple[int, bytes | None, Any, Lease | None]: ...
    def put(self, key: bytes, metadata: bytes, value: object, /) -> None: ...
    def has(self, key: bytes, /) -> bool: ...
    def remove(self, key: bytes, /) -> None: ...
    def clear(self, versions: Literal["all", "this", "others"] = "all", /) -> None: ...
    def note(self) -> bytes | None: ...
    def set_note(self, note: bytes, /) -> None: ...
    def versions(self) -> list[bytes]: ...

@final
class Store:
    def __new__(
        cls,
        location: str | bytes | PathLike[Any],
        *,
        durable: bool = False,
        max_bytes: int | None = None,
        ttl: float | None = None,
    ) -> Store: ...
    @property
    def location(self) -> str: ...
    def shelf(self, function: str, version: bytes, /) -> Shelf: ...
    def clear(self) -> None: ...
    def info(self) -> dict[str, int]: ...
    def reduce(
        self,
        bytes_limit: int | None = None,
        items_limit: int | None = None,
        age_limit: float | None = None,
    ) -> dict[str, int]: ...
    def statistics(self) -> dict[str, int]: ...
    def versions(self) -> list[tuple[str, bytes]]: ...
    def entries(
        self, path: str, verify: bool = False, /
    ) -> list[tuple[str, int, float, float, bytes, bool]]: ...
    def check(self, fix: bool = False, /) -> dict[str, int]: ...

class Memo(Generic[P, R]):
    _shelf: Shelf | None
    _verbose: int
    _watch: tuple[Any, ...] | None
    @property
    def func(self) -> Callable[P, R]: ...
    def __init__(
        self,
        func: Callable[P, R],
        rules: tuple[
            tuple[str, ...],
            tuple[Any, ...],
            object,
            frozenset[str],
            int,
            int,
            bool,
            bool,
            str | None,
            object,
        ],
        verbose: int,
        key_function: Callable[..., object] | None,
        is_asked: bool,
        /,
    ) -> None: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def _key(self, *args: P.args, **kwargs: P.kwargs) -> bytes | None: ...
    def _make_ready(self) -> None: ...

@final
class Pool:
    def __new__(
        cls, n_workers: int, argv: list[str], environment: list[str], hello: Buffer
    ) -> Pool: ...
    def run(
        self,
        calls: Iterable[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]],
        n_ahead: int,
        on_failure: Callable[[int, Any, Any], Any],
        on_death: Callable[[int | None, Any, int, int], Any],
        on_done: Callable[[int, int], Any] | None,
        /,
    ) -> list[Any]: ...
    @property
    def n_pending(self) -> int: ...
    @property
    def n_workers(self) -> int: ...
    @property
    def pids(self) -> list[int]: ...
    def submit(
        self,
        task: int,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        /,
    ) -> None: ...
    def next(
        self, timeout: float | None = None, /
    ) -> tuple[int, int | None, Any, int, int] | None: ...
    def start(
        self,
        /,
        calls: Iterable[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]],
        n_ahead: int,
        batch_size: int = 0,
        hold: bool = False,
        stretch: bool = False,
        block_bytes: int = 0,
        reducer: Callable[[Any], Any] | None = None,
        mmap_mode: str = "r",
        spill_folder: str | bytes | PathLike[Any] | None = None,
    ) -> Run: ...
    def wake(self) -> None: ...
    def take_back(self, task: int, /) -> bool: ...
    def has_begun(self, task: int, /) -> bool: ...
    def cancel_task(self, task: int, /) -> bool: ...
    def cancel(self) -> None: ...
    def resize(self, n_workers: int, /) -> None: ...
    def set_policy(
        self,
        /,
        retries: int = 0,
        task_timeout: float | None = None,
        idle_timeout: float | None = None,
    ) -> None: ...
    def close(self) -> None: ...

@final
class Block: ...

@final
class Run:
    @property
    def n_taken(self) -> int: ...
    @property
    def n_done(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    def next(
        self, timeout: float | None = None, /
    ) -> tuple[int, int | None, Any, int, int] | None: ...
    def function(self, index: int, /) -> Any: ...
    def release(self, n: int, /) -> None: ...
    def cancel(self) -> None: ...

RESULT: int
FAILURE: int
DEATH: int
RETRY: int
TIMEOUT: int
UNREADABLE: int
UNSENT: int
RESULTS: int
END: int

class Threads:
    n_taken: int
    n_done: int
    @property
    def is_exhausted(self) -> bool: ...
    def __new__(
        cls,
        calls: Iterable[Any],
        batch_size: int = 1,
        n_ahead: int = 0,
        ordered: bool = True,
        returns_errors: bool = False,
        on_done: Callable[[int], Any] | None = None,
        on_taken: Callable[[], Any] | None = None,
    ) -> Threads: ...
    def work(self) -> None: ...
    def stop(self) -> None: ...
    def fail(self, error: BaseException, /) -> None: ...
    def next(self, timeout: float | None = None, /) -> tuple[Any, ...] | None: ...
    def finish(self, timeout: float | None = None, /) -> list[Any] | None: ...

@final
class Shared:
    encoded: tuple[str, bytes] | None
    @property
    def object(self) -> Any: ...
    def __new__(cls, object: Any) -> Shared: ...

def delayed(
    function: Callable[P, R], /
) -> Callable[P, tuple[Callable[..., R], tuple[Any, ...], dict[str, Any]]]: ...
def call_each(calls: Iterable[Any], results: list[Any], /) -> None: ...
def worker_run(
    fd: int,
    on_hello: Callable[[bytes], Any],
    describe: Callable[[BaseException], Any],
    reducer: Callable[[Any], Any] | None = None,
    /,
) -> None: ...

@final
class Tracer:
    def __new__(cls, path: str | bytes | PathLike[Any]) -> Tracer: ...
    @property
    def is_owner(self) -> bool: ...
    def close(self) -> None: ...

def trace_with(tracer: Tracer | None, /) -> Tracer | None: ...
def trace_begin() -> int: ...
def trace_span(
    name: str, begin: int, fields: dict[str, Any] | None = None, /
) -> None: ...
def trace_mark(name: str, fields: dict[str, Any] | None = None, /) -> None: ...
def trace_count(name: str, value: int, /) -> None: ...
def canonical_hash(obj: object, hash_name: str = "xxh128", /) -> str: ...
def canonical_hash_pairs(
    names: tuple[str, ...], values: tuple[object, ...], /
) -> str: ...
def register_hasher(
    key: type | tuple[str, str], function: Callable[[Any], object] | None, /
) -> None: ...

class Unpickler:
    memo: UnpicklerMemo | dict[int, Any]
    @property
    def allow(self) -> tuple[str, ...] | None: ...
    def __init__(
        self,
        file: _Readable,
        *,
        fix_imports: bool = True,
        encoding: str = "ASCII",
        errors: str = "strict",
        buffers: Iterable[Any] | None = None,
        allow: Iterable[str] | None = None,
    ) -> None: ...
    def load(self) -> Any: ...
    def find_class(self, module_name: str, global_name: str, /) -> Any: ...
    def persistent_load(self, pid: Any, /) -> Any: ...

def pickle_loads(
    data: Buffer,
    /,
    *,
    fix_imports: bool = True,
    encoding: str = "ASCII",
    errors: str = "strict",
    buffers: Iterable[Any] | None = None,
    allow: Iterable[str] | None = None,
    find_class: Callable[[str, str], Any] | None = None,
) -> Any: ...

class _Writable(Protocol):
    def write(self, data: Any, /) -> object: ...

class Pickler:
    bin: int
    fast: int
    dispatch_table: Any
    memo: Any
    def __init__(
        self,
        file: _Writable,
        protocol: int | None = None,
        fix_imports: bool = True,
        buffer_callback: Callable[[PickleBuffer], Any] | None = None,
    ) -> None: ...
    def dump(self, obj: Any, /) -> None: ...
    def clear_memo(self) -> None: ...
    def persistent_id(self, obj: Any, /) -> Any: ...

@final
class PicklerMemo:
    def clear(self) -> None: ...
    def copy(self) -> dict[int, tuple[int, Any]]: ...

def pickle_dumps(
    obj: Any,
    protocol: int | None = None,
    *,
    fix_imports: bool = True,
    buffer_callback: Callable[[PickleBuffer], Any] | None = None,
    by_value: bool = False,
) -> bytes: ...
def joblib_hash(obj: Any, hash_name: str = "md5", coerce_mmap: bool = False) -> str: ...
def encode_value(
    obj: object, allocate: Callable[[int], Buffer], by_value: bool = False, /
) -> Buffer: ...
def decode_value(buffer: Buffer, /) -> Any: ...
def persist_dump(
    value: object,
    target: object,
    /,
    *,
    protocol: int | None = None,
    codec: str | None = None,
    level: int | None = None,
    shuffle: str | None = None,
    threads: int | None = None,
    durable: bool = False,
) -> None: ...
def persist_load(
    source: object,
    /,
    *,
    codec: str | None = None,
    begin: int = 0,
    is_own: bool = False,
    native: bool = False,
    allow: Collection[str] | None = None,
    max_bytes: int | None = None,
    verify: bool | None = None,
    map: Callable[[Any, int, int], Any] | None = None,
    side_file: Callable[[Any], Any] = ...,
) -> tuple[Any, int]: ...
def persist_is_damaged(fd: int, /) -> bool: ...
def persist_footer_at(fd: int, position: int, /) -> bool: ...
