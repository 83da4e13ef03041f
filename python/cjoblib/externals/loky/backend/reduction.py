"""Which pickler `loky` uses. cjoblib's workers are served by its own, always."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["get_loky_pickler_name", "register", "set_loky_pickler"]

_OURS = ("cloudpickle", "pickle")

_reducers: dict[type, Callable[[Any], Any]] = {}


class _Chosen:
    name = "cloudpickle"


def set_loky_pickler(loky_pickler: str | None = None) -> None:
    """Accept the name of a pickler; the C pickler of cjoblib is used in any case.

    It pickles what `pickle` does, and by way of `cloudpickle` what can't be imported.

    Parameters
    ----------
    loky_pickler : str, optional
        `"cloudpickle"` (the default, or what the variable `LOKY_PICKLER` says),
        `"pickle"`, or the name of a module that has a `Pickler`.

    Raises
    ------
    ImportError, AttributeError
        There is no such module, or it has no `Pickler`.

    Warns
    -----
    UserWarning
        The module is another one than those two.
    """
    name = loky_pickler or os.environ.get("LOKY_PICKLER") or "cloudpickle"
    if name not in _OURS:
        if not hasattr(importlib.import_module(name), "Pickler"):
            raise AttributeError(f"set_loky_pickler: module {name!r} has no Pickler")
        warnings.warn(
            f"set_loky_pickler({name!r}) has no effect: cjoblib's own pickler is used",
            UserWarning,
            stacklevel=2,
        )
    _Chosen.name = name


def get_loky_pickler_name() -> str:
    """Return the name that :func:`set_loky_pickler` was given last."""
    return _Chosen.name


def register(type_: type, reduce_function: Callable[[Any], Any]) -> None:
    """Say how objects of a type are reduced on their way to an executor's workers.

    Parameters
    ----------
    type_ : type
        Of the object itself; those derived from it are left alone.
    reduce_function : callable
        Takes the object and returns what `__reduce__` would.
    """
    _reducers[type_] = reduce_function


def registered() -> dict[type, Callable[[Any], Any]]:
    """Return the reducers that :func:`register` was given."""
    return dict(_reducers)
