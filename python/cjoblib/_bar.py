"""Progress of a loop for the eye: a bar of tqdm, a line of our own, or a function's call."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, TextIO

from cjoblib.logger import short_format_time

Progress = bool | str | Callable[[int, int | None], Any] | None


def checked(progress: Any) -> Progress:
    """Return what `progress=` may be.

    Raises
    ------
    ValueError
        If it is something else.
    """
    if progress is None or isinstance(progress, bool) or callable(progress):
        return progress  # type: ignore[no-any-return]
    if progress == "text":
        return "text"
    raise ValueError(f"progress must be True, 'text' or a callable, got: {progress!r}")


class Bar:
    """What shows the progress; `update` is called after each batch, `close` at the end."""

    def update(self, n_done: int, n_all: int | None) -> None:
        """Show that so many calls of so many, if that is known, are done."""
        raise NotImplementedError

    def close(self) -> None:
        """Show no more."""


class _Told(Bar):
    def __init__(self, function: Callable[[int, int | None], Any]) -> None:
        self._function = function

    def update(self, n_done: int, n_all: int | None) -> None:
        self._function(n_done, n_all)


class _Line(Bar):
    """One line that is written over; where that can't be, a line for each tenth."""

    def __init__(self, name: str, stream: TextIO) -> None:
        self._name = name
        self._stream = stream
        self._is_terminal = stream.isatty()
        self._begun = time.monotonic()
        self._shown = 0.0
        self._tenth = -1

    def update(self, n_done: int, n_all: int | None) -> None:
        now = time.monotonic()
        is_last = n_done == n_all
        tenth = 10 * n_done // n_all if n_all else n_done.bit_length()
        if self._is_terminal:
            if not is_last and now - self._shown < 0.1:
                return
        elif tenth == self._tenth:
            return
        self._tenth = tenth
        self._shown = now
        counted = str(n_done) if n_all is None else f"{n_done}/{n_all}"
        passed = short_format_time(now - self._begun).strip()
        text = f"[{self._name}] {counted} | {passed}"
        if self._is_terminal:
            self._stream.write(f"\r{text}\x1b[K")
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

    def close(self) -> None:
        if self._is_terminal and self._shown:
            self._stream.write("\n")


class _Tqdm(Bar):
    def __init__(self, tqdm: Any, n_all: int | None) -> None:
        self._bar = tqdm(total=n_all)

    def update(self, n_done: int, n_all: int | None) -> None:
        if n_all is not None and self._bar.total != n_all:
            self._bar.total = n_all
        self._bar.update(n_done - self._bar.n)

    def close(self) -> None:
        self._bar.close()


def new(progress: Progress, name: str, n_all: int | None) -> Bar | None:
    """Return what shows the progress of a loop; None: nothing does."""
    if not progress:
        return None
    if callable(progress):
        return _Told(progress)
    if progress is True:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            pass
        else:
            return _Tqdm(tqdm, n_all)
    return _Line(name, sys.stderr)
