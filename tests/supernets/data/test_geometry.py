"""How images of any shape come to a size: crop, stretch and letterbox, from arrays, files and photographs held upright."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from tests.supernets.data.pictures import encoded, picture, write_folder
from vitnas.errors import SettingsError
from vitnas.supernets.data import DataSettings, Pixels, load_dataset
from vitnas.supernets.data.decoding import decode
from vitnas.supernets.data.geometry import fitted, framed, placed
from vitnas.supernets.settings.data import Fit

FITS: tuple[Fit, ...] = ("crop", "stretch", "letterbox")


@pytest.mark.parametrize(
    ("fit", "image", "size", "start", "extent", "inner"),
    [
        ("crop", (100, 60), 32, (20, 0), (60, 60), (32, 32)),
        ("crop", (60, 100), (32, 64), (5, 0), (50, 100), (32, 64)),
        ("crop", (100, 100), (32, 64), (25, 0), (50, 100), (32, 64)),
        ("stretch", (100, 60), (32, 64), (0, 0), (100, 60), (32, 64)),
        ("letterbox", (100, 50), (32, 64), (0, 0), (100, 50), (32, 16)),
        ("letterbox", (50, 200), (32, 64), (0, 0), (50, 200), (16, 64)),
    ],
)
def test_a_part_of_the_image_becomes_a_part_of_the_result(
    fit: Fit, image: tuple[int, int], size: int | tuple[int, int], start: object, extent: object, inner: object
) -> None:
    assert placed(fit, image, size) == (start, extent, inner)


@pytest.mark.parametrize("fit", FITS)
def test_images_of_the_size_are_left_as_they_are(fit: Fit) -> None:
    x = torch.randint(0, 256, (2, 3, 12, 20), dtype=torch.uint8)
    assert fitted(x, fit, (12, 20)) is x or torch.equal(fitted(x, fit, (12, 20)), x)
    data = encoded(x[0].permute(1, 2, 0).numpy())
    assert np.array_equal(decode(data, (12, 20), 3, fit=fit), x[0].numpy())


def test_each_fit_is_what_its_name_says() -> None:
    x = torch.randint(0, 256, (1, 3, 40, 20), dtype=torch.uint8)
    crop, stretch, letterbox = (fitted(x, fit, (20, 40)) for fit in FITS)
    assert torch.equal(crop, F.interpolate(x[:, :, 15:25], (20, 40), mode="bicubic", antialias=True))
    assert torch.equal(stretch, F.interpolate(x, (20, 40), mode="bicubic", antialias=True))
    assert torch.equal(letterbox[..., 15:25], F.interpolate(x, (20, 10), mode="bicubic", antialias=True))
    assert not letterbox[..., :15].any()
    assert not letterbox[..., 25:].any()
    assert framed(x, (40, 20)) is x


@pytest.mark.parametrize("fit", FITS)
def test_files_come_to_a_size_as_arrays_do(fit: Fit) -> None:
    x = picture(3, (60, 30))
    found = decode(encoded(x), (24, 32), 3, fit=fit)
    expected = fitted(torch.from_numpy(x).permute(2, 0, 1)[None], fit, (24, 32), mode="bilinear")[0]
    assert found.shape == (3, 24, 32)
    assert np.abs(found.astype(int) - expected.numpy().astype(int)).max() <= 2


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_photographs_are_turned_before_they_are_fitted(fit: Fit, orientation: int) -> None:
    upright, told = Image.fromarray(picture(5, (60, 40))), Image.Exif()
    turned = upright.rotate({3: 180, 6: 90, 8: 270}[orientation], expand=True)
    told[0x0112] = orientation
    file = io.BytesIO()
    turned.save(file, "png", exif=told)
    found, expected = (
        decode(file.getvalue(), (24, 32), 3, fit=fit),
        decode(encoded(np.asarray(upright)), (24, 32), 3, fit=fit),
    )
    assert np.abs(found.astype(int) - expected.astype(int)).max() <= 2


@pytest.mark.parametrize("size", [8, 12, 28])
@pytest.mark.parametrize("shape", [(28, 20), (21, 28), (28, 28)])
def test_square_images_are_to_the_bit_what_they_were(size: int, shape: tuple[int, int]) -> None:
    """The middle in whole pixels, resized where it has another size."""
    x = np.random.default_rng(0).integers(0, 256, (3, 1, *shape), dtype=np.uint8)
    side = min(shape)
    top, left = (shape[0] - side) // 2, (shape[1] - side) // 2
    middle = torch.from_numpy(x[:, :, top : top + side, left : left + side].copy())
    expected = middle if size == side else F.interpolate(middle, (size, size), mode="bicubic", antialias=True)
    images = replace(Pixels.of(x, np.zeros(3, np.int64)), image_size=size)
    assert torch.equal(images.pixels(np.arange(3))[0], expected)


@pytest.mark.parametrize("fit", FITS)
def test_a_data_set_has_the_size_and_the_fit_that_settings_say(fit: Fit, tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 4, "b": 4}, size=(30, 20))
    dataset = load_dataset(DataSettings(str(tmp_path), image_size=(16, 32), fit=fit))
    assert dataset.task.image_size == (16, 32)
    pixels, _ = dataset.train.pixels(np.arange(2))
    assert pixels.shape == (2, 3, 16, 32)
    row = int(dataset.train.rows[0])
    expected = decode(dataset.train.files.read(row), (16, 32), 3, fit=fit)
    assert np.array_equal(pixels[0].numpy(), expected)


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_data_sets_that_are_made_here_take_any_size(name: str) -> None:
    dataset = load_dataset(DataSettings(name, image_size=(12, 20), fit="letterbox"))
    pixels, _ = dataset.val.pixels(np.arange(3))
    assert pixels.shape[2:] == (12, 20)
    assert not pixels[..., :4].any()
    assert not pixels[..., 16:].any()


def test_sizes_that_are_none_are_refused() -> None:
    assert DataSettings("digits", image_size=(16, 16)).image_size == 16
    with pytest.raises(SettingsError, match=r"\[data\] image_size must be one whole number .* got \(16, 0\)"):
        DataSettings("digits", image_size=(16, 0))
    with pytest.raises(SettingsError, match="fit cannot be 'pad'"):
        DataSettings("digits", fit="pad")  # type: ignore[arg-type]
