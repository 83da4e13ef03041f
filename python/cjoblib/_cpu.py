"""How many processors this process may use."""

from __future__ import annotations

import functools
import os
import sys
import warnings

from cjoblib import _core

_VARIABLES = ("CJOBLIB_MAX_CPU_COUNT", "LOKY_MAX_CPU_COUNT")


def cpu_count(only_physical_cores: bool = False) -> int:
    """How many processors this process may use.

    The least of: the processors of the system, those of this process's affinity mask,
    the share of its control group and of every one above that (rounded up), and the
    variables ``CJOBLIB_MAX_CPU_COUNT`` and ``LOKY_MAX_CPU_COUNT``. Each call looks anew.

    Parameters
    ----------
    only_physical_cores : bool, default False
        Count the system's physical cores, so that processors which share one count once.
        Where anything limits this process to fewer processors than the system has, that
        limit is returned all the same.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        One of the variables is not a whole number.
    """
    n_system = os.cpu_count() or 1
    _, n_affinity, n_quota = _core.cpu_look()
    n_allowed = min([n_affinity, n_quota or n_system, *_asked()])
    if only_physical_cores and n_allowed >= n_system:
        return _physical_cores() or n_system
    return max(1, min(n_system, n_allowed))


def _asked() -> list[int]:
    """What the variables that are set ask for."""
    found = []
    for name in _VARIABLES:
        text = os.environ.get(name)
        if text is not None:
            try:
                found.append(int(text))
            except ValueError:
                raise ValueError(f"{name}={text!r} is not a whole number") from None
    return found


def _level_of_caller() -> int:
    """The `stacklevel` with which a warning names the line that called into cjoblib."""
    level, frame = 1, sys._getframe(1)
    while frame.f_back and frame.f_globals.get("__package__") == __package__:
        level, frame = level + 1, frame.f_back
    return level


@functools.cache
def _physical_cores() -> int:
    """How many the system has; 0, after a warning, where the kernel does not say."""
    try:
        return _core.cpu_count_cores()
    except OSError as error:
        warnings.warn(
            "Could not find the number of physical cores for the following reason:\n"
            f"{error}\n"
            "Returning the number of logical cores instead. You can silence this "
            "warning by setting LOKY_MAX_CPU_COUNT to the number of cores you want to "
            "use.",
            stacklevel=_level_of_caller(),
        )
        return 0
