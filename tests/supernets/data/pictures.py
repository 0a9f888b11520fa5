"""Pictures with known content, for the tests of every format."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SHADES = (30, 90, 150, 210)


def picture(number: int, size: tuple[int, int] = (16, 16), gray: bool = False) -> NDArray[np.uint8]:
    """A smooth picture (H, W, 3) or (H, W) that no other number gives."""
    rows, columns = np.mgrid[: size[1], : size[0]].astype(np.float64)
    waves = [
        128 + 60 * np.sin((rows * (c + 1) + columns + 7 * number) / 9) + (number * 13 + c * 31) % 60 for c in range(3)
    ]
    x = np.stack(waves, axis=2).clip(0, 255).astype(np.uint8)
    return x[:, :, 0] if gray else x


def encoded(x: NDArray[np.uint8], kind: str = "png", **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(x).save(file, kind, **options)
    return file.getvalue()


def write_folder(root: Path, classes: dict[str, int], kind: str = "png", size: tuple[int, int] = (16, 16)) -> None:
    """So many pictures in a folder for every class; they are numbered through."""
    number = 0
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i:03}.{kind}").write_bytes(
                encoded(picture(number, size), {"jpg": "jpeg"}.get(kind, kind))
            )
            number += 1


def chw(x: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return x[None] if x.ndim == 2 else x.transpose(2, 0, 1)
