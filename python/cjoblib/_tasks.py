"""What is done to calls on their way into a loop: errors returned, random numbers seeded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]


class Returning:
    """A function that returns its exceptions, for backends that would end the loop."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.__qualname__ = getattr(
            function, "__qualname__", type(function).__qualname__
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the function returns or raises."""
        try:
            return self.function(*args, **kwargs)
        except Exception as error:
            return error


def returning(calls: Iterable[Call]) -> Iterator[Call]:
    """Let calls return their exceptions."""
    last: Any = None
    wrapped: Any = None
    for function, args, kwargs in calls:
        if function is not last:
            last, wrapped = function, Returning(function)
        yield wrapped, args, kwargs


# --- random numbers --------------------------------------------------------------------------

_rng: ContextVar[Any] = ContextVar("cjoblib.task_rng")


def task_rng() -> Any:
    """Return the random generator of the task that is running.

    It is the task's own: independent of the others', and the same whatever `n_jobs`,
    backend and batches are, for one ``Parallel(seed=...)`` and place of the task.

    Returns
    -------
    numpy.random.Generator

    Raises
    ------
    RuntimeError
        Outside of a task of a `Parallel` with a seed.

    Examples
    --------
    >>> from cjoblib import Parallel, delayed, task_rng
    >>> def throw():
    ...     return int(task_rng().integers(1, 7))
    >>> Parallel(n_jobs=1, seed=0)(delayed(throw)() for _ in range(3)) == (
    ...     Parallel(n_jobs=2, seed=0)(delayed(throw)() for _ in range(3)))
    True
    """
    try:
        return _rng.get()
    except LookupError:
        raise RuntimeError(
            "there is no random generator here: this is no task of Parallel(seed=...)"
        ) from None


class Seeded:
    """A function that is given the place of its call, and makes a generator of it."""

    def __init__(self, function: Callable[..., Any], entropy: int) -> None:
        self.function = function
        self.entropy = entropy
        self.place_of_rng = _place_of_rng(function)
        self.__qualname__ = getattr(
            function, "__qualname__", type(function).__qualname__
        )

    def __call__(self, place: int, /, *args: Any, **kwargs: Any) -> Any:
        """Make the call with its own generator."""
        from numpy.random import SeedSequence, default_rng

        generator = default_rng(SeedSequence(self.entropy, spawn_key=(place,)))
        if len(args) <= self.place_of_rng:
            kwargs.setdefault("rng", generator)
        token = _rng.set(generator)
        try:
            return self.function(*args, **kwargs)
        finally:
            _rng.reset(token)


def _place_of_rng(function: Callable[..., Any]) -> int:
    """Return how many positional arguments leave room for `rng=`; -1: it takes none."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # builtins without a signature
        return -1
    for place, parameter in enumerate(parameters):
        if parameter.name == "rng":
            if parameter.kind == parameter.KEYWORD_ONLY:
                return 1 << 30
            return place if parameter.kind == parameter.POSITIONAL_OR_KEYWORD else -1
    return -1


def seeded(calls: Iterable[Call], seed: Any) -> Iterator[Call]:
    """Give each call a random generator of its own."""
    from numpy.random import SeedSequence

    entropy = SeedSequence(seed).entropy
    last: Any = None
    wrapped: Any = None
    for place, (function, args, kwargs) in enumerate(calls):
        if function is not last:
            last, wrapped = function, Seeded(function, entropy)  # type: ignore[arg-type]
        yield wrapped, (place, *args), kwargs
