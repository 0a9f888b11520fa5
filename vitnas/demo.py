"""The demo: the whole story on embedded images, as the commands that a user would type."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from vitnas.errors import VitnasError
from vitnas.interruption import going_on, postponed

FORMATS = "onnx,coreml"


def run_demo(folder: Path) -> None:
    """A network for drawn shapes in one command, against a plain vision transformer of the same time."""
    start = time.monotonic()
    _vitnas(
        *("auto", "shapes", "--device", "cpu", "--latency", "1.5ms", "--time", "3m", "--baseline", "vit"),
        *("--format", FORMATS, "--out", folder),
    )
    _vitnas("estimate", "--device", "iphone12", "--onnx", folder / "network" / "model.onnx")
    minutes = (time.monotonic() - start) / 60
    print(
        f"\nDone in {minutes:.1f} minutes. Look at\n"
        f"  {folder / 'README.md'}: the network against a plain vision transformer that was trained as long\n"
        f"  {folder / 'network' / 'README.md'}: its card, with its ONNX and Core ML files and the proof that they agree\n"
        f"  {folder / 'plan.toml'}: what was trained, and for how long\n"
        f"Next, your own images, one folder a class:\n"
        f"  vitnas auto photos/ --device cpu --latency 3ms --time 2h\n"
        f"`vitnas demo --walk` goes the long way by hand: a supernet of digits, a latency table, a search, a front."
    )


def run_walk(folder: Path, workers: int) -> None:
    """Supernet, table, predictor, search, export, report, a process each; interrupted, it goes on where it stopped."""
    run, found = folder / "run", folder / "run" / "search"
    start = time.monotonic()
    if (run / "config.toml").exists():
        _vitnas("train-supernet", "--resume", run)
    else:
        _vitnas(
            *("train-supernet", "--space", "autoformer-mini", "--data", "digits", "--sampler", "complexity"),
            *("--out", run),
        )
    if not (run / "latency" / "cpu.parquet").exists():  # a new table would be another search
        _vitnas("profile", "--run", run, "--device", "cpu", "--quick")
    if not (run / "latency" / "iphone12.parquet").exists():
        _vitnas("profile", "--run", run, "--device", "iphone12")
    if not (run / "predictor").exists():
        _vitnas("predictor", "fit", "--run", run, "--samples", 100, "--predictor", "ridge", "--workers", workers)
    limit = f"cpu={_middle_latency(run):.3f}ms"
    _vitnas(
        *("search", "--run", run, "--device", "cpu", "--device", "iphone12", "--latency", limit),
        *("--evaluations", 150, "--workers", workers, "--out", found),
    )
    picks = {device: folder / f"best-{device}" for device in ("cpu", "iphone12")}
    for device, out in picks.items():
        if not out.exists():
            front = found / f"front-{device}.json"
            _vitnas("export", "--run", run, "--front", front, "--format", FORMATS, "--out", out)
    _vitnas("plot", found / "front-cpu.json", "--out", folder / "front.png")
    _vitnas("report", run, "--out", folder / "report.html")
    minutes = (time.monotonic() - start) / 60
    print(
        f"\nDone in {minutes:.1f} minutes. Look at\n"
        f"  {folder / 'report.html'}: all of it, in a browser\n"
        f"  {folder / 'front.png'}: the networks that this search found, accuracy against latency here\n"
        f"  {picks['cpu'] / 'README.md'}: the best network here, with its ONNX and Core ML files and the proof that "
        f"they answer as the supernet does\n"
        f"  {picks['iphone12'] / 'README.md'}: the one for an iPhone 12, whose latency is an estimate\n"
        f"Next, your own images, one folder a class:\n"
        f"  vitnas train-supernet --data photos/ --space efficientformerv2 --init timm:efficientformerv2_s0\n"
        f"  vitnas search --device iphone12 --latency 1.5ms\n"
        f"docs/own-images.md says how long that takes and what else there is."
    )


def _middle_latency(run: Path) -> float:
    """A limit that cuts through the space: halfway between its smallest and largest network."""
    from vitnas.latency_lut.table import LatencyTable
    from vitnas.run import RunFolder

    opened = RunFolder.open(run)
    space = opened.space
    table = LatencyTable.read(opened.latency_file("cpu"))
    ends = table.latency_ms(space)(space.encode([space.smallest(), space.largest()]))
    return float(ends.mean())


def _vitnas(*words: object) -> None:
    words = tuple(map(str, words))
    print(f"\n$ vitnas {shlex.join(words)}", flush=True)  # type: ignore[arg-type]
    with going_on("the same command goes on from there"):
        process = subprocess.Popen([sys.executable, "-m", "vitnas.cli", *map(str, words)])
        with postponed(process.terminate):
            code = process.wait()
    if code:
        raise VitnasError(
            f"the demo stopped at `vitnas {words[0]}` (exit code {code}); run it again to go on from there"
        )
