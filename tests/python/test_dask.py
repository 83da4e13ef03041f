"""Loops on a Dask cluster of two worker processes give what loops here give."""

import copyreg
import importlib.util
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import cjoblib
from cjoblib import Parallel, delayed, parallel_config

pytestmark = [
    pytest.mark.skipif(
        importlib.util.find_spec("distributed") is None,
        reason="distributed is not installed",
    ),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

ROOT = os.path.dirname(os.path.dirname(cjoblib.__file__))


@pytest.fixture(scope="module")
def pickling():
    """Importing distributed changes how exceptions are pickled, and so their hashes."""
    before = dict(copyreg.dispatch_table)
    yield
    copyreg.dispatch_table.clear()
    copyreg.dispatch_table.update(before)


@pytest.fixture(scope="module")
def client(pickling):
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=2,
            processes=True,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        yield client


@pytest.fixture
def on_dask(client):
    with parallel_config(backend="dask"):
        yield client


def square(x):
    return x * x


def where():
    return os.getpid()


def refuse(x):
    if x == 7:
        raise KeyError("seven")
    return x


def total(array, n=0):
    return float(array.sum()) + n


def test_list(on_dask):
    assert Parallel()(delayed(square)(i) for i in range(50)) == [
        i * i for i in range(50)
    ]
    assert Parallel(n_jobs=2)(delayed(lambda x: -x)(i) for i in range(3)) == [0, -1, -2]
    assert Parallel()([]) == []


def test_other_processes_do_it(on_dask):
    pids = set(Parallel(batch_size=1)(delayed(where)() for _ in range(10)))
    assert os.getpid() not in pids
    assert pids <= {
        d["pid"] for d in on_dask.run(lambda: {"pid": os.getpid()}).values()
    }


def test_exception_keeps_its_type_and_the_loop_goes_on_after_it(on_dask):
    for _ in range(2):
        with pytest.raises(KeyError, match="seven") as raised:
            Parallel()(delayed(refuse)(i) for i in range(9))
        assert "in refuse" in str(raised.value.__cause__)
        assert Parallel()(delayed(refuse)(i) for i in range(3)) == [0, 1, 2]


@pytest.mark.parametrize("return_as", ["generator", "generator_unordered"])
def test_generators(on_dask, return_as):
    results = Parallel(return_as=return_as)(delayed(square)(i) for i in range(20))
    got = list(results)
    assert sorted(got) == [i * i for i in range(20)]
    assert return_as != "generator" or got == sorted(got)


def inner(i):
    return sum(Parallel(n_jobs=2)(delayed(square)(j) for j in range(i)))


def test_nested(on_dask):
    got = Parallel()(delayed(inner)(i) for i in range(4))
    assert got == [sum(j * j for j in range(i)) for i in range(4)]


def backend_name():
    from cjoblib.parallel import get_active_backend

    return type(get_active_backend()[0]).__name__


def test_nested_loops_are_the_clusters_too(on_dask):
    assert set(Parallel()(delayed(backend_name)() for _ in range(4))) == {
        "DaskDistributedBackend"
    }


def test_big_arguments_travel_once(on_dask):
    array = np.arange(300_000.0)
    got = Parallel(batch_size=1)(delayed(total)(array, n=i) for i in range(6))
    assert got == [array.sum() + i for i in range(6)]


def test_scattered_data(client):
    array = np.arange(1000.0)
    other = np.ones(3)
    with parallel_config(backend="dask", scatter=[array]):
        got = Parallel()(delayed(total)(a) for a in [array, other, array])
    assert got == [array.sum(), 3.0, array.sum()]
    with pytest.raises(TypeError, match="scatter must be a list/tuple, got `ndarray`"):
        parallel_config(backend="dask", scatter=array)


def test_as_the_local_pool(on_dask):
    def calls():
        return (delayed(divmod)(i, 7) for i in range(40))

    with parallel_config(backend="loky"):
        here = Parallel(n_jobs=2)(calls())
    assert Parallel(n_jobs=2)(calls()) == here


def test_functions_of_modules_that_import_joblib():
    """The cluster's workers follow when joblib's name has been taken over."""
    program = """if True:
        import cjoblib
        cjoblib.install_as_joblib()
        import distributed, joblib
        def version(x):
            import joblib
            return joblib.__version__, joblib.Parallel.__module__
        with distributed.LocalCluster(
            n_workers=1, dashboard_address=None, silence_logs=50
        ) as cluster, distributed.Client(cluster):
            with joblib.parallel_config(backend="dask"):
                print(set(joblib.Parallel()(joblib.delayed(version)(i) for i in range(4))))
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "{('1.6.0', 'cjoblib.parallel')}\n"


def test_cached_function_in_the_clusters_workers(on_dask, tmp_path):
    memory = cjoblib.Memory(tmp_path, verbose=0)
    cached = memory.cache(square)
    assert Parallel()(delayed(cached)(i) for i in range(5)) == [0, 1, 4, 9, 16]
    assert all(cached.check_call_in_cache(i) for i in range(5))


def test_loops_from_several_threads(client):
    found = {}

    def loop(n):
        with parallel_config(backend="dask"):
            found[n] = Parallel()(delayed(pow)(i, n) for i in range(6))

    threads = [threading.Thread(target=loop, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [i**n for i in range(6)] for n in range(3)}


def run(program):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_a_client():
    done = run("import cjoblib; cjoblib.parallel_config(backend='dask')")
    assert done.returncode == 1
    assert "create a Dask client first" in done.stderr


def test_without_dask():
    done = run(
        "import sys; sys.modules['distributed'] = None\n"
        "import cjoblib; cjoblib.parallel_config(backend='dask')"
    )
    assert done.returncode == 1
    assert "pip install distributed" in done.stderr


def test_without_workers():
    done = run(
        "import distributed, cjoblib\n"
        "if __name__ == '__main__':\n"
        "    cluster = distributed.LocalCluster(n_workers=0, processes=False,\n"
        "        dashboard_address=None)\n"
        "    with cluster, distributed.Client(cluster):\n"
        "        options = dict(backend='dask', wait_for_workers_timeout=0.1)\n"
        "        try:\n"
        "            with cjoblib.parallel_config(**options):\n"
        "                cjoblib.Parallel()(cjoblib.delayed(abs)(i) for i in [1])\n"
        "        except TimeoutError as error:\n"
        "            print(error)\n"
    )
    assert "no worker after 0.1 seconds" in done.stdout, done.stderr
    assert "wait_for_workers_timeout=10)" in done.stdout
