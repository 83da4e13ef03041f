"""`Memory` beyond joblib's: keys, ages, bounds, reports; mapped and packed results."""

import copy
import datetime
import os
import pickle
import threading
import time

import numpy as np
import pytest

from cjoblib import MemorizedResult, Memory, _core, expires_after
from cjoblib import hash as joblib_hash
from cjoblib.memory import CacheWarning, NotMemorizedFunc, NotMemorizedResult


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache", verbose=0)


def counted(memory, **options):
    calls = []

    def function(x, y=2):
        calls.append(x)
        return [x, y]

    return memory.cache(function, **options), calls


# --- options ---------------------------------------------------------------------------


def test_a_key_of_ones_own(memory):
    f, calls = counted(memory, key=lambda x, y=2: (str(x).lower(), y))
    assert f("A") == f("a") == f("a", y=2) == ["A", 2]
    assert f("b") == ["b", 2]
    assert calls == ["A", "b"]


def test_results_that_are_too_old(memory, monkeypatch):
    f, calls = counted(memory, ttl=datetime.timedelta(seconds=100))
    now = time.time()
    for later, n_calls in ((0, 1), (50, 1), (101, 2), (102, 2), (150, 2), (250, 3)):
        monkeypatch.setattr(time, "time", lambda later=later: now + later)
        assert f(1) == [1, 2]
        assert len(calls) == n_calls
    monkeypatch.setattr(time, "time", lambda: now + 400)
    assert not f.check_call_in_cache(1)


def test_a_callback_sees_joblibs_metadata(memory):
    seen = []
    f, calls = counted(
        memory,
        cache_validation_callback=lambda about: seen.append(about) or len(seen) < 3,
    )
    for _ in range(4):
        assert f(5) == [5, 2]
    assert len(calls) == 2
    assert [set(about) for about in seen] == [{"duration", "input_args", "time"}] * 3
    assert seen[0]["input_args"] == {"x": "5", "y": "2"}
    g, calls = counted(memory, cache_validation_callback=expires_after(days=1))
    assert g(6) == g(6)
    assert len(calls) == 1


def test_calls_that_take_little_time_are_not_kept(memory):
    f, calls = counted(memory, min_seconds=1000)
    assert f(1) == f(1) == [1, 2]
    assert calls == [1, 1]
    assert isinstance(f.call_and_shelve(1), NotMemorizedResult)
    assert memory.check().entries == 0


def test_options_of_the_memory_hold_for_its_functions(tmp_path):
    memory = Memory(tmp_path, verbose=0, min_seconds=1000)
    f, _ = counted(memory)
    g, _ = counted(memory, min_seconds=0)
    f(1), g(1)
    assert not f.check_call_in_cache(2)
    assert memory.check().entries == 1


def test_unknown_options_of_the_store(tmp_path):
    for backend in ("local", "joblib"):
        with pytest.raises(TypeError, match="typo"):
            Memory(tmp_path, backend, backend_options={"typo": 1})
    with pytest.raises(ValueError, match="no codec 'middle-out'"):
        Memory(tmp_path, compress="middle-out")
    with pytest.raises(ValueError, match="level"):
        Memory(tmp_path, compress=10)


def test_generators_are_refused_at_decoration(memory):
    def numbers():
        yield 1

    async def more():
        yield 1

    for function in (numbers, more):
        with pytest.raises(TypeError, match="generator function"):
            memory.cache(function)


# --- mapped and packed -------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_mapped_results(tmp_path, mode):
    memory = Memory(tmp_path, mmap_mode=mode, verbose=0)
    calls = []

    @memory.cache
    def make(n):
        calls.append(n)
        a = np.arange(float(n))
        fixed = np.ones(7)
        fixed.setflags(write=False)
        return {
            "a": a,
            "f": np.ones((3, 2), order="F"),
            "t": np.zeros((2, 3, 4)).T,
            "empty": np.zeros((0, 3)),
            "o": np.array([None, "x"]),
            "n": n,
            "fixed": fixed,
        }

    for _ in range(3):
        found = make(1000)
        for name in ("a", "f", "t", "fixed"):
            assert isinstance(found[name], np.memmap)
            assert found[name].mode == ("r" if mode == "r" else "c")
        for name in ("a", "f", "t"):
            assert found[name].flags.writeable == (mode != "r")
        np.testing.assert_array_equal(found["a"], np.arange(1000.0))
        assert found["f"].flags.f_contiguous
        assert found["t"].shape == (4, 3, 2)
        assert found["empty"].shape == (0, 3)
        if mode != "r":
            found["a"][:] = 7  # the holder's own
    assert calls == [1000]
    assert memory.check().ok
    again = np.memmap(found["a"].filename, "f8", "r", found["a"].offset, (1000,))
    np.testing.assert_array_equal(again, np.arange(1000.0))


def test_mapped_for_one_function_alone(memory):
    plain = memory.cache(np.ones)
    mapped = memory.cache(np.ones, mmap_mode="r")
    assert type(plain(3)) is np.ndarray
    assert isinstance(mapped(3), np.memmap)
    assert type(plain(3)) is np.ndarray
    assert memory.check().entries == 1


def test_damage_of_a_mapped_entry_is_noticed(tmp_path):
    memory = Memory(tmp_path, mmap_mode="r", verbose=0)
    make = memory.cache(np.ones)
    expected = np.ones(1000)
    make(1000)
    (entry,) = memory.entries()
    for at in (10, entry.n_bytes // 2, entry.n_bytes - 1):
        (entry,) = memory.entries()
        with open(entry.path, "r+b") as file:
            file.seek(at)
            byte = file.read(1)[0]
            file.seek(at)
            file.write(bytes([byte ^ 1]))
        with pytest.warns(CacheWarning, match="damaged") as caught:
            np.testing.assert_array_equal(make(1000), expected)
        assert len(caught) == 1
        np.testing.assert_array_equal(make(1000), expected)


@pytest.mark.parametrize("compress", [True, 1, "lz4", ("zstd", 3), ("xz", 1), "gzip"])
def test_packed_results(tmp_path, compress):
    memory = Memory(tmp_path, compress=compress, verbose=0)
    calls = []

    @memory.cache
    def make(n):
        calls.append(n)
        return {"a": np.zeros(n), "b": [n, "x" * n]}

    for _ in range(2):
        found = make(50_000)
        np.testing.assert_array_equal(found["a"], np.zeros(50_000))
        assert found["b"] == [50_000, "x" * 50_000]
    found["a"][0] = 1  # writable
    assert calls == [50_000]
    assert memory.info()["bytes"] < 10_000
    with pytest.warns(UserWarning, match="cannot be memmapped"):
        Memory(tmp_path, compress=compress, mmap_mode="r")


# --- reports and removal -----------------------------------------------------------------


def test_entries_and_info(memory):
    f, _ = counted(memory)
    f(1), f("word", y=3), f("long" * 10_000)
    memory.cache(abs)(-1)
    entries = {e.input_args["x"][:6]: e for e in memory.entries()}
    assert set(entries) == {"1", "'word'", "-1", "'longl"}
    word = entries["'word'"]
    assert word.input_args == {"x": "'word'", "y": "3"}
    assert word.func_id.endswith("function")
    assert word.n_bytes == os.path.getsize(word.path)
    assert 0 <= word.duration < 100
    assert abs(datetime.datetime.now() - word.computed).total_seconds() < 1000
    assert len(entries["'longl"].input_args["x"]) <= 300
    info = memory.info()
    assert info["entries"] == 4
    assert info["bytes"] == sum(e.n_bytes for e in entries.values())
    assert sorted(info["functions"].values()) == [1, 3]


def test_a_huge_argument_is_not_made_a_text_of(memory):
    shown = []

    class Item(int):
        def __repr__(self):
            shown.append(1)
            return "item"

    class Loud(list):
        def __repr__(self):
            raise ValueError("asked for its text")

    memory.cache(len)([Item(i) for i in range(20_000)])
    assert memory.cache(len)(Loud([1])) == 1
    assert len(shown) < 2000
    texts = [entry.input_args for entry in memory.entries()]
    assert len(texts) == 2
    assert all(len(text) <= 300 for found in texts for text in found.values())


def test_removing_one_call(memory):
    f, _ = counted(memory)
    f(1), f(2)
    f.call_and_shelve(1).clear()
    assert (f.check_call_in_cache(1), f.check_call_in_cache(2)) == (False, True)
    for entry in memory.entries():
        MemorizedResult(memory.store_backend, (entry.func_id, entry.args_id)).clear()
    assert memory.info()["entries"] == 0


def test_reducing(memory):
    f, _ = counted(memory)
    for x in range(10):
        f(x)
    items = {item.path: item for item in memory.store_backend.get_items()}
    for age, path in enumerate(sorted(items)):
        used = time.time() - 3600 * (age + 1)
        os.utime(path, (used, used))
    memory.reduce_size()
    memory.reduce_size(items_limit=10, bytes_limit="1G")
    assert memory.info()["entries"] == 10
    memory.reduce_size(items_limit=7)
    assert {e.path for e in memory.entries()} == set(sorted(items)[:7])
    memory.reduce_size(age_limit=datetime.timedelta(hours=5.5))
    assert {e.path for e in memory.entries()} == set(sorted(items)[:5])
    memory.reduce_size(bytes_limit=0)
    assert memory.info()["entries"] == 0
    with pytest.raises(ValueError, match="positive"):
        memory.reduce_size(age_limit=datetime.timedelta(-1))


@pytest.mark.skipif(not hasattr(_core.Store, "reduce"), reason="a store without bounds")
def test_a_bound_that_is_kept(tmp_path):
    memory = Memory(tmp_path, verbose=0, max_bytes="20K")
    make = memory.cache(lambda n: b"x" * (1000 + n))
    for n in range(50):
        assert len(make(n)) == 1000 + n
        assert memory.info()["bytes"] <= 20 * 1024
    assert make.check_call_in_cache(49)
    assert not make.check_call_in_cache(0)
    assert memory.info()["entries"] >= 10
    with pytest.warns(CacheWarning, match="not stored.*too large"):
        make(20 * 1024)
    again = pickle.loads(pickle.dumps(memory))
    assert again.store_backend.options == {"max_bytes": 20 * 1024}
    for wrong in (0, -1, "a lot"):
        with pytest.raises(ValueError, match="max_bytes|Invalid literal"):
            Memory(tmp_path, max_bytes=wrong)


def test_mapped_results_in_use_are_young(tmp_path):
    memory = Memory(tmp_path, verbose=0, mmap_mode="r")
    make = memory.cache(np.ones)
    make(10), make(20)
    for entry in memory.entries():
        os.utime(entry.path, (1e9, 1e9))
    make(10), make(10)
    memory.reduce_size(items_limit=1)
    assert make.check_call_in_cache(10)
    assert not make.check_call_in_cache(20)


def test_durable(tmp_path):
    memory = Memory(tmp_path, verbose=0, durable=True)
    assert memory.cache(abs)(-1) == memory.cache(abs)(-1) == 1
    assert memory.check().ok


# --- copies --------------------------------------------------------------------------------


def module_level(x):
    return x + 1


def test_copies_are_alike(memory):
    f = memory.cache(module_level, ttl=1000)
    f(1)
    result = f.call_and_shelve(1)
    for thing in (memory, f, result):
        for other in (pickle.loads(pickle.dumps(thing)), copy.deepcopy(thing)):
            assert repr(other) == repr(thing)
            assert set(vars(other)) == set(vars(thing))
            assert joblib_hash(other) == joblib_hash(thing)
    assert pickle.loads(pickle.dumps(result)).get() == 2
    assert pickle.loads(pickle.dumps(f)).options.ttl == 1000


def test_the_text_of_a_result_is_the_result(memory):
    result = memory.cache(module_level).call_and_shelve(1)
    again = eval(repr(result), {"MemorizedResult": MemorizedResult})
    assert again.get() == 2
    assert repr(again) == repr(result)
    result.clear()
    with pytest.raises(KeyError, match="does not exist"):
        again.get()


def test_nothing_is_kept_without_a_location():
    f = Memory(None).cache(module_level)
    assert isinstance(f, NotMemorizedFunc)
    assert f.call(1) == (2, {})
    assert repr(f.call_and_shelve(1)) == "NotMemorizedResult(2)"
    assert list(Memory(None).entries()) == []
    assert Memory(None).check().ok


# --- one computation per key -----------------------------------------------------------------


def test_threads_compute_once(memory):
    calls = []
    entered, go_on = threading.Event(), threading.Event()

    @memory.cache
    def slow(x):
        calls.append(x)
        entered.set()
        assert go_on.wait(60)
        return [x]

    results = []
    threads = [
        threading.Thread(target=lambda: results.append(slow(1))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    go_on.set()
    for thread in threads:
        thread.join()
    assert results == [[1]] * 8
    assert calls == [1]


def test_a_failure_is_not_shared(memory):
    calls = []
    together = threading.Barrier(4)

    @memory.cache
    def fails(x):
        calls.append(x)
        raise KeyError(x)

    def work():
        together.wait(60)
        with pytest.raises(KeyError):
            fails(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [1] * 4


def test_nested_and_crossed_calls_end(memory):
    """a(1) needs b(1), and b(1) needs a(1) of another thread: no wait for ever."""
    inside = threading.Barrier(2)

    @memory.cache
    def a(x, depth):
        if depth:
            inside.wait(60)
            return b(x, 0) + 1
        return 1

    @memory.cache
    def b(x, depth):
        if depth:
            inside.wait(60)
            return a(x, 0) + 1
        return 1

    results = []
    threads = [
        threading.Thread(target=lambda f=f: results.append(f(1, 1))) for f in (a, b)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == [2, 2]


def test_a_fork_inside_a_computation(memory):
    @memory.cache
    def f(x):
        pid = os.fork()
        if pid == 0:
            os._exit(0 if inner(x) == -x else 1)
        return os.waitpid(pid, 0)[1]

    @memory.cache
    def inner(x):
        return -x

    assert f(3) == 0
    assert f(3) == 0
