"""Pools with the interface of `multiprocessing.Pool`, for code that subclasses them.

`Parallel` itself does not use them, unless a backend is derived from
`MultiprocessingBackend` or other bases are given to :class:`PicklingPool`.
"""

from __future__ import annotations

from multiprocessing.pool import Pool
from typing import Any

__all__ = ["MemmappingPool", "PicklingPool", "Pool"]

# Options of Parallel for its own workers that say nothing to a pool of another kind.
_NOT_FOR_POOLS = (
    "idle_worker_timeout",
    "max_nbytes",
    "mmap_mode",
    "prewarm",
    "temp_folder",
    "verbose",
)


class PicklingPool(Pool):
    """A pool of processes; its base class may be replaced.

    Parameters
    ----------
    processes : int or None
        How many; None: one for each processor.
    forward_reducers, backward_reducers : dict or None
        How to pickle arguments and results of these types; kept for subclasses.
    **kwargs
        Given to the pool that this is derived from.
    """

    def __init__(
        self,
        processes: int | None = None,
        forward_reducers: dict[type, Any] | None = None,
        backward_reducers: dict[type, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        self._forward_reducers = forward_reducers or {}
        self._backward_reducers = backward_reducers or {}
        super().__init__(processes=processes, **kwargs)


class MemmappingPool(PicklingPool):
    """A pool of processes that takes the options of `Parallel`.

    Parameters
    ----------
    processes : int or None
    temp_folder, max_nbytes, mmap_mode, verbose, prewarm
        Accepted for code that gives them.
    forward_reducers, backward_reducers, **kwargs
        As those of :class:`PicklingPool`.
    """

    def __init__(self, processes: int | None = None, **kwargs: Any) -> None:
        options = {k: v for k, v in kwargs.items() if k not in _NOT_FOR_POOLS}
        super().__init__(processes, **options)
