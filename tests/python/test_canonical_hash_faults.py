"""The canonical hash where it fails or is hard put: errors, depth, memory, threads."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import datetime
import functools
import gc
import io
import itertools
import multiprocessing
import os
import pathlib
import pickle
import queue
import random
import socket
import subprocess
import sys
import threading
import tracemalloc
import weakref

import hash_vectors
import pytest
from hash_cases import (
    DIGESTS,
    HERE,
    Colour,
    OwnDict,
    OwnList,
    OwnSet,
    Pair,
    Slots,
    Versioned,
    both,
    model,
    xxh,
)

from cjoblib import _core
from cjoblib.hashing import UnhashableError, hash

pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")


def test_errors_of_hooks_pass():
    class Bad:
        def __reduce__(self):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        xxh([Bad()])


def test_refusal_names_the_path_and_the_error():
    with pytest.raises(
        UnhashableError, match=r"^obj\[0\]\.a: .*: ValueError: why not$"
    ):
        xxh([model(a=Refuses(ValueError("why not")))])


def unhashables(file, connection):
    generator = (i for i in ())
    return [
        object(),
        threading.Lock(),
        generator,
        file,
        connection,
        sys._getframe(),
        iter({1}),
        threading.Thread(),
        threading.local(),
        {}.keys(),
        weakref.ref(Colour),
        _core.Digest(),
        io.TextIOWrapper(io.BytesIO()),
        zip(generator),
        lambda: generator,
        generator.send,
        *of_this_process(),
        *refusing(),
    ]


def of_this_process():
    """What pickle would take, but for numbers that mean something in one process."""
    return [
        ctypes.CDLL(None),
        multiprocessing.Process(),
        *multiprocessing.Pipe(),
        threading.Condition(),
        weakref.WeakSet(),
        queue.Queue(),
    ]


class Refuses:
    def __init__(self, error):
        self.error = error

    def __getstate__(self):
        raise self.error


def refusing():
    """What raises errors of other types than pickle's."""
    errors = [
        ValueError("no"),
        NotImplementedError(),
        AssertionError(),
        AttributeError("a"),
    ]
    return [
        random.SystemRandom(),
        ctypes.pointer(ctypes.c_int(1)),
        multiprocessing.Lock(),
        *map(Refuses, errors),
    ]


def test_what_has_no_value_raises():
    with open(os.devnull) as file, socket.socket() as connection:
        check_unhashables(unhashables(file, connection))


def check_unhashables(objects):
    for obj in objects:
        for holder in ([obj], {"a": (1, obj)}, hash_vectors.Point(x=obj)):
            for name in DIGESTS:
                with pytest.raises(UnhashableError):
                    hash(holder, name)


def test_error_is_what_joblib_users_catch():
    assert issubclass(UnhashableError, pickle.PicklingError)
    assert issubclass(UnhashableError, TypeError)


@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda x: x, "obj"),
        (lambda x: [1, x], "obj[1]"),
        (lambda x: {"model": model(callback=x)}, "obj['model'].callback"),
        (lambda x: model(a=[model(b=(0, x))]), "obj.a[0].b[1]"),
        (lambda x: Slots(1, x), "obj.b"),
        (lambda x: Pair(1, x), "obj[1]"),
        (lambda x: {x}, "obj.member"),
        (lambda x: {(1, x): 2}, "obj.key(<tuple>)[1]"),
        (lambda x: OwnDict(a=x), "obj['a']"),
        (lambda x: OwnList([x]), "obj[0]"),
        (lambda x: lambda y=x: y, "obj.__defaults__[0]"),
        (lambda x: model(me=model(f=x).__init__), "obj.me.__self__.f"),
    ],
)
def test_error_names_the_path(wrap, path):
    with pytest.raises(UnhashableError) as caught:
        xxh(wrap(threading.Lock()))
    assert str(caught.value).partition(": ")[0] == path


def test_error_names_the_argument():
    with pytest.raises(
        UnhashableError, match=r"^args\['model'\]\.callback: a '_thread.lock'"
    ):
        _core.canonical_hash_pairs(
            ("n", "model"), (1, model(callback=threading.Lock()))
        )


def test_error_inside_a_cycle_names_the_path():
    loop = model()
    loop.me, loop.lock = loop, threading.Lock()
    with pytest.raises(UnhashableError, match=r"^obj\.lock: "):
        xxh(loop)


def test_wrong_calls():
    with pytest.raises(ValueError, match="md4"):
        hash(1, "md4")
    for args in ((), (1, 2), (1, "xxh128", 3)):
        with pytest.raises((TypeError, ValueError)):
            _core.canonical_hash(*args)


def test_big_buffers_release_the_gil():
    """Another thread gets on while a large buffer is digested."""
    data, counts = bytes(1 << 28), []

    def work():
        hash(data, "sha256")
        counts.append(len(ticks))

    ticks = []
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive():
        ticks.append(None)
    thread.join()
    assert counts[0] > 1000


def peak_of(obj, name="xxh128"):
    gc.collect()
    tracemalloc.start()
    hash(obj, name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def test_memory_beyond_the_object():
    million = 10**6
    shared = [[i] for i in range(million)]
    for obj in (
        {str(i): i for i in range(million)},
        set(range(million)),
        [float(i) for i in range(million)],
        [shared, list(shared)],
        OwnDict({i: i for i in range(million)}),
        collections.defaultdict(int, {i: i for i in range(million)}),
        collections.deque(range(million)),
    ):
        assert peak_of(obj) <= 16_000_000
    assert peak_of({str(i): i for i in range(million)}, "sha256") <= 70_000_000


def test_shared_structure_costs_linear_time():
    obj = [1]
    for _ in range(2000):
        obj = [obj, obj, (obj, obj)]
    other = [1]
    for _ in range(2000):
        other = [other, other, (other, other)]
    assert both(obj) == both(other)


def nested(depth, wrap):
    obj = None
    for _ in range(depth):
        obj = wrap(obj)
    return obj


WRAPS = {
    "list": lambda x: [x],
    "tuple": lambda x: (x,),
    "dict": lambda x: {"a": x},
    "instance": lambda x: hash_vectors.Point(x=x),
    "partial": lambda x: functools.partial(int, x),
    "list in a cycle": lambda x: [x] if x else hash_vectors.loop(),
}


class Again:
    """Its hook hashes in its turn."""

    def __init__(self, inner):
        self.inner = inner

    def __cjoblib_hash__(self):
        return xxh(self.inner)


WRAPS["hook that hashes"] = Again


@pytest.mark.parametrize("stack_bytes", [0, 65536, 1 << 20])
@pytest.mark.parametrize("kind", WRAPS)
def test_deep_nesting(kind, stack_bytes):
    """In a process of its own: a crash must not take the others with it."""
    run = run_code(f"test_canonical_hash_faults.deep({kind!r}, {stack_bytes})")
    assert run.returncode == 0, run.stderr
    assert "ok" in run.stdout


def deep(kind, stack_bytes):
    obj, found = nested(100_000, WRAPS[kind]), []

    def attempt():
        try:
            found.append(xxh(obj))
        except RecursionError:
            found.append("too deep")

    threading.stack_size(stack_bytes)
    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    assert len(found) == 1
    print("ok", flush=True)
    os._exit(0)


def run_code(code):
    paths = [str(HERE), str(pathlib.Path(_core.__file__).parents[1])]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", f"import test_canonical_hash_faults; {code}"]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120)


def everything():
    """One object of each kind."""
    array = [1.5, "a", {"k": b"x" * 300, 10**40: {1, 2}}]
    loop = hash_vectors.Point(items=array)
    objects = [
        array,
        loop,
        Slots(1, array),
        Pair(1, 2),
        Colour.RED,
        collections.OrderedDict(a=1),
        collections.deque([1]),
        OwnDict(a=1),
        OwnSet({1}),
        functools.partial(int, base=2),
        everything,
        Slots,
        len,
        datetime.datetime(2020, 1, 1),
        memoryview(b"abc"),
        {"s": {1, "a"}},
        pathlib.Path("a"),
        lambda x=array: (x, objects),
        Versioned(1),
        sys,
        type("Local", (), {"a": 1}),
    ]
    return objects


def test_no_memory_at_any_point():
    pytest.importorskip("_testcapi")
    run = run_code("test_canonical_hash_faults.without_memory()")
    assert run.returncode == 0, run.stderr
    assert int(run.stdout.split()[-1]) > 100


def without_memory():
    import _testcapi

    obj = everything()
    loop = [obj]
    loop.append(loop)
    n_refused = 0
    for target, name in itertools.product((obj, loop), DIGESTS):
        expected = hash(target, name)
        for n in itertools.count():
            _testcapi.set_nomemory(n, n + 1)
            try:
                found = hash(target, name)
            except MemoryError:
                found = None
            finally:
                _testcapi.remove_mem_hooks()
            n_refused += found is None
            assert found in (expected, None)
            if found and n > 3000:
                break
    print(n_refused)


class Mutator:
    """Changes what is being hashed from inside its own hook."""

    def __init__(self, change):
        self.change = change

    def __cjoblib_hash__(self):
        self.change()
        return 1


@pytest.mark.parametrize("change", ["clear", "grow", "replace"])
@pytest.mark.parametrize("kind", [list, dict, set, OwnDict, OwnList, collections.deque])
def test_objects_that_change_while_they_are_hashed(kind, change):
    container = kind()
    mutator = Mutator(lambda: mutate(container, change))
    others = [[i] if kind is not set else (i,) for i in range(50)]
    if isinstance(container, dict):
        container.update({i: o for i, o in enumerate([*others, mutator, *others])})
    elif isinstance(container, set):
        container.update([*others, mutator])
    else:
        container.extend([*others, mutator, *others])
    del others
    with contextlib.suppress(RuntimeError):
        xxh(container)


def mutate(container, change):
    if change != "grow":
        container.clear()
    for i in range(0 if change == "clear" else 101 if change == "replace" else 1000):
        if isinstance(container, dict):
            container[i + 1000] = [i]
        elif isinstance(container, set):
            container.add((i, i))
        else:
            container.append([i])


def test_many_threads_at_once():
    obj = everything()
    expected, found = xxh(obj), []

    def work():
        for _ in range(50):
            found.append(xxh(obj))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == {expected}


def test_nothing_leaks():
    obj = everything()
    failing = [obj, model(x=threading.Lock())]
    loop = [obj]
    loop.append(loop)

    def once():
        for _ in range(200):
            both(obj), both(loop)
            with pytest.raises(UnhashableError):
                xxh(failing)
        gc.collect()
        return sys.getallocatedblocks()

    once()
    assert once() - once() < 50
