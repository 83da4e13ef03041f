"""What an executor and its thread share, so that the executor itself can be dropped.

The thread takes the pool's events and completes the futures. It ends when no task is under
way and nobody can submit another: the executor was shut down or dropped, or the program is
at its end.

    executor --> Flags, Work <-- thread --> pool.next()
    future   -->        Work
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future as BaseFuture
from typing import Any

from cjoblib import _core
from cjoblib._failure import rebuild
from cjoblib.externals.loky._reducers import result_of

Broken = Callable[[str], BaseException]
"""Makes the error that says why an executor can't be used any more."""


class Flags:
    """The state of an executor."""

    def __init__(self) -> None:
        self.shutdown = False
        self.kill_workers = False
        self.broken: BaseException | None = None


class Work:
    """The tasks of an executor that are under way, and their pool."""

    def __init__(self, pool: _core.Pool, flags: Flags) -> None:
        self.pool = pool
        self.flags = flags
        self.futures: dict[int, BaseFuture[Any]] = {}
        self.pid = os.getpid()
        self.changed = threading.Condition()
        self.last_task = -1

    def add(self, future: BaseFuture[Any]) -> int:
        """Give a task its number."""
        with self.changed:
            self.last_task += 1
            self.futures[self.last_task] = future
            return self.last_task

    def forget(self, task: int | None) -> BaseFuture[Any] | None:
        """Return the future of a task that is not under way any more, if there is one."""
        with self.changed:
            future = self.futures.pop(task, None) if task is not None else None
            self.changed.notify_all()
        return future

    def wake(self) -> None:
        """Let the thread look whether it is over."""
        with contextlib.suppress(RuntimeError):  # closed: it was over already
            self.pool.wake()

    def take_back(self, task: int) -> bool:
        """Take a task back that has not begun; False: it has."""
        with self.changed:
            if task not in self.futures or not self.pool.take_back(task):
                return False
            del self.futures[task]
            self.changed.notify_all()
        self.wake()
        return True

    def has_begun(self, task: int) -> bool:
        """Whether a task that is under way runs by now."""
        return task in self.futures and self.pool.has_begun(task)

    def wait_until_idle(self) -> None:
        """Sleep until no task is under way."""
        with self.changed:
            self.changed.wait_for(lambda: not self.futures)

    def fail_all(self, error: BaseException) -> None:
        """Let every task under way fail."""
        with self.changed:
            futures, self.futures = self.futures, {}
            self.changed.notify_all()
        for future in futures.values():
            _complete(future, error=error)


def _complete(
    future: BaseFuture[Any] | None,
    result: object = None,
    error: BaseException | None = None,
) -> None:
    if future is None or future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


class Manager(threading.Thread):
    """The thread of an executor.

    Parameters
    ----------
    executor : object
        What is watched: it is only referred to weakly.
    work : Work
    broken, killed : callable
        Make the errors of an executor whose worker died, or whose workers were killed.
    """

    def __init__(
        self, executor: object, work: Work, broken: Broken, killed: Broken
    ) -> None:
        # A daemon, or the interpreter would wait for it before asking it to end.
        super().__init__(name="cjoblib-executor", daemon=True)
        self._work = work
        self._broken = broken
        self._killed = killed
        self._executor = weakref.ref(executor, lambda _: work.wake())

    def run(self) -> None:
        work = self._work
        try:
            while not self._is_over():
                self._handle(work.pool.next(None))
        except BaseException as error:
            self._break(f"its workers can't go on: {error}", error)
        finally:
            _managers.discard(self)
            work.pool.close()

    def _is_over(self) -> bool:
        flags = self._work.flags
        if self._executor() is None or _end.has_come:
            flags.shutdown = True
        if flags.broken is not None:
            return True
        if flags.shutdown and flags.kill_workers:
            self._work.fail_all(
                self._killed(
                    "the executor was shut down with kill_workers=True before this task "
                    "was done"
                )
            )
        return flags.shutdown and not self._work.futures

    def _handle(self, event: tuple[Any, ...] | None) -> None:
        if event is None:
            return
        kind, task, value, pid, status = event
        if kind in (_core.DEATH, _core.TIMEOUT):
            self._break(_how_it_died(pid, status), None)
            return
        future = self._work.forget(task)
        if kind == _core.RESULT:
            try:
                _complete(future, result_of(value))
            except Exception as error:
                _complete(future, error=error)
        elif kind == _core.FAILURE:
            _complete(future, error=rebuild(value))
        elif kind == _core.UNREADABLE:
            _complete(future, error=value)

    def _break(self, text: str, cause: BaseException | None) -> None:
        error = self._broken(text)
        error.__cause__ = cause
        self._work.flags.broken = error
        self._work.flags.shutdown = True
        self._work.fail_all(error)


def _how_it_died(pid: int, status: int) -> str:
    import signal

    if status == -1:
        code = "UNKNOWN"
    elif os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        names = {int(s): s.name for s in signal.Signals}
        code = f"{names.get(number, 'UNKNOWN')}({-number})"
    else:
        code = f"EXIT({os.WEXITSTATUS(status)})"
    return (
        f"A worker process managed by the executor (pid {pid}) was unexpectedly "
        "terminated. This could be caused by a segmentation fault while calling the "
        "function or by an excessive memory usage causing the Operating System to kill "
        f"the worker.\nThe exit codes of the workers are {{{code}}}"
    )


# --- the end of the program, and forks -----------------------------------------------------


class _End:
    """Whether the program is at its end."""

    has_come = False


_end = _End()
_managers: set[Manager] = set()


def start(manager: Manager) -> None:
    """Start a thread that will be waited for at the end of the program."""
    _managers.add(manager)
    manager.start()


def is_at_end() -> bool:
    """Return whether the program is ending: no more tasks are taken."""
    return _end.has_come


@atexit.register
def _finish() -> None:
    _end.has_come = True
    for manager in list(_managers):
        manager._work.wake()
    for manager in list(_managers):
        manager.join()


# The threads did not come along.
os.register_at_fork(after_in_child=_managers.clear)
