"""Random objects through our pickler and the interpreter's unpickler, and back to the same.

``CJOBLIB_SEED`` and ``CJOBLIB_CASES`` choose other and more of them.
"""

import io
import pickle
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from seeds import cases

from cjoblib import _core

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)

many = settings(max_examples=cases(700), suppress_health_check=list(HealthCheck))

leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**80), 2**80),
    st.floats(allow_nan=False),
    st.complex_numbers(allow_nan=False),
    st.text(),
    st.text(st.characters(), min_size=1, max_size=300),
    st.binary(max_size=300),
    st.builds(bytearray, st.binary(max_size=20)),
    st.dates(),
    st.decimals(allow_nan=False),
    st.uuids(),
    st.sampled_from([len, dict, Exception, ..., NotImplemented, range(3)]),
)
keys = st.one_of(st.integers(), st.text(), st.tuples(st.integers(), st.text()))


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.dictionaries(keys, inner),
        st.sets(keys),
        st.frozensets(keys),
        st.lists(inner, max_size=3).map(lambda items: Box(*items)),
    )


class Box:
    """A plain class: saved without asking its methods."""

    def __init__(self, *items: Any) -> None:
        for i, item in enumerate(items):
            setattr(self, f"item_{i}", item)

    def __eq__(self, other: object) -> bool:
        return type(other) is Box and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


class Asked(Box):
    """A class with a say of its own."""

    def __reduce__(self) -> Any:
        return Asked, (), vars(self)


objects = st.recursive(leaves, containers, max_leaves=30)


@many
@given(objects, st.sampled_from(PROTOCOLS))
def test_loads_equal(obj: Any, protocol: int) -> None:
    data = _core.pickle_dumps(obj, protocol)
    again = pickle.loads(data)
    assert again == obj
    assert type(again) is type(obj)
    # Not the same bytes: a string that the load above interned has two owners by now.
    file = io.BytesIO()
    _core.Pickler(file, protocol).dump(obj)
    assert pickle.loads(file.getvalue()) == obj


def tangle(numbers: list[int]) -> Any:
    """Containers that hold each other, however the numbers say; cycles included."""
    nodes: list[Any] = [[], {}, Box(), Asked(), []]
    for i, number in enumerate(numbers):
        kind, to, item = number % 7, number // 7 % len(nodes), number // 49 % len(nodes)
        target, value = nodes[to], nodes[item]
        if kind == 0:
            nodes.append((value, i, value))
        elif kind == 1:
            nodes.append([value])
        elif kind == 2:
            nodes.append({"key": value, i: "text"})
        elif kind == 3:
            nodes.append(f"text {i}")
        elif isinstance(target, list):
            target.append(value)
        elif isinstance(target, dict):
            target[i] = value
        elif isinstance(target, Box):
            setattr(target, f"item_{i}", value)
    return nodes


def shape(obj: Any) -> list[Any]:
    """What is found where, with every mutable object named by when it was first met."""
    met: dict[int, int] = {}
    found: list[Any] = []
    todo = [obj]
    while todo:
        at = todo.pop()
        if id(at) in met:
            found.append(met[id(at)])
            continue
        if isinstance(at, (list, dict, Box)):
            met[id(at)] = len(met)
        found.append(type(at))
        if isinstance(at, (list, tuple)):
            todo += at
        elif isinstance(at, (dict, Box)):
            for pair in sorted(
                (at if isinstance(at, dict) else vars(at)).items(), key=repr_of_key
            ):
                todo += pair
        else:
            found.append(at)
    return found


def repr_of_key(pair: tuple[Any, Any]) -> str:
    return repr(pair[0])


@many
@given(st.lists(st.integers(0, 10**6), max_size=40), st.sampled_from(PROTOCOLS))
def test_keeps_identities(numbers: list[int], protocol: int) -> None:
    obj = tangle(numbers)
    assert shape(pickle.loads(_core.pickle_dumps(obj, protocol))) == shape(obj)


@many
@given(st.lists(st.integers(0, 10**6), max_size=40))
def test_never_larger_than_pickle(numbers: list[int]) -> None:
    obj = tangle(numbers)
    assert len(_core.pickle_dumps(obj)) <= len(pickle.dumps(obj))


@pytest.mark.parametrize("size", [65535, 65536, 65537, 70000, 200000])
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "make", [bytes, bytearray, lambda n: "x" * n, lambda n: "é" * n]
)
def test_large_payloads(make: Any, protocol: int, size: int) -> None:
    obj = [1, make(size), [2], make(size - 7)]
    data = _core.pickle_dumps(obj, protocol)
    assert pickle.loads(data) == obj
    # Not the same bytes: a string that the load above interned has two owners by now.
    file = io.BytesIO()
    _core.Pickler(file, protocol).dump(obj)
    assert pickle.loads(file.getvalue()) == obj


def test_large_bytes_reach_the_file_uncopied() -> None:
    class File:
        def __init__(self) -> None:
            self.chunks: list[Any] = []

        def write(self, chunk: Any) -> None:
            self.chunks.append(chunk)

    file, large = File(), b"x" * 10**6
    _core.Pickler(file).dump([1, large, 2])
    assert any(chunk is large for chunk in file.chunks)
    assert pickle.loads(b"".join(file.chunks)) == [1, large, 2]
