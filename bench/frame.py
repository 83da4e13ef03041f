"""How a row of the table is measured: all sides in turn, in one run, as ratios.

These machines are noisy, so no time stands alone: each round measures every side once, and a
ratio compares two values of the same round. The table gives the median and the range.
"""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

Timed = Callable[[], float]
"""Does the work of a side once (or often enough) and returns what one time took: seconds, or
megabytes where the row's unit is MB."""

Side = Callable[[Path], AbstractContextManager[Timed]]
"""Given a scratch folder, a context manager around the timed work."""

OURS = "cjoblib"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    `goal` is the ratio reference / ours to reach; `limit` a value of ours not to pass, in
    the row's unit ("s" or "MB").
    """

    id: str
    work: str
    sides: dict[str, Side]
    goal: float | None = None
    limit: float | None = None
    rounds: int = 15
    warm_up: bool = True
    reference: str = "joblib"
    unit: str = "s"


@dataclass
class Outcome:
    """What a row came to. Values are in the row's unit, by side, one for each round."""

    id: str
    work: str
    reference: str
    unit: str
    goal: float | None
    limit: float | None
    values: dict[str, list[float]]
    ratios: dict[str, list[float]] = field(default_factory=dict)
    reached: bool = False

    def judge(self) -> None:
        """Fill in the ratios other / ours, and whether the goal was reached."""
        ours = self.values[OURS]
        self.ratios = {
            side: [theirs / own for theirs, own in zip(values, ours, strict=True)]
            for side, values in self.values.items()
            if side != OURS
        }
        self.reached = True
        if self.goal is not None:
            self.reached = statistics.median(self.ratios[self.reference]) >= self.goal
        if self.limit is not None:
            self.reached &= statistics.median(ours) <= self.limit


def measure(row: Row, rounds: int | None = None) -> Outcome:
    """Measure all sides of a row in turn; a round to warm up is not counted."""
    values: dict[str, list[float]] = {side: [] for side in row.sides}
    with tempfile.TemporaryDirectory(prefix="cjoblib-bench-") as folder:
        entered = {}
        managers = []
        try:
            for side, make in row.sides.items():
                scratch = Path(folder) / side
                scratch.mkdir()
                manager = make(scratch)
                entered[side] = manager.__enter__()
                managers.append(manager)
            for number in range(not row.warm_up, (rounds or row.rounds) + 1):
                for side, timed in entered.items():
                    taken = timed()
                    if number > 0:
                        values[side].append(taken)
        finally:
            for manager in reversed(managers):
                manager.__exit__(None, None, None)
    outcome = Outcome(
        row.id, row.work, row.reference, row.unit, row.goal, row.limit, values
    )
    outcome.judge()
    return outcome


def repeat(work: Callable[[], object], times: int) -> Timed:
    """Time `times` calls in a row, and say what one took."""

    def timed() -> float:
        begun = time.perf_counter()
        for _ in range(times):
            work()
        return (time.perf_counter() - begun) / times

    return timed


@contextmanager
def plain(timed: Timed) -> Iterator[Timed]:
    """A side that needs nothing set up."""
    yield timed


def fresh_process(code: str) -> Timed:
    """Run `code` in a new interpreter, which prints last what it measured."""

    def timed() -> float:
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        return float(done.stdout.split()[-1])

    return timed


# --- what is shown -------------------------------------------------------------------------


def human(value: float, unit: str) -> str:
    if unit != "s":
        return f"{value:.3g} {unit}"
    for name, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value / 1e-9:.3g} ns"


def times(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 99.5 else f"{ratio:#.3g}"


def spread(ratios: list[float]) -> str:
    middle = statistics.median(ratios)
    return f"{times(middle)}x ({times(min(ratios))} to {times(max(ratios))})"


def lines(outcome: Outcome) -> Iterator[str]:
    """The row as text: a line for the work, one for each side."""
    goals = []
    if outcome.goal is not None:
        goals.append(f">= {outcome.goal:g}x {outcome.reference}")
    if outcome.limit is not None:
        goals.append(f"<= {human(outcome.limit, outcome.unit)}")
    verdict = "reached" if outcome.reached else "NOT REACHED"
    yield f"{outcome.id:4} {outcome.work}  [{' and '.join(goals)}: {verdict}]"
    for side, values in outcome.values.items():
        low, middle, high = (
            human(value, outcome.unit)
            for value in (min(values), statistics.median(values), max(values))
        )
        text = f"     {side:22} {middle:>9}  (min {low}, max {high}, n={len(values)})"
        if side != OURS:
            text += f"  ratio {spread(outcome.ratios[side])}"
        yield text


def save(outcomes: list[Outcome], folder: Path) -> None:
    """Write the table as JSON and as a chart of ratios."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {"python": sys.version.split()[0], "machine": platform.machine()}
    rows = [asdict(outcome) for outcome in outcomes]
    (folder / "table.json").write_text(
        json.dumps({"about": about, "rows": rows}, indent=1)
    )
    draw(outcomes, folder / "table.png")


def draw(outcomes: list[Outcome], path: Path) -> None:
    """Bars of the ratio reference / ours with their range; a mark where the goal is."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    fig, axes = plt.subplots(
        figsize=(10, 1.2 + 0.5 * len(outcomes)), layout="constrained"
    )
    labels = [f"{o.id}  {o.work}  [{o.reference}]" for o in outcomes]
    for at, outcome in enumerate(outcomes):
        ratios = outcome.ratios[outcome.reference]
        middle = statistics.median(ratios)
        error = [[middle - min(ratios)], [max(ratios) - middle]]
        color = "#2a7f62" if outcome.reached else "#c0504d"
        axes.barh(at, middle, xerr=error, color=color, height=0.6, capsize=3)
        if outcome.goal is not None:
            axes.plot([outcome.goal] * 2, [at - 0.4, at + 0.4], color="black", lw=2)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.margins(y=0.01)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.axvline(1, color="grey", lw=1)
    axes.set_xlabel(
        "times faster, or less memory, than the library in brackets\n"
        "(median and range; black: the goal)"
    )
    fig.savefig(path, dpi=120)
    plt.close(fig)
