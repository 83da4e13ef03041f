"""What `dump` and `load` do beyond joblib's: checksums, rules, shuffled arrays."""

from __future__ import annotations

import io
import os
import pickle
import random
import shutil
import subprocess
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from cjoblib.numpy_pickle import NumpyArrayWrapper, dump, load

np = pytest.importorskip("numpy")
joblib = pytest.importorskip("joblib")

FOOTER_BYTES = 40
KINDS = ["zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd"]
SHUFFLED = ["blosc", "blosc:lz4", "blosc:zstd", "blosc:zlib", ("blosc:zstd", 9)]

each_codec = pytest.mark.parametrize("compress", [0, *KINDS, "blosc"])


def sample() -> Any:
    return {"array": np.arange(30), "objects": np.array([1, "b"], object), "text": "x"}


# --- the footer ---


@each_codec
def test_files_by_name_are_verified(compress: Any, tmp_path: Path) -> None:
    dump(sample(), tmp_path / "file", compress=compress)
    for verify in (True, False, "auto"):
        assert repr(load(tmp_path / "file", verify=verify)) == repr(sample())
    if compress not in ("zstd", "blosc"):
        assert repr(joblib.load(tmp_path / "file")) == repr(sample())
        joblib.dump(sample(), tmp_path / "file", compress=compress)
        assert repr(load(tmp_path / "file")) == repr(sample())
        with pytest.raises(ValueError, match="no footer"):
            load(tmp_path / "file", verify=True)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compress", [0, "zlib", "lz4", "blosc"])
def test_every_cut_is_noticed(compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    dump(sample(), path, compress=compress)
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        if compress in (0, "blosc") and n == len(data) - FOOTER_BYTES:
            assert repr(load(path)) == repr(sample())  # as joblib would write it
            continue
        with pytest.raises(Exception, match=str(path)):
            load(path)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compress", [0, "zlib", "lz4", "blosc"])
def test_no_flipped_bit_gives_a_wrong_value(compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "file"
    dump(sample(), path, compress=compress)
    data = bytearray(path.read_bytes())
    n_accepted = 0
    for at in range(len(data)):
        bit = 1 << random.Random(at).randrange(8)
        data[at] ^= bit
        path.write_bytes(data)
        data[at] ^= bit
        try:
            found = load(path)
        except Exception:
            continue
        assert repr(found) == repr(sample()), (at, bit)
        n_accepted += 1
    # A codec has bits that say nothing; a plain file has none.
    assert compress not in (0, "blosc") or n_accepted == 0


def test_large_files_are_verified_while_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    array = np.arange(2_000_000)
    dump(array, path)
    assert np.array_equal(load(path), array)
    with open(path, "r+b") as file:
        file.seek(10_000_001)
        file.write(b"\x01")
    with pytest.raises(pickle.UnpicklingError, match="damaged"):
        load(path)
    assert load(path, verify=False).shape == array.shape


def test_files_one_after_the_other(tmp_path: Path) -> None:
    """`cat` of files with footers: read back in turn, or the first by name."""
    for name in ("a", "b"):
        dump([name, np.arange(3)], tmp_path / name)
    both = (tmp_path / "a").read_bytes() + (tmp_path / "b").read_bytes()
    (tmp_path / "both").write_bytes(both)
    assert load(tmp_path / "both")[0] == "a"
    for file in (open(tmp_path / "both", "rb"), io.BytesIO(both)):
        with file:
            assert [load(file)[0], load(file)[0]] == ["a", "b"]
            assert file.read() == b""


def test_arrays_that_are_changed_in_place_have_no_checksum(tmp_path: Path) -> None:
    path = tmp_path / "file"
    dump(np.arange(5), path)
    mapped = load(path, mmap_mode="r+")
    mapped[0] = 7
    mapped.flush()
    assert load(path)[0] == 7
    assert joblib.load(path)[0] == 7


def test_an_array_that_changes_meanwhile_leaves_a_whole_file(tmp_path: Path) -> None:
    array = np.zeros(3_000_000)
    done = threading.Event()

    def change() -> None:
        while not done.is_set():
            array[:] += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for compress in (0, 1, "lz4"):
            dump(array, tmp_path / "file", compress=compress)
            assert load(tmp_path / "file", verify=True).shape == array.shape
    finally:
        done.set()
        thread.join()


# --- shuffled arrays ---


@pytest.mark.parametrize("compress", SHUFFLED)
@pytest.mark.parametrize(
    "array",
    [
        np.arange(100_000),
        np.asfortranarray(np.ones((30, 70))),
        np.arange(1000)[::-3],
        np.array(5.0),
        np.empty((0, 3)),
        np.array(["2020"], "M8[s]"),
        np.array([1, "b"], object),
        np.zeros(9, [("a", "i1"), ("b", "f8")]),
        np.zeros(3, "V300"),
    ],
    ids=repr,
)
def test_shuffled(array: Any, compress: Any, tmp_path: Path) -> None:
    dump([array, "end"], tmp_path / "file", compress=compress)
    found, end = load(tmp_path / "file", verify=True)
    assert end == "end"
    assert found.dtype == array.dtype
    assert found.flags.fnc == array.flags.fnc
    np.testing.assert_array_equal(found, array)


def test_shuffled_files_say_so_to_others(tmp_path: Path) -> None:
    dump(np.arange(5), tmp_path / "file", compress="blosc")
    with pytest.raises(ValueError, match="cjoblib.load"):
        joblib.load(tmp_path / "file")


def test_shuffled_is_no_codec_that_is_not_there(tmp_path: Path) -> None:
    for compress in ("blosc:none", "blosc:", ("blosc", 10), "bloscc"):
        with pytest.raises(ValueError, match="Non valid compress"):
            dump(1, tmp_path / "file", compress=compress)
    assert os.listdir(tmp_path) == []


# --- rules ---


class Call:
    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> Any:
        return self.call


NUMPY = ["numpy.ndarray", "numpy.dtype"]


@each_codec
def test_nothing_else_is_imported(compress: Any, tmp_path: Path) -> None:
    dump([np.arange(3), {"a"}], tmp_path / "plain", compress=compress)
    assert load(tmp_path / "plain", allow=NUMPY)[0].tolist() == [0, 1, 2]
    with pytest.raises(pickle.UnpicklingError, match=r"plain.*numpy.ndarray.*allowed"):
        load(tmp_path / "plain", allow=[])
    bad = Call(os.system, "exit 1")
    for value in (bad, [bad], np.array([bad], object), {"a": np.array([[bad]], "O")}):
        dump(value, tmp_path / "bad", compress=compress)
        with pytest.raises(
            pickle.UnpicklingError, match=r"bad: .*posix.system.*allowed"
        ):
            load(tmp_path / "bad", allow=["numpy.*", "collections.*"])


def test_wrappers_are_no_way_around(tmp_path: Path) -> None:
    """Only what NumPy itself says is an array's class, dtype or shape is taken."""

    def write(**changes: Any) -> None:
        wrapper = NumpyArrayWrapper(np.ndarray, (1,), "C", np.dtype("i8"))
        vars(wrapper).update(changes)
        with open(tmp_path / "file", "wb") as file:
            dump(wrapper, file)
            file.write(bytes(100))

    for changes in (
        {"subclass": dict},
        {"subclass": "ndarray"},
        {"dtype": "i8"},
        {"dtype": None},
        {"shape": [1]},
        {"shape": ("1",)},
        {"shape": (-1,)},
        {"shape": (1 << 40,)},
        {"shape": (1 << 62, 1 << 62)},
        {"shape": (1 << 62, 1 << 62, 0, 1 << 62)},
        {"order": 3},
    ):
        write(**changes)
        with pytest.raises((ValueError, pickle.UnpicklingError), match="file"):
            load(tmp_path / "file")


def test_an_arrays_own_file_is_beside_the_pickle(tmp_path: Path) -> None:
    """Of the format before 0.10: a name cannot lead elsewhere, objects are ruled."""
    from cjoblib.numpy_pickle_compat import NDArrayWrapper

    folder = tmp_path / "folder"
    folder.mkdir()
    np.save(tmp_path / "x.npy", np.arange(3))
    np.save(folder / "o.npy", np.array([Call(os.system, "exit 1")], object))
    np.save(folder / "y.npy", np.arange(3))

    def write(name: str) -> Path:
        data = pickle.dumps(NDArrayWrapper(name, np.ndarray), protocol=2)
        (folder / "pickle").write_bytes(data)
        return folder / "pickle"

    with pytest.raises(ValueError, match=r"\.\./x\.npy"):
        load(write("../x.npy"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert load(write("y.npy"), allow=NUMPY).tolist() == [0, 1, 2]
    with pytest.raises(pickle.UnpicklingError, match=r"posix.system.*allowed"):
        load(write("o.npy"), allow=["numpy.*"])


@pytest.mark.parametrize("compress", [*KINDS, "blosc"])
def test_bombs(compress: Any, tmp_path: Path) -> None:
    for value in (np.zeros(2_000_000), b"\0" * 16_000_000):
        if compress == "blosc" and isinstance(value, bytes):
            continue
        dump(value, tmp_path / "file", compress=compress)
        with pytest.raises(ValueError, match=r"file: it holds more than max_bytes"):
            load(tmp_path / "file", max_bytes=1_000_000)
        with open(tmp_path / "file", "rb") as file, pytest.raises(ValueError):
            load(file, max_bytes=1_000_000)
        assert len(load(tmp_path / "file", max_bytes=16_001_000)) == len(value)


def test_the_bound_is_of_the_data(tmp_path: Path) -> None:
    dump(b"x" * 100, tmp_path / "file", protocol=3)
    n_bytes = os.path.getsize(tmp_path / "file") - FOOTER_BYTES
    assert load(tmp_path / "file", max_bytes=n_bytes) == b"x" * 100
    with pytest.raises(ValueError, match="max_bytes"):
        load(tmp_path / "file", max_bytes=n_bytes - 1)


def test_wrong_arguments(tmp_path: Path) -> None:
    dump(1, tmp_path / "file")
    with pytest.raises(ValueError, match="verify"):
        load(tmp_path / "file", verify="yes")
    with pytest.raises(ValueError, match="max_bytes"):
        load(tmp_path / "file", max_bytes=-1)
    with pytest.raises(TypeError):
        load(tmp_path / "file", allow=3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads"):
        dump(1, tmp_path / "file", threads=0)
    assert load(tmp_path / "file") == 1


# --- with others ---


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("compress", [0, "zlib", "xz"])
def test_pandas_scipy_and_scikit_learn(
    compress: Any, protocol: int, tmp_path: Path
) -> None:
    pd = pytest.importorskip("pandas")
    sparse = pytest.importorskip("scipy.sparse")
    linear_model = pytest.importorskip("sklearn.linear_model")
    x = np.random.RandomState(0).rand(50, 3)
    model = linear_model.LinearRegression().fit(x, x[:, 0])
    frame = pd.DataFrame(
        {"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}
    )
    value = [frame, sparse.random(20, 20, 0.3, "csr", random_state=0), model]
    dump(value, tmp_path / "ours", compress=compress, protocol=protocol)
    joblib.dump(value, tmp_path / "theirs", compress=compress, protocol=protocol)
    for found in (joblib.load(tmp_path / "ours"), load(tmp_path / "theirs"),
                  load(tmp_path / "ours", verify=True)):  # fmt: skip
        pd.testing.assert_frame_equal(found[0], frame)
        assert (found[1] != value[1]).nnz == 0
        assert np.array_equal(found[2].predict(x), model.predict(x))


@pytest.mark.parametrize("program", ["gzip", "bzip2", "xz", "lzma", "lz4", "zstd"])
@pytest.mark.parametrize("n_members", [1, 2])
def test_files_of_programs(program: str, n_members: int, tmp_path: Path) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    if program == "lzma" and n_members > 1:
        pytest.skip("the format has one member only")
    value = {"a": np.arange(50_000), "b": "text"}
    joblib.dump(value, tmp_path / "plain")
    data = (tmp_path / "plain").read_bytes()
    cut = len(data) // n_members
    pieces = [data] if n_members == 1 else [data[:cut], data[cut:]]
    packed = [
        subprocess.run([program, "-c"], input=piece, capture_output=True, check=True)
        for piece in pieces
    ]
    (tmp_path / "packed").write_bytes(b"".join(done.stdout for done in packed))
    found = load(tmp_path / "packed")
    assert np.array_equal(found["a"], value["a"])
    assert found["b"] == "text"


# --- sizes and depths that are only claimed ---


@pytest.mark.parametrize(
    "data",
    [
        b"\x80\x04\x8e" + (1 << 36).to_bytes(8, "little"),
        b"\x80\x04\x8d" + (1 << 40).to_bytes(8, "little"),
        b"\x80\x05\x96" + (1 << 40).to_bytes(8, "little"),
        b"\x80\x04\x95" + (1 << 40).to_bytes(8, "little"),
        b"\x80\x02\x8b" + (-5 & 0xFFFFFFFF).to_bytes(4, "little"),
    ],
)
def test_claims(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(data + b"x" * 20)
    with pytest.raises((pickle.UnpicklingError, EOFError, OverflowError)):
        load(tmp_path / "file", max_bytes=1 << 30)


def test_depth(tmp_path: Path) -> None:
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    dump(value, tmp_path / "file")
    found = load(tmp_path / "file")
    depth = 0
    while found:
        found = found[0]
        depth += 1
    assert depth == 100_000
