"""GIST: one vector that says what a scene is like, without naming what is in it.

The descriptor of A. Oliva and A. Torralba, "Modeling the shape of the scene: a
holistic representation of the spatial envelope", International Journal of Computer
Vision 42(3), 145-175, 2001:

    picture -> square -> even out the contrast -> 32 Gabor filters -> 4 x 4 averages

The three colour channels go the same way and their vectors are joined, so a picture
becomes 3 channels x 4 scales x 8 orientations x 16 cells = 1536 numbers.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

Floats = NDArray[np.float32]

SIDE = 96  # pixels: the square every picture is brought to
MARGIN = 16  # pixels mirrored around the square, so that no filter wraps round
SCALES = 4
ORIENTATIONS = 8
CELLS = 4  # the answers are averaged on a grid of CELLS x CELLS

FINEST = 0.3  # cycles per pixel: centre of the finest filters
SCALE_STEP = 1.85  # from the centre of one scale to the next
RADIAL_SHARPNESS = 3.5  # weight of the squared relative distance from the centre
CONTRAST_CUTOFF = 4.0  # cycles per picture: slower changes are lighting, not scene
CONTRAST_FLOOR = 0.2  # keeps the noise of a plain sky from being blown up


def read_rgb(path: str) -> Image.Image:
    """Decode a picture the way a person sees it.

    Parameters
    ----------
    path : str
        Any file Pillow can read: grey, palette, transparent and 16-bit ones too.

    Returns
    -------
    Image.Image
        Mode "RGB", turned upright, transparent parts on white.

    Raises
    ------
    OSError
        The file cannot be read. Pillow raises other errors too for damaged files.
    """
    with Image.open(path) as image:
        image.load()
        upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith(("I", "F")):
        return _deep_grey(upright).convert("RGB")
    if upright.has_transparency_data:
        layer = upright.convert("RGBA")
        paper = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(paper, layer).convert("RGB")
    return upright.convert("RGB")


def _deep_grey(image: Image.Image) -> Image.Image:
    """Stretch grey of more than 8 bits over 0..255; Pillow would cut it off."""
    levels = np.nan_to_num(np.asarray(image, dtype=np.float64))
    low, high = float(levels.min()), float(levels.max())
    scaled = (levels - low) * (255.0 / (high - low or 1.0))
    return Image.fromarray(scaled.astype(np.uint8))


def square_channels(image: Image.Image) -> Floats:
    """Cut the middle square out of an RGB picture and bring it to the standard size.

    Returns
    -------
    ndarray, shape (3, SIDE, SIDE)
        Red, green and blue, 0 to 255.
    """
    square = ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.LANCZOS)
    channels: Floats = np.asarray(square, dtype=np.float32).transpose(2, 0, 1)
    return channels


def even_contrast(channels: Floats) -> Floats:
    """Take lighting and contrast out, so that shape is what is left.

    The logarithm loses what is slower than `CONTRAST_CUTOFF`, and what is left is
    divided by its own standard deviation around each pixel, the same for all colours.

    Parameters
    ----------
    channels : ndarray, shape (3, SIDE, SIDE)
        0 to 255.

    Returns
    -------
    ndarray, shape (3, SIDE + 2 MARGIN, SIDE + 2 MARGIN)
        Without unit, mirrored outwards by `MARGIN`.
    """
    around = ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN))
    bright = np.pad(np.log1p(channels), around, mode="symmetric")
    detail = bright - _blur(bright)
    deviation = np.sqrt(np.abs(_blur(detail.mean(axis=0) ** 2)))
    return np.asarray(detail / (CONTRAST_FLOOR + deviation), dtype=np.float32)


def _blur(planes: Floats) -> Floats:
    """Keep what is slower than `CONTRAST_CUTOFF`; the last two axes are the picture."""
    size = planes.shape[-1]
    spectrum = np.fft.rfft2(planes) * low_pass(size)
    return np.asarray(np.fft.irfft2(spectrum, (size, size)), dtype=np.float32)


@lru_cache(maxsize=4)
def low_pass(size: int) -> Floats:
    """Gaussian that halves an amplitude at `CONTRAST_CUTOFF`, in rfft2's layout.

    Returns
    -------
    ndarray, shape (size, size // 2 + 1)
    """
    down = np.fft.fftfreq(size)[:, None] * SIDE
    right = np.fft.rfftfreq(size)[None, :] * SIDE
    squares = (down**2 + right**2) / CONTRAST_CUTOFF**2
    return np.asarray(np.exp(-np.log(2.0) * squares), dtype=np.float32)


@lru_cache(maxsize=4)
def gabor_bank(size: int) -> Floats:
    """Transfer functions of the Gabor filters: Gaussians in radius and in angle.

    Parameters
    ----------
    size : int
        Side of the spectrum, in pixels of the mirrored square.

    Returns
    -------
    ndarray, shape (SCALES * ORIENTATIONS, size, size)
        In fft2's layout; all orientations of the finest scale first. Each filter
        looks at one half of the plane only, so its answer is complex and the
        magnitude of the answer is the local energy.
    """
    down, right = np.meshgrid(*[np.fft.fftfreq(size)] * 2, indexing="ij")
    radius, angle = np.hypot(down, right), np.arctan2(down, right)
    bank = np.empty((SCALES, ORIENTATIONS, size, size), dtype=np.float32)
    for scale in range(SCALES):
        centre = FINEST / SCALE_STEP**scale
        ring = RADIAL_SHARPNESS * (radius / centre - 1.0) ** 2
        for step in range(ORIENTATIONS):
            off = _wrap(angle - np.pi * step / ORIENTATIONS)
            narrow = 2.0 * np.pi * (ORIENTATIONS / 8) ** 2
            bank[scale, step] = np.exp(-ring - narrow * off**2)
    return bank.reshape(-1, size, size)


def _wrap(angle: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bring angles in radians into -pi..pi."""
    return np.asarray((angle + np.pi) % (2.0 * np.pi) - np.pi)


def cell_means(energy: Floats) -> Floats:
    """Average the inner square of each plane on the grid of cells.

    Parameters
    ----------
    energy : ndarray, shape (n, SIDE + 2 MARGIN, SIDE + 2 MARGIN)

    Returns
    -------
    ndarray, shape (n, CELLS * CELLS)
    """
    inner = energy[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    step = SIDE // CELLS
    cells = inner.reshape(-1, CELLS, step, CELLS, step)
    return np.asarray(cells.mean(axis=(2, 4)).reshape(-1, CELLS * CELLS))


def gabor_energies(evened: Floats) -> Floats:
    """Filter each channel with the whole bank and average the magnitudes.

    Parameters
    ----------
    evened : ndarray, shape (3, size, size)
        What `even_contrast` gives.

    Returns
    -------
    ndarray, shape (3, SCALES * ORIENTATIONS, CELLS * CELLS)
    """
    spectrum = np.fft.fft2(evened)
    buffer = np.empty_like(spectrum)  # one for all filters: fresh memory is slow
    energy = np.empty(buffer.shape, dtype=buffer.real.dtype)
    means = []
    for transfer in gabor_bank(evened.shape[-1]):
        np.multiply(spectrum, transfer, out=buffer)
        # Not ifft2: NumPy's (2.4 still) leaves `out` unwritten, without a word.
        answer = np.fft.ifftn(buffer, axes=(-2, -1), out=buffer)
        means.append(cell_means(np.abs(answer, out=energy)))
    return np.stack(means, axis=1)


def gist(path: str) -> Floats:
    """Describe a picture.

    Parameters
    ----------
    path : str
        The picture's file.

    Returns
    -------
    ndarray of float32, shape (1536,)
        Mean energies, at least 0; axes, slowest first: channel (red, green, blue),
        scale (finest first), orientation (steps of pi / 8), cell (row by row).
        The same file gives the same bits on the same machine.
    """
    evened = even_contrast(square_channels(read_rgb(path)))
    return gabor_energies(evened).astype(np.float32).ravel()
