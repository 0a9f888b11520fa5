"""Commands that must be refused, and files that were spoiled in a scene: see `scene.make_scene`.

A case is certainly wrong: none is a file that some reader might take for good.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Spoil = Callable[[Path], None]

RUN = "runs/tiny"
FRONT = f"{RUN}/search-phone/front.json"
TABLE = f"{RUN}/latency/phone.parquet"
NEWEST, OLDER = (f"{RUN}/checkpoints/step-0000000{step}" for step in (4, 2))

SEARCH = f"search --config settings.toml --run {RUN} --device phone --out found"
EXPORT = f"export --run {RUN} --out new"
TRAIN = "train-supernet --config settings.toml --space tiny.toml --out runs/new --threads 1"
PROFILE = f"profile --config settings.toml --run {RUN} --out new.parquet"


@dataclass(frozen=True)
class Case:
    """A command, and what is done to the scene before it is given."""

    name: str
    command: str
    spoil: Spoil = lambda folder: None


def snapshot(folder: Path) -> dict[str, str]:
    """Every file and folder, and what is in it."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


def cases() -> list[Case]:
    """All of them, each with a name of its own."""
    groups = (flags, settings, archs, fronts, tables, checkpoints, images, bundles, spaces, exports, predictors, chewed)
    found = [Case(f"{group.__name__}: {case.name}", case.command, case.spoil) for group in groups for case in group()]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), sorted(name for name in names if names.count(name) > 1)
    return found


# -- ways to spoil a file ----------------------------------------------------------------------


def write(path: str, content: str | bytes) -> Spoil:
    data = content.encode() if isinstance(content, str) else content

    def spoil(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)

    return spoil


def change(path: str, edit: Callable[[Any], Any]) -> Spoil:
    """Of a JSON file: `edit` changes what it gets, or returns something else."""

    def spoil(folder: Path) -> None:
        data = json.loads((folder / path).read_text())
        if isinstance(data, dict):
            data.pop("seal", None)  # so that what is refused is the change itself
        other = edit(data)
        (folder / path).write_text(json.dumps(data if other is None else other))

    return spoil


def cut(path: str, share: float) -> Spoil:
    def spoil(folder: Path) -> None:
        content = (folder / path).read_bytes()
        (folder / path).write_bytes(content[: int(len(content) * share)])

    return spoil


def noise(path: str, at: float, seed: int) -> Spoil:
    """64 bytes of noise somewhere in a file."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / path).read_bytes())
        start = int(len(content) * at)
        content[start : start + 64] = np.random.default_rng(seed).bytes(64)
        (folder / path).write_bytes(content)

    return spoil


def remove(*paths: str) -> Spoil:
    def spoil(folder: Path) -> None:
        for path in paths:
            if (folder / path).is_dir():
                shutil.rmtree(folder / path)
            else:
                (folder / path).unlink()

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(folder: Path) -> None:
        for one in spoils:
            one(folder)

    return spoil


def swap(path: str, old: str, new: str) -> Spoil:
    def spoil(folder: Path) -> None:
        text = (folder / path).read_text()
        assert old in text
        (folder / path).write_text(text.replace(old, new, 1))

    return spoil


def rows(edit: Callable[[Any], Any]) -> Spoil:
    """Of the latency table, as pyarrow has it."""

    def spoil(folder: Path) -> None:
        from pyarrow import parquet

        parquet.write_table(edit(parquet.read_table(folder / TABLE)), folder / TABLE)

    return spoil


def column(name: str, edit: Callable[[list[Any]], list[Any] | None]) -> Spoil:
    """Of the latency table; None drops the column."""

    def changed(table: Any) -> Any:
        import pyarrow

        values, place = edit(table.column(name).to_pylist()), table.schema.get_field_index(name)
        table = table.remove_column(place)
        return table if values is None else table.add_column(place, name, pyarrow.array(values))

    return rows(changed)


def header(old: bytes, new: bytes) -> Spoil:
    def changed(table: Any) -> Any:
        metadata = {key: value.replace(old, new) for key, value in table.schema.metadata.items()}
        assert metadata != table.schema.metadata
        return table.replace_schema_metadata(metadata)

    return rows(changed)


# -- what people mistype -----------------------------------------------------------------------


def flags() -> Iterator[Case]:
    wrong = {
        "no such command": "trane-supernet",
        "no such flag": "search --latncy 1ms",
        "a flag without its value": "search --device",
        "no such space": "count --space autoformer-tinny --smallest",
        "no such published arch": "count --space deit --arch DeiT-XXL",
        "nothing to count": "count --space deit",
        "too much to count": "count --space deit --smallest --largest",
        "no archs": "count --space deit --sample 0",
        "minus one arch": "count --space deit --sample -1",
        "an image of no size": "count --space deit --smallest --image-size 0",
        "an image the space cannot take": "count --space deit --smallest --image-size 5",
        "no classes": "count --space deit --smallest --classes 0",
        "a number that is none": "count --space deit --sample many",
        "a space to show that is none": "spaces show no-such-space",
        "no such proxy": "score --space tiny.toml --sample 2 --proxy naswut",
        "nothing to score": "score --space tiny.toml",
        "a proxy on no such processor": "score --space tiny.toml --sample 2 --proxy params --device tpu",
        "a GPU that is not here": "score --space tiny.toml --sample 2 --proxy naswot --device cuda",
        "growth without an end": "grow --space tiny.toml",
        "growth to two ends": "grow --space tiny.toml --params 1M --macs 1M",
        "growth to a size that is no number": "grow --space tiny.toml --params big",
        "growth by a latency without a table": "grow --space tiny.toml --latency 1ms",
        "an estimate of nothing": "estimate --device iphone12",
        "an estimate of two things": "estimate --timm deit_tiny_patch16_224 --onnx knee/model.onnx",
        "no such timm model": "estimate --timm deit_tiniest_patch16_224",
        "an estimate for a device that is measured": "estimate --device cpu --timm deit_tiny_patch16_224",
        "an estimate for no such device": "estimate --device iphone21 --timm deit_tiny_patch16_224",
        "no such ONNX file": "estimate --onnx nowhere.onnx",
        "no such device": f"search --run {RUN} --device iphone21",
        "a limit without a unit": f"{SEARCH} --latency 5",
        "a limit that is no number": f"{SEARCH} --latency fastms",
        "a limit of nothing": f"{SEARCH} --latency 0ms",
        "a limit below zero": f"{SEARCH} --latency -1ms",
        "a limit that nothing keeps": f"{SEARCH} --latency 0.000001ms",
        "a limit on another device": f"{SEARCH} --latency pixel=1ms",
        "parameters that are no number": f"{SEARCH} --params lots",
        "parameters that no arch has so few of": f"{SEARCH} --params 3",
        "no such objective": f"{SEARCH} --objective beauty",
        "one objective twice": f"{SEARCH} --objective accuracy --objective accuracy",
        "objectives that need no search": f"{SEARCH} --objective params --objective macs",
        "energy that no table has": f"{SEARCH} --energy 5mJ",
        "no such searcher": f"{SEARCH} --searcher simulated-annealing",
        "no such predictor": f"{SEARCH} --predictor crystal-ball",
        "linas without a predictor": f"{SEARCH} --searcher linas --predictor none",
        "no evaluations": f"{SEARCH} --evaluations 0",
        "no workers": f"{SEARCH} --workers 0",
        "a time without a unit": f"{SEARCH} --time 10",
        "a timeout that is no time": f"{SEARCH} --timeout soon",
        "no such baseline": f"{SEARCH} --include DeiT-S",
        "an earlier front that is not there": f"{SEARCH} --warm-start nowhere",
        "a table that is not there": f"{SEARCH} --table nowhere.parquet",
        "a device without a table": f"search --run {RUN} --device pixel9 --out found",
        "a database of no known kind": f"{SEARCH} --storage mongodb://nowhere/x",
        "a database that does not answer": f"{SEARCH} --storage postgresql://127.0.0.1:1/x",
        "a cluster that does not answer": f"{SEARCH} --workers 2 --ray-address 127.0.0.1:1",
        "a run and a space": f"{SEARCH} --space tiny.toml",
        "no such run": "search --run runs/nowhere --device phone",
        "evaluation of no such run": "evaluate --run runs/nowhere --smallest",
        "evaluation of nothing": f"evaluate --run {RUN}",
        "evaluation of two things": f"evaluate --run {RUN} --smallest --largest",
        "evaluation by no workers": f"evaluate --run {RUN} --smallest --workers 0",
        "export of nothing": EXPORT,
        "export of two things": f"{EXPORT} --arch arch.json --front {FRONT}",
        "no such format": f"{EXPORT} --arch arch.json --format onyx",
        "no such int8": f"{EXPORT} --arch arch.json --format onnx --int8 sometimes",
        "no such point": f"{EXPORT} --front {FRONT} --pick 999",
        "a front that is not there": f"{EXPORT} --front nowhere.json",
        "a folder that is there": f"export --run {RUN} --arch arch.json --out knee",
        "a folder that is another's": f"export --run {RUN} --arch arch.json --out photos --force",
        "a calibration without images": f"{EXPORT} --arch arch.json --int8 static --calibration bundle",
        "fine-tuning backwards": f"{EXPORT} --arch arch.json --finetune -1",
        "a teacher that is none": f"{EXPORT} --arch arch.json --finetune 1 --teacher socrates",
        "a profile of two things": f"profile --run {RUN} --space tiny.toml",
        "a profile of no such device": f"{PROFILE} --device abacus",
        "a budget without a unit": f"{PROFILE} --budget 5",
        "two ways to measure": f"{PROFILE} --device board --ssh pi@nowhere --adb tool",
        "a bundle for no such runtime": f"{PROFILE} --device board --bundle new --runtime tensorflow",
        "a bundle without a name": f"{PROFILE} --bundle new --runtime onnx",
        "a bundle under the name of this machine": f"{PROFILE} --device cpu --bundle new --runtime onnx",
        "a bundle that would leave its folder": f"{PROFILE} --device ../board --bundle new --runtime onnx",
        "a board that would be an option": f"{PROFILE} --device board --ssh=-oProxyCommand=ls",
        "a phone without its program": f"{PROFILE} --device board --adb nowhere",
        "too few samples": f"{PROFILE} --device cpu --from {TABLE} --samples 0",
        "no such sampler": f"{TRAIN} --sampler cake",
        "no epochs": f"{TRAIN} --epochs 0",
        "a batch of none": f"{TRAIN} --batch-size 0",
        "a batch of more images than there are": f"{TRAIN} --batch-size 100000",
        "a learning rate below zero": f"{TRAIN} --learning-rate -0.1",
        "no such precision": f"{TRAIN} --precision fp4",
        "training by no workers": f"{TRAIN} --workers 0",
        "training on a GPU that is not here": f"{TRAIN} --torch-device cuda",
        "training on no such processor": f"{TRAIN} --torch-device abacus",
        "no data": f"{TRAIN} --data nowhere",
        "first weights that are not there": f"{TRAIN} --init nowhere.safetensors",
        "first weights of no such model": f"{TRAIN} --init timm:no_such_model",
        "first weights of another network": f"{TRAIN} --init timm:resnet18",
        "a run that is there": "train-supernet --space tiny.toml --out runs/tiny",
        "resuming no such run": "train-supernet --resume runs/nowhere",
        "resuming with another space": f"train-supernet --resume {RUN} --space deit",
        "no threads": "train-supernet --config settings.toml --space tiny.toml --out runs/new --threads 0",
        "no such teacher": "teach --teacher socrates --out answers",
        "answers of no epochs": f"teach --teacher run:{RUN} --data digits --epochs 0 --out answers",
        "no answers to keep": f"teach --teacher run:{RUN} --data digits --epochs 1 --top-k 0 --out answers",
        "a teacher of no such run": "teach --teacher run:runs/nowhere --data digits --epochs 1 --out answers",
        "a predictor of no such kind": f"predictor fit --run {RUN} --predictor oracle --out new",
        "a predictor of beauty": f"predictor fit --run {RUN} --quantity beauty --out new",
        "a predictor from two archs": f"predictor fit --run {RUN} --samples 2 --out new",
        "no predictor to report": f"predictor report --run {RUN} --out nowhere",
        "verifying nothing": "verify nowhere",
        "verifying what was not exported": "verify photos",
        "verifying on two kinds of images": f"verify knee --data digits --run {RUN}",
        "verifying on images of another size": "verify knee --data photos",
        "plotting nothing": "plot nowhere.json",
        "plotting no such picture": f"plot {FRONT} --what landscape",
        "a picture of no known kind": f"plot {FRONT} --out front.docx",
        "a picture in what is no folder": f"plot {FRONT} --out photos.npz/front.png",
        "baselines that are not there": f"plot {FRONT} --baselines nowhere.csv",
        "comparing nothing": "compare nowhere",
        "a report of nothing": "report nowhere",
        "a report of images": "report photos",
        "a dashboard of nothing": "dashboard nowhere",
        "a port that is none": f"dashboard {RUN} --port 99999",
        "a demo by no workers": "demo --workers 0",
    }
    yield Case("a profile of nothing", "profile --device cpu", remove("runs"))
    yield from (Case(name, command) for name, command in wrong.items())


def settings() -> Iterator[Case]:
    train, search = "train-supernet --space tiny.toml --out runs/new --config bad.toml", SEARCH
    bad: dict[str, tuple[str, str | bytes]] = {
        "not TOML": (train, "[train\nepochs = 3"),
        "not text": (train, b"\xff\xfe\x00[train]"),
        "an unknown table": (train, "[trane]\nepochs = 3"),
        "an unknown key": (train, "[train]\nepocks = 3"),
        "text for a number": (train, '[train]\nepochs = "three"'),
        "a number for a table": (train, "train = 3"),
        "a list for a table": (train, "[[train]]\nepochs = 3"),
        "one key twice": (train, "[train]\nepochs = 3\nepochs = 4"),
        "half an epoch": (train, "[train]\nepochs = 0.5"),
        "no number": (train, "[train]\nlearning_rate = nan"),
        "too much smoothing": (train, "[train]\nlabel_smoothing = 1.5"),
        "an endless rate": (train, "[train]\nlearning_rate = inf"),
        "an option no sampler has": (train, "[train.sampler_options]\nmagic = 1"),
        "an unknown augmentation": (train, "[train.augment]\nrotate = 1"),
        "too much erasing": (train, "[train.augment]\nerase = 3.0"),
        "no such optimizer": (train, '[train]\noptimizer = "prayer"'),
        "shares that do not divide": (train, "[train]\nbatch_size = 16\naccumulate = 5"),
        "half precision on a CPU": (train, '[train]\nprecision = "fp16"'),
        "all images held back": (train, "[data]\nval_share = 1.0"),
        "images of no size": (train, "[data]\nimage_size = 0"),
        "five channels": (train, "[data]\nin_channels = 5"),
        "a spread of zero": (train, "[data]\nmean = [0.5]\nstd = [0.0]"),
        "a batch of minus one": (search, "[search]\nbatch = -1"),
        "a population of one": (search, "[search]\npopulation = 1"),
        "an unknown limit": (search, "[search.limits]\nbeauty = 3"),
        "a limit of no number": (search, "[search.limits]\nlatency_ms = nan"),
        "objectives that are no list": (search, "[search]\nobjectives = 7"),
        "no blocks": (PROFILE + " --device cpu", "[profile]\nblocks = 0"),
        "time below zero": (PROFILE + " --device cpu", "[profile]\nblock_ms = -5"),
        "a limit on differences below zero": (EXPORT + " --arch arch.json --config bad.toml", "[export]\nlimits = -1"),
    }
    for name, (command, content) in bad.items():
        given = command.replace("settings.toml", "bad.toml")
        yield Case(name, given, write("bad.toml", content))
    yield Case("not there", train.replace("bad", "nowhere"))
    yield Case("a folder", train.replace("bad.toml", "photos"))


# -- files -------------------------------------------------------------------------------------


def archs() -> Iterator[Case]:
    def genes(**values: Any) -> Spoil:
        return change("arch.json", lambda arch: arch["genes"].update(values))

    bad: dict[str, Spoil] = {
        "not JSON": write("arch.json", "{'space': tiny}"),
        "empty": write("arch.json", ""),
        "a list": write("arch.json", "[1, 2]"),
        "a number": write("arch.json", "7"),
        "without genes": write("arch.json", '{"space": "tiny"}'),
        "with more than an arch has": change("arch.json", lambda arch: arch.update(weights="evil")),
        "of another space": change("arch.json", lambda arch: arch.update(space="deit")),
        "a width that is no choice": genes(width=50),
        "a width of text": genes(width="48"),
        "a width of NaN": genes(width=float("nan")),
        "a list for a width": genes(width=[48, 48, 48]),
        "a number for a list": genes(heads=2),
        "too few heads": genes(heads=[2]),
        "too many heads": genes(heads=[2] * 9),
        "no value for a block": genes(heads=[2, None, 2]),
        "an unknown gene": genes(magic=1),
        "a gene left out": change("arch.json", lambda arch: arch["genes"].pop("depth")),
        "genes in a list": change("arch.json", lambda arch: {**arch, "genes": list(arch["genes"])}),
        "a table in a gene": genes(width={"really": 48}),
        "nested without end": write("arch.json", "[" * 100_000),
    }
    readers = (
        "count --space tiny.toml --arch arch.json",
        f"evaluate --run {RUN} --arch arch.json",
        f"{EXPORT} --arch arch.json",
        "estimate --space tiny.toml --arch arch.json",
        f"{SEARCH} --include arch.json",
        "score --space tiny.toml --arch arch.json --proxy params",
        "plot arch.json --what arch --space tiny.toml",
        "grow --space tiny.toml --arch arch.json --params 1M",
    )
    # Each is read by two commands, and each command meets every kind of fault in turn.
    for i, (name, spoil) in enumerate(bad.items()):
        for command in (readers[i % len(readers)], readers[(i + 3) % len(readers)]):
            yield Case(f"{name}, {command.split()[0]}", command, spoil)


def fronts() -> Iterator[Case]:
    def point(edit: Callable[[dict[str, Any]], Any]) -> Spoil:
        return change(FRONT, lambda front: edit(front["points"][0]) and None)

    bad: dict[str, Spoil] = {
        "not JSON": write(FRONT, "points: none"),
        "empty": write(FRONT, ""),
        "a list": write(FRONT, "[]"),
        "of another version": change(FRONT, lambda front: front.update(format="vitnas-front/99")),
        "without a version": change(FRONT, lambda front: front.pop("format") and None),
        "without points": change(FRONT, lambda front: front.update(points=[])),
        "of another space": change(FRONT, lambda front: front.update(space="deit")),
        "of another version of the space": change(FRONT, lambda front: front.update(fingerprint="0" * 16)),
        "an unknown key": change(FRONT, lambda front: front.update(magic=1)),
        "an objective without a direction": change(
            FRONT, lambda front: front["objectives"][0].pop("direction") and None
        ),
        "an unknown direction": change(FRONT, lambda front: front["objectives"][0].update(direction="sideways")),
        "a point without an objective": point(lambda p: p["objectives"].pop("accuracy")),
        "a figure of text": point(lambda p: p["objectives"].update(accuracy="high")),
        "a figure of NaN": point(lambda p: p["objectives"].update(accuracy=float("nan"))),
        "an arch that is none": point(lambda p: p.update(arch=7)),
        "an arch of another id": point(lambda p: p.update(id="0" * 12)),
        "a width that is no choice": point(lambda p: p["arch"]["genes"].update(width=50)),
        "an unknown provenance": point(lambda p: p["provenance"].update(accuracy="dreamt")),
    }
    readers = (
        f"{EXPORT} --front {FRONT}",
        f"evaluate --run {RUN} --front {FRONT}",
        f"{SEARCH} --warm-start {FRONT}",
    )
    drawers = (f"plot {FRONT} --out new.png", f"compare {FRONT}", f"report {FRONT} --out new.html")
    for i, (name, spoil) in enumerate(bad.items()):
        yield Case(f"{name}, {readers[i % 3].split()[0]}", readers[i % 3], spoil)
        if "another" not in name and "no choice" not in name:  # those who draw do not know the space
            yield Case(f"{name}, {drawers[i % 3].split()[0]}", drawers[i % 3], spoil)


def tables() -> Iterator[Case]:
    bad: dict[str, Spoil] = {
        "not parquet": write(TABLE, "layer,median_ms"),
        "empty": write(TABLE, ""),
        "text in parquet's clothes": write(TABLE, b"PAR1" + b"x" * 200 + b"PAR1"),
        "of another device": header(b'"device":"phone"', b'"device":"tablet"'),
        "a header that is no JSON": header(b"{", b"("),
        "without times": column("median_ms", lambda v: None),
        "without layers": column("spec", lambda v: None),
        "times of text": column("median_ms", lambda v: [str(x) for x in v]),
        "a time below zero": column("median_ms", lambda v: [-1.0, *v[1:]]),
        "a time of NaN": column("median_ms", lambda v: [float("nan"), *v[1:]]),
        "an endless time": column("median_ms", lambda v: [float("inf"), *v[1:]]),
        "a time left out": column("median_ms", lambda v: [None, *v[1:]]),
        "a layer twice": column("spec", lambda v: [v[1], *v[1:]]),
        "a layer that is none": column("spec", lambda v: ["{}", *v[1:]]),
        "an unknown provenance": column("provenance", lambda v: ["dreamt", *v[1:]]),
        "counts below zero": column("macs", lambda v: [-1, *v[1:]]),
    }
    yield Case("of fewer layers", SEARCH, rows(lambda table: table.slice(2)))
    readers = (
        SEARCH,
        f"plot {TABLE} --what fidelity --out new.png",
        f"profile --run {RUN} --device cpu --from {TABLE} --samples 10 --out new.parquet",
    )
    for i, (name, spoil) in enumerate(bad.items()):
        yield Case(f"{name}, search", readers[0], spoil)
        if "another" not in name:
            yield Case(f"{name}, {readers[1 + i % 2].split()[0]}", readers[1 + i % 2], spoil)
    csv: dict[str, str | bytes] = {
        "no rows": "layer,median_ms\n",
        "no unit": "layer,median\nx,1\n",
        "an unknown unit": "layer,median_weeks\nx,1\n",
        "an unknown column": "layer,median_ms,mood\nx,1,good\n",
        "no layers": "median_ms\n1\n",
        "no layer of the space": "layer,median_ms\nno_such_layer,1\n",
        "a time below zero in CSV": "layer,median_ms\n,-1\n",
        "a time of NaN in CSV": "layer,median_ms\n,nan\n",
        "a time of text in CSV": "layer,median_ms\n,fast\n",
        "a layer twice in CSV": "layer,median_ms\n,1\n,1\n",
        "an arch that is none in CSV": 'layer,median_ms,arch\n,1,\n,1,"{}"\n',
        "a CSV file that is no text": b"\xff\xfe\x00",
    }
    for name, content in csv.items():
        yield Case(name, f"{PROFILE} --device phone --import bad.csv", write("bad.csv", content))
    yield Case("a CSV file that is not there", f"{PROFILE} --device phone --import nowhere.csv")
    yield Case("a CSV file of no device", f"{PROFILE} --import layers.csv")


def checkpoints() -> Iterator[Case]:
    def all_of(file: str, how: Callable[[str], Spoil]) -> Spoil:
        return both(*(how(f"{folder}/{file}") for folder in (NEWEST, OLDER)))

    weights, state = "supernet.safetensors", "state.json"
    bad: dict[str, Spoil] = {
        "no checkpoints": remove(f"{RUN}/checkpoints"),
        "no state": all_of(state, lambda f: remove(f)),
        "no weights": all_of(weights, lambda f: remove(f)),
        "weights cut off": all_of(weights, lambda f: cut(f, 0.5)),
        "weights of nothing": all_of(weights, lambda f: write(f, "")),
        "weights changed": all_of(weights, lambda f: noise(f, 0.7, 1)),
        "weights of pickle": all_of(weights, lambda f: write(f, b"\x80\x04cos\nsystem\n(S'ls'\ntR.")),
        "a state that is no JSON": all_of(state, lambda f: write(f, "{")),
        "a state of a list": all_of(state, lambda f: write(f, "[]")),
        "a state without hashes": all_of(state, lambda f: change(f, lambda s: s.pop("sha256") and None)),
        "a state of another space": all_of(state, lambda f: change(f, lambda s: s.update(space="0" * 16))),
    }
    config = f"{RUN}/config.toml"
    both_ways: dict[str, Spoil] = {
        "a config that is no TOML": write(config, "[space"),
        "a config of nothing": write(config, ""),
        "a config of no such space": both(remove(f"{RUN}/space.toml"), write(config, '[space]\nname = "tinny"\n')),
        "a config without its space": remove(f"{RUN}/space.toml"),
        "a config of another task": swap(config, "num_classes = 10", "num_classes = 7"),
        "a config of no classes": swap(config, "num_classes = 10", "num_classes = 0"),
        "a space file that is no TOML": write(f"{RUN}/space.toml", "[["),
    }
    resumed = {"a config of unknown settings": swap(config, "[train]", "[train]\nmagic = 1")}
    readers = (f"evaluate --run {RUN} --smallest", SEARCH, f"{EXPORT} --arch arch.json")
    for i, (name, spoil) in enumerate({**bad, **both_ways}.items()):
        yield Case(f"{name}, {readers[i % 3].split()[0]}", readers[i % 3], spoil)
    del bad["no checkpoints"]  # a run that was stopped before its first one is resumed from the start
    for name, spoil in {**bad, **both_ways, **resumed}.items():
        yield Case(f"{name}, resume", f"train-supernet --resume {RUN}", both(_unfinished, spoil))


def _unfinished(folder: Path) -> None:
    """A run that has steps left, so that resuming reads its checkpoints."""
    swap(f"{RUN}/config.toml", "steps = 4", "steps = 6")(folder)


def images() -> Iterator[Case]:
    def arrays(**changes: Any) -> Spoil:
        def spoil(folder: Path) -> None:
            with np.load(folder / "photos.npz") as found:
                values = {**found, **changes}
            np.savez(folder / "photos.npz", **{k: v for k, v in values.items() if v is not None})

        return spoil

    def pickled(folder: Path) -> None:
        np.savez(folder / "photos.npz", images=np.array([{"a": 1}] * 24, dtype=object), labels=np.arange(24) % 2)

    def tiny(folder: Path) -> None:
        from PIL import Image

        for path in (folder / "photos").rglob("*.png"):
            Image.new("RGB", (1, 1)).save(path)

    def text(folder: Path) -> None:
        for path in (folder / "photos").rglob("*.png"):
            path.write_text("not a picture")

    def halves(folder: Path) -> None:
        for path in (folder / "photos").rglob("*.png"):
            path.write_bytes(path.read_bytes()[:60])

    def one_file_each(folder: Path) -> None:
        for kind in ("cat", "dog"):
            for path in sorted((folder / "photos" / kind).iterdir())[1:]:
                path.unlink()

    def tar(*names: str) -> Spoil:
        def spoil(folder: Path) -> None:
            import tarfile

            with tarfile.open(folder / "shard-0000.tar", "w") as file:
                for name in names:
                    info = tarfile.TarInfo(name)
                    info.size = 3
                    file.addfile(info, io.BytesIO(b"abc"))

        return spoil

    folder: dict[str, Spoil] = {
        "no classes": both(remove("photos/cat", "photos/dog"), write("photos/readme.txt", "none")),
        "an empty folder": remove("photos/cat", "photos/dog"),
        "one class": remove("photos/dog"),
        "classes without images": both(remove("photos"), write("photos/a/x.txt", ""), write("photos/b/x.txt", "")),
        "text named .png": text,
        "every image cut off": halves,
        "one image a class": one_file_each,
    }
    for name, spoil in folder.items():
        yield Case(name, f"{TRAIN} --data photos", spoil)
    yield Case("images smaller than the patch", f"{TRAIN} --data photos --image-size 1", tiny)
    yield Case("a size the space cannot take", f"{TRAIN} --data photos --image-size 3")
    yield Case("no validation images", f"{TRAIN} --data photos --val nowhere")
    yield Case(
        "validation images of other classes", f"{TRAIN} --data photos --val other", write("other/bird/1.png", "")
    )
    file: dict[str, Spoil] = {
        "not a zip": write("photos.npz", "zip"),
        "a zip cut off": cut("photos.npz", 0.6),
        "pickled objects": pickled,
        "without labels": arrays(labels=None),
        "without images": arrays(images=None),
        "fewer labels than images": arrays(labels=np.arange(7) % 2),
        "labels of text": arrays(labels=np.array(["a"] * 24)),
        "labels below zero": arrays(labels=np.arange(24) % 2 - 1),
        "labels with fractions": arrays(labels=np.linspace(0, 1, 24)),
        "images of two dimensions": arrays(images=np.zeros((24, 16), np.uint8)),
        "images of five channels": arrays(images=np.zeros((24, 16, 16, 5), np.uint8)),
        "images that are not square": arrays(images=np.zeros((24, 16, 0, 3), np.uint8)),
        "no images at all": arrays(images=np.zeros((0, 16, 16, 3), np.uint8), labels=np.zeros(0, np.int64)),
        "images of NaN": arrays(images=np.full((24, 16, 16, 3), np.nan, np.float32)),
    }
    for name, spoil in file.items():
        yield Case(f"arrays {name}", f"{TRAIN} --data photos.npz", spoil)
    yield Case("a file of no known kind", f"{TRAIN} --data photos.docx", write("photos.docx", "x"))
    yield Case("shards without images", f"{TRAIN} --data shard-0000.tar", tar("1.txt", "2.txt"))
    yield Case("shards without labels", f"{TRAIN} --data shard-0000.tar", tar("1.jpg", "2.jpg"))
    yield Case("a shard that is none", f"{TRAIN} --data shard-0000.tar", write("shard-0000.tar", "no tar"))


def bundles() -> Iterator[Case]:
    manifest, results = "bundle/manifest.json", "results.json"

    def item(edit: Callable[[dict[str, Any]], Any]) -> Spoil:
        return change(results, lambda found: edit(found["items"][1]) and None)

    bad: dict[str, Spoil] = {
        "not JSON": write(results, "fast"),
        "empty": write(results, ""),
        "a list": write(results, "[]"),
        "of another version": change(results, lambda r: r.update(version=99)),
        "an unknown key": change(results, lambda r: r.update(magic=1)),
        "without its manifest": change(results, lambda r: r.pop("manifest") and None),
        "a manifest that was changed": change(results, lambda r: r["manifest"].update(threads=64)),
        "a device that leaves the folder": change(results, lambda r: r["manifest"].update(device="../../board")),
        "of another bundle": change(results, lambda r: r["manifest"].update(id="0" * 32)),
        "without items": change(results, lambda r: r.update(items=[])),
        "an item left out": change(results, lambda r: r["items"].pop() and None),
        "an item twice": change(results, lambda r: r["items"].append(r["items"][0])),
        "an item of no bundle": item(lambda i: i.update(id="layer-99999")),
        "a block below zero": item(lambda i: i.update(blocks_ms=[0.2, -0.2])),
        "a block of NaN": item(lambda i: i.update(blocks_ms=[0.2, float("nan")])),
        "a block of text": item(lambda i: i.update(blocks_ms=["fast"])),
        "no blocks": item(lambda i: i.update(blocks_ms=[])),
        "a median below the least": item(
            lambda i: i.update(blocks_ms=[], median_ms=1.0, iqr_ms=0.1, min_ms=2.0, p90_ms=3.0, blocks=5)
        ),
        "an unknown column": item(lambda i: i.update(mood="good")),
        "a runtime of another kind": change(results, lambda r: r["fingerprint"].update(runtime="coreml 9")),
        "without a model": change(results, lambda r: r["fingerprint"].pop("model") and None),
        "no fingerprint": change(results, lambda r: r.update(fingerprint={})),
    }
    for name, spoil in bad.items():
        yield Case(name, f"{PROFILE} --import {results}", spoil)
    yield Case("of another space", f"profile --space deit --import {results} --out new.parquet")
    yield Case("under another name", f"{PROFILE} --device pixel --import {results}")
    yield Case("a folder that is no bundle", f"{PROFILE} --import {results} --bundle photos")
    yield Case("a bundle's folder that is there", f"{PROFILE} --device board --bundle photos --runtime onnx")
    yield Case(
        "a bundle whose manifest was changed",
        f"{PROFILE} --import {results} --bundle bundle",
        change(manifest, lambda m: m["items"][0].update(sha256="0" * 64)),
    )
    yield Case("reports of nothing", f"{PROFILE} --import photos --bundle bundle")


def spaces() -> Iterator[Case]:
    base = (Path(__file__).parents[2] / "docs/examples/own_space.toml").read_text(encoding="utf-8")

    def other(old: str, new: str) -> str:
        assert old in base, old
        return base.replace(old, new, 1)

    bad = {
        "not TOML": "[[genes]",
        "empty": "",
        "a name alone": 'name = "x"\n',
        "extends no such space": 'name = "x"\nextends = "nothing"\n',
        "changes no such gene": 'name = "x"\nextends = "deit"\n[change]\nmagic = [1]\n',
        "keeps no such choice": 'name = "x"\nextends = "autoformer-mini"\n[only]\nwidth = [1]\n',
        "keeps nothing": 'name = "x"\nextends = "autoformer-mini"\n[only]\nwidth = []\n',
        "an unknown key": other('name = "own-digits"', 'name = "own-digits"\nmagic = 1'),
        "no choices": other("choices = [32, 48]", "choices = []"),
        "one choice twice": other("choices = [32, 48]", "choices = [32, 32]"),
        "a choice of text": other("choices = [32, 48]", 'choices = ["a", 48]'),
        "a kind of layer that is none": other('kind = "patch_embedding"', 'kind = "magic"'),
        "an expression that is none": other('"grid * grid + 1"', '"grid * * grid"'),
        "an expression that calls": other('"grid * grid + 1"', "\"__import__('os').system('ls')\""),
        "an expression of an unknown name": other('"grid * grid + 1"', '"unknown + 1"'),
        "an expression without end": other('"grid * grid + 1"', '"9**9**9**9"'),
        "an attribute left out": other('attrs = { patch = "= patch" }', "attrs = {}"),
        "two genes of one name": other('name = "depth"', 'name = "width"'),
        "a repeat that is no gene": other('repeat = "depth"', 'repeat = "deepness"'),
        "widths that do not meet": other('out_shape = ["tokens", "width"]', 'out_shape = ["tokens", "width + 1"]'),
        "division by zero": other('"image_size // patch"', '"image_size // 0"'),
    }
    readers = ("count --space bad.toml --smallest", "spaces show bad.toml", "search --space bad.toml --device iphone12")
    for i, (name, content) in enumerate(bad.items()):
        yield Case(name, readers[i % 3], write("bad.toml", content))
    yield Case("Python that does not run", "count --space bad.py --smallest", write("bad.py", "this is no python"))
    yield Case("Python without a space", "count --space bad.py --smallest", write("bad.py", "x = 1\n"))
    yield Case("Python that fails", "count --space bad.py --smallest", write("bad.py", "1 / 0\n"))
    yield Case("not there", "count --space nowhere.toml --smallest")
    yield Case("a folder", "count --space photos --smallest")


def exports() -> Iterator[Case]:
    report = "knee/report.json"
    bad: dict[str, Spoil] = {
        "without a report": remove(report),
        "a report that is no JSON": write(report, "{"),
        "a report of a list": write(report, "[]"),
        "a report without formats": change(report, lambda r: r.pop("formats") and None),
        "an unknown format": change(report, lambda r: r["formats"].update(magic=r["formats"]["onnx"])),
        "a file that leaves the folder": change(report, lambda r: r["formats"]["onnx"].update(file="../arch.json")),
        "without its model": remove("knee/model.onnx"),
        "a model cut off": cut("knee/model.onnx", 0.5),
        "a model of text": write("knee/model.onnx", "not a model"),
        "without weights": remove("knee/weights.safetensors"),
        "weights cut off": cut("knee/weights.safetensors", 0.5),
        "other weights": noise("knee/weights.safetensors", 0.8, 3),
    }
    for name, spoil in bad.items():
        yield Case(name, "verify knee", spoil)
    yield Case("ONNX cut off", "estimate --onnx knee/model.onnx", cut("knee/model.onnx", 0.5))
    yield Case("ONNX of text", "estimate --onnx knee/model.onnx", write("knee/model.onnx", "x"))


def predictors() -> Iterator[Case]:
    folder = f"{RUN}/predictor"
    weights, report = f"{folder}/predictor.safetensors", f"{folder}/report.json"
    bad: dict[str, Spoil] = {
        "without weights": remove(weights),
        "weights cut off": cut(weights, 0.5),
        "weights of text": write(weights, "good"),
        "weights of pickle": write(weights, b"\x80\x04."),
        "without a report": remove(report),
        "a report that is no JSON": write(report, "{"),
        "a report of a list": write(report, "[]"),
        "a report without scores": change(report, lambda r: r.pop("scores") and None),
        "a report of text for scores": change(report, lambda r: r.update(scores="high")),
        "a report of NaN": change(report, lambda r: r.update(predicted=[float("nan")] * len(r["predicted"]))),
        "fewer scores than archs": change(report, lambda r: r["scores"].pop() and None),
        "archs that are none": change(report, lambda r: r["archs"].__setitem__(0, 7)),
    }
    for i, (name, spoil) in enumerate(bad.items()):
        command = f"predictor report --run {RUN}" if "weights" in name or i % 2 else f"plot {folder} --what predictor"
        yield Case(name, command, spoil)


def chewed() -> Iterable[Case]:
    """Good files cut off at a random place: none is whole any more."""
    rng = np.random.default_rng(11)
    files = {
        "arch.json": "count --space tiny.toml --arch arch.json",
        FRONT: f"compare {FRONT}",
        TABLE: SEARCH,
        f"{RUN}/predictor/predictor.safetensors": f"predictor report --run {RUN}",
        "results.json": f"{PROFILE} --import results.json",
        "photos.npz": f"{TRAIN} --data photos.npz",
        "knee/weights.safetensors": "verify knee",
    }
    for path, command in files.items():
        for share in np.sort(rng.uniform(0.02, 0.98, 4)).tolist():
            yield Case(f"{path} cut off at {share:.2f}", command, cut(path, share))
