"""What a function's code means for its results: their name, and when they are old.

In the native store a version of the code is part of each entry's place, so nothing has
to be compared to be right: this is about telling the user, and about clearing away what
no call will ask for again. In other stores, joblib's way: the source is kept beside the
results, and when it differs from the function's, they are removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tokenize
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cjoblib import _core
from cjoblib._identity import HALF
from cjoblib._native_store import PRIVATE
from cjoblib.func_inspect import NO_LINE, get_func_name

if TYPE_CHECKING:
    from cjoblib._memorized import MemorizedFunc

LONGEST_COMPONENT = 200  # bytes of a part of a function's id
FIRST_LINE_TEXT = "# first line:"
LAMBDA = "<lambda>"
LINES_SHOWN = 8  # digits of a digest of source in an entry's metadata

_FUNCTION_HASHES: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
"""Functions whose code was compared with the stored one, and what they were then."""

_current: dict[tuple[str, str], dict[str, bytes]] = {}
"""The code that was last at work in this process, for each function of each store."""


class JobLibCollisionWarning(UserWarning):
    """Two functions seem to have one name."""


# --- the native store --------------------------------------------------------------------


def settle(function: MemorizedFunc[..., Any]) -> tuple[Any, ...]:
    """Deal with results of other code, and return what is to be watched.

    Once per function; of lambdas, which are hard to tell apart, whenever another one
    was at work in between.
    """
    version = function._version
    assert version is not None
    code = version[:HALF]
    if function.options.on_change == "ignore":
        _adopt(function)
        return ()
    store = function.store_backend
    current = _current.setdefault((store.location, function.func_id), {})
    if current.get("code") != code:
        if function._checked_code != code or function._func_name == LAMBDA:
            _meet_others(function, code)
            function._checked_code = code
        current["code"] = code
    return current, "code", current["code"]


def _adopt(function: MemorizedFunc[..., Any]) -> None:
    """Go on with the version that was stored last, if there is none of this code."""
    version = function._version
    assert version is not None
    found = function.store_backend.versions(function.func_id)
    alike = [other for other in found if other[HALF:] == version[HALF:]]
    if alike and version not in found:
        function._version = alike[-1]


def _meet_others(function: MemorizedFunc[..., Any], code: bytes) -> None:
    """Look for results of other code under the function's name."""
    store = function.store_backend
    found = store.versions(function.func_id)
    others = [version for version in found if version[:HALF] != code]
    if not others or function.options.on_change == "keep":
        return
    for version in reversed(others):
        about = store.sample(function.func_id, version)
        if about is not None:
            _warn_changed(function, about.get(PRIVATE))
            break
    for version in others:
        store.clear_version(function.func_id, version)


def _warn_changed(function: MemorizedFunc[..., Any], origin: Any) -> None:
    text, file, line = function.func_code_info
    try:
        old_line, n_lines, digest = origin
    except (TypeError, ValueError):
        old_line, n_lines, digest = NO_LINE, 0, ""

    def is_still_there(source: str) -> bool:
        return _digest_of(_lines_of(source, old_line, n_lines)) == str(digest)

    if function.options.dependencies.pinned is None:
        _warn_collision(function, (text, file, line), old_line, is_still_there)
    _tell_changed(function)


def origin_of(info: tuple[str, str | None, int]) -> str:
    """What an entry keeps of the code it comes from, as JSON: where it stood, how many
    lines, and a digest."""
    text, _, line = info
    return json.dumps([line, len(text.splitlines()), _digest_of(text)])


def _digest_of(source: str) -> str:
    digest = _core.Digest("xxh128")
    digest.update(source.rstrip().encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:LINES_SHOWN]


# --- other stores ----------------------------------------------------------------------


def is_code_known(function: MemorizedFunc[..., Any]) -> bool:
    """Whether the stored source is the function's; if not, its results are removed."""
    func = function.func
    try:
        if func in _FUNCTION_HASHES and _FUNCTION_HASHES[func] == _state(func):
            return True
    except TypeError:  # not hashable
        pass
    text, file, line = function.func_code_info
    try:
        stored = function.store_backend.get_cached_func_code([function.func_id])
    except OSError:
        with contextlib.suppress(OSError):  # told when a result is to be stored
            write_code(function)
        return False
    old_text, old_line = extract_first_line(stored)
    if old_text == text:
        return True

    def is_still_there(source: str) -> bool:
        n_lines = text.count("\n") + 1
        return _lines_of(source, old_line, n_lines - 1).rstrip() == old_text.rstrip()

    _warn_collision(function, (text, file, line), old_line, is_still_there)
    _tell_changed(function)
    function.clear(warn=True)
    return False


def write_code(function: MemorizedFunc[..., Any]) -> None:
    """Keep the function's source beside its results."""
    text, _, line = function.func_code_info
    stored = f"{FIRST_LINE_TEXT} {line}\n{text}"
    function.store_backend.store_cached_func_code([function.func_id], stored)
    if getattr(function.func, "__name__", LAMBDA) != LAMBDA:
        try:
            _FUNCTION_HASHES[function.func] = _state(function.func)
        except TypeError:  # neither hashable nor to be referred to weakly
            return


def _state(func: Any) -> tuple[int, int, int]:
    return id(func), hash(func), hash(getattr(func, "__code__", None))


def extract_first_line(func_code: str) -> tuple[str, int]:
    """Return stored source and the number of its first line, -1 if that is unknown."""
    if not func_code.startswith(FIRST_LINE_TEXT):
        return func_code, NO_LINE
    first, _, rest = func_code.partition("\n")
    return rest, int(first[len(FIRST_LINE_TEXT) :])


# --- what is said ------------------------------------------------------------------------


def _warn_collision(
    function: MemorizedFunc[..., Any],
    info: tuple[str, str | None, int],
    old_line: int,
    is_still_there: Callable[[str], bool],
) -> None:
    """Warn where another function of this name may have been at work."""
    _, file, line = info
    name = get_func_name(function.func)[1]
    if old_line == line == NO_LINE or name == LAMBDA:
        shown = name if line == NO_LINE else f"{name} ({file}:{line})"
        _warn(f"Cannot detect name collisions for function '{shown}'")
    if old_line == line or file is None:
        return
    if os.path.exists(file):
        collides = old_line > 0 and is_still_there(file)
    else:
        collides = file.startswith("<doctest ")
    if collides:
        _warn(
            "Possible name collisions between functions "
            f"'{name}' ({file}:{old_line}) and '{name}' ({file}:{line})"
        )


def _warn(text: str) -> None:
    warnings.warn(JobLibCollisionWarning(text), stacklevel=outside())


def _tell_changed(function: MemorizedFunc[..., Any]) -> None:
    if function._verbose > 10:
        function.warn(
            f"Function {function._func_name} (identified by {function.func_id}) "
            "has changed."
        )
    if function._is_native and function._verbose > 0:
        function.warn(f"Clearing function cache identified by {function.func_id}")


def _lines_of(file: str, first: int, n_lines: int) -> str:
    try:
        with tokenize.open(file) as source:
            return "".join(source.readlines()[first - 1 : first - 1 + n_lines])
    except (OSError, SyntaxError, UnicodeError):
        return ""


def outside() -> int:
    """The stack level, for warnings, of the first caller that is not this package."""
    frame = sys._getframe(1)
    level = 1
    own = os.path.dirname(__file__)
    while frame.f_back is not None and os.path.dirname(frame.f_code.co_filename) == own:
        frame = frame.f_back
        level += 1
    return level


def build_func_identifier(func: Callable[..., Any]) -> str:
    """The name of a function in a store: its module's path and its own, with ``/``."""
    modules, name = get_func_name(func)
    return "/".join(_component(part) for part in (*modules, name) if part) or "unknown"


def _component(name: str) -> str:
    """A name that is safe as one component of a path; nearly all are as they are."""
    safe = name.encode("utf-8", "backslashreplace").decode()
    safe = safe.replace("/", "%2F").replace("\0", "%00")
    if safe.strip(".") == "":
        safe = safe.replace(".", "%2E")
    data = safe.encode()
    if len(data) <= LONGEST_COMPONENT:
        return safe
    digest = _core.Digest("xxh128")
    digest.update(data)
    head = data[: LONGEST_COMPONENT - 33].decode("utf-8", "ignore")
    return f"{head}-{digest.hexdigest()}"
