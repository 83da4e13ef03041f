"""`mp`: the standard library's `multiprocessing`, or None where there are no processes.

It is imported when it is first asked for. `JOBLIB_MULTIPROCESSING=0` (or
`CJOBLIB_MULTIPROCESSING=0`) turns processes off.
"""

from __future__ import annotations

import importlib
import os
from types import ModuleType

TYPE_CHECKING = False
if TYPE_CHECKING:
    mp: ModuleType | None


def processes_are_wanted() -> bool:
    """Return what the environment says; nothing is imported."""
    for name in ("CJOBLIB_MULTIPROCESSING", "JOBLIB_MULTIPROCESSING"):
        text = os.environ.get(name, "").strip()
        if text:
            try:
                return int(text) != 0
            except ValueError:
                raise ValueError(f"{name}={text!r} is not a whole number") from None
    return True


def _find() -> ModuleType | None:
    if not processes_are_wanted():
        return None
    try:
        import multiprocessing

        importlib.import_module("_multiprocessing")
    except ImportError:
        return None
    return multiprocessing


def __getattr__(name: str) -> object:
    if name != "mp":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()["mp"] = _find()
    return value
