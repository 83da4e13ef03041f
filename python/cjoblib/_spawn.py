"""How a worker process is started: its program, its environment, what it is told first."""

from __future__ import annotations

import marshal
import os
import sys
from typing import Any, NamedTuple


class Role(NamedTuple):
    """What this process is to others."""

    depth: int = 0
    """How many workers deep it is: 0 in the program that the user started."""
    kind: str = ""
    """The backend that it is a worker of: "loky" or "multiprocessing"."""
    level: int = -1
    """How many parallel loops are around the ones whose tasks it does."""


_roles = [Role()]


def role() -> Role:
    """Return what this process is to others."""
    return _roles[0]


def depth() -> int:
    """How many workers deep this process is: 0 in the program that the user started."""
    return _roles[0].depth


def environment(variables: dict[str, str]) -> dict[str, str]:
    """The variables of a worker: ours, but for those that are given."""
    return {**os.environ, **variables}


def command() -> list[str]:
    """The program of a worker: this interpreter, its flags and its module path."""
    if not sys.executable:
        raise RuntimeError(
            "worker processes need an interpreter, and sys.executable is empty: this is an "
            "embedded Python; set sys.executable to a python program"
        )
    start = (
        f"import sys; sys.path[:] = {sys.path!r}; "
        "from cjoblib._worker import main; main()"
    )
    return [sys.executable, *_interpreter_flags(), "-c", start]


def _interpreter_flags() -> list[str]:
    flags = sys.flags
    letters = {
        "-B": flags.dont_write_bytecode,
        "-O": flags.optimize == 1,
        "-OO": flags.optimize >= 2,
        "-E": flags.ignore_environment and not flags.isolated,
        "-s": flags.no_user_site and not flags.isolated,
        "-I": flags.isolated,
    }
    found = [letter for letter, is_set in letters.items() if is_set]
    found += [f"-W{option}" for option in sys.warnoptions]
    for name, value in sys._xoptions.items():
        found += ["-X", name if value is True else f"{name}={value}"]
    return found


class Hello(NamedTuple):
    """What a process tells its workers before all else; travels by `marshal`."""

    stands_in_for_joblib: bool
    argv: list[str]
    role: tuple[int, str, int]
    authkey: bytes | None
    """For proxies of `multiprocessing.Manager`, which know each other by it."""
    initializer: bytes | None
    """A pickled (function, arguments), called before the first task."""


def hello(kind: str, level: int, initializer: bytes | None = None) -> bytes:
    """Return what to tell workers that do tasks of loops at this level."""
    return marshal.dumps(
        tuple(
            Hello(
                _stands_in_for_joblib(),
                list(sys.argv),
                (depth() + 1, kind, level),
                _authkey(),
                initializer,
            )
        )
    )


def follow(data: bytes) -> None:
    """Be like the process that said this :func:`hello`."""
    told = Hello(*marshal.loads(data))
    _roles[0] = Role(*told.role)
    sys.argv[:] = told.argv
    if told.stands_in_for_joblib:
        from cjoblib._install import install_as_joblib

        install_as_joblib()
    if told.authkey is not None:
        from multiprocessing import process

        process.current_process().authkey = process.AuthenticationString(told.authkey)  # type: ignore[attr-defined]
    if told.initializer is not None:
        _initialize(told.initializer)


def _initialize(pickled: bytes) -> None:
    import pickle

    function, arguments = pickle.loads(pickled)
    function(*arguments)


def _stands_in_for_joblib() -> bool:
    installed = sys.modules.get("cjoblib._install")
    return installed is not None and bool(installed.is_installed())


def _authkey() -> bytes | None:
    if "multiprocessing.managers" not in sys.modules:
        return None
    process: Any = sys.modules["multiprocessing.process"]
    return bytes(process.current_process().authkey)
