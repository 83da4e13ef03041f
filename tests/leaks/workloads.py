"""What is repeated by leaks.py: every public call of the extension, going well and failing.

A workload is a generator function of no arguments whose body up to `yield` prepares, once,
and yields what is repeated. Whatever it repeats must leave nothing behind.
"""

import collections
import contextlib
import copyreg
import ctypes
import datetime
import decimal
import functools
import gc
import io
import os
import pickle
import random
import sys
import threading
import warnings
from pathlib import Path

import cjoblib
from cjoblib import _core
from cjoblib.memory import Memory
from cjoblib.parallel import Parallel, delayed

HERE = Path(__file__).resolve().parent
SEEDS = [
    path.read_bytes()
    for path in sorted((HERE.parent / "fuzz" / "corpus" / "unpickler").iterdir())
]
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
WORKLOADS = {}
#: Where NumPy is: built for a Python that doesn't count, its references go unseen.
ONLY_BLOCKS = {"array_hashes", "array_pickles"}


def workload(function):
    WORKLOADS[function.__name__] = function
    return function


def run_all(calls):
    """Make each call, whether it gives a value or an exception."""
    for call in calls:
        with contextlib.suppress(Exception):
            call()


# --- objects ---------------------------------------------------------------------------------


class Plain:
    def __init__(self, **values):
        self.__dict__.update(values)


class Slotted:
    __slots__ = ("a", "b")

    def __reduce__(self):
        return Slotted, (), (None, {"a": 1})


class Reduced(Plain):
    def __reduce__(self):
        return list, (), None, iter([1]), None


class Stateful(Plain):
    def __getstate__(self):
        return (1, 2)

    def __setstate__(self, state):
        self.state = state


class BadReduce:
    def __reduce__(self):
        raise ZeroDivisionError


class OddReduce:
    def __reduce__(self):
        return Plain, 5


class BadState:
    def __getstate__(self):
        raise ZeroDivisionError


class BadOrder:
    def __lt__(self, other):
        raise ZeroDivisionError


class Named(str):
    pass


Point = collections.namedtuple("Point", "x y")


def recursive():
    own = [1]
    own.append(own)
    own.append({"own": own})
    return own


def arrays():
    try:
        import numpy as np
    except ImportError:
        return []
    return [
        np.arange(20), np.arange(20)[::2], np.zeros((3, 4), order="F"), np.float32(1.5),
        np.array([1, "a", None], dtype=object), np.array(["2020"], dtype="M8[D]"),
        np.zeros(2, dtype=[("a", "i4"), ("b", "f8")]), np.array(5), np.dtype("i4"),
        np.ma.masked_array([1, 2], mask=[0, 1]), np.ma.masked, np.zeros((1000, 100)),
    ]  # fmt: skip


def good_objects():
    slotted = Slotted()
    slotted.a = 1
    shared = ["shared"]
    return [
        None, True, 7, 300, 70000, -1, 2**40, 10**40, -(10**300), 1.5, 1j, "", "text", "é",
        "\ud800", "long" * 100, b"", b"bytes", b"b" * 300, bytearray(b"ab"), (), (1,), (1, 2, 3, 4),
        [], list(range(50)), {}, {"b": [1, {"a": 2}], "a": 1}, {1: 1, "a": 2, None: 3}, set(),
        {1, "a", 2.5}, frozenset([1, "b"]), collections.OrderedDict(a=1),
        collections.defaultdict(list, a=[1]), collections.deque([1, 2]), Plain(x=1, y="z"),
        Reduced(x=1), Stateful(x=2), slotted, Point(1, 2), Named("a"), recursive(),
        [shared, shared, (shared,)], range(3), len, [].append, Plain, Plain().__init__, Ellipsis,
        datetime.date(2020, 1, 1), decimal.Decimal("1.5"), functools.partial(len, [1]),
        Path("a"), pickle.PickleBuffer(b"buffer"), type(None), [[["deep"]]],
        {str(i): i for i in range(10_500)},
    ]  # fmt: skip


def bad_objects():
    nested = []
    for _ in range(20000):
        nested = [nested]
    return [
        BadReduce(), OddReduce(), BadState(), [1, {"k": (BadReduce(),)}], {BadOrder(): 1, BadOrder(): 2},
        threading.Lock(), (n for n in ()), lambda: 1, object(), nested, {"a": [object()]},
        sys.stdin, sys, memoryview(b"a"), {BadOrder(), BadOrder()}, ctypes.CDLL(None),
        random.SystemRandom(),
    ]  # fmt: skip


# --- hashes ----------------------------------------------------------------------------------


def hashes(objects):
    for value in objects:
        for name in ("md5", "sha1", "xxh128", "sha256", "no such"):
            with contextlib.suppress(Exception):
                cjoblib.hash(value, name)
        with contextlib.suppress(Exception):
            cjoblib.hash(value, coerce_mmap=True)


@workload
def hash_good():
    objects = good_objects()
    yield lambda: hashes(objects)


@workload
def hash_bad():
    objects = bad_objects()
    yield lambda: hashes(objects)


@workload
def hash_hooks():
    class Hooked:
        def __cjoblib_hash__(self):
            return ("stand-in", 1)

    class BadHook:
        def __cjoblib_hash__(self):
            raise ZeroDivisionError

    class Registered:
        pass

    def run():
        _core.register_hasher(Registered, lambda value: 1)
        hashes([Hooked(), [BadHook()], Registered()])
        run_all([
            lambda: _core.register_hasher(5, len),
            lambda: _core.register_hasher(Registered, 5),
            lambda: _core.canonical_hash_pairs(("a", "b"), (1, [2])),
            lambda: _core.canonical_hash_pairs(("a",), (object(),)),
            lambda: _core.canonical_hash_pairs(5, 6),
        ])  # fmt: skip

    yield run


@workload
def processors():
    def run():
        _core.cpu_look()
        _core.cpu_look("/")
        for function in (_core.cpu_look, _core.cpu_count_cores):
            with contextlib.suppress(OSError):
                function()
            with contextlib.suppress(OSError):
                function(HERE / "nowhere")
            with contextlib.suppress(TypeError):
                function(3)

    yield run


@workload
def digest():
    def run():
        for name in ("xxh128", "xxh3", "sha256", "md5", "sha1", "crc32", "no such"):
            with contextlib.suppress(ValueError):
                digest = _core.Digest(name)
                digest.update(b"abc" * 1000)
                digest.update(bytearray(200_000))
                digest.digest(), digest.hexdigest()
                run_all(
                    [lambda d=digest: d.update("text"), lambda d=digest: d.update(None)]
                )
        run_all([lambda: _core.Digest(5), lambda: _core.Digest("a", "b")])

    yield run


# --- pickles ---------------------------------------------------------------------------------


class BadFile:
    def write(self, data):
        raise ZeroDivisionError

    def read(self, n):
        raise ZeroDivisionError

    def readline(self):
        raise ZeroDivisionError


def dumps(objects):
    for value in objects:
        for protocol in (*PROTOCOLS, 9):
            with contextlib.suppress(Exception):
                _core.pickle_dumps(value, protocol)
        buffers = []
        run_all([
            lambda v=value: _core.pickle_dumps(v, 5, buffer_callback=buffers.append),
            lambda v=value: _core.pickle_dumps(v, by_value=True),
            lambda v=value: _core.Pickler(io.BytesIO(), 2).dump(v),
            lambda v=value: _core.Pickler(BadFile()).dump([v, b"x" * 100_000]),
        ])  # fmt: skip


@workload
def pickle_good():
    objects = good_objects()
    yield lambda: dumps(objects)


@workload
def pickle_bad():
    objects = bad_objects()
    yield lambda: dumps(objects)


@workload
def pickler_hooks():
    class Pickler(_core.Pickler):
        dispatch_table = copyreg.dispatch_table | {Plain: lambda value: (Plain, ())}

        def persistent_id(self, value):
            return "pid" if value == "persistent" else None

        def reducer_override(self, value):
            return NotImplemented

    def run():
        for protocol in PROTOCOLS:
            pickler = Pickler(io.BytesIO(), protocol)
            pickler.dump([Plain(), "persistent", Point(1, 2)])
            pickler.memo = pickler.memo.copy()
            pickler.clear_memo()
            run_all(
                [lambda p=pickler: p.dump(BadReduce()), lambda p=pickler: p.__init__(5)]
            )
            pickler.own = pickler

    yield run


def loads(data, buffers=None):
    run_all([
        lambda: _core.pickle_loads(data, buffers=buffers),
        lambda: _core.pickle_loads(data, allow=["collections.*", "builtins.set"]),
        lambda: _core.pickle_loads(data, encoding="bytes", find_class=lambda m, n: Plain),
        lambda: _core.Unpickler(io.BytesIO(data), buffers=buffers).load(),
        lambda: _core.Unpickler(io.BufferedReader(io.BytesIO(data), 16), allow=()).load(),
    ])  # fmt: skip


@workload
def unpickle_good():
    buffers = [b"buffer", bytearray(b"buffer")]
    streams = [
        pickle.dumps(value, protocol)
        for value in good_objects()
        if not isinstance(value, pickle.PickleBuffer)
        for protocol in PROTOCOLS
    ]
    yield lambda: [loads(data, buffers) for data in streams]


@workload
def unpickle_seeds():
    """The fuzz target's, also cut at a few places."""
    streams = [
        data[:at] for data in SEEDS for at in range(0, len(data), 1 + len(data) // 6)
    ]
    streams += SEEDS
    yield lambda: [loads(data, [b"abc"]) for data in streams]


@workload
def unpickler_hooks():
    class Unpickler(_core.Unpickler):
        def find_class(self, module, name):
            return super().find_class(module, name)

        def persistent_load(self, pid):
            if pid == "bad":
                raise ZeroDivisionError
            return [pid]

    streams = [
        b"cbuiltins\nint\n.",
        b"Pabc\n.",
        b"Pbad\n.",
        b"]Nr\x05\0\0\0.",
        b"cno_such\nx\n.",
    ]

    def run():
        for data in streams:
            unpickler = Unpickler(io.BytesIO(data))
            run_all([unpickler.load, unpickler.load, lambda u=unpickler: u.__init__(5)])
            unpickler.memo = unpickler.memo.copy()
            unpickler.own = unpickler
            run_all([lambda u=unpickler: setattr(u, "memo", 5), unpickler.memo.clear])
            with contextlib.suppress(Exception):
                _core.Unpickler(BadFile()).load()

    yield run


def counts_of_shared(values):
    """How often the things that outlive an array are referred to, by their own counts."""
    gc.collect()
    kinds = {type(value) for value in values} | {type(None), dict, tuple}
    shared = [
        *values,
        *kinds,
        *(value.dtype for value in values if hasattr(value, "strides")),
    ]
    return [sys.getrefcount(thing) for thing in shared]


def stays(values, run):
    run()
    before = counts_of_shared(values)
    run()
    assert counts_of_shared(values) == before


@workload
def array_hashes():
    values = arrays()
    yield lambda: stays(values, lambda: hashes(values))


@workload
def array_pickles():
    values = arrays()
    streams = [
        pickle.dumps(value, protocol) for value in values for protocol in PROTOCOLS
    ]
    run = lambda: [dumps(values), [loads(data) for data in streams]]  # noqa: E731
    yield lambda: stays(values, run)


# --- files -----------------------------------------------------------------------------------


@workload
def codecs():
    data = b"text " * 30_000

    def run_kind(kind):
        out = io.BytesIO()
        encoder = _core.Encoder(out.write, kind)
        encoder.write(data)
        encoder.finish()
        run_all([lambda: encoder.write(data), encoder.finish])
        for packed in (
            out.getvalue(),
            out.getvalue()[:-9],
            out.getvalue()[:50] * 3,
            b"",
            b"xx",
        ):
            decoder = _core.Decoder(io.BytesIO(packed).read, kind)
            run_all([lambda d=decoder: d.readinto(bytearray(len(data)))] * 2)
        run_all([
            lambda: _core.Encoder(BadFile().write, kind).write(data * 10),
            lambda: _core.Decoder(BadFile().read, kind).readinto(bytearray(5)),
            lambda: _core.Decoder(lambda n: "text", kind).readinto(bytearray(5)),
            lambda: _core.Encoder(out.write, kind, 99),
            lambda: encoder.write("text"),
        ])  # fmt: skip

    kinds = ("zlib", "gzip", "bz2", "lzma", "xz", "lz4", "zstd", "no such")
    yield lambda: run_all([lambda k=kind: run_kind(k) for kind in kinds])


@workload
def dump_and_load(folder):
    path = os.path.join(folder, "dumped")

    def run():
        for value in (*good_objects(), BadReduce()):
            for compress in (0, 3, ("lzma", 1), ("zstd", 3)):
                with contextlib.suppress(Exception):
                    cjoblib.dump(value, path, compress=compress)
                    cjoblib.load(path)
        with contextlib.suppress(Exception):
            cjoblib.load(os.path.join(folder, "no such"))
        with open(path, "wb") as file:
            file.write(b"\x80\x05damaged")
        with contextlib.suppress(Exception):
            cjoblib.load(path)

    yield run


# --- the store and Memory --------------------------------------------------------------------


@workload
def store(folder):
    def run():
        store = _core.Store(os.path.join(folder, "store"))
        shelf = store.shelf("module/function", b"v" * 16)
        for value in good_objects():
            with contextlib.suppress(Exception):
                shelf.put(b"k" * 16, b"{}", value)
                assert shelf.get(b"k" * 16)[0] == 0
        run_all([
            lambda: shelf.put(b"k" * 16, b"{}", BadReduce()), lambda: shelf.put(b"", b"", 1),
            lambda: shelf.get(b"absent0123456789"), lambda: shelf.get("text"),
            lambda: shelf.has(b"k" * 16), lambda: shelf.has(5), lambda: shelf.remove(b"k" * 16),
            lambda: shelf.remove(b"k" * 16), lambda: shelf.path, lambda: store.location,
            lambda: store.check(True), lambda: store.shelf("../up", b""), lambda: store.shelf(5, 6),
            shelf.clear, store.clear, lambda: _core.Store("/proc/no such"), lambda: _core.Store(5),
            lambda: _core.Store("a\0b"),
        ])  # fmt: skip

    yield run


def computed(x, y=2, *args, key=None, **options):
    if x == "bad":
        raise ZeroDivisionError
    return object if x == "odd" else [x, y, args]


def damage(folder):
    for path in Path(folder).rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            data = path.read_bytes()
            path.write_bytes(data[: len(data) // 2])


@workload
def memory(folder):
    def run():
        memory = Memory(os.path.join(folder, "memory"), verbose=0)
        cached = memory.cache(computed, ignore=["key"])
        for _ in ("miss", "hit"):
            for value in good_objects():
                with contextlib.suppress(Exception):
                    cached(value, 3, 4, key=value)
        run_all([
            lambda: cached("bad"), lambda: cached("odd"), lambda: cached(object()), lambda: cached(),
            lambda: cached(1, x=1), lambda: cached(1, other=[2]), lambda: cached.check_call_in_cache(1),
            lambda: cached.call(1), lambda: pickle.loads(pickle.dumps(cached))(1),
        ])  # fmt: skip
        damage(folder)
        cached("damaged"), cached(1), cached(1)
        memory.clear(warn=False)

    warnings.simplefilter("ignore")
    yield run


# --- Parallel --------------------------------------------------------------------------------


def count_own(_):
    """A worker's own references, when its last call is forgotten."""
    gc.collect()
    return os.getpid(), sys.gettotalrefcount()


def fail(x):
    raise ZeroDivisionError(x)


@workload
def parallel():
    values = [v for v in good_objects() if not isinstance(v, pickle.PickleBuffer)]
    loop = Parallel(n_jobs=2)

    def run():
        assert len(loop(delayed(computed)(v, y=1) for v in values)) == len(values)
        run_all([
            lambda: loop(delayed(fail)(i) for i in range(5)), lambda: loop([5]), lambda: loop(5),
            lambda: loop(delayed(computed)(threading.Lock()) for _ in range(3)),
            lambda: loop(delayed(threading.Lock)() for _ in range(3)),
        ])  # fmt: skip

    yield run


def worker_counts(loop):
    return dict(loop(delayed(count_own)(i) for i in range(20)))


@workload
def workers():
    """References counted in the workers: hundreds of calls add nothing to speak of.

    Blocks are not: they creep up to a bound, in workers of multiprocessing too.
    """
    values = [v for v in good_objects() if not isinstance(v, pickle.PickleBuffer)]
    loop = Parallel(n_jobs=2)

    def calls():
        for _ in range(6):
            loop(delayed(computed)(v, y=1) for v in values)

    def run():
        before = worker_counts(loop)
        calls()
        for pid, n_refs in worker_counts(loop).items():
            assert n_refs - before.get(pid, n_refs) < 20, (before, pid, n_refs)

    calls()
    yield run


@workload
def pools():
    """Workers that come and go."""
    from cjoblib import parallel

    def run():
        assert Parallel(n_jobs=2)([delayed(computed)(1)]) == [[1, 2, ()]]
        run_all([lambda: Parallel(n_jobs=2)([delayed(os._exit)(3)])])
        parallel._close_idle()
        run_all(
            [
                lambda: _core.Pool(0, [], [], b""),
                lambda: _core.Pool(1, ["/no such"], [], b""),
            ]
        )

    yield run
