"""Coroutine functions whose results are kept."""

from __future__ import annotations

import asyncio
import inspect
import time
from typing import Any, ParamSpec, TypeVar

from cjoblib._memo_talk import Run
from cjoblib._memorized import MemorizedFunc

P = ParamSpec("P")
R = TypeVar("R")


class AsyncMemorizedFunc(MemorizedFunc[P, R]):
    """A coroutine function whose results are kept."""

    __slots__ = ("_running",)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._running: dict[Any, asyncio.Future[None]] = {}

    async def __call__(  # type: ignore[override]
        self, *args: P.args, **kwargs: P.kwargs
    ) -> Any:
        return (await self._awaited_call(args, kwargs, shelving=False))[0]

    async def call_and_shelve(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """As for a function."""
        return (await self._awaited_call(args, kwargs, shelving=True))[0]

    async def call(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """As for a function."""
        found = super().call(*args, **kwargs)
        return await found if inspect.isawaitable(found) else found

    async def _awaited_call(self, args: Any, kwargs: Any, shelving: bool) -> Any:
        found: Any = self._cached_call(args, kwargs, shelving)
        if inspect.isawaitable(found):
            return await found
        value, metadata = found
        if self.store_backend is None and not shelving:
            value = await value
        return value, metadata

    async def _call_once(
        self, call_id: tuple[str, str], args: Any, kwargs: Any, shelving: bool, run: Run
    ) -> Any:
        """Compute a call, or wait for the task of this loop that does it just now."""
        loop = asyncio.get_running_loop()
        slot = (id(loop), call_id)
        while (other := self._running.get(slot)) is not None:
            await asyncio.wait([other])
            if self._is_in_cache_and_valid(call_id):
                return self._found(call_id, shelving), {}
        self._running[slot] = done = loop.create_future()
        try:
            # A loop must not wait for another process: both compute then.
            found = self._claim(call_id, shelving, run, wait=False)
            if found is None:
                found = await self._call(call_id, args, kwargs, shelving, run)
            return found
        finally:
            run.end()
            del self._running[slot]
            done.set_result(None)

    def _found(self, call_id: tuple[str, str], shelving: bool) -> Any:
        return self._get_memorized_result(call_id) if shelving else self._load(call_id)

    async def _call(
        self, call_id: tuple[str, str], args: Any, kwargs: Any, shelving: bool, run: Run
    ) -> Any:
        self._before_call(args, kwargs)
        begun = time.time()
        try:
            value = await self.func(*args, **kwargs)  # type: ignore[misc]
        except BaseException:
            self._tell(run)
            raise
        return self._after_call(call_id, args, kwargs, shelving, value, begun, run)
