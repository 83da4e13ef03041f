"""What is decided once for each `dump` and `load`: which kind of file, which codec. The
bytes are moved in C (`ext/persist`)."""

from __future__ import annotations

import errno
import io
import os
import pickle
import re
from collections.abc import Collection
from typing import Any, NamedTuple

from cjoblib import _core
from cjoblib._files import naming_damage, replacing
from cjoblib.compressor import _COMPRESSORS, _ZFILE_PREFIX, CodecFile, _CodecWrapper
from cjoblib.numpy_pickle_compat import SideFiles, _python2_explained, read_zfile
from cjoblib.numpy_pickle_utils import (
    ArrayMapper,
    _buffered_read_file,
    _detect_compressor,
    _is_raw_file,
    _is_seekable,
    _Limited,
    _Lookahead,
    _warn,
    _warn_old_format,
    _why_not_mapped,
    _write_fileobject,
)

_LEVELS = range(10)  # of a compressor that does not say
_SHUFFLE = re.compile(r"blosc(?::(\w+))?")
_DURABLE = "CJOBLIB_DURABLE"


# --- dump -----------------------------------------------------------------------------


class Compression(NamedTuple):
    """How a dump is compressed; not at all when `method` is empty.

    Attributes
    ----------
    method : str
        A name in `_COMPRESSORS`; or "" when only the arrays are compressed, by
    shuffle : str or None
        what stands inside of blosc.
    level : int or None
        None: the usual one.
    """

    method: str
    shuffle: str | None
    level: int | None


def compression(compress: Any, filename: str) -> Compression:
    """What `dump` was asked for; ValueError when that is nothing it can do."""
    method: Any = "zlib"
    level: Any = compress
    is_explicit = isinstance(compress, (str, tuple))
    if compress is True:
        level = None
    elif isinstance(compress, str):
        method, level = compress, None
    elif isinstance(compress, tuple):
        if len(compress) != 2:
            raise ValueError(
                "Compress argument tuple should contain exactly 2 elements: the "
                f"compressor's name and the level, not {compress!r}"
            )
        method, level = compress
    shuffle = _shuffle_codec(method)
    _check_compression(method, level, shuffle)
    if not is_explicit:
        by_name = _compressor_of_extension(filename)
        if by_name and level == 0:
            level = None
        method = by_name or method
    if level is not None and level == 0:
        return Compression("", None, None)
    return Compression("" if shuffle else method, shuffle, level)


def _shuffle_codec(method: Any) -> str | None:
    """ "zstd" of "blosc:zstd", "lz4" of "blosc"; None for a codec of the whole file."""
    if not isinstance(method, str) or method in _COMPRESSORS:
        return None
    found = _SHUFFLE.fullmatch(method)
    return (found[1] or "lz4") if found else None


def _check_compression(method: Any, level: Any, shuffle: str | None) -> None:
    compressor = _COMPRESSORS.get(method)
    levels = getattr(compressor, "levels", _LEVELS)
    if level is not None and level != 0 and level not in levels:
        raise ValueError(
            f'Non valid compress level given: "{level}". '
            f"Possible values are {[0, *(n for n in levels if n)]}."
        )
    if compressor is None and shuffle is None:
        raise ValueError(
            f'Non valid compression method given: "{method}". '
            f"Possible values are {[*_COMPRESSORS, 'blosc', 'blosc:zstd']}."
        )


def _compressor_of_extension(filename: str) -> str | None:
    found = None
    for name, compressor in _COMPRESSORS.items():
        if compressor.extension and filename.endswith(compressor.extension):
            found = name
    return found


def _codec_of(method: str) -> type[CodecFile] | None:
    """The file type of a format of the C library; None: somebody else's."""
    compressor = _COMPRESSORS[method]
    if not isinstance(compressor, _CodecWrapper):
        return None
    kind = type(compressor)
    factory: type[CodecFile] = kind._file_type
    is_ours = kind.__module__ == CodecFile.__module__
    return factory if is_ours and compressor.fileobj_factory is factory else None


def dump_into(
    value: Any,
    target: Any,
    how: Compression,
    protocol: int | None,
    threads: int | None,
    durable: bool | None,
) -> None:
    """Write to a path or a file object."""
    if threads is not None and threads < 1:
        raise ValueError(f"threads should be at least 1, not {threads!r}")
    if durable is None:
        durable = os.environ.get(_DURABLE, "0") not in ("", "0")
    codec = _codec_of(how.method) if how.method else None
    if how.method and codec is None:
        _dump_by_others(value, target, how, protocol)
        return
    level = how.level
    if codec is not None and level is None:
        level = codec.default_level
    _core.persist_dump(
        value,
        target,
        protocol=protocol,
        codec=None if codec is None else codec.kind,
        level=level,
        shuffle=how.shuffle,
        threads=threads,
        durable=durable,
    )


def _dump_by_others(
    value: Any, target: Any, how: Compression, protocol: int | None
) -> None:
    """Through the file object of somebody else's compressor."""
    if isinstance(target, str):
        with replacing(target) as temporary:
            _dump_by_others(value, _Named(temporary), how, protocol)
        return
    if isinstance(target, _Named):
        target = target.name
    with _write_fileobject(target, (how.method, how.level)) as compressed:
        _core.persist_dump(value, compressed, protocol=protocol)


class _Named(NamedTuple):
    name: str


# --- load -----------------------------------------------------------------------------


class Rules(NamedTuple):
    """What `load` was asked to see to."""

    mmap_mode: str | None
    is_native: bool
    allow: Collection[str] | None
    max_bytes: int | None
    verify: bool | None

    def options(self) -> dict[str, Any]:
        """As arguments of `persist_load`."""
        return {
            "native": self.is_native,
            "allow": self.allow,
            "max_bytes": self.max_bytes,
            "verify": self.verify,
        }


def rules(
    mmap_mode: str | None,
    ensure_native_byte_order: bool | str,
    allow: Collection[str] | None,
    max_bytes: int | None,
    verify: bool | str,
) -> Rules:
    """The arguments of `load`, checked."""
    is_native = ensure_native_byte_order
    if is_native == "auto":
        is_native = mmap_mode is None
    if is_native and mmap_mode is not None:
        raise ValueError(
            "Native byte ordering can only be enforced if 'mmap_mode' parameter is "
            f"set to None, but got 'mmap_mode={mmap_mode}' instead."
        )
    if verify not in ("auto", True, False):
        raise ValueError(f"verify should be 'auto', True or False, not {verify!r}")
    if max_bytes is not None and max_bytes < 0:
        raise ValueError(f"max_bytes should be at least 0, not {max_bytes!r}")
    wanted = None if verify == "auto" else bool(verify)
    return Rules(mmap_mode, bool(is_native), allow, max_bytes, wanted)


def load_path(path: Any, rules: Rules) -> Any:
    """Load from the file of this name."""
    is_writable = rules.mmap_mode in ("r+", "w+")
    flags = os.O_CLOEXEC | os.O_NOCTTY
    try:
        fd = os.open(path, flags | (os.O_RDWR if is_writable else os.O_RDONLY))
    except PermissionError:
        if not is_writable:
            raise
        fd = os.open(path, flags | os.O_RDONLY)
    try:
        try:
            first = os.pread(fd, _longest_prefix(), 0)
        except OSError as error:
            if error.errno != errno.ESPIPE:
                error.filename = path
                raise
            with open(fd, "rb", closefd=False) as file:
                return load_file(file, os.fsdecode(path), rules)
        return _load_descriptor(fd, os.fsdecode(path), first, rules)
    finally:
        os.close(fd)


def _longest_prefix() -> int:
    return max(len(_ZFILE_PREFIX), *(len(c.prefix) for c in _COMPRESSORS.values()))


def _load_descriptor(fd: int, path: str, first: bytes, rules: Rules) -> Any:
    """Load from a file that can seek and starts with `first`."""
    method = _detect(first)
    codec = _codec_of(method) if method in _COMPRESSORS else None
    if method == "compat" or (method in _COMPRESSORS and codec is None):
        with open(fd, "rb", closefd=False) as file:
            return load_file(file, path, rules)
    mapper = None
    if rules.mmap_mode is not None and codec is not None:
        _warn(_why_not(path, rules.mmap_mode))
    elif rules.mmap_mode is not None:
        mapper = ArrayMapper(fd, path, rules.mmap_mode)
    side = _side_files(path, rules)
    with naming_damage(path), _python2_explained():
        try:
            value, n_bytes = _core.persist_load(
                fd,
                codec=None if codec is None else codec.kind,
                is_own=True,
                map=mapper,
                side_file=side,
                **rules.options(),
            )
        except Exception as error:
            _explain(fd, codec is None and rules.verify is not False, error)
            raise
    if mapper is not None and mapper.is_used and rules.mmap_mode in ("r+", "w+"):
        _drop_footer(fd, n_bytes)
    if side.is_used:
        _warn_old_format(path)
    return value


def _drop_footer(fd: int, n_bytes: int) -> None:
    """The arrays may be changed from now on: what the footer says ends to be true."""
    if _core.persist_footer_at(fd, n_bytes):
        os.ftruncate(fd, n_bytes)


def _detect(first: bytes) -> str:
    """The name in `_COMPRESSORS` of a file's format; "compat" for the format of joblib
    before 0.10, "" for everything else."""
    if first.startswith(_ZFILE_PREFIX):
        return "compat"
    for name, compressor in _COMPRESSORS.items():
        if compressor.prefix and first.startswith(compressor.prefix):
            return name
    return ""


def _why_not(path: str, mmap_mode: str) -> str:
    return (
        f'mmap_mode "{mmap_mode}" is not compatible with compressed file '
        f'{path}. "{mmap_mode}" flag will be ignored.'
    )


def _explain(fd: int, has_footer: bool, error: Exception) -> None:
    """Whatever went wrong: if the file is damaged, that is why."""
    is_known = str(error).startswith("damaged")
    if has_footer and not is_known and _core.persist_is_damaged(fd):
        raise pickle.UnpicklingError(
            "damaged: its checksum is not the one in its footer; loading it ended with "
            f"{type(error).__name__}: {error}"
        ) from error


def _side_files(name: str, rules: Rules) -> SideFiles:
    return SideFiles(
        os.path.dirname(name), rules.mmap_mode, rules.allow, rules.max_bytes
    )


def load_file(file: Any, name: str, rules: Rules) -> Any:
    """Load from an open file, from where it stands; its arrays are never mapped."""
    with naming_damage(name or repr(file)), _python2_explained():
        if not hasattr(file, "peek") and not _is_seekable(file):
            file = _Lookahead(file)
        method = _detect_compressor(file)
        side = _side_files(name, rules._replace(mmap_mode=None))
        if method == "compat":
            _warn_old_format(name)
            data = memoryview(read_zfile(file, rules.max_bytes))
            value, _ = _core.persist_load(data, side_file=side, **rules.options())
            return value
        if rules.mmap_mode is not None:
            reason = _why_not_mapped(file, name, rules.mmap_mode, method)
            if reason:
                _warn(reason)
        value = _load_open(file, method, side, rules)
    if side.is_used:
        _warn_old_format(name)
    return value


def _load_open(file: Any, method: str, side: SideFiles, rules: Rules) -> Any:
    options = {"side_file": side, **rules.options()}
    codec = _codec_of(method) if method in _COMPRESSORS else None
    if codec is not None:
        return _core.persist_load(file, codec=codec.kind, **options)[0]
    if method in _COMPRESSORS:
        file = _buffered_read_file(_COMPRESSORS[method].decompressor_file(file))
    if rules.max_bytes is not None:
        file = _Limited(file, rules.max_bytes)
    if type(file) is io.BytesIO:
        return _load_memory(file, options)
    if _is_plain_file(file):
        return _load_plain_file(file, options)
    return _core.persist_load(file, **options)[0]


def _load_memory(file: io.BytesIO, options: dict[str, Any]) -> Any:
    position = file.tell()
    with file.getbuffer() as whole, whole[position:] as rest:
        value, n_bytes = _core.persist_load(rest, **options)
    file.seek(position + n_bytes)
    return value


def _is_plain_file(file: Any) -> bool:
    """Whether the system's own file lies under it and nothing else."""
    known = (io.BufferedReader, io.BufferedRandom, io.FileIO)
    return type(file) in known and _is_raw_file(file) and file.seekable()


def _load_plain_file(file: Any, options: dict[str, Any]) -> Any:
    file.flush()
    position = file.tell()
    value, n_bytes = _core.persist_load(file.fileno(), begin=position, **options)
    file.seek(position + n_bytes)
    return value
