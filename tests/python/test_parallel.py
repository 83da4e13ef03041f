"""`Parallel`: results, errors, deaths, and that nothing stays behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pickle import PicklingError

import numpy as np
import pytest

from cjoblib import Memory, Parallel, TerminatedWorkerError, delayed, effective_n_jobs
from cjoblib._failure import RemoteTraceback, TaskError


def run(program, tmp_path, **options):
    """Run a script of its own in a new interpreter."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(program))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_results_in_order():
    calls = (delayed(pow)(i, 2) for i in range(1000))
    assert Parallel(n_jobs=2)(calls) == [i * i for i in range(1000)]


@pytest.mark.parametrize("n_jobs", [None, 1, 2, 3, 5, -1, "2", 2.3])
def test_n_jobs(n_jobs):
    assert Parallel(n_jobs=n_jobs)(delayed(abs)(-i) for i in range(10)) == list(
        range(10)
    )


def test_effective_n_jobs():
    n = len(os.sched_getaffinity(0))
    assert [effective_n_jobs(j) for j in (None, 1, 7, -1, -1000)] == [1, 1, 7, n, 1]
    for bad in (0, 0.5):
        with pytest.raises(ValueError, match="n_jobs"):
            Parallel(n_jobs=bad)
    with pytest.raises(ValueError, match="'many'"):
        Parallel(n_jobs="many")


def test_nothing_to_do():
    assert Parallel(n_jobs=2)([]) == []


def test_processes_are_others_and_stay():
    first = set(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(50)))
    second = set(Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(50)))
    assert os.getpid() not in first
    assert second <= first | second
    assert len(first | second) <= 2


def test_keyword_arguments_and_functions_that_differ():
    calls = [delayed(int)("11", base=3), delayed(max)(1, 2), delayed(int)("7")]
    assert Parallel(n_jobs=2)(calls) == [4, 2, 7]


def test_functions_without_a_name():
    def nested(x):
        return x + offset

    offset = 10
    calls = [delayed(nested)(1), delayed(lambda x: x * 2)(3)]
    assert Parallel(n_jobs=2)(calls) == [11, 6]


def test_arrays_both_ways():
    arrays = [np.full((300, 300), i) for i in range(6)]
    results = Parallel(n_jobs=2)(delayed(np.negative)(a) for a in arrays)
    for a, r in zip(arrays, results, strict=True):
        np.testing.assert_array_equal(r, -a)
        assert r.flags.writeable


def test_big_messages_both_ways_at_once():
    size = 30_000_000
    results = Parallel(n_jobs=2)(delayed(bytes)(b"x" * size) for _ in range(4))
    assert [len(r) for r in results] == [size] * 4


def test_main_functions_and_a_cached_function(tmp_path):
    done = run(
        """
        from cjoblib import Memory, Parallel, delayed

        memory = Memory("cache", verbose=0)

        class Point:
            def __init__(self, x):
                self.x = x

        @memory.cache
        def move(point, by):
            print("computed", flush=True)
            return point.x + by

        for _ in range(2):
            print(Parallel(n_jobs=2)(delayed(move)(Point(i), by=1) for i in range(3)))
        """,
        tmp_path,
    )
    assert done.stderr == ""
    assert done.stdout.count("computed") == 3
    assert done.stdout.count("[1, 2, 3]") == 2


def test_cached_function_in_workers(tmp_path):
    cached = Memory(tmp_path, verbose=0).cache(pow)
    assert Parallel(n_jobs=2)(delayed(cached)(i, 2) for i in range(8)) == [
        i * i for i in range(8)
    ]
    assert all(cached.check_call_in_cache(i, 2) for i in range(8))


def test_nested_loops_run_in_the_worker():
    def inner(x):
        return Parallel(n_jobs=2)(delayed(pow)(x, i) for i in range(3)), os.getpid()

    results = Parallel(n_jobs=2)(delayed(inner)(x) for x in (2, 3))
    assert [r for r, _ in results] == [[1, 2, 4], [1, 3, 9]]


def test_threads_each_run_a_loop():
    results = {}

    def loop(k):
        results[k] = Parallel(n_jobs=2)(delayed(pow)(i, k) for i in range(20))

    threads = [threading.Thread(target=loop, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {k: [i**k for i in range(20)] for k in range(4)}


def test_a_loop_inside_the_iterable():
    def calls():
        for i in range(3):
            yield delayed(sum)(Parallel(n_jobs=2)(delayed(pow)(i, j) for j in range(3)))

    assert Parallel(n_jobs=2)(calls()) == [
        sum(i**j for j in range(3)) for i in range(3)
    ]


def test_iterator_is_not_read_far_ahead():
    taken = []

    def calls():
        for i in range(10_000):
            taken.append(i)
            yield delayed(fail_at_once)()

    with pytest.raises(ArithmeticError):
        Parallel(n_jobs=2)(calls())
    assert len(taken) < 100


def test_verbose_says_what_is_done(capsys):
    Parallel(n_jobs=2, verbose=1)(delayed(abs)(i) for i in range(5))
    Parallel(n_jobs=1, verbose=1)(delayed(abs)(i) for i in range(5))
    said = capsys.readouterr().err
    assert said.count("Using backend LokyBackend with 2 concurrent workers.") == 1
    assert said.count("Done   5 out of   5 | elapsed:") == 2
    assert said.count(" finished") == 2


# --- errors ----------------------------------------------------------------------------------


def fail_at_once():
    raise ArithmeticError("at once")


class TwoArguments(Exception):
    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_exception_keeps_its_type(n_jobs):
    with pytest.raises(ZeroDivisionError, match="division"):
        Parallel(n_jobs=n_jobs)(delayed(divmod)(1, i) for i in (1, 0, 2))
    assert Parallel(n_jobs=n_jobs)([delayed(abs)(-1)]) == [1]


def test_worker_traceback_is_the_cause():
    with pytest.raises(ArithmeticError) as caught:
        Parallel(n_jobs=2)([delayed(fail_at_once)()])
    assert isinstance(caught.value.__cause__, RemoteTraceback)
    assert "in fail_at_once" in str(caught.value.__cause__)


def test_exception_that_cannot_be_rebuilt():
    def fail():
        raise TwoArguments("one", "two")

    with pytest.raises((TwoArguments, TaskError), match="one and two"):
        Parallel(n_jobs=2)([delayed(fail)()])
    assert Parallel(n_jobs=2)([delayed(abs)(-1)]) == [1]


def test_iterable_that_raises():
    def calls():
        yield delayed(abs)(-1)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        Parallel(n_jobs=2)(calls())


@pytest.mark.parametrize("bad", [3, (abs, 1, {}), (abs, ()), None])
def test_things_that_are_no_calls(bad):
    with pytest.raises(TypeError, match="task 1 is not a"):
        Parallel(n_jobs=2)([delayed(abs)(1), bad])


def test_argument_and_result_that_cannot_travel():
    with pytest.raises(
        PicklingError, match=r"the task to send .* task 0 \(id\)"
    ) as raised:
        Parallel(n_jobs=2)([delayed(id)(threading.Lock())])
    assert "lock" in str(raised.value.__cause__)
    with pytest.raises(TypeError, match="lock"):
        Parallel(n_jobs=2)([delayed(threading.Lock)()])
    assert Parallel(n_jobs=2)([delayed(abs)(-1)]) == [1]


def test_system_exit_in_a_task():
    with pytest.raises(SystemExit):
        Parallel(n_jobs=2)([delayed(sys.exit)(3)])


def die(how):
    if isinstance(how, int):
        os._exit(how)
    os.kill(os.getpid(), getattr(signal, how))
    time.sleep(60)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("SIGKILL", r"signal 9 \(SIGKILL\)"),
        ("SIGTERM", r"signal 15 \(SIGTERM\)"),
        ("SIGSEGV", r"signal 11 \(SIGSEGV\)"),
        (3, "code 3"),
        (0, "code 0"),
    ],
)
def test_death_in_a_task(how, says):
    with pytest.raises(
        TerminatedWorkerError, match=rf"{says} while it ran task 2 \(die\)"
    ):
        Parallel(n_jobs=2)([delayed(abs)(1), delayed(abs)(2), delayed(die)(how)])
    assert Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(5)) == list(range(5))


def test_idle_worker_that_died_is_replaced():
    for _ in range(5):
        (pid,) = set(Parallel(n_jobs=2)([delayed(os.getpid)()]))
        os.kill(pid, signal.SIGKILL)
        assert Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(9)) == list(range(9))


def test_worker_that_cannot_start(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(FileNotFoundError, match="/nonexistent/python"):
        Parallel(n_jobs=4)([delayed(abs)(1)])
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(TerminatedWorkerError, match="before it was ready"):
        Parallel(n_jobs=4)([delayed(abs)(1)])
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(RuntimeError, match=r"sys\.executable"):
        Parallel(n_jobs=4)([delayed(abs)(1)])


# --- what stays behind: nothing ----------------------------------------------------------------


LEAVES = """
    import os, sys, time
    from cjoblib import Parallel, delayed

    pids = Parallel(n_jobs=2)(delayed(os.getpid)() for _ in range(20))
    print(*sorted(set(pids)), flush=True)
    {end}
    """


def gone(pids, seconds=2.0):
    """Wait until none of the processes is left."""
    descriptors = []
    for pid in pids:
        try:
            descriptors.append(os.pidfd_open(pid))
        except ProcessLookupError:
            continue
    import select

    deadline = time.monotonic() + seconds
    for fd in descriptors:
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        os.close(fd)
        if not ready:
            return False
    return True


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("raise SystemError('x')", 1),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), 9)", -9),
        ("os.kill(os.getpid(), 15)", -15),
    ],
)
def test_workers_end_with_the_program(tmp_path, end, status):
    before = set(os.listdir("/dev/shm"))
    done = run(LEAVES.format(end=end), tmp_path)
    assert done.returncode == status
    assert gone(map(int, done.stdout.split()))
    assert set(os.listdir("/dev/shm")) == before


def test_interrupt_ends_quickly(tmp_path):
    program = """
        import os, time
        from cjoblib import Parallel, delayed

        def wait(path):
            with open(path, "w") as f:
                f.write(str(os.getpid()))
            os.rename(path, path + ".up")
            time.sleep(60)

        Parallel(n_jobs=2)(delayed(wait)(f"{i}") for i in range(2))
        """
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(program))
    process = subprocess.Popen(
        [sys.executable, str(script)],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    up = [tmp_path / f"{i}.up" for i in range(2)]
    deadline = time.monotonic() + 30
    while not all(p.exists() for p in up):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    pids = [int(p.read_text()) for p in up]
    os.killpg(process.pid, signal.SIGINT)
    begun = time.monotonic()
    _, errors = process.communicate(timeout=10)
    assert time.monotonic() - begun < 2
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == 1
    assert gone(pids)


def test_forked_child_makes_its_own_pool(tmp_path):
    done = run(
        """
        import os
        from cjoblib import Parallel, delayed

        def loop():
            return Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(10))

        loop()
        child = os.fork()
        assert loop() == list(range(10))
        if child:
            assert os.waitpid(child, 0)[1] == 0
            assert loop() == list(range(10))
            print("fine")
        """,
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


def test_no_descriptor_stays_open():
    Parallel(n_jobs=2)(delayed(abs)(i) for i in range(4))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        Parallel(n_jobs=2)(delayed(abs)(i) for i in range(4))
    assert len(os.listdir("/proc/self/fd")) == before


def open_files():
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:  # the one that listed the folder
            continue
    return names


def test_workers_inherit_no_files(tmp_path):
    with open(tmp_path / "secret", "w") as f:
        os.set_inheritable(f.fileno(), True)
        listed = Parallel(n_jobs=3)(delayed(open_files)() for _ in range(3))
    for names in listed:
        assert any(name.startswith("socket:") for name in names)
        assert not any("secret" in name for name in names)


def test_worker_follows_path_folder_and_threads(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("def f():\n    return 'found'\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    import only_here

    calls = [
        delayed(only_here.f)(),
        delayed(os.getcwd)(),
        delayed(os.getenv)("OMP_NUM_THREADS"),
    ]
    assert Parallel(n_jobs=2)(calls)[:2] == ["found", str(tmp_path)]
    assert Parallel(n_jobs=2)(calls)[2] is not None
