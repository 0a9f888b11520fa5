"""The contract of every export format: it answers as the network does, for any batch size."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.deployment.exporters.small_network import FACTS, folded, pictures, small_network
from vitnas.deployment.exporters import EXPORTERS, Exporter, Facts, Limits
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import Parity, answers, at_size, compare
from vitnas.search_spaces import SPACES, Arch, SearchSpace, load_space
from vitnas.supernets.supernet import Supernet

EVERYWHERE = ("onnx", "coreml")
"""The formats that every built-in space must reach."""


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


def images(space: SearchSpace, n: int, seed: int = 0) -> torch.Tensor:
    task = space.task
    shape = (n, task.in_channels, task.image_size, task.image_size)
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def assert_parity(exporters: Sequence[Exporter], supernet: Supernet, arch: Arch, folder: Path) -> None:
    """Of an arch with the weights of its supernet; without labels, so that inputs need be no pixels."""
    space = supernet.space
    blueprint = space.lower(arch)
    x = at_size(images(space, 2), blueprint)
    with torch.no_grad():
        expected = supernet(x, arch)
    network = fold(supernet.extract(arch).eval(), x)
    facts = Facts(space.name, arch.id, "noise", (0.5,) * len(x[0]), (0.25,) * len(x[0]), space.task.num_classes)
    for exporter in exporters:
        found = exporter.run(exporter.export(network, x, facts, folder), x)
        assert_within(exporter.limits, compare(expected, found, expected.argmax(dim=1)))


def assert_within(limits: Limits, parity: Parity) -> None:
    """The numbers alone: among the classes of random weights there are ties."""
    assert parity.max_difference <= limits.max_difference, parity
    assert limits.mean_difference is None or parity.mean_difference <= limits.mean_difference, parity


def test_parity_for_any_batch(exporter, artefact):
    network = small_network()
    for n in (1, 3):
        x = pictures(n, seed=n)
        expected, found = answers(network, x), exporter.run(artefact, x)
        assert found.shape == expected.shape
        assert found.dtype == torch.float32
        parity = compare(expected, found, expected.argmax(dim=1))
        assert_within(exporter.limits, parity)


def test_no_artefact_tells_where_it_was_made(artefact):
    for file in [artefact] if artefact.is_file() else [f for f in artefact.rglob("*") if f.is_file()]:
        content = file.read_bytes()
        assert b"site-packages" not in content, file
        assert str(Path(__file__).parents[3]).encode() not in content, file
        assert str(artefact.parent).encode() not in content, file


def test_knows_its_own_name(exporter):
    assert EXPORTERS.load(exporter.name) is type(exporter)


@pytest.mark.slow
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
