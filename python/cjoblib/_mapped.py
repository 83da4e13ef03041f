"""An entry of the store whose arrays are mapped, not read.

The file is read once and checked as a whole; as long as it is the same file, unchanged,
it is only mapped from then on. Maps are read-only or private: what their holder writes
never reaches the store. doc/formats/entry.md says where things are.
"""

from __future__ import annotations

import contextlib
import importlib
import mmap
import os
import struct
import time
from typing import TYPE_CHECKING, Any

from cjoblib import _core
from cjoblib._native_store import head_bytes

if TYPE_CHECKING:
    from cjoblib._core import Shelf

ENTRY_LENGTHS = struct.Struct("<QQ")  # of metadata and payload, at 16
ENTRY_ALIGN = 64
VALUE_HEAD = struct.Struct("<IIQ")  # number of buffers, zero, size of the pickle
VALUE_BUFFER = struct.Struct("<QQ")  # offset and size
MOST_KNOWN = 10_000
TOUCH_AFTER_S = 60

_FROM_BUFFER = ("numpy._core.numeric", "numpy.core.numeric")
_checked: dict[tuple[int, ...], None] = {}


def load_mapped(shelf: Shelf, key: bytes, mode: str) -> tuple[int, Any]:
    """Return (outcome, value) as ``Shelf.get`` does, with arrays as `numpy.memmap`.

    Parameters
    ----------
    mode : str
        `"r"`: read-only. Anything else: writable, and the holder's own, mode `"c"`.

    Raises
    ------
    OSError
        The file can't be read or mapped.
    """
    path = os.path.join(shelf.path, key.hex())
    while True:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return shelf.about(key)[0] or _core.MISS, None
        try:
            state = _state(os.fstat(fd))
            if state not in _checked:
                outcome = shelf.about(key)[0]
                if outcome != 0:
                    return outcome, None
                if not _is_at(path, state):
                    continue  # it was replaced meanwhile
            _remember(_used_now(fd))
            return 0, _load(fd, path, mode)
        finally:
            os.close(fd)


def _used_now(fd: int) -> tuple[int, ...]:
    """Say that a file was used, if that was last said more than a minute ago."""
    found = os.fstat(fd)
    if abs(time.time() - found.st_mtime) > TOUCH_AFTER_S:
        with contextlib.suppress(OSError):  # a file system that can only be read
            os.utime(fd)
        found = os.fstat(fd)
    return _state(found)


def _is_at(path: str, state: tuple[int, ...]) -> bool:
    """Whether the file that was checked at a path is the one that is open."""
    try:
        found = os.stat(path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == state[:2]


def _state(stat: os.stat_result) -> tuple[int, ...]:
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _remember(state: tuple[int, ...]) -> None:
    while len(_checked) >= MOST_KNOWN:
        del _checked[next(iter(_checked))]
    _checked[state] = None


def _load(fd: int, path: str, mode: str) -> Any:
    access = mmap.ACCESS_READ if mode == "r" else mmap.ACCESS_COPY
    mapping = mmap.mmap(fd, 0, access=access)
    n_meta, _ = ENTRY_LENGTHS.unpack_from(mapping, 16)
    start = (head_bytes(mapping[:16]) + n_meta + ENTRY_ALIGN - 1) & -ENTRY_ALIGN
    n_buffers, _, n_pickle = VALUE_HEAD.unpack_from(mapping, start)
    table = start + VALUE_HEAD.size
    pickle = table + n_buffers * VALUE_BUFFER.size
    view = memoryview(mapping)
    maker = _ArrayMaker(mapping, path, mode if mode == "r" else "c")
    buffers = []
    for i in range(n_buffers):
        offset, size = VALUE_BUFFER.unpack_from(mapping, table + i * VALUE_BUFFER.size)
        buffers.append(view[start + offset : start + offset + size])
        maker.offsets[id(buffers[-1])] = start + offset
    return _core.pickle_loads(
        view[pickle : pickle + n_pickle], buffers=buffers, find_class=maker.find_class
    )


class _ArrayMaker:
    """Makes arrays that stand on one mapping."""

    def __init__(self, mapping: mmap.mmap, path: str, mode: str) -> None:
        self.mapping = mapping
        self.path = path
        self.mode = mode
        self.offsets: dict[int, int] = {}  # of buffers, by their ids

    def find_class(self, module: str, name: str) -> Any:
        if name == "_frombuffer" and module in _FROM_BUFFER:
            return self.array
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
        return found

    def array(
        self, buffer: Any, dtype: Any, shape: Any, order: str, axes: Any = None
    ) -> Any:
        """What NumPy's own function of this place returns, as a memory map."""
        import numpy as np

        if len(buffer) == 0:
            return np.zeros(shape, dtype)
        in_order: Any = "C" if order == "K" else order
        offset = self.offsets.get(id(buffer))
        if offset is None:  # a read-only view of one of them
            offset = _address(buffer) - _address(self.mapping)
        array = np.ndarray.__new__(
            np.memmap, shape, dtype, self.mapping, offset, order=in_order
        )
        array._mmap = self.mapping
        array.offset = offset
        array.mode = self.mode
        array.filename = self.path
        return array if axes is None else array.transpose(axes)


def _address(buffer: Any) -> int:
    import numpy as np

    place: int = np.frombuffer(buffer, np.uint8).__array_interface__["data"][0]
    return place
