"""The ways to train a supernet that supernet_quality compares: settings, samplers and kinds of shared weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitnas.image_size import ImageSize
from vitnas.search_spaces import Arch, SearchSpace
from vitnas.supernets.data import Dataset, Images
from vitnas.supernets.goals.losses import soft_cross_entropy
from vitnas.supernets.layers import Layer
from vitnas.supernets.pruning.importances import IMPORTANCES
from vitnas.supernets.pruning.moments import measure_moments
from vitnas.supernets.pruning.order import sort_channels
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.training.learner import Learner, StepOutcome
from vitnas.supernets.training.lessons import Batch
from vitnas.supernets.training.samplers import Lesson, Sampler
from vitnas.supernets.training.samplers.multi import Multi
from vitnas.supernets.training.samplers.options import make_sampler

BATCH = 128
DEFAULT = "multi"


class LargestFirst(Multi):
    """The largest arch alone, on whole batches, for a share of the training; then two random archs share each."""

    def __init__(self, space: SearchSpace, seed: int, *, num_steps: int, alone: float = 0.3) -> None:
        super().__init__(space, seed, num_steps=num_steps, warmup=0.0)
        self.alone_steps = round(alone * num_steps)

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        return (Lesson(self.space.largest()),) if step < self.alone_steps else super().plan(step, rank)


class Stratified(Sampler):
    """Four archs share a batch; each gene's draws lie one in every quarter of what it allows."""

    parts = 4

    def __init__(self, space: SearchSpace, seed: int, *, num_steps: int) -> None:
        super().__init__(space, seed)

    def plan(self, step: int, rank: int = 0) -> tuple[Lesson, ...]:
        archs = self.space.decode(self.space.genome.sample(self.parts, _Quarters(self.rng(step, rank))))  # type: ignore[arg-type]
        return tuple(Lesson(arch, part=(i, self.parts)) for i, arch in enumerate(archs))


class _Quarters:
    """Draws in 0..1 as a generator gives them, but those of a column lie in different equal parts."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def random(self, shape: tuple[int, int]) -> Any:
        order = np.argsort(self.rng.random(shape), axis=0)
        return (order + self.rng.random(shape)) / shape[0]


class Scaled(Supernet):
    """Products of a slice with w of the largest W inputs are multiplied by sqrt(W / w), as if drawn for w."""

    def _modules_of(self, arch: Arch, drop_path: float, image_size: ImageSize | None) -> Iterator[nn.Module]:
        for module, whole in zip(super()._modules_of(arch, drop_path, image_size), self._wholes(arch), strict=True):
            yield _scaled(module, whole)

    def extract(self, arch: Arch) -> nn.Sequential:
        network = super().extract(arch)
        for module, whole in zip(network, self._wholes(arch), strict=True):
            _scaled(module, whole)
        return network

    def _wholes(self, arch: Arch) -> list[Layer]:
        return [self._layer(site, spec) for site, spec in self.space.lower(arch).items()]


def _scaled(module: nn.Module, whole: nn.Module) -> nn.Module:
    """The module itself, the weights of its products scaled where they are parts of larger ones."""
    for path, first in PRODUCTS.items():
        holder, _, name = path.rpartition(".")
        if hasattr(whole, holder or name):
            own, full = module.get_submodule(holder)._parameters, whole.get_submodule(holder)._parameters
            part, all_of_it = own[name], full[name]
            assert part is not None
            assert all_of_it is not None
            ratio = math.prod(all_of_it.shape[first:]) / math.prod(part.shape[first:])
            if ratio > 1:
                scaled = part * math.sqrt(ratio)
                own[name] = nn.Parameter(scaled.detach()) if part.is_leaf else scaled  # type: ignore[assignment]
    return module


PRODUCTS = {"qkv_weight": 3, "proj_weight": 1, "expand.weight": 1, "reduce.weight": 1, "linear.weight": 1}
"""Weights of products -> the first of the axes that they sum over."""


class Exits(Learner):
    """Every lesson is one for the shallower archs as well that lie in its own: their answers cost no pass of their own."""

    def learn(self, lessons: Sequence[Lesson], batches: Sequence[Batch], seed: int, **how: Any) -> StepOutcome:
        rows = [slice(lesson.part[0], None, lesson.part[1]) for lesson in lessons]
        self._targets = [(batch.target[row], len(batch.y)) for batch in batches for row in rows]
        return super().learn(lessons, batches, seed, **how)

    def _forward(self, x: Tensor, arch: Arch, **how: Any) -> Tensor:
        [depths] = [gene.choices for gene in self.net.space.all_genes if gene.name == "depth"]
        own = arch["depth"]
        assert isinstance(own, int)
        ends = {f"block{depth - 1}_ffn" for depth in depths if isinstance(depth, int) and depth <= own}
        *body, head = self.net.at(arch)
        exits: list[Tensor] = []
        for site, module in zip(self.net.space.lower(arch).sites, body, strict=False):
            x = module(x)
            if site in ends:
                exits.append(head(x))
        *self._shallower, last = exits
        return last

    def _backward(self, loss: Tensor) -> None:
        target, num_images = self._targets.pop(0)
        share = len(target) / num_images
        others = [share * soft_cross_entropy(logits, target) for logits in self._shallower]
        super()._backward(torch.stack([loss, *others]).mean())


class Resorted(Learner):
    """When the first smaller archs come, the most important channels go first; the optimiser begins anew."""

    images: Images | None = None

    def learn(self, lessons: Sequence[Lesson], batches: Sequence[Batch], seed: int, **how: Any) -> StepOutcome:
        if self.images is not None and any(lesson.arch != self.net.space.largest() for lesson in lessons):
            sort(self.net, self.images)
            self.optimizer.state.clear()
            self.images = None
        return super().learn(lessons, batches, seed, **how)


def sort(net: Supernet, images: Images) -> None:
    """The channels of the largest arch, the most important first."""
    sort_channels(net, IMPORTANCES.load("output_error")().channels(net, images))


def as_family(net: Supernet, dataset: Dataset) -> None:
    """Smaller archs are the largest with its least important channels removed, and made up for in closed form."""
    sort(net, dataset.train)
    net.compensation = measure_moments(net, dataset.train)


@dataclass(frozen=True)
class Method:
    """A way to train a supernet: settings other than those of `vitnas train-supernet`.

    Attributes:
        settings: of the training.
        sampler: makes a sampler that vitnas does not have, from the space, the seed and the number of steps.
        network: the shared weights, or a kind of them that vitnas does not have.
        learner: what makes an update of the lessons, or a kind of it that vitnas does not have.
        after: what is done to the weights when they are trained.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    sampler: Callable[..., Sampler] | None = None
    network: type[Supernet] = Supernet
    learner: type[Learner] = Learner
    after: Callable[[Supernet, Dataset], None] | None = None


METHODS = {
    "multi": Method(),
    "uniform": Method({"sampler": "uniform"}),
    "sandwich": Method({"sampler": "sandwich"}),
    "largest-first": Method(sampler=LargestFirst),
    "scaled-largest-first": Method(sampler=LargestFirst, network=Scaled),
}
"""Those that are compared in everything."""

WAYS = {
    "exits": Method(learner=Exits),
    "batch-64": Method({"batch_size": 64}),
    "scaled": Method(network=Scaled),
    "multi-4e-3": Method({"learning_rate": 4e-3}),
    "stratified": Method(sampler=Stratified),
    "multi-4": Method({"sampler_options": {"num_archs": 4}}),
    "average": Method({"average": 0.99}),
    "scaled-4e-3": Method({"learning_rate": 4e-3}, network=Scaled),
    "scaled-exits-4e-3": Method({"learning_rate": 4e-3}, network=Scaled, learner=Exits),
    "scaled-largest-first-4e-3": Method({"learning_rate": 4e-3}, sampler=LargestFirst, network=Scaled),
    "family": Method(sampler=partial(LargestFirst, alone=1.0), after=as_family),
    "resorted-largest-first": Method(sampler=LargestFirst, learner=Resorted),
    "resorted-scaled-largest-first": Method(sampler=LargestFirst, network=Scaled, learner=Resorted),
    "resorted-scaled-largest-half": Method(sampler=partial(LargestFirst, alone=0.5), network=Scaled, learner=Resorted),
}
"""Those that are tried at the first length with the first seed."""


def passes_a_step(space: SearchSpace, method: Method, steps: int) -> float:
    """How often a step takes an image of a batch of `BATCH` forward and backward, the mean over a training."""
    share = float(method.settings.get("batch_size", BATCH)) / BATCH
    if method.sampler is not None:
        return share
    options = (method.settings.get("sampler", "multi"), space, 0, method.settings.get("sampler_options", {}))
    sampler = make_sampler(*options, steps_per_epoch=steps, num_steps=steps)
    return share * float(np.mean([sum(1 / lesson.part[1] for lesson in sampler.plan(step)) for step in range(steps)]))
