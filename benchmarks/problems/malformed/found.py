"""What searches and predictors leave: archs, fronts and predictors, spoiled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from .case import (
    EXPORT,
    FRONT,
    PROFILE,
    RUN,
    SEARCH,
    TABLE,
    TRAIN,
    Case,
    Spoil,
    change,
    cut,
    remove,
    write,
)


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
