"""`get_reusable_executor`: when the executor is the same one, and when it is not."""

import os
import threading
import time

import pytest

from cjoblib.externals.loky import get_reusable_executor
from cjoblib.externals.loky import process_executor as module

WAIT = 60


@pytest.fixture(autouse=True)
def none_left():
    yield
    get_reusable_executor(1).shutdown(kill_workers=True)


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "gate"
    os.mkfifo(path)
    return path


def wait_at(gate):
    with open(gate) as stream:
        stream.read()


def pids_of(executor, n):
    """The workers that did some of many tasks."""
    deadline = time.monotonic() + WAIT
    pids = set()
    while len(pids) < n:
        assert time.monotonic() < deadline
        pids |= {f.result(WAIT) for f in [executor.submit(os.getpid) for _ in range(9)]}
    return pids


def test_same_arguments_same_executor_same_workers():
    first = get_reusable_executor(2)
    pids = pids_of(first, 2)
    second = get_reusable_executor(2)
    assert second is first
    assert pids_of(second, 2) == pids


@pytest.mark.parametrize(
    "changed",
    [
        {"timeout": 11},
        {"env": {"A": "1"}},
        {"initializer": time.time},
        {"job_reducers": {}},
        {"reuse": False},
        {"context": "forkserver"},
    ],
)
def test_other_arguments_other_executor(changed):
    first = get_reusable_executor(2)
    first.submit(abs, 1).result(WAIT)
    second = get_reusable_executor(2, **changed)
    assert second is not first
    assert second.executor_id == first.executor_id + 1
    assert first._processes == {}
    assert second.submit(abs, -1).result(WAIT) == 1


def test_reuse_whatever_the_arguments():
    first = get_reusable_executor(2, timeout=20)
    assert get_reusable_executor(2, timeout=30, reuse=True) is first
    assert get_reusable_executor(reuse=True) is first
    assert first._max_workers == 2


def test_resize():
    executor = get_reusable_executor(1)
    pids = pids_of(executor, 1)
    assert get_reusable_executor(3) is executor
    assert len(pids_of(executor, 3)) == 3
    assert pids <= set(executor._processes)
    assert get_reusable_executor(2) is executor
    assert executor.submit(abs, -1).result(WAIT) == 1
    assert len(executor._processes) == 2


def test_resize_before_it_was_used():
    executor = get_reusable_executor(1)
    assert get_reusable_executor(2) is executor
    assert len(pids_of(executor, 2)) == 2


def test_resize_waits_for_tasks(gate):
    executor = get_reusable_executor(2)
    future = executor.submit(wait_at, gate)

    def open_up():
        with open(gate, "w"):
            pass

    opener = threading.Thread(target=open_up)
    with pytest.warns(UserWarning, match="waiting for jobs completion"):
        threading.Timer(0.1, opener.start).start()
        assert get_reusable_executor(1) is executor
    assert future.done()
    opener.join(WAIT)


def test_after_shutdown_there_is_another():
    first = get_reusable_executor(2)
    first.submit(abs, 1).result(WAIT)
    get_reusable_executor().shutdown(wait=True)
    with pytest.raises(module.ShutdownExecutorError):
        first.submit(abs, 1)
    second = get_reusable_executor(2)
    assert second is not first
    assert second.submit(abs, -1).result(WAIT) == 1


def test_replaced_executor_hands_its_calls_on():
    first = get_reusable_executor(2)
    second = get_reusable_executor(2, reuse=False)
    assert first.submit(os.getpid).result(WAIT) in pids_of(second, 2)


def test_after_a_death_there_is_another():
    first = get_reusable_executor(2)
    with pytest.raises(module.TerminatedWorkerError):
        first.submit(os._exit, 3).result(WAIT)
    second = get_reusable_executor(2)
    assert second is not first
    assert second.submit(abs, -1).result(WAIT) == 1


def test_replaced_with_its_calls(gate):
    first = get_reusable_executor(2)
    future = first.submit(wait_at, gate)
    second = get_reusable_executor(2, reuse=False, kill_workers=True)
    with pytest.raises(module.ShutdownExecutorError):
        future.result(WAIT)
    assert second.submit(abs, -1).result(WAIT) == 1


def test_wrong_arguments():
    for n in (0, -2):
        with pytest.raises(ValueError, match=f"greater than 0, got {n}"):
            get_reusable_executor(n)
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="'fork' context"):
        get_reusable_executor(context="fork")


def test_forked_child_has_its_own():
    get_reusable_executor(2).submit(abs, 1).result(WAIT)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            executor = get_reusable_executor(1)
            code = 0 if executor.submit(abs, -4).result(WAIT) == 4 else 2
            executor.shutdown()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert get_reusable_executor(2).submit(abs, -2).result(WAIT) == 2


def test_under_joblibs_name():
    from cjoblib import executor as module

    plain = get_reusable_executor(2)
    executor = module.get_memmapping_executor(2, temp_folder="/tmp", max_nbytes=10)
    assert isinstance(executor, module.MemmappingExecutor)
    assert executor is not plain
    assert module.get_memmapping_executor(2) is executor
    assert get_reusable_executor(reuse=True) is executor
    assert executor.submit(abs, -3).result(WAIT) == 3
    executor.terminate()
    testing = module._TestingMemmappingExecutor.get_memmapping_executor(1)
    assert testing.map(abs, [-1, -2]) == [1, 2]
    assert testing.apply_async(abs, (-3,)).get() == 3
    testing.terminate(kill_workers=True)
