"""Exceptions of worker processes; imported when one is raised or asked for."""

from __future__ import annotations

try:
    from concurrent.futures.process import BrokenProcessPool as _BrokenProcessPool
except ImportError:  # there is no _multiprocessing here
    from concurrent.futures import (  # type: ignore[assignment]
        BrokenExecutor as _BrokenProcessPool,
    )

__all__ = ["BrokenProcessPool", "ShutdownExecutorError", "TerminatedWorkerError"]


class BrokenProcessPool(_BrokenProcessPool):
    """Worker processes can't go on."""


class TerminatedWorkerError(BrokenProcessPool):
    """A worker process died; the text says by what signal or exit code, and in which task."""


class ShutdownExecutorError(RuntimeError):
    """The workers were told to leave while something was to be done."""
