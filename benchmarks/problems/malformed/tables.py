"""Latency tables, bundles and results of other machines, spoiled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import (
    PROFILE,
    RUN,
    SEARCH,
    TABLE,
    Case,
    Spoil,
    change,
    write,
)


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
