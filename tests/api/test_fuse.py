"""Two networks are fused into an export, with which a training may begin."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

import vitnas
from vitnas.cli import main
from vitnas.errors import ExportError, InvalidArchError, SettingsError
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.weights.checkpoints import load_supernet
from vitnas.supernets.weights.initial_weights import initialise

QUICK = vitnas.ExportSettings(formats=("torch",), measure=False, verify_images=20)


@pytest.fixture
def run(trained: vitnas.RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> vitnas.RunFolder:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained.path, tmp_path / "runs" / "mine")
    return vitnas.load_run("runs/mine")


@pytest.mark.heavy
@torch.no_grad()
def test_two_archs_become_an_export_that_init_takes(
    run: vitnas.RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = vitnas.fuse(run, ["largest", "smallest"], "fused", QUICK, share=0.25, progress=True)
    largest, smallest = run.space.largest(), run.space.smallest()
    assert report["arch_id"] == largest.id
    assert f"arch {smallest.id} with a share of 0.25" in report["chosen"]
    assert f"aligning {smallest.id} to {largest.id}" in capsys.readouterr().err
    fused, x = vitnas.load_model("fused"), torch.randn(2, 1, 8, 8)
    own = load_supernet(run).extract(largest)
    assert not torch.allclose(fused(x), own(x), atol=1e-3)
    net = Supernet(run.space).eval()
    assert f"arch {largest.id}" in initialise(net, "fused")
    torch.testing.assert_close(net(x, largest), fused(x), rtol=1e-4, atol=1e-5)
    words = ["fuse", "--run", "runs/mine", "--arch", "fused", "--arch", "fused/arch.json", "--out", "again"]
    monkeypatch.setattr("sys.argv", ["vitnas", *words, "--format", "torch"])
    with pytest.raises(SystemExit, match="0"):
        main()
    assert f"arch {largest.id} is the mean of two networks" in capsys.readouterr().out
    torch.testing.assert_close(vitnas.load_model("again")(x), fused(x), rtol=1e-4, atol=1e-5)


@pytest.mark.heavy
@torch.no_grad()
def test_the_file_of_an_arch_means_the_run_that_it_lies_in(run: vitnas.RunFolder, tmp_path: Path) -> None:
    """Or, in no run, the run that was named."""
    other = tmp_path / "other"
    shutil.copytree(run.path, other)
    largest = run.space.largest()
    for place in (other / "arch.json", tmp_path / "mine.json"):
        place.write_text(json.dumps(largest.to_json()))
    state = load_supernet(run).extract(largest).state_dict()
    for file in (other / "checkpoints").iterdir():
        shutil.rmtree(file)
    with pytest.raises(vitnas.VitnasError, match=f"run '{other}' has no checkpoint yet"):
        vitnas.fuse(run, ["largest", other / "arch.json"], "fused", QUICK)
    vitnas.fuse(run, ["largest", tmp_path / "mine.json"], "fused", QUICK)
    fused = vitnas.load_model("fused").state_dict()
    assert all(torch.equal(fused[name], tensor) for name, tensor in state.items())


def test_what_cannot_be_fused_is_refused_before_any_work(run: vitnas.RunFolder, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="1 archs were given; give two"):
        vitnas.fuse(run, ["largest"], "fused", QUICK)
    with pytest.raises(SettingsError, match="share is 2; give what the second network counts for, from 0 to 1"):
        vitnas.fuse(run, ["largest", "largest"], "fused", QUICK, share=2.0)
    with pytest.raises(SettingsError, match=r"finetune is 1, but a fused network is tuned by a training: --init fused"):
        vitnas.fuse(run, ["largest", "largest"], "fused", vitnas.ExportSettings(finetune=1))
    (tmp_path / "fused").mkdir()
    (tmp_path / "fused" / "notes.txt").write_text("mine")
    with pytest.raises(ExportError, match="is not empty"):
        vitnas.fuse(run, ["largest", "largest"], "fused", QUICK)
    (tmp_path / "arch.json").write_text(json.dumps(vitnas.load_space("deit").largest().to_json()))
    with pytest.raises(InvalidArchError):
        vitnas.fuse(run, ["largest", tmp_path / "arch.json"], "other", QUICK)
    with pytest.raises(SettingsError, match="mine' is no arch; give the folder of an export or the file of an arch"):
        vitnas.fuse(run, ["largest", "runs/mine"], "other", QUICK)
