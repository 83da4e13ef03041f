"""Messages for people: durations, pretty-printed values, a logger, a stop-watch."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import AbstractContextManager, nullcontext, suppress

__all__ = ["Logger", "PrintTime", "format_time", "pformat", "short_format_time"]

NAME = "cjoblib"  # of the `logging` logger
OLD_LOGS = 9  # kept as <logfile>.1 (newest) to <logfile>.9


def format_time(t: float) -> str:
    """Return a duration in both units, such as `12.3s, 0.2min`.

    Parameters
    ----------
    t : float
        Seconds.
    """
    return f"{t:.1f}s, {t / 60:.1f}min"


def short_format_time(t: float) -> str:
    """Return a duration in one unit, padded: `  42.0s`, or ` 1.2min` past 60 s.

    Parameters
    ----------
    t : float
        Seconds.
    """
    return f"{t / 60:4.1f}min" if t > 60 else f" {t:5.1f}s"


def numpy_in_brief() -> AbstractContextManager[object]:
    """Print only the corners of long arrays in this context; nothing without NumPy."""
    if "numpy" not in sys.modules:
        return nullcontext()
    import numpy as np

    return np.printoptions(precision=6, threshold=64, edgeitems=1)


def pformat(obj: object, indent: int = 0, depth: int = 3) -> str:
    """Return `obj` pretty-printed, with only the corners of long arrays.

    Parameters
    ----------
    obj : object
        What to print.
    indent : int
        Spaces added for each level of nesting.
    depth : int
        Levels of nesting that are shown.
    """
    import pprint

    with numpy_in_brief():
        return pprint.pformat(obj, indent=indent, depth=depth)


class Logger:
    """Base of classes that report what they do through `logging`.

    Parameters
    ----------
    depth : int
        Levels of nesting that `format` shows.
    name : str, optional
        The logger's name; `cjoblib` by default.
    """

    def __init__(self, depth: int = 3, name: str | None = None) -> None:
        self.depth = depth
        self._name = name or NAME

    def warn(self, msg: str) -> None:
        """Report something that the user should know about."""
        self._log(logging.WARNING, msg)

    def info(self, msg: str) -> None:
        """Report an ordinary event."""
        self._log(logging.INFO, msg)

    def debug(self, msg: str) -> None:
        """Report a detail."""
        self._log(logging.DEBUG, msg)

    def error(self, msg: str) -> None:
        """Report a failure."""
        self._log(logging.ERROR, msg)

    def format(self, obj: object, indent: int = 0) -> str:
        """Return `obj` pretty-printed to this logger's depth."""
        return pformat(obj, indent=indent, depth=self.depth)

    def _log(self, level: int, msg: str) -> None:
        logging.getLogger(self._name).log(level, "[%s]: %s", self, msg, stacklevel=3)


class PrintTime:
    """A stop-watch that prints to stderr, and to a file if one is named.

    A file that cannot be written costs its lines only: the computation that is being
    timed goes on.

    Parameters
    ----------
    logfile : str, optional
        Where to write; what is there already moves to `<logfile>.1` and so on.
    logdir : str, optional
        Folder for a file `joblib.log`, instead of `logfile`.

    Raises
    ------
    ValueError
        If both are given.
    """

    def __init__(self, logfile: str | None = None, logdir: str | None = None) -> None:
        if logfile is not None and logdir is not None:
            raise ValueError("Cannot specify both logfile and logdir")
        if logdir is not None:
            logfile = os.path.join(logdir, "joblib.log")
        self.logfile = logfile
        self.start_time = self.last_time = time.time()
        if logfile is not None:
            os.makedirs(os.path.dirname(os.path.abspath(logfile)), exist_ok=True)
            with suppress(OSError):
                _rotate(logfile)
            started = time.ctime(self.start_time)
            self._write("w", f"\nLogging joblib python script\n\n---{started}---\n")

    def __call__(self, msg: str = "", total: bool = False) -> None:
        """Print `msg` and the time since the last call, or the start if `total`."""
        now = time.time()
        if total:
            passed = now - self.start_time
            line = f"{msg}: {passed:.2f}s, {passed / 60:.1f} min"
        else:
            line = f"{msg}: {format_time(now - self.last_time)}"
        print(line, file=sys.stderr)
        self._write("a", line + "\n")
        self.last_time = time.time()

    def _write(self, mode: str, text: str) -> None:
        if self.logfile is None:
            return
        with suppress(OSError), open(self.logfile, mode, encoding="utf-8") as file:
            file.write(text)


def _rotate(logfile: str) -> None:
    """Make room for a new log. The newest is copied, for those who watch it."""
    if not os.path.exists(logfile):
        return
    for age in range(OLD_LOGS - 1, 0, -1):
        with suppress(FileNotFoundError):
            os.replace(f"{logfile}.{age}", f"{logfile}.{age + 1}")
    import shutil

    shutil.copy(logfile, f"{logfile}.1")
