"""What runs in a worker process. Its imports are what every worker waits for: keep them few."""

from __future__ import annotations

import sys

from cjoblib import _core, _spawn

WORKER_FD = 3
"""The descriptor on which a worker finds its socket (``CJ_WORKER_FD``)."""


def _describe(error: BaseException) -> object:
    from cjoblib._failure import describe

    return describe(error)


def _plain(value: object) -> object:
    """Results are plain arrays; nothing is imported for those that hold none."""
    if "numpy" not in sys.modules:
        return NotImplemented
    from cjoblib._arrays import plain

    return plain(value)


def main() -> None:
    """Be a worker until the parent closes the socket or dies."""
    _core.worker_run(WORKER_FD, _spawn.follow, _describe, _plain)
