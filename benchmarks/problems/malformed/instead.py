"""Something else in the place of every file that is read, and files below what is no folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .case import EXPORT, FRONT, NEWEST, OLDER, PROFILE, RUN, SEARCH, TABLE, TRAIN, Case, Spoil, both, write

JSON = {
    "nothing": b"",
    "half of JSON": b"{",
    "a list": b"[]",
    "a number": b"7",
    "null": b"null",
    "text": b'"text"',
    "an empty table": b"{}",
    "lists without end": b"[" * 200_000,
    "tables without end": b'{"a":' * 100_000,
    "bytes that are no text": b"\xff\xfe{}",
}
TOML = {
    "a bracket": b"[",
    "lists without end": b"a = " + b"[" * 200_000,
    "bytes that are no text": b"\xff\xfe",
    "a zero byte": b"a = 1\0",
    "JSON": b'{"a": 1}',
}
BINARY = {
    "nothing": b"",
    "text": b"not what you think",
    "zeros": bytes(4096),
    "a pickle": b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.",
    "a length without end": b"\xff" * 8 + b"{}",
    "noise": np.random.default_rng(5).bytes(4096),
}
READERS: dict[str, tuple[dict[str, bytes], str]] = {
    "arch.json": (JSON, "count --space tiny.toml --arch arch.json"),
    FRONT: (JSON, f"compare {FRONT}"),
    "results.json": (JSON, f"{PROFILE} --import results.json"),
    "knee/report.json": (JSON, "verify knee"),
    "knee/arch.json": (JSON, f"{EXPORT} --arch knee/arch.json"),
    f"{RUN}/predictor/report.json": (JSON, f"predictor report --run {RUN}"),
    "settings.toml": (TOML, TRAIN),
    "tiny.toml": (TOML, "count --space tiny.toml --smallest"),
    f"{RUN}/config.toml": (TOML, f"evaluate --run {RUN} --smallest"),
    f"{RUN}/space.toml": (TOML, f"evaluate --run {RUN} --largest"),
    TABLE: (BINARY, SEARCH),
    f"{RUN}/predictor/predictor.safetensors": (BINARY, f"predictor report --run {RUN}"),
    "knee/weights.safetensors": (BINARY, "verify knee"),
    "knee/model.onnx": (BINARY, "verify knee"),
    "photos.npz": (BINARY, f"{TRAIN} --data photos.npz"),
    f"{RUN}/search-phone/study.db": (
        {name: content for name, content in BINARY.items() if content},  # an empty database is a new one
        f"search --config settings.toml --run {RUN} --device phone",
    ),
}


def instead() -> Iterator[Case]:
    for path, (contents, command) in READERS.items():
        for name, content in contents.items():
            yield Case(f"{name} for {path}", command, write(path, content))
        yield Case(f"a folder for {path}", command, _folder(path))
    for file in ("supernet.safetensors", "state.json"):
        for name, content in (JSON if file.endswith("json") else BINARY).items():
            spoil = both(*(write(f"{folder}/{file}", content) for folder in (NEWEST, OLDER)))
            yield Case(f"{name} for {file}", f"evaluate --run {RUN} --smallest", spoil)


def places() -> Iterator[Case]:
    """Results that are to be written where nothing can be, or where something else is."""
    commands = {
        "train": TRAIN.replace("runs/new", "{}"),
        "search": SEARCH.replace("--out found", "--out {}"),
        "export": EXPORT.replace("--out new", "--arch arch.json --out {}"),
        "predictor": f"predictor fit --run {RUN} --samples 12 --predictor ridge --out {{}}",
        "teach": f"teach --teacher run:{RUN} --data digits --epochs 1 --out {{}}",
        "bundle": f"{PROFILE} --device other --runtime onnx --bundle {{}}",
        "report": f"report {RUN} --out {{}}",
        "plot": f"plot {FRONT} --out {{}}",
        "import": f"profile --run {RUN} --device other --import layers.csv --out {{}}",
    }
    targets = {
        "below a file": "photos.npz/new",
        "below a device": "/dev/null/new",
        "on a link that ends in itself": "loop",
        "on a name that is too long": "x" * 300,
        "below a file of the system": "/proc/version/new",
    }
    for what, command in commands.items():
        for name, target in targets.items():
            ending = {"report": ".html", "plot": ".png", "import": ".parquet"}.get(what, "")
            given = command.format(target + ending)
            if target != "loop":
                yield Case(f"{what} {name}", given)
            elif not ending:  # in the place of a file that is a link, a new one is no harm
                yield Case(f"{what} {name}", given, lambda folder: (folder / "loop").symlink_to("loop"))


def _folder(path: str) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / path).unlink()
        shutil.copytree(folder / "photos", folder / path)

    return spoil
