"""Arrays on their way to and from workers: as ``numpy.memmap``, and as plain arrays."""

from __future__ import annotations

import mmap
import os
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
        if numpy is None or not isinstance(value, numpy.ndarray):
            return NotImplemented
        if type(value) not in (numpy.ndarray, numpy.memmap) or value.dtype.hasobject:
            return NotImplemented
        mapped = _by_reference(value)
        if mapped is not None:
            return mapped
        if value.nbytes <= max_nbytes or not value.flags.forc:
            return NotImplemented
        order = "C" if value.flags.c_contiguous else "F"
        buffer = PickleBuffer(value)
        return as_memmap, (buffer, value.dtype, value.shape, order, mmap_mode)

    return reduce


def _by_reference(array: Any) -> Any:
    """How to open the file again that the user has mapped; None: it is no such array."""
    numpy = sys.modules["numpy"]
    root = array
    while root is not None and not isinstance(root, numpy.memmap):
        root = getattr(root, "base", None)
    if root is None or not array.flags.forc or array.nbytes == 0:
        return None
    name, memory = root.filename, root._mmap
    if name is None or root.mode == "c" or type(memory).__module__ != "mmap":
        return None
    begin = numpy.frombuffer(memory, dtype="u1").__array_interface__["data"][0]
    at = array.__array_interface__["data"][0] - begin
    offset = root.offset - root.offset % mmap.ALLOCATIONGRANULARITY + at
    mode = "r" if root.mode == "r" else "r+"
    order = "C" if array.flags.c_contiguous else "F"
    return open_memmap, (os.fspath(name), array.dtype, mode, offset, array.shape, order)


def open_memmap(
    name: str, dtype: Any, mode: Any, offset: int, shape: Any, order: Any
) -> Any:
    """Map the user's own file, so that what is written is seen by all."""
    import numpy

    return numpy.memmap(name, dtype, mode, offset, shape, order)


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
