"""The examples of docs/extending.md, installed as the package that the page describes, and used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)

USE = """
from pathlib import Path

import numpy as np
import torch

from vitnas.deployment.exporters import EXPORTERS, Facts
from vitnas.latency_lut.devices import DEVICES
from vitnas.latency_lut.settings import TimingSettings
from vitnas.loggers import LoggedRun
from vitnas.loggers.opened import Loggers
from vitnas.nas.problem import Problem
from vitnas.nas.searchers import SEARCHERS
from vitnas.predictors import PREDICTORS
from vitnas.predictors.proxies.scoring import score_archs
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.counting.counts import count
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.data import load_dataset
from vitnas.supernets.training.lessons import Batch, take_lessons
from vitnas.supernets.training.samplers import SAMPLERS
from vitnas.supernets.supernet import Supernet

space = load_space("mine-gated")
codes = space.genome.sample(40, np.random.default_rng(0))
macs = PopulationCounter(space)(codes).macs.astype(float)
net, x = Supernet(space), torch.randn(4, 1, 8, 8)

lessons = SAMPLERS.load("even")(space, 0).plan(3)
assert lessons == SAMPLERS.load("even")(space, 0).plan(3) != SAMPLERS.load("even")(space, 0).plan(4)
target = torch.eye(10)[:4]
assert len(take_lessons(net, lessons, [Batch(x, torch.arange(4), target)]).losses) == 2

stripes = load_dataset("stripes")
assert stripes.task == Task(8, 2, 1)

arch = space.smallest()
(timing,) = DEVICES.load("by-macs")().time([space.lower(arch)], TimingSettings())
assert timing.median_ms > count(space.lower(arch)).macs / 1e7

nearest = PREDICTORS.load("nearest")(space).fit(codes, macs)
nearest.save(Path("predictor"))
again = PREDICTORS.load("nearest").load(Path("predictor"), space)
assert np.array_equal(nearest.predict(codes).mean, again.predict(codes).mean)
assert np.corrcoef(nearest.predict(codes).mean, macs)[0, 1] > 0.5

quiet = score_archs(space, [space.smallest(), space.largest()], ["quiet", "params"])["quiet"]
assert (quiet < 0).all() and quiet[0] != quiet[1]

climb, counter = SEARCHERS.load("climb")(Problem(space, ()), 0), PopulationCounter(space)
for _ in range(30):
    asked = climb.ask(20)
    if len(asked):
        climb.tell(asked, counter(asked).macs[:, None].astype(float))
assert space.decode(climb.best[None])[0] == space.smallest()

network = net.extract(arch).eval()
exporter = EXPORTERS.load("onnx-single")()
path = exporter.export(network, x, Facts("mine-gated", arch.id, "digits", (0.0,), (1.0,), 10), Path("."))
with torch.no_grad():
    torch.testing.assert_close(exporter.run(path, x), network(x), rtol=1e-4, atol=1e-4)

with Loggers(["table"], LoggedRun("train", "small", Path("logged"))) as loggers:
    loggers.numbers(2, {"largest": {"accuracy": 0.5}})
assert Path("logged/numbers.tsv").read_text() == "2\\tlargest/accuracy\\t0.5\\n"
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to put on the path: the files of the page and the entry points that it lists."""
    folder = tmp_path_factory.mktemp("site")
    blocks = BLOCK.findall((ROOT / "docs" / "extending.md").read_text())
    files = {text.splitlines()[0].removeprefix("# "): text for language, text in blocks if language == "python"}
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    (settings,) = (text for language, text in blocks if language == "toml")
    groups = tomllib.loads(settings)["project"]["entry-points"]
    named = {target.split(":")[0].replace(".", "/") + ".py" for group in groups.values() for target in group.values()}
    assert named == set(files)
    info = folder / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    lines = [f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in entries.items()) for group, entries in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines))
    return folder


def _run(package: Path, cwd: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_examples_work(package: Path, tmp_path: Path) -> None:
    _run(package, tmp_path, "-c", USE)


def test_the_page_names_every_table() -> None:
    text = (ROOT / "docs" / "extending.md").read_text()
    for path in (ROOT / "vitnas").rglob("__init__.py"):
        for table, group in re.findall(r"^([A-Z]+): Registry\[.*?\"(vitnas\.\w+)\"", path.read_text(), re.M | re.S):
            assert f"`{table}`" in text, f"docs/extending.md does not name {table}"
            assert f"`{group}`" in text, f"docs/extending.md does not name {group}"


def test_the_contracts_look_at_the_examples_by_themselves(package: Path) -> None:
    out = _run(package, ROOT, "-m", "pytest", "-p", "no:cacheprovider", "tests/contracts", "-vv", "-k", "mine")
    for contract in ("outside_the_slice", "exports_to_onnx", "encode_and_decode", "the_network_cut_from_it"):
        assert re.search(f"{contract}.*mine.*PASSED", out), contract
