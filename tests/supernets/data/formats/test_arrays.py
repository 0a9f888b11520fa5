from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.supernets.data.pictures import encoded, picture
from vitnas.errors import DataError
from vitnas.search_spaces import Task
from vitnas.supernets.data import DataSettings, load_dataset

ROOT = Path(__file__).parents[3]
SHARED = ROOT.parent / "shared" / "data" / "images"
X = np.stack([picture(i) for i in range(20)])
Y = np.arange(20) % 4


@pytest.mark.parametrize("layout", ["NHWC", "NCHW", "gray", "gray channel"])
@pytest.mark.parametrize("kind", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("mapped", [True, False])
def test_every_layout_gives_the_same_images(tmp_path: Path, layout: str, kind: type, mapped: bool) -> None:
    x = {"NHWC": X, "NCHW": X.transpose(0, 3, 1, 2), "gray": X[..., 0], "gray channel": X[..., :1]}[layout]
    expected = X.transpose(0, 3, 1, 2) if layout.startswith("N") else X[:, None, :, :, 0]
    x = x if kind is np.uint8 else (x / 255).astype(kind)
    if mapped:
        np.save(tmp_path / "images.npy", x)
        np.save(tmp_path / "labels.npy", Y)
        dataset = load_dataset(str(tmp_path))
        assert isinstance(dataset.train.x.base, np.memmap)
    else:
        np.savez(tmp_path / "all.npz", x=x, y=Y)
        dataset = load_dataset(str(tmp_path / "all.npz"))
    assert dataset.task == Task(16, 4, expected.shape[1])
    for images in (dataset.train, dataset.val):
        pixels, labels = images.pixels(np.arange(len(images)))
        assert np.array_equal(pixels.numpy(), expected[images.rows])
        assert np.array_equal(labels.numpy(), Y[images.rows])
    assert sorted([*dataset.train.rows, *dataset.val.rows]) == list(range(20))


@pytest.mark.parametrize(
    "names", [("x_train", "y_train", "x_test", "y_test"), ("x_train", "y_train", "x_val", "y_val")]
)
def test_splits_of_the_file_are_kept(tmp_path: Path, names: tuple[str, ...]) -> None:
    np.savez_compressed(tmp_path / "a.npz", **dict(zip(names, (X[:12], Y[:12, None], X[12:], Y[12:]), strict=True)))
    dataset = load_dataset(str(tmp_path / "a.npz"))
    # What is called test testifies, and a share of the training images validates.
    assert (len(dataset.train), len(dataset.val)) == ((8, 4) if "x_test" in names else (12, 8))
    others = dataset.test if "x_test" in names else dataset.val
    assert np.array_equal(others.pixels(np.array([7]))[0][0].numpy(), X[19].transpose(2, 0, 1))


def test_packed_jpegs(tmp_path: Path) -> None:
    files = [encoded(x, "jpeg", quality=95) for x in X]
    offsets = np.cumsum([0, *map(len, files)])
    packed = np.frombuffer(b"".join(files), np.uint8)
    np.savez(tmp_path / "a.npz", jpeg_train=packed, offset_train=offsets, y_train=Y)
    dataset = load_dataset(str(tmp_path / "a.npz"))
    pixels, _ = dataset.train.pixels(np.array([5]))
    assert np.abs(pixels[0].numpy().astype(int) - X[dataset.train.rows[5]].transpose(2, 0, 1)).mean() < 6
    np.savez(tmp_path / "b.npz", jpeg_train=packed, offset_train=offsets[1:], y_train=Y)
    with pytest.raises(DataError, match="20 labels need 21 rising offsets"):
        load_dataset(str(tmp_path / "b.npz"))


@given(st.integers(8, 40), st.sampled_from([1, 3]))
def test_another_size_keeps_what_is_seen(size: int, channels: int) -> None:
    from vitnas.supernets.data.images import Pixels

    images = Pixels.of(X.transpose(0, 3, 1, 2), Y)
    object.__setattr__(images, "image_size", size)
    object.__setattr__(images, "channels", channels)
    pixels, _ = images.pixels(np.arange(20))
    assert pixels.shape == (20, channels, size, size)
    luma = (X @ np.array([0.299, 0.587, 0.114])).mean(axis=(1, 2))
    found = pixels.double().mean(dim=(2, 3)).numpy()
    brightness = found[:, 0] if channels == 1 else found @ np.array([0.299, 0.587, 0.114])
    assert np.abs(brightness - luma).max() < 2


def test_images_that_are_not_square_keep_their_middle(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.pad(X, ((0, 0), (0, 0), (5, 6), (0, 0))), y=Y)
    dataset = load_dataset(str(tmp_path / "a.npz"))
    assert dataset.task.image_size == 16
    assert np.array_equal(
        dataset.train.pixels(np.array([0]))[0][0].numpy(), X[dataset.train.rows[0]].transpose(2, 0, 1)
    )


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X}, r"holds arrays \['x'\]; it needs x_train and y_train"),
        ({"x": X, "y": Y[:7]}, "20 images and 7 labels"),
        ({"x": X[:0], "y": Y[:0]}, "0 images and 0 labels"),
        ({"x": X, "y": Y - 1}, "labels count from 0; got -1"),
        ({"x": X, "y": Y * 2}, r"labels go up to 6, but \[1, 3, 5\] have no image"),
        ({"x": X, "y": Y / 4}, "labels must be whole numbers"),
        ({"x": X, "y": np.eye(4)[Y]}, r"labels must be whole numbers, one an image; got float64 of shape \(20, 4\)"),
        ({"x": X[0, 0], "y": Y[:16]}, r"images of shape \(16, 3\); it must be \(N, H, W\)"),
        ({"x": X[..., [0, 0, 1, 1, 2]], "y": Y}, r"with 1 or 3 channels"),
        ({"x": X.astype(np.int64), "y": Y}, "must be uint8, or floats in 0..1; got int64"),
        ({"x": X.astype(np.float32), "y": Y}, r"floats must lie in 0..1; got \S+ to 2"),
        ({"x": np.full(X.shape, np.nan), "y": Y}, "floats must lie in 0..1; got nan"),
        ({"x": X, "y": Y * 0}, "one class"),
        ({"x": X * 0, "y": Y}, "pixels are all equal"),
        ({"x": X, "y": Y.astype(object)}, "cannot be read as arrays: Object arrays"),
        ({"x_train": X, "y_train": Y, "x_test": X, "y_test": Y % 2}, r"4 classes, and test images 2"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "a.npz"))


def test_files_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    (tmp_path / "cut.npz").write_bytes((tmp_path / "a.npz").read_bytes()[:5000])
    with pytest.raises(DataError, match="cut.npz' cannot be read as arrays"):
        load_dataset(str(tmp_path / "cut.npz"))
    np.save(tmp_path / "images.npy", X)
    with pytest.raises(DataError, match="needs its labels beside it, in a file 'labels.npy'"):
        load_dataset(str(tmp_path / "images.npy"))
    np.save(tmp_path / "labels.npy", Y)
    assert load_dataset(str(tmp_path / "images.npy")).name == "images"


def npy(shape: object, kind: str = "|u1", data: bytes = b"") -> bytes:
    """An .npy file with any header."""
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


HEADERS = {
    "119 GiB": npy((42_000_000, 32, 32, 3)),
    "more than any machine": npy((10**18, 32, 32, 3)),
    "more than a number": npy((10**30, 32)),
    "below zero": npy((-20, 16, 16, 3), data=bytes(15360)),
    "twice below zero": npy((-20, -16, 16, 3), data=bytes(15360)),
    "a fraction": npy((20.5, 16)),
    "no shape": npy(7),
    "deep": npy("-" * 9000 + "1"),
    "brackets": npy("(" * 9000),
    "objects": npy((20,), "|O"),
    "text": npy((20,), "<U1000000000"),
    "a version of another numpy": b"\x93NUMPY\x09\x00" + bytes(100),
    "nothing": b"",
}


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_headers_that_cannot_be_are_refused(tmp_path: Path, name: str, compression: int) -> None:
    np.save(tmp_path / "labels.npy", Y)
    labels = (tmp_path / "labels.npy").read_bytes()
    for images, y in ((HEADERS[name], labels), ((tmp_path / "labels.npy").read_bytes(), HEADERS[name])):
        with zipfile.ZipFile(tmp_path / "a.npz", "w", compression) as file:
            file.writestr("x.npy", images)
            file.writestr("y.npy", y)
        with pytest.raises(DataError):
            load_dataset(str(tmp_path / "a.npz"))
    (tmp_path / "images.npy").write_bytes(HEADERS[name])
    with pytest.raises(DataError, match="images.npy' cannot be read as arrays"):
        load_dataset(str(tmp_path / "images.npy"))


def test_what_does_not_fit_into_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=X, y=Y)
    monkeypatch.setattr("vitnas.supernets.data.formats.array_files.available_bytes", lambda: 15_000)
    with pytest.raises(DataError, match=r"array 'x' needs 0.0 GiB of memory, and 0.0 are free"):
        load_dataset(str(tmp_path / "a.npz"))


def test_a_size_that_the_packed_bytes_cannot_become_is_refused(tmp_path: Path) -> None:
    needed = 119 << 30
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", npy((needed // 3072, 32, 32, 3)))
        file.writestr("y.npy", npy((20,), "<i8", Y.tobytes()))
    content = (tmp_path / "a.npz").read_bytes()
    real, claimed = (size.to_bytes(4, "little") for size in (128, 0xFFFFFFF0))
    (tmp_path / "a.npz").write_bytes(content.replace(real * 2, real + claimed))
    with pytest.raises(DataError, match="cannot be read as arrays"):
        load_dataset(str(tmp_path / "a.npz"))


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "y": np.where(Y == 3, 2**40, Y)}, r"labels go up to 1099511627776, but \[3, 4, 5, 6, 7\]"),
        ({"x": X, "y": np.full(20, 2**64 - 1, np.uint64)}, r"labels go up to 18446744073709551615"),
        ({"x": X[:, :0], "y": Y}, "have no pixels"),
        ({"x": np.float32(3), "y": Y}, "images of shape"),
        ({"x": X, "y": np.int64(3)}, "labels must be whole numbers"),
        ({"jpeg_train": X[0, 0, 0], "offset_train": [-1, *range(20)], "y_train": Y}, "20 labels need 21 rising"),
        ({"jpeg_train": X[0, 0, 0], "offset_train": np.arange(21.0), "y_train": Y}, "20 labels need 21 rising"),
        ({"jpeg_train": X[0, 0, 0], "offset_train": np.int64(3), "y_train": Y}, "20 labels need 21 rising"),
        (
            {"jpeg_train": X.ravel(), "offset_train": np.arange(21)[::-1].astype(np.uint64), "y_train": Y},
            "20 labels need 21 rising",
        ),
        ({"jpeg_train": X, "offset_train": np.arange(21), "y_train": Y}, "one row of uint8"),
    ],
)
def test_numbers_that_cannot_be_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "a.npz"))


def test_what_an_archiver_adds_is_no_array(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=X, y_train=Y)
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
        file.writestr("__MACOSX/._x_train.npy", b"Mac OS X")
        file.writestr("x_test.npy/.DS_Store", b"x")
    dataset = load_dataset(str(tmp_path / "a.npz"))
    assert (len(dataset.train), len(dataset.val)) == (16, 4)


def test_one_file_cannot_both_teach_and_judge(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=X, y=Y)
    with pytest.raises(DataError, match="two splits share 1 files"):
        load_dataset(DataSettings(str(tmp_path / "a.npz"), val=str(tmp_path / "a.npz")))
    with pytest.raises(DataError, match="two splits share 1 files"):
        load_dataset(DataSettings("digits", val="digits"))


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data/images is not here")
@pytest.mark.parametrize(
    ("file", "task", "mean"),
    [
        # Means that everybody publishes for these data sets; ours come from 2048 of the images.
        ("fashion_mnist_28x28_gray.npz", Task(28, 10, 1), (0.286,)),
        ("cifar10_32x32_rgb_full_jpegpack.npz", Task(32, 10, 3), (0.491, 0.482, 0.447)),
    ],
)
def test_published_data(file: str, task: Task, mean: tuple[float, ...]) -> None:
    dataset = load_dataset(DataSettings(str(SHARED / file)))
    assert dataset.task == task
    assert (len(dataset.train), len(dataset.val)) in ((40_000, 10_000), (48_000, 12_000))
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert dataset.mean == pytest.approx(mean, abs=0.01)
    x, _ = dataset.train.sample(512).all()
    assert abs(float(x.mean())) < 0.1
    assert abs(float(x.std()) - 1) < 0.1
