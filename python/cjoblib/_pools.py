"""The worker processes of this process: who has them, and which wait for the next loop.

    pool = take(wanted)      nobody else uses it until
    give(wanted, pool)       it waits for the next loop that wants the same
    close_idle()             those that wait leave

Loops that run at the same time in several threads take turns where there are no more
processors than one of them has workers. A turn is waited for only so long: two loops may
depend on each other, and a generator may be left standing.
"""

from __future__ import annotations

import atexit
import os
import pickle
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from cjoblib import _core, _spawn

MAX_IDLE = 2  # pools of different kinds that are kept waiting
TURN_S = 1.0  # at most, until another pool is opened besides


class Initializer:
    """A function that each worker calls first; equal if function and arguments are."""

    def __init__(
        self, function: Callable[..., Any], arguments: tuple[Any, ...]
    ) -> None:
        self._function = function
        self._arguments = arguments

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Initializer):
            return NotImplemented
        if self._function != other._function:
            return False
        ours, theirs = self._arguments, other._arguments
        try:
            return ours is theirs or bool(ours == theirs)
        except Exception:  # such as arrays, which are not comparable that way
            return False

    __hash__ = None  # type: ignore[assignment]

    def pickled(self) -> bytes:
        """Return it by value, for the way to the worker."""
        import cloudpickle

        call = (self._function, self._arguments)
        try:
            data: bytes = cloudpickle.dumps(call)
        except Exception as error:
            raise pickle.PicklingError(
                f"Could not pickle the initializer {self._function!r} or its arguments"
            ) from error
        return data


class Wanted(NamedTuple):
    """What a pool is made for; it serves a later loop that wants the same."""

    n_workers: int
    kind: str
    level: int
    variables: dict[str, str]
    initializer: Initializer | None
    idle_s: float
    surroundings: tuple[Any, ...]


def wanted(
    n_workers: int,
    *,
    kind: str = "loky",
    level: int | None = 0,
    variables: dict[str, str],
    options: dict[str, Any],
) -> Wanted:
    """Say what a pool must be like.

    Parameters
    ----------
    n_workers : int
    kind : {"loky", "multiprocessing"}
        The backend whose rules for nested loops hold in the workers.
    level : int or None
        How many loops are around the one that asks.
    variables : dict
        Environment of the workers, beside this process's own.
    options : dict
        What the user gave the backend; used are `initializer`, `initargs` and
        `idle_worker_timeout` (seconds).
    """
    function = options.get("initializer")
    initializer = None
    if function is not None:
        initializer = Initializer(function, tuple(options.get("initargs") or ()))
    idle_s = options.get("idle_worker_timeout")
    return Wanted(
        n_workers,
        kind,
        level or 0,
        variables,
        initializer,
        300.0 if idle_s is None else float(idle_s),
        _surroundings(),
    )


def _surroundings() -> tuple[Any, ...]:
    """What a worker takes over from this process when it starts."""
    try:
        folder = os.getcwd()
    except FileNotFoundError:
        folder = ""
    return (
        sys.executable,
        folder,
        tuple(sys.path),
        dict(os.environ),
        "multiprocessing.managers" in sys.modules,
        "cjoblib._install" in sys.modules,
    )


class _Registry:
    """The pools of one process; a forked child begins with none."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.changed = threading.Condition()
        self.idle: list[tuple[Wanted, _core.Pool]] = []  # oldest first
        self.busy: dict[int, int] = {}  # id of a pool -> its workers, in turns


_registry = _Registry()


def _current() -> _Registry:
    global _registry
    if _registry.pid != os.getpid():
        # Forked: the parent's workers are not ours. Dropping its pools closes our copies
        # of their sockets and nothing else.
        _registry = _Registry()
    return _registry


def take(wanted: Wanted, *, takes_turns: bool = True) -> _core.Pool:
    """Return a pool that nobody else uses: one that waits, or a new one.

    Parameters
    ----------
    wanted : Wanted
    takes_turns : bool
        Whether it will be given back without anybody's doing; a loop whose results are
        asked for one by one may stand for ever.

    Raises
    ------
    OSError
        If workers can't be started.
    """
    registry = _current()
    with registry.changed:
        if takes_turns:
            _wait_for_turn(registry, wanted.n_workers)
        pool = _find(registry, wanted)
        dropped = registry.idle[: max(0, len(registry.idle) - MAX_IDLE + 1)]
        del registry.idle[: len(dropped)]
        token = object()
        registry.busy[id(token)] = wanted.n_workers
    for _, other in dropped:
        other.close()
    try:
        if pool is None:
            pool = _open(wanted)
    finally:
        with registry.changed:
            del registry.busy[id(token)]
            if pool is not None and takes_turns:
                registry.busy[id(pool)] = wanted.n_workers
    return pool


def _wait_for_turn(registry: _Registry, n_workers: int) -> None:
    from cjoblib.parallel import cpu_count

    if not registry.busy:
        return
    deadline = time.monotonic() + TURN_S
    most = max(cpu_count(), n_workers)
    while registry.busy and sum(registry.busy.values()) + n_workers > most:
        left = deadline - time.monotonic()
        if left <= 0 or not registry.changed.wait(left):
            return


def _find(registry: _Registry, wanted: Wanted) -> _core.Pool | None:
    """Take out one that waits and fits; of another size if need be."""
    best = -1
    for at, (known, _) in enumerate(registry.idle):
        if known == wanted:
            best = at
            break
        if known._replace(n_workers=wanted.n_workers) == wanted:
            best = at
    if best < 0:
        return None
    known, pool = registry.idle.pop(best)
    if known.n_workers != wanted.n_workers:
        pool.resize(wanted.n_workers)
    return pool


def _open(wanted: Wanted) -> _core.Pool:
    initializer = wanted.initializer.pickled() if wanted.initializer else None
    variables = _spawn.environment(wanted.variables)
    return _core.Pool(
        wanted.n_workers,
        _spawn.command(),
        [f"{name}={value}" for name, value in variables.items()],
        _spawn.hello(wanted.kind, wanted.level, initializer),
    )


def give(wanted: Wanted, pool: _core.Pool) -> None:
    """Keep a pool, which has nothing to do, for the next loop."""
    registry = _current()
    with registry.changed:
        registry.busy.pop(id(pool), None)
        registry.idle.append((wanted, pool))
        dropped = registry.idle[: max(0, len(registry.idle) - MAX_IDLE)]
        del registry.idle[: len(dropped)]
        registry.changed.notify_all()
    for _, other in dropped:
        other.close()


def drop(pool: _core.Pool) -> None:
    """End a pool that was taken."""
    registry = _current()
    with registry.changed:
        registry.busy.pop(id(pool), None)
        registry.changed.notify_all()
    pool.close()


def close_idle() -> None:
    """End the workers that wait for a loop."""
    registry = _current()
    with registry.changed:
        pools, registry.idle = registry.idle, []
    for _, pool in pools:
        pool.close()


@atexit.register
def _close_at_exit() -> None:
    if _registry.pid == os.getpid():
        close_idle()
