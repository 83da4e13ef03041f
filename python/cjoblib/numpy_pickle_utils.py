"""Bytes of arrays into and out of files, and what kind of file it is."""

from __future__ import annotations

import contextlib
import io
import math
import mmap
import os
import pickle
import re
import sys
import types
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cjoblib.compressor import _COMPRESSORS, _ZFILE_PREFIX

if TYPE_CHECKING:
    import numpy as np

Pickler: Any = pickle._Pickler  # what it is made of is not in typeshed
Unpickler: Any = pickle._Unpickler
xrange = range  # some import it from here

_IO_BUFFER_SIZE = 1 << 20  # between a pickler and a compressor, in bytes
BUFFER_SIZE = 1 << 18  # read at once from a file that has no readinto(), in bytes
_PIECE_BYTES = 16 << 20  # copied at once from an array that is not contiguous

# What joblib's module names are in files: its own, and where scikit-learn kept a copy.
_JOBLIB_PATH = re.compile(r"(sklearn\.externals\._?)?joblib(?=\.|$)")
_WRAPPER_NAMES = ("NumpyArrayWrapper", "NDArrayWrapper", "ZNDArrayWrapper")
_MAP_ACCESS = {"r": mmap.ACCESS_READ, "r+": mmap.ACCESS_WRITE, "c": mmap.ACCESS_COPY}

# --- names ----------------------------------------------------------------------------


class RenamingUnpickler(Unpickler):  # type: ignore[misc]
    """An unpickler for which joblib's array wrappers are ours, and all else of joblib
    is when joblib cannot be imported."""

    def find_class(self, module: str, name: str) -> Any:
        """Import a class or function."""
        found = _JOBLIB_PATH.match(module)
        if not found:
            return super().find_class(module, name)
        renamed = "cjoblib" + module[found.end() :]
        if name in _WRAPPER_NAMES:
            return super().find_class(renamed, name)
        try:
            return super().find_class(module, name)
        except ImportError:
            return super().find_class(renamed, name)


# --- byte order ---------------------------------------------------------------------


def _is_numpy_array_byte_order_mismatch(array: np.ndarray[Any, Any]) -> bool:
    """Whether all of the array's numbers have the other byte order than this host."""
    foreign = ">" if sys.byteorder == "little" else "<"
    dtype = array.dtype
    if dtype.byteorder == "|" and dtype.fields:
        return all(field[0].byteorder == foreign for field in dtype.fields.values())
    return bool(dtype.byteorder == foreign)


def _ensure_native_byte_order(
    array: np.ndarray[Any, Any], inplace: bool = False
) -> np.ndarray[Any, Any]:
    """The array with the same values in this host's byte order.

    Parameters
    ----------
    array : ndarray
    inplace : bool
        Swap in the array's own memory instead of a copy.
    """
    if not _is_numpy_array_byte_order_mismatch(array):
        return array
    swapped: np.ndarray[Any, Any] = array.byteswap(inplace)
    return swapped.view(array.dtype.newbyteorder("="))


# --- arrays into files ----------------------------------------------------------------


def _contiguous_pieces(
    array: np.ndarray[Any, Any],
) -> Iterator[np.ndarray[Any, Any]]:
    """The array's elements in C order, as contiguous arrays; copied only where they
    are not contiguous, and then no more than `_PIECE_BYTES` at once."""
    import numpy as np

    if array.flags.c_contiguous:
        yield array
    elif array.nbytes <= _PIECE_BYTES:
        yield np.ascontiguousarray(array)
    elif len(array) == 1:
        yield from _contiguous_pieces(array[0])
    else:
        n_rows = max(1, _PIECE_BYTES * len(array) // array.nbytes)
        for start in range(0, len(array), n_rows):
            yield from _contiguous_pieces(array[start : start + n_rows])


def _memory(array: np.ndarray[Any, Any]) -> memoryview:
    """The bytes of a C-contiguous array without objects, not copied."""
    import numpy as np

    if array.nbytes == 0:
        return memoryview(b"")
    return array.reshape(-1).view(np.uint8).data


def _array_pieces(array: np.ndarray[Any, Any], order: str) -> Iterator[memoryview]:
    """The bytes of the elements in the order "C" or "F"."""
    import numpy as np

    plain = np.asarray(array)
    for piece in _contiguous_pieces(plain.T if order == "F" else plain):
        yield _memory(piece)


def _whole_piece(array: np.ndarray[Any, Any], order: str) -> list[memoryview]:
    """The same in one piece."""
    import numpy as np

    plain = np.asarray(array)
    return [_memory(np.ascontiguousarray(plain.T if order == "F" else plain))]


def _write_array_bytes(file: Any, array: np.ndarray[Any, Any], order: str) -> None:
    """Write the elements in the order "C" or "F"."""
    for piece in _array_pieces(array, order):
        _write_all(file, piece)


def _write_all(file: Any, data: memoryview) -> None:
    """Write all bytes, also to a file that takes only some at a time.

    Only the files of `io` are lent the memory itself: they promise not to keep it.
    """
    is_lent = isinstance(file, io.IOBase)
    while data:
        piece = data if is_lent else bytes(data[:_PIECE_BYTES])
        n = file.write(piece)
        if not isinstance(n, int):
            n = len(piece)
        elif n <= 0:
            raise BlockingIOError(f"{file!r} takes no more bytes")
        data = data[n:]


class ArrayDataError(ValueError):
    """A file ends before the elements of an array do."""


# --- arrays out of files --------------------------------------------------------------


def _read_all_into(file: Any, memory: memoryview, what: str) -> None:
    """Fill `memory` from the file; ArrayDataError when it ends before."""
    done = 0
    while done < len(memory):
        n = _read_some_into(file, memory[done:])
        if n == 0:
            raise ArrayDataError(
                f"EOF: reading {what}, expected {len(memory)} bytes got {done}"
            )
        done += n


def _read_some_into(file: Any, memory: memoryview) -> int:
    if hasattr(file, "readinto"):
        n = file.readinto(memory)
        if n is None:
            raise BlockingIOError(f"{file!r} has nothing to read yet")
        return int(n)
    data = file.read(min(len(memory), BUFFER_SIZE))
    memory[: len(data)] = data
    return len(data)


def _read_bytes(fp: Any, size: int, error_template: str = "ran out of data") -> bytes:
    """`size` bytes of the file; ArrayDataError when it ends before."""
    data = bytearray(size)
    _read_all_into(fp, memoryview(data), error_template)
    return bytes(data)


def _empty_array(shape: Any, dtype: Any, order: str) -> np.ndarray[Any, Any]:
    """Room for an array's elements."""
    import numpy as np

    return np.empty(shape, dtype, "F" if order == "F" else "C")


def _read_array_bytes(file: Any, array: np.ndarray[Any, Any]) -> None:
    """Fill a contiguous array, in the order it has in memory."""
    flat = array if array.flags.c_contiguous else array.T
    _read_all_into(file, _memory(flat), "array data")


def _reconstruct(*args: Any) -> Any:
    """NumPy's own function that its pickles name; it has moved."""
    try:
        from numpy._core.multiarray import _reconstruct as numpy_reconstruct
    except ImportError:  # before NumPy 2
        from numpy.core.multiarray import (  # type: ignore[no-redef]
            _reconstruct as numpy_reconstruct,
        )
    return numpy_reconstruct(*args)


# --- what kind of file ----------------------------------------------------------------


class _Lookahead:
    """A file that can only read, with a look at its first bytes, and with reads that
    give all they are asked for."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._ahead = b""

    def look(self, size: int) -> bytes:
        """What comes next; it waits until there is so much, or the end."""
        while len(self._ahead) < size:
            data = self._file.read(size - len(self._ahead))
            if not data:
                break
            self._ahead += data
        return self._ahead

    def read(self, size: int) -> bytes:
        data = self.look(size)[:size]
        self._ahead = self._ahead[size:]
        return data

    def readline(self) -> bytes:
        line = b""
        while not line.endswith(b"\n") and (byte := self.read(1)):
            line += byte
        return line


class _Limited:
    """A file that refuses to give more than some number of bytes."""

    def __init__(self, file: Any, max_bytes: int) -> None:
        self._file = file
        self._max_bytes = max_bytes
        self._n_bytes = 0

    def _count(self, data: bytes) -> bytes:
        self._n_bytes += len(data)
        if self._n_bytes > self._max_bytes:
            raise ValueError(f"it holds more than max_bytes={self._max_bytes} bytes")
        return data

    def read(self, size: int) -> bytes:
        return self._count(self._file.read(size))

    def readline(self) -> bytes:
        return self._count(self._file.readline())


class ArrayMapper:
    """Maps the arrays of an open file, for the unpickler in C.

    Parameters
    ----------
    fd : int
        The file that is read, whatever its name means by now.
    path : str
    mode : {"r", "r+", "w+", "c"}
    """

    def __init__(self, fd: int, path: str, mode: str) -> None:
        self._fd = fd
        self._path = os.path.abspath(path)
        self._mode = "r+" if mode == "w+" else mode
        self.is_used = False

    def __call__(self, wrapper: Any, start: int, position: int) -> Any:
        """The array at `position`; what the wrapper says of it began at `start`."""
        import numpy as np

        if self._mode not in _MAP_ACCESS:
            raise ValueError(
                f"mode must be one of {['r', 'c', 'r+', 'w+']} (got {self._mode!r})"
            )
        self.is_used = True
        first = position - position % mmap.ALLOCATIONGRANULARITY
        n_bytes = math.prod(wrapper.shape) * wrapper.dtype.itemsize
        memory = mmap.mmap(
            self._fd,
            position - first + n_bytes,
            access=_MAP_ACCESS[self._mode],
            offset=first,
        )
        array: Any = np.ndarray.__new__(
            np.memmap,
            wrapper.shape,
            wrapper.dtype,
            memory,
            position - first,
            order="F" if wrapper.order == "F" else "C",
        )
        array._mmap = memory
        array.offset = position
        array.mode = self._mode
        array.filename = self._path
        if getattr(wrapper, "numpy_array_alignment_bytes", None) is None and start % 16:
            _warn_unaligned(array, self._path)
        return array


def _warn_unaligned(array: Any, path: str) -> None:
    _warn(
        f"The memmapped array {array} loaded from the file {path} is not "
        "byte aligned. Libraries that rely on alignment may crash on it with "
        "a segmentation fault. Write the file anew to get rid of this warning.",
    )


def _is_seekable(file: Any) -> bool:
    if hasattr(file, "seekable"):
        return bool(file.seekable())
    return hasattr(file, "seek") and hasattr(file, "tell")


def _is_raw_file(fileobj: Any) -> bool:
    """Whether it is a file of the system, as open() gives."""
    return isinstance(getattr(fileobj, "raw", fileobj), io.FileIO)


def _first_bytes(file: Any, size: int) -> bytes:
    """What the file goes on with; it stays where it is.

    A file that cannot be peeked into and is at its end is taken from its start: so
    `dump` and `load` work on one and the same BytesIO.
    """
    if isinstance(file, _Lookahead):
        return file.look(size)
    if not _is_seekable(file):
        return bytes(file.peek(size))
    position = file.tell()
    data = bytes(file.read(size))
    if not data and not hasattr(file, "peek"):
        file.seek(position := 0)
        data = bytes(file.read(size))
    file.seek(position)
    return data


def _detect_compressor(fileobj: Any) -> str:
    """The name in `_COMPRESSORS` of the file's format; "compat" for the format of
    joblib before 0.10, "not-compressed" for everything else."""
    prefixes = [compressor.prefix for compressor in _COMPRESSORS.values()]
    first = _first_bytes(fileobj, max(map(len, [*prefixes, _ZFILE_PREFIX])))
    if first.startswith(_ZFILE_PREFIX):
        return "compat"
    for name, compressor in _COMPRESSORS.items():
        if compressor.prefix and first.startswith(compressor.prefix):
            return name
    return "not-compressed"


def _buffered_read_file(fobj: Any) -> io.BufferedReader:
    return io.BufferedReader(fobj, buffer_size=_IO_BUFFER_SIZE)


def _buffered_write_file(fobj: Any) -> io.BufferedWriter:
    return io.BufferedWriter(fobj, buffer_size=_IO_BUFFER_SIZE)


@contextlib.contextmanager
def _validate_fileobject_and_memmap(
    fileobj: Any, filename: str, mmap_mode: str | None = None
) -> Iterator[tuple[Any, str | None]]:
    """Give the file to unpickle from, and the `mmap_mode` that is possible with it.

    For a file of joblib before 0.10, with a warning, the file's name instead.
    """
    if not hasattr(fileobj, "peek") and not _is_seekable(fileobj):
        fileobj = _Lookahead(fileobj)
    compressor = _detect_compressor(fileobj)
    if compressor == "compat":
        _warn_old_format(filename)
        yield filename, mmap_mode
        return
    reason = None
    if compressor in _COMPRESSORS:
        file = _COMPRESSORS[compressor].decompressor_file(fileobj)
        fileobj = _buffered_read_file(file)
    if mmap_mode is not None:
        reason = _why_not_mapped(fileobj, filename, mmap_mode, compressor)
    if reason:
        _warn(reason)
    yield fileobj, None if reason else mmap_mode


def _why_not_mapped(
    fileobj: Any, filename: str, mmap_mode: str, compressor: str
) -> str | None:
    """Why arrays of this file cannot be memory-mapped; None: they can."""
    if isinstance(fileobj, io.BytesIO):
        return (
            "In memory persistence is not compatible with "
            f'mmap_mode "{mmap_mode}" flag passed. '
            "mmap_mode option will be ignored."
        )
    if compressor != "not-compressed":
        return (
            f'mmap_mode "{mmap_mode}" is not compatible with compressed file '
            f'{filename}. "{mmap_mode}" flag will be ignored.'
        )
    if not _is_raw_file(fileobj):
        return (
            f'"{fileobj!r}" is not a raw file, mmap_mode "{mmap_mode}" '
            "flag will be ignored."
        )
    return None


def _warn_old_format(filename: str) -> None:
    _warn(
        f"The file '{filename}' has been generated with a joblib version less than "
        "0.10. Please regenerate this pickle file.",
        DeprecationWarning,
    )


def _warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn the caller of this package."""
    level = 1
    frame: types.FrameType | None = sys._getframe()
    while frame is not None and _is_inside(frame):
        frame = frame.f_back
        level += 1
    warnings.warn(message, category, stacklevel=level)


def _is_inside(frame: types.FrameType) -> bool:
    package = str(frame.f_globals.get("__name__")).partition(".")[0]
    return package in ("cjoblib", "contextlib")


def _write_fileobject(
    filename: Any, compress: tuple[str | None, int | None] = ("zlib", 3)
) -> io.BufferedWriter:
    """A compressed file to write to; `compress` is (name or None for zlib, level)."""
    method, level = compress
    compressor = _COMPRESSORS[method if method in _COMPRESSORS else "zlib"]
    return _buffered_write_file(
        compressor.compressor_file(filename, compresslevel=level)
    )
