"""What a hostile or broken stream may do to the unpickler: nothing but an exception.

RELIABILITY.md: A03, A04, A05, D05, D06, D07.
"""

import collections
import contextlib
import gc
import io
import os
import pickle
import pickletools
import random
import resource
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import tracemalloc

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as st

from cjoblib._core import Unpickler, pickle_loads

SEED = int(os.environ.get("CJOBLIB_TEST_SEED", "20261122"))
FUZZ_SECONDS = float(os.environ.get("CJOBLIB_FUZZ_SECONDS", "5"))
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

#: What a stream that is no pickle may raise, without any global allowed.
STREAM_ERRORS = (pickle.UnpicklingError, EOFError, ValueError, OverflowError)
#: The same with opcodes applied to objects that are not what they expect.
ALL_ERRORS = (
    *STREAM_ERRORS, TypeError, AttributeError, MemoryError, KeyError, IndexError, ImportError
)  # fmt: skip


class Plain:
    """An instance without __setstate__."""

    def __init__(self, **values):
        self.__dict__.update(values)

    def __eq__(self, other):
        return type(self) is type(other) and self.__dict__ == other.__dict__


class Slotted:
    """An instance with slots and no dict."""

    __slots__ = ("a", "b")


Point = collections.namedtuple("Point", "x y")


def load_file(data, **options):
    return Unpickler(io.BytesIO(data), **options).load()


def load_buffered(data, **options):
    return Unpickler(io.BufferedReader(io.BytesIO(data), 16), **options).load()


LOADERS = [pickle_loads, load_file, load_buffered]


def samples():
    """Objects of all kinds, small."""
    recursive = [1]
    recursive.append(recursive)
    return [
        None, True, False, 0, 255, 65535, -1, 2**31, 10**40, -(10**300), 1.5, "", "a", "é",
        "\ud800", "long" * 100, b"", b"abc", b"x" * 300, bytearray(b"ab"), (), (1,), (1, 2),
        (1, 2, 3), (1, 2, 3, 4), [], list(range(50)), {}, {"a": [1, {"b": 2}]}, set(), {1, 2},
        frozenset([1, 2]), collections.OrderedDict(a=1), Plain(x=1, y="z"),
        Point(1, 2), recursive, 1j, range(3), [[["deep"]]], len, Plain,
    ]  # fmt: skip


def pickles():
    """Streams of all protocols, and hand-made ones with opcodes that no pickler writes."""
    made = [pickle.dumps(sample, p) for sample in samples() for p in PROTOCOLS]
    made += [
        b"(i__builtin__\nlist\n.", b"(c__builtin__\nlist\no.", b"S'a\\x41\\n\\101'\n.",
        b"(dS'a'\nI1\ns.", b"(lI1\na.", b"N0(N1N.", b"((l2t.", b"U\x03abc.",
        b"T\x03\x00\x00\x00abc.", b"L10L\n.", b"F1.5\n.", b"Vabc\np0\ng0\n.",
        b"]r\x00\x00\x01\x00j\x00\x00\x01\x00.", b"(NNd.", b"\x80\x04\x8f(K\x01\x90.",
        b"\x80\x04\x8d\x02\x00\x00\x00\x00\x00\x00\x00ab.",
        b"\x80\x04\x8e\x02\x00\x00\x00\x00\x00\x00\x00ab.",
        b"\x8b\x02\x00\x00\x00\x01\x02.", b"cbuiltins\nint\n)}\x92.",
    ]  # fmt: skip
    slotted = Slotted()
    slotted.a = 1
    made += [pickle.dumps(slotted, p) for p in PROTOCOLS[2:]]
    return made


def check_error(load, data, errors, **options):
    """The stream is refused with one of the errors, in its own words."""
    with pytest.raises(errors) as info:
        load(data, **options)
    assert str(info.value)
    return info.value


# --- truncation, bad opcodes ---------------------------------------------------------------


@pytest.mark.parametrize("load", LOADERS)
def test_truncated_at_every_byte(load):
    for data in pickles():
        load(data)
        for at in range(len(data)):
            error = check_error(load, data[:at], (pickle.UnpicklingError, EOFError))
            assert "at byte" in str(error)


@pytest.mark.parametrize("load", LOADERS)
def test_every_opcode_on_every_stack(load):
    """Each opcode, with several arguments, on stacks that are not made for it."""
    stacks = [
        b"",
        b"(",
        b"N",
        b"N(",
        b"NNN",
        b"NNN(",
        b"(N",
        b"(NN",
        b"](",
        b"}(",
        b"}(N",
        b"\x8f(",
        b"K\x01K\x02K\x03",
        b"N)}",
        b"X\x01\x00\x00\x00aX\x01\x00\x00\x00b",
    ]
    arguments = [
        b"",
        b"\x00" * 9,
        b"\xff" * 9,
        b"\n\n",
        b"-1\n",
        b"a\nb\n",
        b"'\n",
        b"99999999999999999999999\n",
        b"\x01" + b"\x00" * 12,
    ]
    for stack in stacks:
        for op in range(256):
            for argument in arguments:
                for end in (b"", b"."):
                    data = stack + bytes([op]) + argument + end
                    try:
                        load(data, allow=())
                    except ALL_ERRORS as error:
                        assert str(error), data


def test_errors_name_offset_and_opcode():
    data = b"\x80\x05" + b"N0" * 7 + b"\x8e" + struct.pack("<Q", 65536) + b"abc"
    error = check_error(pickle_loads, data, pickle.UnpicklingError)
    assert str(error) == (
        "pickle data was truncated at byte 16 in BINBYTES8: 65536 bytes claimed, 3 left"
    )
    for op in pickletools.opcodes:
        if op.name in ("MARK", "PROTO") or op.name.startswith(("NEW", "EMPTY", "NONE")):
            continue
        data = b"\x80\x05N0" + op.code.encode("latin-1")
        error = check_error(pickle_loads, data, pickle.UnpicklingError)
        assert f"at byte 4 in {op.name}" in str(error)


@pytest.mark.parametrize("proto", [6, 7, 255])
def test_unknown_protocol(proto):
    check_error(pickle_loads, bytes([0x80, proto]) + b"N.", ValueError)


def test_text_arguments():
    assert pickle_loads(b"I-5\n.") == -5
    assert pickle_loads(b"I0x10\n.") == 16
    assert pickle_loads(b"L-12345678901234567890L\n.") == -12345678901234567890
    assert pickle_loads(b"F-1e3\n.") == -1000.0
    assert pickle_loads(b"S'\\x00\\101\\q\\''\n.", encoding="bytes") == b"\x00A\\q'"
    assert pickle_loads(b"V\\u20ac\n.") == "\u20ac"
    for bad in (
        b"I\n.",
        b"I1 2\n.",
        b"I1\x00\n.",
        b"Ix\n.",
        b"L\n.",
        b"LL\n.",
        b"F\n.",
        b"F1x\n.",
        b"F1.0\x00\n.",
        b"S'\\x0'\n.",
        b"S'\\xg0'\n.",
        b"S'a\\'\n.",
        b"Ng\n.",
        b"Ngx\n.",
        b"Np-1\n.",
        b"Np99999999999999999999\n.",
    ):
        check_error(pickle_loads, bad, ValueError)
    for bad in (b"S'a\n.", b"S'\n.", b"Sa\n."):
        check_error(pickle_loads, bad, pickle.UnpicklingError)


# --- D06: claims -----------------------------------------------------------------------------


def _claims():
    huge = [2**36, 2**40, 2**62]
    for n in huge:
        for op in b"\x8e", b"\x8d", b"\x96", b"\x95":
            yield b"\x80\x05" + op + struct.pack("<Q", n) + b"abc"
    yield b"\x80\x05\x8e" + struct.pack("<Q", 2**63) + b"abc"
    yield b"\x80\x05\x95" + struct.pack("<Q", 2**64 - 1) + b"abc"
    yield b"\x8b" + struct.pack("<i", -1) + b"abc"
    yield b"\x8b" + struct.pack("<i", 2**31 - 1) + b"abc"
    yield b"T" + struct.pack("<i", -1) + b"abc"
    yield b"T" + struct.pack("<i", 2**31 - 1) + b"abc"
    yield b"B" + struct.pack("<I", 2**32 - 1) + b"abc"
    yield b"X" + struct.pack("<I", 2**32 - 1) + b"abc"
    yield b"Nr" + struct.pack("<I", 2_000_000_000)
    yield b"Np2000000000\n"
    yield b"Nj" + struct.pack("<I", 2_000_000_000)


@pytest.mark.parametrize("load", LOADERS)
def test_claims_allocate_nothing(load):
    for data in _claims():
        gc.collect()
        tracemalloc.start()
        start = time.perf_counter()
        check_error(load, data, (pickle.UnpicklingError, OverflowError, EOFError))
        elapsed = time.perf_counter() - start
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert elapsed < 0.1, data
        assert peak < 16 << 20, data


def test_claims_under_an_address_space_limit():
    """In a child that has 100 MB more than it needs, from memory and from a real file."""
    code = """
        import resource, sys, tempfile, pickle
        from cjoblib._core import Unpickler, pickle_loads
        import test_unpickler_hardening as tests
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + (100 << 20)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        n = 0
        for data in tests._claims():
            for load in (pickle_loads, tests.load_file, tests.load_real_file):
                try:
                    load(data)
                except (pickle.UnpicklingError, OverflowError, EOFError):
                    n += 1
        print(n)
    """
    assert int(run_child(code)) == 3 * len(list(_claims()))


def load_real_file(data):
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return Unpickler(file).load()


def run_child(code, timeout=120):
    """The output of a program in a process of its own, which must end well."""
    path = os.pathsep.join([os.path.dirname(__file__), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_a_memo_index_far_away():
    data = b"](" + b"Nr" + struct.pack("<I", 2_000_000_000)
    data += b"j" + struct.pack("<I", 2_000_000_000) + b"e."
    assert pickle_loads(data) == [None, None]
    unpickler = Unpickler(io.BytesIO(data))
    unpickler.load()
    assert unpickler.memo.copy() == {2_000_000_000: None}


def test_memo_indexes_that_move_from_the_dict_to_the_array():
    """An index that is far when it is first put, and near when it is put again."""
    n = 5000
    put = b"r" + struct.pack("<I", n)
    data = b"K\x01" + put + b"0" + b"N0" * n + b"K\x02" + put + b"0"
    data += b"j" + struct.pack("<I", n) + b"."
    assert pickle_loads(data) == 2
    unpickler = Unpickler(io.BytesIO(data))
    unpickler.load()
    assert unpickler.memo.copy() == {n: 2}


@pytest.mark.parametrize("size", [70_000, 3_000_000])
@pytest.mark.parametrize("make", [bytes, bytearray, lambda b: b.decode("latin-1")])
def test_large_values_from_files(make, size, tmp_path):
    value = make(bytes(range(256)) * (size // 256))
    for proto in PROTOCOLS:
        data = pickle.dumps([value, 1, value[:10]], proto)
        (tmp_path / "p").write_bytes(data + b"rest")
        # An unbuffered file reads the lines of protocol 0 byte by byte.
        bufferings = (-1,) if proto < 3 else (-1, 0)
        files = [open(tmp_path / "p", "rb", buffering=b) for b in bufferings]
        for opened in (*files, io.BytesIO(data + b"rest")):
            with opened as file:
                assert Unpickler(file).load() == [value, 1, value[:10]]
                assert file.read() == b"rest"


# --- D07: depth ------------------------------------------------------------------------------


def nested(depth):
    return b"\x80\x04" + b"]" * depth + b"a" * (depth - 1) + b"."


def depth_of(value):
    n = 0
    while value:
        value = value[0]
        n += 1
    return n + 1


def test_nested_100_000_lists():
    assert depth_of(pickle_loads(nested(100_000))) == 100_000
    assert depth_of(load_file(nested(100_000))) == 100_000
    check_error(pickle_loads, nested(100_000)[:-1], EOFError)
    marks = b"(" * 100_000 + b"t" * 100_000 + b"."
    assert depth_of(pickle_loads(marks)) == 100_000


def test_nesting_in_a_small_thread():
    """A stack of 64 kB: in a child, for a fault would be a signal."""
    code = """
        import threading
        import test_unpickler_hardening as tests
        threading.stack_size(65536)
        results, kept = [], []
        def work():
            value = tests.pickle_loads(tests.nested(100_000))
            results.append(tests.depth_of(value))
            # CPython 3.13 itself overruns such a stack when it frees the lists.
            kept.append(value)
            results.append(tests.pickle_loads(tests.pickle.dumps(tests.Plain(a=1))))
        thread = threading.Thread(target=work)
        thread.start(); thread.join()
        print(results[0], results[1].a)
    """
    assert run_child(code) == "100000 1\n"


# --- A05: hooks that do what they should not -------------------------------------------------

HOOK = None


class Hooked:
    """Calls HOOK wherever a stream can make an object run code."""

    def __init__(self, *args):
        HOOK()

    def __setstate__(self, state):
        HOOK()

    def __hash__(self):
        HOOK()
        return 1

    def __eq__(self, other):
        HOOK()
        return self is other

    def append(self, item):
        HOOK()

    def __setitem__(self, key, value):
        HOOK()

    def add(self, item):
        HOOK()

    def __del__(self):
        HOOK()


class HookedExtend(Hooked):
    """The same with extend()."""

    def extend(self, items):
        HOOK()
        items.clear()


def hooked_streams():
    name = f"c{__name__}\nHooked\n".encode()
    extend = f"c{__name__}\nHookedExtend\n".encode()
    new = name + b")\x81"
    yield name + b")R."
    yield b"(" + name + b"No."
    yield new + b"}b."
    yield b"}" + new + b"Ns."
    yield b"}(" + new + b"N" + new + b"Nu."
    yield b"(" + new + b"N" + new + b"Nd."
    yield b"\x8f(" + new + new + b"\x90."
    yield b"(" + new + new + b"\x91."
    yield new + b"Na."
    yield new + b"(NNe."
    yield extend + b")\x81(NNe."
    yield new + b"NNs."
    yield new + b"(NNNNu."
    yield new + b"(N\x90."
    yield new + b"0N."
    yield b"(" + new + b"1N."
    yield new + b"q\x000Nq\x000N."
    yield b"}(K\x01" + new + b"K\x01Nu."
    yield new + b"q\x00" + new + b"q\x000h\x00."


def hooks_on(unpickler, file):
    """What a hook may try with the unpickler that is running."""
    yield lambda: unpickler.load()
    yield lambda: unpickler.__init__(io.BytesIO(b"N."))
    yield lambda: unpickler.memo.clear()
    yield lambda: setattr(unpickler, "memo", {0: 1})
    yield lambda: unpickler.memo.copy()
    yield lambda: setattr(unpickler, "memo", unpickler.memo)
    yield lambda: unpickler.find_class("builtins", "int")
    yield file.close
    yield lambda: file.seek(0)
    yield lambda: file.truncate(0)
    yield gc.collect
    yield lambda: unpickler.__dict__.clear()
    yield lambda: setattr(unpickler, "find_class", None)
    yield lambda: pickle_loads(b"cbuiltins\nint\n.")
    yield lambda: 1 / 0


def test_hooks_that_change_the_running_unpickler():
    global HOOK
    n_calls = 0
    for data in hooked_streams():
        for padding in (b"", b"N0" * 300):
            for number in range(len(list(hooks_on(None, io.BytesIO())))):
                file = io.BytesIO(padding + data)
                unpickler = Unpickler(io.BufferedReader(file) if number % 2 else file)
                action = list(hooks_on(unpickler, file))[number]

                left = [3]  # a hook that always rewinds the file would never end

                def hook(action=action, left=left):
                    nonlocal n_calls
                    n_calls += 1
                    left[0] -= 1
                    if left[0] >= 0:
                        with contextlib.suppress(
                            *ALL_ERRORS, RuntimeError, ZeroDivisionError
                        ):
                            action()

                HOOK = hook
                try:
                    unpickler.load()
                except (*ALL_ERRORS, RuntimeError):
                    pass
                HOOK = lambda: None  # noqa: E731
                del unpickler
    assert n_calls > 500


def test_reentrancy_is_refused():
    class Again(Unpickler):
        def find_class(self, module, name):
            with pytest.raises(RuntimeError):
                self.load()
            with pytest.raises(RuntimeError):
                self.__init__(io.BytesIO())
            return super().find_class(module, name)

        def persistent_load(self, pid):
            with pytest.raises(RuntimeError):
                self.load()
            return pid

    assert Again(io.BytesIO(b"cbuiltins\nint\n.")).load() is int
    assert Again(io.BytesIO(b"K\x05Q.")).load() == 5
    nested_load = lambda module, name: pickle_loads(b"cbuiltins\nlist\n.")  # noqa: E731
    assert pickle_loads(b"cbuiltins\nint\n.", find_class=nested_load) is list


def test_a_second_thread_is_refused():
    inside, leave = threading.Event(), threading.Event()

    class Slow(Unpickler):
        def find_class(self, module, name):
            inside.set()
            assert leave.wait(30)
            return int

    unpickler = Slow(io.BytesIO(b"cbuiltins\nint\n."))
    results = []
    thread = threading.Thread(target=lambda: results.append(unpickler.load()))
    thread.start()
    assert inside.wait(30)
    for action in (unpickler.load, unpickler.memo.clear, unpickler.memo.copy):
        with pytest.raises(RuntimeError):
            action()
    leave.set()
    thread.join(30)
    assert results == [int]


def test_the_collector_is_as_before():
    """No code but the unpickler's own runs while the collector is paused."""
    global HOOK
    seen = []
    HOOK = lambda: seen.append(gc.isenabled())  # noqa: E731
    for data in hooked_streams():
        pickle_loads(data)
        assert gc.isenabled()
        with pytest.raises(pickle.UnpicklingError):
            pickle_loads(data[:-1] + b"\xff")
        assert gc.isenabled()
    # A finalizer of a value that a stream replaces in a dict is the exception.
    assert seen.count(False) <= 2
    gc.disable()
    try:
        pickle_loads(next(hooked_streams()))
        assert not gc.isenabled()
    finally:
        gc.enable()
    HOOK = gc.disable
    pickle_loads(next(hooked_streams()))
    was_enabled = gc.isenabled()
    HOOK = lambda: None  # noqa: E731
    gc.enable()
    assert not was_enabled
    gc.collect()


def test_bad_files():
    class File:
        def __init__(self, read=None, readline=None, peek=None):
            self.read = read or (lambda n: b"")
            self.readline = readline or (lambda: b"")
            if peek:
                self.peek = peek

    for bad in (None, "text", bytearray(b"N."), 5, b"too many bytes"):
        for file in (
            File(read=lambda n, bad=bad: bad),
            File(peek=lambda n, bad=bad: bad),
        ):
            with pytest.raises((ValueError, EOFError, pickle.UnpicklingError)):
                Unpickler(file).load()
        with pytest.raises((ValueError, EOFError, pickle.UnpicklingError)):
            Unpickler(File(read=lambda n: b"I", readline=lambda bad=bad: bad)).load()
    with pytest.raises(ValueError):
        Unpickler(File(peek=lambda n: b"N." * 10)).load()  # read() has less than shown
    with pytest.raises(ZeroDivisionError):
        Unpickler(File(read=lambda n: 1 / 0)).load()
    with pytest.raises(ValueError):
        closed = io.BytesIO(b"N.")
        closed.close()
        Unpickler(closed).load()


# --- files -----------------------------------------------------------------------------------


class Trickle(io.RawIOBase):
    """Gives one byte at a time."""

    def __init__(self, data):
        self.data = io.BytesIO(data)

    def readable(self):
        return True

    def readinto(self, view):
        got = self.data.read(1)
        view[: len(got)] = got
        return len(got)


class OnlyRead:
    """Has read and readline, nothing else."""

    def __init__(self, data):
        file = io.BytesIO(data)
        self.read, self.readline = file.read, file.readline


@pytest.mark.parametrize("proto", PROTOCOLS)
@pytest.mark.parametrize(
    "opener",
    [io.BytesIO, OnlyRead, Trickle, lambda d: io.BufferedReader(Trickle(d)),
     lambda d: io.BufferedReader(io.BytesIO(d), 7)],
)  # fmt: skip
def test_nothing_beyond_the_pickle_is_consumed(opener, proto):
    values = [[i, "text%d" % i, {"k": [i] * 100}, b"x" * 70000] for i in range(3)]
    values.append(list(range(40000)))
    file = opener(
        b"".join(pickle.dumps(v, proto) + b"raw%d\n" % i for i, v in enumerate(values))
    )
    for i, value in enumerate(values):
        assert Unpickler(file).load() == value
        assert b"".join(file.read(1) for _ in range(5)) == b"raw%d\n" % i
    with pytest.raises(EOFError):
        Unpickler(file).load()


def test_a_socket_and_a_pipe_do_not_wait_for_more():
    value = {"a": list(range(1000)), "b": b"x" * 100_000}
    for proto in PROTOCOLS:
        data = pickle.dumps(value, proto)
        ours, theirs = socket.socketpair()
        read_fd, write_fd = os.pipe()
        with ours, theirs, ours.makefile("rb") as a, open(read_fd, "rb") as b:
            writers = [
                threading.Thread(target=theirs.sendall, args=(data,)),
                threading.Thread(target=lambda d=data, fd=write_fd: write_all(fd, d)),
            ]
            for file, writer in zip((a, b), writers):
                writer.start()
                assert Unpickler(file).load() == value
                writer.join(30)
        os.close(write_fd)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data) :]


def test_frames_that_end_early_or_late():
    frame = lambda n: b"\x95" + struct.pack("<Q", n)  # noqa: E731
    for load in LOADERS:
        check_error(load, b"\x80\x04" + frame(3) + b"N.", pickle.UnpicklingError)
        assert load(b"\x80\x04" + frame(1) + b"N.") is None
        assert load(b"\x80\x04" + frame(0) + b"N.") is None
        # An argument may straddle a frame's end, as in CPython's C unpickler.
        assert load(b"\x80\x04" + frame(3) + b"\x8c\x03abc.") == "abc"
    file = io.BytesIO(b"\x80\x04" + frame(4) + b"N.K\x05" + b".")
    unpickler = Unpickler(file)
    assert unpickler.load() is None
    assert unpickler.load() == 5


# --- A03: no memory --------------------------------------------------------------------------


def test_every_allocation_fails_once():
    """CPython's own hook; each call gives a value or MemoryError, and nothing is lost."""
    pytest.importorskip("_testcapi")
    code = """
        import _testcapi, gc, io, sys, pickle
        import test_unpickler_hardening as tests
        from cjoblib._core import Unpickler, pickle_loads
        def run(load, make, data):
            failures = 0
            for start in range(100000):
                argument = make(data)
                _testcapi.set_nomemory(start, start + 1)
                try:
                    load(argument)
                    done = True
                except BaseException as error:
                    _testcapi.remove_mem_hooks()
                    # Python's own code may turn MemoryError into something else.
                    assert isinstance(error, (MemoryError, SystemError, LookupError)), repr(error)
                    done = False
                _testcapi.remove_mem_hooks()
                if done and start > failures + 20:
                    return failures
                failures += not done
            raise AssertionError("never done")
        def load_open(file):
            return Unpickler(file).load()
        def buffered(data):
            return io.BufferedReader(io.BytesIO(data), 16)
        ways = [(pickle_loads, bytes), (load_open, io.BytesIO), (load_open, buffered)]
        total = 0
        objects = [[1, 10**40, "text" * 100, "é", b"b" * 2000, {"a": (1, 2)}, {1, 2},
                    frozenset([3]), bytearray(b"x" * 100)], tests.Plain(x=1), list(range(300)),
                   tests.Point(1, 2), {i: str(i) for i in range(200)}]
        for value in objects:
            for proto in (0, 2, 5):
                data = pickle.dumps(value, proto)
                for load, make in ways:
                    assert load(make(data)) == value
                    total += run(load, make, data)
        print(total)
    """
    assert int(run_child(code, timeout=300)) > 100


def test_failed_loads_lose_nothing():
    """References, blocks: a thousand failures leave as many as ten."""
    streams = [data[:at] for data in pickles() for at in range(0, len(data), 7)]

    def run():
        for data in streams:
            for load in LOADERS:
                try:
                    load(data)
                except ALL_ERRORS:
                    pass

    run()
    run()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(3):
        run()
    gc.collect()
    assert sys.getallocatedblocks() - before < 100


def test_no_memory_grows():
    data = pickle.dumps([Plain(x=i, y=str(i)) for i in range(200)])
    for _ in range(50):
        pickle_loads(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(500):
        pickle_loads(data)
        load_file(data)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2048


# --- differential ----------------------------------------------------------------------------

_leaves = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
    | st.binary() | st.binary().map(bytearray) | st.complex_numbers(allow_nan=False)
    | st.text(alphabet=st.characters()) | st.integers(-300, 70000)
)  # fmt: skip
_keys = st.none() | st.booleans() | st.integers() | st.text() | st.binary()
_objects = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.tuples(inner, inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(_keys, inner)
        | st.sets(_keys)
        | st.frozensets(_keys)
        | st.dictionaries(st.sampled_from(["x", "y", "long_name"]), inner).map(
            lambda d: Plain(**d)
        )
        | st.dictionaries(st.text(), inner).map(collections.OrderedDict)
        | st.tuples(inner, inner).map(lambda t: Point(*t))
        | inner.map(lambda x: [x, x])
    ),
    max_leaves=30,
)


@seed(SEED)
@settings(max_examples=int(os.environ.get("CJOBLIB_EXAMPLES", "400")), deadline=None)
@given(_objects)
def test_as_pickle_loads(value):
    """Every protocol, every kind of source: what pickle.loads makes of it, to the type."""
    for proto in PROTOCOLS:
        data = pickle.dumps(value, proto)
        expected = pickle.loads(data)
        for load in LOADERS:
            loaded = load(data)
            assert loaded == expected
            assert type(loaded) is type(expected)
            assert repr(loaded) == repr(expected) or "Plain" in repr(value)


def test_numpy():
    np = pytest.importorskip("numpy")
    values = [
        np.arange(10),
        np.float64(1.5),
        np.zeros((2, 3), order="F"),
        np.array([1, "a", None], dtype=object),
        np.array(["2020"], dtype="M8[D]"),
    ]
    for value in values:
        for proto in PROTOCOLS:
            for load in LOADERS:
                loaded = load(pickle.dumps(value, proto))
                assert np.array_equal(loaded, value) and loaded.dtype == value.dtype
    buffers = []
    data = pickle.dumps(values[0], 5, buffer_callback=buffers.append)
    assert np.shares_memory(pickle_loads(data, buffers=buffers), values[0])


# --- plain instances and their short cuts ----------------------------------------------------


class WithProperty:
    """A key of the state is the name of a data descriptor: pickle fills the dict behind it."""

    def __init__(self):
        self.__dict__["guarded"] = 5

    @property
    def guarded(self):
        return self.__dict__["guarded"] * 2

    @guarded.setter
    def guarded(self, value):
        raise AssertionError("the setter is not asked")


class OwnDict:
    """Its __dict__ is a property."""

    @property
    def __dict__(self):
        return TARGET

    def __reduce_ex__(self, protocol):
        return object.__new__, (OwnDict,), {"a": 1}


TARGET = {}


def test_short_cuts_of_build_are_not_seen():
    for proto in PROTOCOLS:
        loaded = pickle_loads(pickle.dumps(WithProperty(), proto))
        assert loaded.guarded == 10
        TARGET.clear()
        pickle_loads(pickle.dumps(OwnDict(), proto))
        assert TARGET == {"a": 1}
        for state in (
            {"__class__": 1},
            {"__setstate__": 1},
            {"": 1},
            {"a": 1, "__dict__": 2},
            {"__module__": "m"},
            {"x y": 1},
        ):
            value = Plain()
            value.__dict__.update(state)
            assert pickle_loads(pickle.dumps(value, proto)).__dict__ == state
    odd = b"c%b\nPlain\n)\x81}U\x0c__setstate__c%b\nodd_setstate\nsb}U\x01aK\x01sb."
    odd = odd.replace(b"%b", __name__.encode())
    ODD.clear()
    loaded = pickle_loads(odd)
    assert "a" not in loaded.__dict__ and ODD == [{"a": 1}]


ODD = []


def odd_setstate(state):
    ODD.append(state)


# --- A04: fuzz -------------------------------------------------------------------------------


def mutate(chooser, data):
    data = bytearray(data)
    for _ in range(chooser.choice((1, 1, 2, 3, 8))):
        at = chooser.randrange(len(data) + 1)
        kind = chooser.randrange(6)
        if kind == 0 and at < len(data):
            data[at] = chooser.randrange(256)
        elif kind == 1:
            data[at:at] = chooser.choice(OPCODES)
        elif kind == 2:
            del data[at : at + chooser.randrange(1, 6)]
        elif kind == 3:
            data[at:at] = data[at : at + chooser.randrange(1, 20)]
        elif kind == 4:
            data[at : at + 4] = struct.pack(
                "<I", chooser.choice((0, 1, 255, 2**31, 2**32 - 1))
            )
        else:
            data[at : at + 8] = struct.pack(
                "<Q", chooser.choice((0, 1, 2**32, 2**63, 2**64 - 1))
            )
    return bytes(data)


OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]


class Stand:
    """What a fuzzed stream gets for every global."""

    def __init__(self, *args, **kwargs):
        pass


def test_fuzz():
    """Mutated streams with imports off, for a bounded time: an exception or a value."""
    chooser = random.Random(SEED)
    corpus = pickles()
    n = 0
    print("seed", SEED)
    end = time.monotonic() + FUZZ_SECONDS
    while time.monotonic() < end:
        data = mutate(chooser, chooser.choice(corpus))
        for load, options in (
            (pickle_loads, {"find_class": lambda module, name: Stand}),
            (load_file, {"allow": ()}),
            (load_buffered, {"allow": ()}),
        ):
            start = time.monotonic()
            try:
                load(data, **options)
            except (*ALL_ERRORS, RecursionError):
                pass
            assert time.monotonic() - start < 1, data
        n += 1
    assert n > 100
