"""What instances, functions and classes of the corpus there are."""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import functools
import itertools
import operator
import re
from typing import Any, NamedTuple


class Plain:
    """A state in a `__dict__`."""

    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def method(self) -> None: ...

    @classmethod
    def of_class(cls) -> None: ...

    @staticmethod
    def static() -> None: ...

    class Nested:
        class Deeper:
            def method(self) -> None: ...


class Slots:
    __slots__ = ("_private", "a", "b")


class SlotsAndDict(Slots):
    __slots__ = ("__dict__", "c")


class State:
    """A state of its own choosing."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __getstate__(self) -> Any:
        return {"kept": self.state}

    def __setstate__(self, state: Any) -> None:
        self.state = state["kept"]


class NoState(State):
    def __getstate__(self) -> Any:
        return None


class NewArgs:
    def __new__(cls, *args: Any) -> NewArgs:
        made = object.__new__(cls)
        made.args = args  # type: ignore[attr-defined]
        return made

    def __getnewargs__(self) -> Any:
        return self.args  # type: ignore[attr-defined]


class NewArgsEx:
    def __new__(cls, *args: Any, **named: Any) -> NewArgsEx:
        made = object.__new__(cls)
        made.given = args, named  # type: ignore[attr-defined]
        return made

    def __getnewargs_ex__(self) -> Any:
        return self.given  # type: ignore[attr-defined]


class Reduced:
    """What `__reduce__` returns is up to the case."""

    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        most, items = self.reduced[:3], self.reduced[3:]
        return (*most, *(None if given is None else iter(given) for given in items))


class ReducedToName:
    def __reduce__(self) -> str:
        return "THE_ONE"


THE_ONE = ReducedToName()


class ByTable:
    def __init__(self, value: Any) -> None:
        self.value = value


copyreg.pickle(ByTable, lambda obj: (ByTable, (obj.value,)))


class OwnList(list):  # type: ignore[type-arg]
    pass


class OwnDict(dict):  # type: ignore[type-arg]
    pass


class OwnSet(set):  # type: ignore[type-arg]
    pass


class OwnFrozenset(frozenset):  # type: ignore[type-arg]
    pass


class OwnTuple(tuple):  # type: ignore[type-arg]
    pass


class OwnStr(str):
    pass


class OwnBytes(bytes):
    pass


class OwnBytearray(bytearray):
    pass


class OwnInt(int):
    pass


class OwnFloat(float):
    pass


class OwnComplex(complex):
    pass


class OwnOrdered(collections.OrderedDict):  # type: ignore[type-arg]
    pass


class OwnDefault(collections.defaultdict):  # type: ignore[type-arg]
    pass


class OwnDeque(collections.deque):  # type: ignore[type-arg]
    pass


class OwnError(Exception):
    def __init__(self, first: Any, second: Any = None) -> None:
        super().__init__(first, second)
        self.first = first


class Colour(enum.Enum):
    RED = 1
    BLUE = "blue"
    PAIR = (1, (2, 3))


class Number(enum.IntEnum):
    ONE = 1
    TWO = 2


class Bits(enum.Flag):
    A = 1
    B = 2
    C = 4


class IntBits(enum.IntFlag):
    A = 1
    B = 2


class Word(str, enum.Enum):
    """An enum over text."""

    HELLO = "hello"


@dataclasses.dataclass
class Data:
    a: Any
    b: Any = None
    c: list[Any] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Frozen:
    a: Any


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    a: Any
    b: int = 0


@dataclasses.dataclass(order=True)
class Ordered:
    a: int


class Named(NamedTuple):
    x: Any
    y: Any = 1


Old = collections.namedtuple("Old", "p q r")


class Meta(type):
    pass


class OfMeta(metaclass=Meta):
    def __init__(self, value: Any) -> None:
        self.value = value


class Unequal:
    """Equal to nothing, so that containers of it are compared part by part."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = object.__hash__


def function(x: Any = 1, *args: Any, y: Any = 2, **named: Any) -> Any:
    return x, args, y, named


FUNCTIONS = [
    *(
        function,
        len,
        print,
        operator.add,
        itertools.chain,
        functools.reduce,
        re.compile,
    ),
    *(Plain.static, Plain.of_class, Plain.method, Plain.Nested.Deeper.method, dict.get),
    *(dict.fromkeys, str.join, int.from_bytes, list.append, object.__reduce_ex__),
]
CLASSES = [
    *(int, str, dict, type, object, type(None), type(...), type(NotImplemented), range),
    *(
        Plain,
        Plain.Nested,
        Plain.Nested.Deeper,
        Slots,
        Colour,
        Data,
        Named,
        Meta,
        OfMeta,
    ),
    *(collections.OrderedDict, Exception, OwnError, datetime.datetime, decimal.Decimal),
]
