"""The canonical hash: equal for equal values, otherwise different, or an error."""

from __future__ import annotations

import collections
import copy
import decimal
import os
import pathlib
import pickle
import random
import subprocess
import sys

import hash_vectors
import pytest
from hash_cases import DIGESTS, HERE, both, xxh
from hypothesis import given, settings
from hypothesis import strategies as st
from seeds import cases

from cjoblib import _core
from cjoblib.hashing import hash

DOC = HERE.parents[1] / "doc" / "formats" / "hash.md"
pytestmark = pytest.mark.filterwarnings("ignore:the matrix subclass")


def test_documented_vectors():
    known = hash_vectors.read(str(DOC))
    assert len(known) > 90
    assert set(hash_vectors.compute(known)) <= set(known)


def other_builds():
    """CJOBLIB_OTHER_BUILDS="python3.10=/dir/with/cjoblib:python3.13=..."."""
    text = os.environ.get("CJOBLIB_OTHER_BUILDS", "")
    return [tuple(item.split("=")) for item in text.split(":") if item]


@pytest.mark.parametrize("seed", ["0", "1", "12345"])
@pytest.mark.parametrize(
    ("python", "package"), [(sys.executable, None), *other_builds()]
)
def test_vectors_in_other_processes(python, package, seed):
    package = package or str(pathlib.Path(_core.__file__).parents[1])
    env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": package}
    command = [python, str(HERE / "hash_vectors.py"), str(DOC)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


def test_vectors_are_all_different():
    known = hash_vectors.read(str(DOC))
    for digest in ("xxh128", "sha256"):
        assert len({getattr(v, digest) for v in known}) == len(known)


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.complex_numbers(),
    st.dates(),
    st.decimals(allow_nan=False),
    st.text(min_size=230),
    st.integers().map(lambda n: n << 70),
    st.binary().map(bytearray),
    st.fractions(),
)

keys = st.one_of(
    st.text(), st.integers(), st.booleans(), st.binary(), st.tuples(st.integers())
)

values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner),
        st.dictionaries(keys, inner),
        st.tuples(inner, inner),
        st.sets(keys),
        st.frozensets(keys),
        st.lists(inner).map(collections.deque),
        st.dictionaries(st.text(), inner).map(lambda d: hash_vectors.Point(**d)),
        st.dictionaries(keys, inner).map(lambda d: collections.defaultdict(list, d)),
    ),
    max_leaves=30,
)


def rebuilt(obj):
    """The same value: no shared parts, dicts and sets filled the other way round."""
    if type(obj) in (list, tuple):
        return type(obj)([rebuilt(item) for item in obj])
    if type(obj) is dict:
        return {rebuilt(k): rebuilt(v) for k, v in reversed(list(obj.items()))}
    if type(obj) in (set, frozenset):
        return type(obj)(sorted(obj, key=repr, reverse=True))
    if type(obj) is str:
        return "".join(list(obj))
    return copy.deepcopy(obj)


@given(values)
@settings(max_examples=cases(100))
def test_equal_values_hash_alike(obj):
    expected = both(obj)
    assert both(copy.deepcopy(obj)) == expected
    assert both(pickle.loads(pickle.dumps(obj))) == expected
    assert both(rebuilt(obj)) == expected


@given(values)
@settings(max_examples=cases(50))
def test_sharing_does_not_matter(obj):
    assert both([obj, obj, {"a": obj}]) == both(
        [obj, rebuilt(obj), {"a": rebuilt(obj)}]
    )


@given(values, leaves, leaves)
@settings(max_examples=cases(100))
def test_one_leaf_makes_a_difference(obj, a, b):
    if type(a) is type(b) and repr(a) == repr(b):
        return
    for holder in (
        lambda x: [obj, x],
        lambda x: {"k": x, "o": obj},
        lambda x: (obj, [x]),
    ):
        assert xxh(holder(a)) != xxh(holder(b))
        assert hash(holder(a), "sha256") != hash(holder(b), "sha256")


@given(st.dictionaries(st.text(), values, max_size=4))
@settings(max_examples=cases(30))
def test_pairs_are_the_dict(arguments):
    found = _core.canonical_hash_pairs(tuple(arguments), tuple(arguments.values()))
    assert found == xxh(arguments)


def test_insertion_order_and_interning():
    items = [(str(i), i) for i in range(1000)]
    shuffled = random.Random(0).sample(items, len(items))
    assert both(dict(items)) == both(dict(shuffled))
    assert both(set(dict(items))) == both(set(dict(shuffled)))
    assert both({sys.intern("name"): 1}) == both({"".join(["na", "me"]): 1})


def test_different_types_and_shapes_differ():
    different = [
        1,
        1.0,
        True,
        "1",
        b"1",
        bytearray(b"1"),
        memoryview(b"1"),
        1 + 0j,
        decimal.Decimal(1),
        [1],
        (1,),
        {1},
        frozenset({1}),
        {1: None},
        [[1]],
        [1, 1],
        [(1,)],
        [],
        (),
        {},
        set(),
        0,
        False,
        None,
        0.0,
        -0.0,
        "",
        b"",
        ...,
        NotImplemented,
        collections.deque([1]),
        collections.OrderedDict({1: None}),
        collections.Counter([1]),
        range(1),
        slice(1),
        int,
        "int",
        {1: 2},
        {2: 1},
        [1, 2],
        [2, 1],
        ["ab"],
        ["a", "b"],
        {"a": "b"},
        ("a", "b"),
    ]
    for name in DIGESTS:
        assert len({hash(obj, name) for obj in different}) == len(different)


def ring(n, first=0):
    """`n` lists in a ring; entered at number `first`."""
    nodes = [[i] for i in range(n)]
    for i, node in enumerate(nodes):
        node.append(nodes[(i + 1) % n])
    return nodes[first]


def test_cycles_by_what_they_look_like():
    once, twice = [1], [1, [1]]
    once.append(once)
    twice[1].append(twice)
    assert both(once) == both(twice) == both(copy.deepcopy(once))
    assert both(ring(3)) == both(pickle.loads(pickle.dumps(ring(3))))
    assert len({xxh(ring(n, i)) for n in range(1, 6) for i in range(n)}) == 15
    assert xxh([once, 1]) != xxh([once, 2]) != xxh([1, once])


def test_where_a_cycle_is_entered_first_does_not_matter():
    a, b = ["a"], ["b"]
    a.append(b), b.append(a)
    assert both({"p": a, "q": b}) == both({"q": b, "p": a})
    assert xxh({"p": a, "q": b}) != xxh({"p": b, "q": a})


def test_cycles_that_differ_late():
    x, y, z = [1], [2], [1]
    x.append(y), y.append(x), z.append(y)
    w = [2]
    w.append(w)
    assert xxh(x) == xxh(z) != xxh([1, w])


def test_dense_cycles_take_no_exponential_time():
    nodes = [hash_vectors.Point(number=i) for i in range(60)]
    for node in nodes:
        node.others = list(nodes)
    assert xxh(nodes) == xxh(copy.deepcopy(nodes))


def test_tree_with_parents():
    def grow(depth, parent):
        node = hash_vectors.Point(parent=parent, depth=depth)
        node.children = [grow(depth - 1, node) for _ in range(2)] if depth else []
        return node

    assert both(grow(6, None)) == both(grow(6, None)) != both(grow(5, None))


def test_a_cycle_through_arguments():
    loop = hash_vectors.loop()
    assert _core.canonical_hash_pairs(("a", "b"), (loop, 1)) == xxh({"b": 1, "a": loop})


def test_function_that_names_itself():
    def outer(n):
        def inner(k):
            return inner(k - 1) if k else n

        return inner

    assert xxh(outer(1)) == xxh(outer(1)) != xxh(outer(2))
