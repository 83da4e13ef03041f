"""Arrays between processes: shared, in place, recycled, and never wrong."""

import gc
import os

import numpy as np
import pytest
from test_pool_core import open_pool, outcome

from cjoblib import _arrays, _core

LIMIT = 1_000_000
BIG = 300_000  # numbers, 2.4 MB


@pytest.fixture
def pool():
    made = open_pool(2)
    yield made
    made.close()


def run(pool, calls, mmap_mode="r", n_ahead=4, **options):
    """The results in their order."""
    reducer = _arrays.reducer(LIMIT, mmap_mode)
    made = pool.start(
        calls,
        n_ahead,
        block_bytes=LIMIT,
        reducer=reducer,
        mmap_mode=mmap_mode,
        **options,
    )
    results, others = outcome(made)
    made.cancel()
    assert not others, others
    return [results[i] for i in range(len(results))]


def about(array):
    return type(array).__name__, array.flags.writeable, float(array.sum()), os.getpid()


def double(array):
    return 2 * array


def write_first(array, value):
    array[0] = value
    return float(array[0])


_kept = []


def keep(array):
    _kept.append(array)
    return len(_kept)


def sum_of_kept():
    return [float(array.sum()) for array in _kept]


def test_big_arguments_arrive_in_place_and_read_only(pool):
    big, small = np.arange(BIG, dtype=float), np.ones(10)
    told = run(pool, [(about, (big,), {})] * 20 + [(about, (small,), {})])
    assert {t[:3] for t in told[:20]} == {("memmap", False, big.sum())}
    assert told[20][:3] == ("ndarray", True, 10.0)


def count_blocks():
    """Shared memory that this process has open."""
    links = []
    for fd in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:  # the listing's own
            continue
    return sum("memfd:cjoblib" in link for link in links)


def test_one_copy_serves_all_tasks_of_a_run(pool):
    before = count_blocks()
    same = np.ones(BIG)
    run(pool, [(about, (same,), {})] * 40, batch_size=1, n_ahead=40)
    assert count_blocks() <= before + 2
    each = [(about, (np.full(BIG, i),), {}) for i in range(10)]
    told = run(pool, each, batch_size=1, n_ahead=40)
    assert [t[2] for t in told] == [i * BIG for i in range(10)]


def test_a_changed_array_is_sent_anew_in_the_next_run(pool):
    big = np.zeros(BIG)
    for value in range(5):
        big[:] = value
        told = run(pool, [(about, (big,), {})] * 4)
        assert {t[2] for t in told} == {value * BIG}


def test_results_are_plain_writable_and_independent(pool):
    arrays = [np.full(BIG, i, dtype=float) for i in range(12)]
    for _ in range(3):  # the second time into blocks that were used before
        results = run(pool, [(double, (a,), {}) for a in arrays], batch_size=1)
        for i, result in enumerate(results):
            assert type(result) is np.ndarray and result.flags.writeable
            assert (result == 2 * i).all()
            result += 1
        assert [r[0] for r in results] == [2 * i + 1 for i in range(12)]
        kept = results[3]
        del results, result
        gc.collect()
    assert (kept == 7).all()


def test_results_in_one_batch(pool):
    results = run(pool, [(np.full, (BIG, i), {}) for i in range(30)], batch_size=10)
    assert all((result == i).all() for i, result in enumerate(results))


def test_an_array_that_a_worker_keeps_does_not_change(pool):
    for value in range(6):
        run(pool, [(keep, (np.full(BIG, float(value)),), {})] * 2, batch_size=1)
    sums = run(pool, [(sum_of_kept, (), {})] * 8, batch_size=1)
    seen = {total for result in sums for total in result}
    assert seen <= {value * BIG for value in range(6)}
    longest = max(sums, key=len)
    assert longest == sorted(longest)


@pytest.mark.parametrize(
    "mode, inside, after", [("r", None, 0), ("c", 7, 0), ("r+", 7, 7)]
)
def test_mmap_modes(pool, mode, inside, after):
    big = np.zeros(BIG)
    made = pool.start(
        [(write_first, (big, 7), {}), (write_first, (big, 7), {})],
        4,
        1,
        block_bytes=LIMIT,
        reducer=_arrays.reducer(LIMIT, mode),
        mmap_mode=mode,
    )
    results, others = outcome(made)
    made.cancel()
    if inside is None:
        assert not results
        assert {e[2][0] for e in others} == {"ValueError"}
    else:
        assert results == {0: inside, 1: inside}
    assert big[0] == 0  # the caller's own array is never written to


@pytest.mark.parametrize("order", ["C", "F"])
def test_shapes_and_types(pool, order):
    arrays = [
        np.asarray(np.arange(BIG * 2).reshape(600, 1000), order=order),
        np.zeros((3, 200_000), dtype=[("a", "<i4"), ("b", ">f8")], order=order),
        np.arange(BIG * 4).reshape(400, 3000)[::2, ::3],
        np.array([{"x": i} for i in range(200_000)]),
        np.empty((0, 5)),
    ]
    back = run(pool, [(np.copy, (a,), {"order": "K"}) for a in arrays], batch_size=1)
    for before, after in zip(arrays, back, strict=True):
        assert after.dtype == before.dtype and np.array_equal(before, after)


def test_buffers_of_others(pool):
    data = bytearray(os.urandom(3_000_000))
    from pickle import PickleBuffer

    (back,) = run(pool, [(bytes, (PickleBuffer(data),), {})])
    assert back == data


def test_more_arrays_than_a_task_has_blocks(pool):
    arrays = [np.full(BIG // 2, i, dtype=float) for i in range(40)]
    ((sums, back),) = run(pool, [(sums_and_all, (arrays,), {})])
    assert sums == [i * (BIG // 2) for i in range(40)]
    assert all((a == b).all() for a, b in zip(arrays, back, strict=True))


def sums_and_all(arrays):
    return [float(a.sum()) for a in arrays], arrays


def die_first(array, path):
    try:
        with open(path, "x"):
            os._exit(9)
    except FileExistsError:
        return float(array.sum())


def test_blocks_survive_the_death_of_a_worker(pool, tmp_path):
    big = np.ones(BIG)
    pool.set_policy(retries=1)
    made = pool.start(
        [(die_first, (big, str(tmp_path / "x")), {})],
        4,
        1,
        block_bytes=LIMIT,
        reducer=_arrays.reducer(LIMIT, "r"),
    )
    results, others = outcome(made)
    made.cancel()
    assert results == {0: BIG} and [e[0] for e in others] == [_core.RETRY]


def test_nothing_is_left_open(pool):
    """Descriptors and shared memory: what is kept warm has a bound."""
    big = np.ones(BIG)

    def once():
        assert len(run(pool, [(double, (big,), {})] * 6, batch_size=1)) == 6

    for _ in range(5):
        once()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(40):
        once()
    assert len(os.listdir("/proc/self/fd")) <= before + 4


def test_without_room_arrays_are_copied(pool, tmp_path):
    """A folder for the spill that does not exist changes nothing."""
    big = np.ones(BIG)
    told = run(pool, [(about, (big,), {})] * 3, spill_folder=tmp_path / "none")
    assert {t[2] for t in told} == {BIG}


def write_at(array, at, value):
    array[at] = value
    return type(array).__name__, float(array.sum())


def test_the_users_own_memmap_is_passed_by_reference(pool, tmp_path):
    mapped = np.memmap(
        tmp_path / "file", dtype="f8", mode="w+", shape=(2000,), offset=16
    )
    views = [mapped, mapped[500:], np.asarray(mapped)[1000:1500]]
    calls = [(write_at, (view, i, i + 1), {}) for i, view in enumerate(views)]
    told = run(pool, calls, batch_size=1)
    assert {t[0] for t in told} == {"memmap"}
    assert (mapped[0], mapped[501], mapped[1002]) == (1, 2, 3)
    assert mapped.sum() == 6
    private = np.memmap(
        tmp_path / "file", dtype="f8", mode="c", shape=(2000,), offset=16
    )
    private[0] = 50
    ((_, total),) = run(pool, [(write_at, (private, 1, 0), {})])
    assert total == 55 and mapped.sum() == 6
