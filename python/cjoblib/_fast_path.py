"""Which loops may go through C: those in which nobody has replaced or overridden a hook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from cjoblib import _ambient, _dispatch, _parallel_backends

Run = Callable[[Iterable[Any], int], Any]

assert _ambient  # which remembers how warnings were when this was imported

# What a subclass of `Parallel` may override to change how a loop is dispatched.
_OF_PARALLEL = (
    "dispatch_next",
    "dispatch_one_batch",
    "_dispatch",
    "_get_batch_size",
    "_get_outputs",
    "_retrieve",
    "_start",
)

# What a subclass of one of our backends may override to change how a batch is run.
_OF_BACKEND = (
    "_get_pool",
    "abort_everything",
    "apply_async",
    "batch_completed",
    "compute_batch_size",
    "configure",
    "get_nested_backend",
    "retrieval_context",
    "retrieve_result",
    "retrieve_result_callback",
    "submit",
    "supports_retrieve_callback",
)


def find(parallel: Any) -> Run | None:
    """Return what runs a loop of this `Parallel`; None: the way through any backend."""
    names = sys.modules["cjoblib.parallel"]
    callback = names.BatchCompletionCallBack
    if not issubclass(callback, _dispatch.BatchCompletionCallBack):
        return None
    if not _has_all_of(type(parallel), _dispatch.Dispatching, _OF_PARALLEL):
        return None
    backend = parallel._backend
    for base, name in _RUNS.items():
        if isinstance(backend, base):
            if not _has_all_of(type(backend), base, _OF_BACKEND):
                return None
            return _run_of(name, parallel)
    return None


def has_own_processes(parallel: Any) -> bool:
    """Return whether calls of this `Parallel` go to our worker processes."""
    kinds = (_parallel_backends.LokyBackend, _parallel_backends.MultiprocessingBackend)
    return isinstance(parallel._backend, kinds) and find(parallel) is not None


_RUNS = {
    _parallel_backends.ThreadingBackend: "threads",
    _parallel_backends.LokyBackend: "processes",
    _parallel_backends.MultiprocessingBackend: "processes",
}


def _run_of(name: str, parallel: Any) -> Run | None:
    if getattr(parallel._backend, "_pool", None) is not None:
        return None  # somebody has made it use another pool
    if name == "threads":
        from cjoblib import _thread_run

        return partial(_thread_run.run, parallel)
    from cjoblib import _process_run

    return partial(_process_run.run, parallel)


def _has_all_of(kind: type, base: type, names: Iterable[str]) -> bool:
    """Return whether a class has these attributes from the base class of ours."""
    if kind is base:
        return True
    return all(getattr(kind, n, None) is getattr(base, n, None) for n in names)
