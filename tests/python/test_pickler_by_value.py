"""Functions and classes that no name leads to, by value, with cloudpickle's help."""

import pickle
import subprocess
import sys
import types
from typing import Any

import cloudpickle
import pytest

from cjoblib import _core


def dumps(obj: Any) -> bytes:
    return _core.pickle_dumps(obj, by_value=True)


def again(obj: Any) -> Any:
    return pickle.loads(dumps(obj))


def named(x: int) -> int:
    return x + 1


def test_lambda() -> None:
    y = 5
    assert again(lambda x: x + y)(2) == 7


def test_strict_without() -> None:
    with pytest.raises(pickle.PicklingError):
        _core.pickle_dumps(lambda: 0)


def test_by_name_where_a_name_leads() -> None:
    assert again(named) is named
    assert b"named" in dumps(named)
    assert "cloudpickle" not in dumps([named, len, dict]).decode("latin1")


def test_nested_class() -> None:
    class Local:
        def __init__(self, x: int) -> None:
            self.x = x

        def double(self) -> int:
            return 2 * self.x

    one = again(Local(3))
    assert one.double() == 6
    both = again([Local(1), Local(2), Local])
    assert type(both[0]) is type(both[1]) is both[2]


def test_functions_that_share_globals() -> None:
    source = "n = 0\ndef up():\n    global n\n    n += 1\ndef get():\n    return n\n"
    module = types.ModuleType("nowhere")
    exec(source, vars(module))
    up, get = again((module.up, module.get))
    up()
    assert get() == 1


def test_recursive_function() -> None:
    def fact(n: int) -> int:
        return n * fact(n - 1) if n else 1

    assert again(fact)(5) == 120


def test_in_the_middle_of_data() -> None:
    data = [{"f": lambda: 1}, ({"g": lambda: 2},), [1, 2]]
    back = again(data)
    assert (back[0]["f"](), back[1][0]["g"](), back[2]) == (1, 2, [1, 2])


def test_objects_only_cloudpickle_knows() -> None:
    view = memoryview(b"abc")
    assert bytes(again(view)) == b"abc"
    assert list(again({"a": 1}.keys())) == ["a"]
    assert again(named.__code__) == named.__code__


def test_what_nobody_knows_keeps_its_error() -> None:
    import threading

    with pytest.raises(TypeError, match="lock"):
        dumps(threading.Lock())


def test_registered_module() -> None:
    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)
    try:
        assert again(named) is not named
        assert again(named)(1) == 2
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def test_main_module() -> None:
    code = """
from cjoblib import _core
import sys
def double(x): return 2 * x
class Point:
    def __init__(self, x): self.x = x
sys.stdout.buffer.write(_core.pickle_dumps([double, Point(3)], by_value=True))
"""
    data = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True
    ).stdout
    double, point = pickle.loads(data)
    assert double(point.x) == 6
