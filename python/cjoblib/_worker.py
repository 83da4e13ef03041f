"""What runs in a worker process. Its imports are what every worker waits for: keep them few."""

from __future__ import annotations

import marshal
import sys

from cjoblib import _core

WORKER_FD = 3
"""The descriptor on which a worker finds its socket (``CJ_WORKER_FD``)."""


def _follow(hello: bytes) -> None:
    """Be like the process that started this one."""
    stands_in_for_joblib, argv = marshal.loads(hello)
    sys.argv[:] = argv
    if stands_in_for_joblib:
        from cjoblib._install import install_as_joblib

        install_as_joblib()


def _describe(error: BaseException) -> object:
    from cjoblib._failure import describe

    return describe(error)


def main() -> None:
    """Be a worker until the parent closes the socket or dies."""
    _core.worker_run(WORKER_FD, _follow, _describe)
