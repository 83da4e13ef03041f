"""Parallel loops: ``Parallel(n_jobs=2)(delayed(f)(x) for x in xs)``.

Calls run in worker processes, which are started once and stay for the next loop. What a
worker can't import (functions of ``__main__``, lambdas, nested functions) travels by value.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Generic, NoReturn, ParamSpec, TypeVar

from cjoblib import _core, _spawn
from cjoblib._cpu import cpu_count

__all__ = [
    "Parallel",
    "TerminatedWorkerError",
    "cpu_count",
    "delayed",
    "effective_n_jobs",
]

P = ParamSpec("P")
R = TypeVar("R")

Call = tuple[Callable[..., R], tuple[Any, ...], dict[str, Any]]
"""What :func:`delayed` makes of a call: the function and its arguments."""

# Calls taken from the iterable ahead of those that are done, for each worker.
_AHEAD = 8


class TerminatedWorkerError(RuntimeError):
    """A worker process died; the text says by what signal or exit code, and in which task."""


def delayed(function: Callable[P, R]) -> Callable[P, Call[R]]:
    """Note a call instead of making it.

    Parameters
    ----------
    function : callable

    Returns
    -------
    callable
        Takes the function's arguments and returns ``(function, args, kwargs)``.
    """

    def delayed_function(*args: P.args, **kwargs: P.kwargs) -> Call[R]:
        return function, args, kwargs

    try:
        return functools.wraps(function)(delayed_function)
    except AttributeError:  # some callables have attributes that can't be copied
        return delayed_function


def effective_n_jobs(n_jobs: int | None = -1) -> int:
    """How many calls run at the same time for a given ``n_jobs``.

    Parameters
    ----------
    n_jobs : int or None
        -1: one for each processor, -2: one less, and so on; None: 1.

    Returns
    -------
    int
        At least 1. Always 1 inside a worker.

    Raises
    ------
    ValueError
        ``n_jobs`` is 0, or no number.
    """
    if n_jobs is None:
        return 1
    try:
        number = int(n_jobs)
    except (TypeError, ValueError):
        raise ValueError(f"n_jobs={n_jobs!r} is not a whole number") from None
    if number == 0:
        raise ValueError("n_jobs=0 in Parallel has no meaning")
    if _spawn.depth() > 0:
        return 1
    return number if number > 0 else max(1, cpu_count() + 1 + number)


class Parallel(Generic[R]):
    """Run calls in parallel and return their results in the calls' order.

    Parameters
    ----------
    n_jobs : int or None, default None
        How many worker processes; see :func:`effective_n_jobs`. With 1 the calls are made
        right here, one after the other. A loop inside a worker also runs that way.
    verbose : int, default 0
        Above 0: print how many calls are done, at 10 points of the way and at the end.

    Notes
    -----
    The first exception of a call ends the loop and is raised here, with the worker's own
    traceback as its ``__cause__``; calls that had not begun are not made. A worker that
    dies ends the loop with :class:`TerminatedWorkerError`. Workers stay for later loops
    and leave when this process ends, however it ends.

    Examples
    --------
    >>> from math import sqrt
    >>> from cjoblib import Parallel, delayed
    >>> Parallel(n_jobs=1)(delayed(sqrt)(i**2) for i in range(4))
    [0.0, 1.0, 2.0, 3.0]
    """

    def __init__(self, n_jobs: int | None = None, *, verbose: int = 0) -> None:
        effective_n_jobs(n_jobs)
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __call__(self, iterable: Iterable[Call[R]]) -> list[R]:
        """Make every call of an iterable of :func:`delayed` calls.

        Returns
        -------
        list
            The results, in the order of the calls.
        """
        n_jobs = effective_n_jobs(self.n_jobs)
        if n_jobs == 1:
            return self._run_here(iterable)
        wanted = _wanted(n_jobs)
        pool = _pool_take(wanted)
        try:
            results = pool.run(
                iterable,
                n_jobs * _AHEAD,
                _raise_failure,
                _raise_death,
                self._print_done if self.verbose > 0 else None,
            )
        except TerminatedWorkerError:
            pool.close()
            raise
        except BaseException:
            _pool_give(wanted, pool)
            raise
        _pool_give(wanted, pool)
        if self.verbose > 0:
            self._print_end(len(results), n_jobs)
        return results

    def _run_here(self, iterable: Iterable[Call[R]]) -> list[R]:
        results = []
        for function, args, kwargs in iterable:
            results.append(function(*args, **kwargs))
            if self.verbose > 0:
                self._print_done(len(results), len(results))
        if self.verbose > 0:
            self._print_end(len(results), 1)
        return results

    def _print_done(self, n_done: int, n_taken: int) -> None:
        step = max(1, n_taken // 10)
        if n_done % step == 0:
            print(
                f"[Parallel] {n_done} of {n_taken} calls taken are done",
                file=sys.stderr,
            )

    def _print_end(self, n_done: int, n_jobs: int) -> None:
        print(f"[Parallel] {n_done} calls done, n_jobs={n_jobs}", file=sys.stderr)

    def __repr__(self) -> str:
        return f"Parallel(n_jobs={self.n_jobs})"


def _name(function: Any) -> str:
    name = getattr(function, "__qualname__", None) or type(function).__qualname__
    return str(name)


def _raise_failure(index: int, function: Any, failure: tuple[Any, ...]) -> NoReturn:
    from cjoblib._failure import rebuild

    raise rebuild(failure)


def _raise_death(index: int | None, function: Any, pid: int, status: int) -> NoReturn:
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            how = f"was killed by signal {number} ({signal.Signals(number).name})"
        except ValueError:
            how = f"was killed by signal {number}"
    else:
        how = f"exited with code {os.WEXITSTATUS(status)}"
    if index is None:
        where = "before it was ready for a task"
    else:
        where = f"while it ran task {index} ({_name(function)})"
    raise TerminatedWorkerError(f"Worker process {pid} {how} {where}")


# --- pools that wait for the next loop -----------------------------------------------------


_Wanted = tuple[int, str, str, tuple[str, ...]]
"""What a pool was made for: number of workers, interpreter, working directory, module path."""


class _Idle:
    """Pools that no loop is using, by what they were made for; one for each process.

    A loop takes a pool out and gives it back, so loops in several threads never share one.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.pools: dict[_Wanted, _core.Pool] = {}


_idle = _Idle()


def _wanted(n_jobs: int) -> _Wanted:
    return n_jobs, sys.executable, os.getcwd(), tuple(sys.path)


def _pool_take(wanted: _Wanted) -> _core.Pool:
    global _idle
    if _idle.pid != os.getpid():
        # Forked: the parent's workers are not ours. Dropping its pools closes our copies
        # of their sockets and nothing else.
        _idle = _Idle()
    with _idle.lock:
        pool = _idle.pools.pop(wanted, None)
        others, _idle.pools = _idle.pools, {}
    for other in others.values():
        other.close()
    return pool or _pool_open(wanted[0])


def _pool_open(n_jobs: int) -> _core.Pool:
    variables = _spawn.environment(n_jobs)
    return _core.Pool(
        n_jobs,
        _spawn.command(),
        [f"{name}={value}" for name, value in variables.items()],
        _spawn.hello(),
    )


def _pool_give(wanted: _Wanted, pool: _core.Pool) -> None:
    with _idle.lock:
        extra = _idle.pools.setdefault(wanted, pool)
    if extra is not pool:
        pool.close()


@atexit.register
def _close_idle() -> None:
    if _idle.pid == os.getpid():
        with _idle.lock:
            pools, _idle.pools = _idle.pools, {}
        for pool in pools.values():
            pool.close()
