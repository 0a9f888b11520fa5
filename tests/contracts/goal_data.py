"""Eight drawn pictures with every truth, in every format that holds it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from vitnas.supernets.data.shapes.drawings import shapes
from vitnas.supernets.data.shapes.truths import NAMES
from vitnas.supernets.data.truths import IGNORED

SIZE, PICTURES = 16, 8
COLOURS = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255)]


def drawn(answer: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (N, H, W, 3) and their truths."""
    images = shapes(PICTURES, 1, 1, answer).train
    images = type(images)(**{**vars(images), "image_size": SIZE})
    x, y = images.pixels(np.arange(PICTURES))
    return x.permute(0, 2, 3, 1).numpy(), y.numpy()


def arrays(folder: Path, answer: str) -> Path:
    x, y = drawn(answer)
    if answer == "labels":
        y = y[:, y.any(axis=0)]
    np.savez(folder / "pictures.npz", x_train=x, y_train=y, x_val=x, y_val=y)
    return folder / "pictures.npz"


def image_folder(folder: Path, answer: str) -> Path:
    x, y = drawn(answer)
    for split in ("train", "val"):
        for i, (picture, label) in enumerate(zip(x, y, strict=True)):
            place = folder / split / NAMES[answer][label]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(place / f"{i}.png")
    return folder


def label_table(folder: Path, answer: str, together: bool = True) -> Path:
    x, y = drawn(answer)
    names = [name for name, has in zip(NAMES[answer], y.any(axis=0), strict=True) if has]
    rows = []
    for split in ("train", "val"):
        for i, (picture, has) in enumerate(zip(x, y[:, y.any(axis=0)], strict=True)):
            Image.fromarray(picture).save(folder / f"{split}{i}.png")
            row = {"image": f"{split}{i}.png", "split": split}
            row |= (
                {"labels": "|".join(n for n, own in zip(names, has, strict=True) if own)}
                if together
                else dict(zip(names, has.tolist(), strict=True))
            )
            rows.append(row)
    with (folder / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def wide_label_table(folder: Path, answer: str) -> Path:
    return label_table(folder, answer, together=False)


def mask_folder(folder: Path, answer: str, painted: bool = False) -> Path:
    x, y = drawn(answer)
    palette = np.zeros((256, 3), np.uint8)
    palette[: len(COLOURS)], palette[IGNORED] = COLOURS, (128, 128, 128)
    for split in ("train", "val"):
        for what in ("images", "masks"):
            (folder / split / what).mkdir(parents=True)
        for i, (picture, mask) in enumerate(zip(x, y, strict=True)):
            Image.fromarray(picture).save(folder / split / "images" / f"{i}.png")
            found = Image.fromarray(palette[mask] if painted else mask)
            if not painted:
                found.putpalette(palette.tobytes())
            found.save(folder / split / "masks" / f"{i}.png")
    if painted:
        lines = [f"{name},{r},{g},{b}" for name, (r, g, b) in zip(NAMES[answer], COLOURS, strict=True)]
        (folder / "classes.csv").write_text("\n".join(["name,red,green,blue", *lines, "ignore,128,128,128"]))
    else:
        (folder / "classes.txt").write_text("\n".join(NAMES[answer]))
    return folder


def painted_mask_folder(folder: Path, answer: str) -> Path:
    return mask_folder(folder, answer, painted=True)


DATA: list[tuple[str, Callable[[Path, str], Path]]] = [
    ("class", arrays),
    ("class", image_folder),
    ("labels", arrays),
    ("labels", label_table),
    ("labels", wide_label_table),
    ("mask", arrays),
    ("mask", mask_folder),
    ("mask", painted_mask_folder),
]
"""Every goal with every format that tells its truths."""
