"""What runs in a worker process: follow the parent, do tasks, describe what they raise."""

from __future__ import annotations

import os
import pickle
import sys
import traceback
import types
from typing import Any, NamedTuple

from cjoblib import _core

WORKER_FD = 3
"""The descriptor on which a worker finds its socket (``CJ_WORKER_FD``)."""

_DEPTH = "CJOBLIB_WORKER_DEPTH"


class Hello(NamedTuple):
    """What a worker is told before its first task."""

    stands_in_for_joblib: bool
    argv: list[str]


class Failure(NamedTuple):
    """What a task raised, in a form that always arrives.

    The exception itself is pickled apart: one whose class can't be rebuilt costs its own
    identity, not the message.
    """

    type_name: str
    text: str
    traceback: str
    pickled: bytes | None


class RemoteTraceback(Exception):
    """The cause of a task's exception: where it was raised, in the worker."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text

    def __str__(self) -> str:
        return f'\n"""\n{self.text}"""'


class TaskError(RuntimeError):
    """A task raised an exception that can't be rebuilt here; the text says which."""


def describe(error: BaseException) -> tuple[Any, ...]:
    """Say of an exception what :func:`rebuild` needs (a plain tuple, for the way back)."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        pickled: bytes | None = _dumps(error.with_traceback(None))
    except Exception:
        pickled = None
    return tuple(Failure(_type_name(error), _text(error), text, pickled))


def _dumps(error: BaseException) -> bytes:
    import cloudpickle

    data: bytes = cloudpickle.dumps(error, protocol=5)
    pickle.loads(data)
    return data


def _type_name(error: BaseException) -> str:
    kind = type(error)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as why:
        return f"<its text can't be had: {type(why).__name__}>"


def rebuild(failure: tuple[Any, ...]) -> BaseException:
    """Make the exception anew, with the worker's traceback as its cause."""
    told = Failure(*failure)
    error: BaseException | None = None
    if told.pickled is not None:
        try:
            error = pickle.loads(told.pickled)
        except Exception:
            error = None
    if not isinstance(error, BaseException):
        error = TaskError(f"{told.type_name}: {told.text}")
    error.__cause__ = RemoteTraceback(told.traceback)
    return error


def depth() -> int:
    """How many workers deep this process is: 0 in the program that the user started."""
    return int(os.environ.get(_DEPTH, "0") or "0")


def environment(n_workers: int) -> dict[str, str]:
    """The variables of a worker: ours, with libraries' own threads limited to its share.

    What the user has set stays.
    """
    share = str(max(1, len(os.sched_getaffinity(0)) // n_workers))
    libraries = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMBA", "NUMEXPR")
    limits = {f"{library}_NUM_THREADS": share for library in libraries}
    limits["VECLIB_MAXIMUM_THREADS"] = share
    return {**limits, **os.environ, _DEPTH: str(depth() + 1)}


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


def hello() -> bytes:
    """What this process tells its workers."""
    from cjoblib._install import is_installed

    return pickle.dumps(tuple(Hello(is_installed(), list(sys.argv))), protocol=5)


def _follow(data: bytes) -> None:
    told = Hello(*pickle.loads(data))
    sys.argv[:] = told.argv
    if told.stands_in_for_joblib:
        from cjoblib._install import install_as_joblib

        install_as_joblib()


def main() -> None:
    """Be a worker until the parent closes the socket or dies."""
    # cloudpickle and pickle look functions of the main module up here.
    sys.modules["__main__"].__spec__ = None
    sys.modules.setdefault("__mp_main__", types.ModuleType("__mp_main__"))
    _core.worker_run(WORKER_FD, _follow, describe)
