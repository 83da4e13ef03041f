"""`Memory`: what is computed, what is served, and what never is."""

import copy
import functools
import gc
import os
import pickle
import re
import subprocess
import sys
import textwrap
import threading
import types
import weakref
from pathlib import Path

import numpy as np
import pytest

from cjoblib import Memory, _core
from cjoblib.memory import CacheWarning, MemorizedFunc


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache", verbose=0)


def counted(memory, **options):
    """A cached function and the list of the calls that were really made."""
    calls = []

    def function(a, b=2, *args, c=3, **kwargs):
        calls.append((a, b, args, c, kwargs))
        return [a, b, args, c, kwargs]

    return memory.cache(function, **options), calls


def entries(memory):
    """The files of entries."""
    root = Path(memory.location) / "cjoblib"
    return sorted(p for p in root.rglob("*") if p.is_file() and len(p.name) == 32)


# --- keys ------------------------------------------------------------------------------------


def test_second_call_is_served(memory):
    f, calls = counted(memory)
    assert f(1) == f(1) == [1, 2, (), 3, {}]
    assert len(calls) == 1
    assert memory.check().entries == 1


@pytest.mark.parametrize(
    "same",
    [
        [
            lambda f: f(1, 2),
            lambda f: f(1, b=2),
            lambda f: f(a=1, b=2),
            lambda f: f(b=2, a=1),
        ],
        [lambda f: f(1), lambda f: f(1, 2), lambda f: f(1, c=3)],
        [lambda f: f(1, 2, 5, 6), lambda f: f(*[1, 2, 5, 6])],
        [lambda f: f(1, x=1, y=2), lambda f: f(1, y=2, x=1)],
    ],
)
def test_calls_that_bind_alike_are_one(memory, same):
    f, calls = counted(memory)
    results = [call(f) for call in same]
    assert all(r == results[0] for r in results)
    assert len(calls) == 1


def test_different_arguments_are_different_calls(memory):
    f, calls = counted(memory)
    variants = [1, 1.0, True, "1", b"1", None, (1,), [1], {1}, {1: 1}, -0.0, 0.0, 2**70]
    for value in variants:
        assert f(value)[0] == value
    f(1, 2, 3)
    f(1, b=3)
    f(1, c=2)
    f(1, z=3)
    assert len(calls) == len(variants) + 4


def test_positional_only_and_keyword_only(memory):
    def g(a, /, b, *, c=1):
        return a, b, c

    cached = memory.cache(g)
    assert cached(1, 2) == cached(1, b=2) == cached(1, c=1, b=2) == (1, 2, 1)
    assert memory.check().entries == 1
    with pytest.raises(ValueError, match="Wrong number of arguments for g"):
        cached(a=1, b=2)


def test_many_parameters(memory):
    names = [f"p{i}" for i in range(60)]
    space = {}
    exec(f"def wide({', '.join(names)}):\n    return {' + '.join(names)}", space)
    cached = memory.cache(space["wide"])
    assert (
        cached(*range(60))
        == cached(**{n: i for i, n in enumerate(names)})
        == sum(range(60))
    )
    assert memory.check().entries == 1


def test_a_call_that_does_not_fit(memory):
    f, calls = counted(memory)
    for bad in (lambda: f(), lambda: f(1, a=1)):
        with pytest.raises(ValueError, match="function"):
            bad()
    with pytest.raises(TypeError):
        memory.cache(len)(1, 2)
    assert calls == []
    assert memory.check().entries == 0


def test_ignored_arguments_make_no_difference(memory):
    f, calls = counted(memory, ignore=["b", "**"])
    assert f(1, 2, x=1) == f(1, 99) == [1, 2, (), 3, {"x": 1}]
    assert f(2, 2)[0] == 2
    assert len(calls) == 2
    with pytest.raises(ValueError, match="Ignore list: argument 'q' is not defined"):
        counted(memory, ignore=["q"])


def test_arrays(memory):
    calls = []

    @memory.cache
    def double(x):
        calls.append(x.shape)
        return x * 2

    a = np.arange(12.0).reshape(3, 4)
    first, second = double(a), double(a.copy())
    np.testing.assert_array_equal(first, a * 2)
    np.testing.assert_array_equal(second, a * 2)
    assert second.flags.writeable
    second[0, 0] = 7  # the holder's own
    np.testing.assert_array_equal(double(a), a * 2)
    double(a.reshape(4, 3))
    double(a.astype("f4"))
    assert calls == [(3, 4), (4, 3), (3, 4)]


@pytest.mark.parametrize("size", [0, 1, 1000, 300_000])
def test_results_of_every_size_come_back(memory, size):
    data = np.random.default_rng(0).integers(0, 255, size, dtype="u1")
    cached = memory.cache(
        lambda kind: {"array": data, "bytes": data.tobytes(), "kind": kind}
    )
    for _ in range(2):
        result = cached("x")
        np.testing.assert_array_equal(result["array"], data)
        assert result["bytes"] == data.tobytes()


# --- functions of every kind ---------------------------------------------------------------


def test_kinds_of_callables(memory):
    class Adder:
        def __init__(self, n):
            self.n = n

        def add(self, x):
            return self.n + x

        def __call__(self, x):
            return self.n * x

    assert [memory.cache(Adder(n).add)(1) for n in (1, 2, 1)] == [2, 3, 2]
    assert [memory.cache(functools.partial(pow, n))(2) for n in (2, 3, 2)] == [4, 9, 4]
    assert memory.cache(np.square)(3) == memory.cache(np.square)(3) == 9
    assert memory.cache(len)([1, 2]) == memory.cache(len)([1, 2]) == 2
    assert memory.check().entries == 6


def test_two_lambdas_of_one_line(memory):
    f, g = memory.cache(lambda x: x + 1), memory.cache(lambda x: x + 2)
    assert (f(1), g(1), f(1), g(1)) == (2, 3, 2, 3)


def test_methods_bind(memory):
    class Thing:
        def __init__(self, n):
            self.n = n

        @memory.cache
        def plus(self, x):
            return self.n + x

    assert (Thing(1).plus(1), Thing(5).plus(1), Thing(1).plus(1)) == (2, 6, 2)
    assert memory.check().entries == 2


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../../../y",
        "/abs",
        "a/b",
        "nul\0",
        "x" * 600,
        "\N{SNOWMAN}",
        "\ud800",
        ".",
    ],
)
def test_hostile_names_stay_inside(tmp_path, name):
    def f(x):
        return x

    other = types.FunctionType(f.__code__, {})
    for function, module, qualname in ((f, name, "f"), (other, "m", name)):
        function.__module__, function.__qualname__ = module, qualname
        function.__name__ = qualname
    memory = Memory(tmp_path / "a" / "cache", verbose=0)
    for function in (f, other):
        cached = memory.cache(function)
        assert cached(1) == cached(1) == 1
        assert cached.check_call_in_cache(1)
    outside = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(entries(memory)) == 2
    assert all(p.is_relative_to(memory.location) for p in outside)


def test_decorator_forms_and_metadata(memory):
    @memory.cache(ignore=["verbose"])
    def documented(x, verbose=False):
        """Say it."""
        return x

    assert isinstance(documented, MemorizedFunc)
    assert (documented.__name__, documented.__doc__) == ("documented", "Say it.")
    assert documented.ignore == ["verbose"]
    assert documented.func(4) == documented(4) == 4
    assert memory.cache(documented).func is documented.func
    assert "documented" in repr(documented)
    with pytest.raises(TypeError, match="needs a callable"):
        memory.cache(3)


def test_changed_code_is_computed_anew(tmp_path):
    module = tmp_path / "changing.py"
    program = (
        "import sys; sys.dont_write_bytecode = True; from cjoblib import Memory; import changing; "
        "print(Memory('cache', verbose=0).cache(changing.f)(2))"
    )

    def run(body):
        module.write_text(f"def f(x):\n    print('computed')\n    return {body}\n")
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert run("x + 1") == ["computed", "3"]
    assert run("x + 1") == ["3"]
    assert run("x + 2") == ["computed", "4"]


def test_copies_pickles_and_weak_references(memory):
    f = memory.cache(abs)
    f(-3)
    for other in (pickle.loads(pickle.dumps(f)), copy.copy(f), copy.deepcopy(f)):
        assert other(-3) == 3
        assert other.check_call_in_cache(-3)
    again = pickle.loads(pickle.dumps(memory))
    assert again.location == memory.location
    assert again.cache(abs).check_call_in_cache(-3)
    reference = weakref.ref(f)
    del f, other
    gc.collect()
    assert reference() is None


# --- the interface ---------------------------------------------------------------------------


def test_no_location_is_transparent():
    memory = Memory(None)
    f, calls = counted(memory)
    assert f(1) == f(1)
    assert len(calls) == 2
    assert not f.check_call_in_cache(1)
    f.clear()
    memory.clear()
    assert memory.eval(pow, 2, 3) == 8


def test_check_call_clear(memory):
    f, calls = counted(memory)
    g = memory.cache(abs)
    f(1)
    g(-1)
    assert f.check_call_in_cache(1)
    assert not f.check_call_in_cache(2)
    value, metadata = f.call(1)
    assert value == f(1)
    assert set(metadata) == {"duration", "input_args", "time"}
    assert len(calls) == 2
    f.clear()
    assert not f.check_call_in_cache(1)
    assert g.check_call_in_cache(-1)
    memory.clear()
    assert not g.check_call_in_cache(-1)
    assert g(-1) == 1
    assert memory.eval(abs, -1) == 1


def test_cachedir_is_the_old_name(tmp_path):
    with pytest.warns(DeprecationWarning, match="location"):
        assert Memory(cachedir=str(tmp_path)).location == str(tmp_path)
    with pytest.raises(ValueError, match="cachedir"):
        Memory(tmp_path, cachedir=tmp_path)
    with pytest.warns(UserWarning, match="int as a location is not supported"):
        assert Memory(3).store_backend is None


def test_unknown_backend(tmp_path):
    with pytest.raises(TypeError, match="Unknown location.*tape.*local"):
        Memory(tmp_path, backend="tape")


def test_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    memory = Memory("~/c", verbose=0)
    assert memory.store_backend.location == str(tmp_path / "c" / "cjoblib")
    assert memory.location == "~/c"


def test_messages(tmp_path, capsys):
    def shout(word, times=2):
        return word * times

    quiet, loud = (Memory(tmp_path, verbose=v).cache(shout) for v in (1, 11))
    quiet("ha")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "_" * 80
    assert lines[1].startswith("[Memory] Calling ")
    assert lines[1].endswith("shout...")
    assert lines[2] == "shout('ha')"
    assert re.fullmatch(r"_+shout - \d+\.\ds, \d+\.\dmin", lines[3])
    assert len(lines[3]) == 80
    quiet("ha")
    assert capsys.readouterr().out == ""
    loud("ha")
    out = capsys.readouterr().out
    assert "Loading shout from " in out
    assert re.search(r"shout cache loaded - \d+\.\ds, \d+\.\dmin", out)


# --- never fail, never wrong ---------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 9, 40, -20, -1])
def test_damaged_entry_is_computed_again(memory, at):
    f, calls = counted(memory)
    f(1)
    (path,) = entries(memory)
    data = bytearray(path.read_bytes())
    data[at] ^= 0x10
    path.write_bytes(data)
    with pytest.warns(CacheWarning, match=path.name):
        assert f(1) == [1, 2, (), 3, {}]
    assert len(calls) == 2
    assert f(1) == [1, 2, (), 3, {}]
    assert len(calls) == 2
    assert memory.check().corrupt == 0


def test_truncated_entry_is_computed_again(memory):
    f, calls = counted(memory)
    f(1)
    (path,) = entries(memory)
    whole = path.read_bytes()
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        with pytest.warns(CacheWarning, match=path.name):
            assert f(1) == [1, 2, (), 3, {}]
        assert path.read_bytes()[16:] != b""
    assert len(calls) == 1 + len(range(0, len(whole), 7))


def test_entry_whose_class_is_gone_is_computed_again(memory):
    class Gone:
        pass

    globals()["Gone"] = Gone
    Gone.__qualname__ = "Gone"
    cached = memory.cache(lambda: Gone())
    cached()
    del globals()["Gone"]
    with pytest.warns(CacheWarning) as caught:
        assert isinstance(cached(), Gone)
    assert any("could not be loaded" in str(w.message) for w in caught)


def test_result_that_cannot_be_stored(memory):
    cached = memory.cache(lambda: threading.Lock())
    with pytest.warns(CacheWarning, match="was not stored in .*lock") as caught:
        assert cached().acquire()
    assert len(caught) == 1
    assert memory.check().entries == 0


def test_argument_without_a_stable_hash_names_its_path(memory):
    with pytest.raises(Exception, match=r"lock") as caught:
        memory.cache(lambda options: 1)({"inner": [threading.Lock()]})
    assert "inner" in str(caught.value)


def test_exception_of_the_function_is_not_cached(memory):
    calls = []

    @memory.cache
    def fails(x):
        calls.append(x)
        raise KeyError(x)

    for _ in range(2):
        with pytest.raises(KeyError):
            fails(1)
    assert calls == [1, 1]
    assert memory.check().entries == 0


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    location = tmp_path / "file" / "cache"
    with pytest.warns(CacheWarning, match=str(location)) as caught:
        memory = Memory(location, verbose=0)
    assert len(caught) == 1
    f, calls = counted(memory)
    for n in (1, 2):
        with pytest.warns(CacheWarning, match=f"not stored in {location}") as caught:
            assert f(1)[0] == 1
        assert len(caught) == 1
        assert len(calls) == n


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a folder read-only by mounting")
def test_read_only_folder(tmp_path):
    location = tmp_path / "ro"
    location.mkdir()
    Memory(location, verbose=0).cache(abs)(-1)
    mount = ["mount", "--bind", str(location), str(location)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", str(location)], check=True)
        cached = Memory(location, verbose=0).cache(abs)
        assert cached(-1) == 1
        with pytest.warns(CacheWarning, match=str(location)) as caught:
            assert cached(-2) == 2
        assert len(caught) == 1
    finally:
        del cached
        subprocess.run(["umount", str(location)], check=True)


def test_location_removed_in_use(memory):
    import shutil

    f, calls = counted(memory)
    f(1)
    shutil.rmtree(memory.location)
    assert f(1) == f(1)
    assert len(calls) == 2


def test_threads_share_a_function(memory):
    f, _ = counted(memory)
    wrong = []

    def work():
        for i in range(50):
            if f(i) != [i, 2, (), 3, {}]:
                wrong.append(i)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert wrong == []
    assert memory.check().entries == 50


def test_interrupt_is_not_swallowed(memory):
    @memory.cache
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()


def test_no_references_or_descriptors_leak(memory):
    f, _ = counted(memory)
    a = np.arange(100.0)
    f(a)
    gc.collect()
    before = sys.getrefcount(a), len(os.listdir("/proc/self/fd"))
    for _ in range(200):
        f(a)
    gc.collect()
    assert (sys.getrefcount(a), len(os.listdir("/proc/self/fd"))) == before


# --- the C types themselves ----------------------------------------------------------------


def test_shelf(tmp_path):
    shelf = _core.Store(tmp_path).shelf("module/function", b"v" * 16)
    key = b"k" * 16
    assert shelf.get(key) == (_core.MISS, None, None)
    shelf.put(key, b"about", {"x": np.arange(3)})
    outcome, about, value = shelf.get(key)
    assert (outcome, about, value["x"].tolist()) == (0, b"about", [0, 1, 2])
    assert shelf.has(key)
    shelf.remove(key)
    shelf.remove(key)
    assert not shelf.has(key)
    assert shelf.path.startswith(str(tmp_path))


@pytest.mark.parametrize("key", [b"", b"x" * 15, "x" * 16, 3, None])
def test_wrong_keys(tmp_path, key):
    shelf = _core.Store(tmp_path).shelf("m/f", b"v" * 16)
    for use in (shelf.get, shelf.has, shelf.remove):
        with pytest.raises(ValueError, match="16 bytes"):
            use(key)
    with pytest.raises(ValueError, match="16 bytes"):
        shelf.put(key, b"", 1)


def test_wrong_names(tmp_path):
    store = _core.Store(tmp_path)
    for name in ("", "a//b", "/a", "a/"):
        with pytest.raises(OSError, match="Invalid argument"):
            store.shelf(name, b"v" * 16)
    with pytest.raises(ValueError, match="null"):
        store.shelf("a\0b", b"v" * 16)
    with pytest.raises(TypeError):
        _core.Memo(abs, None)
    with pytest.raises(TypeError):
        _core.Region()


def test_a_script_run_twice(tmp_path):
    """A function of `__main__` is known again by the next run of the same script."""
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent("""
        from cjoblib import Memory

        def f(x):
            print("computed")
            return x

        print(Memory("cache", verbose=0).cache(f)(3))
        """)
    )
    outputs = [
        subprocess.run(
            [sys.executable, str(script)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(2)
    ]
    assert outputs == [["computed", "3"], ["3"]]
