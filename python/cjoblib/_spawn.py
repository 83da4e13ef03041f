"""How a worker process is started: its program, its environment, what it is told first."""

from __future__ import annotations

import marshal
import os
import sys

from cjoblib._cpu import cpu_count

_DEPTH = "CJOBLIB_WORKER_DEPTH"


def depth() -> int:
    """How many workers deep this process is: 0 in the program that the user started."""
    return int(os.environ.get(_DEPTH, "0") or "0")


def environment(n_workers: int) -> dict[str, str]:
    """The variables of a worker: ours, with libraries' own threads limited to its share.

    What the user has set stays.
    """
    share = str(max(1, cpu_count() // n_workers))
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
    """What this process tells its workers: does it stand in for joblib, and its argv."""
    return marshal.dumps((_stands_in_for_joblib(), list(sys.argv)))


def _stands_in_for_joblib() -> bool:
    installed = sys.modules.get("cjoblib._install")
    return installed is not None and bool(installed.is_installed())
