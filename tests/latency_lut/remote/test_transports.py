"""`vitnas profile` on another machine, as people type it."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from vitnas.cli import app
from vitnas.errors import VitnasError
from vitnas.latency_lut.table import LatencyTable

SETTINGS = """
[profile]
block_ms = 1.0
blocks = 4
warmup_ms = 2.0
max_warmup_ms = 10.0
max_repeats = 1
fit_networks = 1
test_networks = 1
max_mape = 5.0
"""


def vitnas(*arguments):
    done = CliRunner().invoke(app, ["profile", *map(str, arguments)])
    if isinstance(done.exception, VitnasError):
        return 2, str(done.exception)
    assert done.exception is None, done.exception
    return done.exit_code, done.output


@pytest.mark.slow
def test_from_a_bundle_to_a_table(tmp_path):
    (tmp_path / "settings.toml").write_text(SETTINGS)
    told = ("--space", "autoformer-mini", "--config", tmp_path / "settings.toml")
    bundle, results, out = tmp_path / "bundle", tmp_path / "results.json", tmp_path / "board.parquet"
    code, said = vitnas(*told, "--device", "my-board", "--bundle", bundle, "--runtime", "onnx")
    assert (code, "--import reads what comes back" in said) == (0, True)
    command = [sys.executable, "-m", "vitnas.latency_lut.remote.runner", bundle, results, "--model", "Board 5"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    code, said = vitnas(*told, "--import", results, "--out", out)
    assert code == 0
    table = LatencyTable.read(out)
    assert (table.header.device, table.header.fingerprint["model"]) == ("my-board", "Board 5")
    assert table.provenances.keys() <= {"measured", "interpolated"}
    assert (tmp_path / "board.png").is_file()
    assert (
        vitnas(*told, "--import", results, "--out", out, "--device", "other")[1].count("'my-board', not 'other'") == 1
    )


def test_a_csv_of_layers_needs_no_bundle(tmp_path):
    from vitnas.search_spaces import load_space

    lines = ["layer,median_ms", ",0.1", *(f"{spec.key},1.6" for spec in load_space("autoformer-mini").lowering.specs)]
    (tmp_path / "figures.csv").write_text("\n".join(lines))
    told = ("--space", "autoformer-mini", "--import", tmp_path / "figures.csv", "--out", tmp_path / "t.parquet")
    assert "name it with --device" in vitnas(*told)[1]
    assert vitnas(*told, "--device", "somewhere")[0] == 0
    table = LatencyTable.read(tmp_path / "t.parquet")
    assert table.provenances == {"imported": len(table.rows)}
    assert [row.timing.median_ms for row in table.rows] == pytest.approx([1.5] * len(table.rows))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ssh", "a@b", "--adb", "x"], "--ssh and --adb are different ways to measure; choose one"),
        (["--ssh", "a@b"], "--ssh needs --device NAME"),
        (["--threads", "2"], "--threads is for --bundle, --ssh and --adb"),
        (["--bundle", "b", "--device", "x", "--threads", "2"], "--threads: Core ML decides that itself"),
        (["--cores", "1"], "--cores is for --ssh and --adb"),
        (["--ssh", "a@b", "--device", "x", "--cores", "4;5"], "cores are numbers with commas"),
        (["--ssh", "a@b", "--device", "x", "--threads", "2", "--cores", "4"], "2 threads on cores '4'"),
        (["--adb", "b", "--device", "x", "--threads", "0"], "at least one thread is needed"),
        (["--bundle", "b", "--device", "x", "--runtime", "tensorrt"], "a bundle is for one of onnx, coreml, tflite"),
        (["--bundle", "b", "--device", "x", "--budget", "5m"], "--from and --budget are for measuring on this machine"),
        (["--bundle", "b", "--device", "cpu"], "'cpu' is a device of this machine"),
        (["--import", "no-such.json"], "cannot be read: No such file"),
        (["--import", "no-such.csv", "--device", "x"], "does not exist"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, said = vitnas("--space", "autoformer-mini", *arguments)
    assert (code, message in said) == (2, True), said
    assert list(tmp_path.iterdir()) == []
