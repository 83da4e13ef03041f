"""What joblib's tests, and tests written beside them, import under this name.

pytest is imported when one of its names is first asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

__all__ = ["check_subprocess_call", "warnings_to_stdout"]

_MARKS = frozenset({"parametrize", "skipif", "timeout", "xfail"})
_NAMES = frozenset({"fixture", "param", "raises", "warns"})


def __getattr__(name: str) -> object:
    if name not in _MARKS | _NAMES | {"SkipTest"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import pytest

    if name == "SkipTest":
        return pytest.skip.Exception
    found: object = getattr(pytest.mark if name in _MARKS else pytest, name)
    return found


def warnings_to_stdout() -> None:
    """Print warnings to the standard output from now on, without their file's folder."""
    show = warnings.showwarning

    def showwarning(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        show(message, category, os.path.basename(filename), lineno, sys.stdout, line)

    warnings.showwarning = showwarning


def check_subprocess_call(
    cmd: Sequence[str],
    timeout: float | None = 5,
    stdout_regex: str | None = None,
    stderr_regex: str | None = None,
) -> None:
    """Run a program and check what came of it.

    Parameters
    ----------
    cmd : sequence of str
        The program and its arguments.
    timeout : float or None, default 5
        Seconds after which it is told to end (SIGTERM); after as many again it is
        killed. None: it may take any time.
    stdout_regex, stderr_regex : str, optional
        What must be found in its output.

    Raises
    ------
    ValueError
        Its exit code is not 0, or something was not found.
    OSError
        It can't be started.
    """
    process = subprocess.Popen(
        cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        stdout, stderr = _communicate(process, timeout)
    finally:
        process.kill()  # does nothing to one that has ended
        process.wait()
    if process.returncode != 0:
        raise ValueError(
            f"Non-zero return code: {process.returncode}.\n"
            f"Stdout:\n{stdout}\nStderr:\n{stderr}"
        )
    _check_output("stdout", stdout, stdout_regex)
    _check_output("stderr", stderr, stderr_regex)


def _communicate(
    process: subprocess.Popen[str], timeout: float | None
) -> tuple[str, str]:
    for end in (process.terminate, process.kill):
        try:
            return process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            warnings.warn(f"Timeout running {process.args!r}", stacklevel=3)
            end()
    return process.communicate()


def _check_output(name: str, text: str, regex: str | None) -> None:
    if regex is not None and not re.search(regex, text):
        raise ValueError(f"Unexpected {name}: {regex!r} does not match:\n{text!r}")
