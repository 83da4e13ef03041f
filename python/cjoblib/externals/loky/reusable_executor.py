"""One executor for the whole program, taken up again as long as it fits."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from cjoblib._cpu import cpu_count
from cjoblib.externals.loky._reducers import Reducers
from cjoblib.externals.loky.backend.context import get_context
from cjoblib.externals.loky.process_executor import Future, ProcessPoolExecutor

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

__all__ = ["get_reusable_executor"]

P = ParamSpec("P")
R = TypeVar("R")


class _Current:
    """The executor that there is, and what it was made with."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.executor: _ReusablePoolExecutor | None = None
        self.arguments: dict[str, Any] = {}
        self.next_id = 0
        self.pid = os.getpid()


_current = _Current()


def get_reusable_executor(
    max_workers: int | None = None,
    context: str | BaseContext | None = None,
    timeout: float | None = 10,
    kill_workers: bool = False,
    reuse: bool | Literal["auto"] = "auto",
    job_reducers: Reducers | None = None,
    result_reducers: Reducers | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: tuple[Any, ...] = (),
    env: dict[str, str] | None = None,
) -> _ReusablePoolExecutor:
    """Return the program's executor, made or resized as needed.

    Parameters
    ----------
    max_workers : int, optional
        Default: :func:`cjoblib.cpu_count`; with `reuse=True` as many as there are.
    kill_workers : bool, default False
        Whether an executor that is replaced is shut down at once, with its calls.
    reuse : bool or "auto", default "auto"
        False: make a new executor; "auto": also if any argument below differs from those
        of the one that there is. One that is broken or was shut down is always replaced.
    context, timeout, job_reducers, result_reducers, initializer, initargs, env
        As of :class:`ProcessPoolExecutor`; idle workers leave after 10 s by default.

    Returns
    -------
    ProcessPoolExecutor
        `get_reusable_executor().shutdown()` frees its workers.

    Raises
    ------
    ValueError
        `max_workers` is below 1, or the context is "fork".

    Warns
    -----
    UserWarning
        There are calls under way, and it must be resized: they are waited for.
    """
    return _ReusablePoolExecutor.get_reusable_executor(
        max_workers=max_workers,
        context=context,
        timeout=timeout,
        kill_workers=kill_workers,
        reuse=reuse,
        job_reducers=job_reducers,
        result_reducers=result_reducers,
        initializer=initializer,
        initargs=initargs,
        env=env,
    )[0]


class _ReusablePoolExecutor(ProcessPoolExecutor):
    """An executor that can be resized, and knows its place in the program."""

    executor_id = -1

    @classmethod
    def get_reusable_executor(
        cls,
        max_workers: int | None = None,
        context: str | BaseContext | None = None,
        timeout: float | None = 10,
        kill_workers: bool = False,
        reuse: bool | Literal["auto"] = "auto",
        **more: Any,
    ) -> tuple[_ReusablePoolExecutor, bool]:
        """Return the program's executor, and whether it was there before."""
        if max_workers is not None and max_workers <= 0:
            raise ValueError(f"max_workers must be greater than 0, got {max_workers}.")
        if isinstance(context, str):
            context = get_context(context)
        if context is not None and context.get_start_method() == "fork":
            raise ValueError("Cannot use reusable executor with the 'fork' context")
        arguments = {"context": context, "timeout": timeout, **more}
        with _current.lock:
            executor = _current.executor
            if max_workers is None and reuse is True and executor is not None:
                max_workers = executor._max_workers
            max_workers = max_workers or cpu_count()
            if executor is not None and executor._fits(arguments, reuse):
                executor._resize(max_workers)
                return executor, True
            if executor is not None:
                executor.shutdown(wait=True, kill_workers=kill_workers)
            executor = _current.executor = cls(max_workers, **arguments)
            executor.executor_id = _current.next_id
            _current.next_id += 1
            _current.arguments = arguments
            return executor, False

    def _fits(self, arguments: dict[str, Any], reuse: bool | Literal["auto"]) -> bool:
        if self._flags.broken is not None or self._flags.shutdown:
            return False
        return arguments == _current.arguments if reuse == "auto" else reuse

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        with _current.lock:
            other = _current.executor
            if (
                self._flags.shutdown
                and self._flags.broken is None
                and other is not None
                and other is not self
            ):
                # Another thread has replaced this one since it was asked for.
                return ProcessPoolExecutor.submit(other, fn, *args, **kwargs)
        return super().submit(fn, *args, **kwargs)

    submit.__doc__ = ProcessPoolExecutor.submit.__doc__

    def _resize(self, max_workers: int) -> None:
        with self._lock:
            if max_workers == self._max_workers:
                return
            if self._work is not None:
                if self._work.futures:
                    warnings.warn(
                        "Trying to resize an executor with running jobs: waiting for "
                        "jobs completion before resizing.",
                        UserWarning,
                        stacklevel=4,
                    )
                    self._work.wait_until_idle()
                self._work.pool.resize(max_workers)
            self._max_workers = max_workers


def _forget_after_fork() -> None:
    global _current
    _current = _Current()


os.register_at_fork(after_in_child=_forget_after_fork)
