"""How much time does a cascade save against the cheapest arch that is as accurate?

A supernet of plain transformers of two to six blocks, whose exits after the second, third and fourth block have heads of their own, is
trained on Fashion-MNIST (on digits where its file is not there). Its latency table is measured on this processor, ONNX Runtime, one
thread. On one half of the validation images the cheapest cascade and the cheapest single arch are chosen that lose no more than
.2 points against the most accurate arch. Both are judged on the test images, and the cascade runs on them image by image as its export does.

Keys: expected_over_static_ms (expected milliseconds of the cascade by the table, for the test images, over those of the arch),
measured_over_static_ms (the same as measured, calls taking turns), accuracy_gap_points (cascade less arch on the test images),
expected_error (relative, expected against measured mean), table_error (that the table states), rule_agreement (share of test images
at which the exported fp32 parts stop where PyTorch does), p90_over_static_ms, worst_over_static_ms, accuracy, static_accuracy, parts.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import frame
import numpy as np
import torch
from numpy.typing import NDArray
from problems.given import FILES, IMAGES, PLAIN

from vitnas.api.cascades.choosing import cascade as choose
from vitnas.api.cascades.exporting import export_cascade
from vitnas.api.exporting import export
from vitnas.api.profiling import profile
from vitnas.deployment.settings import ExportSettings
from vitnas.latency_lut.runtimes.onnx import open_session
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.latency_lut.table import LatencyTable
from vitnas.nas.cascades.costs import PartCosts, milliseconds
from vitnas.nas.cascades.judged import networks_of
from vitnas.nas.cascades.settings import CascadeSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import Cascade, load_space, with_exits
from vitnas.supernets.cascades.network import NEXT, SURE, cascade_network
from vitnas.supernets.data import DataSettings, Images, dataset_of, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.alone import NEVER
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

STEPS, BATCH, TEST_IMAGES = 2500, 64, 10_000
TIMED, ROUNDS = 300, 9
AT = (2, 3, 4)
SPACE = (
    PLAIN.replace("choices = [96]", "choices = [64]")
    .replace("choices = [6]", "choices = [2, 3, 4, 5, 6]")
    .replace("choices = [3]", "choices = [2]")
)


def measure(quick: bool, steps: int, seed: int) -> frame.Results:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        run = trained(Path(folder), quick, steps, seed)
        how = ProfileSettings.quick() if quick else ProfileSettings(block_ms=10.0, blocks=15, max_repeats=2)
        table = profile(run, "cpu", how, budget_s=None if quick else 150)
        found = choose(run, "cpu", CascadeSettings(seed=seed), arch="largest")
        test = dataset_of(run).test
        assert test is not None
        return judged(run, table, found, test.sample(200 if quick else TEST_IMAGES), Path(folder))


def trained(folder: Path, quick: bool, steps: int, seed: int) -> RunFolder:
    file = IMAGES / FILES["fashion"]
    fashion = file.is_file() and not quick
    data = DataSettings(str(file), image_size=28, val_share=0.1) if fashion else DataSettings("digits")
    task = load_dataset(data).task
    (folder / "space.toml").write_text(SPACE.replace("[2, 3, 4, 5, 6]", "[2, 3]") if quick else SPACE)
    space = with_exits(load_space(str(folder / "space.toml"), task), (1,) if quick else AT, ("plain", "local"))
    settings = TrainSettings(
        steps=60 if quick else steps,
        batch_size=BATCH,
        learning_rate=2e-3,
        seed=seed,
        threads=1,
        evaluate_every=NEVER,
        checkpoint_every=NEVER,
        loggers=(),
    )
    run = start_run(folder / "run", space, data, settings)
    train(run, progress=False)
    return run


def judged(run: RunFolder, table: LatencyTable, found: Cascade, test: Images, folder: Path) -> frame.Results:
    space, net, dataset = run.space, load_supernet(run), dataset_of(run)
    static = space.arch(**found.figures["static"]["genes"])
    networks = networks_of(net, found.archs, dataset.train)
    network, (x, y) = cascade_network(found, space, networks), test.all()
    answered = [network(batch) for batch in torch.split(x, BATCH)]
    exits = torch.cat([one.exits for one in answered]).numpy()
    accuracy = float((torch.cat([one.logits for one in answered]).argmax(1) == y).double().mean())
    alone = evaluate(networks_of(net, [static], dataset.train)[0], test).accuracy
    costs = PartCosts(space, table)
    parts = found.parts(space)
    ms, static_ms = milliseconds(exits, costs(parts)), float(table.latency_ms(space)(space.encode([static]))[0])
    formats = ExportSettings(formats=("onnx",), measure=False)
    export_cascade(run, found, folder / "parts", formats)
    export(run, static, folder / "static", formats)
    run_cascade = Parts(folder / "parts", found.thresholds)
    images = [image.numpy() for image in torch.split(x, 1)]
    agree = float(np.mean([run_cascade(image) == own for image, own in zip(images, exits, strict=True)]))
    took_ms, static_took_ms = timed(run_cascade, folder / "static" / "model.onnx", images[:TIMED])
    expected_there = milliseconds(exits[:TIMED], costs(parts)).expected
    fidelity = table.header.fidelity
    frame.show(
        "the cascade, part by part",
        ("arch", "comes there", "ms of its part", "accuracy alone"),
        [
            (arch.id, f"{(exits >= i).mean():.1%}", f"{part_ms:.3f}", f"{own:.2%}")
            for i, (arch, part_ms, own) in enumerate(
                zip(found.archs, costs(parts), found.figures["accuracies"], strict=True)
            )
        ],
    )
    return {
        "expected_over_static_ms": ms.expected / static_ms,
        "measured_over_static_ms": took_ms / static_took_ms,
        "accuracy_gap_points": 100 * (accuracy - alone),
        "expected_error": abs(expected_there / took_ms - 1),
        "table_error": fidelity.mape if fidelity is not None else table.header.max_mape,
        "rule_agreement": agree,
        "p90_over_static_ms": ms.p90 / static_ms,
        "worst_over_static_ms": ms.worst / static_ms,
        "accuracy": 100 * accuracy,
        "static_accuracy": 100 * alone,
        "expected_ms": ms.expected,
        "static_ms": static_ms,
        "parts": len(found.archs),
    }


class Parts:
    """The exported parts, run as the exported runner runs them."""

    def __init__(self, folder: Path, thresholds: tuple[float, ...]) -> None:
        sessions = [open_session(file, threads=1) for file in sorted(folder.glob("part*.onnx"))]
        names = [[output.name for output in session.get_outputs()] for session in sessions]
        sources = [session.get_inputs()[0].name for session in sessions]
        self.parts = list(zip(sessions, sources, names, (*thresholds, 0.0), strict=True))

    def __call__(self, image: NDArray[np.float32]) -> int:
        """Which part answers."""
        given: dict[str, NDArray[np.float32] | None] = {"image": image}
        for number, (session, source, names, threshold) in enumerate(self.parts):
            found = dict(zip(names, session.run(None, {source: given[source]}), strict=True))
            if SURE not in found or float(found[SURE][0]) >= threshold:
                return number
            given["state"] = found.get(NEXT, given.get("state"))
        raise AssertionError("the last part answers whatever is left")


def timed(run_cascade: Parts, static: Path, images: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Mean milliseconds of the cascade and of an arch alone over the same images, in turns."""
    session = open_session(static, threads=1)

    def cascade() -> None:
        for image in images:
            run_cascade(image)

    def alone() -> None:
        for image in images:
            session.run(None, {"image": image})

    both = frame.interleaved_s([cascade, alone], ROUNDS, time.thread_time)
    took_ms, alone_ms = (1e3 * seconds / len(images) for seconds in both)
    return took_ms, alone_ms


if __name__ == "__main__":
    frame.run(
        __doc__,
        measure,
        {
            "--steps": {"type": int, "default": STEPS, "help": f"of the training (default: {STEPS})"},
            "--seed": {"type": int, "default": 0, "help": "of training and halves (default: 0)"},
        },
    )
