"""`dump` and `load`: objects that hold big arrays, in files of joblib's own format.

A file is a pickle in which each array is a NumpyArrayWrapper, followed at once by

- for an array of objects: a pickle of its own;
- for any other: one byte n, n bytes 0xff, and the elements in the wrapper's order; n
  is such that the elements start at a multiple of 16 bytes. Where the file cannot tell
  its position there is no n and no padding, and the wrapper says so.

The whole may be compressed in one of the formats of `cjoblib.compressor`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pickle
import sys
from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar

from cjoblib import _persist
from cjoblib.compressor import CompressorWrapper, register_compressor
from cjoblib.numpy_pickle_compat import (
    NDArrayWrapper,
    ZNDArrayWrapper,
    _as_subclass,
    load_compatibility,
)
from cjoblib.numpy_pickle_utils import (
    ArrayDataError,
    Pickler,
    RenamingUnpickler,
    Unpickler,
    _empty_array,
    _ensure_native_byte_order,
    _is_raw_file,
    _read_array_bytes,
    _read_bytes,
    _validate_fileobject_and_memmap,  # noqa: F401 (others import it from here)
    _warn_unaligned,
    _write_all,
    _write_array_bytes,
    _write_fileobject,  # noqa: F401
)

__all__ = [
    "CompressorWrapper",
    "NDArrayWrapper",
    "NumpyArrayWrapper",
    "NumpyPickler",
    "NumpyUnpickler",
    "ShuffledArrayWrapper",
    "ZNDArrayWrapper",
    "dump",
    "load",
    "load_compatibility",
    "register_compressor",
]

NUMPY_ARRAY_ALIGNMENT_BYTES = 16


class NumpyArrayWrapper:
    """Stands in a pickle for an array whose elements follow it in the file.

    Attributes
    ----------
    subclass : type
        ndarray, memmap or matrix.
    shape : tuple of int
    order : {"C", "F"}
        The order of the elements in the file.
    dtype : numpy.dtype
    allow_mmap : bool
        Whether the elements can be memory-mapped.
    numpy_array_alignment_bytes : int or None
        What the elements' position is a multiple of; None: there is no padding. Absent
        from files of joblib before 1.2, which have none.
    """

    def __init__(
        self,
        subclass: type,
        shape: tuple[int, ...],
        order: str,
        dtype: Any,
        allow_mmap: bool = False,
        numpy_array_alignment_bytes: int | None = NUMPY_ARRAY_ALIGNMENT_BYTES,
    ) -> None:
        self.subclass = subclass
        self.shape = shape
        self.order = order
        self.dtype = dtype
        self.allow_mmap = allow_mmap
        self.numpy_array_alignment_bytes = numpy_array_alignment_bytes

    def safe_get_numpy_array_alignment_bytes(self) -> int | None:
        """The alignment; None where there is no padding."""
        return getattr(self, "numpy_array_alignment_bytes", None)

    def write_array(self, array: Any, pickler: NumpyPickler) -> None:
        """Write the elements behind the wrapper."""
        file = pickler.file_handle
        if array.dtype.hasobject:
            pickle.dump(array, file, protocol=5)
            return
        alignment = self.safe_get_numpy_array_alignment_bytes()
        if alignment is not None:
            n = alignment - (file.tell() + 1) % alignment
            _write_all(file, memoryview(bytes([n]) + n * b"\xff"))
        _write_array_bytes(file, array, self.order)

    def _skip_padding(self, file: Any) -> None:
        if self.safe_get_numpy_array_alignment_bytes() is not None:
            (n,) = _read_bytes(file, 1, "array padding")
            _read_bytes(file, n, "array padding")

    def read_array(
        self, unpickler: NumpyUnpickler, ensure_native_byte_order: bool
    ) -> Any:
        """Read the elements that follow, straight into the new array."""
        if self.dtype.hasobject:
            # A stream of its own, under the same rule of what may be imported.
            inner = Unpickler(unpickler.file_handle)
            inner.find_class = unpickler.find_class
            array = inner.load()
        else:
            self._skip_padding(unpickler.file_handle)
            array = _empty_array(self.shape, self.dtype, self.order)
            _read_array_bytes(unpickler.file_handle, array)
        if ensure_native_byte_order:
            array = _ensure_native_byte_order(array, inplace=True)
        return array

    def read_mmap(self, unpickler: NumpyUnpickler) -> Any:
        """Map the elements that follow.

        Raises
        ------
        ArrayDataError
            The file ends before the elements do.
        """
        file = unpickler.file_handle
        position = file.tell()
        self._skip_padding(file)
        offset = file.tell()
        if unpickler.mmap_mode == "w+":
            unpickler.mmap_mode = "r+"
        n_bytes = _empty_array(self.shape, self.dtype, self.order).nbytes
        _check_room(file, offset, n_bytes)
        with _mappable_file(unpickler) as source:
            array = unpickler.np.memmap(
                source,
                self.dtype,
                unpickler.mmap_mode,
                offset,
                self.shape,
                self.order,
            )
        file.seek(offset + n_bytes)
        if (
            self.safe_get_numpy_array_alignment_bytes() is None
            and position % NUMPY_ARRAY_ALIGNMENT_BYTES
        ):
            _warn_unaligned(array, file.name)
        return array

    def read(self, unpickler: NumpyUnpickler, ensure_native_byte_order: bool) -> Any:
        """The array, mapped when the unpickler maps and it can be."""
        if unpickler.mmap_mode is None or not self.allow_mmap:
            array = self.read_array(unpickler, ensure_native_byte_order)
        elif 0 in self.shape or self.dtype.itemsize == 0:
            # There is nothing to map, and the system would refuse to.
            array = self.read_array(unpickler, False).view(unpickler.np.memmap)
        else:
            array = self.read_mmap(unpickler)
        return _as_subclass(array, self.subclass, unpickler.np)


class _ShuffledArray(NumpyArrayWrapper):
    """The same for an array whose bytes were shuffled and compressed. In files it is
    called ShuffledArrayWrapper."""


class ShuffledArrayWrapper:
    """What other readers of joblib's format find in place of a shuffled array."""

    def __setstate__(self, state: object) -> None:
        """Say what to do."""
        raise ValueError(
            "this file holds arrays compressed with compress='blosc', which "
            "cjoblib.load reads, and joblib cannot"
        )


def _check_room(file: Any, offset: int, n_bytes: int) -> None:
    """NumPy itself would make a file that is too short longer."""
    if not _is_raw_file(file):
        return
    n_there = os.fstat(file.fileno()).st_size - offset
    if n_there < n_bytes:
        raise ArrayDataError(
            f"EOF: mapping array data, expected {n_bytes} bytes got {max(n_there, 0)}"
        )


@contextlib.contextmanager
def _mappable_file(unpickler: NumpyUnpickler) -> Iterator[Any]:
    """What to map: the very file that is read, even if its name is another's by now."""
    file = unpickler.file_handle
    if not _is_raw_file(file):
        yield unpickler.filename
    elif unpickler.mmap_mode != "r+":
        yield file
    else:
        with open(unpickler.filename, "r+b") as writable:
            if not os.path.samestat(
                os.fstat(writable.fileno()), os.fstat(file.fileno())
            ):
                raise OSError(errno.ESTALE, "replaced while it was loaded")
            yield writable


class NumpyPickler(Pickler):  # type: ignore[misc]
    """A pickler that writes arrays as joblib does.

    Parameters
    ----------
    fp : file object
        Its `tell` says where the arrays are aligned; without it they are not.
    protocol : int, optional
        `pickle.DEFAULT_PROTOCOL` when None.

    Notes
    -----
    A subclass that overrides `save` sees every object. What comes out is no pickle that
    `pickle.load` can read.
    """

    dispatch: ClassVar[dict[type, Callable[[Any, Any], None]]] = Pickler.dispatch.copy()

    def __init__(self, fp: Any, protocol: int | None = None) -> None:
        self.file_handle = fp
        super().__init__(fp, pickle.DEFAULT_PROTOCOL if protocol is None else protocol)

    @property
    def np(self) -> Any:
        """NumPy, or None: then no object can be an array yet."""
        return sys.modules.get("numpy")

    def _create_array_wrapper(self, array: Any) -> NumpyArrayWrapper:
        flags = array.flags
        alignment: int | None = NUMPY_ARRAY_ALIGNMENT_BYTES
        try:
            self.file_handle.tell()
        except (AttributeError, OSError):
            alignment = None
        return NumpyArrayWrapper(
            type(array),
            array.shape,
            "F" if flags.f_contiguous and not flags.c_contiguous else "C",
            array.dtype,
            allow_mmap=not array.dtype.hasobject,
            numpy_array_alignment_bytes=alignment,
        )

    def save(self, obj: Any) -> Any:
        """Pickle one object; an array is a wrapper, and the elements at once behind."""
        np = self.np
        if np is None or type(obj) not in (np.ndarray, np.matrix, np.memmap):
            return super().save(obj)
        wrapper = self._create_array_wrapper(obj)
        super().save(wrapper)
        if self.proto >= 4:
            # A frame must not reach over the elements.
            self.framer.commit_frame(force=True)
        return wrapper.write_array(obj, self)

    def save_global(self, obj: Any, name: str | None = None) -> None:
        """Pickle a class or function by name: our wrapper by the name joblib knows."""
        if obj is not NumpyArrayWrapper:
            super().save_global(obj, name)
            return
        module, name = "joblib.numpy_pickle", "NumpyArrayWrapper"
        if self.proto >= 4:
            super().save(module)
            super().save(name)
            self.write(pickle.STACK_GLOBAL)
        else:
            line = f"{module}\n{name}\n".encode()
            self.write(pickle.GLOBAL + line)
        self.memoize(obj)


class NumpyUnpickler(RenamingUnpickler):
    """An unpickler for what NumpyPickler writes, and for joblib before 0.10.

    Parameters
    ----------
    filename : str
        The file's name, for memory maps and for the arrays' own files before 0.10.
    file_handle : file object
    ensure_native_byte_order : bool
        Swap the bytes of arrays that another kind of host wrote.
    mmap_mode : {None, "r", "r+", "w+", "c"}
        Map the arrays instead of reading them; "w+" becomes "r+".
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = Unpickler.dispatch.copy()

    def __init__(
        self,
        filename: str,
        file_handle: Any,
        ensure_native_byte_order: bool,
        mmap_mode: str | None = None,
    ) -> None:
        self._dirname = os.path.dirname(filename)
        self.filename = filename
        self.file_handle = file_handle
        self.ensure_native_byte_order = ensure_native_byte_order
        self.mmap_mode = mmap_mode
        self.compat_mode = False
        super().__init__(file_handle)

    @property
    def np(self) -> Any:
        """NumPy."""
        import numpy

        return numpy

    def load_build(self) -> None:
        """Set an object's state; in place of a wrapper put the array itself."""
        super().load_build()
        wrapper = self.stack[-1]
        if isinstance(wrapper, NumpyArrayWrapper):
            array = wrapper.read(self, self.ensure_native_byte_order)
        elif isinstance(wrapper, NDArrayWrapper):
            self.compat_mode = True
            array = wrapper.read(self)
        else:
            return
        self.stack[-1] = array

    dispatch[pickle.BUILD[0]] = load_build


# --- dump -----------------------------------------------------------------------------


def dump(
    value: Any,
    filename: Any,
    compress: Any = 0,
    protocol: int | None = None,
    *,
    threads: int | None = None,
    durable: bool | None = None,
) -> list[str] | None:
    """Write an object into a file.

    Parameters
    ----------
    value : object
        Anything that pickle can take.
    filename : str, os.PathLike or file object
        A file of this name is replaced in one step when all is written: whoever reads
        it meanwhile reads the old one, and a dump that fails leaves it as it was. A
        name that ends like one of the compressors' extensions (".z", ".gz", ".bz2",
        ".lzma", ".xz", ".lz4", ".zst") is compressed unless `compress` is a str or
        tuple. A file object is written to from where it stands.
    compress : bool, int, str or (str, int)
        Whether, how much (0, "not at all", to 9), with which compressor, or both.
        True is the compressor's usual level, and zlib the usual compressor. "blosc"
        compresses the arrays alone, their bytes shuffled, with lz4 inside; or
        "blosc:zstd", "blosc:zlib". That is by far the fastest, and small for numbers;
        only cjoblib reads it.
    protocol : int, optional
        The pickle protocol, by default `pickle.DEFAULT_PROTOCOL`.
    threads : int, optional
        How many threads may compress, by default as many as this process has cores.
    durable : bool, optional
        Return only when the disk has a file that is given by name, so that a power cut
        cannot lose it; by default only if CJOBLIB_DURABLE is 1 in the environment.

    Returns
    -------
    list of str or None
        The name in a list; None for a file object.

    Raises
    ------
    ValueError
        `compress` is none of these, or `filename` is neither name nor file object.
    OSError
        The file cannot be written; what stood under its name still does.
    """
    if isinstance(filename, os.PathLike):
        filename = os.fspath(filename)
    is_name = isinstance(filename, str)
    how = _persist.compression(compress, filename if is_name else "")
    if not is_name and not hasattr(filename, "write"):
        raise ValueError(
            "Second argument should be a filename or a file-like object, "
            f"{filename!r} (type {type(filename)}) was given."
        )
    _persist.dump_into(value, filename, how, protocol, threads, durable)
    return [filename] if is_name else None


# --- load -----------------------------------------------------------------------------


def load(
    filename: Any,
    mmap_mode: str | None = None,
    ensure_native_byte_order: bool | str = "auto",
    *,
    allow: Collection[str] | None = None,
    max_bytes: int | None = None,
    verify: bool | str = "auto",
) -> Any:
    """Read an object that `dump`, or joblib's, wrote into a file.

    Parameters
    ----------
    filename : str, os.PathLike or file object
        A file object is read from where it stands: several dumps into one file are read
        back in turn.
    mmap_mode : {None, "r", "r+", "w+", "c"}
        Map the arrays of a file that is not compressed into memory instead of reading
        them, as `numpy.memmap` does; "w+" becomes "r+". With a compressed file, or one
        that has no name, there is a warning and they are read.
    ensure_native_byte_order : bool or "auto"
        Swap the bytes of arrays that another kind of host wrote; "auto": when nothing
        is mapped.
    allow : collection of str, optional
        Import nothing but these: "collections.OrderedDict" for one class, "numpy.*" for
        all below a module. Decided before the import, also for objects within arrays.
        A plain array takes "numpy.ndarray" and "numpy.dtype".
    max_bytes : int, optional
        Refuse a file that holds more, decompressed.
    verify : {"auto", True, False}
        Compare the checksum that `dump` leaves in files that it writes by name: "auto",
        when there is one and nothing is mapped; True: there must be one; False: never.

    Returns
    -------
    object

    Raises
    ------
    ValueError
        `ensure_native_byte_order` together with `mmap_mode`, Python 2 wrote it, it
        holds more than `max_bytes`, or there is no checksum to verify.
    EOFError, ArrayDataError, pickle.UnpicklingError, OSError
        The file is cut off or damaged, no such file at all, or names what is not
        allowed; a compressed one also when something follows it.

    Notes
    -----
    As with pickle, a file can make this run any code. Load only files that you trust,
    or say what is allowed.
    """
    rules = _persist.rules(
        mmap_mode, ensure_native_byte_order, allow, max_bytes, verify
    )
    if not hasattr(filename, "read"):
        path = os.fspath(filename)
        return _persist.load_path(path, rules)
    name = getattr(filename, "name", "")
    return _persist.load_file(filename, name if isinstance(name, str) else "", rules)
