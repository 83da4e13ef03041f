"""What the code that a stream runs may do to the unpickler, and what it must not notice.

RELIABILITY.md: A05.
"""

import contextlib
import gc
import io
import pickle
import threading

import pytest
from unpickler_cases import ALL_ERRORS, PROTOCOLS, Plain

from cjoblib._core import Unpickler, pickle_loads

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
