"""SupernetScore: true evaluation on the weights of a run, which it carries, so that workers need no files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from vitnas.nas.pareto.answers import ANSWERS, Answers
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.data import Dataset, Images, Pixels, dataset_of
from vitnas.supernets.evaluation import cut_out, evaluate, one_thread
from vitnas.supernets.recalibration import BATCH_SIZE, NUM_BATCHES
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.checkpoints import load_supernet

MOST_BYTES = 4 * 2**30
"""Images that take more are not carried but read where they lie, by every worker."""

CHUNK = 256

TEST_ACCURACY, TEST_IMAGES = "test_accuracy", "test_images"
"""The figures of a score that was made with the test images; no score of a search is."""

BATCH_NORM_IMAGES = NUM_BATCHES * BATCH_SIZE
"""The training images that `recalibrate` looks at by default; a sample of this sample is the sample itself."""


@dataclass(frozen=True, eq=False)
class SupernetScore:
    """Scores archs by weights and images in arrays, which the processes of one machine share without copies.

    One thread is used, so that every process gets the same bits.

    Attributes:
        space: of the supernet.
        weights: its state, by name.
        dataset: training images for batch norms, validation images to judge by, and test images if they were asked for.
    """

    space: SearchSpace
    weights: Mapping[str, NDArray[Any]]
    dataset: Dataset

    @classmethod
    def of(cls, run: RunFolder, test: bool = False) -> SupernetScore:
        """Reads the newest weights of a run, and its images; those of the test only for who chooses nothing by them."""
        supernet, dataset = load_supernet(run), dataset_of(run)
        train = dataset.train.sample(BATCH_NORM_IMAGES)
        weights = {name: tensor.numpy() for name, tensor in supernet.state_dict().items()}
        kept = _carried(dataset.test) if test and dataset.test is not None else None
        return cls(run.space, weights, replace(dataset, train=_carried(train), val=_carried(dataset.val), test=kept))

    def __call__(self, arch: Arch) -> dict[str, float | str]:
        """Accuracy in 0..1, its standard deviation for that many images, loss, and on which images it was right."""
        test = self.dataset.test
        with one_thread():
            network = cut_out(self._supernet, self.space.check(arch), self.dataset.train)
            found = evaluate(network, self.dataset.val)
            tested = (
                {TEST_ACCURACY: evaluate(network, test).accuracy, TEST_IMAGES: len(test)} if test is not None else {}
            )
        figures = {"accuracy": found.accuracy, "accuracy_std": found.accuracy_std, "loss": found.loss}
        return {**figures, **tested, ANSWERS: str(Answers.of(found.right))}

    @cached_property
    def _supernet(self) -> Supernet:
        """The network over the arrays, which may not be writable, and nothing here writes."""
        net = Supernet(self.space)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            net.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()}, assign=True)
        return net.eval()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_supernet"}


def _carried(images: Images) -> Images:
    """The same images as uint8 in one array, if that is not too large."""
    if len(images) * images.channels * images.image_size**2 > MOST_BYTES:
        return images
    x = np.empty((len(images), images.channels, images.image_size, images.image_size), np.uint8)
    labels = np.empty(len(images), np.int64)
    for start in range(0, len(images), CHUNK):
        part = np.arange(start, min(start + CHUNK, len(images)))
        pixels, y = images.pixels(part)
        x[part], labels[part] = pixels.numpy(), y.numpy()
    return Pixels.of(x, labels, images.mean, images.std)
