"""Objects of every kind that people pickle and hash, by number: made anew, and always alike.

``build(seed)`` gives the same value in each process, on each Python; a value is made of kinds
(functions of this module) put into each other. A kind is given a `Maker`, which chooses.
"""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import fractions
import functools
import ipaddress
import operator
import pathlib
import random
import re
import string
import types
import uuid
import zoneinfo
from collections.abc import Callable
from typing import Any

from corpus_classes import (
    CLASSES,
    FUNCTIONS,
    THE_ONE,
    Bits,
    ByTable,
    Colour,
    Data,
    Frozen,
    FrozenSlots,
    IntBits,
    Named,
    NewArgs,
    NewArgsEx,
    NoState,
    Number,
    OfMeta,
    Old,
    Ordered,
    OwnBytearray,
    OwnBytes,
    OwnComplex,
    OwnDefault,
    OwnDeque,
    OwnDict,
    OwnError,
    OwnFloat,
    OwnFrozenset,
    OwnInt,
    OwnList,
    OwnOrdered,
    OwnSet,
    OwnStr,
    OwnTuple,
    Plain,
    Reduced,
    Slots,
    SlotsAndDict,
    State,
    Unequal,
    Word,
    function,
)

Kind = Callable[["Maker"], Any]

KINDS: dict[str, list[Kind]] = {"leaf": [], "key": [], "container": []}


def kind(group: str) -> Callable[[Kind], Kind]:
    def register(function: Kind) -> Kind:
        KINDS[group].append(function)
        return function

    return register


class Maker:
    """Chooses what a value is made of, no deeper than `depth`."""

    def __init__(self, number: int, depth: int = 3) -> None:
        self.random = random.Random(number)
        self.depth = depth
        self.made: list[Any] = []

    def value(self) -> Any:
        """Any value; sometimes one that is there already."""
        if self.made and self.random.random() < 0.12:
            return self.random.choice(self.made)
        if self.depth == 0 or self.random.random() < 0.4:
            made = self.leaf()
        else:
            self.depth -= 1
            made = self.random.choice(KINDS["container"])(self)
            self.depth += 1
        self.made.append(made)
        return made

    def leaf(self) -> Any:
        return self.random.choice(KINDS["leaf"])(self)

    def key(self) -> Any:
        return self.random.choice(KINDS["key"])(self)

    def values(self, most: int = 6) -> list[Any]:
        return [self.value() for _ in range(self.random.randint(0, most))]

    def keys(self, most: int = 8) -> list[Any]:
        return [self.key() for _ in range(self.random.randint(0, most))]

    def below(self, n: int) -> int:
        return self.random.randrange(n)

    def pick(self, *options: Any) -> Any:
        return self.random.choice(options)

    def text(self, alphabet: str = string.ascii_letters, most: int = 12) -> str:
        return "".join(
            self.random.choice(alphabet) for _ in range(self.random.randint(0, most))
        )


def build(number: int) -> Any:
    return Maker(number).value()


# --- leaves --------------------------------------------------------------------------------

ALPHABETS = [
    string.ascii_letters,
    "ab",
    "a\0\n\r\\'\"\x1a",
    "aé\xff",
    "é日本\u0101",
    "\U0001f600a\U0010ffff",
    "\ud800\udfffa",
]


@kind("leaf")
@kind("key")
def none(m: Maker) -> Any:
    return m.pick(None, True, False)


@kind("leaf")
def singleton(m: Maker) -> Any:
    return m.pick(..., NotImplemented, THE_ONE)


@kind("leaf")
@kind("key")
def small_int(m: Maker) -> int:
    return m.random.randint(-300, 300)


@kind("leaf")
def int_at_an_edge(m: Maker) -> int:
    n = 1 << m.pick(7, 8, 15, 16, 31, 32, 63, 64, 127, 128, 2039, 2040, 2047)
    return m.pick(-1, 1) * n + m.random.randint(-2, 2)


@kind("leaf")
@kind("key")
def number(m: Maker) -> Any:
    return m.pick(
        *(0.0, -0.0, 1.5, 1e308, 5e-324, -2.5, float("inf"), -float("inf")),
        *(m.random.random(), float(m.below(10)), 1 << m.below(90)),
    )


@kind("leaf")
def odd_number(m: Maker) -> Any:
    return m.pick(
        1j, complex(-0.0, 2.5), OwnInt(m.below(9)), OwnFloat(1.5), OwnComplex(1j)
    )


@kind("leaf")
@kind("key")
def text(m: Maker) -> str:
    return m.text(m.pick(*ALPHABETS))


@kind("leaf")
def long_text(m: Maker) -> str:
    return m.text(m.pick(*ALPHABETS), 20) * m.pick(1, 20, 70, 300)


@kind("key")
def word(m: Maker) -> str:
    return m.pick("name", "x", "y", "value", "a") + str(m.below(30))


@kind("leaf")
def binary(m: Maker) -> Any:
    made = bytes(m.below(256) for _ in range(m.below(9))) * m.pick(1, 1, 40)
    return m.pick(bytes, bytes, bytearray, OwnBytes, OwnBytearray)(made)


@kind("leaf")
def own_text(m: Maker) -> str:
    made = OwnStr(m.text())
    if m.below(2):
        made.note = m.below(3)  # type: ignore[attr-defined]
    return made


@kind("leaf")
@kind("key")
def time(m: Maker) -> Any:
    zone = m.pick(
        None,
        datetime.timezone.utc,
        datetime.timezone(datetime.timedelta(minutes=m.below(600))),
        datetime.timezone(datetime.timedelta(hours=-3), "away"),
        zoneinfo.ZoneInfo("Europe/Berlin"),
    )
    date = datetime.date(1 + m.below(9998), 1 + m.below(12), 1 + m.below(28))
    clock = datetime.time(
        m.below(24), m.below(60), m.below(60), m.below(10**6), zone, fold=m.below(2)
    )
    return m.pick(
        date,
        clock,
        datetime.datetime.combine(date, clock),
        datetime.timedelta(m.random.randint(-999, 999), m.below(86400), m.below(10**6)),
        datetime.timezone.utc,
    )


@kind("leaf")
@kind("key")
def exact(m: Maker) -> Any:
    return m.pick(
        decimal.Decimal(m.random.randint(-(10**9), 10**9)).scaleb(-m.below(12)),
        decimal.Decimal(m.pick("NaN", "Infinity", "-0", "1E+40")),
        fractions.Fraction(m.random.randint(-99, 99), 1 + m.below(99)),
        uuid.UUID(int=m.random.getrandbits(128)),
        ipaddress.ip_address(m.random.getrandbits(32)),
        ipaddress.ip_network("10.0.0.0/8"),
    )


@kind("leaf")
@kind("key")
def member(m: Maker) -> Any:
    return m.pick(
        *Colour, *Number, *Word, Bits.A | Bits.C, Bits(0), IntBits.B, IntBits(8)
    )


@kind("leaf")
@kind("key")
def path(m: Maker) -> Any:
    made = "/".join(m.text(most=4) or "." for _ in range(m.below(5)))
    return m.pick(pathlib.PurePosixPath, pathlib.Path, pathlib.PureWindowsPath)(made)


@kind("leaf")
def pattern(m: Maker) -> Any:
    flags = m.pick(re.NOFLAG if hasattr(re, "NOFLAG") else 0, re.I, re.M | re.X)
    return m.pick(re.compile("a(b|c)+", flags), re.compile(rb"\d+"))


@kind("leaf")
@kind("key")
def span(m: Maker) -> Any:
    return range(m.below(9), m.below(99), 1 + m.below(3))


@kind("leaf")
def cut(m: Maker) -> Any:
    return slice(m.pick(None, m.below(9)), m.pick(None, m.below(9)), m.pick(None, 2))


@kind("leaf")
def named(m: Maker) -> Any:
    return m.pick(*FUNCTIONS, *CLASSES)


@kind("leaf")
def alias(m: Maker) -> Any:
    return m.pick(
        list[int], dict[str, Any], tuple[int, ...], Callable[[int], str], int | None
    )


# --- containers ----------------------------------------------------------------------------


@kind("container")
@kind("container")
def sequence(m: Maker) -> Any:
    return m.pick(list, tuple, tuple, OwnList, OwnTuple)(m.values())


@kind("container")
@kind("container")
def mapping(m: Maker) -> Any:
    return {key: m.value() for key in m.keys()}


@kind("container")
def mapping_of_words(m: Maker) -> Any:
    return {word(m): m.value() for _ in range(m.below(8))}


@kind("container")
def other_mapping(m: Maker) -> Any:
    items = mapping(m)
    default = m.pick(list, int, None, Plain)
    return m.pick(
        *(collections.OrderedDict(items), OwnOrdered(items), OwnDict(items)),
        *(collections.defaultdict(default, items), OwnDefault(default, items)),
        *(collections.ChainMap(items, {}), collections.UserDict(items)),
        *(
            collections.Counter(dict.fromkeys(items, m.below(4))),
            types.MappingProxyType(items),
        ),
    )


@kind("container")
def elements(m: Maker) -> Any:
    return m.pick(set, set, frozenset, OwnSet, OwnFrozenset)(m.keys())


@kind("container")
def elements_of_elements(m: Maker) -> Any:
    return m.pick(set, frozenset)(
        m.pick(frozenset, tuple)(m.keys(4)) for _ in range(m.below(4))
    )


@kind("container")
def large(m: Maker) -> Any:
    n = m.pick(13, 14, 100, 999, 1000, 1001, 2001)
    return m.pick(
        list(range(n)),
        tuple(map(str, range(n))),
        {str(i): i for i in range(n)},
        {-i: None for i in range(n)},
        set(range(n)),
        [m.value()] * n,
    )


@kind("container")
def queue(m: Maker) -> Any:
    return m.pick(collections.deque, OwnDeque)(m.values(), m.pick(None, 3, 100))


@kind("container")
def instance(m: Maker) -> Any:
    value = m.value()
    return m.pick(
        lambda: Plain(a=value, b=m.value()),
        lambda: Plain(),
        lambda: Plain(**{m.text("abc_", 5): value}),
        lambda: Plain.Nested.Deeper(),
        lambda: State(value),
        lambda: NoState(value),
        lambda: NewArgs(value, 1),
        lambda: NewArgsEx(value, named=[value]),
        lambda: ByTable(value),
        lambda: OfMeta(value),
        lambda: types.SimpleNamespace(a=value, b=1),
        lambda: Unequal(value),
    )()


@kind("container")
def slotted(m: Maker) -> Any:
    made = m.pick(Slots, SlotsAndDict)()
    for name in ("a", "b", "_private"):
        if m.below(3):
            setattr(made, name, m.value())
    if isinstance(made, SlotsAndDict) and m.below(2):
        made.c, made.extra = m.value(), 1  # type: ignore[attr-defined]
    return made


@kind("container")
def record(m: Maker) -> Any:
    value = m.value()
    return m.pick(
        Data(value, b=[value]),
        Frozen(value),
        FrozenSlots(value, 3),
        Named(value),
        Old(value, 1, value),
        Ordered(m.below(9)),
    )


@kind("container")
def with_state(m: Maker) -> Any:
    made = m.pick(
        OwnList([1]),
        OwnDict(a=1),
        OwnSet([1]),
        OwnTuple((1,)),
        OwnBytes(b"a"),
        OwnInt(4),
    )
    made.attribute = m.value()
    return made


@kind("container")
def reduced(m: Maker) -> Any:
    value = m.value()
    return m.pick(
        Reduced(list, ()),
        Reduced(list, (), None, m.values()),
        Reduced(dict, (), None, None, mapping(m).items()),
        Reduced(Plain, (), {"a": value}),
        Reduced(Plain, (), (None, {"a": value})),
        Reduced(copyreg.__newobj__, (Plain,), {"b": value}),
        Reduced(function, (value, 1)),
        Reduced(OwnList, (), {"a": 1}, [value], None),
    )


@kind("container")
def call(m: Maker) -> Any:
    value = m.value()
    return m.pick(
        functools.partial(function, value, y=3),
        functools.partial(int, base=2),
        functools.partial(functools.partial(function, 1), value),
        operator.itemgetter(1, "a"),
        operator.attrgetter("a.b"),
        operator.methodcaller("get", 1),
    )


@kind("container")
def method(m: Maker) -> Any:
    return m.pick(
        Plain(a=m.value()).method,
        Plain().of_class,
        [m.value()].append,
        "abc".upper,
        {"a": 1}.get,
        Plain.Nested.Deeper().method,
        collections.Counter,
    )


@kind("container")
def error(m: Maker) -> Any:
    made = m.pick(ValueError, KeyError, OSError, OwnError)(m.value())
    if m.below(2):
        made.detail = m.value()
    if m.below(2):
        made.__cause__ = ValueError("cause")
        made.__notes__ = ["a note"]
    return made


@kind("container")
def iterator(m: Maker) -> Any:
    values = m.values()
    return m.pick(
        iter(values),
        iter(tuple(values)),
        iter(range(5)),
        reversed([1, 2]),
        enumerate([m.value()]),
    )


@kind("container")
def cycle(m: Maker) -> Any:
    """A container that holds itself, one way or the other."""
    holder: Any = m.pick(
        [], {}, Plain(), OwnList(), OwnDict(), collections.deque(), Slots()
    )
    inner = m.pick(holder, [holder], (holder,), {"back": holder}, Plain(back=holder))
    if isinstance(holder, dict):
        holder["value"], holder["in"] = m.value(), inner
    elif isinstance(holder, (Plain, Slots)):
        holder.a, holder.b = m.value(), inner
    else:
        holder.extend([m.value(), inner])
    return holder


@kind("container")
def shared(m: Maker) -> Any:
    value = m.value()
    return m.pick([value, value], (value, [value]), {"a": value, "b": [value, value]})
