"""How fast are JPEG files decoded, and images that were kept read?

Milliseconds of one thread for an image of 500x375 pixels (as most photographs of ImageNet) from the bytes of its file to a square of 224 pixels,
the median of interleaved rounds over drawn photographs with grain. `ratio.NAME` is how many times as fast as `[data] decoder = "pillow"`:

simplejpeg          `[data] decoder = "simplejpeg"`: decoded by simplejpeg, resized by torch
simplejpeg_pillow   decoded by simplejpeg, resized by Pillow
pillow_torch        decoded by Pillow, resized by torch
simplejpeg_scaled   as simplejpeg, decoded at five eighths by the scaled transform of libjpeg-turbo
turbojpeg           decoded by PyTurboJPEG, resized by torch; needs libturbojpeg 3 of the system or at $LIBTURBOJPEG
kept                `[data] cache = "resized"`: read from disk, with its seal

`differs.NAME` is by how many of 256 levels a pixel differs from Pillow's in the mean. What is not installed is left out.
"""

from __future__ import annotations

import importlib
import io
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import frame
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from vitnas.extras import installed, load
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.data.decoding import decode

SIZE, SIDES = 224, (500, 375)
PHOTOGRAPHS, ROUNDS = 64, 25

Decoder = Callable[[bytes], NDArray[np.uint8]]


def measure(quick: bool) -> frame.Results:
    torch.set_num_threads(1)
    files = [photograph(number) for number in range(8 if quick else PHOTOGRAPHS)]
    ways: dict[str, Decoder] = {
        "pillow": lambda data: decode(data, SIZE, 3),
        "pillow_torch": pillow_torch,
        **optional(),
    }

    def all_by(way: Decoder) -> Callable[[], object]:
        return lambda: [way(data) for data in files]

    with tempfile.TemporaryDirectory() as folder:
        calls = {name: all_by(way) for name, way in ways.items()} | {"kept": kept(Path(folder), files)}
        seconds = frame.interleaved_s(list(calls.values()), 3 if quick else ROUNDS, time.thread_time)
    ms = {name: 1000 * s / len(files) for name, s in zip(calls, seconds, strict=True)}
    expected = [ways["pillow"](data).astype(int) for data in files]
    results: dict[str, float] = {}
    rows = []
    for name, each in ms.items():
        results |= {f"ms.{name}": each, f"ratio.{name}": ms["pillow"] / each}
        differs = "0 (tested)"
        if name in ways:
            found = [ways[name](data) for data in files]
            results[f"differs.{name}"] = float(
                np.mean([np.abs(a - b).mean() for a, b in zip(found, expected, strict=True)])
            )
            differs = f"{results[f'differs.{name}']:.2f}"
        rows.append((name, f"{each:.3f}", f"{1000 / each:,.0f}", f"{ms['pillow'] / each:.2f}", differs))
    frame.show("photographs", ("way", "ms", "a second", "ratio", "differs"), rows)
    return results


def photograph(number: int) -> bytes:
    """Soft shapes with grain, some 50 KB."""
    rng = np.random.default_rng(number)
    width, height = SIDES
    shapes = Image.fromarray(rng.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
    x = np.asarray(shapes.resize(SIDES, Image.Resampling.BICUBIC)) + rng.normal(0, 6, (height, width, 3))
    file = io.BytesIO()
    Image.fromarray(x.clip(0, 255).astype(np.uint8)).save(file, "jpeg", quality=90)
    return file.getvalue()


def pillow_torch(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as image:
        image.draft("RGB", (SIZE, SIZE))
        return resized(np.array(image))


def resized(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = min(x.shape[:2])
    top, left = ((n - side) // 2 for n in x.shape[:2])
    square = torch.from_numpy(x[top : top + side, left : left + side]).permute(2, 0, 1)[None]
    found: NDArray[np.uint8] = (
        F.interpolate(square, (SIZE, SIZE), mode="bilinear", antialias=True)[0].contiguous().numpy()
    )
    return found


def optional() -> dict[str, Decoder]:
    """The ways whose packages are installed."""
    found: dict[str, Decoder] = {}
    if installed("simplejpeg"):
        found |= {
            "simplejpeg": lambda data: decode(data, SIZE, 3, "simplejpeg"),
            "simplejpeg_pillow": simplejpeg_pillow,
            "simplejpeg_scaled": lambda data: resized(
                load("simplejpeg").decode_jpeg(data, "RGB", min_height=SIZE, min_width=SIZE, min_factor=1.0)
            ),
        }
    if installed("turbojpeg"):
        turbojpeg = importlib.import_module("turbojpeg")
        try:
            jpeg = turbojpeg.TurboJPEG(os.environ.get("LIBTURBOJPEG"))
        except (RuntimeError, OSError, AttributeError) as error:
            print(f"turbojpeg is left out: {str(error).splitlines()[0]}")
        else:
            found["turbojpeg"] = lambda data: resized(jpeg.decode(data, pixel_format=turbojpeg.TJPF_RGB))
    return found


def simplejpeg_pillow(data: bytes) -> NDArray[np.uint8]:
    image = Image.fromarray(load("simplejpeg").decode_jpeg(data, "RGB"))
    (width, height), side = image.size, min(image.size)
    left, top = (width - side) / 2, (height - side) / 2
    square = image.resize((SIZE, SIZE), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def kept(folder: Path, files: list[bytes]) -> Callable[[], object]:
    """Reads images that were decoded before."""
    os.environ["VITNAS_CACHE"] = str(folder / "cache")
    for label in ("a", "b"):
        (folder / "images" / label).mkdir(parents=True)
    for number, data in enumerate(files):
        (folder / "images" / "ab"[number % 2] / f"{number}.jpg").write_bytes(data)
    dataset = load_dataset(DataSettings(str(folder / "images"), image_size=SIZE, cache="resized", test_share=0.0))

    def read() -> object:
        return [part.pixels(np.array([i])) for part in (dataset.train, dataset.val) for i in range(len(part))]

    read()
    return read


if __name__ == "__main__":
    frame.run(__doc__, measure)
