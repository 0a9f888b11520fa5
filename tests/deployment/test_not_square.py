"""Images that are not square, from pixels to files: one supernet trained at several patches and sizes, judged, exported, verified."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from tests.supernets.data.pictures import write_folder
from vitnas.deployment.export import ExportSettings, export
from vitnas.deployment.verify import images_for, verify
from vitnas.files import read_json
from vitnas.run import RunFolder
from vitnas.search_spaces import SearchSpace, load_space
from vitnas.supernets.data import DataSettings, dataset_of, load_dataset
from vitnas.supernets.evaluation import evaluate_arch
from vitnas.supernets.settings.resolution import Resolution
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet

SPACE = """
name = "wide"
extends = "deit"

[change]
patch = 8
patches = [4, 8]
resolution = [0.5, 1.0]
width = [16]
head_width = 8
heads = [1, 2]
mlp_ratio = [1.0]
depth = [1, 2]
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("wide")
    write_folder(folder / "images", {"a": 12, "b": 12}, size=(40, 20))
    (folder / "wide.toml").write_text(SPACE)
    data = DataSettings(str(folder / "images"), image_size=(32, 64), fit="letterbox", val_share=0.3)
    space = load_space(str(folder / "wide.toml"), load_dataset(data).task)
    settings = TrainSettings(
        steps=4, batch_size=8, threads=1, loader_threads=1, loggers=(), evaluate_every=10**6,
        resolution=Resolution(sizes=((16, 32), (32, 64))),
    )  # fmt: skip
    made = start_run(folder / "run", space, data, settings)
    train(made, progress=False)
    return RunFolder.open(made.path)


def shapes_of(space: SearchSpace) -> set[tuple[int, ...]]:
    return {space.lower(arch).in_shape for arch in space.sample(60, np.random.default_rng(0))}


def test_settings_come_back_from_the_run(run: RunFolder) -> None:
    assert run.space.task.image_size == (32, 64)
    assert dataset_of(run).task == run.space.task
    assert dataset_of(run).division.fit == "letterbox"
    assert shapes_of(run.space) == {(3, 16, 32), (3, 32, 64)}


def test_one_supernet_answers_at_every_patch_and_resolution(run: RunFolder) -> None:
    net, dataset = load_supernet(run).eval(), dataset_of(run)
    x, _ = dataset.val.all()
    answers = {}
    for arch in run.space.sample(12, np.random.default_rng(1)):
        network = net.extract(arch).eval()
        with torch.no_grad():
            torch.testing.assert_close(network(x), net(x, arch), rtol=1e-4, atol=1e-4)
        answers[arch["patch"], arch["resolution"]] = evaluate_arch(net, arch, dataset).accuracy
    assert set(answers) == {(patch, resolution) for patch in (4, 8) for resolution in (16, 32)}


@pytest.mark.slow
def test_what_is_exported_is_of_its_own_size_and_is_verified_again(run: RunFolder, tmp_path: Path) -> None:
    space, dataset = run.space, dataset_of(run)
    arch = space.restrict(patch=(4,), resolution=(32,)).smallest()
    out = tmp_path / "out"
    settings = ExportSettings(verify_images=8, measure=False, licence="apache-2.0")
    export(space, load_supernet(run), arch, dataset, out, settings)
    report = read_json(out / "report.json")
    assert report["task"]["image_size"] == [32, 64]
    assert report["division"]["fit"] == "letterbox"
    graph = onnx.load(out / report["formats"]["onnx"]["file"]).graph
    assert [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim][1:] == [3, 32, 64]
    kernels = [list(w.dims) for w in graph.initializer if len(w.dims) == 4]
    assert [16, 3, 4, 4] in kernels
    assert "32x64" in (out / "README.md").read_text()
    again = images_for(report, str(run.config["data"]["name"]))
    assert again.task == space.task
    assert verify(out, again, measure=False)["formats"]["onnx"]["hold"] is True
