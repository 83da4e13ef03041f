"""What runs the calls of a `Parallel`: all backends of cjoblib, and those over processes."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from typing import Any

from cjoblib import _spawn
from cjoblib._backend_base import (
    NO_MEANING,
    AutoBatchingMixin,
    FallbackToBackend,
    ParallelBackendBase,
    PoolManagerMixin,
    SequentialBackend,
    ThreadingBackend,
    counted,
    mp_or_none,
)

__all__ = [
    "AutoBatchingMixin",
    "FallbackToBackend",
    "ImmediateResult",
    "LokyBackend",
    "MultiprocessingBackend",
    "ParallelBackendBase",
    "PoolManagerMixin",
    "SafeFunction",
    "SequentialBackend",
    "ThreadingBackend",
]


class _ProcessesMixin(AutoBatchingMixin):
    """What backends of worker processes share: where they may start some."""

    nesting_level: int | None

    def _allowed_n_jobs(self, n_jobs: int | None, name: str, where: str) -> int:
        """Return 1 with a warning where no processes are started, else the number."""
        if n_jobs is None or mp_or_none() is None:
            return 1
        if not where:
            return counted(n_jobs)
        if n_jobs != 1:
            warnings.warn(
                f"{name}-backed parallel loops cannot be {where}, setting n_jobs=1",
                stacklevel=5,
            )
        return 1

    def _is_below_threads(self) -> bool:
        is_main = ParallelBackendBase.in_main_thread()
        return not (is_main or self.nesting_level == 0)


_DASK_ADVICE = (
    "Inside a Dask worker with daemon=True, setting n_jobs=1.\n"
    "Possible work-arounds:\n"
    "- dask.config.set({'distributed.worker.daemon': False})\n"
    "- set the environment variable DASK_DISTRIBUTED__WORKER__DAEMON=False\n"
    "before creating your Dask cluster."
)


def _is_in_daemon() -> bool:
    """Is this a worker of the multiprocessing kind, ours or the standard library's?"""
    if _spawn.role().kind == "multiprocessing":
        return True
    process = sys.modules.get("multiprocessing.process")
    return process is not None and bool(process.current_process().daemon)


class MultiprocessingBackend(_ProcessesMixin, PoolManagerMixin, ParallelBackendBase):
    """Calls are made in worker processes; loops inside them are not parallel.

    The workers are those of :class:`LokyBackend`; what differs is what happens below. A
    subclass, or other bases given to `pool.PicklingPool`, make it use
    `pool.MemmappingPool`.
    """

    supports_retrieve_callback = True
    supports_return_generator = False
    _wanted: Any = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many processes there will be; 1 with a warning inside of others."""
        where = ""
        if _is_in_daemon():
            if n_jobs != 1 and inside_dask_worker():
                warnings.warn(_DASK_ADVICE, stacklevel=3)
                return 1
            where = "nested"
        elif _spawn.role().depth > 0:
            where = "nested, below loky"
        elif self._is_below_threads():
            where = "nested below threads"
        if n_jobs == 0:
            raise ValueError(NO_MEANING)
        return self._allowed_n_jobs(n_jobs, "Multiprocessing", where)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **memmapping_pool_kwargs: Any,
    ) -> int:
        """Get ready for the loops of `parallel`; return the number of processes."""
        from cjoblib import _pools

        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        options = {**self.backend_kwargs, **memmapping_pool_kwargs}
        self.parallel = parallel
        self._wanted = _pools.wanted(
            n_jobs,
            kind="multiprocessing",
            level=self.nesting_level,
            variables=self._prepare_worker_env(n_jobs),
            options=options,
        )
        self._options = options
        if type(self) is not MultiprocessingBackend or _pool_is_rebased():
            self._pool = self._new_pool()
        return n_jobs

    def _new_pool(self) -> Any:
        from cjoblib.pool import MemmappingPool

        return MemmappingPool(self._wanted.n_workers, **self._options)

    def _get_pool(self) -> Any:
        if self._pool is None:
            self._pool = self._new_pool()
        return self._pool

    def terminate(self) -> None:
        """Let the processes go, and forget what was measured."""
        super().terminate()
        self.reset_batch_stats()


def _pool_is_rebased() -> bool:
    """Has somebody given `pool.PicklingPool` another base (Ray and lithops do)?"""
    pool = sys.modules.get("cjoblib.pool")
    return pool is not None and pool.PicklingPool.__bases__ != (pool.Pool,)


class LokyBackend(_ProcessesMixin, ParallelBackendBase):
    """Calls are made in worker processes that stay for later loops; the default."""

    supports_retrieve_callback = True
    supports_inner_max_num_threads = True
    _workers: Any = None
    _wanted: Any = None

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many processes there will be; 1 with a warning below threads."""
        if n_jobs == 0:
            raise ValueError(NO_MEANING)
        where = ""
        if _is_in_daemon():
            if n_jobs != 1 and inside_dask_worker():
                warnings.warn(_DASK_ADVICE, stacklevel=3)
                return 1
            where = "called in a multiprocessing"
        elif self._is_below_threads():
            where = "nested below threads"
        return self._allowed_n_jobs(n_jobs, "Loky", where)

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        idle_worker_timeout: float | None = None,
        **memmapping_executor_kwargs: Any,
    ) -> int:
        """Get ready for the loops of `parallel`; return the number of processes."""
        from cjoblib import _pools

        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        options = {**self.backend_kwargs, **memmapping_executor_kwargs}
        if "timeout" in options:
            raise ValueError(
                "The 'timeout' parameter is not supported by the LokyBackend. "
                "Please use the `idle_worker_timeout` parameter instead."
            )
        if idle_worker_timeout is not None:
            options["idle_worker_timeout"] = idle_worker_timeout
        self.parallel = parallel
        self._wanted = _pools.wanted(
            n_jobs,
            kind="loky",
            level=self.nesting_level,
            variables=self._prepare_worker_env(n_jobs),
            options=options,
        )
        self._options = options
        return n_jobs

    def _get_workers(self) -> Any:
        if self._workers is None:
            executor = importlib.import_module("cjoblib.executor")
            options = dict(self._options)
            self._workers = executor.get_memmapping_executor(
                self._wanted.n_workers,
                timeout=options.pop("idle_worker_timeout", 300),
                env=dict(self._wanted.variables),
                **options,
            )
        return self._workers

    def submit(
        self, func: Callable[[], Any], callback: Callable[..., Any] | None = None
    ) -> Any:
        """Have the workers run it."""
        future = self._get_workers().submit(func)
        if callback is not None:
            future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return what the batch returned, or raise what it raised."""
        return out.result()

    def terminate(self) -> None:
        """Keep the workers for later loops, and forget what was measured."""
        self._workers = None
        self.reset_batch_stats()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the workers with what they run."""
        workers, self._workers = self._workers, None
        if workers is not None:
            workers.shutdown(wait=False, kill_workers=True)


class ImmediateResult:
    """The outcome of a batch that is run at once, for backends without any workers."""

    def __init__(self, batch: Callable[[], Any]) -> None:
        self.results = batch()

    def get(self, timeout: float | None = None) -> Any:
        """Return the results."""
        return self.results


class SafeFunction:
    """Call a function where a KeyboardInterrupt would be lost or do harm."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns; an interrupt becomes a RuntimeError."""
        try:
            return self.func(*args, **kwargs)
        except KeyboardInterrupt as error:
            raise RuntimeError("a worker was interrupted") from error


def inside_dask_worker() -> bool:
    """Return whether this runs in a task of a Dask cluster."""
    distributed = sys.modules.get("distributed")
    if distributed is None:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return False
    return True
