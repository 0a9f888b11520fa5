"""Trained networks as somebody has them who wants faster ones: a plain transformer and a hybrid, on two data sets.

They are trained here, one thread each, and kept as runs below a folder: `python benchmarks/problems/given.py FOLDER`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import torch

from vitnas.automation.recipe import recipe
from vitnas.files import write_json
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace, Task, load_space
from vitnas.supernets.data import DataSettings, load_dataset
from vitnas.supernets.training.train import start_run, train

IMAGES = Path(__file__).parents[3] / "shared" / "data" / "images"
FILES = {"cifar10": "cifar10_32x32_rgb_full_jpegpack.npz", "fashion": "fashion_mnist_28x28_gray.npz"}
PLAIN = """name = "given-vit"

[constants]
grid = "image_size // 4"
tokens = "grid * grid + 1"

[[genes]]
name = "width"
choices = [96]

[[genes]]
name = "depth"
choices = [6]

[[genes]]
name = "heads"
choices = [3]
per = "depth"

[[genes]]
name = "ratio"
choices = [4.0]
per = "depth"

[[sites]]
name = "stem"
kind = "conv_patch_embedding"
in_shape = ["in_channels", "image_size", "image_size"]
out_shape = ["tokens", "width"]
attrs = { patch = 4, hidden = 32 }

[[sites]]
name = "block{i}_attention"
repeat = "depth"
kind = "attention"
in_shape = ["tokens", "width"]
attrs = { heads = "= heads", head_width = 32, reach = 0 }

[[sites]]
name = "block{i}_ffn"
repeat = "depth"
kind = "feed_forward"
in_shape = ["tokens", "width"]
attrs = { hidden = "= int(width * ratio)" }

[[sites]]
name = "head"
kind = "classifier"
in_shape = ["tokens", "width"]
out_shape = ["num_classes"]
attrs = { pool = "mean" }
"""
"""A plain transformer behind three convolutions, without which it would learn for hours."""


@dataclass(frozen=True)
class Given:
    """A network to be trained.

    Attributes:
        data: whose images.
        form: "vit" or "hybrid".
        image_size: that it looks at.
        epochs: of its training.
        good: share of the test images that it is to have right, or it is no network that somebody would use.
        steps: of its training instead.
        val_share: of the images that judge networks, if it is not the usual one.
    """

    data: str
    form: str
    image_size: int
    epochs: int
    good: float
    steps: int | None = None
    val_share: float | None = None

    @property
    def name(self) -> str:
        return f"{self.data}-{self.form}"

    @property
    def images(self) -> DataSettings:
        images = DataSettings(str(IMAGES / FILES[self.data]), image_size=self.image_size)
        return images if self.val_share is None else replace(images, val_share=self.val_share)

    def space(self, folder: Path, task: Task) -> SearchSpace:
        """Of this one network alone."""
        if self.form == "hybrid":
            space = load_space("efficientformerv2", task)
            return space.alone(space.smallest())
        file = folder / "given-vit.toml"
        file.write_text(PLAIN)
        return load_space(str(file), task)

    def trained(self, folder: Path) -> RunFolder:
        """The run of its training, which goes on where it stopped."""
        space = self.space(folder, load_dataset(self.images).task)
        return self.like(space, folder / f"{self.name}-{self.epochs}")

    def like(self, space: SearchSpace, path: Path) -> RunFolder:
        """The run of one network of a space, trained as this one is."""
        run = RunFolder(path)
        if not (path / "arch.json").is_file():
            torch.set_num_threads(1)
            if not run.config_file.is_file():
                dataset = load_dataset(self.images)
                steps = self.steps or self.epochs * (len(dataset.train) // 64)
                settings = recipe(dataset, self.form == "hybrid", steps, checkpoint_every=500, threads=1)
                if self.form == "vit":
                    settings = replace(settings, learning_rate=2e-3)
                start_run(path, space, self.images, settings)
            train(run, progress=False)
            write_json(path / "arch.json", arch_of(run).to_json())
        return RunFolder.open(path)


def arch_of(run: RunFolder) -> Arch:
    """The one arch of a run."""
    return run.space.largest()


GIVEN = (
    Given("cifar10", "vit", 32, 12, 0.70),
    Given("cifar10", "hybrid", 64, 6, 0.70),
    Given("fashion", "hybrid", 64, 2, 0.90),
    Given("fashion", "vit", 28, 10, 0.90),
)


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with get_context("spawn").Pool(2) as pool:
        for run in pool.starmap(Given.trained, [(given, folder) for given in GIVEN], chunksize=1):
            print(run.path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
