"""CPython's own pickle suites, from the running interpreter, over our Pickler.

The loading side is the interpreter's. A suite that this version does not have is left out.
"""

import collections
import io
import pickle
import unittest
from typing import Any

import pytest

from cjoblib import _core

suite = pytest.importorskip(
    "test.test_pickle", reason="this Python has no test package"
)
tester = pytest.importorskip("test.pickletester", reason="no test package")

# Left out of test_pickle: SizeofTests, which counts the bytes of _pickle's own structs, and
# CPicklerUnpicklerObjectTests.test_issue18339, which is about the unpickler's memo.


def dumps(obj: object, protocol: int | None = None, **options: Any) -> bytes:
    return _core.pickle_dumps(obj, protocol, **options)


def dump(obj: object, file: Any, protocol: int | None = None, **options: Any) -> None:
    _core.Pickler(file, protocol, **options).dump(obj)


class TestModule(tester.AbstractPickleModuleTests, unittest.TestCase):
    dump = staticmethod(dump)
    dumps = staticmethod(dumps)
    load = staticmethod(pickle.load)
    loads = staticmethod(pickle.loads)
    Pickler = _core.Pickler
    Unpickler = pickle.Unpickler


class TestPickler(suite.PyPicklerTests):
    pickler = _core.Pickler
    unpickler = pickle.Unpickler


class TestPicklerLoadedByPython(suite.PyPicklerTests):
    pickler = _core.Pickler
    unpickler = pickle._Unpickler


class TestDumps(tester.AbstractPickleTests, unittest.TestCase):
    # Needs a Pickler class; TestPickler runs it.
    test_framed_write_sizes_with_delayed_writer = None

    def dumps(self, arg: object, proto: int | None = None, **options: Any) -> bytes:
        return dumps(arg, proto, **options)

    def loads(self, buf: bytes, **options: Any) -> object:
        return pickle.loads(buf, **options)


class TestPersistentId(suite.PyPersPicklerTests):
    pickler = _core.Pickler
    unpickler = pickle.Unpickler


class TestIdentityPersistentId(suite.PyIdPersPicklerTests):
    pickler = _core.Pickler
    unpickler = pickle.Unpickler


class TestPicklerObject(tester.AbstractPicklerUnpicklerObjectTests, unittest.TestCase):
    pickler_class = _core.Pickler
    unpickler_class = pickle.Unpickler

    def test_memo_of_another_kind(self) -> None:
        pickler = self.pickler_class(io.BytesIO())
        with pytest.raises(TypeError):
            pickler.memo = object
        with pytest.raises(ValueError, match="negative"):
            pickler.memo = {1: (-1, None)}
        with pytest.raises(TypeError):
            pickler.memo = {1: None}
        obj = ["x"]
        pickler.memo = {id(obj): (0, obj)}
        assert pickler.memo.copy() == {id(obj): (0, obj)}
        pickler.clear_memo()
        assert pickler.memo.copy() == {}


class TestDispatchTable(tester.AbstractDispatchTableTests, unittest.TestCase):
    pickler_class = _core.Pickler

    def get_dispatch_table(self) -> Any:
        return pickle.dispatch_table.copy()


class TestChainDispatchTable(tester.AbstractDispatchTableTests, unittest.TestCase):
    pickler_class = _core.Pickler

    def get_dispatch_table(self) -> Any:
        return collections.ChainMap({}, pickle.dispatch_table)


class TestHooks(tester.AbstractHookTests, unittest.TestCase):
    class CustomPickler(_core.Pickler, tester.AbstractCustomPicklerClass):
        pass

    pickler_class = CustomPickler


if hasattr(tester, "AbstractPicklingErrorTests"):

    class TestErrors(suite.PyPicklingErrorTests):
        pickler = _core.Pickler
