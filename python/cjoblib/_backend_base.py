"""The base class of backends, its mixins, and those that need no other processes.

A backend written for joblib derives from :class:`ParallelBackendBase`. What happens to it:

    configure(n_jobs, parallel, ...) -> number of workers      once for each loop, or `with`
    start_call()
      submit(batch, callback) -> job                           as often as needed
      callback(out), from any thread                           when a job is done
        retrieve_result_callback(out) -> results                 supports_retrieve_callback
      retrieve_result(job, timeout) -> results                   otherwise, in the caller
    abort_everything(ensure_ready)                             after an error
    stop_call()
    terminate()

cjoblib's own backends also run that way when a method of theirs has been replaced;
otherwise their loops go through C (see `_process_run` and `_thread_run`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import warnings
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from cjoblib._utils import (
    _retrieve_traceback_capturing_wrapped_call,
    _TracebackCapturingWrapper,
)

__all__ = [
    "AutoBatchingMixin",
    "FallbackToBackend",
    "ParallelBackendBase",
    "PoolManagerMixin",
    "SequentialBackend",
    "ThreadingBackend",
]

NO_MEANING = "n_jobs == 0 in Parallel has no meaning"


class FallbackToBackend(Exception):
    """Raised by `configure` to have another backend used instead."""

    def __init__(self, backend: ParallelBackendBase) -> None:
        super().__init__(backend)
        self.backend = backend


class ParallelBackendBase(metaclass=ABCMeta):
    """Base of all backends; the defaults suit one that runs calls elsewhere, untimed.

    Parameters
    ----------
    nesting_level : int or None
        How many parallel loops this one is inside of; None: set by who uses it.
    inner_max_num_threads : int or None
        Threads that numeric libraries may use in each worker.
    **backend_kwargs
        Given to `configure` by the backends of cjoblib.
    """

    default_n_jobs = 1
    supports_inner_max_num_threads = False
    supports_retrieve_callback: bool = False
    nesting_level: int | None = None
    inner_max_num_threads: int | None = None

    MAX_NUM_THREADS_VARS: ClassVar[list[str]] = [
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
        "NUMBA_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
    ]
    TBB_ENABLE_IPC_VAR = "ENABLE_IPC"

    def __init__(
        self,
        nesting_level: int | None = None,
        inner_max_num_threads: int | None = None,
        **backend_kwargs: Any,
    ) -> None:
        super().__init__()
        self.nesting_level = nesting_level
        self.inner_max_num_threads = inner_max_num_threads
        self.backend_kwargs = backend_kwargs

    @property
    def supports_return_generator(self) -> bool:
        """Whether results can be given out one by one."""
        return self.supports_retrieve_callback

    @property
    def supports_timeout(self) -> bool:
        """Whether waiting for a result can end before it is there."""
        return self.supports_retrieve_callback

    @abstractmethod
    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls can run at the same time for this `n_jobs`."""

    def apply_async(
        self, func: Callable[[], Any], callback: Callable[..., Any] | None = None
    ) -> Any:
        """Do what `submit` does; the name of it in backends for joblib before 1.5."""
        raise NotImplementedError(f"{type(self).__name__} has no submit() method")

    def submit(
        self, func: Callable[[], Any], callback: Callable[..., Any] | None = None
    ) -> Any:
        """Have `func()` run, and `callback(out)` called when it is done.

        Returns
        -------
        object
            The job; given to `retrieve_result` if results are fetched that way.
        """
        warnings.warn(
            f"{type(self).__name__}.apply_async is deprecated: name it submit",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.apply_async(func, callback)

    def retrieve_result_callback(self, out: Any) -> Any:  # noqa: B027
        """Return what the batch returned, or raise what it raised; `out` as called back."""

    def retrieve_result(self, out: Any, timeout: float | None = None) -> Any:
        """Wait for a job of `submit` and return its results, or raise its error."""
        if self.supports_timeout:
            return out.get(timeout=timeout)
        return out.get()

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **backend_kwargs: Any,
    ) -> int:
        """Get ready for the loops of `parallel`; return the number of workers."""
        self.parallel = parallel
        return self.effective_n_jobs(n_jobs)

    def start_call(self) -> None:  # noqa: B027
        """Be told that a loop begins."""

    def stop_call(self) -> None:  # noqa: B027
        """Be told that a loop has ended."""

    def terminate(self) -> None:  # noqa: B027
        """Let the workers go."""

    def compute_batch_size(self) -> int:
        """Return how many calls the next batch shall have, for `batch_size="auto"`."""
        return 1

    def batch_completed(self, batch_size: int, duration: float) -> None:  # noqa: B027
        """Be told how long a batch took, in seconds from its dispatch."""

    def abort_everything(self, ensure_ready: bool = True) -> None:  # noqa: B027
        """Stop what is running; `ensure_ready`: more loops will follow."""

    def get_nested_backend(self) -> Any:
        """Return the backend, and n_jobs, of loops inside this one's calls."""
        level = (self.nesting_level or 0) + 1
        kind = ThreadingBackend if level == 1 else SequentialBackend
        return kind(nesting_level=level), None

    @contextlib.contextmanager
    def retrieval_context(self) -> Iterator[None]:
        """Be entered while results are waited for."""
        yield

    @staticmethod
    def in_main_thread() -> bool:
        """Return whether this is the thread that the program began in."""
        return threading.current_thread() is threading.main_thread()

    def _prepare_worker_env(self, n_jobs: int) -> dict[str, str]:
        """Environment of workers: how many threads numeric libraries may use."""
        share = str(max(cpu_count() // n_jobs, 1))
        if self.inner_max_num_threads is None:
            limits = {v: os.environ.get(v, share) for v in self.MAX_NUM_THREADS_VARS}
        else:
            limits = dict.fromkeys(
                self.MAX_NUM_THREADS_VARS, str(self.inner_max_num_threads)
            )
        if self.TBB_ENABLE_IPC_VAR not in os.environ:
            limits[self.TBB_ENABLE_IPC_VAR] = "1"
        return limits


def cpu_count() -> int:
    """How many processors there are, by `cjoblib.cpu_count`."""
    from cjoblib import parallel

    return parallel.cpu_count()


def mp_or_none() -> Any:
    """Return `multiprocessing`, or None where there are no processes."""
    from cjoblib import parallel

    return parallel.mp


class SequentialBackend(ParallelBackendBase):
    """Calls are made one after the other, in the caller's thread."""

    uses_threads = True
    supports_timeout = False
    supports_sharedmem = True

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return 1."""
        if n_jobs == 0:
            raise ValueError(NO_MEANING)
        return 1

    def submit(
        self, func: Callable[[], Any], callback: Callable[..., Any] | None = None
    ) -> Any:
        """Raise: calls are made directly."""
        raise RuntimeError("SequentialBackend makes calls directly, without submit()")

    def retrieve_result_callback(self, out: Any) -> Any:
        """Raise: calls are made directly."""
        raise RuntimeError("SequentialBackend makes calls directly, without submit()")

    def get_nested_backend(self) -> Any:
        """Return what is active: a loop that isn't parallel changes nothing inside."""
        from cjoblib.parallel import get_active_backend

        return get_active_backend()


class PoolManagerMixin:
    """For backends over something like `multiprocessing.Pool`, in `_pool`."""

    _pool: Any = None
    parallel: Any

    def effective_n_jobs(self, n_jobs: int | None) -> int:
        """Return how many calls run at the same time: negative ones count from the top."""
        if n_jobs == 0:
            raise ValueError(NO_MEANING)
        if n_jobs is None or mp_or_none() is None:
            return 1
        return counted(n_jobs)

    def terminate(self) -> None:
        """End the pool."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.close()
            pool.terminate()

    def _get_pool(self) -> Any:
        return self._pool

    def submit(
        self, func: Callable[[], Any], callback: Callable[..., Any] | None = None
    ) -> Any:
        """Have the pool run it; the callback is told of errors as well."""
        return self._get_pool().apply_async(
            _TracebackCapturingWrapper(func),
            (),
            callback=callback,
            error_callback=callback,
        )

    def retrieve_result_callback(self, out: Any) -> Any:
        """Return what the batch returned, or raise what it raised."""
        return _retrieve_traceback_capturing_wrapped_call(out)

    def abort_everything(self, ensure_ready: bool = True) -> None:
        """End the pool with what it runs, and begin another one if it is needed."""
        self.terminate()
        if ensure_ready:
            self.configure(  # type: ignore[attr-defined]
                n_jobs=self.parallel.n_jobs,
                parallel=self.parallel,
                **self.parallel._backend_kwargs,
            )


def counted(n_jobs: int) -> int:
    """Return the number that a negative one stands for."""
    return n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)


class AutoBatchingMixin:
    """For backends that put short calls together: batches aim at a fifth of a second.

    A batch is at most twice as big as the one before it, so that one short call says little.
    """

    MIN_IDEAL_BATCH_DURATION = 0.2  # seconds
    MAX_IDEAL_BATCH_DURATION = 2.0
    _DEFAULT_EFFECTIVE_BATCH_SIZE = 1
    _DEFAULT_SMOOTHED_BATCH_DURATION = 0.0

    parallel: Any

    _effective_batch_size: int = _DEFAULT_EFFECTIVE_BATCH_SIZE
    _smoothed_batch_duration: float = _DEFAULT_SMOOTHED_BATCH_DURATION

    def compute_batch_size(self) -> int:
        """Return how many calls the next batch shall have."""
        size = self._effective_batch_size
        duration = self._smoothed_batch_duration
        wanted = size
        if 0 < duration < self.MIN_IDEAL_BATCH_DURATION:
            ideal = 2 * int(size * self.MIN_IDEAL_BATCH_DURATION / duration)
            wanted = max(1, min(2 * size, ideal))
            self._say_batch("fast", duration, wanted)
        elif duration > self.MAX_IDEAL_BATCH_DURATION and size >= 2:
            ideal = 2 * int(size * self.MIN_IDEAL_BATCH_DURATION / duration)
            wanted = max(1, ideal)
            self._say_batch("slow", duration, wanted)
        if wanted != size:
            self._smoothed_batch_duration = self._DEFAULT_SMOOTHED_BATCH_DURATION
        self._effective_batch_size = wanted
        return wanted

    def _say_batch(self, how: str, duration: float, size: int) -> None:
        if self.parallel.verbose >= 10:
            self.parallel._print(
                f"Batch computation too {how} ({duration}s.) Setting batch_size={size}."
            )

    def batch_completed(self, batch_size: int, duration: float) -> None:
        """Take the time of a batch into account, if it has the size that is used now."""
        if batch_size == self._effective_batch_size:
            old = self._smoothed_batch_duration
            is_first = old == self._DEFAULT_SMOOTHED_BATCH_DURATION
            new = duration if is_first else 0.8 * old + 0.2 * duration
            self._smoothed_batch_duration = new

    def reset_batch_stats(self) -> None:
        """Forget what was measured: the next loop may be quite another."""
        self._effective_batch_size = self._DEFAULT_EFFECTIVE_BATCH_SIZE
        self._smoothed_batch_duration = self._DEFAULT_SMOOTHED_BATCH_DURATION


class ThreadingBackend(PoolManagerMixin, ParallelBackendBase):
    """Calls are made in threads of this process."""

    supports_retrieve_callback = True
    uses_threads = True
    supports_sharedmem = True
    _n_jobs = 1
    _is_over = False

    def configure(
        self,
        n_jobs: int = 1,
        parallel: Any = None,
        prefer: str | None = None,
        require: str | None = None,
        **backend_kwargs: Any,
    ) -> int:
        """Get ready for the loops of `parallel`; return the number of threads."""
        n_jobs = self.effective_n_jobs(n_jobs)
        if n_jobs == 1:
            raise FallbackToBackend(SequentialBackend(nesting_level=self.nesting_level))
        self.parallel = parallel
        self._n_jobs = n_jobs
        self._is_over = False
        return n_jobs

    def start_call(self) -> None:
        """Be ready for a loop."""
        self._is_over = False

    def terminate(self) -> None:
        """End the threads; a batch that comes too late does not start others."""
        self._is_over = True
        super().terminate()

    def _get_pool(self) -> Any:
        if self._is_over:
            raise RuntimeError("the threads of this loop have ended")
        if self._pool is None:
            from multiprocessing.pool import ThreadPool

            self._pool = ThreadPool(self._n_jobs)
        return self._pool
