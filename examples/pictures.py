"""Finding pictures: photographs inside installed packages, or the user's own folder.

Each whole picture is also cut into overlapping tiles, which are pictures like any
other, so that two dozen photographs make a few hundred pictures.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from math import ceil, isqrt
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from gist import read_rgb

SUFFIXES = frozenset(
    [
        ".avif",
        ".bmp",
        ".gif",
        ".jp2",
        ".jpeg",
        ".jpg",
        ".pbm",
        ".pgm",
        ".png",
        ".ppm",
        ".tif",
        ".tiff",
        ".webp",
    ]
)

# Packages that carry photographs, and where. Their folders hold drawings too (logos,
# chessboards, a colour wheel, a silhouette), so the photographs are listed.
SHIPPED = {
    ("skimage", "data"): [
        "astronaut.png",
        "brick.png",
        "camera.png",
        "cell.png",
        "chelsea.png",
        "clock_motion.png",
        "coffee.png",
        "coins.png",
        "grass.png",
        "gravel.png",
        "hubble_deep_field.jpg",
        "ihc.png",
        "microaneurysms.png",
        "moon.png",
        "motorcycle_left.png",
        "motorcycle_right.png",
        "page.png",
        "retina.jpg",
        "rocket.jpg",
        "text.png",
    ],
    ("sklearn", "datasets/images"): ["china.jpg", "flower.jpg"],
}

TILE = 256  # pixels: side of a tile
STRIDE = 128  # pixels: two neighbouring tiles are at most this far apart
TILES_AT_MOST = 800  # of all pictures together; a bigger folder needs no tiles

# What Pillow raises for a file that is not, or not fully, the picture it says it is:
# all seen on damaged files except the last, for one larger than the memory.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    RuntimeError,
    Image.DecompressionBombError,
    MemoryError,
)

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Picture:
    """A picture file: a whole picture, or a tile cut from one.

    Attributes
    ----------
    name : str
        For people; unique among whole pictures.
    path : str
        Absolute path of the file.
    origin : str
        Name of the whole picture that this is, or was cut from.
    """

    name: str
    path: str
    origin: str

    @property
    def is_whole(self) -> bool:
        """Whether this is a whole picture."""
        return self.name == self.origin


@dataclass(frozen=True)
class Skipped:
    """Something that should have been a picture, and the reason why it is not one."""

    name: str
    reason: str


def shipped_photographs() -> list[Picture]:
    """List the photographs inside installed packages, without importing these."""
    return [
        Picture(file, str(folder / file), file)
        for (package, inside), files in SHIPPED.items()
        for folder in _package_folders(package, inside)
        for file in files
        if (folder / file).is_file()
    ]


def _package_folders(package: str, inside: str) -> list[Path]:
    """Locate a folder of a top-level package; empty when it is not installed."""
    spec = find_spec(package)
    roots = (spec.submodule_search_locations or []) if spec else []
    return [Path(root).resolve() / inside for root in list(roots)[:1]]


def folder_pictures(folder: Path, but_not: Path) -> tuple[list[Picture], list[Skipped]]:
    """List the pictures in a folder and all folders in it, by name.

    Parameters
    ----------
    folder : Path
        Where to look.
    but_not : Path
        A folder to leave out: the output may be inside `folder`.

    Returns
    -------
    pictures : list of Picture
        Files with a picture's suffix; whether they are pictures is not known yet.
    skipped : list of Skipped
        Folders that could not be listed.
    """
    top, hidden = folder.resolve(), but_not.resolve()
    pictures: list[Picture] = []
    skipped: list[Skipped] = []

    def unlisted(error: OSError) -> None:
        skipped.append(Skipped(str(error.filename), error.strerror or str(error)))

    for here, folders, files in os.walk(top, onerror=unlisted):
        folders[:] = sorted(f for f in folders if Path(here, f) != hidden)
        for path in sorted(Path(here, f) for f in files if not f.startswith(".")):
            if path.suffix.lower() in SUFFIXES:
                name = path.relative_to(top).as_posix()
                pictures.append(Picture(name, str(path), name))
    return pictures, skipped


def with_tiles(
    wholes: list[Picture], tiles: Path
) -> tuple[list[Picture], list[Skipped]]:
    """Check that each picture can be decoded, and cut it into tiles.

    Parameters
    ----------
    wholes : list of Picture
        The pictures to check; their files are only read.
    tiles : Path
        Folder for the tiles. Tiles of an earlier run are used again while the
        picture's path, size and time of change are the same.

    Returns
    -------
    pictures : list of Picture
        Each good picture, followed by its tiles.
    skipped : list of Skipped
        The broken ones.
    """
    pictures: list[Picture] = []
    skipped: list[Skipped] = []
    per_side = isqrt(TILES_AT_MOST // len(wholes)) if wholes else 0
    for whole in wholes:
        try:
            image = read_rgb(whole.path)
            folder = tiles / _tile_folder(whole)
        except BROKEN as error:
            skipped.append(Skipped(whole.name, _reason(error)))
            continue
        pictures.append(whole)
        pictures.extend(_cut(image, whole, folder, per_side))
    return pictures, skipped


def _reason(error: BaseException) -> str:
    """Put an error in one line, without the path that Pillow repeats."""
    if isinstance(error, UnidentifiedImageError):
        return "not a picture that Pillow knows"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _tile_folder(whole: Picture) -> str:
    """Name a folder after a picture's path, size and time of change."""
    state = Path(whole.path).stat()
    identity = f"{whole.path}\0{state.st_size}\0{state.st_mtime_ns}"
    digest = hashlib.sha256(os.fsencode(identity)).hexdigest()[:12]
    return f"{Path(whole.path).stem}-{digest}"


def _cut(
    image: Image.Image, whole: Picture, folder: Path, per_side: int
) -> Iterator[Picture]:
    """Cut those tiles that are not there yet, and list them all."""
    for left, top, right, bottom in tile_boxes(image.width, image.height, per_side):
        path = folder / f"x{left:05}-y{top:05}.png"
        if not path.exists():
            _save_whole_or_not(image.crop((left, top, right, bottom)), path)
        yield Picture(f"{whole.name} +{left}+{top}", str(path), whole.name)


def _save_whole_or_not(image: Image.Image, path: Path) -> None:
    """Write a file that an interruption cannot leave half written under its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    image.save(part, format="PNG", compress_level=1)
    part.replace(path)


def tile_boxes(width: int, height: int, per_side: int) -> list[Box]:
    """Lay tiles evenly over a picture, from edge to edge.

    Parameters
    ----------
    width, height : int
        Of the picture, in pixels.
    per_side : int
        At most so many tiles across, and down.

    Returns
    -------
    list of (left, top, right, bottom)
        In pixels, row by row; empty for a picture not larger than a tile.
    """
    if width < TILE or height < TILE or (width, height) == (TILE, TILE):
        return []
    rows, columns = _starts(height, per_side), _starts(width, per_side)
    return [(x, y, x + TILE, y + TILE) for y, x in product(rows, columns)]


def _starts(length: int, at_most: int) -> Iterable[int]:
    """Spread tiles over one side; gives where each begins, in pixels."""
    spare = length - TILE
    count = min(ceil(spare / STRIDE) + 1, at_most)
    return [spare * i // max(count - 1, 1) for i in range(count)]
