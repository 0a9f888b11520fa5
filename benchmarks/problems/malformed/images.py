"""Image folders, arrays and tar shards that cannot be trained on."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .case import (
    TRAIN,
    Case,
    Spoil,
    both,
    cut,
    remove,
    write,
)


def images() -> Iterator[Case]:
    def arrays(**changes: Any) -> Spoil:
        def spoil(folder: Path) -> None:
            with np.load(folder / "photos.npz") as found:
                values = {**found, **changes}
            np.savez(folder / "photos.npz", **{k: v for k, v in values.items() if v is not None})

        return spoil

    def pickled(folder: Path) -> None:
        np.savez(folder / "photos.npz", images=np.array([{"a": 1}] * 24, dtype=object), labels=np.arange(24) % 2)

    def tiny(folder: Path) -> None:
        from PIL import Image

        for path in (folder / "photos").rglob("*.png"):
            Image.new("RGB", (1, 1)).save(path)

    def text(folder: Path) -> None:
        for path in (folder / "photos").rglob("*.png"):
            path.write_text("not a picture")

    def halves(folder: Path) -> None:
        for path in (folder / "photos").rglob("*.png"):
            path.write_bytes(path.read_bytes()[:60])

    def one_file_each(folder: Path) -> None:
        for kind in ("cat", "dog"):
            for path in sorted((folder / "photos" / kind).iterdir())[1:]:
                path.unlink()

    def tar(*names: str) -> Spoil:
        def spoil(folder: Path) -> None:
            import tarfile

            with tarfile.open(folder / "shard-0000.tar", "w") as file:
                for name in names:
                    info = tarfile.TarInfo(name)
                    info.size = 3
                    file.addfile(info, io.BytesIO(b"abc"))

        return spoil

    folder: dict[str, Spoil] = {
        "no classes": both(remove("photos/cat", "photos/dog"), write("photos/readme.txt", "none")),
        "an empty folder": remove("photos/cat", "photos/dog"),
        "one class": remove("photos/dog"),
        "classes without images": both(remove("photos"), write("photos/a/x.txt", ""), write("photos/b/x.txt", "")),
        "text named .png": text,
        "every image cut off": halves,
        "one image a class": one_file_each,
    }
    for name, spoil in folder.items():
        yield Case(name, f"{TRAIN} --data photos", spoil)
    yield Case("images smaller than the patch", f"{TRAIN} --data photos --image-size 1", tiny)
    yield Case("a size the space cannot take", f"{TRAIN} --data photos --image-size 3")
    yield Case("no validation images", f"{TRAIN} --data photos --val nowhere")
    yield Case(
        "validation images of other classes", f"{TRAIN} --data photos --val other", write("other/bird/1.png", "")
    )
    file: dict[str, Spoil] = {
        "not a zip": write("photos.npz", "zip"),
        "a zip cut off": cut("photos.npz", 0.6),
        "pickled objects": pickled,
        "without labels": arrays(labels=None),
        "without images": arrays(images=None),
        "fewer labels than images": arrays(labels=np.arange(7) % 2),
        "labels of text": arrays(labels=np.array(["a"] * 24)),
        "labels below zero": arrays(labels=np.arange(24) % 2 - 1),
        "labels with fractions": arrays(labels=np.linspace(0, 1, 24)),
        "images of two dimensions": arrays(images=np.zeros((24, 16), np.uint8)),
        "images of five channels": arrays(images=np.zeros((24, 16, 16, 5), np.uint8)),
        "images that are not square": arrays(images=np.zeros((24, 16, 0, 3), np.uint8)),
        "no images at all": arrays(images=np.zeros((0, 16, 16, 3), np.uint8), labels=np.zeros(0, np.int64)),
        "images of NaN": arrays(images=np.full((24, 16, 16, 3), np.nan, np.float32)),
    }
    for name, spoil in file.items():
        yield Case(f"arrays {name}", f"{TRAIN} --data photos.npz", spoil)
    yield Case("a file of no known kind", f"{TRAIN} --data photos.docx", write("photos.docx", "x"))
    yield Case("shards without images", f"{TRAIN} --data shard-0000.tar", tar("1.txt", "2.txt"))
    yield Case("shards without labels", f"{TRAIN} --data shard-0000.tar", tar("1.jpg", "2.jpg"))
    yield Case("a shard that is none", f"{TRAIN} --data shard-0000.tar", write("shard-0000.tar", "no tar"))
