from collections.abc import Buffer, Callable, Iterable
from os import PathLike
from typing import Any, Generic, ParamSpec, TypeVar, final

P = ParamSpec("P")
R = TypeVar("R")

version: str
MISS: int
CORRUPT: int
FOREIGN: int

@final
class Digest:
    def __new__(cls, name: str = "xxh128") -> Digest: ...
    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...

@final
class Region: ...

@final
class Shelf:
    @property
    def path(self) -> str: ...
    def get(self, key: bytes, /) -> tuple[int, bytes | None, Any]: ...
    def put(self, key: bytes, metadata: bytes, value: object, /) -> None: ...
    def has(self, key: bytes, /) -> bool: ...
    def remove(self, key: bytes, /) -> None: ...
    def clear(self) -> None: ...

@final
class Store:
    def __new__(cls, location: str | bytes | PathLike[Any]) -> Store: ...
    @property
    def location(self) -> str: ...
    def shelf(self, function: str, version: bytes, /) -> Shelf: ...
    def clear(self) -> None: ...
    def check(self, fix: bool = False, /) -> dict[str, int]: ...

class Memo(Generic[P, R]):
    _verbose: int
    @property
    def func(self) -> Callable[P, R]: ...
    @property
    def _shelf(self) -> Shelf | None: ...
    def __new__(
        cls,
        func: Callable[P, R],
        shelf: Shelf | None,
        names: tuple[str, ...],
        defaults: tuple[Any, ...],
        missing: object,
        ignored: frozenset[str],
        n_positional_only: int,
        n_positional: int,
        takes_varargs: bool,
        takes_keywords: bool,
        verbose: int,
        /,
    ) -> Memo[P, R]: ...
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def _key(self, *args: P.args, **kwargs: P.kwargs) -> bytes | None: ...

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
    def close(self) -> None: ...

def worker_run(
    fd: int,
    on_hello: Callable[[bytes], Any],
    describe: Callable[[BaseException], Any],
    /,
) -> None: ...
def canonical_hash(obj: object, hash_name: str = "xxh128") -> str: ...
