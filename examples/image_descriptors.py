"""Describe real photographs: cached, in parallel, dumped, loaded, and looked at.

Run as `make demo`, or by hand::

    python examples/image_descriptors.py --pics my-photos --jobs 4

Without `--pics` (or PICS in the environment) the photographs are those inside the
scikit-image and scikit-learn packages, of which nothing is imported::

    pip install --no-deps scikit-image scikit-learn

Exit status: 0 all is well; 1 a result differs from another that it must equal;
2 there are no pictures, or the arguments are wrong; 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

for _pool in ("OMP", "OPENBLAS", "MKL", "BLIS", "VECLIB_MAXIMUM"):
    os.environ.setdefault(f"{_pool}_NUM_THREADS", "1")  # read when NumPy is imported

import numpy as np  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from cjoblib import Memory, Parallel, delayed, dump, load  # noqa: E402
from gist import gist  # noqa: E402
from neighbours import Row, draw_sheet, nearest_rows  # noqa: E402
from pictures import (  # noqa: E402
    Picture,
    Skipped,
    folder_pictures,
    shipped_photographs,
    with_tiles,
)

STEREO_PAIR = ("motorcycle_left.png", "motorcycle_right.png")

Floats = NDArray[np.float32]
T = TypeVar("T")


class DemoError(Exception):
    """The demonstration cannot go on, or has found a wrong result."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Timings:
    """Seconds that describing the whole directory took."""

    cold: float
    cached: float
    parallel: float


def main(arguments: list[str] | None = None) -> int:
    """Run the demonstration; returns the exit status."""
    options = parse(arguments)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # odd file names
    try:
        demonstrate(options.pics, options.out, options.jobs)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.status
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line; `PICS` in the environment stands in for `--pics`."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--pics",
        type=Path,
        default=os.environ.get("PICS") or None,
        metavar="FOLDER",
        help="your pictures (default: $PICS, or photographs from installed packages)",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("demo-output"),
        metavar="FOLDER",
        help="where all output goes (default: %(default)s)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=2,
        metavar="N",
        help="processes in the parallel run (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    if options.jobs == 0:
        parser.error("--jobs: 0 processes cannot do anything")
    return options


def demonstrate(pics: Path | None, out: Path, jobs: int) -> None:
    """Do all the sections in turn.

    Parameters
    ----------
    pics : Path or None
        The user's pictures; None for the photographs inside packages.
    out : Path
        Folder for everything that is written, made when missing.
    jobs : int
        Processes in the parallel run.

    Raises
    ------
    DemoError
        There are no pictures, or two results that must be equal are not.
    """
    wholes, unlisted = find(pics, out)
    caches = fresh_folder(out / "gist-caches")
    pictures, broken = with_tiles(wholes, out.resolve() / "gist-tiles")
    skipped = unlisted + broken
    tell(pictures, skipped, pics)
    paths = [picture.path for picture in pictures]

    one_image(paths[0], caches / "one")
    descriptors, cold, cached = directory(paths, caches / "directory")
    parallel = directory_in_parallel(paths, caches / "parallel", jobs, descriptors)
    persistence(pictures, descriptors, out)

    rows = nearest_rows(pictures, descriptors)
    sheet(rows, out / "neighbours.png")
    if pics is None:
        check_stereo_pair(rows)
    table(len(pictures), len(skipped), Timings(cold, cached, parallel))


def fresh_folder(folder: Path) -> Path:
    """Empty a folder of our own, so that the cold runs are cold."""
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
    except OSError as error:
        raise DemoError(f"cannot write to {folder}: {error.strerror}", 2) from error
    return folder.resolve()


def find(pics: Path | None, out: Path) -> tuple[list[Picture], list[Skipped]]:
    """List the whole pictures, and what could not be listed."""
    if pics is None:
        return shipped_photographs(), []
    if not pics.is_dir():
        raise DemoError(f"{pics}: no such folder", 2)
    return folder_pictures(pics, but_not=out)


def tell(pictures: list[Picture], skipped: list[Skipped], pics: Path | None) -> None:
    """Say what there is to describe, and name what is skipped."""
    for item in skipped:
        print(f"skipped {item.name}: {item.reason}")
    if not pictures:
        raise DemoError(no_pictures(pics), 2)
    n_wholes = sum(picture.is_whole for picture in pictures)
    where = "installed packages" if pics is None else pics
    print(f"{n_wholes} pictures and {len(pictures) - n_wholes} tiles, from {where}")


def no_pictures(pics: Path | None) -> str:
    """Say what to do when there is nothing to describe."""
    if pics is not None:
        return f"{pics}: no pictures in this folder"
    return (
        "no photographs: run `pip install --no-deps scikit-image scikit-learn`, "
        "or name a folder of your own with --pics"
    )


def heading(title: str) -> None:
    """Begin a section."""
    print(f"\n{title}\n{'=' * len(title)}")


def timed(call: Callable[[], T]) -> tuple[T, float]:
    """Call, and measure how long it took in seconds."""
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


def one_image(path: str, cache: Path) -> None:
    """Describe one picture twice, the second time from the cache."""
    heading("Example with one image")
    memgist = Memory(cache, verbose=1).cache(gist)
    first, seconds = timed(lambda: memgist(path))
    print("First run done in %0.3f secs" % seconds)
    second, seconds = timed(lambda: memgist(path))
    print("Second run done in %0.3f secs" % seconds)
    must_equal("the cached descriptor", first, second)


def directory(paths: list[str], cache: Path) -> tuple[Floats, float, float]:
    """Describe all pictures twice, the second time from the cache.

    Returns
    -------
    descriptors : ndarray, shape (len(paths), 1536)
    cold, cached : float
        Seconds for all pictures.
    """
    heading("Example with a directory")
    memgist = Memory(cache, verbose=0).cache(gist)
    first, cold = timed(lambda: [memgist(path) for path in paths])
    print("First run done in %0.3f secs" % cold)
    second, cached = timed(lambda: [memgist(path) for path in paths])
    print("Second run done in %0.3f secs" % cached)
    descriptors = np.stack(first)
    must_equal("the cached descriptors", descriptors, np.stack(second))
    return descriptors, cold, cached


def directory_in_parallel(
    paths: list[str], cache: Path, jobs: int, expected: Floats
) -> float:
    """Describe all pictures with several processes and an empty cache.

    Returns
    -------
    float
        Seconds, starting the processes included.
    """
    heading("Example with // computing")
    memgist = Memory(cache, verbose=0).cache(gist)
    tasks: Iterable[Any] = (delayed(memgist)(path) for path in paths)
    found: list[Floats]
    found, seconds = timed(lambda: Parallel(n_jobs=jobs)(tasks))
    print("run done in %0.3f secs" % seconds)
    must_equal("the descriptors computed in parallel", expected, np.stack(found))
    return seconds


def persistence(pictures: list[Picture], descriptors: Floats, out: Path) -> None:
    """Dump the descriptors compressed and plain; load them back, the plain mapped.

    A compressed file has to be unpacked, so only the plain one can be mapped.
    """
    heading("Example with persistence")
    names = [picture.name for picture in pictures]
    table_of_all = {"names": names, "descriptors": descriptors}
    packed, plain = out / "descriptors.joblib.gz", out / "descriptors.joblib"

    dump(table_of_all, packed, compress=("gzip", 3))
    unpacked = load(packed)
    print(f"compressed     {packed.stat().st_size:>10,} bytes  {packed}")
    must_equal("the compressed descriptors", descriptors, unpacked["descriptors"])

    dump(table_of_all, plain)
    mapped = load(plain, mmap_mode="r")
    print(f"memory-mapped  {plain.stat().st_size:>10,} bytes  {plain}")
    must_equal("the memory-mapped descriptors", descriptors, mapped["descriptors"])
    if not isinstance(mapped["descriptors"], np.memmap):
        raise DemoError("the descriptors were read instead of memory-mapped", 1)
    if not names == unpacked["names"] == mapped["names"]:
        raise DemoError("the names loaded differ from those dumped", 1)


def must_equal(what: str, expected: Floats, found: Floats) -> None:
    """Raise `DemoError` unless two arrays are equal bit for bit."""
    same_kind = (expected.shape, expected.dtype) == (found.shape, found.dtype)
    if not same_kind or expected.tobytes() != found.tobytes():
        raise DemoError(f"{what}: not equal bit for bit to the first run's", 1)


def sheet(rows: list[Row], path: Path) -> None:
    """Draw the neighbours for people to look at."""
    heading("Nearest neighbours")
    draw_sheet(rows, path)
    print(f"see {path}")


def check_stereo_pair(rows: list[Row]) -> None:
    """Check that the two halves of the stereo pair are each other's nearest."""
    nearest = {row.picture.name: row.nearest[0][0].name for row in rows if row.nearest}
    left, right = STEREO_PAIR
    if left not in nearest or right not in nearest:
        print("the stereo pair is not installed, so it was not checked")
        return
    for picture, twin in ((left, right), (right, left)):
        if nearest[picture] != twin:
            found = nearest[picture]
            raise DemoError(f"{found} is nearer to {picture} than {twin} is", 1)
    print(f"{left} and {right} found each other")


def table(n_pictures: int, n_skipped: int, seconds: Timings) -> None:
    """Print the summary: what `make demo` is run for."""
    columns = {
        "pictures": f"{n_pictures}",
        "skipped": f"{n_skipped}",
        "seconds cold": f"{seconds.cold:.3f}",
        "seconds cached": f"{seconds.cached:.3f}",
        "ratio": f"{seconds.cold / seconds.cached:.1f}",
        "parallel ratio": f"{seconds.cold / seconds.parallel:.2f}",
    }
    widths = [max(map(len, item)) for item in columns.items()]
    print()
    for cells in (columns.keys(), columns.values()):
        print("  ".join(cell.rjust(w) for cell, w in zip(cells, widths, strict=True)))


if __name__ == "__main__":
    sys.exit(main())
