"""A folder with one good file of every kind that vitnas reads, made by its own commands in seconds.

settings.toml tiny.toml arch.json layers.csv results.json photos/ photos.npz bundle/ knee/ runs/tiny/ with a
trained supernet, the latency table of a device called phone, a predictor and search-phone/.
"""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitnas.search_spaces import load_space

SPACE = """name = "tiny"
extends = "autoformer-mini"

[only]
width = [48, 64]
depth = [3]
heads = [2, 4]
mlp_ratio = [2.0, 3.0]
"""
SETTINGS = """[train]
steps = 4
batch_size = 16
checkpoint_every = 2
loggers = []

[profile]
fit_networks = 2
test_networks = 2

[search]
evaluations = 8
initial = 4
batch = 2
measure = false
"""
COMMANDS = (
    "train-supernet --config settings.toml --space tiny.toml --data digits --out runs/tiny --threads 1",
    "profile --run runs/tiny --device phone --import layers.csv",
    "search --config settings.toml --run runs/tiny --device phone",
    "predictor fit --run runs/tiny --samples 14 --predictor ridge",
    "export --run runs/tiny --front runs/tiny/search-phone/front.json --format torch,onnx --out knee",
    "profile --config settings.toml --run runs/tiny --device board --bundle bundle --runtime onnx",
)


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code (None if it did not end), and its text."""

    code: int | None
    out: str
    err: str


def run_here(command: str, folder: Path) -> Said:
    """A command in this process, as if it were typed in a folder."""
    from vitnas import cli

    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["vitnas", *shlex.split(command)]
    code: object = 0
    try:
        with chdir(folder), redirect_stdout(out), redirect_stderr(err):
            try:
                cli.main()
            except SystemExit as end:
                code = end.code
            except Exception:
                traceback.print_exc()
                code = 1
    finally:
        sys.argv = argv
    return Said(code if isinstance(code, int) else 1, out.getvalue(), err.getvalue())


def run_forked(command: str, folder: Path, timeout_s: float = 120.0) -> Said:
    """The same in a copy of this process, which spares the imports; nothing that it does stays in this one."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            said = run_here(command, folder)
            json.dump([said.code, said.out, said.err], pipe)
        os._exit(0)
    os.close(write)
    os.set_blocking(read, False)
    content, ended, until = b"", False, time.monotonic() + timeout_s
    while not ended and time.monotonic() < until:
        try:
            chunk = os.read(read, 1 << 16)
            ended = not chunk
            content += chunk
        except BlockingIOError:
            time.sleep(0.01)
    os.close(read)
    if not ended:
        os.kill(pid, 9)
    os.waitpid(pid, 0)
    return Said(*json.loads(content)) if ended and content else Said(None, "", f"no answer within {timeout_s:g} s")


def make_scene(folder: Path, run: Callable[[str, Path], Said] = run_here) -> Path:
    """Fills a folder, which may not exist yet."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tiny.toml").write_text(SPACE)
    (folder / "settings.toml").write_text(SETTINGS)
    space = load_space(str(folder / "tiny.toml"))
    (folder / "arch.json").write_text(json.dumps(space.smallest().to_json()))
    _write_images(folder)
    for command in COMMANDS:
        if "layers.csv" in command:
            _write_layers(folder)
        said = run(command, folder)
        if said.code != 0:
            raise RuntimeError(f"vitnas {command}: {said.err}")
    _write_results(folder)
    return folder


def _write_images(folder: Path) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (24, 16, 16, 3), dtype=np.uint8)
    labels = np.arange(24) % 2
    np.savez(folder / "photos.npz", images=images, labels=labels)
    for i, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "photos" / ("cat", "dog")[label] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)


def _write_layers(folder: Path) -> None:
    """What another tool might have measured: microseconds grow with the size of a layer's output."""
    from vitnas.run import RunFolder

    space = RunFolder.open(folder / "runs/tiny").space
    rows = [("layer", "median_ms"), ("", 0.01)]
    rows += [(spec.key, 0.01 + float(np.prod(spec.out_shape)) * 1e-5) for spec in space.lowering.specs]
    with (folder / "layers.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _write_results(folder: Path) -> None:
    manifest = json.loads((folder / "bundle/manifest.json").read_text())
    first_ms = {"overhead": 0.001, "reference": 0.05, "layer": 0.02, "network": 0.12}
    results = {
        "format": "vitnas results",
        "version": 1,
        "manifest": manifest,
        "runner": "by hand 1",
        "created": "2026-01-01T00:00:00+00:00",
        "fingerprint": {
            "model": "board",
            "system": "linux",
            "runtime": "onnxruntime 1",
            "precision": "fp32",
            "threads": manifest["threads"],
            "batch": manifest["batch"],
        },
        "items": [
            {"id": item["id"], "blocks_ms": [first_ms[item["kind"]] + 0.001 * (i + j % 2) for j in range(5)]}
            for i, item in enumerate(manifest["items"])
        ],
    }
    (folder / "results.json").write_text(json.dumps(results))
