"""Files are written and removed by `vitnas.files`; whoever does otherwise is listed here with the reason."""

from __future__ import annotations

import re
from pathlib import Path

import vitnas

HOME = Path(vitnas.__file__).parent
WAYS = re.compile(
    r"\.write_text\(|\bPath\([^)]*\)\.write_bytes\(|\.write_bytes\(|open\([^)\n]*[\"'][wax]b?\+?[\"']|rmtree\(|parquet\.(read|write)_table\("
    r"|np\.save\(|torch\.save\(|json\.loads\([^\n]*\.read_(text|bytes)\("
)

OWN = {
    "latency_lut/remote/runner.py": "runs where vitnas is not",
    "latency_lut/remote/ssh.py": "a temporary folder, and an archive on its way",
    "latency_lut/remote/bundle.py": "its own work folder in the draft",
    "latency_lut/runtimes/onnx.py": "a temporary folder",
    "latency_lut/runtimes/memory.py": "a switch of the kernel",
    "deployment/cascades/runner.py": "the text of what runs where vitnas is not",
    "deployment/exporters/executorch.py": "a temporary folder",
    "deployment/exporters/executorch_worker.py": "runs where vitnas is not, writes into a draft",
    "supernets/training/processes/ray.py": "notes of workers to each other",
}


def test_nobody_else_writes_or_removes_files():
    found = {}
    for path in HOME.rglob("*.py"):
        name = path.relative_to(HOME).as_posix()
        if not name.startswith("files/") and (ways := [w.group() for w in WAYS.finditer(path.read_text())]):
            found[name] = ways
    assert {name: ways for name, ways in found.items() if name not in OWN} == {}
    assert set(OWN) <= set(found), "listed, and does nothing of the kind any more"
