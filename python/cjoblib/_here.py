"""Loops with one job: calls are made in the caller's thread, one after the other."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from cjoblib import _core


class Here:
    """The part of `Parallel` that makes calls itself."""

    return_generator: bool
    n_dispatched_batches: int
    n_dispatched_tasks: int
    n_completed_tasks: int
    _nb_consumed: int
    _running: bool
    _iterating: bool
    _exception: bool
    _aborting: bool
    _aborted: bool
    _original_iterator: Any
    _get_batch_size: Any
    _is_watched: Any
    _set_failed: Any
    _count: Any
    _close_bar: Any
    _returns_errors: bool
    print_progress: Any

    def _is_plain_sequence(self) -> bool:
        """Can the calls be made without anybody being told of each?"""
        is_list = not self.return_generator and self._get_batch_size() == 1
        is_own = type(self)._get_sequential_output is Here._get_sequential_output
        is_plain = is_list and is_own and not self._is_watched()
        return is_plain and not self._returns_errors

    def _call_each(self, iterable: Iterable[Any]) -> list[Any]:
        results: list[Any] = []
        try:
            _core.call_each(iterable, results)
        except BaseException:
            self._set_failed()
            raise
        finally:
            n_done = len(results)
            self.n_dispatched_batches = self.n_dispatched_tasks = n_done
            self.n_completed_tasks = n_done
            self._running = False
        return results

    def _get_sequential_output(self, iterable: Iterable[Any]) -> Iterator[Any]:
        """Make the calls here; the first value, given when it has started, is None."""
        try:
            self._iterating = True
            self._original_iterator = iterable
            yield None
            for function, args, kwargs in _in_slices(iterable, self._get_batch_size()):
                self.n_dispatched_batches += 1
                self.n_dispatched_tasks += 1
                result = self._call_here(function, args, kwargs)
                self._count(1)
                yield result
                self._nb_consumed += 1
        except BaseException:
            self._exception = True
            self._aborting = True
            self._aborted = True
            raise
        finally:
            self._running = False
            self._iterating = False
            self._original_iterator = None
            self.print_progress()
            self._close_bar()

    def _call_here(self, function: Any, args: Any, kwargs: Any) -> Any:
        if not self._returns_errors:
            return function(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            return error


def _in_slices(iterable: Iterable[Any], size: int) -> Iterator[Any]:
    """Take so many calls at a time from the iterable."""
    iterator = iter(iterable)
    if size == 1:
        return iterator
    slices = iter(lambda: list(itertools.islice(iterator, size)), [])
    return itertools.chain.from_iterable(slices)
