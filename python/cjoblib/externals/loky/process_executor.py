"""`ProcessPoolExecutor`: the interface of `concurrent.futures` over cjoblib's workers."""

from __future__ import annotations

import functools
import itertools
import os
import pickle
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from concurrent.futures import Future as _BaseFuture
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from cjoblib import _core, _pools, _spawn
from cjoblib._cpu import cpu_count
from cjoblib._errors import (
    BrokenProcessPool,
    ShutdownExecutorError,
    TerminatedWorkerError,
)
from cjoblib.externals.loky import _manager, _reducers
from cjoblib.externals.loky.backend import reduction
from cjoblib.externals.loky.backend.context import get_context

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

__all__ = [
    "BrokenExecutor",
    "BrokenProcessPool",
    "Future",
    "LokyRecursionError",
    "ProcessPoolExecutor",
    "ShutdownExecutorError",
    "TerminatedWorkerError",
]

P = ParamSpec("P")
R = TypeVar("R")

MAX_DEPTH = int(os.environ.get("LOKY_MAX_DEPTH", "10"))
"""How deep executors may be nested in workers of one another; 0: any depth."""


class LokyRecursionError(RuntimeError):
    """Executors are nested too deeply in workers of one another."""


BrokenExecutor = BrokenProcessPool  # its name in old code


class Future(_BaseFuture[R]):
    """What :meth:`ProcessPoolExecutor.submit` returns.

    A call that has not begun in a worker can be cancelled, also one that has been sent
    there, and `running` is true from the moment at which it has.
    """

    _work: _manager.Work | None = None
    _task = -1

    def cancel(self) -> bool:
        """Take the call back if it has not begun; return whether it is cancelled."""
        work = self._work
        if work is not None and work.take_back(self._task):
            self._work = None
            super().cancel()
            self.set_running_or_notify_cancel()
            return True
        return self.cancelled()

    def running(self) -> bool:
        """Return whether a worker is at this call."""
        work = self._work
        return not self.done() and work is not None and work.has_begun(self._task)


class ProcessPoolExecutor(Executor):
    """Run calls in worker processes; results are futures.

    Functions and arguments need not be importable in the workers. One that dies breaks
    the executor: the calls under way fail with :class:`TerminatedWorkerError`.

    Parameters
    ----------
    max_workers : int, optional
        Default: :func:`cjoblib.cpu_count`.
    job_reducers, result_reducers : dict, optional
        For types whose objects are to be pickled otherwise: functions which return what
        `__reduce__` would; for calls, and for results (default: those of calls).
    timeout : float, optional
        Seconds after which idle workers leave; they come back when they are needed.
    context, mp_context : str or multiprocessing.context.BaseContext, optional
        Accepted for the sake of `loky` and of `concurrent.futures`; workers are always
        started in the same way.
    initializer : callable, optional
        Called first in each worker, with `initargs`.
    initargs : tuple, optional
    env : dict, optional
        Environment variables of the workers, besides those of this process.

    Raises
    ------
    ValueError
        `max_workers` is below 1, or there is no such context.
    TypeError
        `initializer` can't be called.
    LokyRecursionError
        This is a worker of a worker of ... (10 deep, or `LOKY_MAX_DEPTH`).
    """

    def __init__(
        self,
        max_workers: int | None = None,
        job_reducers: _reducers.Reducers | None = None,
        result_reducers: _reducers.Reducers | None = None,
        timeout: float | None = None,
        context: str | BaseContext | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        env: dict[str, str] | None = None,
        *,
        mp_context: BaseContext | None = None,
    ) -> None:
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError(f"initializer must be a callable, got: {initializer!r}")
        if 0 < MAX_DEPTH <= _spawn.depth():
            raise LokyRecursionError(
                f"executors are nested {_spawn.depth()} deep already, and LOKY_MAX_DEPTH "
                f"is {MAX_DEPTH}"
            )
        if isinstance(context, str):
            context = get_context(context)
        self._max_workers = max_workers or cpu_count()
        self._context = mp_context if context is None else context
        self._timeout = timeout
        self._initializer = initializer
        self._initargs = initargs
        self._env = env
        self._job_reducers = job_reducers
        self._result_reducers = (
            job_reducers if result_reducers is None else result_reducers
        )
        self._flags = _manager.Flags()
        self._lock = threading.RLock()
        self._work: _manager.Work | None = None
        self._manager: _manager.Manager | None = None

    # --- calls ---

    def submit(
        self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[R]:
        """Let `fn(*args, **kwargs)` be called in a worker.

        Returns
        -------
        Future
            Its exception is a `pickle.PicklingError` when the call can't be sent.

        Raises
        ------
        ShutdownExecutorError
            After :meth:`shutdown`.
        BrokenProcessPool
            A worker died before.
        RuntimeError
            The program is at its end, or the executor belongs to the process that this
            one was forked from.
        """
        future: Future[R] = Future()
        with self._lock:
            self._check_usable()
            work = self._running()
            task = future._task = work.add(future)
            future._work = work
            try:
                self._send(work, task, fn, args, kwargs)
            except Exception as error:
                work.forget(task)
                future._work = None
                refused = pickle.PicklingError(
                    f"Could not pickle the task to send it to the workers: {error}"
                )
                refused.__cause__ = error
                future.set_exception(refused)
        return future

    def _send(
        self,
        work: _manager.Work,
        task: int,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> None:
        reducers = {**reduction.registered(), **(self._job_reducers or {})}
        if not reducers and not self._result_reducers:
            work.pool.submit(task, fn, args, kwargs)
            return
        call = _reducers.dumps((fn, args, kwargs), reducers)
        back = self._result_reducers
        told = _reducers.dumps(dict(back), {}) if back else None
        work.pool.submit(task, _reducers.run_call, (call, told), {})

    def map(
        self,
        fn: Callable[..., R],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        **options: Any,
    ) -> Iterator[R]:
        """Call `fn` for the items of the iterables, side by side; as the built-in `map`.

        Parameters
        ----------
        fn : callable
        *iterables : iterable
        timeout : float, optional
            Seconds from now within which results must be there.
        chunksize : int, default 1
            Calls that go to a worker as one.
        **options
            What `concurrent.futures.Executor.map` of this Python takes besides.

        Yields
        ------
        object
            The results, in the order of the items.

        Raises
        ------
        TimeoutError
            A result is not there in time.
        ValueError
            `chunksize` is below 1.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        if chunksize == 1:
            return super().map(fn, *iterables, timeout=timeout, **options)
        chunks = super().map(
            functools.partial(_call_chunk, fn),
            _chunks(zip(*iterables, strict=False), chunksize),
            timeout=timeout,
            **options,
        )
        return _unpack(chunks)

    # --- life ---

    def shutdown(
        self,
        wait: bool = True,
        kill_workers: bool = False,
        *,
        cancel_futures: bool = False,
    ) -> None:
        """Take no more calls, and free the workers when those under way are done.

        Parameters
        ----------
        wait : bool, default True
            Return when the workers are gone.
        kill_workers : bool, default False
            Kill them now; calls under way fail with :class:`ShutdownExecutorError`.
        cancel_futures : bool, default False
            Cancel the calls that have not begun, but for the oldest ones: as many as
            there are workers, which are about to take them.
        """
        with self._lock:
            self._flags.shutdown = True
            self._flags.kill_workers |= kill_workers
            work, manager = self._work, self._manager
        _pools.close_idle()
        if work is None or manager is None or work.pid != os.getpid():
            return
        if cancel_futures:
            for future in list(work.futures.values())[self._max_workers :]:
                future.cancel()
        work.wake()
        if wait and manager is not threading.current_thread():
            manager.join()

    def _check_usable(self) -> None:
        if self._flags.broken is not None:
            raise self._flags.broken
        if self._flags.shutdown:
            raise ShutdownExecutorError("cannot schedule new futures after shutdown")
        if _manager.is_at_end():
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")

    def _running(self) -> _manager.Work:
        """Start the workers and the thread if they are not."""
        if self._work is None:
            self._work = _manager.Work(self._open_pool(), self._flags)
            self._manager = _manager.Manager(
                self, self._work, TerminatedWorkerError, ShutdownExecutorError
            )
            _manager.start(self._manager)
        elif self._work.pid != os.getpid():
            raise RuntimeError(
                "this executor belongs to the process that this one was forked from"
            )
        return self._work

    def _open_pool(self) -> _core.Pool:
        initializer = None
        if self._initializer is not None:
            initializer = _pools.Initializer(
                self._initializer, self._initargs
            ).pickled()
        pool = _core.Pool(
            self._max_workers,
            _spawn.command(),
            [f"{k}={v}" for k, v in _spawn.environment(self._env or {}).items()],
            _spawn.hello("loky", 0, initializer),
        )
        pool.set_policy(idle_timeout=self._timeout)
        return pool

    @property
    def _processes(self) -> dict[int, int]:
        """The workers that live, by their process id."""
        work = self._work
        pids = work.pool.pids if work is not None and not self._flags.shutdown else []
        return {pid: pid for pid in pids}


def _chunks(items: Iterator[Any], size: int) -> Iterator[tuple[Any, ...]]:
    while chunk := tuple(itertools.islice(items, size)):
        yield chunk


def _call_chunk(fn: Callable[..., R], chunk: Iterable[tuple[Any, ...]]) -> list[R]:
    return [fn(*args) for args in chunk]


def _unpack(chunks: Iterator[list[R]]) -> Iterator[R]:
    for chunk in chunks:
        chunk.reverse()
        while chunk:  # what was given on is not held here
            yield chunk.pop()
