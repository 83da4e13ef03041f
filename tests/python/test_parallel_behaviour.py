"""One suite over every backend: the same loops, the same expectations."""

import asyncio
import concurrent.futures
import contextvars
import os
import threading
import time
import warnings

import pytest

from cjoblib import Parallel, delayed, parallel, parallel_config, shared, task_rng
from cjoblib._parallel_backends import ParallelBackendBase, ThreadingBackend


class ToyBackend(ParallelBackendBase):
    """A backend as somebody else would write it for joblib 1.3 to 1.6."""

    supports_retrieve_callback = True
    supports_sharedmem = True
    uses_threads = True

    def effective_n_jobs(self, n_jobs):
        return n_jobs if n_jobs > 0 else 2

    def configure(self, n_jobs=1, parallel=None, prefer=None, require=None, **kwargs):
        self.parallel = parallel
        self.executor = concurrent.futures.ThreadPoolExecutor(n_jobs)
        return self.effective_n_jobs(n_jobs)

    def submit(self, func, callback=None):
        future = self.executor.submit(func)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out):
        return out.result()

    def terminate(self):
        self.executor.shutdown(wait=False, cancel_futures=True)

    def abort_everything(self, ensure_ready=True):
        self.terminate()
        if ensure_ready:
            self.configure(n_jobs=self.parallel.n_jobs, parallel=self.parallel)


class OldBackend(ToyBackend):
    """A backend as for joblib 1.2: results are fetched by the caller."""

    supports_retrieve_callback = False
    supports_timeout = True

    class Job:
        def __init__(self, future):
            self.future = future

        def get(self, timeout=None):
            return self.future.result(timeout)

    def apply_async(self, func, callback=None):
        return self.Job(ToyBackend.submit(self, func, callback))

    submit = ParallelBackendBase.submit


class AtOnceBackend(ToyBackend):
    """Runs each batch within `submit`, and calls back before it returns."""

    def configure(self, n_jobs=1, parallel=None, **kwargs):
        self.parallel = parallel
        return 2

    def submit(self, func, callback=None):
        future = concurrent.futures.Future()
        try:
            future.set_result(func())
        except BaseException as error:
            future.set_exception(error)
        callback(future)
        return future

    def terminate(self):
        pass

    def abort_everything(self, ensure_ready=True):
        pass


class HookedBackend(ThreadingBackend):
    """Ours with a hook overridden: goes through the backend's own methods."""

    def batch_completed(self, batch_size, duration):
        super().batch_completed(batch_size, duration)


OWN = ["loky", "multiprocessing", "threading", "sequential"]
THEIRS = ["toy", "old", "at_once", "hooked"]
NOT_GENERATING = {"multiprocessing", "old"}


@pytest.fixture(params=OWN + THEIRS, autouse=True)
def backend(request, monkeypatch):
    for name, kind in zip(
        THEIRS, (ToyBackend, OldBackend, AtOnceBackend, HookedBackend)
    ):
        monkeypatch.setitem(parallel.BACKENDS, name, kind)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*apply_async is deprecated")
        warnings.filterwarnings("ignore", ".*parallel loops cannot be")
        yield request.param


def loop(backend, **options):
    return Parallel(n_jobs=2, backend=backend, **options)


@pytest.fixture(params=["generator", "generator_unordered"])
def return_as(request, backend):
    if backend in NOT_GENERATING:
        pytest.skip("has no generators, as joblib's")
    return request.param


def square(x):
    return x * x


def fail_at(x, bad):
    if x == bad:
        raise ArithmeticError(f"task {x}")
    return x


@pytest.mark.parametrize("batch_size", ["auto", 1, 3, 1000])
@pytest.mark.parametrize("pre_dispatch", ["2 * n_jobs", "all", 1, "1.5*n_jobs"])
def test_results_in_the_order_of_the_calls(backend, batch_size, pre_dispatch):
    p = loop(backend, batch_size=batch_size, pre_dispatch=pre_dispatch)
    assert p(delayed(square)(i) for i in range(57)) == [i * i for i in range(57)]
    assert p.n_completed_tasks == p.n_dispatched_tasks == 57
    assert p([delayed(square)(3)]) == [9]
    assert p([]) == p(iter([])) == []


def test_functions_and_keywords_that_differ(backend):
    calls = [delayed(int)("11", base=3), delayed(max)(1, 2), delayed(square)(x=4)]
    assert loop(backend)(calls) == [4, 2, 16]


def test_an_error_keeps_its_type_and_the_next_loop_works(backend):
    p = loop(backend)
    with pytest.raises(ArithmeticError, match="task 5"):
        p(delayed(fail_at)(i, 5) for i in range(20))
    assert p(delayed(fail_at)(i, 5) for i in range(5)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("bad", [0, 3, 19])
def test_an_error_of_the_iterable(backend, bad):
    def calls():
        for i in range(20):
            if i == bad:
                raise LookupError("no more")
            yield delayed(square)(i)

    with loop(backend) as p:
        with pytest.raises(LookupError, match="no more"):
            p(calls())
        assert p([delayed(square)(2)]) == [4]


def test_a_context_manager_serves_many_loops(backend):
    with loop(backend) as p:
        for n in (1, 10, 100):
            assert p(delayed(square)(i) for i in range(n)) == [i * i for i in range(n)]
        with pytest.raises(ArithmeticError):
            p(delayed(fail_at)(i, 2) for i in range(9))
        assert p([delayed(square)(7)]) == [49]
    assert p([delayed(square)(7)]) == [49]


def test_generators(backend, return_as):
    results = loop(backend, return_as=return_as)(delayed(square)(i) for i in range(200))
    results = list(results) if return_as == "generator" else sorted(results)
    assert results == [i * i for i in range(200)]


def test_a_generator_raises_what_a_call_raised(backend, return_as):
    p = loop(backend, return_as=return_as)
    with pytest.raises(ArithmeticError, match="task 30"):
        list(p(delayed(fail_at)(i, 30) for i in range(100)))
    assert sorted(p(delayed(square)(i) for i in range(3))) == [0, 1, 4]


def test_a_generator_is_lazy_and_can_be_closed(backend, return_as):
    n_taken = 0

    def calls():
        nonlocal n_taken
        while True:
            n_taken += 1
            yield delayed(square)(1)

    if backend == "at_once":
        pytest.skip("does not return before the end")
    p = loop(backend, return_as=return_as, batch_size=1)
    results = p(calls())
    with pytest.raises(RuntimeError, match="This Parallel instance is already running"):
        p([delayed(square)(2)])
    assert [next(results) for _ in range(10)] == [1] * 10
    if backend in OWN:  # others don't hold back
        assert n_taken <= 10 + 12
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results.close()
    assert list(p([delayed(square)(2)])) == [4]


def test_loops_in_loops(backend):
    def inner(x):
        return Parallel(n_jobs=2)(delayed(pow)(x, i) for i in range(3))

    results = loop(backend)(delayed(inner)(x) for x in (2, 3, 4))
    assert results == [[x**i for i in range(3)] for x in (2, 3, 4)]


def test_a_loop_in_the_iterable(backend):
    def calls():
        for i in range(3):
            yield delayed(sum)(loop(backend)(delayed(square)(k) for k in range(i + 1)))

    assert loop(backend)(calls()) == [0, 1, 5]


def test_loops_of_many_threads_at_once(backend):
    results = {}

    def run(k):
        with warnings.catch_warnings():
            results[k] = loop(backend)(delayed(pow)(i, k) for i in range(50))

    threads = [threading.Thread(target=run, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {k: [i**k for i in range(50)] for k in range(6)}


def test_errors_as_results(backend):
    results = loop(backend, on_error="return")(delayed(fail_at)(i, 3) for i in range(6))
    assert results[:3] + results[4:] == [0, 1, 2, 4, 5]
    assert type(results[3]) is ArithmeticError
    assert str(results[3]) == "task 3"


def test_seeds_do_not_depend_on_who_runs_the_call(backend):
    def draw():
        return float(task_rng().random())

    numbers = loop(backend, seed=5)(delayed(draw)() for _ in range(7))
    assert numbers == Parallel(n_jobs=1, seed=5)(delayed(draw)() for _ in range(7))
    assert len(set(numbers)) == 7
    assert numbers != loop(backend, seed=6)(delayed(draw)() for _ in range(7))


def test_a_seed_as_a_keyword(backend):
    def draw(low, rng=None):
        return low + float(rng.random())

    calls = [delayed(draw)(i) for i in range(3)]
    assert loop(backend, seed=1)(calls) == Parallel(n_jobs=1, seed=1)(calls)


def test_progress_is_told_to_a_function(backend):
    told = []
    loop(backend, progress=lambda *counts: told.append(counts))(
        [delayed(square)(i) for i in range(30)]
    )
    assert told[-1] == (30, 30)
    assert [n for n, _ in told] == sorted(n for n, _ in told)


def test_progress_bars_hung_onto_the_inside(backend, monkeypatch):
    sizes = []

    class Callback(parallel.BatchCompletionCallBack):
        def __call__(self, *args, **kwargs):
            sizes.append(self.batch_size)
            return super().__call__(*args, **kwargs)

    monkeypatch.setattr(parallel, "BatchCompletionCallBack", Callback)
    results = loop(backend)(delayed(square)(i) for i in range(40))
    assert results == [i * i for i in range(40)]
    assert sum(sizes) == (0 if backend == "sequential" else 40)


def test_print_progress_overridden(backend):
    class Watching(Parallel):
        told = ()

        def print_progress(self):
            self.told += (self.n_completed_tasks,)

    p = Watching(n_jobs=2, backend=backend)
    assert p(delayed(square)(i) for i in range(30)) == [i * i for i in range(30)]
    assert p.told[-1] == 30
    assert list(p.told) == sorted(p.told)


def test_verbose_says_how_far_it_is(backend, capsys):
    loop(backend, verbose=100)([delayed(square)(i) for i in range(10)])
    told = capsys.readouterr().out
    assert "Done 10 out of 10 | elapsed:" in told
    if backend != "at_once":  # which is done before anybody knows that this is all
        assert told.rstrip().endswith("finished")
    if backend != "sequential":
        assert told.startswith("[Parallel(n_jobs=2)]: Using backend ")


def test_settings_of_a_block(backend):
    with parallel_config(backend=backend, n_jobs=2, verbose=0):
        p = Parallel()
        assert p.n_jobs == 2
        assert p(delayed(square)(i) for i in range(9)) == [i * i for i in range(9)]


def test_tasks_see_the_callers_context_variables(backend):
    if backend not in ("threading", "sequential"):
        pytest.skip("runs elsewhere")
    who = contextvars.ContextVar("who", default="nobody")
    who.set("me")

    def look(i):
        seen = who.get()
        who.set(f"task {i}")
        return seen

    seen = loop(backend)(delayed(look)(i) for i in range(20))
    assert seen[0] == "me"
    if backend == "threading":
        assert set(seen) == {"me"}
        assert who.get() == "me"


def test_timeouts(backend):
    if backend in ("sequential", "at_once"):
        pytest.skip("can't be interrupted")
    from multiprocessing import TimeoutError

    release = threading.Event()
    p = loop(backend, timeout=0.2)
    begun = time.monotonic()
    with pytest.raises((TimeoutError, concurrent.futures.TimeoutError)):
        if backend in ("loky", "multiprocessing"):
            p([delayed(time.sleep)(60), delayed(square)(1)])
        else:
            p([delayed(release.wait)(60), delayed(square)(1)])
    release.set()
    assert time.monotonic() - begun < 30
    p = loop(backend, timeout=60)
    assert p(delayed(square)(i) for i in range(5)) == [0, 1, 4, 9, 16]


def test_pre_dispatch_is_arithmetic(backend):
    if backend == "sequential":
        pytest.skip("takes calls one by one")
    for bad in ("0", "n_jobs - 2", -1, 0, "__import__('os')", "n_jobs()", "many", None):
        with pytest.raises(ValueError, match="pre_dispatch|expression|too"):
            loop(backend, pre_dispatch=bad)([delayed(square)(1)])
    assert loop(backend)([delayed(os.getpid)()])


def test_shared_arguments_arrive_as_themselves(backend):
    table = {str(i): i for i in range(100)}

    def look(where, key, other=None):
        return type(where) is dict, where[key], other is where

    given = shared(table)
    calls = [delayed(look)(given, str(i), other=given) for i in range(10)]
    assert loop(backend)(calls) == [(True, i, True) for i in range(10)]


def test_generators_for_async_for(backend, return_as):
    async def collect():
        calls = (delayed(square)(i) for i in range(20))
        return [r async for r in loop(backend, return_as=return_as)(calls)]

    assert sorted(asyncio.run(collect())) == [i * i for i in range(20)]
