"""A cache that is shared with joblib: each finds what the other has stored."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from cjoblib import Memory, register_store_backend
from cjoblib._store_backends import (
    FileSystemStoreBackend,
    StoreBackendBase,
    StoreBackendMixin,
)
from cjoblib.memory import _STORE_BACKENDS, CacheWarning

MODULE = """
import numpy as np

def simple(x, y=2):
    print("ran")
    return x + y

def arrays(a, **more):
    print("ran")
    return {"twice": a * 2, "more": more}

def keyword_only(a, *rest, b="b"):
    print("ran")
    return a, rest, b

class Outer:
    @staticmethod
    def inner(x):
        print("ran")
        return [x]
"""

CALLS = """
import sys
sys.dont_write_bytecode = True
import numpy as np
import shared
name, options = sys.argv[1:3]
if name == "joblib":
    from joblib import Memory
    memory = Memory("cache", verbose=0, **eval(options))
else:
    from cjoblib import Memory
    memory = Memory("cache", backend="joblib", verbose=0, **eval(options))
a = np.arange(12.0).reshape(3, 4)
print(memory.cache(shared.simple)(1), memory.cache(shared.simple)(1, 5))
print(memory.cache(shared.arrays)(a, k=[1])["twice"].sum())
print(memory.cache(shared.arrays)(a.T, k="x")["twice"].sum())
print(*memory.cache(shared.keyword_only)(1, 2, 3, b=4))
print(memory.cache(shared.Outer.inner)(3))
print(memory.cache(shared.simple, ignore=["y"])(7, 8))
print(memory.cache(np.cos)(0.0))
print(memory.cache(shared.simple).check_call_in_cache(1))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "shared.py").write_text(MODULE)
    (tmp_path / "calls.py").write_text(CALLS)
    return tmp_path


def run(folder, name, options="{}"):
    done = subprocess.run(
        [sys.executable, "calls.py", name, options],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr, done.stderr
    return done.stdout.split()


@pytest.mark.parametrize("options", ["{}", "{'compress': 3}", "{'mmap_mode': 'r'}"])
@pytest.mark.parametrize("pair", [("joblib", "cjoblib"), ("cjoblib", "joblib")])
def test_each_serves_what_the_other_computed(folder, pair, options):
    first, second = (run(folder, name, options) for name in pair)
    assert first.count("ran") == 7
    assert "ran" not in second
    assert [word for word in first if word != "ran"] == second
    names = {p.name for p in (folder / "cache").rglob("*") if p.is_file()}
    assert names == {"func_code.py", "metadata.json", "output.pkl", ".gitignore"}


def test_both_at_once(folder):
    """Several processes of either library, on one empty folder."""
    command = [sys.executable, "calls.py"]
    running = [
        subprocess.Popen(
            [*command, name, "{}"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("joblib", "cjoblib") * 3
    ]
    results = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * 6, results
    values = [
        [w for w in out.split() if w not in ("ran", "False")] for out, _ in results
    ]
    assert all(value[:-1] == values[0][:-1] for value in values)
    assert "ran" not in run(folder, "cjoblib")
    assert "ran" not in run(folder, "joblib")


def test_a_damaged_result_is_computed_again(tmp_path):
    memory = Memory(tmp_path, backend="joblib", verbose=0)
    calls = []
    cached = memory.cache(lambda x: calls.append(x) or [x])
    cached(1)
    said = []
    cached.warn = said.append
    (path,) = tmp_path.rglob("output.pkl")
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert cached(1) == [1]
    assert len(said) == len(whole) == len(calls) - 1
    assert all("Exception while loading results" in text for text in said)


def test_lost_metadata_with_a_callback(tmp_path):
    from cjoblib import expires_after

    memory = Memory(tmp_path, backend="joblib", verbose=0)
    calls = []
    cached = memory.cache(
        lambda x: calls.append(x) or x, cache_validation_callback=expires_after(days=1)
    )
    assert [cached(1), cached(1)] == [1, 1]
    (path,) = tmp_path.rglob("metadata.json")
    path.unlink()
    assert [cached(1), cached(1)] == [1, 1]
    assert calls == [1, 1]


def test_a_result_that_cannot_be_pickled_leaves_nothing(tmp_path):
    class Fails:
        def __reduce__(self):
            raise RuntimeError("no")

    memory = Memory(tmp_path, backend="joblib", verbose=0)
    cached = memory.cache(lambda: [b"x" * 100_000, Fails()])
    with pytest.warns(CacheWarning, match=rf"{tmp_path}.*RuntimeError: no") as caught:
        cached()
    assert len(caught) == 1
    assert not cached.check_call_in_cache()
    assert [p for p in tmp_path.rglob("output*")] == []


# --- stores of others ----------------------------------------------------------------


class DictFile:
    """A file of a store that lives in a dict."""

    def __init__(self, files, name, mode):
        import io

        self.files, self.name, self.mode = files, name, mode
        self.buffer = io.BytesIO(files[name] if "r" in mode else b"")

    def __getattr__(self, name):
        return getattr(self.buffer, name)

    def __enter__(self):
        return self.buffer

    def __exit__(self, kind, *_):
        if "w" in self.mode and kind is None:
            self.files[self.name] = self.buffer.getvalue()


class DictStore(StoreBackendBase, StoreBackendMixin):
    """What a store for a cloud has: these methods, and no attribute but `location`."""

    files: dict[str, bytes] = {}  # noqa: RUF012

    def _open_item(self, f, mode):
        if "r" in mode and f not in self.files:
            raise FileNotFoundError(f)
        return DictFile(self.files, f, mode)

    def _item_exists(self, location):
        return any(f == location or f.startswith(location + "/") for f in self.files)

    def _move_item(self, src, dst):
        self.files[dst] = self.files.pop(src)

    def create_location(self, location):
        pass

    def clear_location(self, location):
        for name in [f for f in self.files if f.startswith(location)]:
            del self.files[name]

    def get_items(self):
        return []

    def configure(self, location, verbose=0, backend_options=None):
        self.location = location
        self.given = dict(backend_options)


@pytest.fixture
def dict_store(monkeypatch):
    monkeypatch.setattr(DictStore, "files", {})
    register_store_backend("dict", DictStore)
    yield DictStore
    del _STORE_BACKENDS["dict"]


def test_a_store_of_others(dict_store):
    options = {"bucket": "b"}
    memory = Memory("place", backend="dict", verbose=0, backend_options=options)
    assert memory.store_backend.given["bucket"] == "b"
    calls = []

    @memory.cache
    def f(x):
        calls.append(x)
        return x * 2

    array = np.arange(5)
    assert [f(2), f(2)] == [4, 4]
    np.testing.assert_array_equal(f(array), f(array))
    assert len(calls) == 2
    assert f.check_call_in_cache(2)
    shelved = f.call_and_shelve(2)
    assert shelved.get() == 4
    assert shelved.metadata["input_args"] == {"x": "2"}
    shelved.clear()
    assert not f.check_call_in_cache(2)
    f.clear()
    assert f(2) == 4
    memory.clear()
    assert not dict_store.files
    assert f(2) == 4


def test_a_store_is_looked_up_at_each_use(dict_store):
    _STORE_BACKENDS["dict"] = FileSystemStoreBackend
    with pytest.raises(TypeError, match="Unknown location place.* or backend tape"):
        Memory("place", backend="tape")


def test_the_layout_of_the_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    by_name = Memory("there", backend="joblib", verbose=0)
    assert by_name.location == "there"
    assert by_name.store_backend.location == os.path.join("there", "joblib")
    by_path = Memory(Path("here"), backend="joblib", verbose=0)
    assert by_path.store_backend.location == "here"
    by_path.cache(textwrap.dedent)
    assert (tmp_path / "here" / "textwrap" / "dedent").is_dir()
    for name in ("there", "here"):
        text = (tmp_path / name / ".gitignore").read_text()
        assert text == "# Created by joblib automatically.\n*\n"


def test_code_written_for_joblib_goes_on_with_its_cache(folder):
    """Standing in for joblib, the usual store is joblib's."""
    (folder / "as_joblib.py").write_text(
        "import cjoblib\ncjoblib.install_as_joblib()\n"
        "from pathlib import Path\nexec(Path('calls.py').read_text())\n"
    )
    first = run(folder, "joblib")
    done = subprocess.run(
        [sys.executable, "as_joblib.py", "joblib", "{'backend_options': {'x': 1}}"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [word for word in first if word != "ran"]


def test_entries_of_a_shared_cache(tmp_path):
    memory = Memory(str(tmp_path), backend="joblib", verbose=0)
    memory.cache(textwrap.dedent)("  a")
    (entry,) = memory.entries()
    assert entry.func_id == "textwrap/dedent"
    assert entry.input_args == {"text": "'  a'"}
    assert memory.info()["functions"] == {"textwrap/dedent": 1}
