"""What a `Parallel` says of its progress, as joblib says it."""

from __future__ import annotations

import math
import sys
import time
from typing import Any

from cjoblib.logger import short_format_time


def is_skipped(index: int, verbose: int) -> bool:
    """Return whether the line for this batch is left out: they get rarer, as squares do."""
    if not verbose:
        return True
    if verbose > 10:
        return False
    if index == 0:
        return False
    scale = 0.5 * (11 - verbose) ** 2
    return int(math.sqrt((index + 1) / scale)) == int(math.sqrt(index / scale))


class Telling:
    """The part of `Parallel` that prints. What it reads is kept true at each call."""

    verbose: float
    n_tasks: int | None
    n_completed_tasks: int
    n_dispatched_tasks: int
    n_dispatched_batches: int
    _start_time: float
    _original_iterator: Any
    _pre_dispatch_amount: int
    _is_completed: Any

    def _print(self, msg: str) -> None:
        """Print a message: to stderr, from `verbose=50` on to stdout."""
        if self.verbose:
            stream = sys.stderr if self.verbose < 50 else sys.stdout
            stream.write(f"[{self}]: {msg}\n")

    def print_progress(self) -> None:
        """Say how far the loop is; the more often, the higher `verbose` is.

        It is called after each batch, in whatever thread took its results.
        """
        if not self.verbose:
            return
        width = math.floor(math.log10(self.n_tasks)) + 1 if self.n_tasks else 3
        elapsed = time.time() - self._start_time
        n_done = self.n_completed_tasks
        if self._is_completed():
            self._print(
                f"Done {n_done:{width}d} out of {n_done:{width}d} "
                f"| elapsed: {short_format_time(elapsed)} finished"
            )
        elif self._original_iterator is not None:
            self._print_open(n_done, width, elapsed)
        else:
            self._print_remaining(n_done, width, elapsed)

    def _print_open(self, n_done: int, width: int, elapsed: float) -> None:
        """More calls will be taken: how many is known only if that can be asked."""
        if is_skipped(self.n_dispatched_batches, int(self.verbose)):
            return
        if self.n_tasks is None:
            counted = f"{n_done:{width}d} tasks" + " " * (width + 2)
        else:
            counted = f"{n_done:{width}d} out of {self.n_tasks:{width}d}"
        self._print(f"Done {counted} | elapsed: {short_format_time(elapsed)}")

    def _print_remaining(self, n_done: int, width: int, elapsed: float) -> None:
        """All calls have been taken: there is a point in guessing how long it takes."""
        n_all = self.n_dispatched_tasks
        if n_done != 0:
            step = int(n_all // self.verbose) + 1
            at = n_all - n_done + 1 - self._pre_dispatch_amount
            if n_done + 1 == n_all or at % step:
                return
        remaining = elapsed / max(n_done, 1) * (n_all - n_done)
        self._print(
            f"Done {n_done:{width}d} out of {n_all:{width}d} "
            f"| elapsed: {short_format_time(elapsed)} remaining: "
            f"{short_format_time(remaining)}"
        )
