"""What `Memory` and its functions can be told, checked."""

from __future__ import annotations

import datetime
import inspect
import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

from cjoblib._identity import Dependencies
from cjoblib.disk import memstr_to_bytes

ON_CHANGE = ("clear", "keep", "ignore")


class Options(NamedTuple):
    """What joblib does not have. `Memory.cache` says what each means."""

    key: Callable[..., object] | None = None
    ttl: float | None = None
    min_seconds: float = 0.0
    on_change: str = "clear"
    dependencies: Dependencies = Dependencies()


def one_location(location: Any, cachedir: Any) -> Any:
    if cachedir is None:
        return location
    if location is not None:
        raise ValueError("Memory: give location alone; cachedir is its old name")
    warnings.warn(
        "Memory(cachedir=...) is now Memory(location=...)",
        DeprecationWarning,
        stacklevel=3,
    )
    return cachedir


def checked_callback(callback: Any) -> Any:
    if callback is not None and not callable(callback):
        raise ValueError(
            f"cache_validation_callback needs to be callable. Got {callback}."
        )
    return callback


def bytes_of(limit: int | str) -> int:
    found = memstr_to_bytes(limit) if isinstance(limit, str) else int(limit)
    if found <= 0:
        raise ValueError(f"max_bytes must be positive, not {limit!r}")
    return found


def checked_track(track: Any) -> str | None:
    if track not in (None, "project"):
        raise ValueError(f"track is None or 'project', not {track!r}")
    found: str | None = track
    return found


def checked_options(options: Options, **chosen: Any) -> Options:
    """Other options than the memory's own.

    Raises
    ------
    TypeError, ValueError
        There is no such option, or it can't have this value.
    """
    for name in chosen:
        if name not in ("key", "ttl", "min_seconds", "on_change"):
            raise TypeError(f"Memory.cache has no option {name!r}")
    if chosen.get("on_change", "clear") not in ON_CHANGE:
        raise ValueError(
            f"on_change is one of {', '.join(map(repr, ON_CHANGE))}, "
            f"not {chosen['on_change']!r}"
        )
    if isinstance(chosen.get("ttl"), datetime.timedelta):
        chosen["ttl"] = chosen["ttl"].total_seconds()
    key = chosen.get("key")
    if key is not None and not callable(key):
        raise TypeError(f"key must be callable, not {key!r}")
    for name in ("ttl", "min_seconds"):
        value = chosen.get(name)
        if value is not None and not float(value) >= 0:
            raise ValueError(f"{name} must not be negative: {value!r}")
    return options._replace(**chosen)


def refuse_generators(func: Callable[..., Any]) -> None:
    if inspect.isgeneratorfunction(func) or inspect.isasyncgenfunction(func):
        raise TypeError(
            f"Memory.cache: {func!r} is a generator function; a generator can be "
            "gone through only once, so it can't be kept. Let the function return a "
            "list."
        )


def expires_after(
    days: float = 0,
    seconds: float = 0,
    microseconds: float = 0,
    milliseconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    weeks: float = 0,
) -> Callable[[dict[str, Any]], bool]:
    """Return a `cache_validation_callback` that lets results expire.

    Parameters
    ----------
    days, seconds, microseconds, milliseconds, minutes, hours, weeks : float
        The age from which on a result is computed again, as for `datetime.timedelta`.
    """
    limit = datetime.timedelta(
        days, seconds, microseconds, milliseconds, minutes, hours, weeks
    ).total_seconds()

    def is_young(metadata: dict[str, Any]) -> bool:
        return time.time() - float(metadata["time"]) < limit

    return is_young
