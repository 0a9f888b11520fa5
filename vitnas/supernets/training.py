"""Training a supernet: lessons on shared weights, one update a step, resumable to the same bits."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import torch

from vitnas.errors import CheckpointError, SettingsError, TrainingError
from vitnas.files import only_here
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace
from vitnas.settings import make_settings
from vitnas.supernets.batches import Batches
from vitnas.supernets.checkpoints import Progress, resume, save_checkpoint
from vitnas.supernets.count_cache import count_specs
from vitnas.supernets.data import Dataset, load_dataset
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.lessons import take_lessons
from vitnas.supernets.metrics import MetricsLog
from vitnas.supernets.optimisation import learning_rate_at, make_optimizer
from vitnas.supernets.progress_bar import TrainingBar
from vitnas.supernets.samplers import make_sampler
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.train_settings import TrainSettings


def start_run(path: Path, space: SearchSpace, dataset_name: str, settings: TrainSettings) -> RunFolder:
    """Makes the folder of a run, with everything that `train` needs to know; refuses what cannot work."""
    dataset = load_dataset(dataset_name)
    dataset.check(space)
    _check(settings, dataset)
    if space.source is not None:
        count_specs(space)  # refuses layers that cannot be built; the spaces of vitnas are tested for it
    resolved = replace(settings, threads=settings.threads or torch.get_num_threads())
    return RunFolder.create(path, space, {"data": {"name": dataset_name}, "train": asdict(resolved)})


def train(run: RunFolder, progress: bool = True) -> None:
    """Trains the supernet of a run to its end, from its newest checkpoint if there is one.

    Args:
        run: as `start_run` made it.
        progress: whether to draw a bar on stderr.
    """
    tables = run.config
    if not {"train", "data"} <= tables.keys():
        raise CheckpointError(f"{run.config_file} has no tables [train] and [data]; make the run with train-supernet")
    settings = make_settings(TrainSettings, tables["train"], f"{run.config_file}, [train]")
    dataset = load_dataset(tables["data"]["name"])
    dataset.check(run.space)
    _check(settings, dataset)
    with only_here(run.path, "training"), _surroundings(settings):
        _train(run, settings, dataset, progress)


def _train(run: RunFolder, settings: TrainSettings, dataset: Dataset, show: bool) -> None:
    device = torch.device(settings.torch_device)
    net = Supernet(run.space, settings.seed).to(device).train()
    optimizer = make_optimizer(net, settings)
    batches = Batches(len(dataset.train), settings.batch_size, settings.seed)
    num_steps = settings.steps or settings.epochs * batches.per_epoch
    options, seed = settings.sampler_options, settings.seed
    sampler = make_sampler(settings.sampler, run.space, seed, options, batches.per_epoch, num_steps)

    start = resume(run, net, optimizer)
    if start.sampler:
        sampler.load_state(start.sampler)
    bad_steps = start.bad_steps
    with MetricsLog(run, start.step, settings.tensorboard) as log, TrainingBar(show, start.step, num_steps) as bar:
        for step in range(start.step, num_steps):
            torch.manual_seed(settings.seed + 1_000_003 * step)  # for layers that draw, such as dropout
            for group in optimizer.param_groups:
                group["lr"] = learning_rate_at(step, num_steps, settings)
            x, y = (t.to(device) for t in dataset.train.take(batches[step]))
            optimizer.zero_grad()
            lessons = sampler.plan(step)
            losses = take_lessons(net, lessons, x, y, settings.label_smoothing)
            norm = float(torch.nn.utils.clip_grad_norm_(net.parameters(), settings.clip_norm or math.inf))
            if math.isfinite(norm) and all(map(math.isfinite, losses)):
                optimizer.step()
                sampler.observe(step, lessons, losses)
                bad_steps = 0
            else:
                bad_steps += 1
                if bad_steps >= settings.max_bad_steps:
                    raise _diverged(run, step, f"{bad_steps} steps in a row had no finite loss and gradient")

            done = step + 1
            rate = bar.advance(settings.batch_size)
            last = done == num_steps
            if last or done % settings.log_every == 0:
                shown = {"loss": _finite(sum(losses) / len(losses)), "grad_norm": _finite(norm)}
                speed = {"learning_rate": optimizer.param_groups[0]["lr"], "images_per_s": round(rate, 1)}
                log.write(done, {"epoch": step // batches.per_epoch, **shown, **speed, "bad_steps": bad_steps})
                bar.show_loss(shown["loss"])
            if last or done % settings.evaluate_every == 0:
                ends = {"smallest": run.space.smallest(), "largest": run.space.largest()}
                scores = {name: evaluate_arch(net, arch, dataset) for name, arch in ends.items()}
                log.write(done, {name: {"accuracy": s.accuracy, "loss": _finite(s.loss)} for name, s in scores.items()})
                bar.show_scores(scores)
            if last or done % settings.checkpoint_every == 0:
                if not all(bool(p.isfinite().all()) for p in net.parameters()):
                    raise _diverged(run, step, "some weights are no longer finite")
                save_checkpoint(run, net, optimizer, Progress(done, bad_steps, sampler.state()))


def _check(settings: TrainSettings, dataset: Dataset) -> None:
    """Refuses settings that do not go with the data or this machine."""
    if settings.batch_size > len(dataset.train):
        raise SettingsError(
            f"[train] batch_size is {settings.batch_size}, but dataset '{dataset.name}' has {len(dataset.train)} "
            f"training images; choose at most that"
        )
    if settings.torch_device.startswith("cuda") and not torch.cuda.is_available():
        raise SettingsError(
            f"[train] torch_device is '{settings.torch_device}', but torch finds no GPU here; choose 'cpu'"
        )


@contextmanager
def _surroundings(settings: TrainSettings) -> Iterator[None]:
    """The threads of the settings, and torch's global generator left as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(settings.threads or before)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(before)


def _diverged(run: RunFolder, step: int, what: str) -> TrainingError:
    return TrainingError(
        f"training of '{run.path}' stopped at step {step}: {what}; the last good checkpoint is kept. "
        f"Start a new run with a lower learning_rate, a longer warmup or a smaller clip_norm"
    )


def _finite(value: float) -> float | None:
    """The number if JSON can say it."""
    return value if math.isfinite(value) else None


__all__ = ["TrainSettings", "start_run", "train"]
