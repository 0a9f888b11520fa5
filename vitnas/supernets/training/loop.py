"""The steps of a training, from where a run stands to its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vitnas.errors import TrainingError
from vitnas.files import write_json
from vitnas.image_size import ImageSize, in_short
from vitnas.interruption import Stopped, asked, breakable
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.search_spaces.answers import CLASS
from vitnas.supernets.augment import augment, batch_seed_of, seeds_of
from vitnas.supernets.data import Dataset, Loader
from vitnas.supernets.data.batches import Batches
from vitnas.supernets.evaluation import landmarks, one_thread
from vitnas.supernets.pruning.importances import NO_ORDER
from vitnas.supernets.pruning.residual_maps import fit_residual_maps
from vitnas.supernets.resolution import size_at, view
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import describe_device
from vitnas.supernets.training.judging import judge, steps_between
from vitnas.supernets.training.learner import Learner, StepOutcome
from vitnas.supernets.training.lessons import Batch
from vitnas.supernets.training.metrics import MetricsLog, asked_or_installed, finite
from vitnas.supernets.training.optimizer import learning_rate_at, make_optimizer
from vitnas.supernets.training.ordering import sort_given, take_slices, unrestricted
from vitnas.supernets.training.processes.distributed import World
from vitnas.supernets.training.processes.synced_norm import sync_batch_norms
from vitnas.supernets.training.progress_bar import TrainingBar
from vitnas.supernets.training.pursuing import pursuit_of
from vitnas.supernets.training.samplers import Sampler
from vitnas.supernets.training.samplers.options import make_sampler
from vitnas.supernets.training.teachers import make_teacher
from vitnas.supernets.weights.averaging import WeightAverage
from vitnas.supernets.weights.checkpoints import TrainingProgress, resume, save_checkpoint
from vitnas.supernets.weights.head_fit import fit_head
from vitnas.supernets.weights.initial_weights import initialise
from vitnas.supernets.weights.stitched_weights import fit_stitches


class TrainingLoop:
    """Everything that moves while a supernet trains; the leading process also writes and shows."""

    def __init__(
        self, run: RunFolder, settings: TrainSettings, dataset: Dataset, world: World, fits_head: bool = False
    ) -> None:
        self.run, self.settings, self.dataset, self.world = run, settings, dataset, world
        self.batches = Batches(len(dataset.train), settings.batch_size, settings.seed)
        self.num_steps = count_steps(settings, dataset)
        steps = (settings.batch_size, settings.seed, self.num_steps)
        self.teacher = make_teacher(settings.distil, dataset, settings.augment, *steps, world.device)
        self.net = Supernet(run.space, settings.seed).train().to(world.device)
        if settings.channels_last:
            self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if settings.experts.num > 1:
            self.net.use_experts(settings.experts.num)
        if settings.sync_batch_norm and world.size > 1:
            sync_batch_norms(self.net)
        self.sampler = plan_sampler(settings, dataset, run.space)
        self.optimizer = make_optimizer(self.net, settings)
        self.learner = Learner(self.net, self.optimizer, settings, world, pursuit_of(settings, dataset))
        self.average = WeightAverage(self.net, settings.average) if settings.average else None
        self.landmarks = landmarks(run.space)
        self.evaluate_every = settings.evaluate_every or self._steps_between()
        self.progress = self._start(fits_head)

    def _steps_between(self) -> int:
        """Steps between two judgements where the settings say none."""
        settings, space = self.settings, self.run.space
        lessons = plan_sampler(settings, self.dataset, space).plan(self.num_steps - 1)
        archs = list(dict.fromkeys(self.landmarks.values()))
        return steps_between(space, archs, lessons, self.dataset, settings.batch_size, self.num_steps)

    def _start(self, fits_head: bool) -> TrainingProgress:
        """From the newest checkpoint, or from the beginning, perhaps with a classifier that fits the images."""
        found = resume(self.run, self.net, self.optimizer, self.average)
        if found is None:
            if self.settings.init is not None:
                whole = unrestricted(self.net, self.settings.init, self.settings.seed)
                initialise(whole, self.settings.init)
                for donor in whole.donors:
                    if fits_head and donor.new_head and self.dataset.task.answer == CLASS:
                        fit_head(whole, donor.arch, self.dataset.train, self.settings.seed)
                if len(whole.donors) > 1:
                    with one_thread():  # so that all processes fit alike
                        fit_stitches(whole, self.dataset.train, self.settings.seed)
                self._sort(whole)
                for donor in whole.donors:
                    with one_thread():
                        fit_residual_maps(whole, donor.arch, self.dataset.train, self.settings.seed)
                if whole is not self.net:
                    take_slices(self.net, whole)
                self.begin_with_weights()
            return TrainingProgress()
        if found.sampler:
            self.sampler.load_state(found.sampler)
        self.learner.load_state(found.learner)
        return found

    def _sort(self, net: Supernet) -> None:
        """The channels of a network that was given, the most important first."""
        if len(net.donors) == 1 and self.settings.init_order != NO_ORDER:
            [donor] = net.donors
            done = sort_given(net, donor.arch, self.dataset.train, self.settings.init_order, self.settings.seed)
            if self.world.leads:
                write_json(self.run.order_file, {"importance": self.settings.init_order, **asdict(done)})

    def begin_with_weights(self) -> None:
        """What follows the shared weights begins where these are now: to be called when they were given, not drawn."""
        if self.net.experts is not None:
            self.net.experts.begin(self.net.layers)
        if self.average is not None:
            self.average = WeightAverage(self.net, self.settings.average)

    def finish(self, show: bool, stop: Callable[[], bool] = asked, until: int | None = None) -> bool:
        """Makes all steps that are left; whether it did, for it ends after any step when asked to, with a checkpoint.

        Args:
            show: whether to draw a bar.
            stop: whether this process is asked to; the others then end after the same step.
            until: the step to end after in any case.
        """
        done, settings = self.progress.step, self.settings

        def ends() -> bool:
            return stop() or (until is not None and self.progress.step >= until)

        with ExitStack() as stack:
            bar = stack.enter_context(TrainingBar(show and self.world.leads, done, self.num_steps))
            bar.tell(self._intention(done))
            log = None
            if self.world.leads:
                loggers = asked_or_installed(settings.loggers)
                log = stack.enter_context(MetricsLog(self.run, done, loggers, self.num_steps))
                for place in log.places:
                    bar.tell(place)
                if done and self._is_judged_at(done) and not log.judged:  # stopped before that
                    self._judge(done, log, bar)
            if any(self._agree(ends())):
                return False
            share, threads = self.world.share, settings.loader_threads
            pinned, apart = self.world.device.type == "cuda", settings.loader == "processes"
            loader = Loader(self.dataset.train, self.batches, done, self.num_steps, share, threads, pinned, apart)
            self.saved_at = time.monotonic()
            for step, images in enumerate(loader, start=done):
                outcome = self._step(step, self._shares(step, *images))
                late, stopping = self._agree(self._is_late(), ends())
                if log is not None:
                    self._report(step, outcome, log, bar)
                if self._is_judged_at(step + 1) and not stopping:
                    if log is not None:
                        self._judge(step + 1, log, bar)
                    [stopping] = self._agree(ends())
                planned = step + 1 == self.num_steps or (step + 1) % settings.checkpoint_every == 0
                if planned or late or stopping:
                    self.save(planned)
                if stopping:
                    return step + 1 == self.num_steps
        return True

    def _intention(self, done: int) -> str:
        """What will be done, in a line."""
        images, task = self.dataset.train, self.dataset.task
        steps = f"{self.num_steps - done:,} of {self.num_steps:,} steps" if done else f"{self.num_steps:,} steps"
        return (
            f"{steps} of {self.settings.batch_size} out of {len(images):,} images of {in_short(task.image_size)} pixels in "
            f"{task.num_classes:,} classes, on {describe_device(self.world.device)}"
        )

    def _is_late(self) -> bool:
        """Whether the last checkpoint is so long ago that the next one should not wait for its step."""
        minutes = self.settings.checkpoint_minutes
        return minutes > 0 and time.monotonic() - self.saved_at >= 60 * minutes

    def _agree(self, *wishes: bool) -> list[bool]:
        """What any process wishes, all do: clocks and signals are not the same everywhere."""
        return [share > 0 for share in self.world.mean([float(wish) for wish in wishes])]

    def _shares(self, step: int, pixels: Tensor, labels: Tensor, indices: NDArray[np.int64]) -> list[Batch]:
        """This process's part of a batch: augmented, normalised, with its targets, in equal shares."""
        settings, device, epoch = self.settings, self.world.device, step // self.batches.per_epoch
        seeds, batch_seed = (
            torch.from_numpy(seeds_of(settings.seed, epoch, indices)),
            batch_seed_of(settings.seed, step),
        )
        how, goal = (settings.augment, self.dataset.task.num_classes), self.learner.pursuit.goal
        y = labels.to(device, non_blocking=True)
        x, target = augment(pixels.to(device, non_blocking=True), y, seeds, batch_seed, *how, goal)
        target = goal.smoothed(target, settings.label_smoothing)
        if self.teacher is not None:
            target = target.lerp(self.teacher(x, step, seeds, batch_seed), settings.distil.weight)
        x = view(settings.resolution, self.dataset.train.normalise(x), self._size_at(step))
        if settings.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        parts = (t.chunk(settings.accumulate) for t in (x, y, target))
        return [Batch(*part) for part in zip(*parts, strict=True)]

    def _step(self, step: int, batches: list[Batch]) -> StepOutcome:
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate_at(step, self.num_steps, settings)
        if heard := self.sampler.audition(step):
            self.sampler.hear(step, self.learner.label_losses(heard, batches, image_size=self._size_at(step)))
        lessons = self.sampler.plan(step, self.world.rank if settings.own_archs else 0)
        seed = settings.seed + 1_000_003 * step  # for layers that draw, such as stochastic depth
        how = {"drop_path": settings.drop_path, "image_size": self._size_at(step)}
        outcome = self.learner.learn(lessons, batches, seed, **how)
        bad_steps = 0
        if outcome.updated:
            self.sampler.observe(step, lessons, outcome.marks.label_losses)
            if self.net.experts is not None:
                self.net.experts.share(self.net.layers, settings.experts.share_at(step, self.num_steps))
            if self.average is not None:
                self.average.update()
        else:
            bad_steps = self.progress.bad_steps + 1
            if bad_steps >= settings.max_bad_steps:
                raise self._diverged(step, f"{bad_steps} steps in a row had no finite loss and gradient")
        self.progress = replace(self.progress, step=step + 1, bad_steps=bad_steps)
        return outcome

    def _size_at(self, step: int) -> ImageSize:
        """How large the images of a step are seen."""
        return size_at(self.settings.resolution, self.run.space, step, self.num_steps, self.settings.seed)

    def _report(self, step: int, outcome: StepOutcome, log: MetricsLog, bar: TrainingBar) -> None:
        done = step + 1
        rate = bar.step(self.settings.batch_size)
        if done == self.num_steps or done % self.settings.log_every == 0:
            marks = outcome.marks
            loss = finite(sum(marks.losses) / len(marks.losses))
            values: dict[str, Any] = {
                "epoch": step // self.batches.per_epoch,
                "loss": loss,
                "label_loss": finite(sum(marks.label_losses) / len(marks.label_losses)),
                "grad_norm": finite(outcome.norm),
                "learning_rate": self.optimizer.param_groups[0]["lr"],
                "images_per_s": round(rate, 1),
                "bad_steps": self.progress.bad_steps,
                "damaged_images": len(self.dataset.damaged),
            }
            log.write(done, values)
            bar.show_loss(loss)

    def _is_judged_at(self, done: int) -> bool:
        return done == self.num_steps or done % self.evaluate_every == 0

    def _judge(self, done: int, log: MetricsLog, bar: TrainingBar) -> None:
        """The landmarks, at the end on all validation images; a signal breaks it off, and who resumes does it again."""
        whole = done == self.num_steps or self.settings.evaluate_every is not None
        with suppress(Stopped), breakable():
            with self.average.in_place() if self.average is not None else ExitStack():
                scores = judge(self.net, self.landmarks, self.dataset, whole)
            log.write(done, {name: {s.metric: s.value, "loss": finite(s.loss)} for name, s in scores.items()})
            bar.show_scores(scores)

    def save(self, planned: bool = True) -> None:
        """Writes a checkpoint of where the training stands."""
        if not all(bool(p.isfinite().all()) for p in self.net.parameters()):
            raise self._diverged(self.progress.step - 1, "some weights are no longer finite")
        progress = replace(self.progress, sampler=self.sampler.state(), learner=self.learner.state())
        if self.world.leads:
            gpus = self.world.size if self.world.device.type != "cpu" else 0
            made_by = {"processes": self.world.size, "threads": torch.get_num_threads(), "gpus": gpus}
            save_checkpoint(self.run, self.net, self.optimizer, progress, self.average, planned, made_by)
        self.saved_at = time.monotonic()
        self.world.barrier()

    def _diverged(self, step: int, what: str) -> TrainingError:
        return TrainingError(
            f"training of '{self.run.path}' stopped at step {step}: {what}; the last good checkpoint is kept. "
            f"Start a new run with a lower learning_rate, a longer warmup or a smaller clip_norm"
        )


def count_steps(settings: TrainSettings, dataset: Dataset) -> int:
    """How many steps a training makes in all."""
    return settings.steps or settings.epochs * Batches(len(dataset.train), settings.batch_size, settings.seed).per_epoch


def plan_sampler(settings: TrainSettings, dataset: Dataset, space: SearchSpace) -> Sampler:
    """The sampler of a training, told how long it will be."""
    per_epoch = Batches(len(dataset.train), settings.batch_size, settings.seed).per_epoch
    schedule = (per_epoch, count_steps(settings, dataset))
    return make_sampler(settings.sampler, space, settings.seed, settings.sampler_options, *schedule)
