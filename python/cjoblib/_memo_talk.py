"""What a cached function says: what it does, and what went wrong with the store."""

from __future__ import annotations

import os
import warnings
from typing import Any

from cjoblib import _core
from cjoblib._memo_code import outside
from cjoblib._store_backends import CacheWarning
from cjoblib.func_inspect import format_signature, get_func_name
from cjoblib.logger import Logger, format_time


class Run:
    """One computation: what went wrong around it, and whether its result is stored."""

    __slots__ = ("is_stored", "lease", "troubles")

    def __init__(self, *troubles: str) -> None:
        self.troubles = list(troubles)
        self.is_stored = False
        self.lease: _core.Lease | None = None

    def end(self) -> None:
        """Let others who wait for the result go on."""
        lease, self.lease = self.lease, None
        if lease is not None:
            lease.release(self.is_stored)


class Talking(Logger):
    """The messages of :class:`cjoblib.memory.MemorizedFunc`, as joblib words them."""

    func: Any
    func_id: str
    store_backend: Any
    _func_name: str
    _is_native: bool

    def _tell(self, run: Run) -> None:
        """One warning for all that went wrong with the store in one call."""
        if run.troubles:
            text = "; ".join(run.troubles)
            warnings.warn(
                f"{text}; the call was computed", CacheWarning, stacklevel=outside()
            )

    def _tell_querying(self, call_id: tuple[str, str], args: Any, kwargs: Any) -> None:
        import logging

        logging.basicConfig(level=logging.INFO)
        call = format_signature(self.func, *args, **kwargs)[1]
        place = self.store_backend.get_cached_func_info([self.func_id])["location"]
        self.info(
            f"\nQuerying {self._func_name} with signature\n{call}.\n\n"
            f"(argument hash {call_id[1]})\n\nThe store location is {place}.\n"
        )

    def _tell_not_loaded(
        self,
        call_id: tuple[str, str],
        args: Any,
        kwargs: Any,
        error: BaseException,
        run: Run,
    ) -> None:
        if self._is_native:
            if not isinstance(error, KeyError):  # else it went meanwhile
                path = os.path.join(self.store_backend.location, *call_id)
                run.troubles.append(load_trouble(path, error))
            return
        import traceback

        call = format_signature(self.func, *args, **kwargs)[1]
        self.warn(
            f"Exception while loading results for {call}\n {traceback.format_exc()}"
        )

    def _print_duration(self, seconds: float, context: str = "") -> None:
        name = get_func_name(self.func)[1]
        print(f"{name} {context}- {format_time(seconds)}".rjust(80, "_"))


def load_trouble(path: str, error: BaseException) -> str:
    if isinstance(error, ValueError) and path in str(error):
        return str(error)
    return f"the entry {path} could not be loaded: {type(error).__name__}: {error}"
