"""Spaces from files in use: their networks run, subnets share weights, and the commands take them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.problems.scene import Said, run_here
from vitnas.search_spaces import Task, load_space
from vitnas.supernets.counting.counts import count_in_float, count_layer
from vitnas.supernets.counting.population import PopulationCounter
from vitnas.supernets.supernet import Supernet, build_network

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
FILES = sorted(path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".toml"})
OWN = (EXAMPLES / "own_space.toml").read_text()


def vitnas(cwd: Path, *words: object) -> Said:
    """A command, which knows as little of earlier layers as a process of its own: 16.0 heads are equal to 16."""
    for counted in (count_layer, count_in_float):
        counted.cache_clear()
    return run_here(shlex.join(map(str, words)), cwd)


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("task", [None, Task(16, 7, 3)])
def test_an_example_counts_and_runs(file: str, task: Task | None) -> None:
    space = load_space(str(EXAMPLES / file), task)
    codes = np.concatenate(
        [space.encode([space.smallest(), space.largest()]), space.genome.sample(3, np.random.default_rng(0))]
    )
    counts = PopulationCounter(space)(codes)
    net = Supernet(space).eval()
    x = torch.randn(2, space.task.in_channels, space.task.image_size, space.task.image_size)
    for arch, num_params in zip(space.decode(codes), counts.num_params, strict=True):
        network = build_network(space.lower(arch))
        assert sum(p.numel() for p in network.parameters()) == num_params
        with torch.no_grad():
            assert network.eval()(x).shape == (2, space.task.num_classes)
            assert torch.equal(net(x, arch), net.extract(arch)(x))


@pytest.mark.heavy
def test_the_commands_take_a_file_and_the_run_keeps_it(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(OWN)
    (tmp_path / "c.toml").write_text(
        "[train]\nsteps = 3\nbatch_size = 8\nthreads = 1\nloggers = []\n"
        "[profile]\nblock_ms = 0.2\nblocks = 2\nwarmup_ms = 0.5\nmax_warmup_ms = 1.0\nfit_networks = 2\n"
        "test_networks = 1\nmax_passes = 1\n"
    )
    shown = vitnas(tmp_path, "spaces", "show", "own.toml", "--json")
    assert shown.code == 0, shown.err
    described = json.loads(shown.out)
    assert (described["name"], described["size"]) == ("own-digits", 504)
    (tmp_path / "arch.json").write_text(json.dumps(described["example"]))
    counted = vitnas(tmp_path, "count", "--space", "own.toml", "--arch", "arch.json", "--json")
    assert json.loads(counted.out)[0]["num_params"] == described["smallest"]["num_params"]
    plotted = vitnas(tmp_path, "plot", "arch.json", "--space", "own.toml", "--out", "net.svg")
    assert (plotted.code, (tmp_path / "net.svg").is_file()) == (0, True), plotted.err
    trained = vitnas(tmp_path, "train-supernet", "--space", "own.toml", "--config", "c.toml")
    assert trained.code == 0, trained.err
    run = tmp_path / "runs" / "digits-own-digits"
    assert (run / "space.toml").read_text() == OWN
    (tmp_path / "own.toml").unlink()
    profiled = vitnas(tmp_path, "profile", "--run", run, "--config", "c.toml")
    assert profiled.code == 0, profiled.err
    assert (run / "latency" / "cpu.parquet").is_file()


UNFIT = {
    "kind": ('"feed_forward"', '"feed_foward"', "site 'block0_ffn': no layer kind named 'feed_foward'"),
    "no chain": ("attrs = { heads", 'out_shape = ["tokens", 48]\nattrs = { heads', "site 'block0_ffn' takes (17, 32)"),
    "heads": (
        'kind = "attention"\nin_shape = ["tokens", "width"]\nattrs = { heads = "= heads", head_width = 16, reach = 0 }',
        'kind = "attention"\nin_shape = ["tokens", "width"]\n'
        'attrs = { heads = "= heads", head_width = "= width / heads", reach = 0 }',
        "site 'block0_attention'",
    ),
}


@pytest.mark.parametrize("case", UNFIT)
@pytest.mark.parametrize("words", [["train-supernet"], ["count", "--largest"], ["profile"]])
def test_a_space_whose_layers_do_not_fit_is_refused_before_work(case: str, words: list[str], tmp_path: Path) -> None:
    """Heads are 2 or 3 and the width 32 or 48: 32 over 3 is no whole head."""
    old, new, message = UNFIT[case]
    assert old in OWN
    (tmp_path / "own.toml").write_text(OWN.replace(old, new))
    done = vitnas(tmp_path, *words, "--space", "own.toml")
    assert done.code == 2
    assert done.err.startswith("error: own.toml")
    assert message in done.err
    assert "Traceback" not in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["own.toml"]
