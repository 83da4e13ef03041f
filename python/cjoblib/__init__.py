"""Disk-cached calls, parallel loops and fast persistence: joblib's API on a C library.

The names below are imported when they are first used, so that ``import cjoblib`` itself
costs next to nothing.
"""

from __future__ import annotations

import importlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from cjoblib._cloudpickle_wrapper import wrap_non_picklable_objects
    from cjoblib._core import version as __version__
    from cjoblib._install import install_as_joblib
    from cjoblib._shared import shared
    from cjoblib._tasks import task_rng
    from cjoblib._trace import span, trace, traced
    from cjoblib.compressor import register_compressor
    from cjoblib.hashing import hash
    from cjoblib.logger import Logger, PrintTime
    from cjoblib.memory import (
        MemorizedFunc,
        MemorizedResult,
        Memory,
        expires_after,
        register_store_backend,
    )
    from cjoblib.numpy_pickle import dump, load
    from cjoblib.parallel import (
        Parallel,
        TerminatedWorkerError,
        cpu_count,
        delayed,
        effective_n_jobs,
        parallel_backend,
        parallel_config,
        register_parallel_backend,
    )

__all__ = [
    "Logger",
    "MemorizedFunc",
    "MemorizedResult",
    "Memory",
    "Parallel",
    "PrintTime",
    "TerminatedWorkerError",
    "__version__",
    "cpu_count",
    "delayed",
    "dump",
    "effective_n_jobs",
    "expires_after",
    "hash",
    "install_as_joblib",
    "load",
    "parallel_backend",
    "parallel_config",
    "register_compressor",
    "register_parallel_backend",
    "register_store_backend",
    "shared",
    "span",
    "task_rng",
    "trace",
    "traced",
    "wrap_non_picklable_objects",
]

_HOME = {
    "__version__": ("_core", "version"),
    "Logger": ("logger", "Logger"),
    "MemorizedFunc": ("memory", "MemorizedFunc"),
    "MemorizedResult": ("memory", "MemorizedResult"),
    "Memory": ("memory", "Memory"),
    "Parallel": ("parallel", "Parallel"),
    "PrintTime": ("logger", "PrintTime"),
    "TerminatedWorkerError": ("parallel", "TerminatedWorkerError"),
    "cpu_count": ("parallel", "cpu_count"),
    "delayed": ("parallel", "delayed"),
    "dump": ("numpy_pickle", "dump"),
    "effective_n_jobs": ("parallel", "effective_n_jobs"),
    "expires_after": ("memory", "expires_after"),
    "hash": ("hashing", "hash"),
    "install_as_joblib": ("_install", "install_as_joblib"),
    "load": ("numpy_pickle", "load"),
    "parallel_backend": ("parallel", "parallel_backend"),
    "parallel_config": ("parallel", "parallel_config"),
    "register_compressor": ("compressor", "register_compressor"),
    "shared": ("_shared", "shared"),
    "task_rng": ("_tasks", "task_rng"),
    "register_store_backend": ("memory", "register_store_backend"),
    "wrap_non_picklable_objects": (
        "_cloudpickle_wrapper",
        "wrap_non_picklable_objects",
    ),
    "register_parallel_backend": ("parallel", "register_parallel_backend"),
    "span": ("_trace", "span"),
    "trace": ("_trace", "trace"),
    "traced": ("_trace", "traced"),
}

_MODULES = frozenset(
    {
        "_store_backends",
        "backports",
        "compressor",
        "disk",
        "executor",
        "externals",
        "func_inspect",
        "hashing",
        "logger",
        "memory",
        "numpy_pickle",
        "numpy_pickle_compat",
        "numpy_pickle_utils",
        "parallel",
        "testing",
    }
)


def __getattr__(name: str) -> object:
    if name in _HOME:
        module, attribute = _HOME[name]
        value: object = getattr(importlib.import_module(f"cjoblib.{module}"), attribute)
    elif name in _MODULES:
        value = importlib.import_module(f"cjoblib.{name}")
    else:
        raise AttributeError(f"module 'cjoblib' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, *_MODULES})


if os.environ.get("CJOBLIB_TRACE"):
    from cjoblib._trace import start_from_environment

    start_from_environment()
