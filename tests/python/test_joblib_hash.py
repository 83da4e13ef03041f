"""hash() with md5 and sha1 against the installed joblib, and against values it gave once.

``CJOBLIB_SEED`` and ``CJOBLIB_CASES`` choose other and more random objects.
"""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import itertools
import pathlib
import pickle
import re
import subprocess
import sys
import threading
import tracemalloc
import types
import uuid
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import cases

from cjoblib import hashing
from cjoblib.hashing import hash

joblib = pytest.importorskip("joblib", reason="joblib is what we compare with")
np = pytest.importorskip("numpy", reason="joblib's hash is about arrays")


# --- fixed values ------------------------------------------------------------------------

# Of joblib 1.6.0, CPython 3.11. They do not depend on the versions of anything.
VALUES = [
    (1, "366da3d0fc5e8ed36f9eac8083a46ae8"),
    (0, "83a696a104863aa210c0dd529176a3e5"),
    (-1, "518fc011e8dc77519c392c578ab79a30"),
    (2**100, "38d8df0f3a85c1251233373fdc5e131d"),
    ("abc", "a5a2f6c8adba6852e4d3888ce0c26016"),
    ("é", "fb232a0bb7be39bc2fb73bc7f3740020"),
    (b"abc", "ae4e32b85db45e8492d5e151e645241b"),
    (None, "4dc6000a33a1ca18a3aaedb7f9802955"),
    (True, "d96559e4facb8ecd8831a6d6b300cf00"),
    (1.5, "ee2d0705d30a47f42a78e601296ce212"),
    ([], "d34b2ff3ebd47dff1d21eee2d69d4ffd"),
    ([1, 2, "a"], "00a43a1c655d7baa5c3cd1f5abdd637d"),
    ((1, (2, 3, 4, 5)), "5e7d7df33cf9437c1873f300c4c5403f"),
    ({}, "72a755383fba437e4dead6ff3e3d81e3"),
    ({"b": 1, "a": [2, 3]}, "12950bcfcc5b22812371884350c2953f"),
    ({1: 2, "a": 3}, "013d493c2d6987d7dda4f8e6c80490cf"),
    ({3, 1, 2}, "db5f18185982ea9bad010b4244dc2d9d"),
    ({"a", 1}, "a5c2a71a84f141d467313e824044c408"),
    (frozenset([7]), "557a4bfe5da3c2c73f435f8985511fa9"),
    (len, "6de7cbc158af0541d45ed047ecbadb82"),
    (["x", "x"], "12e184b253e274196411e5214bbef5b6"),
    ([[1]] * 2, "bb583263a42466f601fa675425cbf377"),
]


class Outer:
    class Inner:
        def method(self) -> None: ...

        @classmethod
        def of_class(cls) -> None: ...

        @staticmethod
        def static() -> None: ...


class Plain:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)

    def method(self) -> None: ...


class Slots:
    __slots__ = ("a", "b")


class DictChild(dict):  # type: ignore[type-arg]
    pass


class ListChild(list):  # type: ignore[type-arg]
    pass


class StrChild(str):
    __slots__ = ()


class SetChild(set):  # type: ignore[type-arg]
    pass


class ListReduce:
    def __reduce__(self) -> Any:
        return list, (), None, iter([1, 2, 3]), None


class DictReduce:
    def __reduce__(self) -> Any:
        return dict, (), None, None, iter({"b": 1, "a": 2}.items())


class LenientReduce:
    def __reduce__(self) -> Any:
        return list, (), None, [1, 2, 3], [("b", 1), ("a", 2)]


class UnorderedReduce:
    def __reduce__(self) -> Any:
        return dict, (), None, None, iter({"b": 1, 2: 2}.items())


class NewEx:
    def __new__(cls, *args: Any, **kwargs: Any) -> "NewEx":
        return object.__new__(cls)

    def __getnewargs_ex__(self) -> Any:
        return (1, 2), {"x": 3}


class State:
    def __getstate__(self) -> Any:
        return {"b": 1, "a": [2]}


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Data:
    a: int
    b: str


def function(x: Any) -> Any:
    return x


@functools.cache
def tricky() -> list[Any]:
    return [*tricky_dicts(), *tricky_objects(), *tricky_failures()]


def tricky_dicts() -> list[Any]:
    """Numbers, texts and bytes, lists and tuples, and dicts above all."""
    return [
        *[2**n + d for n in (8, 16, 31, 32, 63, 64, 200, 2047) for d in (-1, 0, 1)],
        *[-(2**n) + d for n in (8, 16, 31, 32, 63, 64, 200, 2047) for d in (-1, 0, 1)],
        *[0, True, False, None, 1.5, -0.0, float("nan"), float("inf"), 1j],
        *["", "a", "é", "日本", "\ud800", "\U0001f600" * 100, "x" * 300, "é" * 70000],
        *[b"", b"x", b"y" * 300, b"z" * 70000, bytearray(b""), bytearray(b"abc")],
        *[list(range(n)) for n in (0, 1, 2, 999, 1000, 1001, 2000, 2001)],
        *[tuple(range(n)) for n in (0, 1, 2, 3, 4, 1001)],
        *[{i: str(i) for i in range(n)} for n in (0, 1, 2, 999, 1000, 1001, 2001)],
        {"b": 1, "a": 2},
        {1: "a", "b": 2},
        {(1, "a"): 1, (1, 2): 2},
        {1.5: 1, 1: 2, True: 3},
        {None: 1, "a": 2},
        {b"b": 1, b"a": 2},
        {float("nan"): 1, float("nan"): 2, 0.0: 3},
        {frozenset([1]): 1, frozenset([2]): 2},
        {"é": 1, "e": 2, "日": 3, "z": 4, "": 5, "a\0": 6, "a": 7, "a\0\0": 8},
        {
            "a\0\0\0\0\0\0\0\0": 1,
            "a": 2,
            "a\0": 3,
            "a\0\0\0\0\0\0\0b": 4,
            "aaaaaaaaa": 5,
        },
        {"\U0001f600": 1, "\ud800": 2, "\uffff": 3, "a": 4},
        {f"prefix_{i}": i for i in range(500)},
        {"p" * 20 + str(i): i for i in range(500)},
        {"p" * i: i for i in range(200)},
        {chr(i % 700) * (i % 9) + str(i): i for i in range(3000)},
        {-i * 7 % 1009: i for i in range(1000)},
        {2**70: 1, 3: 2},
    ]


def tricky_objects() -> list[Any]:
    """Sets, shared parts and cycles, functions, classes, instances."""
    own = Plain(lock=1)
    own.me = own  # type: ignore[attr-defined]
    slots = Slots()
    slots.a, slots.b = 1, "x"  # type: ignore[attr-defined]
    shared, cycle, inner = [1, 2], [1], Outer.Inner()
    cycle.append(cycle)  # type: ignore[arg-type]
    loop: dict[str, Any] = {}
    loop["self"] = loop
    return [
        *[set(), {1, 2, 3}, {"a", "b"}, {1, "a"}, {(1, 2), (0, "a")}],
        *[frozenset(), frozenset([1, 2]), {frozenset([1]), frozenset([1, 2])}],
        {decimal.Decimal("1.5"), decimal.Decimal("nan")},
        *[[b"x" * 20] * 3, ["x" * 20] * 3, [shared, shared], [(1, 2)] * 2],
        *[cycle, loop, {"x": cycle, "y": cycle}, ([1, shared], shared)],
        *[len, print, [].append, "abc".upper, dict.fromkeys, [].__len__, math_sin()],
        *[Plain(a=1).method, Outer.Inner, inner, inner.method, Outer.Inner.of_class],
        *[
            Outer.Inner.static,
            [Outer.Inner, Outer.Inner, Outer],
            function,
            [function] * 2,
        ],
        *[
            Plain,
            int,
            dict,
            [int, int],
            Plain(),
            Plain(a=1),
            [Plain(a=1)] * 2,
            own,
            slots,
        ],
        *[DictChild(a=1, b=2), ListChild([1]), StrChild("q"), [StrChild("q")] * 2],
        *[SetChild([1, 2]), ListReduce(), DictReduce(), LenientReduce()],
        *[UnorderedReduce(), NewEx(), State(), Colour.RED, [*Colour, *Colour]],
        *[Data(1, "b"), collections.OrderedDict(b=1, a=2)],
        collections.OrderedDict([(1, 2), ("a", 3)]),
        *[collections.defaultdict(list, {"a": [1]}), collections.Counter("abca")],
        *[collections.deque([1, 2, 3], 5), datetime.datetime(2020, 1, 1)],
        *[datetime.timedelta(1), datetime.timezone.utc, fractions.Fraction(1, 3)],
        *[functools.partial(function, 1, x=2), uuid.UUID(int=5), pathlib.Path("/tmp")],
        *[re.compile("a"), range(5), slice(1, 2), ..., NotImplemented, iter([1, 2])],
        *[itertools.count(3), ValueError("x"), KeyError, types.SimpleNamespace(a=1)],
    ]


def tricky_failures() -> list[Any]:
    """What cannot be pickled, what gets away with it two dicts deep, and two large ones."""
    locked = Plain(lock=threading.Lock(), b=[1], c="a")
    return [
        *[type(None), {}.keys(), threading.Lock(), locked, [locked], {"a": locked}],
        *[{"a": {"b": threading.Lock()}}, {"x": locked, "y": locked}, {"s": {locked}}],
        *[(i for i in "a"), lambda: 0, {"f": lambda: 0}, pickle.PickleBuffer(b"abc")],
        [Plain(a=i) for i in range(3000)],
        {f"k{i}": [i, (i,), {"i": i}] for i in range(3000)},
    ]


def math_sin() -> Any:
    import math

    return math.sin


@functools.cache
def arrays() -> list[Any]:
    a = np.arange(12.0).reshape(3, 4)
    return [
        *[
            a,
            a.T,
            a[::2],
            a[:, ::2],
            np.asfortranarray(a),
            a[:, ::-1],
            a[None],
            a.ravel(),
        ],
        *[np.array(5), np.array(5.0), np.zeros((0, 3)), np.zeros((3, 0)), np.zeros(1)],
        *[np.array(["a", "bb"]), np.array([b"a"]), np.array([True, False])],
        *[np.array(["2020-01-01"], "M8[D]"), np.array([1], "m8[s]")],
        *[np.zeros(3, [("a", "i4"), ("b", "f8")]), np.zeros(2, [("s", "f4", (2, 2))])],
        *[np.array([1, "a", None], object), np.array(None, object)],
        np.array([{"a": 1}, [1, 2]], object),
        *[np.ma.array([1, 2, 3], mask=[0, 1, 0]), np.zeros(2).view(np.ndarray)],
        np.rec.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
        *[np.float64(1.5), np.int8(3), np.str_("a"), np.bytes_(b"a"), np.bool_(True)],
        *[
            np.datetime64("2020-01-01"),
            [np.float64(1.5)] * 2,
            np.sum,
            np.sin,
            np.float64,
        ],
        *[
            np.dtype("f8"),
            [np.dtype("f8")] * 3,
            np.dtype([("a", "i4")]),
            np.dtype(">f8"),
        ],
        *[a.astype(t) for t in (">f8", "f2", np.longdouble, complex, "i1", "u8")],
        *[[a, a], {"a": a, "b": [a, 1]}, (a, np.arange(3)), Plain(a=a, b=a)],
        *[np.broadcast_to(np.arange(3), (4, 3)), np.zeros((1, 5))[:, ::-1]],
        *[np.random.RandomState(3), np.random.default_rng(1)],
    ]


@functools.cache
def long_streams() -> list[Any]:
    """Streams longer than what is kept of them, before an array and behind one."""
    a = np.arange(12.0)
    text = [f"s{i}" for i in range(150_000)]
    return [
        [*text, a],
        [a, *text],
        [*text, a, np.dtype("f4"), *text],
        [*text, np.float32(1)],
    ]


def outcome(call: Any, *args: Any) -> Any:
    try:
        return call(*args)
    except Exception as error:
        return type(error).__name__


def agrees(obj: Any) -> None:
    for name in ("md5", "sha1"):
        theirs = outcome(joblib.hash, obj, name)
        assert outcome(hash, obj, name) == theirs, obj


@pytest.mark.parametrize(("obj", "value"), VALUES)
def test_values(obj: Any, value: str) -> None:
    assert hash(obj) == value


@pytest.mark.parametrize("i", range(len(tricky())))
def test_tricky(i: int) -> None:
    agrees(tricky()[i])


@pytest.mark.parametrize("i", range(len(arrays())))
def test_arrays(i: int) -> None:
    agrees(arrays()[i])


@pytest.mark.parametrize("i", range(len(long_streams())))
def test_long_streams(i: int) -> None:
    agrees(long_streams()[i])


def test_memmap(tmp_path: pathlib.Path) -> None:
    a = np.arange(1000.0)
    np.save(tmp_path / "a.npy", a)
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert hash(mapped, coerce_mmap=True) == hash(a) != hash(mapped)
    for obj in (mapped, mapped[3:9], [mapped, a]):
        for coerce in (False, True):
            assert hash(obj, "md5", coerce) == joblib.hash(obj, "md5", coerce)


@pytest.mark.parametrize("i", range(len(tricky()) + len(arrays())))
def test_python_classes(i: int) -> None:
    obj = [*tricky(), *arrays()][i]
    expected = outcome(hash, obj)
    assert outcome(lambda: hashing.NumpyHasher().hash(obj)) == expected
    plain = outcome(lambda: hashing.Hasher().hash(obj))
    theirs = outcome(lambda: joblib.hashing.Hasher().hash(obj))
    assert plain == theirs


def test_overridden_save() -> None:
    class Blind(hashing.NumpyHasher):  # type: ignore[misc, name-defined]
        def save(self, obj: Any) -> None:
            super().save("seen" if isinstance(obj, Plain) else obj)

    assert Blind().hash([1, Plain(a=2)]) == hash([1, "seen"])
    assert isinstance(Blind(), hashing.Hasher)


def test_error_names_the_object() -> None:
    with pytest.raises(
        pickle.PicklingError, match="PicklingError while hashing"
    ) as caught:
        hash({"a": lambda: 0})
    assert "PicklingError while hashing {'a'" in caught.value.args[-1]


def test_without_numpy() -> None:
    code = (
        "import sys, cjoblib.hashing as h; "
        "print(h.hash([1, {'b': 2, 'a': 1.5}])); assert 'numpy' not in sys.modules"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, text=True
    )
    assert run.stdout.strip() == joblib.hash([1, {"b": 2, "a": 1.5}])


def test_objects_of_main() -> None:
    code = """
import sys, joblib
from cjoblib.hashing import hash
def f(x): return x
class C:
    class D: pass
    def m(self): pass
for obj in (f, C, C(), C.D, C.D(), C().m, [f, C, f], {"f": f}):
    assert hash(obj) == joblib.hash(obj), obj
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# --- random objects ----------------------------------------------------------------------

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**80), 2**80),
    st.floats(),
    st.text(),
    st.binary(max_size=300),
    st.sampled_from(
        [len, dict, function, Plain, Outer.Inner, Colour.RED, np.dtype("i4")]
    ),
    st.lists(st.floats(), max_size=5).map(np.array),
    st.builds(np.float32, st.floats(-10, 10)),
    st.just([]).map(lambda _: threading.Lock()),
)
hashables = st.one_of(
    st.integers(-3, 3),
    st.text(max_size=3),
    st.text("ab\0é日", max_size=12),
    st.floats(),
    st.tuples(st.integers(), st.text()),
    st.frozensets(st.integers()),
    st.none(),
)
of_one_kind = st.one_of(
    st.lists(st.text("ab\0", max_size=30), min_size=2, max_size=100),
    st.lists(st.text("aé日\U0001f600", max_size=30), min_size=2, max_size=100),
    st.lists(st.integers(-(2**64), 2**64), min_size=2, max_size=100),
    st.lists(st.integers(), min_size=2, max_size=100),
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(hashables, inner),
        st.dictionaries(st.text("ab\0é", max_size=20), inner, max_size=40),
        st.sets(hashables),
        st.lists(inner, max_size=3).map(lambda items: Plain(items=items, n=len(items))),
        inner.map(lambda item: [item, item]),
        inner.map(lambda item: collections.OrderedDict(b=item, a=item)),
        inner.map(lambda item: functools.partial(function, item)),
    )


many = settings(max_examples=cases(700), suppress_health_check=list(HealthCheck))


@many
@given(st.recursive(leaves, containers, max_leaves=30))
def test_agrees_on_random_objects(obj: Any) -> None:
    theirs = outcome(joblib.hash, obj)
    if theirs == outcome(joblib.hash, obj):
        assert outcome(hash, obj) == theirs


@many
@given(of_one_kind.map(dict.fromkeys))
def test_sorts_like_python(d: dict[Any, None]) -> None:
    assert hash(d) == joblib.hash(d)


class One:
    def __init__(self, i: int) -> None:
        self.i = i


LARGE = {
    "dict": lambda: {str(k): k for k in range(10**6)},
    "tuples": lambda: [(i, str(i)) for i in range(10**6)],
    "lists": lambda: [[i] for i in range(10**6)],
    "instances": lambda: [One(i) for i in range(3 * 10**5)],
}


@pytest.mark.parametrize("kind", LARGE)
def test_memory_is_constant(kind: str) -> None:
    obj = LARGE[kind]()
    if kind == "instances":
        [vars(one) for one in obj]
    tracemalloc.start()
    hash(obj)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 16_000_000
