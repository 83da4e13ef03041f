"""Arrays on their way to and from workers: as ``numpy.memmap``, and as plain arrays."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pickle import PickleBuffer
from typing import Any


def reducer(max_nbytes: int, mmap_mode: str) -> Callable[[Any], Any]:
    """How arguments are pickled: arrays of more than `max_nbytes` as memory that is shared.

    Parameters
    ----------
    max_nbytes : int
        Smaller arrays travel as they are.
    mmap_mode : {'r', 'r+', 'w+', 'c'}
        What the arrays say of themselves where they arrive; it is for the pool to map them
        so.

    Returns
    -------
    callable
        For ``Pool.start(reducer=...)``.
    """

    def reduce(value: Any) -> Any:
        numpy = sys.modules.get("numpy")
        if numpy is None or type(value) is not numpy.ndarray:
            return NotImplemented
        if value.nbytes < max_nbytes or value.dtype.hasobject:
            return NotImplemented
        if value.flags.c_contiguous:
            return as_memmap, (
                PickleBuffer(value),
                value.dtype,
                value.shape,
                "C",
                mmap_mode,
            )
        if value.flags.f_contiguous:
            return as_memmap, (
                PickleBuffer(value),
                value.dtype,
                value.shape,
                "F",
                mmap_mode,
            )
        return NotImplemented

    return reduce


def as_memmap(buffer: Any, dtype: Any, shape: Any, order: Any, mode: str) -> Any:
    """Make the ``numpy.memmap`` that stands on memory which came from another process."""
    import numpy

    array: Any = numpy.ndarray.__new__(
        numpy.memmap, shape, dtype, buffer=buffer, order=order
    )
    array._mmap = buffer
    array.filename = None
    array.offset = 0
    array.mode = mode
    return array


def plain(value: Any) -> Any:
    """How results are pickled: a ``numpy.memmap`` as a plain array."""
    numpy = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.memmap):
        return NotImplemented
    return numpy.asarray(value).__reduce_ex__(5)
