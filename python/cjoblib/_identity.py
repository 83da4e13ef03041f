"""What a function is: the version under which its results are kept.

A version is 16 bytes, 8 of its code and 8 of the values that it has captured. Code is
the source and, where there is none, what it was compiled to; and the code of what it
depends on. So closures over different values live side by side, and an edit starts a
version with another beginning.

What a callable brings along to each call (a method's object, a partial's arguments) is
no part of this: it counts as an argument.
"""

from __future__ import annotations

import dis
import functools
import inspect
import types
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from cjoblib import _core
from cjoblib.func_inspect import code_fingerprint, get_func_code

HALF = 8  # bytes of a version for the code, and for captured values
NO_VALUES = bytes(HALF)
CALL = "__call__"
PLAIN = (type(None), bool, int, float, complex, str, bytes)


class Identity(NamedTuple):
    """What a function was when it was looked at.

    Attributes
    ----------
    version : bytes
        16 bytes.
    watch : tuple
        For ``_core.Memo._watch``: as long as it holds, the function is the same.
    """

    version: bytes
    watch: tuple[Any, ...]


class Dependencies(NamedTuple):
    """What else belongs to a function's identity.

    Attributes
    ----------
    pinned : str or None
        Stands for the code, whatever the code is.
    depends : tuple
        Functions, classes, modules and values.
    tracks_project : bool
        Whether the project's own functions that it refers to are followed.
    """

    pinned: str | None = None
    depends: tuple[Any, ...] = ()
    tracks_project: bool = False


# function -> captured variable -> (the object, weakly, and the text that stood for it)
_known: weakref.WeakKeyDictionary[Any, dict[str, tuple[Any, str]]] = (
    weakref.WeakKeyDictionary()
)


def identify(func: Callable[..., Any], also: Dependencies) -> Identity:
    """Look at a function.

    A captured list or the like that was looked at before counts as it was then: what a
    function fills while it works is no other list.
    """
    look = _Look()
    values = look.callable(func)
    for needed in also.depends:
        look.depends_on(needed)
    if also.tracks_project:
        from cjoblib._project import follow

        follow(code_of(func), look)
    code = look.code.digest()
    if also.pinned is not None:
        code = _digest("version", also.pinned)
    return Identity(code[:HALF] + (values or NO_VALUES), tuple(look.watch))


def code_of(func: Any) -> Any:
    """The function whose code runs when `func` is called, if there is one."""
    while True:
        if isinstance(func, functools.partial):
            func = func.func
        elif isinstance(func, types.MethodType):
            func = func.__func__
        elif isinstance(func, _core.Memo):
            func = func.func
        elif _is_wrapper(func):
            func = func.__wrapped__
        else:
            break
    if isinstance(func, (types.FunctionType, type)) or not hasattr(func, "__dict__"):
        return func
    inner = getattr(type(func), CALL, None)
    return inner if isinstance(inner, types.FunctionType) else func


def _is_wrapper(func: Any) -> bool:
    """Whether an object, such as `functools.lru_cache` makes, stands for a function."""
    if isinstance(func, (types.FunctionType, type)):
        return False
    return callable(getattr(func, "__wrapped__", None))


def brought_along(func: Any) -> tuple[str, Any] | None:
    """What a callable adds to the arguments of each call, under what name."""
    if isinstance(func, functools.partial):
        inner = brought_along(func.func)
        return "()", (func.args, func.keywords, inner)
    if isinstance(func, types.MethodType):
        return _first_parameter(func.__func__), func.__self__
    if isinstance(func, types.BuiltinMethodType):
        owner = func.__self__
        return None if isinstance(owner, types.ModuleType) else ("self", owner)
    if isinstance(func, (types.FunctionType, type)):
        return None
    inner = getattr(type(func), CALL, None)
    return ("()", func) if isinstance(inner, types.FunctionType) else None


def _first_parameter(function: Any) -> str:
    code = getattr(function, "__code__", None)
    return code.co_varnames[0] if code is not None and code.co_argcount else "self"


def _digest(*parts: str) -> bytes:
    digest = _core.Digest("xxh128")
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.digest()


def state_of(function: types.FunctionType) -> tuple[Any, ...]:
    """What ``_core.Memo`` watches of a function."""
    return function.__code__, function.__defaults__, function.__kwdefaults__


_EMPTY = object()


def contents(cell: types.CellType) -> Any:
    """What a cell holds; an object of its own for an empty one."""
    try:
        return cell.cell_contents
    except ValueError:
        return _EMPTY


class _Look:
    """One look at a function and all that belongs to it."""

    def __init__(self) -> None:
        self.code = _core.Digest("xxh128")
        self.watch: list[Any] = []
        self._seen: set[int] = set()
        self._keep: list[Any] = []  # so that an id stays its object's

    def is_new(self, value: Any) -> bool:
        """Whether it is met for the first time."""
        if id(value) in self._seen:
            return False
        self._seen.add(id(value))
        self._keep.append(value)
        return True

    def add_code(self, *parts: str) -> None:
        """Take in texts that belong to the code."""
        self.code.update(_digest(*parts))

    def expect(self, place: Any, name: str | None, value: Any) -> None:
        """Watch that a place keeps its value."""
        self.watch += (place, name, value)

    def callable(self, func: Any) -> bytes:
        """Take in code; return what stands for the captured values, b"" for none."""
        func = code_of(func)
        if not isinstance(func, types.FunctionType):
            self.add_code("object", _text_of_other(func))
            return b""
        return self.take_new(func) if self.is_new(func) else b""

    def take_new(self, func: types.FunctionType) -> bytes:
        """Take in a function that has not been met."""
        self.expect(func, None, state_of(func))
        self.add_code("function", _source_text(func))
        return self._captured(func)

    def depends_on(self, needed: Any) -> None:
        """Take in something that the user says belongs to the function."""
        if isinstance(needed, types.ModuleType):
            self.add_code("module", needed.__name__, _module_text(needed))
        elif callable(needed):
            self.code.update(self.callable(needed))
            along = brought_along(needed)
            if along is not None:
                self.add_code("with", _core.canonical_hash(along[1]))
        else:
            self.add_code("value", _core.canonical_hash(needed))

    def _captured(self, func: types.FunctionType) -> bytes:
        names = func.__code__.co_freevars
        own = _rebound(func.__code__) if names else frozenset()
        found = _which_lambda(func)
        for name, cell in zip(names, func.__closure__ or (), strict=True):
            if name in own:  # a state that it keeps, not a value that it is given
                continue
            value = contents(cell)
            if value is not _EMPTY:
                self.expect(cell, None, value)
                found += [name, self._value_of(func, name, value)]
        return _digest(*found)[:HALF] if any(found[1::2]) else b""

    def _value_of(self, func: types.FunctionType, name: str, value: Any) -> str:
        """A text that stands for a captured value: what it was when first seen."""
        if isinstance(value, (*PLAIN, types.FunctionType)):
            return self._value(value)
        kept = _known.setdefault(func, {})
        reference, text = kept.get(name, (None, ""))
        if reference is None or not _is_referent(reference, value):
            text = self._value(value)
            kept[name] = _reference(value), text
        return text

    def _value(self, value: Any) -> str:
        """A text that stands for a captured value; functions count as code."""
        if isinstance(value, (types.FunctionType, types.MethodType, _core.Memo)):
            return self.callable(value).hex()
        if isinstance(value, (types.ModuleType, type)):
            return f"{type(value).__name__} {value.__name__}"
        try:
            return _core.canonical_hash(value)
        except Exception:  # it has no value: a lock, a file, what a __reduce__ raises
            return f"some {type(value).__module__}.{type(value).__qualname__}"


def _reference(value: Any) -> Any:
    """Something that does not keep `value` alive, where that is possible."""
    try:
        return weakref.ref(value)
    except TypeError:
        return id(value)


def _is_referent(reference: Any, value: Any) -> bool:
    if isinstance(reference, int):
        return reference == id(value)
    return reference() is value


def _rebound(code: types.CodeType) -> frozenset[str]:
    """Captured variables that the code itself gives new values."""
    found: set[str] = set()
    for inner in codes_within(code):
        free = set(inner.co_freevars)
        for step in dis.get_instructions(inner):
            if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in free:
                found.add(step.argval)
    return frozenset(found)


def codes_within(code: types.CodeType) -> Iterator[types.CodeType]:
    """A code and those of the functions that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from codes_within(constant)


def _source_text(func: types.FunctionType) -> str:
    """The source, and the plain defaults where there is none."""
    text, _, line = get_func_code(func)
    if line == -1:
        return f"{text}\n{_plain_text(func.__defaults__)}"
    return text


def _which_lambda(func: types.FunctionType) -> list[str]:
    """What tells lambdas in one line apart: they live side by side, like closures."""
    if (
        func.__code__.co_name != "<lambda>"
        or get_func_code(func)[0].count("lambda") < 2
    ):
        return []
    return ["lambda", code_fingerprint(func.__code__)]


def _plain_text(values: Iterable[Any] | None) -> str:
    return ", ".join(repr(v) if isinstance(v, PLAIN) else "..." for v in values or ())


def _text_of_other(func: Any) -> str:
    """A class by its source, something compiled by its name."""
    name = f"{getattr(func, '__module__', '')}.{getattr(func, '__qualname__', '')}"
    if isinstance(func, type):
        try:
            return inspect.getsource(func)
        except (OSError, TypeError):
            return f"class {name}"
    return f"{type(func).__module__}.{type(func).__qualname__} {name}"


def _module_text(module: types.ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):
        return str(getattr(module, "__version__", ""))
