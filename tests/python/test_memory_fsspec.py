"""A cache at a URL, through fsspec."""

import uuid

import numpy as np
import pytest

from cjoblib import Memory
from cjoblib.memory import CacheWarning

fsspec = pytest.importorskip("fsspec")


@pytest.fixture(params=["memory", "file"])
def url(request, tmp_path):
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}/cache"
    return f"file://{tmp_path}/cache"


def use(url, **options):
    """Everything that a store is asked for."""
    memory = Memory(url, verbose=0, **options)
    calls = []

    @memory.cache
    def f(x, y=2):
        calls.append(x)
        return {"x": x, "a": np.full(1000, y)}

    for _ in range(2):
        found = f(1)
        assert found["x"] == 1
        np.testing.assert_array_equal(found["a"], np.full(1000, 2))
    f(3, y=5), f(4)
    assert calls == [1, 3, 4]
    assert f.check_call_in_cache(3, 5)
    shelved = f.call_and_shelve(3, 5)
    assert shelved.get()["x"] == 3
    assert shelved.metadata["input_args"] == {"x": "3", "y": "5"}
    again = Memory(url, verbose=0).cache(f.func)
    assert again(1)["x"] == 1
    assert calls == [1, 3, 4]
    assert memory.info()["entries"] == 3
    memory.reduce_size(items_limit=2)
    assert memory.info()["entries"] == 2
    f.clear()
    assert memory.info()["entries"] == 0
    f(1)
    memory.clear()
    assert memory.info()["entries"] == 0
    assert f(1)["x"] == 1
    return memory


@pytest.mark.parametrize("compress", [False, 3])
def test_urls(url, compress):
    memory = use(url, compress=compress)
    assert memory.store_backend.location == f"{url}/joblib"


def test_nothing_but_whole_files_is_there(tmp_path):
    class Fails:
        def __reduce__(self):
            raise RuntimeError("no")

    memory = Memory(f"file://{tmp_path}/cache", verbose=0)
    with pytest.warns(CacheWarning, match="RuntimeError: no"):
        memory.cache(lambda: [b"x" * 100_000, Fails()])()
    memory.cache(abs)(-1)
    names = {p.name for p in tmp_path.rglob("*") if p.is_file()}
    assert names == {"func_code.py", "metadata.json", "output.pkl"}


def test_s3():
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server")
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        options = {
            "key": "k",
            "secret": "s",
            "client_kwargs": {
                "endpoint_url": f"http://{host}:{port}",
                "region_name": "us-east-1",
            },
        }
        fsspec.filesystem("s3", **options).mkdir("bucket")
        use("s3://bucket/cache", backend_options={"storage_options": options})
    finally:
        running.stop()
