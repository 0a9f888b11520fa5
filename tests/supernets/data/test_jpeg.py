"""What simplejpeg decodes is near to what Pillow does, and what it cannot is what Pillow makes of it."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from tests.supernets.data.pictures import encoded, picture, write_folder
from vitnas.errors import MissingPackageError
from vitnas.extras import installed
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.data.decoding import UnreadableError, decode, decoded_by
from vitnas.supernets.data.jpeg import decode_jpeg

pytestmark = pytest.mark.skipif(not installed("simplejpeg"), reason="simplejpeg is not installed; vitnas[jpeg] adds it")

MANY = 1 << 24


def both(data: bytes, size: int, channels: int = 3) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    by_pillow, by_simplejpeg = (decode(data, size, channels, name).astype(int) for name in ("pillow", "simplejpeg"))
    assert by_pillow.shape == by_simplejpeg.shape == (channels, size, size)
    return by_pillow, by_simplejpeg


@pytest.mark.parametrize("shape", [(500, 376), (376, 500), (224, 224), (96, 64), (1800, 1206), (2000, 1999)])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"subsampling": 0}])
def test_pixels_are_near(shape: tuple[int, int], channels: int, how: dict[str, object]) -> None:
    data = encoded(picture(1, shape), "jpeg", quality=90, **how)
    assert decode_jpeg(data, 224, channels, MANY) is not None
    one, other = both(data, 224, channels)
    assert np.abs(one - other).mean() < 0.2


@pytest.mark.parametrize("shape", [(500, 375), (375, 500), (225, 224), (1801, 1205)])
def test_where_an_odd_number_is_cut_off_pixels_move_by_less_than_half_of_one(shape: tuple[int, int]) -> None:
    one, other = both(encoded(picture(1, shape), "jpeg", quality=90), 224)
    beside = [np.abs(one[:, :, 1:] - one[:, :, :-1]).mean(), np.abs(one[:, 1:] - one[:, :-1]).mean()]
    assert np.abs(one - other).mean() < 0.5 * max(beside)


def test_gray_files_become_colours() -> None:
    data = encoded(picture(1, (300, 300), gray=True), "jpeg")
    assert decode_jpeg(data, 100, 3, MANY) is not None
    one, other = both(data, 100)
    assert np.abs(one - other).max() <= 2


def test_a_square_of_the_size_is_the_same_to_the_bit() -> None:
    one, other = both(encoded(picture(1, (64, 64)), "jpeg", quality=95), 64)
    assert (one == other).all()


@pytest.mark.parametrize("orientation", range(2, 9))
def test_what_is_not_upright_is_left_to_pillow(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(1, (60, 40)), "jpeg", exif=exif)
    assert decode_jpeg(data, 32, 3, MANY) is None
    one, other = both(data, 32)
    assert (one == other).all()


def test_other_notes_of_a_camera_are_no_reason() -> None:
    exif = Image.Exif()
    exif[0x010F] = "a camera"
    assert decode_jpeg(encoded(picture(1), "jpeg", exif=exif), 16, 3, MANY) is not None


def test_what_is_no_plain_jpeg_is_left_to_pillow() -> None:
    file = io.BytesIO()
    Image.fromarray(picture(2, (40, 40))).convert("CMYK").save(file, "jpeg")
    for data in (file.getvalue(), encoded(picture(2, (40, 40))), encoded(picture(2, (40, 40)), "webp")):
        assert decode_jpeg(data, 32, 3, MANY) is None
        one, other = both(data, 32)
        assert (one == other).all()
    assert decode_jpeg(encoded(picture(2, (40, 40)), "jpeg"), 32, 3, 40 * 40 - 1) is None, "too large"


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_half_a_file_is_as_unreadable(share: float) -> None:
    data = encoded(picture(2, (40, 40)), "jpeg")
    with pytest.raises(UnreadableError):
        decode(data[: int(share * len(data))], 32, 3, "simplejpeg")


def test_a_data_set_is_decoded_by_what_its_settings_say(tmp_path: Path) -> None:
    write_folder(tmp_path, {"a": 5, "b": 5}, "jpg", (90, 70))
    for cache in (None, "resized", "resized"):
        found = {}
        for name in ("pillow", "simplejpeg"):
            dataset = load_dataset(DataSettings(str(tmp_path), image_size=32, decoder=name, cache=cache))
            assert dataset.division.decoder == name
            row = int(dataset.train.rows[0])
            found[name], _ = dataset.train.pixels(np.array([0]))
            assert np.array_equal(found[name][0], decode(dataset.train.files.read(row), 32, 3, name))
        assert not torch.equal(found["pillow"], found["simplejpeg"])


def test_statistics_and_kept_images_know_the_decoder() -> None:
    assert decoded_by("pillow") != decoded_by("simplejpeg")
    assert "simplejpeg 1." in decoded_by("simplejpeg")


def test_without_the_package_it_is_an_error_that_says_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, {"a": 5, "b": 5}, "jpg")
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    with pytest.raises(MissingPackageError, match=r"vitnas\[jpeg\]"):
        load_dataset(DataSettings(str(tmp_path), decoder="simplejpeg"))
