"""`ProcessPoolExecutor`: what `concurrent.futures` promises, over our workers."""

import concurrent.futures
import gc
import operator
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from cjoblib.externals import loky
from cjoblib.externals.loky import process_executor as module

WAIT = 60  # seconds for what happens at once


@pytest.fixture
def executor():
    executor = warm(loky.ProcessPoolExecutor(2))
    yield executor
    executor.shutdown(kill_workers=True)
    assert executor._processes == {}


def warm(executor):
    """Both workers are there."""
    deadline = time.monotonic() + WAIT
    while len({executor.submit(os.getpid).result(WAIT) for _ in range(4)}) < 2:
        assert time.monotonic() < deadline
    return executor


@pytest.fixture
def gates(tmp_path):
    """FIFOs: who opens one for reading waits until another opens it for writing."""
    paths = [tmp_path / f"gate{n}" for n in range(2)]
    for path in paths:
        os.mkfifo(path)
    return paths


@pytest.fixture
def gate(gates):
    return gates[0]


def wait_at(gate, value=None):
    with open(gate) as stream:
        stream.read()
    return value


def open_up(*gates):
    for gate in gates:
        with open(gate, "w"):
            pass


def wait_until(condition):
    """For states that nobody tells of."""
    deadline = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def run(program, code=0):
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == code, done.stderr
    return done.stdout


# --- calls ---


def test_submit(executor):
    future = executor.submit(pow, 2, 8)
    assert isinstance(future, concurrent.futures.Future)
    assert future.result(WAIT) == 256
    assert future.done()
    assert not future.running()
    assert not future.cancelled()
    assert executor.submit(int, "ff", base=16).result(WAIT) == 255
    assert executor.submit(dict, fn=1, self=2).result(WAIT) == {"fn": 1, "self": 2}


def test_submit_needs_a_function(executor):
    with pytest.raises(TypeError):
        executor.submit()
    with pytest.raises(TypeError):
        executor.submit(fn=1)


def test_functions_that_can_not_be_imported(executor):
    offset = 10
    assert executor.submit(lambda x: x + offset, 1).result(WAIT) == 11


def test_other_processes_do_it(executor):
    pids = {executor.submit(os.getpid).result(WAIT) for _ in range(20)}
    assert os.getpid() not in pids
    assert pids <= set(executor._processes)
    assert len(executor._processes) == 2


def parse(text):
    return int(text)


def test_exception_keeps_its_type_and_says_where(executor):
    future = executor.submit(int, "many")
    with pytest.raises(ValueError, match="invalid literal.*many"):
        future.result(WAIT)
    cause = str(executor.submit(parse, "many").exception(WAIT).__cause__)
    assert "Traceback" in cause
    assert "in parse" in cause
    assert executor.submit(abs, -1).result(WAIT) == 1


def test_call_that_can_not_be_pickled(executor):
    with pytest.raises(pickle.PicklingError, match="Could not pickle the task"):
        executor.submit(id, threading.Lock()).result(WAIT)
    assert executor.submit(abs, -1).result(WAIT) == 1


def make_lock():
    return threading.Lock()


class Unreadable:
    def __reduce__(self):
        return operator.truediv, (1, 0)


def test_result_that_can_not_be_pickled_or_read(executor):
    with pytest.raises(Exception, match="lock"):
        executor.submit(make_lock).result(WAIT)
    with pytest.raises(ZeroDivisionError):
        executor.submit(Unreadable).result(WAIT)
    with pytest.raises(ZeroDivisionError):
        executor.submit(id, Unreadable()).result(WAIT)
    assert executor.submit(abs, -1).result(WAIT) == 1


def test_many(executor):
    futures = [executor.submit(operator.add, i, 1) for i in range(2000)]
    assert [f.result(WAIT) for f in futures] == list(range(1, 2001))


def test_from_many_threads(executor):
    def use(number):
        futures = [executor.submit(operator.mul, number, i) for i in range(50)]
        return [f.result(WAIT) for f in futures]

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for number, results in enumerate(threads.map(use, range(8))):
            assert results == [number * i for i in range(50)]


def test_what_was_sent_and_got_is_let_go(executor):
    class Thing:
        pass

    thing = Thing()
    alive = weakref.ref(thing)
    future = executor.submit(id, thing)
    del thing
    future.result(WAIT)
    wait_until(lambda: alive() is None)
    gone = weakref.ref(future)
    del future
    wait_until(lambda: gone() is None)


def test_map(executor):
    assert list(executor.map(pow, range(10), range(10))) == [i**i for i in range(10)]
    assert list(executor.map(pow, range(10), [2] * 5)) == [i**2 for i in range(5)]


@pytest.mark.parametrize("size", [1, 3, 6, 1000])
def test_map_in_chunks(executor, size):
    got = executor.map(operator.sub, range(40), range(0, 80, 2), chunksize=size)
    assert list(got) == [-i for i in range(40)]


def test_map_errors(executor, gate):
    with pytest.raises(ValueError, match="chunksize must be >= 1"):
        executor.map(abs, [1], chunksize=0)
    results = executor.map(divmod, [4, 5], [2, 0])
    assert next(results) == (2, 0)
    with pytest.raises(ZeroDivisionError):
        next(results)
    results = executor.map(wait_at, [gate], timeout=0.05)
    with pytest.raises(loky.TimeoutError):
        next(results)
    open_up(gate)


# --- states ---


def test_cancel_what_has_not_begun(executor, gates):
    busy = [executor.submit(wait_at, gate) for gate in gates]
    waiting = [executor.submit(abs, -i) for i in range(20)]
    wait_until(lambda: all(f.running() for f in busy))
    assert not any(f.cancel() for f in busy)
    assert all(f.cancel() for f in waiting)
    assert all(f.cancelled() and f.done() and f.cancel() for f in waiting)
    assert not any(f.running() for f in waiting)
    with pytest.raises(loky.CancelledError):
        waiting[0].result(WAIT)
    done, _ = loky.wait(waiting, timeout=WAIT)
    assert done == set(waiting)
    open_up(*gates)
    loky.wait(busy, timeout=WAIT)
    assert not busy[0].cancel()
    assert not busy[0].cancelled()


def test_callback_when_done(executor, gate):
    told = []
    both = threading.Barrier(2, timeout=WAIT)

    def tell(future):
        told.append(future)
        both.wait()

    future = executor.submit(wait_at, gate, 3)
    future.add_done_callback(tell)
    open_up(gate)
    both.wait()
    assert told == [future]
    assert future.result() == 3


def test_callback_when_cancelled(executor, gates):
    cancelled = []
    busy = [executor.submit(wait_at, gate) for gate in gates]
    wait_until(lambda: all(f.running() for f in busy))
    future = executor.submit(abs, 1)
    future.add_done_callback(cancelled.append)
    assert future.cancel()
    assert cancelled == [future]
    open_up(*gates)


def test_callback_that_submits_and_one_that_raises(executor, caplog):
    chain = []
    end = threading.Event()

    def go_on(future):
        chain.append(future.result())
        if len(chain) == 3:
            end.set()
            raise RuntimeError("from a callback")
        executor.submit(abs, -len(chain)).add_done_callback(go_on)

    executor.submit(abs, 0).add_done_callback(go_on)
    assert end.wait(WAIT)
    assert chain == [0, 1, 2]
    assert executor.submit(abs, -5).result(WAIT) == 5
    assert "exception calling callback" in caplog.text


def test_result_in_time(executor, gate):
    future = executor.submit(wait_at, gate, "late")
    with pytest.raises(loky.TimeoutError):
        future.result(0.01)
    with pytest.raises(loky.TimeoutError):
        future.exception(0.01)
    open_up(gate)
    assert future.result(WAIT) == "late"


def test_as_completed_and_wait(executor, gate):
    slow = executor.submit(wait_at, gate)
    quick = executor.submit(abs, -1)
    done, rest = loky.wait([slow, quick], WAIT, loky.FIRST_COMPLETED)
    assert (done, rest) == ({quick}, {slow})
    failing = executor.submit(int, "x")
    done, rest = loky.wait([slow, failing], WAIT, loky.FIRST_EXCEPTION)
    assert (done, rest) == ({failing}, {slow})
    open_up(gate)
    futures = [slow, quick, failing]
    assert set(loky.as_completed(futures, WAIT)) == set(futures)


# --- the end of an executor ---


def test_after_shutdown(executor):
    executor.shutdown()
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(abs, 1)


def test_shutdown_waits_for_what_was_submitted():
    executor = loky.ProcessPoolExecutor(2)
    futures = [executor.submit(abs, -i) for i in range(100)]
    pids = set(executor._processes)
    executor.shutdown(wait=True)
    assert [f.result(0) for f in futures] == list(range(100))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_shutdown_without_waiting(gate):
    executor = loky.ProcessPoolExecutor(2)
    future = executor.submit(wait_at, gate, 5)
    executor.shutdown(wait=False)
    assert not future.done()
    open_up(gate)
    assert future.result(WAIT) == 5
    executor._manager.join(WAIT)
    assert not executor._manager.is_alive()


def test_shutdown_cancels(gates):
    executor = warm(loky.ProcessPoolExecutor(2))
    busy = [executor.submit(wait_at, gate, i) for i, gate in enumerate(gates)]
    wait_until(lambda: all(f.running() for f in busy))
    waiting = [executor.submit(abs, i) for i in range(20)]
    executor.shutdown(wait=False, cancel_futures=True)
    assert all(f.cancelled() for f in waiting)
    open_up(*gates)
    assert [f.result(WAIT) for f in busy] == [0, 1]
    executor.shutdown()


def test_shutdown_kills(gate):
    executor = loky.ProcessPoolExecutor(2)
    futures = [executor.submit(wait_at, gate, i) for i in range(6)]
    wait_until(lambda: any(f.running() for f in futures))
    executor.shutdown(kill_workers=True)
    for future in futures:
        with pytest.raises(module.ShutdownExecutorError, match="kill_workers=True"):
            future.result(0)


def test_shutdown_from_a_callback():
    executor = loky.ProcessPoolExecutor(1)
    executor.submit(abs, 1).add_done_callback(lambda _: executor.shutdown())
    executor._manager.join(WAIT)
    assert not executor._manager.is_alive()


def test_dropped_executor_finishes_and_leaves():
    executor = loky.ProcessPoolExecutor(2)
    futures = [executor.submit(abs, -i) for i in range(10)]
    manager = executor._manager
    del executor
    gc.collect()
    assert [f.result(WAIT) for f in futures] == list(range(10))
    manager.join(WAIT)
    assert not manager.is_alive()


def test_end_of_the_program_waits_for_calls():
    program = """if True:
        from cjoblib.externals.loky import ProcessPoolExecutor
        def speak(n):
            import os
            os.write(1, b"said %d\\n" % n)
        executor = ProcessPoolExecutor(2)
        futures = [executor.submit(speak, n) for n in range(5)]
    """
    assert sorted(run(program).split("\n")) == ["", *(f"said {n}" for n in range(5))]


def test_unused_executor_leaves_nothing():
    before = threading.active_count()
    executor = loky.ProcessPoolExecutor(3)
    executor.shutdown()
    assert executor._processes == {}
    assert threading.active_count() == before


# --- deaths ---


@pytest.mark.parametrize(
    ("end", "told"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), r"SIGKILL\(-9\)"),
        (lambda: os._exit(7), r"EXIT\(7\)"),
    ],
)
def test_dead_worker_breaks_the_executor(gate, end, told):
    executor = loky.ProcessPoolExecutor(2)
    waiting = executor.submit(wait_at, gate)
    dying = executor.submit(end)
    for future in (dying, waiting):
        with pytest.raises(module.TerminatedWorkerError, match=told) as raised:
            future.result(WAIT)
        assert isinstance(raised.value, concurrent.futures.process.BrokenProcessPool)
    with pytest.raises(module.TerminatedWorkerError):
        executor.submit(abs, 1)
    executor.shutdown()
    assert executor._processes == {}


def test_nested(executor):
    def outer(n):
        from cjoblib.externals.loky import ProcessPoolExecutor

        with ProcessPoolExecutor(1) as inner:
            return inner.submit(abs, -n).result()

    assert [executor.submit(outer, n).result(WAIT) for n in (1, 2)] == [1, 2]


def test_nested_too_deeply(executor):
    def outer():
        from cjoblib.externals.loky import process_executor

        process_executor.MAX_DEPTH = 1
        with pytest.raises(process_executor.LokyRecursionError, match="LOKY_MAX_DEPTH"):
            process_executor.ProcessPoolExecutor(1)
        process_executor.MAX_DEPTH = 0
        process_executor.ProcessPoolExecutor(1).shutdown()
        return "done"

    assert executor.submit(outer).result(WAIT) == "done"


def test_in_a_forked_child(executor):
    executor.submit(abs, 1).result(WAIT)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            executor.submit(abs, 1)
        except RuntimeError as error:
            code = 0 if "forked" in str(error) else 2
        os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert executor.submit(abs, -2).result(WAIT) == 2


# --- options ---


def test_wrong_arguments():
    for n in (0, -1):
        with pytest.raises(ValueError, match="max_workers must be greater than 0"):
            loky.ProcessPoolExecutor(n)
    with pytest.raises(TypeError, match="initializer must be a callable"):
        loky.ProcessPoolExecutor(1, initializer=3)
    with pytest.raises(ValueError, match="Unknown context"):
        loky.ProcessPoolExecutor(1, context="fast")


def test_default_size():
    assert loky.ProcessPoolExecutor()._max_workers == loky.cpu_count()


def test_initializer():
    def prepare(value):
        os.environ["PREPARED"] = value

    with loky.ProcessPoolExecutor(
        2, initializer=prepare, initargs=("ready",)
    ) as executor:
        values = [executor.submit(os.getenv, "PREPARED") for _ in range(10)]
        assert {f.result(WAIT) for f in values} == {"ready"}


def test_failing_initializer_breaks_the_executor(capfd):
    executor = loky.ProcessPoolExecutor(
        1, initializer=operator.truediv, initargs=(1, 0)
    )
    with pytest.raises(module.BrokenProcessPool):
        executor.submit(abs, 1).result(WAIT)
    with pytest.raises(module.BrokenProcessPool):
        executor.submit(abs, 1).result(WAIT)
    executor.shutdown()
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_environment():
    with loky.ProcessPoolExecutor(1, env={"COLOUR": "green"}) as executor:
        assert executor.submit(os.getenv, "COLOUR").result(WAIT) == "green"
    assert "COLOUR" not in os.environ


class Secret:
    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        raise TypeError("a secret is not pickled")


def reduce_secret(secret):
    return Secret, (secret.value + 1,)


def value_of(secret):
    return secret.value


def test_reducers():
    reducers = {Secret: reduce_secret}
    with loky.ProcessPoolExecutor(1, job_reducers=reducers) as executor:
        assert executor.submit(value_of, Secret(1)).result(WAIT) == 2
        assert executor.submit(Secret, 5).result(WAIT).value == 6
    with (
        loky.ProcessPoolExecutor(
            1, job_reducers=reducers, result_reducers={}
        ) as executor,
        pytest.raises(TypeError, match="not pickled"),
    ):
        executor.submit(Secret, 5).result(WAIT)
