"""The contract of every export format: it answers as the supernet does, for any batch size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from vitnas.deployment.exporters import EXPORTERS, Exporter, Facts
from vitnas.deployment.exporters.exporter import size_bytes
from vitnas.search_spaces import SPACES, Arch, SearchSpace, load_space
from vitnas.supernets.supernet import Supernet

MINI = load_space("autoformer-mini")
ARCHS = {
    "smallest": MINI.smallest(),
    "largest": MINI.largest(),
    **{f"random{i}": arch for i, arch in enumerate(MINI.sample(2, np.random.default_rng(11)))},
}


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    return Supernet(MINI, seed=2).eval()


@pytest.fixture(params=EXPORTERS.names())
def exporter(request: pytest.FixtureRequest) -> Exporter:
    return EXPORTERS.load(request.param)()


def facts(space: SearchSpace, arch: Arch) -> Facts:
    return Facts(space.name, arch.id, "noise", (0.5,), (0.25,), space.task.num_classes)


def images(space: SearchSpace, n: int, seed: int = 0) -> torch.Tensor:
    task = space.task
    shape = (n, task.in_channels, task.image_size, task.image_size)
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def assert_parity(exporter: Exporter, supernet: Supernet, arch: Arch, folder: Path, batches: tuple[int, ...]) -> None:
    space = supernet.space
    path = exporter.export(supernet.extract(arch).eval(), images(space, 4), facts(space, arch), folder)
    assert path.parent == folder
    assert path.exists()
    for n in batches:
        x = images(space, n, seed=n)
        with torch.no_grad():
            expected = supernet(x, arch).numpy()
        found = exporter.run(path, x)
        assert found.shape == expected.shape
        assert found.dtype == torch.float32
        unit = np.sqrt(np.mean(expected**2))
        assert np.abs(found.numpy() - expected).max() / unit <= exporter.limits.max_difference


def test_knows_its_own_name(exporter):
    assert EXPORTERS.load(exporter.name) is type(exporter)


@pytest.mark.parametrize("which", ARCHS)
def test_parity_with_the_supernet_for_any_batch(exporter, supernet, which, tmp_path):
    assert_parity(exporter, supernet, ARCHS[which], tmp_path, (1, 3, 65))


def test_parity_at_full_size(exporter, tmp_path):
    space = load_space("autoformer-tiny")
    assert_parity(exporter, Supernet(space, seed=0).eval(), space.named("AutoFormer-T"), tmp_path, (1, 3))


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("end", ["smallest", "largest"])
@pytest.mark.parametrize("name", SPACES.names())
def test_parity_in_every_space(exporter, name, end, tmp_path):
    space = load_space(name)
    assert_parity(exporter, Supernet(space, seed=0).eval(), getattr(space, end)(), tmp_path, (1, 3))


def test_size_counts_files_and_folders(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"4567")
    assert size_bytes(tmp_path) == 7
    assert size_bytes(tmp_path / "c") == 4
