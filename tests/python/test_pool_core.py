"""`_core.Pool` as Parallel and the executor use it: tasks one by one, and whole runs."""

import itertools
import os
import signal
import threading
import time

import pytest

from cjoblib import _core, _spawn

CAP = 60


@pytest.fixture
def pool():
    """Two workers; nothing of them is left afterwards."""
    made = open_pool(2)
    yield made
    pids = made.pids
    made.close()
    assert not [pid for pid in pids if is_alive(pid)]


def open_pool(n):
    variables = [f"{k}={v}" for k, v in _spawn.environment({}).items()]
    return _core.Pool(n, _spawn.command(), variables, _spawn.hello("loky", 0))


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def take(pool):
    event = pool.next(CAP)
    assert event is not None, "nothing came"
    return event


def outcome(run):
    """Results by index, and the other events."""
    results, others = {}, []
    while True:
        event = run.next(CAP)
        assert event is not None, "nothing came"
        kind, index, value, _, _ = event
        if kind == _core.END:
            assert index == run.n_taken == run.n_done
            return results, others
        if kind == _core.RESULTS:
            for at, result in enumerate(value, index):
                assert at not in results
                results[at] = result
        else:
            others.append(event)


def double(x):
    return 2 * x


def fail_at_multiples(x, n):
    if x % n == 0:
        raise ValueError(x)
    return x


def die_at(x, deadly, number=signal.SIGKILL):
    if x == deadly:
        os.kill(os.getpid(), number)
    return x


def die_the_first_time(path):
    try:
        with open(path, "x"):
            pass
    except FileExistsError:
        return "again"
    os._exit(3)


def keep_on(path):
    """Tell that it has begun, and go on for ever."""
    with open(path, "w"):
        pass
    while True:
        time.sleep(10)


def wait_for(path, pump):
    """Tasks move while somebody is in `pump`, next() or another wait."""
    deadline = time.monotonic() + CAP
    while not os.path.exists(path):
        assert time.monotonic() < deadline
        assert pump(0.005) in (None, False)


# --- one task at a time ----------------------------------------------------------------------


def test_tasks_come_back_with_their_numbers(pool):
    for number in range(100):
        pool.submit(number, divmod, (number, 7), {})
    events = sorted(take(pool) for _ in range(100))
    assert [e[:3] for e in events] == [
        (_core.RESULT, n, divmod(n, 7)) for n in range(100)
    ]
    assert {e[3] for e in events} <= set(pool.pids)
    assert pool.n_pending == 0


def test_what_a_task_raises_is_told(pool):
    pool.submit(1, fail_at_multiples, (0,), {"n": 1})
    kind, task, failure, _, _ = take(pool)
    assert (kind, task) == (_core.FAILURE, 1)
    assert failure[0] == "ValueError" and "fail_at_multiples" in failure[2]


def test_what_can_not_be_encoded_raises_at_once(pool):
    with pytest.raises(Exception, match="pickle"):
        pool.submit(1, print, (threading.Lock(),), {})
    assert pool.n_pending == 0


class Spiteful:
    def __reduce__(self):
        return explode, ()


def explode():
    if os.environ.get("CJOBLIB_WORKER_DEPTH", "0") == "0":
        raise ZeroDivisionError("only here")
    return Spiteful()


def test_a_result_that_can_not_be_read_costs_that_task(pool):
    pool.submit(1, Spiteful, (), {})
    kind, task, error, _, _ = take(pool)
    assert (kind, task) == (_core.UNREADABLE, 1)
    assert isinstance(error, ZeroDivisionError)
    run = pool.start(
        ((Spiteful if i == 5 else double, (i,) * (i != 5), {}) for i in range(9)), 4
    )
    results, others = outcome(run)
    run.cancel()
    assert sorted(results) == [0, 1, 2, 3, 4, 6, 7, 8]
    assert [(e[0], e[1]) for e in others] == [(_core.UNREADABLE, 5)]


def test_next_ends_with_its_time_and_when_woken(pool):
    begun = time.monotonic()
    assert pool.next(0.05) is None
    assert time.monotonic() - begun >= 0.05
    waker = threading.Thread(target=pool.wake)
    waker.start()
    assert pool.next() is None
    waker.join()
    pool.submit(1, double, (4,), {})
    assert take(pool)[2] == 8


def test_tasks_are_handed_in_while_another_thread_waits(pool):
    def hand_in():
        for number in range(200):
            pool.submit(number, double, (number,), {})

    thread = threading.Thread(target=hand_in)
    thread.start()
    seen = {event[1]: event[2] for event in (take(pool) for _ in range(200))}
    thread.join()
    assert seen == {n: 2 * n for n in range(200)}


def test_only_one_thread_waits(pool):
    failures = []

    def wait():
        try:
            if pool.next(CAP) is not None:
                failures.append("an event")
        except RuntimeError as error:
            failures.append(str(error))
            pool.wake()

    threads = [threading.Thread(target=wait) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == ["another thread waits for the pool"]


def test_take_back_what_has_not_begun(pool, tmp_path):
    paths = [tmp_path / "0", tmp_path / "1"]
    for number, path in enumerate(paths):
        pool.submit(number, keep_on, (str(path),), {})
    for path in paths:
        wait_for(path, pool.next)
    for number in range(2, 12):
        pool.submit(number, double, (number,), {})
    assert pool.has_begun(0) and not pool.has_begun(11)
    assert not pool.take_back(0)
    for number in (11, 2, 7):
        assert pool.take_back(number) and not pool.take_back(number)
    assert pool.n_pending == 9
    assert pool.cancel_task(0) and not pool.cancel_task(0)
    assert sorted(take(pool)[1] for _ in range(7)) == [3, 4, 5, 6, 8, 9, 10]
    assert pool.n_pending == 1
    pool.cancel()
    assert pool.n_pending == 0 and pool.next(0) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_death_names_task_and_signal(pool, number):
    pool.submit(1, die_at, (7, 7, number), {})
    kind, task, reason, pid, status = take(pool)
    assert (kind, task, reason) == (_core.DEATH, 1, None)
    assert os.WTERMSIG(status) == number and not is_alive(pid)
    pool.submit(2, double, (1,), {})
    assert take(pool)[:3] == (_core.RESULT, 2, 2)


def test_retries(pool, tmp_path):
    pool.set_policy(retries=2)
    pool.submit(5, die_the_first_time, (str(tmp_path / "x"),), {})
    kind, task, _, _, status = take(pool)
    assert (kind, task, os.WEXITSTATUS(status)) == (_core.RETRY, 5, 3)
    assert pool.n_pending == 1
    assert take(pool)[:3] == (_core.RESULT, 5, "again")
    pool.submit(6, die_at, (1, 1), {})
    assert [take(pool)[0] for _ in range(3)] == [_core.RETRY, _core.RETRY, _core.DEATH]
    assert pool.n_pending == 0


def test_a_task_that_takes_too_long_dies_alone(pool):
    """Functions for which nothing has to be imported: that would count."""
    pool.set_policy(task_timeout=0.5)
    pool.submit(1, time.sleep, (1000,), {})
    for number in range(2, 20):
        pool.submit(number, abs, (number,), {})
    events = sorted((take(pool) for _ in range(19)), key=lambda e: e[1])
    assert events[0][:2] == (_core.TIMEOUT, 1)
    assert [e[0] for e in events[1:]] == [_core.RESULT] * 18


def test_resize(pool):
    assert (pool.n_workers, len(pool.pids)) == (2, 2)
    pool.resize(4)
    for number in range(8):
        pool.submit(number, os.getpid, (), {})
    assert len({take(pool)[2] for _ in range(8)}) >= 1
    pool.resize(1)
    for number in range(8):
        pool.submit(number, os.getpid, (), {})
    last = [take(pool)[2] for _ in range(8)][-1]
    while len(pool.pids) > 1:
        assert pool.next(0.01) is None
    assert pool.pids == [last]
    for n in (0, -1, 10**6):
        with pytest.raises(ValueError, match=str(n)):
            pool.resize(n)


def test_a_closed_pool_says_so():
    pool = open_pool(1)
    pool.close()
    pool.close()
    for use in (pool.next, pool.wake, pool.cancel, lambda: pool.start([], 1)):
        with pytest.raises(RuntimeError, match="closed"):
            use()


# --- runs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [0, 1, 7, 1000])
@pytest.mark.parametrize("n", [0, 1, 5, 3000])
def test_run_gives_every_result_once(pool, n, batch_size):
    run = pool.start(((double, (i,), {}) for i in range(n)), 4, batch_size)
    results, others = outcome(run)
    assert results == {i: 2 * i for i in range(n)} and not others
    run.cancel()


def test_batches_grow_while_calls_are_short(pool):
    run = pool.start(((double, (i,), {}) for i in range(30000)), 4, stretch=True)
    results, _ = outcome(run)
    assert len(results) == 30000
    assert run.batch_size > 100
    run.cancel()


def slow_after(x, border):
    if x >= border:
        time.sleep(0.05)
    return os.getpid()


def test_batches_are_broken_up_when_calls_become_long(pool):
    """Both workers share the long ones, also when they were in one batch."""
    run = pool.start(((slow_after, (i, 2000), {}) for i in range(2040)), 4, 1020)
    results, _ = outcome(run)
    run.cancel()
    late = [results[i] for i in range(2000, 2040)]
    assert len(set(late)) == 2
    assert min(late.count(pid) for pid in set(late)) >= 8


def test_failures_keep_the_other_results(pool):
    run = pool.start(((fail_at_multiples, (i, 10), {}) for i in range(100)), 4, 7)
    results, others = outcome(run)
    run.cancel()
    assert sorted(results) == [i for i in range(100) if i % 10]
    assert sorted(e[1] for e in others) == list(range(0, 100, 10))
    assert all(e[0] == _core.FAILURE and e[2][0] == "ValueError" for e in others)


@pytest.mark.parametrize("batch_size", [1, 16])
def test_a_death_costs_one_call(pool, batch_size):
    run = pool.start(((die_at, (i, 37), {}) for i in range(100)), 4, batch_size)
    results, others = outcome(run)
    assert sorted(results) == [i for i in range(100) if i != 37]
    assert [(e[0], e[1]) for e in others] == [(_core.DEATH, 37)]
    assert run.function(37) is die_at
    run.cancel()


def test_calls_of_many_functions(pool):
    functions = [double, abs, str, lambda x: x - 1]
    calls = [(functions[i % 4], (i,), {}) for i in range(400)]
    run = pool.start(calls, 4, 10)
    results, others = outcome(run)
    run.cancel()
    assert not others
    assert results == {i: f(*args) for i, (f, args, _) in enumerate(calls)}


def test_what_can_not_be_encoded_costs_that_call(pool):
    calls = [(str, (threading.Lock() if i == 13 else i,), {}) for i in range(40)]
    results, others = outcome(run := pool.start(calls, 4, 8))
    run.cancel()
    assert sorted(results) == [i for i in range(40) if i != 13]
    ((kind, index, error, _, _),) = others
    assert (kind, index) == (_core.UNSENT, 13) and isinstance(error, TypeError)


def lock_at(x, at):
    return threading.Lock() if x == at else x


def test_a_result_that_can_not_be_encoded_costs_that_call(pool):
    calls = [(lock_at, (i, 13), {}) for i in range(40)]
    results, others = outcome(run := pool.start(calls, 4, 8))
    run.cancel()
    assert sorted(results) == [i for i in range(40) if i != 13]
    ((kind, index, failure, _, _),) = others
    assert (kind, index) == (_core.FAILURE, 13) and "lock" in failure[1]


def test_no_more_is_taken_than_may_lie_ahead(pool):
    taken = []

    def calls():
        for i in range(100):
            taken.append(i)
            yield double, (i,), {}

    run = pool.start(calls(), 6, 1, hold=True)
    seen = 0
    while (event := run.next(CAP))[0] != _core.END:
        assert len(taken) <= seen + 6
        run.release(len(event[2]))
        seen += len(event[2])
    assert seen == 100
    with pytest.raises(ValueError, match="0 are held"):
        run.release(1)
    run.cancel()


def test_what_the_iterable_raises_comes_out(pool):
    def calls():
        yield double, (1,), {}
        raise KeyError("mine")

    run = pool.start(calls(), 4)
    with pytest.raises(KeyError, match="mine"):
        outcome(run)
    run.cancel()
    with pytest.raises(TypeError, match="task 2 is not a"):
        outcome(run := pool.start([(abs, (1,), {})] * 2 + [abs], 4))
    run.cancel()


def test_a_run_that_is_dropped_is_forgotten(pool, tmp_path):
    run = pool.start(
        ((keep_on, (str(tmp_path / "x"),), {}) for _ in itertools.count()), 4, 1
    )
    assert run.next(0) is None
    wait_for(tmp_path / "x", run.next)
    with pytest.raises(RuntimeError, match="other tasks"):
        pool.start([], 1)
    del run
    assert pool.n_pending == 0
    results, _ = outcome(run := pool.start([(double, (4,), {})], 4))
    assert results == {0: 8}
    run.cancel()
    with pytest.raises(RuntimeError, match="over"):
        run.next()


def test_interrupt_reaches_whoever_waits(pool, tmp_path):
    run = pool.start([(keep_on, (str(tmp_path / "x"),), {})], 4)

    def interrupt():
        wait_for(tmp_path / "x", threading.Event().wait)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run.next(CAP)
    thread.join()
    run.cancel()
    assert pool.n_pending == 0
