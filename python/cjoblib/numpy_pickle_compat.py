"""Reading what joblib before 0.10 wrote: each array in a file of its own, beside the
pickle; and the whole in "Z-files" when compressed."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import pickle
from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar

from cjoblib import _core
from cjoblib.compressor import _ZFILE_PREFIX, BinaryZlibFile
from cjoblib.numpy_pickle_utils import (
    RenamingUnpickler,
    Unpickler,
    _ensure_native_byte_order,
    _reconstruct,
)

# In a Z-file's header: "0x", and room for the hexadecimal digits of 2**64.
_LENGTH_BYTES = 19


def read_zfile(file_handle: Any, max_bytes: int | None = None) -> bytes:
    """The data of a Z-file: "ZF", the data's length in hexadecimal, a zlib stream.

    Raises
    ------
    ValueError
        It is no such file, holds more or less than it says, or more than allowed.
    """
    file_handle.seek(0)
    header = file_handle.read(len(_ZFILE_PREFIX) + _LENGTH_BYTES)
    try:
        length = int(header[len(_ZFILE_PREFIX) :].rstrip(b" L"), 16)
    except ValueError:
        raise ValueError(
            f"it holds no length where a Z-file has it: {header!r}"
        ) from None
    if max_bytes is not None and length > max_bytes:
        raise ValueError(f"it holds {length} bytes, more than max_bytes={max_bytes}")
    # Python 2 wrote one more space; a zlib stream never starts with one.
    if file_handle.read(1) != b" ":
        file_handle.seek(len(header))
    with BinaryZlibFile(file_handle) as file:
        data = file.read(length + 1)
    if len(data) != length:
        raise ValueError(f"{file_handle!r} does not hold the {length} bytes it says")
    return data


class NDArrayWrapper:
    """Stands in a pickle for an array in a `.npy` file beside it.

    Attributes
    ----------
    filename : str
        The file's name, without folder.
    subclass : type
        What the array was: ndarray, memmap or matrix.
    allow_mmap : bool
        Whether the file can be memory-mapped.
    """

    def __init__(self, filename: str, subclass: type, allow_mmap: bool = True) -> None:
        self.filename = filename
        self.subclass = subclass
        self.allow_mmap = allow_mmap

    def read(self, unpickler: Any) -> Any:
        """Load the array."""
        np = unpickler.np
        is_mapped = getattr(self, "allow_mmap", True)  # absent before 0.9
        array = _load_npy(
            _beside(unpickler, self.filename),
            unpickler.mmap_mode if is_mapped else None,
            getattr(unpickler, "allow", None),
        )
        if not isinstance(array, np.memmap):
            array = _ensure_native_byte_order(array)
        return _as_subclass(array, self.subclass, np)


def _beside(unpickler: Any, filename: str) -> str:
    """The path of an array's file."""
    if os.path.basename(filename) != filename:
        raise ValueError(f"an array's file cannot be called {filename!r}")
    return os.path.join(unpickler._dirname, filename)


def _load_npy(path: str, mmap_mode: Any, allow: Collection[str] | None) -> Any:
    """numpy.load(); with `allow`, what an array of objects may import is ruled."""
    import numpy as np

    if allow is None:
        # It is part of a pickle, and as trusted.
        return np.load(path, mmap_mode=mmap_mode, allow_pickle=True)
    with open(path, "rb") as file:
        major, _ = np.lib.format.read_magic(file)
        n = int.from_bytes(file.read(2 if major == 1 else 4), "little")
        header = ast.literal_eval(file.read(n).decode())
        if "O" not in str(header["descr"]):
            return np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
        array = _core.pickle_loads(file.read(), allow=allow)
    return array.reshape(header["shape"])


class ZNDArrayWrapper(NDArrayWrapper):
    """Stands in a pickle for an array whose bytes are in a Z-file beside it.

    Attributes
    ----------
    filename : str
        The file's name, without folder.
    init_args : tuple
        What NumPy makes an empty array from.
    state : tuple
        The rest of the array's state, without the bytes.
    """

    def __init__(
        self, filename: str, init_args: tuple[Any, ...], state: tuple[Any, ...]
    ) -> None:
        self.filename = filename
        self.init_args = init_args
        self.state = state

    def read(self, unpickler: Any) -> Any:
        """Load the array."""
        array = _reconstruct(*self.init_args)
        max_bytes = getattr(unpickler, "max_bytes", None)
        with open(_beside(unpickler, self.filename), "rb") as file:
            array.__setstate__((*self.state, read_zfile(file, max_bytes)))
        return array


def _as_subclass(array: Any, subclass: type, np: Any) -> Any:
    """Make a plain array the np.matrix it was; memory maps stay what they are."""
    if subclass in (np.ndarray, np.memmap) or isinstance(array, np.memmap):
        return array
    return array.view(subclass)


class SideFiles:
    """Reads the arrays that have files of their own, for the unpickler in C.

    Parameters
    ----------
    folder : str
        Where those files are.
    mmap_mode : str or None
    allow : collection of str or None
    max_bytes : int or None
        As of `load`.
    """

    def __init__(
        self,
        folder: str,
        mmap_mode: str | None,
        allow: Collection[str] | None,
        max_bytes: int | None,
    ) -> None:
        self._dirname = folder
        self.mmap_mode = mmap_mode
        self.allow = allow
        self.max_bytes = max_bytes
        self.is_used = False

    @property
    def np(self) -> Any:
        """NumPy."""
        import numpy

        return numpy

    def __call__(self, wrapper: NDArrayWrapper) -> Any:
        """The array that the wrapper stands for."""
        self.is_used = True
        return wrapper.read(self)


class ZipNumpyUnpickler(RenamingUnpickler):
    """The unpickler for a Z-file.

    Parameters
    ----------
    filename : str
        The file's name: the arrays' files are in its folder.
    file_handle : file object
    """

    dispatch: ClassVar[dict[int, Callable[[Any], None]]] = Unpickler.dispatch.copy()

    def __init__(
        self, filename: str, file_handle: Any, mmap_mode: str | None = None
    ) -> None:
        self._filename = os.path.basename(filename)
        self._dirname = os.path.dirname(filename)
        self.mmap_mode = mmap_mode
        self.file_handle = io.BytesIO(read_zfile(file_handle))
        super().__init__(self.file_handle)

    @property
    def np(self) -> Any:
        """NumPy."""
        import numpy

        return numpy

    def load_build(self) -> None:
        """Set an object's state; in place of a wrapper put the array itself."""
        super().load_build()
        if isinstance(self.stack[-1], NDArrayWrapper):
            self.stack[-1] = self.stack[-1].read(self)

    dispatch[pickle.BUILD[0]] = load_build


def load_compatibility(filename: str) -> Any:
    """Load an object from a Z-file and the files beside it.

    Parameters
    ----------
    filename : str

    Raises
    ------
    ValueError
        Python 2 wrote it, with bytes that are no text here; or it is damaged.
    """
    with open(filename, "rb") as file, _python2_explained():
        return ZipNumpyUnpickler(filename, file).load()


@contextlib.contextmanager
def _python2_explained() -> Iterator[None]:
    """Say what a UnicodeDecodeError from unpickling means."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise ValueError(
            "You may be trying to read with python 3 a joblib pickle generated with "
            "python 2. This is not supported."
        ) from error
