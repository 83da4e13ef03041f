"""Names, sources, arguments and texts of functions."""

from __future__ import annotations

import functools
import importlib
import math
import operator
import os
import subprocess
import sys
import time
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cjoblib.func_inspect as ours
from cjoblib._brief import LONGEST, SHORTENED, brief
from cjoblib.func_inspect import (
    filter_args,
    format_call,
    format_signature,
    get_func_code,
    get_func_name,
)

theirs: Any = importlib.import_module("joblib.func_inspect")


def plain(x: Any, y: Any = 0) -> None:
    """Take one or two."""


def several(x: Any, y: Any = 0, *args: Any, z: Any = 1, **kwargs: Any) -> None:
    """Take anything."""


def only_by_name(x: Any, *, y: Any, z: Any = 3) -> None:
    """Need y."""


def only_by_place(x: Any, y: Any = 5, /, **kwargs: Any) -> None:
    """Take x as a keyword too, for something else."""


class Class:
    def method(self, x: Any, y: Any = 2) -> None:
        """Take one or two."""

    @classmethod
    def of_class(cls, x: Any) -> None:
        """Take one."""

    def __call__(self) -> None:
        """Take nothing."""


class Adder:
    def __init__(self, n: int) -> None:
        self.n = n

    def __call__(self, x: int) -> int:
        return x + self.n


def compiled(source: str, file: str, **names: Any) -> Any:
    """The last function of a source that is in no file."""
    exec(compile(source, file, "exec"), names)
    return [value for value in names.values() if isinstance(value, FunctionType)][-1]


# --- names ----------------------------------------------------------------------------

NAMED = [
    plain,
    Class.method,
    Class().method,
    Class.of_class,
    Class,
    Class(),
    math.sqrt,
    "a".lower,
    [].append,
    np.square,
    np.zeros(3).sum,
    np.linalg.norm,
    functools.partial(plain),
    operator.itemgetter(1),
    lambda x: x,
    print,
]


@pytest.mark.parametrize("func", NAMED, ids=str)
def test_names_are_those_of_joblib(func: Any) -> None:
    assert get_func_name(func) == theirs.get_func_name(func)


def test_nested_functions_of_one_name_have_different_paths() -> None:
    def first() -> Any:
        def inner() -> None: ...

        return inner

    def second() -> Any:
        def inner() -> None: ...

        return inner

    assert get_func_name(first()) != get_func_name(second())
    assert get_func_name(first())[1] == get_func_name(second())[1] == "inner"


MAIN_FILES = {
    "/home/me/script.py": "__main__--home-me-script",
    "/tmp/ipykernel_12345/678.py": "__main__--tmp-ipykernel-678",
    "/home/me/<ipython-input-7-ab12>": "__main__--home-me-<ipython-input-ab12>",
}


@pytest.mark.parametrize("file", MAIN_FILES)
def test_main_is_named_after_its_file(
    file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    func = compiled("def f(): pass", file, __name__="__main__")
    monkeypatch.setattr("inspect.getsourcefile", lambda f: f.__code__.co_filename)
    assert get_func_name(func) == ([MAIN_FILES[file]], "f")
    assert get_func_name(func) == theirs.get_func_name(func)


def test_main_without_a_file_is_just_main() -> None:
    func = functools.partial(plain)
    func.__module__ = "__main__"
    assert get_func_name(func) == (["__main__"], "unknown")


# --- source ---------------------------------------------------------------------------


@pytest.mark.parametrize("func", [plain, several, Class.method, Class().of_class])
def test_source_is_that_of_joblib(func: Any) -> None:
    assert get_func_code(func) == theirs.get_func_code(func)
    assert get_func_code(func)[1] == __file__


def test_source_follows_the_file(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    texts = ["# -*- coding: latin-1 -*-\ndef f():\n    return 'é'\n"]
    texts.append(texts[0].replace("return", "return 1,"))
    func = compiled(texts[0], str(file))
    for text in texts:
        file.write_text(text, encoding="latin-1")
        assert get_func_code(func) == (text.split("\n", 1)[1], str(file), 2)


def test_file_that_became_shorter_has_no_source(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    func = compiled("\n\n\ndef f(): pass\n", str(file))
    file.write_text("#\n")
    code, found, line = get_func_code(func)
    assert (len(code), found, line) == (32, str(file), -1)


def test_doctest_gives_its_file_and_example(monkeypatch: pytest.MonkeyPatch) -> None:
    func = compiled("def f(): pass", "<doctest guide.rst[3]>")
    lines = ["def f(): pass\n"]
    monkeypatch.setattr("inspect.getsourcelines", lambda f: (lines, 0))
    assert get_func_code(func) == (lines[0], "<doctest guide.rst>", 3)


NO_SOURCE = """
from cjoblib.func_inspect import get_func_code
names = {}
exec('''
def f(x, y=(1, 2.0, frozenset({'a', 'b'}))):
    try:
        return [z for z in x if z in {'aa', 'bb', 'cc', 'dd', 3, None}], lambda: y
    except KeyError:
        return names.attribute
''', names)
import functools, math
from fractions import Fraction
print(get_func_code(names['f'])[0], get_func_code('a'.lower)[0])
print(get_func_code(functools.partial(math.pow, Fraction(1, 3)))[0])
"""


def test_code_without_source_is_the_same_in_each_process() -> None:
    found = {
        subprocess.run(
            [sys.executable, "-c", NO_SOURCE],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in "0123"
    }
    assert len(found) == 1


VARIANTS = [
    "def f(x): return x",
    "def f(y): return y",
    "def g(x): return x",
    "def f(x): return -x",
    "def f(x): return x.a",
    "def f(x): return x.b",
    "def f(x): return 1",
    "def f(x): return 1.0",
    "def f(x): return True",
    "def f(x): return '1'",
    "def f(x): return b'1'",
    "def f(x): return (1,)",
    "def f(x, /): return x",
    "def f(*x): return x",
    "def f(*, x): return x",
    "def f(x): return x in {1, 2}",
    "def f(x): return x in {1, 3}",
    "def f(x): return lambda: 1",
    "def f(x): return lambda: 2",
    "def f(x): yield x",
    "async def f(x): return x",
]


def test_code_without_source_differs_where_the_code_does() -> None:
    codes = [get_func_code(compiled(text, "<here>"))[0] for text in VARIANTS]
    moved = [get_func_code(compiled(f"\n{t}", "<there>"))[0] for t in VARIANTS]
    assert len(set(codes)) == len(VARIANTS)
    assert codes == moved


def test_callables_without_code_are_told_apart() -> None:
    big = np.zeros(10_000)
    other = big.copy()
    other[5_000] = 1
    parts: list[Any] = [functools.partial(plain, value) for value in (1, 2, big, other)]
    parts += [functools.partial(several, 1), functools.partial(plain, x=1)]
    found = [
        get_func_code(f) for f in [*parts, "a".lower, "b".lower, Adder(1), Adder(2)]
    ]
    assert len({code for code, _, _ in found}) == len(found)
    assert {place[1:] for place in found} == {(None, -1)}
    assert get_func_code(Adder(1)) == get_func_code(Adder(1))
    assert get_func_code(functools.partial(plain, lambda: 1))[1:] == (None, -1)
    assert get_func_code(np.square) == ("<ufunc 'square'>", None, -1)


# --- arguments ------------------------------------------------------------------------

CALLS: list[tuple[Any, ...]] = [
    (plain, [], (1,)),
    (plain, ["x"], (1,)),
    (plain, ["y"], (), {"x": 2, "y": 1}),
    (plain, ["x", "y"], (0,)),
    (plain, [], ()),
    (plain, [], (1, 2, 3)),
    (plain, [], (1,), {"x": 2}),
    (plain, [], (1,), {"nope": 2}),
    (plain, ["nope"], (1,)),
    (plain, "x", (1,)),
    (several, [], (1,)),
    (several, [], (1, 2, 3, 4), {"ee": 2}),
    (several, ["*", "z"], (1, 2, 25), {"ee": 2}),
    (several, ["**"], (1,), {"y": 3, "z": 4}),
    (several, [], ()),
    (only_by_name, [], (1,), {"y": 2}),
    (only_by_name, [], (1,)),
    (only_by_name, [], (1, 2), {"y": 2}),
    (Class.of_class, ["cls"], (1,)),
    (Class.of_class, [], (1, 2)),
    (math.sqrt, [], (1,), {"a": 2}),
]


def outcome(function: Any, *args: Any) -> Any:
    try:
        return function(*args)
    except ValueError as error:
        return str(error).split("\n")[0].replace(":", "")


@pytest.mark.parametrize("call", CALLS, ids=str)
def test_arguments_are_named_as_by_joblib(call: Any) -> None:
    assert outcome(filter_args, *call) == outcome(theirs.filter_args, *call)


def test_method_has_its_object_as_an_argument() -> None:
    one, two = Class(), Class()
    assert filter_args(one.method, [], (1,)) == {"self": one, "x": 1, "y": 2}
    assert filter_args(one.method, [], (1,)) != filter_args(two.method, [], (1,))


def test_arguments_by_place_only() -> None:
    found = filter_args(only_by_place, [], (1,), {"x": 2})
    assert found == {"x": 1, "y": 5, "**": {"x": 2}}
    with pytest.raises(ValueError, match="Wrong number of arguments"):
        filter_args(only_by_place, [], (), {"x": 2})


def test_what_is_given_is_not_changed() -> None:
    args, kwargs = [1], {"y": 2, "ee": 3}
    filter_args(several, [], args, kwargs)
    assert (args, kwargs) == ([1], {"y": 2, "ee": 3})


def test_parameters_of_a_partial_are_not_known() -> None:
    func = functools.partial(plain, 1)
    with pytest.warns(UserWarning, match="Cannot inspect object"):
        assert filter_args(func, ["y"], (1,)) == {"*": [1], "**": {}}


def test_errors_show_the_call_shortened() -> None:
    with pytest.raises(ValueError, match=r"Too many arguments for plain\(x") as caught:
        filter_args(plain, [], (1, 2, "a" * 10**6), {"k": [3]})
    assert "plain(1, 2, 'aaa" in str(caught.value)
    assert str(caught.value).endswith("..., k=[3]) was called.")
    assert len(str(caught.value)) < 1000


# --- texts ----------------------------------------------------------------------------

Pair = namedtuple("Pair", "a b")
SHOWN: list[tuple[Any, ...]] = [
    (5, "text", None, (3, 4)),
    ("pics/spatial_envelope/coast_arnat59.jpg",),
    (np.vander(np.arange(3)).astype(float),),
    (np.zeros(1000), np.arange(9.0).reshape(3, 3)),
    (list(range(5)), list(range(100)), list(range(1000))),
    ("a" * 1499, "a" * 1500, "word " * 500),
    ([[[[1]]]], {1: {2: {3: {4: 5}}}}, {"b": 1, "a": 2}),
    ({3, 1, 2}, {f"{n}" for n in range(40)}, frozenset({1})),
    (deque([1, 2]), OrderedDict(b=1, a=2), Pair(1, [2])),
    (b"bytes" * 30, bytearray(b"x"), range(3), 1e300, int),
]


@pytest.mark.parametrize("args", SHOWN, ids=range(len(SHOWN)))
def test_text_of_a_call_is_that_of_joblib(args: Any) -> None:
    call = plain, args, {"key": args[0]}
    assert format_call(*call) == theirs.format_call(*call)


def test_text_of_the_first_example() -> None:
    text = format_call(np.square, (np.vander(np.arange(3)).astype(float),), {})
    shown = "array([[0., 0., 1.],\n       [1., 1., 1.],\n       [4., 2., 1.]])"
    assert text.startswith("_" * 80 + "\n[Memory] Calling ")
    assert text.endswith(f"square...\nsquare({shown})")


def test_line_is_broken_after_a_long_argument() -> None:
    long, short = list(range(60)), 1
    assert format_signature(plain, long, short, short) == theirs.format_signature(
        plain, long, short, short
    )
    assert ", \n1, 1)" in format_signature(plain, long, short, short)[1]


leaves: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.complex_numbers(),
    st.binary(),
    st.text(max_size=200),
)
keys: st.SearchStrategy[Any] = st.text(max_size=5) | st.integers()
nested: st.SearchStrategy[Any] = st.recursive(
    leaves,
    lambda part: (
        st.lists(part)
        | st.lists(part).map(tuple)
        | st.dictionaries(keys, part)
        | st.sets(keys)
    ),
    max_leaves=40,
)


@given(nested)
def test_text_of_any_value_is_that_of_joblib(value: Any) -> None:
    assert brief(value) == theirs._format_arg(value)


HUGE: dict[str, Callable[[], Any]] = {
    "text": lambda: "a" * 10**8,
    "words": lambda: "word " * 10**7,
    "bytes": lambda: bytes(10**8),
    "list": lambda: [0] * 10**7,
    "tuple": lambda: (None,) * 10**7,
    "dict": lambda: dict.fromkeys(range(10**6)),
    "set": lambda: set(range(10**6)),
    "deque": lambda: deque(range(10**6)),
    "array": lambda: np.zeros(10**7),
    "arrays": lambda: [np.zeros(10**3)] * 10**5,
    "nested": lambda: [[["x" * 10**6] * 1000] * 1000] * 1000,
    "under a key": lambda: {"a": Pair("x" * 10**8, [0] * 10**6)},
    "integer": lambda: 1 << 10**7,
}


@pytest.mark.parametrize("name", HUGE)
def test_text_of_a_huge_value_costs_next_to_nothing(name: str) -> None:
    value = HUGE[name]()
    best = math.inf
    for _ in range(5):
        start = time.thread_time()
        text = brief(value)
        best = min(best, time.thread_time() - start)
    assert len(text) <= LONGEST
    assert best < 0.05
    if name not in ("array", "integer"):
        assert text.endswith("...")
        assert len(text) == SHORTENED + 3


def test_values_that_cannot_be_printed_do_not_break_the_text() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    loop: deque[Any] = deque()
    loop.append(loop)
    assert brief(Broken()).startswith("<Broken object at 0x")
    assert brief([Broken()]).startswith("<list object at 0x")
    assert brief(1 << 10**6) == "<int of 1000001 bits>"
    assert brief(loop).startswith("deque([ deque([")


def test_every_public_name_of_joblib_is_here() -> None:
    assert all(hasattr(theirs, name) for name in ours.__all__)
