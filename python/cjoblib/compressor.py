"""Compressed files, and the table of formats that `dump` and `load` choose from."""

from __future__ import annotations

import io
import operator
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cjoblib import _core

if TYPE_CHECKING:
    from typing_extensions import Buffer

LZ4_NOT_INSTALLED_ERROR = "cjoblib was built without lz4"

# What the formats start with.
_ZFILE_PREFIX = b"ZF"  # joblib before 0.10: a length in hexadecimal, then a zlib stream
_ZLIB_PREFIX = b"\x78"
_GZIP_PREFIX = b"\x1f\x8b"
_BZ2_PREFIX = b"BZ"
_XZ_PREFIX = b"\xfd7zXZ"
_LZMA_PREFIX = b"\x5d\x00"
_LZ4_PREFIX = b"\x04\x22\x4d\x18"
_ZSTD_PREFIX = b"\x28\xb5\x2f\xfd"

_READ_BYTES = 1 << 18  # decoded at once when all is asked for
_SKIP_BYTES = 1 << 16  # decoded at once when it is thrown away

_COMPRESSORS: dict[str, CompressorWrapper] = {}


class CodecFile(io.BufferedIOBase):
    """A binary file whose bytes are compressed on the way out or decompressed on the
    way in.

    Parameters
    ----------
    filename : str, bytes, os.PathLike or file object
        A file that was given open stays open, wherever it stood it goes on from there.
    mode : {"rb", "wb"}
    compresslevel : int, optional
        One of `levels`; by default `default_level`, or else the format's usual one.

    Raises
    ------
    ValueError
        No such mode or level, or the library was built without this format.
    EOFError
        From reading: the stream ends too early.
    OSError
        From reading: it is damaged, something else, or something else follows it.

    Notes
    -----
    Seeking decodes all that lies between; backwards, from the start.
    """

    kind: ClassVar[str]
    levels: ClassVar[Sequence[int]] = range(1, 10)
    default_level: ClassVar[int | None] = None

    def __init__(
        self, filename: Any, mode: str = "rb", compresslevel: int | None = None
    ) -> None:
        self._file: Any = None
        self._owns_file = False
        self._encoder: _core.Encoder | None = None
        self._decoder: _core.Decoder | None = None
        self._error: BaseException | None = None
        self._position = 0
        if mode not in ("rb", "wb"):
            raise ValueError(f"Invalid mode: {mode!r}, must be 'rb' or 'wb'")
        level = self._check_level(compresslevel)
        self._open(filename, mode)
        try:
            self._begin(mode, level)
        except BaseException:
            self._release()
            raise

    def _check_level(self, level: int | None) -> int | None:
        if level is None:
            return self.default_level
        try:
            if operator.index(level) in self.levels:
                return level
        except TypeError:
            pass
        raise ValueError(
            "'compresslevel' must be an integer between "
            f"{self.levels[0]} and {self.levels[-1]}. "
            f"You provided 'compresslevel={level}'"
        )

    def _open(self, filename: Any, mode: str) -> None:
        if isinstance(filename, (str, bytes, os.PathLike)):
            self._file = open(filename, mode)  # noqa: SIM115 (closed by _release)
            self._owns_file = True
        elif hasattr(filename, "read") or hasattr(filename, "write"):
            self._file = filename
        else:
            raise TypeError("filename must be a str or bytes object, or a file")

    def _begin(self, mode: str, level: int | None) -> None:
        if mode == "wb":
            self._encoder = _core.Encoder(self._file.write, self.kind, level)
        else:
            self._start = self._file.tell() if self._is_file_seekable() else 0
            self._decoder = _core.Decoder(_method_read(self._file), self.kind)

    def _release(self) -> None:
        file, self._file = self._file, None
        self._encoder = self._decoder = self._error = None
        if self._owns_file and file is not None:
            file.close()

    # --- what it can do now ---

    def _is_file_seekable(self) -> bool:
        seekable = getattr(self._file, "seekable", None)
        return bool(seekable()) if seekable else hasattr(self._file, "seek")

    def _check_not_closed(self) -> None:
        if self._file is None:
            raise ValueError("I/O operation on closed file.")

    def _reading(self) -> _core.Decoder:
        self._check_not_closed()
        if self._decoder is None:
            raise io.UnsupportedOperation("File not open for reading")
        return self._decoder

    def _writing(self) -> _core.Encoder:
        self._check_not_closed()
        if self._encoder is None:
            raise io.UnsupportedOperation("File not open for writing")
        return self._encoder

    @property
    def closed(self) -> bool:
        """Whether the file is closed."""
        return getattr(self, "_file", None) is None

    def readable(self) -> bool:
        """Whether it was opened for reading."""
        self._check_not_closed()
        return self._decoder is not None

    def writable(self) -> bool:
        """Whether it was opened for writing."""
        self._check_not_closed()
        return self._encoder is not None

    def seekable(self) -> bool:
        """Whether it was opened for reading from a file that can seek."""
        return self.readable() and self._is_file_seekable()

    def fileno(self) -> int:
        """The descriptor of the file with the compressed bytes."""
        self._check_not_closed()
        return int(self._file.fileno())

    def tell(self) -> int:
        """The position in the data, not in the compressed stream."""
        self._check_not_closed()
        return self._position

    # --- reading ---

    def readinto(self, buffer: Buffer) -> int:
        """Fill `buffer`; fewer bytes than it holds only at the end."""
        n = self._reading().readinto(buffer)
        self._position += n
        return n

    def read(self, size: int | None = -1) -> bytes:
        """The next `size` bytes, fewer only at the end; all when negative or None."""
        pieces = []
        n_left = sys.maxsize if size is None or size < 0 else size
        while piece := self.read1(n_left):
            pieces.append(piece)
            n_left -= len(piece)
        return b"".join(pieces)

    def read1(self, size: int = -1) -> bytes:
        """Some of the next bytes, at most `size`."""
        piece = bytearray(_READ_BYTES if size < 0 else min(size, _READ_BYTES))
        return bytes(memoryview(piece)[: self.readinto(piece)])

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position in the data and return it."""
        self._reading()
        if not self._is_file_seekable():
            raise io.UnsupportedOperation("the file below cannot seek")
        if whence == io.SEEK_CUR:
            offset += self._position
        elif whence == io.SEEK_END:
            self._skip_to(None)
            offset += self._position
        elif whence != io.SEEK_SET:
            raise ValueError(f"Invalid value for whence: {whence}")
        if offset < self._position:
            self._file.seek(self._start)
            self._decoder = _core.Decoder(_method_read(self._file), self.kind)
            self._position = 0
        self._skip_to(offset)
        return self._position

    def _skip_to(self, position: int | None) -> None:
        """Go forward to a position, or to the end."""
        skipped = bytearray(_SKIP_BYTES)
        while position is None or self._position < position:
            n = len(skipped)
            if position is not None:
                n = min(n, position - self._position)
            if self.readinto(memoryview(skipped)[:n]) < n:
                return

    # --- writing ---

    def write(self, data: Buffer) -> int:
        """Take in the bytes of a C-contiguous buffer and return how many it was.

        Once this failed, every further write fails in the same way and close() leaves
        the stream as it is: of an error in the middle, the first cause is what remains.
        """
        encoder = self._writing()
        if self._error is not None:
            raise self._error
        try:
            n = encoder.write(data)
        except BaseException as error:
            self._error = error
            raise
        self._position += n
        return n

    def close(self) -> None:
        """Complete the stream; close the file too when it was opened by name."""
        if self.closed:
            return
        try:
            if self._encoder is not None and self._error is None:
                self._encoder.finish()
        finally:
            self._release()


def _method_read(file: Any) -> Any:
    """The method that gives some bytes without waiting for more than there are."""
    if isinstance(file, io.BufferedIOBase) and hasattr(file, "read1"):
        return file.read1
    return file.read


class BinaryZlibFile(CodecFile):
    """A zlib stream (RFC 1950) as a file."""

    kind = "zlib"
    default_level = 3


class BinaryGzipFile(BinaryZlibFile):
    """A gzip file (RFC 1952)."""

    kind = "gzip"


class BinaryBZ2File(CodecFile):
    """A bzip2 file."""

    kind = "bz2"


class BinaryLZMAFile(CodecFile):
    """A file in the older lzma-alone format."""

    kind = "lzma"
    levels = range(10)


class BinaryXZFile(CodecFile):
    """An xz file."""

    kind = "xz"
    levels = range(10)


class BinaryLZ4File(CodecFile):
    """A file of lz4 frames."""

    kind = "lz4"
    levels = range(17)


class BinaryZstdFile(CodecFile):
    """A file of zstd frames (RFC 8878)."""

    kind = "zstd"
    levels = range(1, 23)


class CompressorWrapper:
    """What `dump` and `load` need to know of a format.

    Parameters
    ----------
    obj : type
        Makes a file object: called with a file object or a name and a mode, "rb" or
        "wb"; for writing also with the keyword `compresslevel`, if there is one.
    prefix : bytes
        What its files start with; `load` knows them by it.
    extension : str
        Names that end so are compressed with it when `dump` is not told otherwise.

    Attributes
    ----------
    levels : sequence of int
        The levels that `dump` lets through, beside 0, which is "not compressed".
    """

    levels: Sequence[int] = range(10)

    def __init__(self, obj: Any, prefix: bytes = b"", extension: str = "") -> None:
        self.fileobj_factory = obj
        self.prefix = prefix
        self.extension = extension

    def compressor_file(self, fileobj: Any, compresslevel: int | None = None) -> Any:
        """A file object to write to; None is the format's usual level."""
        if compresslevel is None:
            return self.fileobj_factory(fileobj, "wb")
        return self.fileobj_factory(fileobj, "wb", compresslevel=compresslevel)

    def decompressor_file(self, fileobj: Any) -> Any:
        """A file object to read from."""
        return self.fileobj_factory(fileobj, "rb")


class _CodecWrapper(CompressorWrapper):
    """A format of the C library."""

    _file_type: ClassVar[type[CodecFile]]
    _prefix: ClassVar[bytes]
    _extension: ClassVar[str]

    def __init__(self) -> None:
        super().__init__(self._file_type, self._prefix, self._extension)
        self.levels = self._file_type.levels


class ZlibCompressorWrapper(_CodecWrapper):
    """zlib."""

    _file_type, _prefix, _extension = BinaryZlibFile, _ZLIB_PREFIX, ".z"


class GzipCompressorWrapper(_CodecWrapper):
    """gzip."""

    _file_type, _prefix, _extension = BinaryGzipFile, _GZIP_PREFIX, ".gz"


class BZ2CompressorWrapper(_CodecWrapper):
    """bz2."""

    _file_type, _prefix, _extension = BinaryBZ2File, _BZ2_PREFIX, ".bz2"


class LZMACompressorWrapper(_CodecWrapper):
    """lzma."""

    _file_type: ClassVar[type[CodecFile]] = BinaryLZMAFile
    _prefix, _extension = _LZMA_PREFIX, ".lzma"


class XZCompressorWrapper(LZMACompressorWrapper):
    """xz."""

    _file_type, _prefix, _extension = BinaryXZFile, _XZ_PREFIX, ".xz"


class LZ4CompressorWrapper(_CodecWrapper):
    """lz4."""

    _file_type, _prefix, _extension = BinaryLZ4File, _LZ4_PREFIX, ".lz4"


class ZstdCompressorWrapper(_CodecWrapper):
    """zstd."""

    _file_type, _prefix, _extension = BinaryZstdFile, _ZSTD_PREFIX, ".zst"


def register_compressor(
    compressor_name: str, compressor: CompressorWrapper, force: bool = False
) -> None:
    """Let `dump` and `load` use another format.

    Parameters
    ----------
    compressor_name : str
        What `dump` will call it.
    compressor : CompressorWrapper
    force : bool
        Replace one of the same name.

    Raises
    ------
    ValueError
        The name is no string or taken, the compressor no CompressorWrapper, or what
        makes its files makes no files.
    """
    if not isinstance(compressor_name, str):
        raise ValueError(f"Compressor name should be a string, not {compressor_name!r}")
    if not isinstance(compressor, CompressorWrapper):
        raise ValueError(
            f"Compressor {compressor_name!r} should be a CompressorWrapper, "
            f"not {compressor!r}"
        )
    factory = compressor.fileobj_factory
    methods = ("read", "write", "seek", "tell")
    if factory is not None and not all(hasattr(factory, name) for name in methods):
        raise ValueError(
            "Compressor 'fileobj_factory' attribute should implement the file object "
            f"interface ({', '.join(methods)}), {factory!r} does not"
        )
    if compressor_name in _COMPRESSORS and not force:
        raise ValueError(f"Compressor '{compressor_name}' already registered.")
    _COMPRESSORS[compressor_name] = compressor


register_compressor("zlib", ZlibCompressorWrapper())
register_compressor("gzip", GzipCompressorWrapper())
register_compressor("bz2", BZ2CompressorWrapper())
register_compressor("lzma", LZMACompressorWrapper())
register_compressor("xz", XZCompressorWrapper())
register_compressor("lz4", LZ4CompressorWrapper())
register_compressor("zstd", ZstdCompressorWrapper())
