"""Does evaluating archs on a supernet cost more than their forward passes?

`ratio`: archs a second of a search's score, over those of nothing but the forward passes of the extracted networks over the same images, which
lie normalised in memory: the validation images, and those that batch norms are measured on. One thread, by its own time, the four smallest
uniformly scaled archs, 2,000 drawn images of 64 pixels; `ratio.SPACE` of a space with batch norms and of one without, `ratio` the lower of the two.

`together`: archs a second of processor time where the images are JPEG files of 256 pixels, eight archs at once, over one by one.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import frame
import numpy as np
import torch
from PIL import Image
from torch import nn

from vitnas.nas.scores import supernet as scoring
from vitnas.nas.scores.supernet import SupernetScore
from vitnas.search_spaces import Arch, load_space
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.data import Dataset, DataSettings, held, load_dataset
from vitnas.supernets.evaluation import ON_CPU, one_thread
from vitnas.supernets.recalibration import BATCH_SIZE, batch_norms
from vitnas.supernets.supernet import Supernet

SPACES = ("efficientformerv2", "deit")
SIZE = 64
ARCHS = 4
ROUNDS = 3


def measure(quick: bool) -> frame.Results:
    torch.set_num_threads(1)
    number, rounds = (2, 1) if quick else (ARCHS, ROUNDS)
    dataset = load_dataset(DataSettings("shapes", image_size=SIZE))
    results: dict[str, float] = {}
    rows = []
    for name in SPACES:
        score = score_of(name, dataset)
        archs = uniform_line(score.space)[:number]
        networks = [score._supernet.extract(arch).eval() for arch in archs]
        val, train = (images.all()[0] for images in (score.dataset.val, score.dataset.train))

        def ours(score: SupernetScore = score, archs: Sequence[Arch] = archs) -> object:
            return [score(arch) for arch in archs]

        def plain(
            networks: Sequence[nn.Module] = networks, val: torch.Tensor = val, train: torch.Tensor = train
        ) -> None:
            pass_through(networks, train, val)

        ours_s, plain_s = frame.interleaved_s([ours, plain], rounds, time.thread_time)
        results[f"ratio.{name}"] = plain_s / ours_s
        results[f"archs_per_s.{name}"] = number / ours_s
        rows.append((name, f"{number / ours_s:.2f}", f"{number / plain_s:.2f}", f"{plain_s / ours_s:.3f}"))
    frame.show("archs a second", ("space", "score", "forward passes", "ratio"), rows)
    results["ratio"] = min(results[f"ratio.{name}"] for name in SPACES)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(dataset, Path(folder), 200 if quick else 1000)
        pictures = load_dataset(DataSettings(folder, image_size=SIZE, cache="off"))
        held.MOST_BYTES = 0  # as of images that do not fit
        score = score_of("deit", pictures)
        assert score.at_once == scoring.TOGETHER
        archs = [score.space.smallest()] * scoring.TOGETHER
        one_s, all_s = frame.interleaved_s(
            [lambda: [score(arch) for arch in archs], lambda: score.together(archs)],
            1 if quick else 3,
            time.process_time,
        )
        results["together"] = one_s / all_s
    return results


def pass_through(networks: Sequence[nn.Module], train: torch.Tensor, val: torch.Tensor) -> None:
    """Nothing but forward passes: for batch norms, and to be judged."""
    with torch.no_grad(), one_thread():
        for network in networks:
            if batch_norms(network):
                for part in torch.split(train, BATCH_SIZE):
                    network(part)
            for part in torch.split(val, ON_CPU):
                network(part)


def score_of(name: str, dataset: Dataset) -> SupernetScore:
    """The score of a search whose supernet learnt nothing, which costs the same."""
    space = load_space(name, dataset.task)
    weights = {key: tensor.numpy() for key, tensor in Supernet(space, 0).state_dict().items()}
    carried = {"train": dataset.train.sample(scoring.BATCH_NORM_IMAGES), "val": dataset.val}
    images = {part: scoring._carried(of) for part, of in carried.items()}
    return SupernetScore(space, weights, Dataset(**{**vars(dataset), **images, "test": None}))


def write_pictures(dataset: Dataset, folder: Path, number: int, side: int = 256) -> None:
    """JPEG files, a folder a class."""
    pixels, labels = dataset.val.pixels(np.arange(min(number, len(dataset.val))))
    for i, (x, label) in enumerate(zip(pixels, labels.tolist(), strict=True)):
        place = folder / dataset.classes[label]
        place.mkdir(exist_ok=True)
        Image.fromarray(x.permute(1, 2, 0).numpy()).resize((side, side)).save(place / f"{i}.jpg", quality=90)


if __name__ == "__main__":
    frame.run(__doc__, measure)
