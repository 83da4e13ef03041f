"""Results of cached calls as objects of their own, and functions that are not cached."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Generic, ParamSpec, TypeVar

from cjoblib._stores import make_store
from cjoblib.logger import Logger, pformat

P = ParamSpec("P")
R = TypeVar("R")


class MemorizedResult(Logger):
    """The stored result of a call: small, to be pickled and sent around.

    Parameters
    ----------
    location : str or store backend
        Where the cache is.
    call_id : (str, str)
        The function's id and the arguments'.
    backend : str, default 'local'
        The kind of store.
    mmap_mode : {None, 'r', 'r+', 'w+', 'c'}
        How arrays are mapped; None: they are read.
    verbose : int, default 0
    timestamp, metadata
        For internal use.
    func, args_id : str
        The two parts of `call_id`: ``eval(repr(result))`` is the result again.
    """

    def __init__(
        self,
        location: Any,
        call_id: Sequence[str] | None = None,
        backend: str = "local",
        mmap_mode: str | None = None,
        verbose: int = 0,
        timestamp: float | None = None,
        metadata: dict[str, Any] | None = None,
        *,
        func: str | None = None,
        args_id: str | None = None,
    ) -> None:
        super().__init__()
        if call_id is None:
            if func is None or args_id is None:
                raise TypeError("MemorizedResult needs call_id, or func and args_id")
            call_id = (func, args_id)
        self._call_id = tuple(call_id)
        options = {"mmap_mode": mmap_mode}
        self.store_backend = make_store(backend, location, verbose, options)
        self.mmap_mode = mmap_mode
        if metadata is None:
            metadata = self.store_backend.get_metadata(self._call_id)
        self.metadata: dict[str, Any] = metadata
        self.duration = metadata.get("duration", None)
        self.verbose = verbose
        self.timestamp = timestamp

    @property
    def func(self) -> str:
        """The function's id."""
        return self._call_id[0]

    @property
    def func_id(self) -> str:
        """The function's id."""
        return self._call_id[0]

    @property
    def args_id(self) -> str:
        """The arguments' id."""
        return self._call_id[1]

    def get(self) -> Any:
        """Read the result.

        Raises
        ------
        KeyError
            It is not there, or damaged.
        """
        try:
            return self.store_backend.load_item(
                self._call_id,
                timestamp=self.timestamp,
                metadata=self.metadata,
                verbose=self.verbose,
            )
        except ValueError as error:
            path = os.path.join(self.store_backend.location, *self._call_id)
            raise KeyError(
                "Error while trying to load a MemorizedResult's value. "
                f"It seems that this folder is corrupted : {path}"
            ) from error

    def clear(self) -> None:
        """Remove the result from the cache."""
        self.store_backend.clear_item(self._call_id)

    def __repr__(self) -> str:
        func, args_id = self._call_id
        location = self.store_backend.location
        return (
            f'{type(self).__name__}(location="{location}", func="{func}", '
            f'args_id="{args_id}")'
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "timestamp": None}


class NotMemorizedResult:
    """A result that is kept in memory alone, where there is no cache.

    Parameters
    ----------
    value : object
        The result.
    """

    __slots__ = ("valid", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.valid = True

    def get(self) -> Any:
        """Return the result; KeyError after :meth:`clear`."""
        if not self.valid:
            raise KeyError("No value stored.")
        return self.value

    def clear(self) -> None:
        """Let go of the result."""
        self.valid = False
        self.value = None

    def __repr__(self) -> str:
        if self.valid:
            return f"{type(self).__name__}({pformat(self.value)})"
        return f"{type(self).__name__} with no value"

    def __getstate__(self) -> dict[str, Any]:
        return {"valid": self.valid, "value": self.value}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.valid = state["valid"]
        self.value = state["value"]


class NotMemorizedFunc(Generic[P, R]):
    """A function without a cache, with the methods of one that has it.

    Parameters
    ----------
    func : callable
        The function.
    """

    func: Callable[P, R]

    def __init__(self, func: Callable[P, R]) -> None:
        self.func = func

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.func(*args, **kwargs)

    def call_and_shelve(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function and keep the result in memory."""
        return NotMemorizedResult(self.func(*args, **kwargs))

    def call(self, *args: P.args, **kwargs: P.kwargs) -> tuple[R, dict[str, Any]]:
        """Call the function; the dict is empty."""
        return self.func(*args, **kwargs), {}

    def check_call_in_cache(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Return False."""
        return False

    def clear(self, warn: bool = True) -> None:
        """Do nothing."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(func={self.func})"


class AsyncNotMemorizedFunc(NotMemorizedFunc[P, R]):
    """The same for a coroutine function."""

    async def call_and_shelve(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Call the function and keep the result in memory."""
        return NotMemorizedResult(await self.func(*args, **kwargs))  # type: ignore[misc]
