"""SupernetScore: true evaluation on the weights of a run, which it carries, so that workers need no files."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from numpy.typing import NDArray

from vitnas.nas.early import AT_MOST, SEEN
from vitnas.nas.pareto.answers import ANSWERS, Answers
from vitnas.nas.quantity import std_of
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.search_spaces.compressed import Compressed
from vitnas.supernets.compensation import Compensation
from vitnas.supernets.data import Dataset, Images, Pixels, dataset_of
from vitnas.supernets.data.held import Held, hold
from vitnas.supernets.evaluation import (
    cut_out,
    evaluate_together,
    evaluate_unless_beaten,
    one_thread,
)
from vitnas.supernets.goals.tally import EvaluationResult
from vitnas.supernets.judgement import OutOfReach
from vitnas.supernets.recalibration import BATCH_SIZE, NUM_BATCHES
from vitnas.supernets.shared_ranges import SharedRanges, ranges_of
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import CPU, find_device
from vitnas.supernets.weights.checkpoints import load_supernet

TOGETHER = 8
"""Archs that are judged at once where images are not carried."""
TEST, TEST_IMAGES = "test_", "test_images"
"""The figures of a score that was made with the test images; no score of a search is."""

BATCH_NORM_IMAGES = NUM_BATCHES * BATCH_SIZE
"""The training images that `recalibrate` looks at by default; a sample of this sample is the sample itself."""


@dataclass(frozen=True, eq=False)
class SupernetScore:
    """Scores archs by weights and images in arrays, which the processes of one machine share without copies.

    On a processor one thread is used, so that every process gets the same bits. On a GPU the weights and the images lie
    there, and figures agree with those of a processor to rounding.

    Attributes:
        space: of the archs: that of the supernet, or a compressed one over it.
        weights: its state, by name.
        dataset: training images for batch norms, validation images to judge by, and test images if they were asked for.
        torch_device: where archs are judged; "auto" and "cuda" are looked up by each process.
        compensation: of the supernet, if it has one.
        ranges: of activations, for archs of a compressed space; each network's own are measured where there are none.
        details: whether figures of each class are told, where the goal has any.
    """

    space: SearchSpace
    weights: Mapping[str, NDArray[Any]]
    dataset: Dataset
    torch_device: str = "cpu"
    compensation: Compensation | None = None
    ranges: SharedRanges | None = None
    details: bool = False

    @classmethod
    def of(
        cls,
        run: RunFolder,
        test: bool = False,
        torch_device: str = "cpu",
        space: SearchSpace | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> SupernetScore:
        """Reads the newest weights of a run, and its images; those of the test only for who chooses nothing by them.

        Args:
            run: with a trained supernet.
            test: whether test images are read.
            torch_device: where archs are judged.
            space: of the archs, by default the run's; of a compressed one over it, the ranges are read too, or measured.
            say: told if they were measured.
        """
        supernet, dataset, space = load_supernet(run), dataset_of(run), space or run.space
        ranges = ranges_of(run, supernet, dataset.train, say) if isinstance(space, Compressed) else None
        train = dataset.train.sample(BATCH_NORM_IMAGES)
        weights = {name: tensor.numpy() for name, tensor in supernet.state_dict().items()}
        kept = _carried(dataset.test) if test and dataset.test is not None else None
        dataset = replace(dataset, train=_carried(train), val=_carried(dataset.val), test=kept)
        return cls(space, weights, dataset, torch_device, supernet.compensation, ranges, test)

    @property
    def at_once(self) -> int:
        """How many archs `together` had best be given: several where images are read from where they lie."""
        return 1 if isinstance(self.dataset.val, Pixels) else TOGETHER

    def __call__(self, arch: Arch) -> dict[str, float | str]:
        """The metric in 0..1, its standard deviation for that many images, loss, and of classes on which images it was right."""
        return self.together([arch])[0]

    def together(self, archs: Sequence[Arch]) -> list[dict[str, float | str]]:
        """The same of several archs, for which every image is read once."""
        return self.unless_beaten([(arch, 0.0) for arch in archs])

    def unless_beaten(self, archs: Sequence[tuple[Arch, float]]) -> list[dict[str, float | str]]:
        """The same of archs with the metric that each must reach to matter; one that cannot any more is stopped."""
        held = self._held
        with one_thread():
            how: dict[str, Any] = {"space": self.space, "ranges": self.ranges}
            networks = [cut_out(self._supernet, self.space.check(arch), held.train, **how) for arch, _ in archs]
            found = evaluate_unless_beaten(networks, held.val, [least for _, least in archs])
            tested = evaluate_together(networks, held.test) if held.test is not None else [None] * len(archs)
        return [_figures(one, test, self.details) for one, test in zip(found, tested, strict=True)]

    def for_finalists(self) -> SupernetScore | None:
        """What judges archs of a compressed space more carefully: with the ranges of each network itself."""
        return None if self.ranges is None else replace(self, ranges=None)

    def __str__(self) -> str:
        return "judged with shared ranges" if self.ranges is not None else "judged with ranges of their own"

    @cached_property
    def _supernet(self) -> Supernet:
        """The network over the arrays, which may not be writable, and nothing here writes."""
        net = Supernet(self.space.base if isinstance(self.space, Compressed) else self.space)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
            net.load_state_dict({name: torch.from_numpy(array) for name, array in self.weights.items()}, assign=True)
        net.compensation = self.compensation
        return net.eval().to(self._device)

    @cached_property
    def _held(self) -> Dataset:
        """The images where archs are judged."""
        if self._device.type == "cpu":
            return self.dataset
        train, val = (hold(images, self._device) for images in (self.dataset.train, self.dataset.val))
        test = self.dataset.test
        return replace(self.dataset, train=train, val=val, test=None if test is None else hold(test, self._device))

    @cached_property
    def _device(self) -> torch.device:
        return find_device(self.torch_device)

    def __getstate__(self) -> dict[str, Any]:
        """What other processes find by themselves stays here."""
        return {name: value for name, value in self.__dict__.items() if name not in ("_supernet", "_held", "_device")}


def _figures(
    found: EvaluationResult | OutOfReach, test: EvaluationResult | None, details: bool
) -> dict[str, float | str]:
    if isinstance(found, OutOfReach):
        return {AT_MOST: found.at_most, SEEN: found.num_images}
    figures: dict[str, float | str] = {found.metric: found.value, std_of(found.metric): found.std, "loss": found.loss}
    for name, values in found.of_classes.items() if details else ():
        figures |= {f"{name}[{number}]": value for number, value in enumerate(values) if math.isfinite(value)}
    if test is not None:
        figures |= {TEST + test.metric: test.value, TEST_IMAGES: test.num_images}
        figures |= {TEST + std_of(test.metric): test.std} if test.sampled is not None else {}
    return {**figures, ANSWERS: str(Answers.of(found.right))} if len(found.right) else figures


def _carried(images: Images) -> Images:
    """The same images as uint8 in one array, if that is not too large."""
    found = hold(images, CPU)
    if not isinstance(found, Held):
        return images
    x, y, labels = found.x.numpy(), found.y.numpy(), found.labels
    truth = None if images.truth is None else images.truth.in_memory(y)
    return Pixels.of(x, labels, images.mean, images.std, truth, images.image_size)
