"""Accuracies of a real supernet, an oracle fitted on them that judges every arch of a space at once, and what its weights say.

`python benchmarks/problems/supernet_oracle.py` trains a supernet of the cut-down AutoFormer space on CIFAR-10 (16 tokens,
so that one core is enough), measures archs on its weights and writes `supernet_oracle.json`. That is done:
`search_quality.py` needs no more than the file.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vitnas.files import read_json, write_json
from vitnas.search_spaces import Codes, SearchSpace, Task
from vitnas.search_spaces.published.plain_vit import PlainViT
from vitnas.search_spaces.site_values import SiteValues
from vitnas.supernets.pruning.importances import IMPORTANCES

FILE = Path(__file__).with_suffix(".json")
IMAGES = Path(__file__).parents[3] / "shared" / "data" / "images" / "cifar10_32x32_rgb_full_jpegpack.npz"
STEPS, BATCH = 3000, 64
NUM_ARCHS, NUM_IMAGES = 400, 1500


def cut_down_space() -> SearchSpace:
    """The genes of autoformer-mini over 4 x 4 patches: 1,793,340 archs."""
    return PlainViT(
        "autoformer-cut",
        Task(image_size=32, num_classes=10, in_channels=3),
        width=(48, 64, 80),
        depth=(3, 4, 5, 6),
        heads=(2, 3, 4),
        mlp_ratio=(2.0, 3.0, 4.0),
        patch=8,
        head_width=16,
        relative_reach=14,
        pool="mean",
    )


def measured() -> tuple[Codes, NDArray[np.float64]]:
    """The archs that were measured on the supernet, and their accuracies."""
    data = read_json(FILE)
    return np.array([row.split() for row in data["codes"]], dtype=np.int16), np.array(data["accuracy"])


def importance() -> SiteValues:
    """What archs keep of what matters on the weights of the supernet."""
    return SiteValues(
        cut_down_space(), np.array([row.split() for row in read_json(FILE)["importance"]], dtype=np.float64)
    )


class Oracle:
    """Accuracy of any arch: Gaussian processes on what was measured, so every arch has one true value.

    One process sees the choices as numbers from 0 to 1 (a block that is off is -1), with a length for each of them that
    the evidence chooses, so genes act together in ways that no sum or product of theirs says. Its mean is the oracle;
    what a few thousand images add by chance is left out as its noise.
    """

    def __init__(self, space: SearchSpace) -> None:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

        self._sizes = np.array([max(1, len(column.choices) - 1) for column in space.columns])
        codes, accuracy = measured()
        kernel = ConstantKernel(1.0, (1e-2, 1e3)) * RBF(np.full(len(self._sizes), 3.0), (0.3, 1e4)) + WhiteKernel(
            0.2, (1e-3, 1.0)
        )
        self._process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(
            self._inputs(codes), accuracy
        )

    def __call__(self, codes: Codes) -> NDArray[np.float64]:
        rows = range(0, len(codes), 20_000)
        parts = [self._process.predict(self._inputs(codes[start : start + 20_000])) for start in rows]
        return np.concatenate(parts)

    def _inputs(self, codes: Codes) -> NDArray[np.float64]:
        return np.where(codes < 0, -1.0, codes / self._sizes)


def measure() -> None:
    """Trains, evaluates, writes."""
    from vitnas.run import RunFolder
    from vitnas.supernets.augment import Augment
    from vitnas.supernets.data import DataSettings, Pixels, load_dataset
    from vitnas.supernets.evaluation import evaluate
    from vitnas.supernets.settings.train import TrainSettings
    from vitnas.supernets.training.loop import TrainingLoop
    from vitnas.supernets.training.processes.distributed import World

    space = cut_down_space()
    found = load_dataset(DataSettings(str(IMAGES), test_share=0.0))  # judged on the published test
    train, val = (
        Pixels.of(pixels.numpy(), labels.numpy(), found.mean, found.std)
        for pixels, labels in (
            found.train.pixels(np.arange(len(found.train))),
            found.val.pixels(np.arange(NUM_IMAGES)),
        )
    )
    settings = TrainSettings(
        steps=STEPS,
        batch_size=BATCH,
        threads=1,
        loader_threads=1,
        augment=Augment(crop_padding=2, flip=0.5),
        log_every=100,
        evaluate_every=10**9,
        checkpoint_every=10**9,
        loggers=(),
        sampler="sandwich",
        sampler_options={"label_steps": 300},
    )
    rng = np.random.default_rng(0)
    half = NUM_ARCHS // 2
    drawn = np.concatenate([space.genome.sample(half, rng), space.genome.sample_evenly(half, rng)])
    ends = space.encode([space.smallest(), space.largest()])
    codes = np.unique(np.concatenate([ends, drawn]), axis=0)
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(folder))
        run.__dict__["space"] = space  # it has no name by which a run could find it
        loop = TrainingLoop(run, settings, replace(found, train=train, val=val), World())
        loop.finish(show=False)
        accuracy = [evaluate(loop.net.extract(arch), val).accuracy for arch in space.decode(codes)]
        kept = IMPORTANCES.load("weight_gradient")().table(loop.net, train)
    weights = [" ".join(f"{weight:.6g}" for weight in row) for row in kept.table]
    rows = [" ".join(map(str, row)) for row in codes.tolist()]
    write_json(FILE, {"steps": STEPS, "images": NUM_IMAGES, "codes": rows, "accuracy": accuracy, "importance": weights})


if __name__ == "__main__":
    measure()
