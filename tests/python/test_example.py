"""The example: the descriptor means what it says, and odd pictures do no harm."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples"))

import gist as descriptor
import image_descriptors as program
import pictures as finder
from gist import CELLS, FINEST, ORIENTATIONS, SCALE_STEP, SCALES, SIDE
from neighbours import nearest_rows

Floats = NDArray[np.float32]


def axes(vector: Floats) -> Floats:
    """Give a descriptor its axes: channel, scale, orientation, row, column."""
    return vector.reshape(3, SCALES, ORIENTATIONS, CELLS, CELLS)


def noise(seed: int, size: int = SIDE) -> Image.Image:
    """Make a coloured picture that is different everywhere."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((size, size))


def saved(image: Image.Image, path: Path) -> str:
    """Save a picture; the suffix says how."""
    image.save(path)
    return str(path)


def test_shape_and_values(tmp_path: Path) -> None:
    vector = descriptor.gist(saved(noise(1), tmp_path / "a.png"))
    assert vector.shape == (1536,)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()
    assert (vector >= 0).all()
    assert vector.max() < 10


def test_same_picture_same_bits(tmp_path: Path) -> None:
    first = descriptor.gist(saved(noise(1), tmp_path / "a.png"))
    second = descriptor.gist(saved(noise(1), tmp_path / "b.png"))
    assert first.tobytes() == second.tobytes()


def test_energies_equal_the_plain_formula() -> None:
    """The reused buffers change nothing; the reference shares no NumPy FFT call."""
    image = np.asarray(noise(2), dtype=np.float32).transpose(2, 0, 1)
    evened = descriptor.even_contrast(image)
    size = evened.shape[-1]
    turn = np.exp(2j * np.pi * np.outer(np.arange(size), np.arange(size)) / size)
    spectrum = turn.conj() @ evened[0].astype(complex) @ turn.conj()
    found = descriptor.gabor_energies(evened)[0]
    for place, transfer in enumerate(descriptor.gabor_bank(size)):
        answer = turn @ (spectrum * transfer) @ turn / size**2
        expected = descriptor.cell_means(np.abs(answer)[None])[0]
        np.testing.assert_allclose(found[place], expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("scale", range(SCALES))
@pytest.mark.parametrize("step", [0, 1, 4, 6])
def test_stripes_wake_their_own_filter(tmp_path: Path, scale: int, step: int) -> None:
    frequency, angle = FINEST / SCALE_STEP**scale, np.pi * step / ORIENTATIONS
    down, right = np.mgrid[:SIDE, :SIDE]
    along = np.cos(angle) * right + np.sin(angle) * down
    grey = (128 + 60 * np.sin(2 * np.pi * frequency * along)).astype(np.uint8)
    vector = descriptor.gist(saved(Image.fromarray(grey), tmp_path / "stripes.png"))
    strength = axes(vector)[0].mean(axis=(2, 3))
    assert np.unravel_index(strength.argmax(), strength.shape) == (scale, step)


def test_mirrored_picture_mirrors_cells_and_orientations(tmp_path: Path) -> None:
    image = noise(3)
    mirrored = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    found = axes(descriptor.gist(saved(mirrored, tmp_path / "m.png")))
    plain = axes(descriptor.gist(saved(image, tmp_path / "p.png")))
    back = -np.arange(ORIENTATIONS) % ORIENTATIONS
    np.testing.assert_allclose(found, plain[:, :, back, :, ::-1], rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "1", "CMYK", "I;16", "F"])
def test_every_kind_of_picture(tmp_path: Path, mode: str) -> None:
    image = noise(4)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 200)
    else:
        image = image.convert("L").convert(mode) if mode == "F" else image.convert(mode)
    vector = descriptor.gist(saved(image, tmp_path / "a.tif"))
    assert vector.shape == (1536,)
    assert np.isfinite(vector).all()
    assert vector.max() > 0.01


def test_grey_is_three_equal_channels(tmp_path: Path) -> None:
    grey = noise(5).convert("L")
    red, green, blue = axes(descriptor.gist(saved(grey, tmp_path / "a.png")))
    assert (red == green).all() and (red == blue).all()


def test_opaque_alpha_changes_nothing(tmp_path: Path) -> None:
    plain = descriptor.gist(saved(noise(6), tmp_path / "a.png"))
    alpha = descriptor.gist(saved(noise(6).convert("RGBA"), tmp_path / "b.png"))
    assert plain.tobytes() == alpha.tobytes()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (3, 2)])
def test_tiny_pictures(tmp_path: Path, size: tuple[int, int]) -> None:
    path = saved(Image.new("RGB", size, "teal"), tmp_path / "tiny.png")
    vector = descriptor.gist(path)
    assert np.isfinite(vector).all()
    assert vector.max() < 1e-3


def test_nearest_is_the_most_alike(tmp_path: Path) -> None:
    shifted = noise(7, SIDE + 4).crop((4, 0, SIDE + 4, SIDE))
    images = [noise(7, SIDE + 4).crop((0, 0, SIDE, SIDE)), noise(8), shifted, noise(9)]
    paths = [saved(image, tmp_path / f"{i}.png") for i, image in enumerate(images)]
    pictures = [finder.Picture(path, path, path) for path in paths]
    pictures.append(finder.Picture("tile", paths[0], paths[0]))
    vectors = np.stack([descriptor.gist(picture.path) for picture in pictures])
    rows = nearest_rows(pictures, vectors)
    assert [row.picture.path for row in rows] == paths
    assert rows[0].nearest[0][0].path == paths[2]
    assert rows[2].nearest[0][0].path == paths[0]


@pytest.mark.parametrize(
    ("size", "count"),
    [((255, 900), 0), ((256, 256), 0), ((257, 256), 2), ((512, 512), 9)],
)
def test_tiles_reach_every_edge(size: tuple[int, int], count: int) -> None:
    boxes = finder.tile_boxes(*size, per_side=6)
    assert len(set(boxes)) == count
    assert all(r - x == b - y == finder.TILE for x, y, r, b in boxes)
    if boxes:
        assert (boxes[0][:2], boxes[-1][2:]) == ((0, 0), size)


def test_huge_picture_has_no_more_tiles_than_allowed() -> None:
    assert len(finder.tile_boxes(9000, 9000, per_side=6)) == 36
    assert finder.tile_boxes(9000, 9000, per_side=0) == []


def test_broken_pictures_are_skipped_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pics, out = tmp_path / "pics", tmp_path / "out"
    (pics / "inside").mkdir(parents=True)
    good = Path(saved(noise(10, 300), pics / "inside" / "good.png"))
    saved(noise(11), pics / "other.jpg")
    (pics / "cut.png").write_bytes(good.read_bytes()[:2000])
    (pics / "empty.jpg").touch()
    (pics / "words.gif").write_text("not a picture")
    (pics / "notes.txt").write_text("not meant to be one")
    before = good.read_bytes()
    assert program.main(["--pics", str(pics), "--out", str(out), "--jobs", "1"]) == 0
    printed = capsys.readouterr().out
    for name in ("cut.png", "empty.jpg", "words.gif"):
        assert f"skipped {name}: " in printed
    assert "notes.txt" not in printed
    assert printed.count("skipped ") == 3 + 1  # and the table's column
    assert good.read_bytes() == before
    assert (out / "neighbours.png").stat().st_size > 0


def test_output_inside_the_pictures_is_not_described(tmp_path: Path) -> None:
    saved(noise(12), tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    saved(noise(13), tmp_path / "out" / "neighbours.png")
    pictures, skipped = finder.folder_pictures(tmp_path, but_not=tmp_path / "out")
    assert [picture.name for picture in pictures] == ["a.png"]
    assert skipped == []


@pytest.mark.parametrize(
    ("folder", "words"), [(".", "no pictures"), ("nowhere", "no such folder")]
)
def test_no_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], folder: str, words: str
) -> None:
    pics, out = tmp_path / folder, tmp_path / "out"
    assert program.main(["--pics", str(pics), "--out", str(out)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and str(pics) in error and words in error


def test_a_single_wrong_bit_is_an_error() -> None:
    right = np.zeros(4, dtype=np.float32)
    wrong = right.copy()
    wrong[2] = -0.0
    program.must_equal("itself", right, right.copy())
    with pytest.raises(program.DemoError, match="bit for bit"):
        program.must_equal("minus zero", right, wrong)
