"""Exceptions on their way from a worker to its caller."""

from __future__ import annotations

import pickle
import traceback
from typing import Any, NamedTuple


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
