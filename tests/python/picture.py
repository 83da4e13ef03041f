"""What an object looks like, told without the library under test.

Two pictures are equal when no walk over the objects shows a difference.
"""

from __future__ import annotations

import copyreg
import datetime
import struct
import sys
import types
from typing import Any

BY_VALUE = (
    int,
    bool,
    str,
    type(None),
    type(...),
    type(NotImplemented),
    range,
    datetime.timedelta,
)
BY_NAME = (type, types.FunctionType, types.BuiltinFunctionType)


class Cyclic(Exception):
    """The object leads back to itself, and no identities were asked for."""


def picture(obj: Any, identities: bool = True) -> Any:
    """The parts of `obj` in the order of a walk, each with its type.

    With `identities` mutable objects are told apart, and dicts have an order; without, equal
    parts are equal, and dicts and sets are what is in them.
    """
    return Painter(identities).paint(obj)


class Painter:
    def __init__(self, identities: bool) -> None:
        self.identities = identities
        self.met: dict[int, int] = {}
        self.open: set[int] = set()
        self.kept: list[Any] = []

    def paint(self, obj: Any) -> Any:
        leaf = painted_leaf(obj)
        if leaf is not None:
            return leaf
        if self.identities and id(obj) in self.met:
            return "met", self.met[id(obj)]
        if id(obj) in self.open:
            raise Cyclic
        self.met[id(obj)] = len(self.met)
        self.kept.append(obj)
        self.open.add(id(obj))
        try:
            return self.container(obj)
        finally:
            self.open.discard(id(obj))

    def container(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in (list, tuple):
            return kind.__name__, tuple([self.paint(item) for item in obj])
        if kind in (set, frozenset):
            # Members are compared by value: their order is nobody's promise.
            painter = Painter(False)
            return kind.__name__, tuple(
                sorted(repr(painter.paint(item)) for item in obj)
            )
        if kind is dict:
            pairs = [(self.paint(key), self.paint(value)) for key, value in obj.items()]
            return "dict", tuple(pairs if self.identities else sorted(pairs, key=repr))
        if kind is types.MethodType:
            return "method", obj.__func__.__qualname__, self.paint(obj.__self__)
        if "numpy" in sys.modules and isinstance(obj, sys.modules["numpy"].ndarray):
            return self.array(obj)
        return name_of(kind), self.reduced(obj)

    def reduced(self, obj: Any) -> Any:
        told = copyreg.dispatch_table.get(type(obj))
        value = told(obj) if told else obj.__reduce_ex__(4)
        if isinstance(value, str):
            return value
        func, args, state, items, pairs = (*value, None, None, None)[:5]
        if isinstance(state, dict):
            # Where pandas keeps what it was asked for.
            state = {name: part for name, part in state.items() if name != "_cache"}
        return (
            self.paint(func),
            tuple([self.paint(arg) for arg in args]),
            self.paint(state or None),
            self.paint(None if items is None else list(items)),
            self.paint(None if pairs is None else dict(pairs)),
        )

    def array(self, array: Any) -> Any:
        if array is sys.modules["numpy"].ma.masked:
            return "masked"
        order = (
            "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        )
        about = (
            name_of(type(array)),
            repr(array.dtype),
            array.dtype.str,
            array.shape,
            order,
        )
        more = self.paint(getattr(array, "__dict__", None) or None)
        if array.dtype.hasobject or array.dtype.names:
            return *about, self.paint(array.tolist()), more
        if hasattr(array, "mask"):
            more = more, array.mask.tobytes(), repr(array.fill_value)
            array = array.data
        return (
            *about,
            array.astype(array.dtype.newbyteorder("=")).tolist().__repr__(),
            more,
        )


def painted_leaf(obj: Any) -> Any:
    kind = type(obj)
    if kind in BY_VALUE:
        return kind.__name__, repr(obj)
    if kind is float:
        return "float", struct.pack("<d", obj)
    if kind is complex:
        return "complex", struct.pack("<dd", obj.real, obj.imag)
    if kind is bytes:
        return "bytes", obj
    if isinstance(obj, BY_NAME) and not isinstance(
        getattr(obj, "__self__", None), list
    ):
        return name_of(obj)
    return None


def name_of(obj: Any) -> Any:
    return getattr(obj, "__module__", None), getattr(obj, "__qualname__", repr(obj))
