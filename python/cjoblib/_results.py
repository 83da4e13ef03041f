"""Results that are given out one by one, to `for` and to `async for`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from types import TracebackType
from typing import Any, TypeVar

R = TypeVar("R")

_END: Any = object()


class Results(Generator[R, None, None]):
    """What a `Parallel` with `return_as="generator"` returns.

    A generator, which ``async for`` takes as well: waiting for a result then leaves the
    event loop free.
    """

    def __init__(self, inner: Generator[R, None, None]) -> None:
        self._inner = inner

    def __iter__(self) -> Results[R]:
        return self

    def __next__(self) -> R:
        return next(self._inner)

    def send(self, value: None, /) -> R:
        """Return the next result."""
        return self._inner.send(value)

    def throw(
        self,
        kind: Any,
        value: BaseException | object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> R:
        """Raise an exception where the loop gives results out, which ends it."""
        error: Any = kind if value is None else value
        if isinstance(error, type):
            error = error()
        return self._inner.throw(error)

    def close(self) -> None:
        """End the loop: calls that had not begun are not made."""
        self._inner.close()

    def __aiter__(self) -> AsyncIterator[R]:
        return self

    async def __anext__(self) -> R:
        import asyncio

        loop = asyncio.get_running_loop()
        value = await loop.run_in_executor(None, next, self._inner, _END)
        if value is _END:
            raise StopAsyncIteration
        return value

    async def aclose(self) -> None:
        """End the loop."""
        self.close()
