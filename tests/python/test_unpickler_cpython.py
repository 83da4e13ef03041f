"""CPython's own unpickling suites, of the interpreter that runs, over our unpickler.

`test.pickletester` has the tests as mixins; the pickler is the interpreter's C one. What is
left out, and why, is in SKIPPED.
"""

import io
import pickle
import unittest
import weakref

import pytest

pickletester = pytest.importorskip("test.pickletester")
test_pickle = pytest.importorskip("test.test_pickle")

from cjoblib import _core  # noqa: E402

_SIZES = "sizes of _pickle's own structs"
_PICKLER = "tests a pickler only"

#: Suites that are not run -> why.
SKIPPED = {
    "SizeofTests": _SIZES,
    "AbstractPicklingErrorTests": _PICKLER,
    "AbstractDispatchTableTests": _PICKLER,
    "AbstractHookTests": _PICKLER,
    "BigmemPickleTests": "needs 8 GB and more; the limits are in test_unpickler_hardening",
}


class _Loads:
    unpickler = _core.Unpickler
    bad_stack_errors = (pickle.UnpicklingError,)
    truncated_errors = (pickle.UnpicklingError,)

    def loads(self, buf, **kwds):
        return self.unpickler(io.BytesIO(buf), **kwds).load()


class UnpicklerTests(_Loads, pickletester.AbstractUnpickleTests, unittest.TestCase):
    """Streams made by hand, through a file."""


class LoadsTests(pickletester.AbstractUnpickleTests, unittest.TestCase):
    """The same out of memory."""

    unpickler = _core.Unpickler
    bad_stack_errors = (pickle.UnpicklingError,)
    truncated_errors = (pickle.UnpicklingError,)
    loads = staticmethod(_core.pickle_loads)


class RoundTripTests(_Loads, pickletester.AbstractPickleTests, unittest.TestCase):
    """What the interpreter's pickler writes, through a file."""

    pickler = pickle.Pickler

    def dumps(self, arg, proto=None, **kwargs):
        out = io.BytesIO()
        self.pickler(out, proto, **kwargs).dump(arg)
        return out.getvalue()


class RoundTripPythonPicklerTests(RoundTripTests):
    """What the pickler written in Python writes."""

    pickler = pickle._Pickler


class RoundTripLoadsTests(pickletester.AbstractPickleTests, unittest.TestCase):
    """What the interpreter's pickler writes, out of memory."""

    pickler = pickle.Pickler
    unpickler = _core.Unpickler
    dumps = staticmethod(pickle.dumps)
    loads = staticmethod(_core.pickle_loads)
    test_framed_write_sizes_with_delayed_writer = None  # as InMemoryPickleTests has it


class ModuleTests(pickletester.AbstractPickleModuleTests, unittest.TestCase):
    """dump, dumps, load, loads and the two classes."""

    dump = staticmethod(pickle.dump)
    dumps = staticmethod(pickle.dumps)
    loads = staticmethod(_core.pickle_loads)
    Pickler = pickle.Pickler
    Unpickler = _core.Unpickler

    @staticmethod
    def load(file, **kwds):
        return _core.Unpickler(file, **kwds).load()


class _Persistent(test_pickle.PersistentPicklerUnpicklerMixin):
    pickler = pickle.Pickler
    unpickler = _core.Unpickler
    persistent_load_error = pickle.UnpicklingError


class PersistentTests(
    _Persistent, pickletester.AbstractPersistentPicklerTests, unittest.TestCase
):
    """Persistent ids."""


class IdentityPersistentTests(_Persistent, test_pickle.PyIdPersPicklerTests):
    """Persistent ids that are the objects; no cycle through a bound method."""

    pickler = pickle.Pickler
    unpickler = _core.Unpickler
    persistent_load_error = pickle.UnpicklingError

    def test_unpickler_reference_cycle(self):
        """As CPython's, whose class without a method of its own is another one there."""
        for persistent_load in (
            lambda subself, pid: pid,
            classmethod(lambda cls, pid: pid),
            staticmethod(lambda pid: pid),
        ):
            cls = type("Sub", (self.unpickler,), {"persistent_load": persistent_load})
            for proto in range(pickle.HIGHEST_PROTOCOL + 1):
                unpickler = cls(io.BytesIO(self.dumps("abc", proto)))
                assert unpickler.load() == "abc"
            unpickler = cls(io.BytesIO())
            assert unpickler.persistent_load("def") == "def"
            ref = weakref.ref(unpickler)
            del unpickler
            assert ref() is None


class ObjectTests(pickletester.AbstractPicklerUnpicklerObjectTests, unittest.TestCase):
    """Memos, reuse, many pickles in one file."""

    pickler_class = pickle.Pickler
    unpickler_class = _core.Unpickler

    def test_issue18339(self):
        unpickler = self.unpickler_class(io.BytesIO())
        with self.assertRaises(TypeError):
            unpickler.memo = object
        with self.assertRaises(ValueError):
            unpickler.memo = {-1: None}
        unpickler.memo = {1: None}
        assert unpickler.memo.copy() == {1: None}


class HeapTypesTests(unittest.TestCase):
    """As CPython's: tracked by the collector, and nobody can change them."""

    def setUp(self):
        self._types = (_core.Unpickler, type(_core.Unpickler(io.BytesIO()).memo))

    def test_have_gc(self):
        import gc

        for tp in self._types:
            assert gc.is_tracked(tp)

    def test_immutable(self):
        for tp in self._types:
            with self.assertRaisesRegex(TypeError, "immutable"):
                tp.foo = "bar"


def test_all_suites_are_here():
    """A suite that a new interpreter brings is run, or named in SKIPPED."""
    ours = {base.__name__ for tp in _suites() for base in tp.__mro__}
    theirs = {
        name
        for name, value in vars(pickletester).items()
        if isinstance(value, type)
        and name.endswith("Tests")
        and value.__module__ == pickletester.__name__
    }
    assert theirs - ours <= set(SKIPPED)


def _suites():
    return [
        value
        for value in globals().values()
        if isinstance(value, type)
        and issubclass(value, unittest.TestCase)
        and value.__module__ == __name__
    ]
