"""`wrap_non_picklable_objects`, under the name that joblib has for it."""

from __future__ import annotations

from typing import TypeVar

from cjoblib.externals.loky.cloudpickle_wrapper import wrap_non_picklable_objects

__all__ = ["wrap_non_picklable_objects"]

T = TypeVar("T")


def _my_wrap_non_picklable_objects(obj: T, keep_wrapper: bool = True) -> T:
    """Return the object as it is: what joblib offers where there are no processes."""
    return obj
