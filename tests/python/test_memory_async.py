"""Coroutine functions whose results are kept."""

import asyncio

import pytest

from cjoblib import Memory
from cjoblib.memory import AsyncMemorizedFunc, CacheWarning, NotMemorizedResult


@pytest.fixture
def memory(tmp_path):
    return Memory(tmp_path / "cache", verbose=0)


def test_tasks_of_one_loop_compute_once(memory):
    calls = []

    async def main():
        started = asyncio.Event()
        go_on = asyncio.Event()

        @memory.cache
        async def slow(x):
            calls.append(x)
            started.set()
            await go_on.wait()
            return [x]

        assert isinstance(slow, AsyncMemorizedFunc)
        tasks = [asyncio.ensure_future(slow(i % 2)) for i in range(8)]
        await started.wait()
        go_on.set()
        assert await asyncio.gather(*tasks) == [[i % 2] for i in range(8)]
        assert await slow(1) == [1]

    asyncio.run(main())
    assert sorted(calls) == [0, 1]


def test_others_go_on_when_the_first_fails_or_is_cancelled(memory):
    async def main():
        calls = []
        started = asyncio.Event()
        forever = asyncio.Event()

        @memory.cache
        async def f(x):
            calls.append(x)
            if len(calls) == 1:
                started.set()
                await forever.wait()
            if len(calls) == 2:
                raise KeyError(x)
            return x

        first = asyncio.ensure_future(f(1))
        await started.wait()
        rest = [asyncio.ensure_future(f(1)) for _ in range(3)]
        await asyncio.sleep(0)
        first.cancel()
        found = await asyncio.gather(*rest, return_exceptions=True)
        assert [repr(x) for x in found] == ["KeyError(1)", "1", "1"]
        assert calls == [1, 1, 1]

    asyncio.run(main())


def test_the_interface(memory):
    @memory.cache(ignore=["log"])
    async def f(x, log=None):
        return x + 1

    async def main():
        assert await f(1) == await f(1, log=3) == 2
        assert (await f.call_and_shelve(1)).get() == 2
        value, metadata = await f.call(1)
        assert (value, metadata["input_args"]) == (2, {"x": "1"})
        assert await memory.eval(f.func, 1) == 2
        assert f.check_call_in_cache(1)
        f.clear()
        assert not f.check_call_in_cache(1)
        nothing = Memory(None).cache(f.func)
        assert await nothing(1) == 2
        assert isinstance(await nothing.call_and_shelve(1), NotMemorizedResult)

    asyncio.run(main())
    assert memory.check().entries == 0


def test_a_damaged_entry(memory):
    @memory.cache
    async def f(x):
        return [x]

    assert asyncio.run(f(1)) == [1]
    (entry,) = memory.entries()
    with open(entry.path, "r+b") as file:
        file.truncate(entry.n_bytes - 1)
    with pytest.warns(CacheWarning, match="is damaged") as caught:
        assert asyncio.run(f(1)) == [1]
    assert len(caught) == 1
    assert asyncio.run(f(1)) == [1]
