"""Multiprocessing contexts by name, and the number of processors.

Workers of cjoblib are started with `posix_spawn` whatever is chosen here; a context is for
those who want processes, queues and locks of the standard library.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

from cjoblib._cpu import cpu_count

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

__all__ = ["cpu_count", "get_context", "get_start_method", "set_start_method"]

START_METHODS = ["loky", "loky_init_main", "spawn", "fork", "forkserver"]


class _Chosen:
    """The start method that `get_context()` takes when none is given."""

    method: str | None = None


def get_context(method: str | None = None) -> BaseContext:
    """Return a context of the standard library's `multiprocessing`.

    Parameters
    ----------
    method : str, optional
        `"loky"` (the default; what `"spawn"` gives), `"loky_init_main"`, `"spawn"`,
        `"fork"` or `"forkserver"`.

    Returns
    -------
    multiprocessing.context.BaseContext

    Raises
    ------
    ValueError
        There is no such method.
    """
    import multiprocessing

    method = method or _Chosen.method or "loky"
    if method not in START_METHODS:
        raise ValueError(
            f"Unknown context {method!r}. Value should be in {START_METHODS}."
        )
    if method == "fork":
        warnings.warn(
            "the `fork` start method should not be used with `loky`: it copies the locks "
            "of other threads. Try `spawn` or `loky` instead.",
            UserWarning,
            stacklevel=2,
        )
    return multiprocessing.get_context("spawn" if method.startswith("loky") else method)


def get_start_method() -> str | None:
    """Return what :func:`set_start_method` was told."""
    return _Chosen.method


def set_start_method(method: str | None, force: bool = False) -> None:
    """Choose what :func:`get_context` gives; workers of cjoblib don't depend on it.

    Parameters
    ----------
    method : str or None
        As for :func:`get_context`; None: as if nothing had been chosen.
    force : bool, default False
        Whether it may be chosen anew.

    Raises
    ------
    RuntimeError
        It has been chosen before.
    ValueError
        There is no such method.

    Warns
    -----
    UserWarning
        The method is another one than that of cjoblib's workers.
    """
    if _Chosen.method is not None and not force:
        raise RuntimeError("context has already been set")
    if method is not None and method not in START_METHODS:
        raise ValueError(f"{method!r} is not one of the start methods {START_METHODS}")
    if method not in (None, "loky"):
        warnings.warn(
            f"workers of cjoblib are always started in one way; "
            f"set_start_method({method!r}) changes get_context() alone",
            UserWarning,
            stacklevel=2,
        )
    _Chosen.method = method
