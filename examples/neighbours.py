"""Which pictures are alike, by descriptor, and a contact sheet to judge it by eye."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from gist import read_rgb
from pictures import Picture

NEIGHBOURS = 5  # shown after each picture
ROWS_AT_MOST = 24  # a sheet of more is not looked at

# Lengths on the sheet, in pixels.
THUMB = 140
GAP = 12
NARROWEST = 1040  # what the subtitle takes
CAPTION = 54
HEADER = 104
PAGE = "#ffffff"
INK = "#1f2328"
PALE = "#59636e"
ACCENT = "#0969da"

TITLE = "Nearest neighbours by GIST descriptor"
SUBTITLE = (
    "Framed: a picture. To its right: those most like it, with their distance. "
    "Shown is the middle square, which is what the descriptor sees."
)


@dataclass(frozen=True)
class Row:
    """A picture and those most like it.

    Attributes
    ----------
    picture : Picture
        The one asked about.
    nearest : list of (Picture, float)
        The most like it first, each with its distance (without unit).
    """

    picture: Picture
    nearest: list[tuple[Picture, float]]


def nearest_rows(
    pictures: list[Picture], descriptors: NDArray[np.float32]
) -> list[Row]:
    """Find the nearest neighbours of each whole picture among the whole pictures.

    Parameters
    ----------
    pictures : list of Picture, length n
        Wholes and tiles; tiles are neither asked about nor answers.
    descriptors : ndarray, shape (n, length)
        One row for each picture.

    Returns
    -------
    list of Row
        In the order of `pictures`, the first `ROWS_AT_MOST`.
    """
    places = [i for i, picture in enumerate(pictures) if picture.is_whole]
    vectors = descriptors[places]
    rows = []
    for here, place in enumerate(places[:ROWS_AT_MOST]):
        distances = np.linalg.norm(vectors - vectors[here], axis=1)
        order = [i for i in np.argsort(distances, kind="stable") if i != here]
        nearest = [(pictures[places[i]], float(distances[i])) for i in order]
        rows.append(Row(pictures[place], nearest[:NEIGHBOURS]))
    return rows


def draw_sheet(rows: list[Row], path: Path) -> None:
    """Write the contact sheet, in two columns of rows when there are many.

    Parameters
    ----------
    rows : list of Row
        At least one.
    path : Path
        Where the PNG goes.
    """
    per_column = len(rows) if len(rows) <= 6 else ceil(len(rows) / 2)
    width = (NEIGHBOURS + 1) * (THUMB + GAP) + 3 * GAP
    height = THUMB + CAPTION
    size = (
        2 * GAP + max(ceil(len(rows) / per_column) * width, NARROWEST),
        HEADER + per_column * height + GAP,
    )
    draw = ImageDraw.Draw(sheet := Image.new("RGB", size, PAGE))
    _write(draw, (2 * GAP, GAP), TITLE, 30, INK)
    _write(draw, (2 * GAP, GAP + 42), SUBTITLE, 18, PALE)
    thumbs = _thumbs(rows)
    for place, row in enumerate(rows):
        column, line = divmod(place, per_column)
        corner = (2 * GAP + column * width, HEADER + line * height)
        _draw_row(sheet, thumbs, row, corner)
    sheet.save(path, compress_level=3)


def _thumbs(rows: list[Row]) -> dict[str, Image.Image]:
    """Decode each picture once; keyed by path."""
    pictures = {row.picture.path for row in rows}
    pictures.update(other.path for row in rows for other, _ in row.nearest)
    return {path: ImageOps.fit(read_rgb(path), (THUMB, THUMB)) for path in pictures}


def _draw_row(
    sheet: Image.Image,
    thumbs: dict[str, Image.Image],
    row: Row,
    corner: tuple[int, int],
) -> None:
    """Draw a framed picture, a wider gap, and its neighbours."""
    left, top = corner
    draw = ImageDraw.Draw(sheet)
    draw.rectangle((left - 4, top - 4, left + THUMB + 3, top + THUMB + 3), fill=ACCENT)
    for place, (picture, note) in enumerate([(row.picture, ""), *_noted(row)]):
        x = left + place * (THUMB + GAP) + (GAP if place else 0)
        sheet.paste(thumbs[picture.path], (x, top))
        name = _shorten(draw, Path(picture.name).stem)
        _write(draw, (x, top + THUMB + 4), name, 16, INK if place else ACCENT)
        _write(draw, (x, top + THUMB + 22), note, 15, PALE)


def _noted(row: Row) -> list[tuple[Picture, str]]:
    """Put each neighbour's distance into words."""
    return [(picture, f"{distance:.2f}") for picture, distance in row.nearest]


def _write(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, size: int, ink: str
) -> None:
    """Write one line in Pillow's own font."""
    draw.text(at, text, font=_font(size), fill=ink)


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load Pillow's own font; `size` in pixels."""
    return ImageFont.load_default(size)


def _shorten(draw: ImageDraw.ImageDraw, name: str) -> str:
    """Make a name fit below its picture."""
    name = name.encode("utf-8", "replace").decode()
    short = name
    while draw.textlength(short, font=_font(16)) > THUMB:
        name = name[:-1]
        short = name + "..."
    return short
