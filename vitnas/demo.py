"""The demo: the whole walk on the embedded digits, as the commands that a user would type."""

from __future__ import annotations

import shlex
import subprocess
import sys
import time
from pathlib import Path

from vitnas.errors import VitnasError


def run_demo(folder: Path, workers: int) -> None:
    """Runs every command in its own process; interrupted, it goes on where it stopped."""
    run = folder / "run"
    front = run / "search-cpu" / "front.json"
    start = time.monotonic()
    if (run / "config.toml").exists():
        _vitnas("train-supernet", "--resume", run)
    else:
        _vitnas("train-supernet", "--space", "autoformer-mini", "--data", "digits", "--out", run)
    if not (run / "latency" / "cpu.parquet").exists():  # a new table would be another search
        _vitnas("profile", "--run", run, "--device", "cpu", "--quick")
    limit = f"{_middle_latency(run):.3f}ms"
    _vitnas("search", "--run", run, "--device", "cpu", "--latency", limit, "--workers", workers)
    _vitnas("export", "--run", run, "--front", front, "--pick", "knee", "--out", folder / "knee", "--force")
    _vitnas("plot", front, "--out", folder / "front.png")
    minutes = (time.monotonic() - start) / 60
    print(
        f"\nDone in {minutes:.1f} minutes. Look at\n"
        f"  {folder / 'front.png'}: the networks that this search found, accuracy against latency here\n"
        f"  {folder / 'knee' / 'model.onnx'}: the one at the knee, ready for ONNX Runtime\n"
        f"  {folder / 'knee' / 'report.json'}: proof that it answers as its supernet does\n"
        f"Next, search again under another limit:\n"
        f"  vitnas search --run {run} --device cpu --latency {0.7 * float(limit[:-2]):.3f}ms --out {run / 'search-tight'}"
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
    code = subprocess.run([sys.executable, "-m", "vitnas.cli", *map(str, words)], check=False).returncode
    if code:
        raise VitnasError(
            f"the demo stopped at `vitnas {words[0]}` (exit code {code}); run it again to go on from there"
        )
