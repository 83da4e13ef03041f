from collections.abc import Buffer, Callable, Iterable
from typing import Any, Protocol, final

class _Readable(Protocol):
    def read(self, n: int, /) -> bytes: ...
    def readline(self) -> bytes: ...

@final
class UnpicklerMemo:
    def clear(self) -> None: ...
    def copy(self) -> dict[int, Any]: ...

version: str

@final
class Digest:
    def __new__(cls, name: str = "xxh128") -> Digest: ...
    def update(self, data: Buffer, /) -> None: ...
    def digest(self) -> bytes: ...
    def hexdigest(self) -> str: ...

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
