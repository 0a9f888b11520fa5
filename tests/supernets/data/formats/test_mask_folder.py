"""Folders of masks: numbers and colours, what is ignored, and what is refused with its file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitnas.errors import DataError
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.data.truths import IGNORED
from vitnas.supernets.data.truths.masks import nearest

CLASSES = "road\nsky\ncar\n"
PAINTED = "name,red,green,blue\nroad,9,9,9\nsky,0,0,255\ncar,255,0,0\nroad,8,8,8\nignore,0,0,0\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for what in ("images", "masks"):
        (tmp_path / what).mkdir()
    for i in range(5):
        Image.fromarray(rng.integers(0, 255, (12, 16, 3)).astype(np.uint8)).save(tmp_path / "images" / f"{i}.jpg")
        Image.fromarray(rng.integers(0, 3, (12, 16)).astype(np.uint8)).save(tmp_path / "masks" / f"{i}.png")
    (tmp_path / "classes.txt").write_text(CLASSES)
    return tmp_path


def settings(folder: Path, **more: object) -> DataSettings:
    return DataSettings(str(folder), answer="mask", image_size=8, test_share=0.0, **more)  # type: ignore[arg-type]


def mask(folder: Path, i: int) -> np.ndarray:
    return np.asarray(Image.open(folder / "masks" / f"{i}.png"))


def test_a_pixel_is_of_the_class_of_the_nearest(folder: Path) -> None:
    dataset = load_dataset(settings(folder))
    assert (dataset.classes, dataset.task.answer_shape) == (("road", "sky", "car"), (3, 8, 8))
    found = dataset.train.truths(np.arange(5)).numpy()
    rows, columns = (np.arange(8) + 0.5) * 12 / 8, 2 + (np.arange(8) + 0.5) * 12 / 8  # the square in the middle
    for i in range(5):
        assert np.array_equal(found[i], mask(folder, i)[rows.astype(int)][:, columns.astype(int)])


def test_a_mask_lies_as_its_image_does(folder: Path) -> None:
    """A mask that is painted into its picture is found where the picture shows it."""
    for i in range(5):
        figure = np.zeros((12, 16), np.uint8)
        figure[2:9, 5 : 8 + i] = 1
        Image.fromarray(figure).save(folder / "masks" / f"{i}.png")
        Image.fromarray(np.repeat(figure[..., None] * 255, 3, 2)).save(folder / "images" / f"{i}.jpg", quality=100)
    dataset = load_dataset(DataSettings(str(folder), answer="mask", image_size=48, test_share=0.0))
    x, y = dataset.val.pixels(np.arange(len(dataset.val)))
    shown, told = x[:, 0].numpy() > 127, y.numpy() == 1
    assert (shown & told).sum() / (shown | told).sum() > 0.9


def test_one_number_is_ignored(folder: Path) -> None:
    Image.fromarray(np.full((12, 16), 200, np.uint8)).save(folder / "masks" / "0.png")
    with pytest.raises(DataError, match="192 pixels of class 200, but 3 classes are listed"):
        load_dataset(settings(folder))
    truth = load_dataset(settings(folder, ignore_index=200)).train.truths(np.arange(5)).numpy()
    assert (truth[0] == IGNORED).all()
    assert (truth[1:] < 3).all()


def test_colours_are_those_of_the_list(folder: Path) -> None:
    numbers = mask(folder, 0)
    colours = np.array([[9, 9, 9], [0, 0, 255], [255, 0, 0]], np.uint8)
    (folder / "classes.csv").write_text(PAINTED)
    for i in range(5):
        painted = colours[mask(folder, i)]
        if i == 1:
            painted[:6], painted[6:] = (0, 0, 0), (8, 8, 8)
        Image.fromarray(painted).save(folder / "masks" / f"{i}.png")
    dataset = load_dataset(settings(folder))
    assert dataset.classes == ("road", "sky", "car")
    truth = dataset.train.truths(np.arange(5)).numpy()
    assert np.array_equal(truth[0], nearest(numbers[None], 8)[0])
    assert (truth[1, :4] == IGNORED).all()
    assert (truth[1, 4:] == 0).all()
    Image.fromarray(np.full((12, 16, 3), 7, np.uint8)).save(folder / "masks" / "3.png")
    with pytest.raises(
        DataError, match=r"3.png' has 192 pixels of colour \(7, 7, 7\), which 'classes.csv' does not list"
    ):
        load_dataset(settings(folder))


def test_splits_lie_above_or_below(folder: Path) -> None:
    for split, numbers in (("train", (0, 1, 2)), ("val", (3, 4))):
        for what, end in (("images", "jpg"), ("masks", "png")):
            (folder / what / split).mkdir()
            for i in numbers:
                (folder / what / f"{i}.{end}").rename(folder / what / split / f"{i}.{end}")
    dataset = load_dataset(settings(folder))
    assert (len(dataset.train), len(dataset.val)) == (3, 2)


def remove(folder: Path) -> None:
    (folder / "masks" / "2.png").unlink()


def larger(folder: Path) -> None:
    Image.fromarray(np.zeros((24, 32), np.uint8)).save(folder / "masks" / "2.png")


def twice(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(folder / "masks" / "2.bmp")


def alone(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 16), np.uint8)).save(folder / "masks" / "9.png")


def painted(folder: Path) -> None:
    Image.fromarray(np.zeros((12, 16, 3), np.uint8)).save(folder / "masks" / "2.png")


def broken(folder: Path) -> None:
    (folder / "masks" / "2.png").write_bytes(b"no image")


def unlisted(folder: Path) -> None:
    (folder / "classes.txt").unlink()


def named_twice(folder: Path) -> None:
    (folder / "classes.txt").write_text("road\nroad\n")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (remove, "no mask for 1 of 5 images, such as '2.jpg'"),
        (larger, "2.png' has 32x24 pixels and its image '2.jpg' 16x12"),
        (twice, "two masks called '2'"),
        (alone, "1 masks of no image, such as '9.png'"),
        (painted, "2.png' is painted in colours, and 'classes.txt' tells none"),
        (broken, "2.png' cannot be read"),
        (unlisted, "no list of classes"),
        (named_twice, "a name is empty, or stands there twice"),
    ],
)
def test_what_does_not_fit_is_refused(folder: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(folder)
    with pytest.raises(DataError, match=message):
        load_dataset(settings(folder))


def test_an_array_of_masks_is_held_to_the_same(tmp_path: Path) -> None:
    x, y = np.zeros((4, 8, 8, 3), np.uint8), np.ones((4, 8, 8), np.int64)
    x[:, ::2] = 90
    y[:, :4], y[0, 0, 0] = 0, 255

    def loaded(masks: np.ndarray) -> object:
        np.savez(tmp_path / "a.npz", x=x, y=masks)
        return load_dataset(DataSettings(str(tmp_path / "a.npz"), answer="mask", test_share=0.0)).task.num_classes

    assert loaded(y) == 2
    for odd, message in (
        (y[:, :4], "each mask must be as large"),
        (y[:2], "4 images and 2 rows"),
        (y - 1, "count from 0"),
    ):
        with pytest.raises(DataError, match=message):
            loaded(odd)


@pytest.mark.parametrize("shape", [(9, 8), (8, 11), (8, 8)])
def test_an_array_of_masks_is_cut_as_its_images_are(tmp_path: Path, shape: tuple[int, int]) -> None:
    y = np.random.default_rng(0).integers(0, 2, (4, *shape))
    np.savez(tmp_path / "a.npz", x=(y * 255).astype(np.uint8), y=y)
    images = load_dataset(DataSettings(str(tmp_path / "a.npz"), answer="mask", test_share=0.0)).train
    x, truth = images.pixels(np.arange(len(images)))
    assert np.array_equal(x[:, 0].numpy() == 255, truth.numpy() == 1)
