from collections.abc import Buffer, Callable
from pickle import PickleBuffer
from typing import Any, Protocol, final

version: str

@final
class Digest:
    def __new__(cls, name: str = "xxh128") -> Digest: ...
    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...

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
