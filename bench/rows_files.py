"""The table's rows for files: `dump` and `load` beside joblib, pickle, NumPy, safetensors,
blosc2 and zstandard, in time, size and memory."""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import frame
from frame import Row, Side, Timed

Write = Callable[[Any, str], object]
Read = Callable[[str], object]

MB = 1 << 20


# --- how others do it ----------------------------------------------------------------------


def dumped(module: str, **options: Any) -> Write:
    return lambda obj, path: import_module(module).dump(obj, path, **options)


def loaded(module: str, **options: Any) -> Read:
    return lambda path: import_module(module).load(path, **options)


def pickled(obj: Any, path: str) -> None:
    with open(path, "wb") as file:
        pickle.dump(obj, file, 5)


def unpickled(path: str) -> Any:
    with open(path, "rb") as file:
        return pickle.load(file)


def numpy_saved(obj: Any, path: str) -> None:
    with open(path, "wb") as file:
        import_module("numpy").save(file, obj)


def safetensors_saved(obj: Any, path: str) -> None:
    import_module("safetensors.numpy").save_file({"a": obj}, path)


def safetensors_loaded(path: str) -> Any:
    return import_module("safetensors.numpy").load_file(path)["a"]


def zstandard_saved(obj: Any, path: str) -> None:
    compressor = import_module("zstandard").ZstdCompressor(level=3, threads=2)
    with open(path, "wb") as file, compressor.stream_writer(file) as out:
        pickle.dump(obj, out, 5)


def zstandard_loaded(path: str) -> Any:
    reader = import_module("zstandard").ZstdDecompressor()
    with open(path, "rb") as file, reader.stream_reader(file) as data:
        return pickle.loads(data.read())


def blosc2_saved(obj: Any, path: str, codec: str, shuffle: bool = True) -> None:
    blosc2 = import_module("blosc2")
    how = {
        "codec": getattr(blosc2.Codec, codec),
        "filters": [blosc2.Filter.SHUFFLE if shuffle else blosc2.Filter.NOFILTER],
    }
    if os.path.exists(path):
        os.unlink(path)
    blosc2.save_array(obj, path, cparams=how)


def blosc2_loaded(path: str) -> Any:
    return import_module("blosc2").load_array(path)


# --- sides ---------------------------------------------------------------------------------


def big_dict() -> dict[str, int]:
    return {str(k): k for k in range(1_000_000)}


def big_array(n_bytes: int = 128 * MB) -> Any:
    return import_module("numpy").random.default_rng(0).random(n_bytes // 8)


def small_numbers() -> Any:
    return import_module("numpy").random.default_rng(0).integers(0, 1000, 1 << 22)


def timed_call(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def writing(build: Callable[[], Any], write: Write, new: bool = False) -> Side:
    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        obj, path = build(), str(folder / "file")

        def timed() -> float:
            if new and os.path.exists(path):
                os.unlink(path)
            return timed_call(partial(write, obj, path))

        yield timed

    return side


def reading(build: Callable[[], Any], write: Write, read: Read) -> Side:
    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        path = str(folder / "file")
        write(build(), path)
        yield lambda: timed_call(partial(read, path))

    return side


def size(build: Callable[[], Any], write: Write) -> Side:
    """Megabytes of the file."""

    @contextmanager
    def side(folder: Path) -> Iterator[Timed]:
        path = str(folder / "file")
        write(build(), path)
        yield lambda: os.path.getsize(path) / 1e6

    return side


MEMORY = """
import numpy, tempfile
from {module} import dump

def kilobytes(field):
    with open("/proc/self/status") as status:
        return next(int(l.split()[1]) for l in status if l.startswith(field))

with tempfile.TemporaryDirectory() as folder:
    dump(numpy.arange(9), folder + "/file", compress={compress})
    array = numpy.ones(1 << 25)
    with open("/proc/self/clear_refs", "w") as refs:
        refs.write("5")
    before = kilobytes("VmRSS:")
    dump(array, folder + "/file", compress={compress})
    print(max(kilobytes("VmHWM:") - before, 4) * 1024 / 1e6)
"""


def memory(module: str, compress: int) -> Side:
    """Megabytes that a new process grows by, at its highest, to dump 256 MB."""
    code = MEMORY.format(module=module, compress=compress)
    return lambda folder: frame.plain(frame.fresh_process(code))


# --- rows ----------------------------------------------------------------------------------

JOBLIB, OURS = dumped("joblib"), dumped("cjoblib")
ZLIB_3 = {
    "joblib": dumped("joblib", compress=3),
    "cjoblib": dumped("cjoblib", compress=3),
}
MAPPED = {"mmap_mode": "r"}

OBJECTS = [
    Row(
        "D1",
        "dump of a dict of 10^6 str -> int",
        {
            "joblib": writing(big_dict, JOBLIB),
            "cjoblib": writing(big_dict, OURS),
            "pickle": writing(big_dict, pickled),
        },
        goal=20,
        rounds=5,
    ),
    Row(
        "D2",
        "load of it",
        {
            "joblib": reading(big_dict, JOBLIB, loaded("joblib")),
            "cjoblib": reading(big_dict, OURS, loaded("cjoblib")),
            "pickle": reading(big_dict, pickled, unpickled),
        },
        goal=5.5,
        rounds=5,
    ),
]

SAVERS: dict[str, Write] = {
    "joblib": JOBLIB,
    "cjoblib": OURS,
    "numpy": numpy_saved,
    "pickle": pickled,
    "safetensors": safetensors_saved,
}
LOADERS: dict[str, Read] = {
    "joblib": loaded("joblib"),
    "cjoblib": loaded("cjoblib"),
    "numpy": loaded("numpy"),
    "pickle": unpickled,
    "safetensors": safetensors_loaded,
}

ARRAYS = [
    Row(
        "D3",
        "dump of a 128 MB array, new file",
        {name: writing(big_array, write, new=True) for name, write in SAVERS.items()},
        goal=2.5,
    ),
    Row(
        "D3o",
        "the same over an old file",
        {name: writing(big_array, write) for name, write in SAVERS.items()},
        goal=3,
    ),
    Row(
        "D3d",
        "the same with durable=True (the others do not wait for the disk)",
        {
            "joblib": writing(big_array, JOBLIB),
            "cjoblib": writing(big_array, dumped("cjoblib", durable=True)),
        },
        rounds=5,
    ),
    Row(
        "D4",
        "load of a 128 MB array, against numpy.load",
        {
            name: reading(big_array, SAVERS[name], read)
            for name, read in LOADERS.items()
        },
        goal=1,
        reference="numpy",
    ),
    Row(
        "D4m",
        "the same, mapped",
        {
            "joblib": reading(big_array, JOBLIB, loaded("joblib", **MAPPED)),
            "cjoblib": reading(big_array, OURS, loaded("cjoblib", **MAPPED)),
            "numpy": reading(big_array, numpy_saved, loaded("numpy", **MAPPED)),
        },
        goal=3,
    ),
]

COMPRESSED = [
    Row(
        "D5",
        "dump of 32 MB int64, zlib 3",
        {name: writing(small_numbers, write) for name, write in ZLIB_3.items()},
        goal=4,
        rounds=5,
    ),
    Row(
        "D5l",
        "load of it",
        {
            name: reading(small_numbers, write, loaded(name))
            for name, write in ZLIB_3.items()
        },
        goal=2.7,
        rounds=5,
    ),
    Row(
        "D5s",
        "its size",
        {name: size(small_numbers, write) for name, write in ZLIB_3.items()},
        goal=0.97,
        rounds=1,
        unit="MB",
    ),
    Row(
        "D6",
        "dump of it, zstd, against joblib's zlib 3",
        {
            "joblib": writing(small_numbers, ZLIB_3["joblib"]),
            "cjoblib": writing(small_numbers, dumped("cjoblib", compress="zstd")),
            "zstandard": writing(small_numbers, zstandard_saved),
        },
        goal=8,
        rounds=5,
    ),
    Row(
        "D6l",
        "load of it",
        {
            "joblib": reading(small_numbers, ZLIB_3["joblib"], loaded("joblib")),
            "cjoblib": reading(
                small_numbers, dumped("cjoblib", compress="zstd"), loaded("cjoblib")
            ),
            "zstandard": reading(small_numbers, zstandard_saved, zstandard_loaded),
        },
        goal=2,
        rounds=5,
    ),
]


def shuffled(name: str, codec: str) -> list[Row]:
    ours = dumped("cjoblib", compress=f"blosc:{codec.lower()}")
    theirs = partial(blosc2_saved, codec=codec)
    writers: dict[str, Write] = {"blosc2": theirs, "cjoblib": ours}
    readers = {"blosc2": blosc2_loaded, "cjoblib": loaded("cjoblib")}
    return [
        Row(
            f"D6s{name}",
            f"dump of it, bytes shuffled, {codec.lower()}",
            {side: writing(small_numbers, write) for side, write in writers.items()},
            goal=1,
            reference="blosc2",
        ),
        Row(
            f"D6sl{name}",
            "load of it",
            {
                side: reading(small_numbers, write, readers[side])
                for side, write in writers.items()
            },
            goal=1,
            reference="blosc2",
        ),
        Row(
            f"D6ss{name}",
            "its size",
            {side: size(small_numbers, write) for side, write in writers.items()},
            goal=1,
            rounds=1,
            reference="blosc2",
            unit="MB",
        ),
    ]


MEMORIES = [
    Row(
        f"D7{name}",
        f"memory beyond the object, dump of 256 MB, compress={compress}",
        {module: memory(module, compress) for module in ("joblib", "cjoblib")},
        limit=limit,
        rounds=2,
        warm_up=False,
        unit="MB",
    )
    for name, compress, limit in (("", 0, 2.1), ("z", 1, 8.4))
]

GROWTH = [
    Row(
        f"G5{name}",
        f"dump of a {name} array, against numpy.save",
        {
            side: writing(partial(big_array, n_bytes), SAVERS[side], new=True)
            for side in ("joblib", "cjoblib", "numpy")
        },
        goal=1,
        rounds=3,
        reference="numpy",
    )
    for name, n_bytes in (("1MB", MB), ("16MB", 16 * MB), ("1GB", 1024 * MB))
]

ROWS = [
    *OBJECTS,
    *ARRAYS,
    *COMPRESSED,
    *shuffled("", "LZ4"),
    *shuffled("z", "ZSTD"),
    *MEMORIES,
    *GROWTH,
]
