"""Compressed results in the store: the encoded value as one compressed buffer.

What is stored is an object whose unpickling gives the result itself, so that a reader
need not know.
"""

from __future__ import annotations

import io
from pickle import PickleBuffer, UnpicklingError
from typing import Any

from cjoblib import _core
from cjoblib.compressor import _COMPRESSORS

CODEC, LEVEL = "zlib", 3  # of compress=True


def pack(item: Any, compress: bool | int | str | tuple[str, int]) -> _Packed:
    """Compress a result.

    Parameters
    ----------
    compress
        As for :func:`cjoblib.dump`.
    """
    codec, level = method(compress)
    data = memoryview(_core.encode_value(item, bytearray))
    packed = io.BytesIO()
    with _COMPRESSORS[codec].compressor_file(packed, compresslevel=level) as file:
        file.write(data)
    return _Packed(codec, data.nbytes, packed.getbuffer())


def method(
    compress: bool | int | str | tuple[str, int] | None,
) -> tuple[str, int | None]:
    """The codec and level that `compress` means.

    Raises
    ------
    ValueError
        There is no such codec, or its level is not one of 0 to 9.
    """
    codec: Any = CODEC
    level: Any = LEVEL
    if isinstance(compress, tuple):
        codec, level = compress
    elif isinstance(compress, str):
        codec, level = compress, None
    elif isinstance(compress, int) and compress is not True:
        level = compress
    if codec not in _COMPRESSORS:
        known = ", ".join(sorted(_COMPRESSORS))
        raise ValueError(
            f"compress={compress!r}: no codec {codec!r}, there are {known}"
        )
    if level is not None and level not in range(10):
        raise ValueError(f"compress={compress!r}: the level is one of 0 to 9")
    return codec, level


class _Packed:
    """Stands for a result while it is stored."""

    def __init__(self, codec: str, n_bytes: int, data: memoryview) -> None:
        self.codec = codec
        self.n_bytes = n_bytes
        self.data = data

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return unpack, (self.codec, self.n_bytes, PickleBuffer(self.data))


def unpack(codec: str, n_bytes: int, data: Any) -> Any:
    """Return the result that was packed.

    Raises
    ------
    UnpicklingError
        The data gives more or fewer bytes than it should.
    """
    room = bytearray(n_bytes)
    with _COMPRESSORS[codec].decompressor_file(io.BytesIO(data)) as file:
        filled, into = 0, memoryview(room)
        while filled < n_bytes:
            n = file.readinto(into[filled:])
            if not n:
                break
            filled += n
        if filled < n_bytes or file.read(1):
            raise UnpicklingError(f"compressed data is not of {n_bytes} bytes")
    return _core.decode_value(room)
