"""Following a function to the project's own functions that it refers to.

The project's own is what lies neither in the standard library nor where packages are
installed. What is followed: names that the code uses, looked up where the function
would: functions, classes with their methods, modules by the attributes that are used,
and constants.
"""

from __future__ import annotations

import dis
import functools
import inspect
import os
import sys
import sysconfig
import types
from typing import TYPE_CHECKING, Any, NamedTuple

from cjoblib import _core
from cjoblib._identity import PLAIN, code_of, codes_within

if TYPE_CHECKING:
    from cjoblib._identity import _Look

MODULES_DEEP = 4  # package.module.module.function


@functools.cache
def _foreign_folders() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    found = {os.path.realpath(sysconfig.get_path(name)) for name in names}
    for module in [m for n, m in sys.modules.items() if n in ("site", "sitecustomize")]:
        for folder in getattr(module, "PREFIXES", ()):
            found.add(os.path.realpath(os.path.join(folder, "lib")))
    found.add(os.path.dirname(os.path.realpath(__file__)))
    return tuple(folder + os.sep for folder in found)


def is_own(value: Any) -> bool:
    """Whether a function, class or module is the project's own."""
    module = value if isinstance(value, types.ModuleType) else None
    if module is None:
        module = sys.modules.get(getattr(value, "__module__", None) or "")
    if module is None or getattr(module, "__name__", "") == "__main__":
        return module is not None or isinstance(value, types.FunctionType)
    file = getattr(module, "__file__", None)
    if file is None:
        # Made by exec, or compiled in: only the latter has a loader that says so.
        return getattr(module, "__spec__", None) is None
    path = os.path.realpath(file)
    return not path.startswith(_foreign_folders()) and "site-packages" not in path


def follow(func: Any, look: _Look) -> None:
    """Take in what `func` refers to, and what that refers to."""
    waiting = [func]
    while waiting:
        value = code_of(waiting.pop())
        found: list[Any] = []
        if isinstance(value, type):
            found = _methods(value)
        elif isinstance(value, types.FunctionType):
            found = _referred(value, look)
        for one in found:
            if look.is_new(one):
                _take_in(one, look)
                waiting.append(one)


def _take_in(value: Any, look: _Look) -> None:
    if isinstance(value, types.FunctionType):
        look.code.update(look.take_new(value))
    else:
        look.add_code("class", value.__qualname__, _class_text(value))


def _class_text(value: type) -> str:
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        return ""


def _methods(value: type) -> list[Any]:
    found = [getattr(m, "__func__", m) for m in vars(value).values()]
    found += [m.fget for m in vars(value).values() if isinstance(m, property)]
    bases = [base for base in value.__mro__[1:] if is_own(base)]
    return [f for f in found if isinstance(f, types.FunctionType)] + bases


def _referred(func: types.FunctionType, look: _Look) -> list[Any]:
    """The project's functions and classes that the code of `func` names."""
    codes = list(codes_within(func.__code__))
    names = _Names(
        sorted({name for code in codes for name in code.co_names}),
        {name for code in codes for name in _stored_globals(code)},
    )
    found: list[Any] = []
    _meet_names(func.__globals__, names, found, look, MODULES_DEEP)
    for cell in func.__closure__ or ():
        try:
            found += _own_callables(cell.cell_contents)
        except ValueError:
            continue
    return found


class _Names(NamedTuple):
    used: list[str]
    stored: set[str]  # a state that the function keeps


def _stored_globals(code: types.CodeType) -> list[str]:
    steps = dis.get_instructions(code)
    return [step.argval for step in steps if step.opname == "STORE_GLOBAL"]


def _meet_names(
    space: dict[str, Any], names: _Names, found: list[Any], look: _Look, deep: int
) -> None:
    """Look at what is under the used names in a module."""
    for name in names.used:
        value = space.get(name)
        if isinstance(value, types.ModuleType):
            if deep > 0 and is_own(value):
                _meet_names(vars(value), names, found, look, deep - 1)
            continue
        own = _own_callables(value)
        if own:
            look.expect(space, name, value)
            found += own
        elif name in space and name not in names.stored and _is_constant(value):
            look.expect(space, name, value)
            look.add_code("constant", name, _core.canonical_hash(value))


def _own_callables(value: Any) -> list[Any]:
    value = code_of(value)
    if isinstance(value, (types.FunctionType, type)) and is_own(value):
        return [value]
    return []


def _is_constant(value: Any) -> bool:
    if isinstance(value, (tuple, frozenset)):
        return all(_is_constant(item) for item in value)
    return isinstance(value, PLAIN)
