"""The commands that the pages show, run one after the other in a small world of what they speak of."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmarks.problems.scene import make_scene, run_here
from tests.contracts.goal_data import label_table, mask_folder
from tests.test_docs import ROOT, commands
from vitnas.latency_lut.table import LatencyTable
from vitnas.search_spaces import load_space

NOT_HERE = {
    "--ray-address": "a cluster that somebody else runs",
    "postgresql:": "a database server",
    "vitnas dashboard": "serves until it is interrupted; tests/reporting/page/test_dashboard.py",
    "--device browser": "waits for a browser; tests/latency_lut/browser",
    "--browser wasm": "waits for a browser; tests/latency_lut/browser",
    "vitnas try": "serves until it is interrupted; tests/deployment/test_trial.py",
    "vitnas cascade": "archs that have learned enough to be told apart; tests/api/cascades",
    "--cascade cascade.json": "a cascade; tests/deployment/cascades",
    "vitnas demo": "minutes; tests/automation, and the walk of the README",
    "--import": "figures of another machine; tests/latency_lut/remote",
    "timm:convnext_tiny@": "a file of weights",
    "stitch:": "weights of two networks; tests/automation/pruning/test_stitching.py",
    "--init timm:": "weights from the network; tests/supernets/weights/pretrained",
    "NAME": "words to be replaced",
    "s3://": "an object store; tests/supernets/data/test_stores.py",
    "gs://": "an object store; tests/supernets/data/test_stores.py",
    **{
        name: "a package that is not installed; tests/loggers"
        for name in ("mlflow", "wandb")
        if find_spec(name) is None
    },
}
"""What no test can run from the pages, and why."""
SHORTER = (
    ("--budget 15m", "--budget 40s --quick"),
    ("--budget 10m", "--budget 40s --quick"),
    ("--budget 5m", "--budget 40s --quick"),
    ("--workers 4", "--workers 2"),
    ("--workers 8", "--workers 2"),
    ("--samples 200", "--samples 12"),
    ("--data shapes --answer", "--steps 2 --data shapes --answer"),
    ("--answer", "--space tiny.toml --answer"),
    ("--time 10m", "--time 10s"),
    ("--time 6h", "--time 6s --space autoformer-mini --format torch"),
    ("--time 30m", "--time 4s"),
    ("--time 2h", "--time 10s --space efficientformerv2"),
    ("suggest --data photos/", "suggest --data photos/ --space efficientformerv2"),
    ("--time 3m", "--time 10s"),
    ("--at 2,4 --out", "--at 1,2 --steps 2 --out"),
    ("--finetune 10", "--finetune 1"),
    ("--epochs 20", "--epochs 2"),
    ("--evaluations 500", "--evaluations 12"),
    ("--space asvit --arch As-ViT-seed --params 28M", "--space tiny.toml --params 60k"),
    ("--space elasticvit", "--space tiny.toml"),
    ("--space autoformer-tiny", "--space tiny.toml"),
    ("--include DeiT-Ti ", ""),
    ("R --front F", "runs/mine --front runs/mine/search-cpu/front.json"),
    ("--front front.json", "--front runs/mine/search-cpu/front.json"),
    ("journal:///shared/", "journal:///"),
    ("docs/examples", str(ROOT / "docs" / "examples")),
    *(() if find_spec("openvino") else (("onnx,openvino,", "onnx,"),)),
)
"""The same with less to do: a tiny space, and archs that exist in it."""


def runnable() -> dict[str, list[str]]:
    """Page -> its commands, shortened; what several pages say alike is run for the first of them."""
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for page, line in sorted(set(commands())):
        text = line.partition("#")[0] if " #" in line else line
        if "..." in text or any(word in text for word in (*NOT_HERE, "COMMAND")):
            continue
        for long, short in SHORTER:
            text = text.replace(long, short)
        text = " ".join(text.split())
        if text not in seen:
            found.setdefault(str(page), []).append(text)
        seen.add(text)
    return found


def world(folder: Path) -> Path:
    """A folder that holds what the pages speak of, as small as it can be."""
    scene = make_scene(folder / "scene")
    mine = scene / "runs/tiny"
    assert run_here("profile --run runs/tiny --import results.json", scene).code == 0
    board = LatencyTable.read(mine / "latency/board.parquet")
    for device in ("cpu", "iphone12"):
        replace(board, header=replace(board.header, device=device)).write(mine / f"latency/{device}.parquet")
    both = "search --config settings.toml --run runs/tiny --device cpu --device iphone12"
    assert run_here(both, scene).code == 0
    shutil.copytree(mine / "search-cpu+iphone12", scene / "asides/search")
    shutil.move(mine / "search-cpu+iphone12", scene / "asides")
    for name in ("search-iphone12", "search-phone"):
        shutil.copytree(mine / "search-phone", scene / "asides" / name)
    shutil.move(mine / "search-phone", mine / "search-cpu")
    photos = ("photos-autoformer-tiny", "photos-efficientformerv2")
    for name in ("digits", "mine", "a", "b", "other", "photos", "digits-autoformer-mini", *photos):
        shutil.copytree(mine, scene / "runs" / name)
    shutil.rmtree(mine)
    shutil.copytree(scene / "runs/mine", scene / "run")
    shutil.copytree(scene / "photos", scene / "pets")
    for name, make, answer in (("streets", mask_folder, "mask"), ("scenes", label_table, "labels")):
        (scene / name).mkdir()
        make(scene / name, answer)
    shutil.copytree(scene / "knee", scene / "exported")
    shutil.copytree(scene / "knee", scene / "mine")
    shutil.copytree(scene / "knee", scene / "best")
    shutil.copy(scene / "knee/model.onnx", scene / "model.onnx")
    (scene / "exported/arch.json").write_text(json.dumps(load_space("autoformer-mini").smallest().to_json()))
    shutil.copy(scene / "arch.json", scene / "mine.json")
    shutil.copy(scene / "runs/mine/latency/cpu.parquet", scene / "OLD.parquet")
    shutil.copy(ROOT / "docs/examples/own_space.py", scene / "my_space.py")
    (scene / "known.csv").write_text("name,accuracy,latency_ms\nothers,0.5,0.06\n")
    settings = (scene / "settings.toml").read_text()
    (scene / "vitnas.toml").write_text(
        settings.replace("[profile]", "[profile]\nblock_ms = 5.0\nblocks = 3\nwarmup_ms = 20.0")
    )
    return scene


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return world(tmp_path_factory.mktemp("world"))


def made_before(text: str) -> list[str]:
    """What the same page runs before a command that needs it."""
    found = []
    table = "profile --run runs/a --device cpu --compress"
    if "search-cpu-compressed" in text:
        found = [table, "search --run runs/a --device cpu --compress --evaluations 8"]
    elif "search --run runs/a --device cpu --compress" in text:
        found = [table]
    if "--run runs/mine-exits" in text:
        found = ["exits --run runs/mine --at 1,2 --steps 2 --out runs/mine-exits"]
    return found


PAGES = runnable()
HELP = "docs/reference/commands.md"
"""The examples of `--help`, which are many; every one of them is parsed in any case (test_docs.py)."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "page", [pytest.param(page, marks=pytest.mark.nightly if page == HELP else pytest.mark.slow) for page in PAGES]
)
def test_commands_of_the_page_run(page: str, home: Path, tmp_path: Path) -> None:
    failed = []
    for text in PAGES[page]:
        copy = tmp_path / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(home, copy)
        for aside in (copy / "asides").iterdir():  # other searches are there only for those who name them
            for run in re.findall(rf"(runs/\S+)/{re.escape(aside.name)}(?![\w+-])", text):
                shutil.copytree(aside, copy / run / aside.name)
        for written in re.findall(r"--out (\S+)", text):  # the pages write where the world already has something
            shutil.rmtree(copy / written, ignore_errors=True)
        if "train-supernet" in text and "--resume" not in text:
            shutil.rmtree(copy / "runs")
        for before in made_before(text):
            assert run_here(before, copy).code == 0, before
        said = run_here(text.removeprefix("vitnas "), copy)
        if said.code != 0:
            failed.append(f"{text}\n{said.err[-600:]}")
    assert not failed, "\n".join(failed)
