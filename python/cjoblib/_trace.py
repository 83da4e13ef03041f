"""Traces: what ran when, in every thread and worker, for Perfetto and ``cjoblib report``."""

from __future__ import annotations

import atexit
import functools
import os
import threading
from collections.abc import Callable
from os import PathLike
from types import TracebackType
from typing import Any, ParamSpec, TypeVar, overload

from cjoblib import _core

__all__ = ["span", "trace", "traced"]

P = ParamSpec("P")
R = TypeVar("R")

_VARIABLE = "CJOBLIB_TRACE"


class trace:
    """Record what runs into a file that Perfetto and chrome://tracing show.

    Parameters
    ----------
    path : str or PathLike
        A file, replaced if it is there. If a living process is tracing into it already
        (the one that started this one, for instance), its trace is joined.

    Raises
    ------
    OSError
        The file can't be made. The path is in ``filename``.
    RuntimeError
        This process is tracing already.

    Notes
    -----
    The file is JSON in the Trace Event Format; times are microseconds of the system's
    monotonic clock. It can be read while the program runs, and holds all that was noted
    if the program is killed. Workers and other programs that are started meanwhile add
    to it: they find the path in the variable ``CJOBLIB_TRACE``, which is also how a
    program is traced that doesn't call this.

    Examples
    --------
    >>> import cjoblib
    >>> with cjoblib.trace("run.json"):
    ...     with cjoblib.span("load", bytes=120):
    ...         pass
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._tracer: _core.Tracer | None = None
        self._before: str | None = None

    def start(self) -> trace:
        """Begin; what ``with`` does."""
        global _running
        with _lock:
            if _running is not None:
                raise RuntimeError(f"a trace is being written already: {_running.path}")
            self._tracer = _core.Tracer(self.path)
            self._before = os.environ.get(_VARIABLE)
            os.environ[_VARIABLE] = self.path
            _running = self
            _core.trace_with(self._tracer)
        _watch_forks()
        return self

    def stop(self) -> None:
        """End; what leaving ``with`` does. Nothing happens when it isn't running."""
        global _running
        with _lock:
            if _running is not self:
                return
            _running = None
            _core.trace_with(None)
            if self._before is None:
                os.environ.pop(_VARIABLE, None)
            else:
                os.environ[_VARIABLE] = self._before
            tracer, self._tracer = self._tracer, None
        assert tracer is not None
        tracer.close()

    def __enter__(self) -> trace:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _join_again(self) -> None:
        """In a forked child, the parent's trace takes nothing more from here."""
        try:
            self._tracer = _core.Tracer(self.path)
        except OSError:  # the parent has ended, and its file can't be written any more
            self._tracer = None
        _core.trace_with(self._tracer)


class span:
    """Note how long something took, while a trace is recorded.

    Parameters
    ----------
    name : str
        Shown on the span; the first 200 bytes of it.
    **fields
        Shown beside it: numbers as they are, all else by ``str()``, cut at 200 bytes.
        At most 8.

    Examples
    --------
    >>> import cjoblib
    >>> with cjoblib.span("read", path="data.csv"):
    ...     pass
    """

    __slots__ = ("_begin", "_fields", "_name")

    def __init__(self, name: str, /, **fields: Any) -> None:
        self._name = name
        self._fields = fields
        self._begin = 0

    def __enter__(self) -> span:
        self._begin = _core.trace_begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._begin:
            _core.trace_span(self._name, self._begin, self._fields or None)


@overload
def traced(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def traced(
    *, name: str | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def traced(function: Any = None, /, *, name: str | None = None) -> Any:
    """Note every call of a function as a span, while a trace is recorded.

    Parameters
    ----------
    function : callable
    name : str, optional
        Of the span; the function's qualified name if not given.

    Returns
    -------
    callable
        As the function; or, called without one, a decorator.
    """
    if function is None:
        return functools.partial(_traced, name=name)
    return _traced(function, name)


def _traced(function: Callable[P, R], name: str | None = None) -> Callable[P, R]:
    shown = name or getattr(function, "__qualname__", None) or repr(function)

    @functools.wraps(function)
    def traced_function(*args: P.args, **kwargs: P.kwargs) -> R:
        begin = _core.trace_begin()
        if not begin:
            return function(*args, **kwargs)
        try:
            return function(*args, **kwargs)
        finally:
            _core.trace_span(shown, begin)

    return traced_function


# --- the one trace of this process -----------------------------------------------------------

_lock = threading.Lock()
_running: trace | None = None


@functools.cache
def _watch_forks() -> None:
    os.register_at_fork(after_in_child=_after_fork)


def _after_fork() -> None:
    global _lock
    _lock = threading.Lock()
    if _running is not None:
        _running._join_again()


@atexit.register
def _stop() -> None:
    if _running is not None:
        _running.stop()


def start_from_environment() -> None:
    """Trace when ``CJOBLIB_TRACE`` says so; a path that can't be written is one warning."""
    path = os.environ.get(_VARIABLE)
    if path and _running is None:
        try:
            trace(path).start()
        except OSError as why:
            import warnings

            warnings.warn(
                f"{_VARIABLE}={path}: nothing is traced: {why}",
                RuntimeWarning,
                stacklevel=2,
            )
