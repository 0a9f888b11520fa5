"""What one GPU makes of vitnas, in under eight minutes.

Keys, each of a part that --only measures alone:

training    images_per_s.supernet (the largest arch of autoformer-tiny, 224 px, on the shared weights), images_per_s.timm (timm's
            VisionTransformer of the same widths and depth) and images_ratio of the two (goal: at least .95; it has no relative
            positions, so the plain network cut from the supernet is told beside, images_per_s.plain); sandwich_ratio (a
            sandwich step over its networks one by one); memory_gb.supernet, memory_gb.plain and memory_ratio (peaks on the GPU)
evaluation  archs_per_s.SPACE of a search's score, and evaluation_ratio.SPACE over bare forward passes
agreement   of a network that learnt a little, on 10,000 images: images (by which the number of right answers on the GPU differs
            from that on the processor; goal: at most 1), answers (images that it answers otherwise)
tables      of each device cuda* that is here, and 20 networks held out: mape.DEVICE, kendall.DEVICE, build_s.DEVICE
tensorrt    where it is installed: difference (largest of any logit of an ONNX file, beside the network), ms
processes   two processes on two GPUs with NCCL, else two on the processor with gloo: nccl (1 or 0), difference (largest of any
            weight, beside one process, in units of the largest weight), processes_ratio (images a second, two over one)

`--torch-device cpu` runs it on a processor with small numbers: figures that say nothing, code that is tried, all but that for the GPU's memory,
for NCCL and for what is not installed.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import evaluation_throughput as throughput
import frame
import numpy as np
import supernet_step as step
import torch
from torch import Tensor, nn

from vitnas.deployment.exporters import EXPORTERS, Facts
from vitnas.errors import SettingsError
from vitnas.files import read_lines
from vitnas.latency_lut.devices import DEVICES, load_device
from vitnas.latency_lut.profile import profile
from vitnas.latency_lut.settings import ProfileSettings
from vitnas.run import RunFolder
from vitnas.search_spaces import load_space
from vitnas.search_spaces.uniform import uniform_line
from vitnas.supernets.data import DataSettings, Pixels, load_dataset
from vitnas.supernets.evaluation import evaluate
from vitnas.supernets.recalibration import recalibrate
from vitnas.supernets.settings.train import TrainSettings
from vitnas.supernets.supernet import Supernet
from vitnas.supernets.torch_device import Stopwatch, describe_device, find_device
from vitnas.supernets.training.samplers.sandwich import Sandwich
from vitnas.supernets.training.train import start_run, train
from vitnas.supernets.weights.checkpoints import load_supernet


@dataclass(frozen=True)
class Sizes:
    """How much is measured: on a GPU, or where one is only pretended."""

    batch: int
    rounds: int
    images: int
    steps: int
    settings: ProfileSettings
    budget_s: float


REAL = Sizes(128, 11, 10_000, 200, replace(ProfileSettings.quick(), test_networks=20), 45.0)
BRIEF = ProfileSettings(
    block_ms=1.0, blocks=3, warmup_ms=2.0, max_warmup_ms=10.0, fit_networks=4, test_networks=3, tolerance=0.9
)
PRETENDED = Sizes(2, 1, 200, 4, BRIEF, 30.0)
SPACE = "autoformer-tiny"
SMALL = "autoformer-mini"


def measure(quick: bool, torch_device: str, only: str | None = None) -> dict[str, float]:
    try:
        device = find_device(torch_device, "--torch-device")
    except SettingsError as error:
        raise SystemExit(f"{error}; 'cpu' only tries the code") from None
    sizes = PRETENDED if quick or device.type == "cpu" else REAL
    print(describe_device(device))
    found: dict[str, float] = {}
    for name, part in PARTS.items():
        if only in (None, name):
            start = time.perf_counter()
            found |= part(device, sizes)
            print(f"{name}: {time.perf_counter() - start:.0f} s", flush=True)
    return found


def training(device: torch.device, sizes: Sizes) -> dict[str, float]:
    space = load_space(SPACE)
    net, arch = Supernet(space).to(device), space.largest()
    x, y = (of.to(device) for of in step._batch(space, sizes.batch))
    calls: dict[str, Callable[[], None]] = {
        "supernet": step._train(net, x, y, arch),
        "plain": step._train(net.extract(arch), x, y),
    }
    if find_spec("timm"):
        calls["timm"] = step._train(step._timm(space).to(device), x, y)
    took = dict(zip(calls, _interleaved_s(list(calls.values()), sizes.rounds, device), strict=True))
    found = {f"images_per_s.{name}": sizes.batch / seconds for name, seconds in took.items()}
    found["images_ratio"] = took.get("timm", took["plain"]) / took["supernet"]
    sandwich = step._sandwich(net, x, y)
    alone = [step._train(net.extract(lesson.arch), x, y) for lesson in Sandwich(space, seed=0, num_steps=1).plan(0)]
    step_s, *each_s = _interleaved_s([sandwich, *alone], max(1, sizes.rounds // 3), device)
    found["sandwich_ratio"] = step_s / sum(each_s)
    if device.type == "cuda":
        peaks = {name: _peak_gb(call, device) for name, call in (("supernet", sandwich), ("plain", calls["plain"]))}
        found |= {f"memory_gb.{name}": gb for name, gb in peaks.items()}
        found["memory_ratio"] = peaks["supernet"] / peaks["plain"]
    return found


def evaluation(device: torch.device, sizes: Sizes) -> dict[str, float]:
    dataset = load_dataset(DataSettings("shapes", image_size=throughput.SIZE))
    dataset = replace(dataset, val=dataset.val.sample(min(len(dataset.val), sizes.images)))
    found: dict[str, float] = {}
    for name in throughput.SPACES:
        score = replace(throughput.score_of(name, dataset), torch_device=str(device))
        archs = uniform_line(score.space)[: 2 if sizes is PRETENDED else throughput.ARCHS]
        networks = [score._supernet.extract(arch).eval() for arch in archs]
        seen = [images.all()[0].to(device) for images in (score.dataset.train, score.dataset.val)]

        def ours(score: object = score, archs: Sequence[object] = archs) -> object:
            return [score(arch) for arch in archs]  # type: ignore[operator]

        def plain(networks: Sequence[nn.Module] = networks, seen: Sequence[Tensor] = seen) -> None:
            throughput.pass_through(networks, *seen)

        ours_s, plain_s = _interleaved_s([ours, plain], sizes.rounds, device)
        found |= {f"archs_per_s.{name}": len(archs) / ours_s, f"evaluation_ratio.{name}": plain_s / ours_s}
    return found


def agreement(device: torch.device, sizes: Sizes) -> dict[str, float]:
    data = DataSettings("shapes", image_size=32)
    dataset = load_dataset(data)
    space = load_space(SMALL, dataset.task)
    with tempfile.TemporaryDirectory() as folder:
        settings = TrainSettings(steps=sizes.steps, torch_device=str(device), loggers=())
        run = start_run(Path(folder) / "run", space, data, settings)
        train(run, progress=False)
        network = load_supernet(run).extract(space.largest())
    recalibrate(network, dataset.train)
    parts = [part.pixels(np.arange(len(part))) for part in (dataset.train, dataset.val, dataset.test) if part]
    x, y = (torch.cat(of)[: sizes.images].numpy() for of in zip(*parts, strict=True))
    images = Pixels.of(x, y, dataset.train.mean, dataset.train.std)
    here = evaluate(network, images).right
    there = evaluate(network.to(device), images).right
    return {
        "agreement.images": abs(int(np.sum(here)) - int(np.sum(there))),
        "agreement.answers": int(np.sum(np.asarray(here) != np.asarray(there))),
        "agreement.of": len(images),
        "agreement.accuracy": float(np.mean(here)),
    }


def tables(device: torch.device, sizes: Sizes) -> dict[str, float]:
    names = ["cpu-torch"] if device.type == "cpu" else [name for name in DEVICES if name.startswith("cuda")]
    space = load_space(SMALL)
    found: dict[str, float] = {}
    for name in names:
        target = load_device(name)
        if (reason := target.missing()) is not None:
            print(f"{name} is left: {reason}")
            continue
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            table = profile(space, target, Path(folder) / "table.parquet", sizes.settings, False, sizes.budget_s)
            found[f"build_s.{name}"] = time.perf_counter() - start
        if (fidelity := table.header.fidelity) is not None:
            found |= {f"mape.{name}": fidelity.mape, f"kendall.{name}": fidelity.kendall or 0.0}
            found[f"networks.{name}"] = fidelity.networks
    return found


def tensorrt(device: torch.device, sizes: Sizes) -> dict[str, float]:
    """With ONNX Runtime's provider; where one is only pretended, with that of the processor."""
    import onnxruntime

    provider = "TensorrtExecutionProvider" if device.type == "cuda" else "CPUExecutionProvider"
    if provider not in onnxruntime.get_available_providers() or (device.type == "cuda" and not find_spec("tensorrt")):
        print("TensorRT is not installed; pip install onnxruntime-gpu tensorrt")
        return {}
    space = load_space(SMALL)
    network = Supernet(space).extract(space.largest()).eval()
    x = torch.randn(1, *space.task.image_shape, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory() as folder:
        facts = Facts(space.name, space.largest().id, "none", (0.0,), (1.0,), space.task.num_classes)
        file = EXPORTERS.load("onnx")().export(network, x.repeat(2, 1, 1, 1), facts, Path(folder))
        session = onnxruntime.InferenceSession(str(file), providers=[provider])
        [name] = [one.name for one in session.get_inputs()]
        [logits] = session.run(None, {name: x.numpy()})
        [seconds] = frame.interleaved_s([lambda: session.run(None, {name: x.numpy()})], 10 * sizes.rounds)
    expected = network(x).detach().numpy()
    return {"tensorrt.difference": float(np.abs(logits - expected).max()), "tensorrt.ms": 1e3 * seconds}


def processes(device: torch.device, sizes: Sizes) -> dict[str, float]:
    nccl = device.type == "cuda" and torch.cuda.device_count() > 1
    where = "cuda" if nccl else "cpu"
    rates: dict[int, float] = {}
    weights: dict[int, dict[str, Tensor]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number in (1, 2):
            path = Path(folder) / str(number)
            rates[number] = _trained(path, number, where, sizes.steps)
            weights[number] = dict(load_supernet(RunFolder.open(path)).state_dict())
    largest = max(float(weight.abs().max()) for weight in weights[1].values())
    gaps = [float((weights[2][name] - weight).abs().max()) for name, weight in weights[1].items()]
    return {
        "processes.nccl": float(nccl),
        "processes.difference": max(gaps) / largest,
        "processes_ratio": rates[2] / rates[1],
    }


def _trained(path: Path, number: int, where: str, steps: int) -> float:
    """Images a second of a training by so many processes, as its last lines tell."""
    own = ["train-supernet", "--space", SMALL, "--data", "digits", "--steps", str(steps), "--out", str(path)]
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={number}"] if number > 1 else []
    command = [sys.executable, *launcher, "-m", "vitnas", *own, "--torch-device", where, "--log-every", "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    rates = [float(line["images_per_s"]) for line in read_lines(path / "metrics.jsonl") if "images_per_s" in line]
    return float(np.median(rates[len(rates) // 2 :]))


def _interleaved_s(calls: Sequence[Callable[[], object]], rounds: int, device: torch.device) -> list[float]:
    """Median seconds until the device has done what each call asks of it."""

    def finished(call: Callable[[], object]) -> Callable[[], None]:
        def whole() -> None:
            call()
            Stopwatch(device)  # waits for the device

        return whole

    return frame.interleaved_s([finished(call) for call in calls], rounds)


def _peak_gb(call: Callable[[], None], device: torch.device) -> float:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    call()
    return torch.cuda.max_memory_allocated(device) / 2**30


PARTS: dict[str, Callable[[torch.device, Sizes], dict[str, float]]] = {
    part.__name__: part for part in (training, evaluation, agreement, tables, tensorrt, processes)
}


if __name__ == "__main__":
    frame.run(
        __doc__,
        measure,
        {
            "--torch-device": {"default": "cuda", "help": "cuda, cuda:1, or cpu, which pretends one"},
            "--only": {"choices": list(PARTS), "help": "one part"},
        },
    )
