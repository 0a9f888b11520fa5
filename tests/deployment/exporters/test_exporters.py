"""The contract of every export format: it answers as the network does, for any batch size."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_images
from torch import nn

from tests.deployment.exporters.small_network import FACTS, folded, pictures, small_network
from vitnas.deployment.exporters import EXPORTERS, Exporter, Facts
from vitnas.deployment.exporters.exporter import EXACT, size_bytes
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers, at_size, compare
from vitnas.search_spaces import SPACES, Arch, Blueprint, load_space
from vitnas.supernets.data import Pixels
from vitnas.supernets.recalibration import batch_norms
from vitnas.supernets.supernet import Supernet

EVERYWHERE = ("onnx", "coreml")
"""The formats that every built-in space must reach."""
HALF = 2e-3
"""Between an ML program and a network whose weights are in half precision as well; constants of activations are so only in the program."""


@pytest.fixture(scope="module", params=EXPORTERS.names())
def exporter(request: pytest.FixtureRequest) -> Exporter:
    found = EXPORTERS.load(request.param)()
    if missing := found.missing():
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def artefact(exporter: Exporter, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the small network."""
    folder = tmp_path_factory.mktemp("artefact")
    path = exporter.export(folded(), pictures(16), FACTS, folder)
    assert path.parent == folder
    assert list(folder.iterdir()) == [path]  # and nothing else, such as drafts
    return path


def photographs(blueprint: Blueprint) -> torch.Tensor:
    """The two that come with scikit-learn, as a network takes them."""
    channels = blueprint.in_shape[0]
    found = np.stack(load_sample_images().images).transpose(0, 3, 1, 2)[:, :channels]
    pixels = Pixels.of(found, np.zeros(2, dtype=np.int64), (0.5,) * channels, (0.25,) * channels)
    return at_size(pixels.sample(2).all()[0], blueprint)


def assert_parity(exporters: Sequence[Exporter], supernet: Supernet, arch: Arch, folder: Path) -> None:
    """Of an arch with the weights of its supernet; without labels, so that inputs need be no pixels.

    Nothing was trained, and random weights may turn any rounding of an early layer into anything. So Core ML's half precision
    is held against the network with weights in half precision, and no answer needs to be closer than ten times what a
    network's own answers in fp32 differ from those in fp64.
    """
    space = supernet.space
    plain = supernet.extract(arch).eval()
    x = photographs(space.lower(arch))
    keep_scale(plain, x)
    network = fold(plain, x)
    expected = answers(network, x)
    rounded = answers(copy.deepcopy(network).half().float(), x)
    noise = 10 * difference(answers(copy.deepcopy(network).double(), x.double()), expected)
    assert noise <= 0.1, "such weights prove nothing"
    assert difference(answers(plain, x), expected) <= max(noise, EXACT.max_difference)
    facts = Facts(space.name, arch.id, "photographs", (0.5,) * len(x[0]), (0.25,) * len(x[0]), space.task.num_classes)
    for exporter in exporters:
        found = exporter.run(exporter.export(network, x, facts, folder), x)
        if exporter.name == "coreml":
            assert difference(rounded, found) <= max(noise, HALF)
        else:
            assert difference(expected, found) <= max(noise, exporter.limits.max_difference)


def keep_scale(network: nn.Module, x: torch.Tensor) -> None:
    """Makes every batch norm divide by the size of its input: by nothing, signals fade or grow; by the deviation of each channel,
    differences grow from layer to layer until they are noise."""

    def measure(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        norm.running_var.fill_(inputs[0].square().mean())

    hooks = [norm.register_forward_pre_hook(measure) for norm in batch_norms(network)]
    answers(network, x)
    for hook in hooks:
        hook.remove()


def difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    return compare(expected, found, expected.argmax(dim=1)).max_difference


def test_parity_for_any_batch(exporter, artefact):
    network = small_network()
    for n in (1, 3):
        x = pictures(n, seed=n)
        expected, found = answers(network, x), exporter.run(artefact, x)
        assert found.shape == expected.shape
        assert found.dtype == torch.float32
        parity = compare(expected, found, expected.argmax(dim=1))
        limits = exporter.limits
        assert parity.max_difference <= limits.max_difference
        assert limits.mean_difference is None or parity.mean_difference <= limits.mean_difference


def test_no_artefact_tells_where_it_was_made(artefact):
    for file in [artefact] if artefact.is_file() else [f for f in artefact.rglob("*") if f.is_file()]:
        content = file.read_bytes()
        assert b"site-packages" not in content, file
        assert str(Path(__file__).parents[3]).encode() not in content, file
        assert str(artefact.parent).encode() not in content, file


def test_knows_its_own_name(exporter):
    assert EXPORTERS.load(exporter.name) is type(exporter)


@pytest.mark.nightly
def test_parity_at_full_size(exporter, tmp_path):
    space = load_space("autoformer-tiny")
    assert_parity([exporter], Supernet(space, seed=0).eval(), space.named("AutoFormer-T"), tmp_path)


@lru_cache(maxsize=1)
def of_space(name: str) -> Supernet:
    return Supernet(load_space(name), seed=0).eval()


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("which", ["smallest", "largest", *range(20)])
@pytest.mark.parametrize("name", SPACES.names())
def test_parity_in_every_space(name, which, tmp_path):
    supernet = of_space(name)
    archs = {"smallest": supernet.space.smallest(), "largest": supernet.space.largest()}
    archs |= enumerate(supernet.space.sample(20, np.random.default_rng(0)))
    assert_parity([EXPORTERS.load(form)() for form in EVERYWHERE], supernet, archs[which], tmp_path)


def test_size_counts_files_and_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"4567")
    assert size_bytes(tmp_path) == 7
    assert size_bytes(tmp_path / "c") == 4
