"""Measure the table of goals, side by side with the others: ``python bench/run.py [ROW ...]``.

Prints each row as it is done; writes ``table.json`` and ``table.png`` into ``--out``. The
exit status is 1 when a goal was not reached, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import frame
import rows


def parse(arguments: list[str]) -> argparse.Namespace:
    known = {row.id: row for row in rows.ROWS}
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("row", nargs="*", help=f"of {', '.join(known)}; none: all")
    parser.add_argument("--out", type=Path, default=Path("bench-output"))
    parser.add_argument("--rounds", type=int, help="instead of each row's own number")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.row if name not in known]
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}: {', '.join(known)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds {options.rounds}: at least 1 is needed")
    options.rows = [known[name] for name in options.row] or rows.ROWS
    return options


def main() -> int:
    options = parse(sys.argv[1:])
    outcomes = []
    for row in options.rows:
        outcome = frame.measure(row, options.rounds)
        outcomes.append(outcome)
        print("\n".join(frame.lines(outcome)), flush=True)
    frame.save(outcomes, options.out)
    print(f"written: {options.out / 'table.json'}, {options.out / 'table.png'}")
    return int(not all(outcome.reached for outcome in outcomes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
