"""What a hostile or broken stream may do to the unpickler: nothing but an exception.

RELIABILITY.md: A03, A04, D05, D06, D07.
"""

import gc
import io
import os
import pickle
import pickletools
import random
import resource
import struct
import sys
import tempfile
import time
import tracemalloc

import pytest
from seeds import SEED
from unpickler_cases import (
    ALL_ERRORS,
    LOADERS,
    Plain,
    check_error,
    load_buffered,
    load_file,
    pickles,
    run_child,
)

from cjoblib._core import Unpickler, pickle_loads

FUZZ_SECONDS = float(os.environ.get("CJOBLIB_FUZZ_SECONDS", "5"))


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


# --- A03: no memory --------------------------------------------------------------------------


def test_every_allocation_fails_once():
    """CPython's own hook; each call gives a value or MemoryError, and nothing is lost."""
    pytest.importorskip("_testcapi")
    code = """
        import _testcapi, gc, io, sys, pickle
        import unpickler_cases as tests
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
