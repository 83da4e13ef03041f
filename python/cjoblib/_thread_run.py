"""Loops in threads, by `_core.Threads`: each thread takes calls, makes them, puts results.

_work() in each thread        the first starts the next one when it has got a call, ...
loop.finish(), loop.next()    in the caller
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cjoblib import _core
from cjoblib._config import use_nested
from cjoblib._dispatch import timeout_error


def run(parallel: Any, iterable: Iterable[Any], n_jobs: int) -> Any:
    """Run a loop for a `Parallel`; a list, or an iterator that is to be started."""
    amount = parallel._read_pre_dispatch(n_jobs)
    parallel._pre_dispatch_amount = amount or 0
    if amount is None:
        iterable = list(iterable)
    crew = _Crew(parallel, iterable, n_jobs, amount)
    parallel._stop_fast = crew.loop.stop
    if parallel.return_generator:
        return _results(parallel, crew)
    return _list(parallel, crew)


class _Crew:
    """A loop and its threads."""

    def __init__(
        self, parallel: Any, iterable: Iterable[Any], n_jobs: int, amount: int | None
    ) -> None:
        self._parallel = parallel
        self._backend = parallel._backend
        self._threads: list[threading.Thread] = []
        size = parallel._get_batch_size()
        n_batches = n_jobs if amount is None else -(-amount // size)
        self._n_wanted = max(1, min(n_jobs, n_batches))
        if parallel.n_tasks is not None:
            self._n_wanted = max(1, min(self._n_wanted, -(-parallel.n_tasks // size)))
        self.loop = _core.Threads(
            iterable,
            size,
            self._n_ahead(n_jobs, n_batches),
            parallel.return_ordered,
            parallel._returns_errors,
            self._told() if parallel._is_watched() else None,
            self._start_another if self._n_wanted > 1 else None,
        )

    def _n_ahead(self, n_jobs: int, n_batches: int) -> int:
        """Batches whose results may wait for the consumer, with those under way."""
        if not self._parallel.return_generator or self._parallel.pre_dispatch == "all":
            return 0
        return max(n_jobs, n_batches) + n_jobs

    def _told(self) -> Callable[[int], None]:
        parallel = self._parallel
        parallel._iterating = True
        parallel._original_iterator = ()  # not known to be at its end

        def on_done(n_calls: int) -> None:
            with parallel._lock:
                loop = self.loop
                parallel.n_dispatched_tasks = loop.n_taken
                if loop.is_exhausted:
                    parallel._iterating = False
                    parallel._original_iterator = None
                parallel._tell(n_calls)

        return on_done

    def _start_another(self) -> None:
        if len(self._threads) < self._n_wanted and not self.loop.is_exhausted:
            self.start()

    def start(self) -> None:
        """Start a thread, which starts the next one when it has got a call."""
        thread = threading.Thread(target=self._work, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        try:
            use_nested(self._backend)
            self._parallel._initialize_thread()
        except BaseException as error:
            self.loop.fail(error)
            return
        self.loop.work()

    def end(self) -> None:
        """Wait for the threads; all calls have been made."""
        for thread in self._threads:
            thread.join()
        self.count()

    def count(self) -> None:
        """Let the `Parallel` know how far the loop came."""
        parallel = self._parallel
        parallel._iterating = False
        parallel._original_iterator = None
        parallel.n_dispatched_tasks = self.loop.n_taken
        parallel.n_completed_tasks = self.loop.n_done


def _list(parallel: Any, crew: _Crew) -> list[Any]:
    try:
        crew.start()
        results = crew.loop.finish(parallel.timeout)
        if results is None:
            raise timeout_error(parallel.timeout)
        crew.end()
        return results
    except BaseException:
        crew.loop.stop()
        parallel._set_failed()
        raise
    finally:
        crew.count()
        parallel._leave()


def _results(parallel: Any, crew: _Crew) -> Iterator[Any]:
    try:
        crew.start()
        yield None
        while True:
            found = crew.loop.next(parallel.timeout)
            if found is None:
                raise timeout_error(parallel.timeout)
            if not found:
                break
            parallel._nb_consumed += 1
            yield found[0]
        if not parallel._aborting:
            crew.end()
    except GeneratorExit:
        crew.loop.stop()
        crew.count()
        parallel._set_failed()
        parallel._warn_exit_early()
        raise
    except BaseException:
        crew.loop.stop()
        parallel._set_failed()
        raise
    finally:
        crew.count()
        parallel._leave()
