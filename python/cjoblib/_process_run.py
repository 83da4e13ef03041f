"""Loops in worker processes, by `_core.Run`: in the caller's thread, also for generators.

    pool = _pools.take(wanted)
    run = pool.start(calls, ...)
    run.next()  ->  RESULTS of some calls, FAILURE, DEATH, ..., END
    _pools.give(wanted, pool)

A generator is driven by whoever asks for its results: between two of them the workers do
what they were handed, which is as much as may be ahead anyway.
"""

from __future__ import annotations

import collections
import os
import pickle
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from cjoblib import _ambient, _core, _pools
from cjoblib._dispatch import timeout_error

Batch = tuple[int, list[Any]]
"""Results of the calls with this index and the next ones."""

_ALL = 1 << 40  # batches ahead: as many as there are


def run(parallel: Any, iterable: Iterable[Any], n_jobs: int) -> Any:
    """Run a loop for a `Parallel`; a list, or an iterator that is to be started."""
    loop = Loop(parallel, iterable, n_jobs)
    if parallel.return_generator:
        return _results(parallel, loop)
    return _list(parallel, loop)


def _sharing(options: dict[str, Any]) -> dict[str, Any]:
    """How big arrays travel: in shared memory, unless that is turned off."""
    from cjoblib import _arrays

    limit, mode = options.get("max_nbytes"), options.get("mmap_mode")
    if limit is None or mode is None:
        return {}
    folder = options.get("temp_folder") or tempfile.gettempdir()
    return {
        "block_bytes": limit + 1,
        "reducer": _arrays.reducer(limit, mode),
        "mmap_mode": mode,
        "spill_folder": folder,
    }


class Loop:
    """The calls of one loop on their way through a pool."""

    def __init__(self, parallel: Any, iterable: Iterable[Any], n_jobs: int) -> None:
        self.parallel = parallel
        self.is_shut = False
        amount = parallel._read_pre_dispatch(n_jobs)
        parallel._pre_dispatch_amount = amount or 0
        if parallel._is_watched():
            parallel._iterating = True
            parallel._original_iterator = iterable
            iterable = _Watched(parallel, iterable)
        self._held: collections.deque[Any] = collections.deque()  # events
        self._is_told = False  # that this is the end
        surrounded = _ambient.around(iterable)
        self._is_surrounded = surrounded is not None
        if surrounded is not None:
            iterable = surrounded
        self._wanted = parallel._backend._wanted
        is_open = parallel.return_generator
        self._pool: Any = _pools.take(self._wanted, takes_turns=not is_open)
        try:
            self._start(iterable, amount, is_open)
        except BaseException:
            self.leave()
            raise

    def _start(self, iterable: Iterable[Any], amount: int | None, hold: bool) -> None:
        parallel = self.parallel
        retries, task_timeout = parallel._retries, parallel._task_timeout
        self._pool.set_policy(
            retries=retries,
            task_timeout=task_timeout,
            idle_timeout=self._wanted.idle_s,
        )
        size = parallel._get_batch_size() if parallel.batch_size != "auto" else 0
        if (retries or task_timeout is not None) and not size:
            size = 1  # a death costs one call
        self.run = self._pool.start(
            iterable,
            _ALL if amount is None else amount,
            batch_size=size,
            hold=hold and amount is not None,
            stretch=parallel.pre_dispatch == "2 * n_jobs" and not hold,
            **_sharing(parallel._backend_kwargs),
        )
        self._holds = hold and amount is not None

    def release(self, n_calls: int) -> None:
        """Results of so many calls have been given out."""
        if self._holds:
            self.run.release(n_calls)

    def next(self, deadline: float | None) -> Batch | None:
        """Wait for results, in no order between batches; None: that was all.

        Raises
        ------
        multiprocessing.TimeoutError
            If none came until `deadline`, a time of `time.monotonic()`.
        """
        while True:
            if self.is_shut:
                raise RuntimeError(_SHUT)
            event = self._held.popleft() if self._held else self._wait(deadline)
            kind, index, value, pid, status = event
            if kind == _core.RESULTS:
                if self._is_surrounded:
                    value = _ambient.open_up(value)
                return index, value
            if kind == _core.END:
                return None
            if kind == _core.RETRY:
                continue
            error = self._error_of(kind, index, value, pid, status)
            if self._is_surrounded:
                _ambient.say_of(error)
            is_returned = self.parallel._returns_errors and isinstance(error, Exception)
            if not is_returned or index is None:
                raise error
            return index, [error]

    def _wait(self, deadline: float | None) -> Any:
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            event = self.run.next(left)
            if event is not None:
                return event
            if deadline is not None and time.monotonic() >= deadline:
                raise timeout_error(self.parallel.timeout)

    def feed(self) -> None:
        """Hand the workers what they may have, without waiting for anything."""
        while not self._is_told and (event := self.run.next(0)) is not None:
            self._is_told = event[0] == _core.END
            self._held.append(event)

    def _error_of(
        self, kind: int, index: int | None, value: Any, pid: int, status: int
    ) -> BaseException:
        """Return the exception for an event that is none of a result."""
        if kind == _core.FAILURE:
            from cjoblib._failure import rebuild

            return rebuild(value)
        name = None if index is None else _name(self.run.function(index))
        if kind == _core.UNSENT:
            error: BaseException = pickle.PicklingError(
                f"Could not pickle the task to send to the workers: task {index} ({name})"
            )
            error.__cause__ = value
            return error
        if kind == _core.UNREADABLE:
            error = pickle.UnpicklingError(
                f"The result of task {index} ({name}) could not be unpickled: "
                f"{type(value).__name__}: {value}"
            )
            error.__cause__ = value
            return error
        where = "before it was ready for a task"
        if index is not None:
            where = f"while it ran task {index} ({name})"
        if kind == _core.TIMEOUT:
            seconds = self.parallel._task_timeout
            error = timeout_error(seconds)
            error.args = (
                f"Worker process {pid} was stopped {where}: it took more than "
                f"task_timeout={seconds} seconds",
            )
            return error
        from cjoblib._errors import TerminatedWorkerError

        return TerminatedWorkerError(f"Worker process {pid} {_end_of(status)} {where}")

    def cancel(self) -> None:
        """Forget what is under way."""
        run = getattr(self, "run", None)
        if run is not None:
            run.cancel()

    def leave(self) -> None:
        """Let others have the workers; once."""
        pool, self._pool = self._pool, None
        if pool is not None:
            _pools.give(self._wanted, pool)

    def count(self) -> None:
        """Let the `Parallel` know how far the loop came."""
        self.parallel.n_dispatched_tasks = self.run.n_taken
        self.parallel.n_completed_tasks = self.run.n_done

    def tell(self, n_calls: int) -> None:
        """Let those who watch know of a batch."""
        with self.parallel._lock:
            self.parallel.n_dispatched_tasks = self.run.n_taken
            self.parallel._tell(n_calls)


class _Watched:
    """An iterator that lets a `Parallel` know when it is at its end."""

    def __init__(self, parallel: Any, iterable: Iterable[Any]) -> None:
        self._parallel = parallel
        self._next = iter(iterable).__next__

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return self._next()
        except StopIteration:
            self._parallel._original_iterator = None
            self._parallel._iterating = False
            raise


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name)


def _end_of(status: int) -> str:
    """Say how a process ended, by its status as of `os.waitpid`."""
    if status < 0:
        return "died"
    if not os.WIFSIGNALED(status):
        return f"exited with code {os.WEXITSTATUS(status)}"
    number = os.WTERMSIG(status)
    try:
        return f"was killed by signal {number} ({signal.Signals(number).name})"
    except ValueError:
        return f"was killed by signal {number}"


def _deadline(parallel: Any) -> float | None:
    return None if parallel.timeout is None else time.monotonic() + parallel.timeout


def _list(parallel: Any, loop: Loop) -> list[Any]:
    results: list[Any] = []
    late: dict[int, list[Any]] = {}  # what came before its turn
    parallel._stop_fast = loop.cancel
    watched = parallel._is_watched()
    try:
        deadline = _deadline(parallel)
        while (batch := loop.next(deadline)) is not None:
            index, values = batch
            if index == len(results):
                results += values
                while len(results) in late:
                    results += late.pop(len(results))
                deadline = _deadline(parallel)
            else:
                late[index] = values
            if watched:
                loop.tell(len(values))
        return results
    except BaseException:
        loop.cancel()
        parallel._set_failed()
        raise
    finally:
        _end(parallel, loop)


def _end(parallel: Any, loop: Loop) -> None:
    parallel._iterating = False
    parallel._original_iterator = None
    loop.count()
    loop.cancel()
    loop.leave()
    parallel._leave()


# --- generators ----------------------------------------------------------------------------

_SHUT = (
    "The executor underlying Parallel has been shutdown. This is likely due to the "
    "garbage collection of a previous generator from a call to Parallel with "
    "return_as='generator'. Make sure the generator is not garbage collected when "
    "submitting a new job or that it is first properly exhausted."
)


class _Open:
    """Generators that are running, the oldest first.

    One that is dropped takes those with it that were started while it was running, as
    joblib's do; otherwise code would work here that fails there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loops: list[Loop] = []

    def add(self, loop: Loop) -> None:
        with self._lock:
            self._loops.append(loop)

    def remove(self, loop: Loop, *, is_dropped: bool) -> None:
        with self._lock:
            at = self._loops.index(loop)
            if is_dropped:
                for later in self._loops[at + 1 :]:
                    later.is_shut = True
            del self._loops[at]


_open = _Open()


def _results(parallel: Any, loop: Loop) -> Iterator[Any]:
    is_dropped = False
    parallel._stop_fast = loop.cancel
    _open.add(loop)
    try:
        loop.feed()
        yield None
        for value in _values(parallel, loop):
            parallel._nb_consumed += 1
            yield value
    except GeneratorExit:
        is_dropped = True
        loop.count()
        loop.cancel()
        parallel._set_failed()
        parallel._warn_exit_early()
        raise
    except BaseException:
        loop.cancel()
        parallel._set_failed()
        raise
    finally:
        _open.remove(loop, is_dropped=is_dropped)
        _end(parallel, loop)


def _values(parallel: Any, loop: Loop) -> Iterator[Any]:
    """Give results out as they come, or in the calls' order."""
    late: dict[int, list[Any]] = {}  # what came before its turn
    at = 0
    watched = parallel._is_watched()
    deadline = _deadline(parallel)
    while (batch := loop.next(deadline)) is not None:
        index, values = batch
        late[index if parallel.return_ordered else at] = values
        if watched:
            loop.tell(len(values))
        while at in late:
            values = late.pop(at)
            at += len(values)
            yield from values
            loop.release(len(values))
            loop.feed()
            deadline = _deadline(parallel)
