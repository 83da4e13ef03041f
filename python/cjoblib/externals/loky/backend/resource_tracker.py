"""The names of `loky`'s tracker of temporary resources.

cjoblib makes nothing that has a name and could stay behind, so there is nothing for it to
track. Semaphores and shared memory go to the standard library's tracker; for files and
folders, which that doesn't know, there is a warning.
"""

from __future__ import annotations

import warnings

__all__ = ["ensure_running", "maybe_unlink", "register", "unregister"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from multiprocessing.resource_tracker import ResourceTracker

    _resource_tracker: ResourceTracker

_UNTRACKED = ("file", "folder")


def __getattr__(name: str) -> object:
    if name not in ("_resource_tracker", "getfd", "main"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from multiprocessing import resource_tracker

    found: object = getattr(resource_tracker, name)
    return found


def ensure_running() -> None:
    """Start the standard library's tracker if it does not run."""
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()


def register(name: str, rtype: str) -> None:
    """Let a semaphore or shared memory be removed when this program ends.

    Warns
    -----
    UserWarning
        `rtype` is `"file"` or `"folder"`: it is not tracked.
    """
    from multiprocessing import resource_tracker

    if rtype in _UNTRACKED:
        warnings.warn(
            f"cjoblib doesn't track a {rtype}: {name!r} stays until it is removed",
            UserWarning,
            stacklevel=2,
        )
    else:
        resource_tracker.register(name, rtype)


def unregister(name: str, rtype: str) -> None:
    """Undo :func:`register`."""
    from multiprocessing import resource_tracker

    if rtype not in _UNTRACKED:
        resource_tracker.unregister(name, rtype)


maybe_unlink = unregister
