"""The way calls take through any backend: in batches, each with a callback.

    caller's thread                          whatever thread the backend calls back from
    dispatch_one_batch() until pre_dispatch
      batch = BatchedCalls(...)
      tracker = BatchCompletionCallBack(...)
      backend.submit(batch, tracker)    -->    tracker(out)
                                                 result or error is kept
    wait, give results out        <-- notify     print_progress(), dispatch_next()

`BatchCompletionCallBack` is looked up in `cjoblib.parallel` at each use: progress bars
replace it there. All of it is guarded by the `Parallel`'s `_lock`.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cjoblib import _core
from cjoblib._bar import Bar, Progress, checked
from cjoblib._config import is_finalizing, parallel_config
from cjoblib._tasks import returning
from cjoblib._utils import eval_expr

TASK_DONE = "Done"
TASK_ERROR = "Error"
TASK_PENDING = "Pending"


class BatchedCalls:
    """Calls that travel together; calling it makes them and returns their results.

    Parameters
    ----------
    iterator_slice : iterable of (function, args, kwargs)
    backend_and_jobs : (ParallelBackendBase, int or None) or ParallelBackendBase
        For loops inside the calls.
    reducer_callback : callable or None
        Called when this is pickled.
    pickle_cache : dict or None
    """

    def __init__(
        self,
        iterator_slice: Iterable[Any],
        backend_and_jobs: Any,
        reducer_callback: Callable[[], Any] | None = None,
        pickle_cache: dict[Any, Any] | None = None,
    ) -> None:
        self.items = list(iterator_slice)
        self._size = len(self.items)
        self._reducer_callback = reducer_callback
        if not isinstance(backend_and_jobs, tuple):  # backends for joblib before 0.13
            backend_and_jobs = (backend_and_jobs, None)
        self._backend, self._n_jobs = backend_and_jobs
        self._pickle_cache = {} if pickle_cache is None else pickle_cache

    def __call__(self) -> list[Any]:
        with parallel_config(backend=self._backend, n_jobs=self._n_jobs):
            results: list[Any] = []
            _core.call_each(self.items, results)
            return results

    def __len__(self) -> int:
        return self._size

    def __reduce__(self) -> tuple[Any, ...]:
        if self._reducer_callback is not None:
            self._reducer_callback()
        nested = (self._backend, self._n_jobs)
        return type(self), (self.items, nested, None, self._pickle_cache)


class BatchCompletionCallBack:
    """Follows one batch: made when it is dispatched, called when it is done.

    Parameters
    ----------
    dispatch_timestamp : float
        As of `time.time()`.
    batch_size : int
        Calls in the batch.
    parallel : Parallel
    """

    def __init__(
        self, dispatch_timestamp: float, batch_size: int, parallel: Any
    ) -> None:
        self.dispatch_timestamp = dispatch_timestamp
        self.batch_size = batch_size
        self.parallel = parallel
        self.parallel_call_id = parallel._call_id
        self.job: Any = None  # what submit() returned, while it is needed
        self._result: Any = None
        # None: nobody knows before the result is asked for.
        calls_back = parallel._backend.supports_retrieve_callback
        self.status: str | None = TASK_PENDING if calls_back else None

    def register_job(self, job: Any) -> None:
        """Keep what the backend's `submit` returned."""
        if self.status in (None, TASK_PENDING):
            self.job = job

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        """Take the outcome, say how far things are, and dispatch more."""
        parallel = self.parallel
        if parallel._stop_fast is not None:  # the rest is done in C
            parallel._count(self.batch_size)
            return
        if parallel._backend.supports_retrieve_callback:
            with parallel._lock:
                # A late result of a loop that was given up, or is being given up.
                if parallel._call_id != self.parallel_call_id or parallel._aborting:
                    return
                if not self._retrieve_result(*args, **kwargs):
                    return
        self._dispatch_new()

    def _retrieve_result(self, out: Any) -> bool:
        """Keep the result or the error; returns whether it is a result."""
        try:
            result = self.parallel._backend.retrieve_result_callback(out)
        except BaseException as error:
            # Its frames refer to the loop, which refers to it.
            self._register_outcome(
                {"result": error.with_traceback(None), "status": TASK_ERROR}
            )
            return False
        self._register_outcome({"result": result, "status": TASK_DONE})
        return True

    def _dispatch_new(self) -> None:
        parallel = self.parallel
        duration = time.time() - self.dispatch_timestamp
        parallel._backend.batch_completed(self.batch_size, duration)
        with parallel._lock:
            try:
                parallel._count(self.batch_size)
                if parallel._original_iterator is not None:
                    parallel.dispatch_next()
            except BaseException as error:
                # Nobody above would pass it on to the caller, who waits.
                parallel._fail(error)
            parallel._changed.notify_all()

    def _register_outcome(self, outcome: dict[str, Any]) -> None:
        """Keep what came of it; the first outcome counts."""
        parallel = self.parallel
        with parallel._lock:
            if self.status not in (TASK_PENDING, None):
                return
            self.status = outcome["status"]
            self._result = outcome["result"]
            self.job = None
            if self.status == TASK_ERROR:
                parallel._exception = True
                parallel._aborting = True
            if not parallel.return_ordered:
                parallel._jobs_set.discard(self)
                parallel._jobs.append(self)
            parallel._changed.notify_all()

    def get_result(self, timeout: float | None) -> Any:
        """Return the batch's results or raise its error; waits if nobody calls back."""
        backend = self.parallel._backend
        if self.status is None:
            try:
                result = backend.retrieve_result(self.job, timeout=timeout)
                outcome = {"result": result, "status": TASK_DONE}
            except BaseException as error:
                outcome = {"result": error, "status": TASK_ERROR}
            self._register_outcome(outcome)
        result, self._result = self._result, None
        if self.status == TASK_ERROR:
            raise result
        return result


def timeout_error(seconds: float | None) -> Exception:
    """Return the error for a result that did not come in time."""
    from multiprocessing import TimeoutError

    return TimeoutError(f"no result came within timeout={seconds} seconds")


class Dispatching:
    """The part of `Parallel` that runs a loop through any backend."""

    _backend: Any
    _lock: Any
    _changed: threading.Condition
    _call_id: Any = None
    _original_iterator: Any = None
    _pre_dispatch_amount = 0
    _aborting = False
    _aborted = False
    _exception = False
    _iterating = False
    _running = False
    _calling = False
    _managed_backend = False
    n_tasks: int | None = None
    _returns_errors = False
    _bar: Bar | None = None
    _progress: Progress = None
    _seed: Any = None
    _retries = 0
    _task_timeout: float | None = None
    _stop_fast: Callable[[], None] | None = None  # ends a loop that runs in C
    n_dispatched_batches = 0
    n_dispatched_tasks = 0
    n_completed_tasks = 0
    _nb_consumed = 0
    return_ordered: bool
    return_generator: bool
    batch_size: Any
    timeout: float | None
    pre_dispatch: Any

    def _set_options(
        self,
        progress: Any,
        on_error: str,
        retries: int,
        task_timeout: float | None,
        seed: Any,
    ) -> None:
        """Take what joblib's `Parallel` does not have."""
        self._progress = checked(progress)
        if on_error not in ("raise", "return"):
            raise ValueError(f"on_error must be 'raise' or 'return', got: {on_error!r}")
        self._returns_errors = on_error == "return"
        if not isinstance(retries, int) or retries < 0:
            raise ValueError(f"retries must be a number of times, got: {retries!r}")
        self._retries = retries
        if task_timeout is not None and not task_timeout > 0:
            raise ValueError(
                f"task_timeout must be a positive number of seconds, got: {task_timeout!r}"
            )
        self._task_timeout = task_timeout
        self._seed = seed

    def _warn_unused(self, name: str, value: Any) -> None:
        warnings.warn(
            f"The backend class {type(self._backend).__name__!r} does not support "
            f"{name}. You have set '{name}={value}' in Parallel but the "
            f"'{name}' parameter will not be used.",
            stacklevel=4,
        )

    def _new_loop_state(self, n_jobs: int) -> None:
        self._jobs: collections.deque[Any] = collections.deque()
        self._jobs_set: set[Any] = set()
        self._ready_batches: collections.deque[BatchedCalls] = collections.deque()
        self._reducer_callback: Callable[[], Any] | None = None
        self._pickle_cache: dict[Any, Any] = {}
        self._cached_effective_n_jobs = n_jobs
        self._is_dispatching = False
        self._owed = 0
        self._call_id = object()

    def _read_pre_dispatch(self, n_jobs: int) -> int | None:
        """Return how many calls may be under way at first; None: all.

        Raises
        ------
        ValueError
            If it is no number, or less than 1.
        """
        wanted = self.pre_dispatch
        if wanted == "all":
            return None
        if isinstance(wanted, str):
            wanted = eval_expr(wanted.replace("n_jobs", str(n_jobs)))
        try:
            amount = int(wanted)
        except (TypeError, ValueError):
            raise ValueError(
                f"pre_dispatch={self.pre_dispatch!r} is not a number, 'all', or an "
                "expression such as '2 * n_jobs'"
            ) from None
        if amount < 1:
            raise ValueError(
                f"pre_dispatch={self.pre_dispatch!r} is {wanted} with "
                f"n_jobs={n_jobs}: at least 1 is needed"
            )
        return amount

    def _through_backend(self, iterable: Iterable[Any], n_jobs: int) -> Iterator[Any]:
        """Run a loop; the first value, given when it has started, is None."""
        amount = self._read_pre_dispatch(n_jobs)
        self._pre_dispatch_amount = amount or 0
        self._new_loop_state(n_jobs)
        iterator = iter(returning(iterable) if self._returns_errors else iterable)
        self._original_iterator = None if amount is None else iterator
        first = iterator if amount is None else itertools.islice(iterator, amount)
        return self._get_outputs(first, amount)

    def _start(self, iterator: Iterator[Any], amount: int | None) -> None:
        self._iterating = True
        is_any = False
        while self.dispatch_one_batch(iterator):
            is_any = True
        with self._lock:
            self._iterating = is_any and self._original_iterator is not None
            self._changed.notify_all()

    def _get_outputs(
        self, iterator: Iterator[Any], amount: int | None
    ) -> Iterator[Any]:
        thread = threading.get_ident()
        is_left = False
        rest: collections.deque[Any] = collections.deque()
        try:
            self._start(iterator, amount)
            yield None
            with self._backend.retrieval_context():
                yield from self._retrieve()
            rest = self._jobs
        except GeneratorExit:
            self._exception = True
            if thread != threading.get_ident():
                is_left = True
                self._leave_elsewhere()
                return
            self._abort()
            self._warn_exit_early()
            raise
        except BaseException:
            self._exception = True
            self._abort()
            raise
        finally:
            self._jobs = collections.deque()
            self._jobs_set = set()
            self._running = False
            if not is_left:
                self._terminate_and_reset()
        for job in rest:
            yield from job.get_result(self.timeout)

    def _leave_elsewhere(self) -> None:
        """Give up in a thread of its own: a pool can't be ended by one of its threads."""

        def leave() -> None:
            self._abort()
            self._warn_exit_early()
            self._terminate_and_reset()

        threading.Thread(target=leave, name="GeneratorExitThread").start()

    def _retrieve(self) -> Iterator[Any]:
        while True:
            job = self._next_job()
            if job is None:
                return
            for result in job.get_result(self.timeout):
                self._nb_consumed += 1
                yield result

    def _next_job(self) -> Any:
        """Wait for the next batch to give out; None: there is none left."""
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        with self._lock:
            while True:
                if self._aborting:
                    self._raise_error()
                    return None
                if self._jobs and self._jobs[0].status != TASK_PENDING:
                    return self._jobs.popleft()
                if not (self._jobs or self._iterating or self._is_waited_for()):
                    return None
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise timeout_error(self.timeout)
                self._changed.wait(left)

    def _is_waited_for(self) -> bool:
        return self.n_completed_tasks < self.n_dispatched_tasks

    def _fail(self, error: BaseException) -> None:
        """Have the caller raise this."""
        tracker = self._new_tracker(0.0, 1)
        tracker._register_outcome({"result": error, "status": TASK_ERROR})

    def _raise_error(self) -> None:
        """Raise what made the loop stop, if it was an error."""
        jobs = list(self._jobs)
        for job in jobs:
            if job.status == TASK_ERROR:
                job.get_result(self.timeout)

    def dispatch_next(self) -> None:
        """Dispatch one batch more; called when another one is done."""
        if self._is_dispatching:  # by a backend that calls back at once
            self._owed += 1
            return
        if not self.dispatch_one_batch(self._original_iterator):
            self._iterating = False
            self._original_iterator = None
            self._changed.notify_all()

    def dispatch_one_batch(self, iterator: Iterator[Any]) -> bool:
        """Take calls from an iterator and hand a batch of them to the backend.

        Returns
        -------
        bool
            False: there are none left, or the loop is being given up.
        """
        if self._aborting:
            return False
        size = self._get_batch_size()
        with self._lock:
            if not self._ready_batches and not self._fill(iterator, size):
                return False
            self._is_dispatching = True
            try:
                if self._ready_batches:
                    self._dispatch(self._ready_batches.popleft())
            finally:
                self._is_dispatching = False
            while self._owed and not self._aborting:
                self._owed -= 1
                if self._original_iterator is not None:
                    self.dispatch_next()
            return True

    def _fill(self, iterator: Iterator[Any], size: int) -> bool:
        """Take a batch for each worker, so that the last ones are of equal size."""
        n_jobs = self._cached_effective_n_jobs
        try:
            calls = list(itertools.islice(iterator, size * n_jobs))
        except Exception as error:
            # This may be a thread of the backend's: the caller shall raise it.
            self._fail(error)
            return True
        if not calls:
            return False
        is_last = iterator is self._original_iterator and len(calls) < size * n_jobs
        each = max(1, len(calls) // (10 * n_jobs if is_last else n_jobs))
        for at in range(0, len(calls), each):
            batch = BatchedCalls(
                calls[at : at + each],
                self._backend.get_nested_backend(),
                self._reducer_callback,
                self._pickle_cache,
            )
            self._ready_batches.append(batch)
        return True

    def _dispatch(self, batch: BatchedCalls) -> None:
        if self._aborting:
            return
        self.n_dispatched_tasks += len(batch)
        self.n_dispatched_batches += 1
        tracker = self._new_tracker(time.time(), len(batch))
        job = self._backend.submit(batch, callback=tracker)
        tracker.register_job(job)

    def _new_tracker(self, timestamp: float, size: int) -> Any:
        from cjoblib import parallel

        tracker = parallel.BatchCompletionCallBack(timestamp, size, self)
        if self.return_ordered:
            self._jobs.append(tracker)
        else:
            self._jobs_set.add(tracker)
        return tracker

    def _get_batch_size(self) -> int:
        if self.batch_size == "auto":
            return int(self._backend.compute_batch_size())
        return int(self.batch_size)

    def _is_completed(self) -> bool:
        is_all = self.n_completed_tasks == self.n_dispatched_tasks
        return is_all and not (self._iterating or self._aborting)

    def _abort(self) -> None:
        """Stop what is under way; the backend stays usable inside a `with` block."""
        self._aborting = True
        if self._stop_fast is not None:
            self._stop_fast()
        elif not self._aborted and hasattr(self._backend, "abort_everything"):
            self._backend.abort_everything(ensure_ready=self._managed_backend)
        self._aborted = True

    def _tell(self, n_calls: int) -> None:
        """Let those who watch know of a batch that ran in C."""
        from cjoblib import parallel

        self.n_dispatched_batches += 1
        kind = parallel.BatchCompletionCallBack
        if kind is BatchCompletionCallBack:
            self._count(n_calls)
        else:
            kind(time.time(), n_calls, self)(None)

    def _count(self, n_calls: int) -> None:
        self.n_completed_tasks += n_calls
        self.print_progress()
        if self._bar is not None:
            is_known = self.n_tasks is None and self._original_iterator is None
            n_all = self.n_dispatched_tasks if is_known else self.n_tasks
            self._bar.update(self.n_completed_tasks, n_all)

    def _close_bar(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close()

    def print_progress(self) -> None:
        """Say how far the loop is."""
        raise NotImplementedError

    def _set_failed(self) -> None:
        self._exception = self._aborting = self._aborted = True

    def _leave(self) -> None:
        """Be done with a loop that did not go through the backend's methods."""
        self._stop_fast = None
        self._running = False
        self._terminate_and_reset()

    def _terminate_and_reset(self) -> None:
        self._close_bar()
        if self._calling and hasattr(self._backend, "stop_call"):
            self._backend.stop_call()
        self._calling = False
        if not self._managed_backend:
            self._backend.terminate()

    def _warn_exit_early(self) -> None:
        """Say that results of a generator that was dropped are lost."""
        if not self.return_generator or is_finalizing():
            return
        n_unused = self.n_completed_tasks - self._nb_consumed
        n_cancelled = self.n_dispatched_tasks - self.n_completed_tasks
        told = []
        if n_unused > 0:
            told.append(
                f"{n_unused} tasks have been successfully executed  but not used."
            )
        if not self._is_completed():
            told.append(
                f"{n_cancelled} tasks which were still being processed by the workers "
                "have been cancelled."
            )
        if told:
            warnings.warn(
                " Additionally, ".join(told) + " You could benefit from adjusting "
                "the input task iterator to limit unnecessary computation time.",
                stacklevel=3,
            )


@contextlib.contextmanager
def nothing() -> Iterator[None]:
    """Do nothing."""
    yield
