"""`dump` and `load`: joblib's files in both directions, every kind of file, and what
happens when it goes wrong."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
import tarfile
import textwrap
import warnings
from pathlib import Path
from typing import Any

import pytest

from cjoblib import numpy_pickle
from cjoblib.compressor import _COMPRESSORS, CompressorWrapper, register_compressor
from cjoblib.numpy_pickle import NumpyPickler, NumpyUnpickler, dump, load

np = pytest.importorskip("numpy")
joblib = pytest.importorskip("joblib")
if not joblib.__version__.startswith("1."):
    pytest.skip("needs joblib 1.x beside cjoblib", allow_module_level=True)

JOBLIBS_OWN = ["zlib", "gzip", "bz2", "lzma", "xz", "lz4"]
KINDS = [*JOBLIBS_OWN, "zstd"]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def matrix(rows: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PendingDeprecationWarning)
        return np.matrix(rows)


ARRAYS: dict[str, Any] = {
    "0-d": np.array(5.0),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "strided": np.arange(100)[::3],
    "strided fortran": np.ones((10, 50, 20), order="F")[:, :1, :],
    "backwards": np.arange(10)[::-1],
    "broadcast": np.broadcast_to(np.arange(3), (4, 3)),
    "object": np.array([1, "b", None, {1: 2}], dtype=object),
    "objects in fields": np.array([(1, "x")], dtype=[("a", "i4"), ("o", object)]),
    "structured": np.array(
        [(1, 2.5, b"ab")], dtype=[("a", "<i4"), ("b", "f8"), ("c", "S5")]
    ),
    "aligned": np.zeros(3, np.dtype([("a", "i1"), ("b", "f8")], align=True)),
    "subarrays": np.zeros((2,), dtype=[("sub", "f4", (3,))]),
    "datetime": np.array(["2020-01-01", "NaT"], dtype="M8[ns]"),
    "timedelta": np.array([1, 2], dtype="m8[s]"),
    "empty": np.empty((0, 3)),
    "empty object": np.empty(0, object),
    "big-endian": np.arange(5, dtype=">i4"),
    "big-endian fortran": np.arange(6, dtype=">f8").reshape((2, 3), order="F"),
    "big-endian structured": np.array([(1, 2.0)], dtype=[("a", ">i4"), ("b", ">f8")]),
    "masked": np.ma.masked_greater(np.arange(5.0), 2),
    "matrix": matrix([[1, 2], [3, 4]]),
    "text": np.array(["a", "bcé"]),
    "bytes": np.array([b"a", b""]),
    "bool": np.array([True, False]),
    "complex": np.arange(3) * 1j,
    "half": np.arange(4, dtype="f2"),
    "long": np.arange(3, dtype=np.longdouble),
    "many": np.random.RandomState(0).rand(100, 100)[:, ::2],
}

each_array = pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
each_kind = pytest.mark.parametrize("kind", KINDS)
each_codec = pytest.mark.parametrize("compress", [0, *KINDS])


def assert_same(found: Any, expected: Any) -> None:
    assert isinstance(found, np.ndarray) == isinstance(expected, np.ndarray)
    if isinstance(expected, np.ndarray):
        assert found.dtype == expected.dtype.newbyteorder("=")
        assert found.shape == expected.shape
        np.testing.assert_array_equal(found, expected)
    else:
        assert found == expected


# --- the same files as joblib's ---


@each_array
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_same_files_as_joblib(array: Any, protocol: int, tmp_path: Path) -> None:
    value = {"array": array, "again": [array, "text"], 1: None}
    dump(value, tmp_path / "ours", protocol=protocol)
    joblib.dump(value, tmp_path / "theirs", protocol=protocol)
    for found in (joblib.load(tmp_path / "ours"), load(tmp_path / "theirs")):
        assert_same(found["array"], array)
        assert_same(found["again"][0], array)
        assert found["again"][1] == "text"
        assert found[1] is None


@each_array
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_python_pickler_writes_joblibs_bytes(array: Any, protocol: int) -> None:
    value = {"array": array, "again": [array, "text"], 1: None}
    ours, theirs = io.BytesIO(), io.BytesIO()
    NumpyPickler(ours, protocol).dump(value)
    joblib.dump(value, theirs, protocol=protocol)
    assert ours.getvalue() == theirs.getvalue()


# The lz4 package flushes a file that joblib closed before, when it is collected.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@each_array
@pytest.mark.parametrize("kind", JOBLIBS_OWN)
def test_both_directions_compressed(array: Any, kind: str, tmp_path: Path) -> None:
    if kind == "lz4":
        pytest.importorskip("lz4", reason="joblib needs it for lz4")
    path = str(tmp_path / "file")
    for compress in (kind, (kind, 1), (kind, 9)):
        dump([array, "end"], path, compress=compress)
        assert_same(joblib.load(path)[0], array)
        joblib.dump([array, "end"], path, compress=compress)
        assert_same(load(path)[0], array)


@each_array
@each_codec
def test_round_trip(array: Any, compress: Any, tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    assert dump(array, path, compress=compress) == [path]
    found = load(path)
    assert_same(found, array)
    assert type(found) is type(array)
    assert os.listdir(tmp_path) == ["file"]


def test_containers(tmp_path: Path) -> None:
    value: dict[str, Any] = {
        "a": [np.arange(3), (1, 2)],
        "b": {"c": np.ones(2)},
        "d": {1, 2},
        "e": None,
    }
    dump(value, tmp_path / "file")
    found = load(tmp_path / "file")
    assert_same(found["a"][0], value["a"][0])
    assert_same(found["b"]["c"], value["b"]["c"])
    assert found["a"][1] == (1, 2)
    assert found["d"] == {1, 2}
    assert found["e"] is None


def test_memmap_is_written_as_an_array(tmp_path: Path) -> None:
    array = np.memmap(tmp_path / "raw", mode="w+", shape=4, dtype="f8")
    array[:] = 7
    dump(array, tmp_path / "file")
    found = load(tmp_path / "file")
    assert type(found) is np.ndarray
    assert_same(found, np.full(4, 7.0))


def test_what_is_not_contiguous_is_copied_in_pieces(monkeypatch: Any) -> None:
    monkeypatch.setattr("cjoblib.numpy_pickle_utils._PIECE_BYTES", 100)
    for shape in [(1000,), (7, 11, 13), (1, 1, 500), (50, 1, 3), (2, 300)]:
        array = np.arange(2 * np.prod(shape)).reshape(*shape[:-1], -1)[..., ::2]
        buffer = io.BytesIO()
        dump(array, buffer)
        assert_same(load(buffer), array)


def test_byte_order_can_be_kept(tmp_path: Path) -> None:
    array = ARRAYS["big-endian"]
    dump(array, tmp_path / "file")
    kept = load(tmp_path / "file", ensure_native_byte_order=False)
    assert kept.dtype == array.dtype
    np.testing.assert_array_equal(kept, array)
    assert load(tmp_path / "file").dtype == array.dtype.newbyteorder("=")


def test_without_joblib_and_from_scikit_learns_copy(tmp_path: Path) -> None:
    """Files load where there is no joblib, whatever its name was in their time."""
    with open(tmp_path / "file", "wb") as file:
        dump({"a": np.arange(3)}, file, protocol=2)
    data = (tmp_path / "file").read_bytes()
    old = data.replace(
        b"joblib.numpy_pickle\n", b"sklearn.externals.joblib.numpy_pickle\n"
    )
    assert old != data
    (tmp_path / "old").write_bytes(old)
    run_python(
        f"""
        import sys
        sys.modules["joblib"] = sys.modules["sklearn"] = None
        from cjoblib.numpy_pickle import load
        for name in ("file", "old"):
            assert load("{tmp_path}/" + name)["a"].tolist() == [0, 1, 2], name
        """
    )


def test_numpy_is_not_imported_for_nothing(tmp_path: Path) -> None:
    run_python(
        f"""
        import sys
        from cjoblib.numpy_pickle import dump, load
        for compress in (0, "gzip"):
            dump({{"a": [1, "b"]}}, "{tmp_path}/file", compress=compress)
            assert load("{tmp_path}/file") == {{"a": [1, "b"]}}
        assert "numpy" not in sys.modules
        """
    )


def run_python(code: str) -> None:
    paths = os.pathsep.join(path for path in sys.path if path)
    subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        check=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": paths},
    )


# --- memory maps ---


@pytest.mark.parametrize("mode", ["r", "r+", "w+", "c"])
def test_mapped(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    value = [np.arange(n, dtype="u1") for n in (1, 2, 3, 5, 4097, 8)] + [np.ones(3)]
    dump(value, path)
    found = load(path, mmap_mode=mode)
    for mapped, array in zip(found, value, strict=True):
        assert type(mapped) is np.memmap
        assert mapped.mode == {"w+": "r+"}.get(mode, mode)
        assert mapped.ctypes.data % numpy_pickle.NUMPY_ARRAY_ALIGNMENT_BYTES == 0
        assert mapped.filename == str(path)
        assert_same(np.asarray(mapped), array)
    if mode != "r":
        found[-1][0] = 42
        found[-1].flush()
    else:
        with pytest.raises(ValueError, match="read-only"):
            found[-1][0] = 42
    assert load(path)[-1][0] == (42 if mode in ("r+", "w+") else 1)


@each_array
def test_mapped_arrays_are_the_same(array: Any, tmp_path: Path) -> None:
    dump([array, 1], tmp_path / "file")
    found = load(tmp_path / "file", mmap_mode="r")[0]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    is_mapped = not array.dtype.hasobject and type(array) is not np.ma.MaskedArray
    assert isinstance(found, np.memmap) == is_mapped


def test_a_map_outlives_its_file(tmp_path: Path) -> None:
    dump(np.arange(3), tmp_path / "file")
    mapped = load(tmp_path / "file", mmap_mode="r")
    dump(mapped + 1, tmp_path / "file")
    assert mapped.tolist() == [0, 1, 2]
    assert load(tmp_path / "file").tolist() == [1, 2, 3]
    writable = load(tmp_path / "file", mmap_mode="r+")
    dump(writable, tmp_path / "file")  # onto itself
    assert load(tmp_path / "file").tolist() == [1, 2, 3]


def test_a_short_file_is_not_mapped(tmp_path: Path) -> None:
    path = tmp_path / "file"
    dump(np.arange(1000), path)
    size = path.stat().st_size
    os.truncate(path, size - 100)
    for mode in ("r", "r+", "c"):
        with pytest.raises(ValueError, match=f"{path}.*expected 8000 bytes got 7"):
            load(path, mmap_mode=mode)
    assert path.stat().st_size == size - 100


def test_when_maps_are_not_possible(tmp_path: Path) -> None:
    path = str(tmp_path / "file")
    array = np.arange(5)
    dump(array, path, compress=1)
    with pytest.warns(UserWarning, match=f'compressed file {path}. "r" flag will be'):
        assert type(load(path, mmap_mode="r")) is np.ndarray
    buffer = io.BytesIO()
    dump(array, buffer)
    with pytest.warns(UserWarning, match="In memory persistence is not compatible"):
        assert_same(load(buffer, mmap_mode="r"), array)
    with pytest.raises(ValueError, match=r"Native byte ordering.*mmap_mode=r"):
        load(path, mmap_mode="r", ensure_native_byte_order=True)


def test_warnings_point_at_the_caller(tmp_path: Path) -> None:
    dump(1, tmp_path / "file", compress=1)
    with pytest.warns(UserWarning, match="flag will be ignored") as caught:
        load(tmp_path / "file", mmap_mode="r")
    assert [warning.filename for warning in caught] == [__file__]


# --- what `compress` may be ---


@pytest.mark.parametrize(
    ("name", "compress", "kind"),
    [
        ("x", 0, None),
        ("x", False, None),
        ("x", True, "zlib"),
        ("x", 3, "zlib"),
        ("x", np.int64(3), "zlib"),
        ("x", "gzip", "gzip"),
        ("x", ("bz2", 2), "bz2"),
        ("x", ("zstd", 19), "zstd"),
        ("x", ("lz4", 16), "lz4"),
        ("x", ("gzip", 0), None),
        ("x.z", 0, "zlib"),
        ("x.gz", 0, "gzip"),
        ("x.bz2", 3, "bz2"),
        ("x.xz", True, "xz"),
        ("x.lzma", False, "lzma"),
        ("x.lz4", 0, "lz4"),
        ("x.zst", 0, "zstd"),
        ("x.gz", "lz4", "lz4"),
        ("x.gz", ("zlib", 0), None),
    ],
)
def test_compress(name: str, compress: Any, kind: str | None, tmp_path: Path) -> None:
    dump("value", tmp_path / name, compress=compress)
    data = (tmp_path / name).read_bytes()
    assert data.startswith(_COMPRESSORS[kind].prefix if kind else b"\x80")
    assert load(tmp_path / name) == "value"


@pytest.mark.parametrize(
    ("compress", "message"),
    [
        (-1, 'Non valid compress level given: "-1"'),
        (10, 'Non valid compress level given: "10"'),
        ({}, 'Non valid compress level given: "{}"'),
        (("zlib", "x"), 'Non valid compress level given: "x"'),
        (("zstd", 23), 'Non valid compress level given: "23"'),
        (("zlib", 3, 1), "should contain exactly 2 elements"),
        (("rar", 3), 'Non valid compression method given: "rar"'),
        ("rar", 'Non valid compression method given: "rar"'),
    ],
)
def test_wrong_compress(compress: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        dump(1, tmp_path / "file", compress=compress)
    assert os.listdir(tmp_path) == []


def test_arguments_the_wrong_way_round() -> None:
    with pytest.raises(ValueError, match="Second argument should be a filename"):
        dump("foo", {})


def test_compressor_of_somebody_else(monkeypatch: Any, tmp_path: Path) -> None:
    """One that knows names for writing and file objects for reading, like most."""

    class Upside(io.BytesIO):
        def __init__(self, file: Any, mode: str) -> None:
            self.below = io.FileIO(file, mode) if isinstance(file, str) else file
            data = self.below.read()[5:] if mode == "rb" else b""
            super().__init__(data[::-1])
            self.is_writing = mode == "wb"

        def close(self) -> None:
            if self.is_writing and not self.closed:
                self.below.write(b"UP-->" + self.getvalue()[::-1])
                self.below.close()
            super().close()

    saved = dict(_COMPRESSORS)
    try:
        register_compressor("up", CompressorWrapper(Upside, b"UP-->", ".up"))
        dump(np.arange(5), tmp_path / "x.up")
        assert (tmp_path / "x.up").read_bytes().startswith(b"UP-->")
        assert load(tmp_path / "x.up").tolist() == [0, 1, 2, 3, 4]
    finally:
        _COMPRESSORS.clear()
        _COMPRESSORS.update(saved)


# --- subclasses ---


def test_save_sees_every_object() -> None:
    seen = []

    class Seeing(NumpyPickler):
        def save(self, obj: Any) -> Any:
            seen.append(obj)
            return super().save(obj)

    buffer, array = io.BytesIO(), np.arange(3)
    Seeing(buffer).dump({"key": [array, 1.5]})
    assert "key" in seen
    assert any(x is array for x in seen)
    assert load(buffer)["key"][0].tolist() == [0, 1, 2]


def test_dispatch_table() -> None:
    class Odd:
        pass

    buffer = io.BytesIO()
    pickler = NumpyPickler(buffer)
    pickler.dispatch_table = {Odd: lambda odd: (int, ("7",))}
    pickler.dump([Odd()])
    assert load(buffer) == [7]


def test_find_class_also_rules_arrays_of_objects(tmp_path: Path) -> None:
    class Careful(NumpyUnpickler):
        def find_class(self, module: str, name: str) -> Any:
            if module.split(".")[0] not in ("numpy", "joblib"):
                raise pickle.UnpicklingError(f"not {module}.{name}")
            return super().find_class(module, name)

    path = str(tmp_path / "file")
    for value, is_allowed in [
        (np.array([1, "a"], dtype=object), True),
        (np.array([os.getcwd], dtype=object), False),
        ([np.arange(2), os.getcwd], False),
    ]:
        dump(value, path)
        with open(path, "rb") as file:
            unpickler = Careful(path, file, ensure_native_byte_order=True)
            if is_allowed:
                assert unpickler.load().tolist() == value.tolist()
            else:
                with pytest.raises(pickle.UnpicklingError, match="not posix"):
                    unpickler.load()


# --- files of old joblibs ---


@pytest.fixture(scope="module")
def historic(tmp_path_factory: Any) -> Path:
    """The files that joblib's source distribution keeps of its own past."""
    folder: Path = tmp_path_factory.mktemp("joblib")
    got = subprocess.run(
        f"{sys.executable} -m pip download -q --no-deps --no-binary joblib "
        f"-d {folder} joblib==1.6.0".split(),
        check=False,
        capture_output=True,
        timeout=300,
    )
    archives = list(folder.glob("joblib-*.tar.gz"))
    if not archives:
        pytest.skip(f"pip cannot fetch joblib's source: {got.stderr.decode()[-200:]}")
    with tarfile.open(archives[0]) as archive:
        for member in archive:
            if "/joblib/test/data/" in member.name and member.isfile():
                data = archive.extractfile(member)
                assert data is not None
                (folder / os.path.basename(member.name)).write_bytes(data.read())
    return folder


def historic_value() -> list[Any]:
    """What joblib's create_numpy_pickle.py put into each."""
    return [
        np.arange(5, dtype="<i8"),
        np.arange(5, dtype="<f8"),
        np.array([1, "abc", {"a": 1, "b": 2}], dtype=object),
        np.arange(256, dtype=np.uint8).tobytes(),
        np.asarray([[0, 1, 2]], dtype="<i8"),
        "C'est l'\xe9t\xe9 !",
    ]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mmap_mode", [None, "r"])
def test_historic_files(historic: Path, mmap_mode: str | None) -> None:
    paths = [p for p in historic.iterdir() if "_pickle_py3" in p.name]
    paths = [p for p in paths if ".npy" not in p.name]
    assert len(paths) > 20
    for path in paths:
        found = load(path, mmap_mode=mmap_mode)
        for ours, expected in zip(found, historic_value(), strict=False):
            np.testing.assert_equal(ours, expected, err_msg=path.name)


def test_files_of_python_2(historic: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in historic.glob("*_py27_np1?.*"):
            if ".npy" not in path.name:
                with pytest.raises(ValueError, match="pickle generated with python 2"):
                    load(path)


def test_old_files_are_warned_about(historic: Path) -> None:
    for name in ("joblib_0.9.2_pickle_py35_np19.pkl",
                 "joblib_0.9.2_compressed_pickle_py35_np19.gz"):  # fmt: skip
        path = historic / name
        with pytest.warns(
            DeprecationWarning, match=f"'{path}'.*less than 0.10"
        ) as caught:
            load(path)
        assert caught[0].filename == __file__
