"""Coroutine functions whose results are kept."""

from __future__ import annotations

import inspect
import time
from typing import Any, ParamSpec, TypeVar

from cjoblib._memorized import MemorizedFunc

P = ParamSpec("P")
R = TypeVar("R")


class AsyncMemorizedFunc(MemorizedFunc[P, R]):
    """A coroutine function whose results are kept."""

    __slots__ = ("_running",)

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

    async def _call(
        self,
        call_id: tuple[str, str],
        args: Any,
        kwargs: Any,
        shelving: bool = False,
        troubles: list[str] | None = None,
    ) -> Any:
        troubles = [] if troubles is None else troubles
        self._before_call(args, kwargs)
        begun = time.time()
        try:
            value = await self.func(*args, **kwargs)  # type: ignore[misc]
        except BaseException:
            self._tell(troubles)
            raise
        return self._after_call(call_id, args, kwargs, shelving, value, begun, troubles)
