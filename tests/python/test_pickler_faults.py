"""Hooks that change what is being pickled, depth, small stacks, failing memory, wrong use."""

import io
import pickle
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from cjoblib import _core
from cjoblib.hashing import hash

DEPTH = 100_000


class Clears:
    """Empties a container when it is asked how to pickle it."""

    def __init__(self, container: Any) -> None:
        self.container = container

    def __reduce__(self) -> Any:
        self.container.clear()
        return int, ()


class Grows:
    def __init__(self, container: Any) -> None:
        self.container = container

    def __reduce__(self) -> Any:
        if isinstance(self.container, list):
            if len(self.container) < 5000:
                self.container.extend([0] * 100)
        else:
            self.container[object()] = 1
        return int, ()


def with_hooks(hook: Any) -> list[Any]:
    a: list[Any] = [1]
    a += [hook(a), "x", [2], hook(a)]
    d: dict[Any, Any] = {"k": 1}
    d |= {"h": hook(d), "z": ["y"]}
    return [a, d, [a, (a, d)], {"inner": d, "list": a}]


@pytest.mark.parametrize("hook", [Clears, Grows])
@pytest.mark.parametrize("protocol", range(6))
def test_hooks_that_mutate(hook: Any, protocol: int) -> None:
    for obj in with_hooks(hook):
        try:
            pickle.loads(_core.pickle_dumps(obj, protocol))
        except RuntimeError as error:
            assert "changed size" in str(error)


@pytest.mark.parametrize("hook", [Clears, Grows])
def test_hashed_hooks_that_mutate(hook: Any) -> None:
    for obj in with_hooks(hook):
        try:
            hash(obj)
        except (RuntimeError, TypeError):
            pass


def test_hook_that_digs_out_what_has_one_owner() -> None:
    class Digs:
        def __init__(self, owner: Any) -> None:
            self.owner = owner

        def __reduce__(self) -> Any:
            return list, ([self.owner[0], self.owner[0][0]],)

    owner: list[Any] = [[[1]]]
    owner.append(Digs(owner))
    again = pickle.loads(_core.pickle_dumps(owner))
    assert again[1][0] is again[0]
    assert again[1][1] is again[0][0]


class Key:
    def __init__(self, of: dict[Any, Any]) -> None:
        self.of = of

    def __lt__(self, other: object) -> bool:
        self.of.clear()
        return False


def test_comparison_that_mutates() -> None:
    d: dict[Any, Any] = {}
    d.update({Key(d): 1, Key(d): 2, Key(d): 3})
    try:
        hash(d)
    except (RuntimeError, TypeError, AttributeError):
        pass


def test_pickler_used_from_its_own_hook() -> None:
    class Nested(_core.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if obj == "again":
                self.dump(1)
            return None

    with pytest.raises(RuntimeError, match="at work"):
        Nested(io.BytesIO()).dump(["again"])


def test_pickler_changed_from_its_own_hook() -> None:
    class Changes(_core.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            self.clear_memo()
            self.memo = {}
            self.dispatch_table = {}
            self.__init__(io.BytesIO())  # type: ignore[misc]
            return None

    for _ in range(3):
        Changes(io.BytesIO()).dump([[1], ("a", "a"), {"b": 2}])


def test_file_that_fails() -> None:
    class File:
        n = 0

        def write(self, data: Any) -> None:
            self.n += 1
            if self.n == 3:
                raise OSError("full")

    with pytest.raises(OSError, match="full"):
        _core.Pickler(File()).dump([str(i) for i in range(10**5)])


WRONG: list[Callable[[], object]] = [
    lambda: _core.pickle_dumps(),  # type: ignore[call-arg]
    lambda: _core.pickle_dumps(1, 2, 3),  # type: ignore[misc]
    lambda: _core.pickle_dumps(1, "x"),  # type: ignore[arg-type]
    lambda: _core.pickle_dumps(1, nothing=2),  # type: ignore[call-arg]
    lambda: _core.pickle_dumps(1, 2, protocol=2),  # type: ignore[misc]
    lambda: _core.Pickler(),  # type: ignore[call-arg]
    lambda: _core.Pickler(3),  # type: ignore[arg-type]
    lambda: _core.Pickler.dump(3, 4),  # type: ignore[arg-type]
    lambda: _core.joblib_hash(),  # type: ignore[call-arg]
    lambda: type(_core.Pickler(io.BytesIO()).memo)(),
    lambda: _core.pickle_dumps(threading.Lock()),
]


@pytest.mark.parametrize("call", WRONG)
def test_wrong_use(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError):
        call()


def test_wrong_values() -> None:
    with pytest.raises(ValueError, match="protocol"):
        _core.pickle_dumps(1, 6)
    with pytest.raises(ValueError, match="buffer_callback"):
        _core.pickle_dumps(1, 4, buffer_callback=print)
    with pytest.raises(ValueError, match="Valid options for 'hash_name'"):
        hash(1, "md6")
    with pytest.raises(ValueError, match="Valid options for 'hash_name'"):
        _core.joblib_hash(1, "md6")


# --- depth ------------------------------------------------------------------------------


class Link:
    def __init__(self, next_link: Any) -> None:
        self.next_link = next_link


class Call:
    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __reduce__(self) -> Any:
        return Call, (self.inner,)


NESTINGS: dict[str, Callable[[Any], Any]] = {
    "list": lambda inner: [inner],
    "tuple": lambda inner: (inner,),
    "long tuple": lambda inner: (inner, 1, 2, 3),
    "dict": lambda inner: {"k": inner},
    "frozenset": lambda inner: frozenset([inner, 1]),
    "instance": Link,
    "reduce": Call,
}


def nest(wrap: Callable[[Any], Any], depth: int) -> Any:
    obj: Any = ()
    for _ in range(depth):
        obj = wrap(obj)
    return obj


def unnest(obj: Any) -> None:
    """Take it apart from outside: not every type's deallocation can stand such depth."""
    while isinstance(obj, (list, dict, Link, Call)) and obj:
        if isinstance(obj, list):
            obj = obj.pop()
        elif isinstance(obj, dict):
            obj = obj.popitem()[1]
        else:
            obj = vars(obj).popitem()[1]


def run_in_thread(work: Callable[[], object], stack_bytes: int) -> list[BaseException]:
    errors: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    old = threading.stack_size(stack_bytes)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    return errors


@pytest.mark.parametrize("name", [n for n in NESTINGS if n != "frozenset"])
@pytest.mark.parametrize("stack_bytes", [0, 65536])
def test_depth(name: str, stack_bytes: int) -> None:
    obj = nest(NESTINGS[name], DEPTH)
    work = [
        lambda: _core.pickle_dumps(obj),
        lambda: _core.pickle_dumps(obj, 2),
        lambda: _core.Pickler(io.BytesIO()).dump(obj),
        lambda: hash(obj),
    ]
    for step in work:
        errors = run_in_thread(step, stack_bytes)
        assert not errors or isinstance(errors[0], RecursionError)
    unnest(obj)


def test_deep_list_has_a_value() -> None:
    obj = nest(NESTINGS["list"], DEPTH)
    again = pickle.loads(_core.pickle_dumps(obj))
    depth = 0
    at = again
    while at:
        at, depth = at[0], depth + 1
    assert depth == DEPTH
    assert len(hash(obj)) == 32


class Node:
    """Each set of things that do not compare is hashed element by element."""

    def __init__(self, *children: Any) -> None:
        self.children = set(children)


def test_nested_hashes_in_a_small_stack() -> None:
    node = Node()
    for _ in range(400):
        node = Node(node, 1)
    errors = run_in_thread(lambda: hash(node), 65536)
    assert not errors or isinstance(errors[0], RecursionError)


def test_endless_nesting() -> None:
    pickler = _core.Pickler(io.BytesIO())
    pickler.fast = 1
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(RecursionError):
        pickler.dump(cycle)


# --- memory -----------------------------------------------------------------------------


def faulty_objects() -> list[Any]:
    cycle: list[Any] = [1]
    cycle.append((cycle, {"k": cycle}))
    return [
        1,
        2**200,
        "text",
        "é" * 100,
        b"x" * 300,
        [1, "a", (2, 3, 4, 5), {"k": [1.5]}],
        {"b": 1, "a": [2], "é": {3}},
        {1: "x", "y": 2},
        {1, "a"},
        frozenset([1, 2]),
        cycle,
        [Link(1), Link(2), Call(Link(3))],
        [len, dict, Link, "abc".upper],
        bytearray(b"abc"),
        [str(i) for i in range(300)],
    ]


def survives(call: Callable[[], object]) -> None:
    """Fail every allocation in turn until none is left to fail."""
    testcapi = pytest.importorskip("_testcapi")
    for n in range(1, 100_000):
        testcapi.set_nomemory(n, n + 1)
        try:
            call()
        except MemoryError:
            continue
        finally:
            testcapi.remove_mem_hooks()
        return
    raise AssertionError("it never came to an end")


@pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="the hook makes the interpreter abort"
)
@pytest.mark.parametrize("i", range(len(faulty_objects())))
def test_failing_memory(i: int) -> None:
    obj = faulty_objects()[i]
    hash(obj)

    class File:
        def write(self, data: Any) -> None:
            pass

    for protocol in (0, 2, 5):
        survives(lambda: _core.pickle_dumps(obj, protocol))
        survives(lambda: _core.Pickler(File(), protocol).dump(obj))
    survives(lambda: hash(obj))
    assert pickle.loads(_core.pickle_dumps(obj)) is not None
