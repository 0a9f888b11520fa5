"""What does a processor without VNNI make of int8 files, and do weights of 7 bits mend it?

A network with random weights is exported with weights of 8 bits and of 7 (static, dynamic, and through OpenVINO where it is
installed). This processor and one without VNNI, which qemu-user emulates, run the files on the same images. The
answers are compared with those of the network in PyTorch. Nothing is timed.

Keys, of each processor and format: PROCESSOR.FORMAT.full and PROCESSOR.FORMAT.reduced, the mean difference of logits in units
of their root mean square; PROCESSOR.onnx.saturates and PROCESSOR.openvino.saturates, 1 where the self-test finds it.

The quick sample: without OpenVINO, which an emulated processor takes a minute to compile.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from frame import run, show
from numpy.typing import NDArray

from vitnas.deployment.exporters import EXPORTERS, Facts
from vitnas.deployment.folding import fold
from vitnas.deployment.verification import answers
from vitnas.latency_lut.settings import Int8Range
from vitnas.search_spaces import load_space
from vitnas.supernets.data import load_dataset
from vitnas.supernets.supernet import build_network

FORMATS = {"onnx-int8": "static", "onnx-int8-dynamic": "dynamic", "openvino-int8": "openvino"}
RANGES: tuple[Int8Range, ...] = ("full", "reduced")
SPACE = "autoformer-mini"
EMULATED = "Haswell"
"""As qemu calls an x86 processor with AVX2 and without VNNI."""
IMAGES = 32

RUN = """
import json, sys, numpy as np
from vitnas.latency_lut.runtimes import saturation
images, files = sys.argv[1], sys.argv[2:]
tests = {"onnx": saturation.onnx_runtime_test().saturates}
for file in files:
    x = np.load(images)
    if file.endswith(".onnx"):
        import onnxruntime
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = 1, 3
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        y = session.run(None, {"image": x})[0]
    else:
        import openvino
        tests["openvino"] = saturation.openvino_test().saturates
        hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1}
        y = openvino.Core().compile_model(file + "/model.xml", "CPU", hints)(x)[0]
    np.save(file + ".npy", y)
print(json.dumps(tests))
"""
"""Needs no torch, which an emulated processor would take minutes to load."""


def measure(quick: bool) -> Mapping[str, float]:
    qemu = shutil.which("qemu-x86_64")
    if qemu is None or platform.machine() != "x86_64":
        sys.exit("skipped: qemu-x86_64 is not here (Debian: apt install qemu-user), or this is no x86 machine")
    commands: dict[str, list[str]] = {"here": [], EMULATED.lower(): [qemu, "-cpu", EMULATED]}
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        files, y = _export(list(FORMATS)[: 2 if quick else None], Path(folder))
        for processor, command in commands.items():
            for runtime, saturates in _run(command, Path(folder) / "x.npy", list(files)).items():
                found[f"{processor}.{runtime}.saturates"] = float(saturates)
            for file, (name, asked) in files.items():
                off = np.abs(np.load(f"{file}.npy") - y).mean() / np.sqrt(np.square(y).mean())
                found[f"{processor}.{name}.{asked}"] = float(off)
    kinds = [name for name in FORMATS.values() if f"here.{name}.full" in found]
    show(
        "mean difference of logits",
        ("processor", *(f"{kind}, {asked}" for kind in kinds for asked in RANGES)),
        [
            (name, *(f"{found[f'{name}.{kind}.{asked}']:.4f}" for kind in kinds for asked in RANGES))
            for name in commands
        ],
    )
    return found


def _export(formats: Sequence[str], folder: Path) -> tuple[dict[Path, tuple[str, str]], NDArray[np.float32]]:
    """The files of a network by what they are, the images beside them, and what the network answers."""
    dataset, space = load_dataset("digits"), load_space(SPACE)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(space.lower(space.smallest())).eval()
    example, x = (images.take(np.arange(n))[0] for images, n in ((dataset.train, 64), (dataset.val, IMAGES)))
    deployed = fold(network, example)
    facts = Facts(SPACE, "0", "digits", tuple(dataset.mean), tuple(dataset.std), 10, dataset.classes)
    np.save(folder / "x.npy", x.numpy())
    files: dict[Path, tuple[str, str]] = {}
    for kind in formats:
        called = FORMATS[kind]
        for asked in RANGES:
            exporter = EXPORTERS.load(kind)()
            if exporter.missing():
                continue
            exporter.int8_range = asked
            (folder / f"{called}-{asked}").mkdir()
            files[exporter.export(deployed, example, facts, folder / f"{called}-{asked}")] = called, asked
    return files, answers(network, x).numpy()


def _run(command: Sequence[str], images: Path, files: Sequence[Path]) -> dict[str, bool]:
    done = subprocess.run(
        [*command, sys.executable, "-c", RUN, str(images), *map(str, files)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    if done.returncode:
        sys.exit(done.stderr)
    told: dict[str, bool] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


if __name__ == "__main__":
    run(__doc__, measure)
