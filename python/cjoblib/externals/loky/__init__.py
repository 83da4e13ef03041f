"""The interface of the package `loky` over cjoblib's worker processes."""

from __future__ import annotations

from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Executor,
    TimeoutError,
    as_completed,
    wait,
)

from cjoblib.externals.loky.backend.context import cpu_count
from cjoblib.externals.loky.backend.reduction import set_loky_pickler
from cjoblib.externals.loky.cloudpickle_wrapper import wrap_non_picklable_objects
from cjoblib.externals.loky.process_executor import (
    BrokenProcessPool,
    Future,
    ProcessPoolExecutor,
)
from cjoblib.externals.loky.reusable_executor import get_reusable_executor

__version__ = "3.6.0"  # the loky whose behaviour this is

__all__ = [
    "ALL_COMPLETED",
    "FIRST_COMPLETED",
    "FIRST_EXCEPTION",
    "BrokenProcessPool",
    "CancelledError",
    "Executor",
    "Future",
    "ProcessPoolExecutor",
    "TimeoutError",
    "as_completed",
    "cpu_count",
    "get_reusable_executor",
    "set_loky_pickler",
    "wait",
    "wrap_non_picklable_objects",
]
