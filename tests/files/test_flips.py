"""A bit that flips in a file that vitnas wrote is refused, or changes no figure that is read."""

from __future__ import annotations

import io
import json
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pyarrow import parquet
from safetensors.torch import save

from tests.latency_lut.test_table import make_table
from tests.nas.problem import SMALL, accuracy
from vitnas.deployment.export import BLANK, KEY, seal_bytes
from vitnas.errors import VitnasError
from vitnas.files import listed, new_folder, read_json, write_bytes, write_json
from vitnas.files.caches import cache_folder
from vitnas.latency_lut.protocol import Timing
from vitnas.latency_lut.remote import read_results
from vitnas.latency_lut.remote.manifest import Item, Manifest, read_manifest
from vitnas.latency_lut.remote.progress import GrowingResults
from vitnas.latency_lut.table import LatencyTable
from vitnas.latency_lut.timing_journal import PartialTimings
from vitnas.nas.fit_predictor import PredictorFit
from vitnas.nas.objectives import Objective
from vitnas.nas.pareto.front import ParetoFront
from vitnas.nas.pareto.point import Point
from vitnas.nas.records import write_evaluations
from vitnas.nas.scores.training_free import _read as read_reference
from vitnas.nas.study import Evaluation, Study, database
from vitnas.predictors import PREDICTORS, load_predictor
from vitnas.predictors.metrics import RankReport
from vitnas.reporting.evaluated import read_evaluated
from vitnas.reporting.page.page_data import training_curves
from vitnas.run import RunFolder
from vitnas.search_spaces import Arch, Blueprint
from vitnas.supernets.counting.cache import count_specs
from vitnas.supernets.supernet import build_network
from vitnas.supernets.training.metrics import MetricsLog
from vitnas.supernets.training.teachers.stored import StoredAnswers
from vitnas.supernets.training.teachers.terms import Terms
from vitnas.supernets.weights.exported import rebuild

FLIPS = 200
ARCHS = list(dict.fromkeys(SMALL.sample(8, np.random.default_rng(0))))
CODES = SMALL.encode(ARCHS)

Read = Callable[[], Any]


def front(folder: Path) -> tuple[Path, Read]:
    points = [
        Point(arch, {"accuracy": 0.5 + i / 10, "latency_ms": 1.5 + i}, {"accuracy": "measured", "latency_ms": "table"})
        for i, arch in enumerate(ARCHS[:3])
    ]
    objectives = [Objective.named("accuracy"), Objective.named("latency_ms")]
    path = folder / "front.json"
    ParetoFront.of(SMALL, objectives, points, config={"limits": {"latency_ms": 4.25}}).save(path)
    return path, lambda: ParetoFront.load(path)


def evaluations(folder: Path) -> tuple[Path, Read]:
    path = folder / "evaluations.parquet"
    found = [Evaluation(arch, {"accuracy": float(a)}, 2.5) for arch, a in zip(ARCHS, accuracy(CODES), strict=True)]
    write_evaluations(path, found, [e.metrics for e in found], {ARCHS[0].id})

    def read() -> Any:
        table = read_evaluated(path)
        return table.ids, table.archs, {name: values.tolist() for name, values in table.figures.items()}, table.failed

    return path, read


def table(folder: Path) -> tuple[Path, Read]:
    path = folder / "cpu.parquet"
    make_table(SMALL).write(path)
    return path, lambda: (LatencyTable.read(path).header, LatencyTable.read(path).rows)


def predictor(folder: Path) -> tuple[Path, Read]:
    path = folder / "predictor.safetensors"
    PREDICTORS.load("ridge")(SMALL).fit(CODES, accuracy(CODES)).save(path)

    def read() -> Any:
        found = load_predictor(path, SMALL).predict(CODES)
        return found.mean.tolist(), found.std.tolist()

    return path, read


def fit_report(folder: Path) -> tuple[Path, Read]:
    numbers = dict.fromkeys(RankReport.__dataclass_fields__, 0.25) | {"num_archs": 3}
    scores = [0.5, 0.25, 0.125]
    ids = [arch.id for arch in ARCHS[:3]]
    PredictorFit(
        "space", {"supernet": "step-1"}, "accuracy", "gp", {}, RankReport(**numbers), ids, scores, scores, scores
    ).save(folder)
    return folder / "report.json", lambda: PredictorFit.load(folder)


def metrics(folder: Path) -> tuple[Path, Read]:
    run = RunFolder(folder)
    with MetricsLog(run, 0) as log:
        for step in range(1, 6):
            log.write(step, {"loss": 2.5 / step, "largest": {"accuracy": step / 7, "loss": 1.0}})

    def read() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # lines that are left out are told
            try:
                return training_curves(run.metrics_file)
            except UserWarning as told:
                raise VitnasError(str(told)) from None

    return run.metrics_file, read


def partial(folder: Path) -> tuple[Path, Read]:
    path = folder / "timings.jsonl"
    timings = PartialTimings(path, {"device": "cpu"})
    for i, spec in enumerate(SMALL.lowering.specs[:5]):
        timings.add(Blueprint.single(spec), Timing(0.5 + i, 0.1, 0.4, 0.9, 20, 0.04))
    good = dict(timings.found)

    def read() -> Any:
        found = PartialTimings(path, {"device": "cpu"}).found
        return good if found.items() <= good.items() else found  # what is dropped is measured again

    return path, read


MANIFEST = Manifest(
    format="vitnas bundle", version=1, id="", device="board", runtime="onnx", threads=1, batch=1, space="s",
    space_fingerprint="f", task={"image_size": 8}, settings={"block_ms": 4.5, "blocks": 15}, max_mape=0.1,
    converter="torch 2", created="today", items=(Item("overhead", "overhead", "o.onnx", "0" * 64, (1,), ""),),
)  # fmt: skip


def manifest_with_id() -> Manifest:
    import msgspec

    return msgspec.structs.replace(MANIFEST, id=MANIFEST.expected_id)


def manifest(folder: Path) -> tuple[Path, Read]:
    import msgspec

    write_json(folder / "manifest.json", msgspec.to_builtins(manifest_with_id()))
    return folder / "manifest.json", lambda: read_manifest(folder)


def results(folder: Path) -> tuple[Path, Read]:
    path = folder / "results.json"
    machine: dict[str, str | int] = {"model": "m", "system": "s", "runtime": "onnxruntime 1", "precision": "fp32"}
    growing = GrowingResults(path, manifest_with_id(), "by hand 1", machine | {"threads": 1, "batch": 1})
    growing.add([{"id": "overhead", "blocks_ms": [0.5, 0.625, 0.75, 0.5]}])
    return path, lambda: read_results(path)


def answers(folder: Path) -> tuple[Path, Read]:
    of = StoredAnswers(folder, "test", 2, Terms("digits", 64, 10, 4, 0, 1, {}))
    of.write_header()
    tensors = {"values": torch.rand(2, 4, 2).half(), "classes": torch.ones(2, 4, 2, dtype=torch.int16)}
    of.write(0, tensors | {"seeds": torch.arange(8).view(2, 4), "batch_seeds": torch.arange(2)})
    return of.file(0), lambda: {name: tensor.tolist() for name, tensor in of.read(0).items()}


def counts(folder: Path) -> tuple[Path, Read]:
    expected = count_specs(SMALL)
    (path,) = (folder / "counts").iterdir()
    assert json.loads(path.read_bytes())["counts"]
    assert path.parent.parent == cache_folder()
    return path, lambda: count_specs(SMALL) if expected else None


def reference(folder: Path) -> tuple[Path, Read]:
    path = folder / "reference.json"
    rows = [{"arch": arch.to_json(), "proxies": {"ntk": 0.5 * i, "flow": 1.25}} for i, arch in enumerate(ARCHS)]
    write_json(path, {"space": SMALL.fingerprint, "reference": rows})

    def read() -> Any:
        found = read_reference(path, SMALL, ARCHS)
        if found is None:
            raise VitnasError("scored anew")
        return found

    return path, read


def state(folder: Path) -> tuple[Path, Read]:
    write_json(folder / "state.json", {"step": 4, "sampler": {"bands": [0.5, 0.25]}, "sha256": {"a": "b"}})
    return folder / "state.json", lambda: _entries(folder / "state.json")


def _entries(file: Path) -> list[Any]:
    data = read_json(file)
    if not isinstance(data, dict) or not {"step", "sampler", "sha256"} <= data.keys():
        raise VitnasError("incomplete")
    return [data[name] for name in ("step", "sampler", "sha256")]


def arch_file(folder: Path) -> tuple[Path, Read]:
    write_json(folder / "arch.json", ARCHS[0].to_json())
    return folder / "arch.json", lambda: Arch.from_json(read_json(folder / "arch.json"))


def weights(folder: Path) -> tuple[Path, Read]:
    blueprint = Blueprint.single(SMALL.lower(SMALL.smallest()).layers[-1])
    network = build_network(blueprint)
    path = folder / "weights.safetensors"
    write_bytes(path, seal_bytes(save({n: t.contiguous() for n, t in network.state_dict().items()}, {KEY: BLANK})))
    report = {"blueprint": blueprint.to_json(), "weights": {"file": path.name}}
    return path, lambda: [t.tolist() for t in rebuild(folder, report)[1].state_dict().values()]


def folder_list(folder: Path) -> tuple[Path, Read]:
    with new_folder(folder / "made") as draft:
        (draft / "a").write_bytes(b"a")

    def read() -> Any:
        found = listed(folder / "made")
        if found is None:
            raise VitnasError("nothing there is replaced")
        return found

    return folder / "made" / ".vitnas.json", read


KINDS = [
    front, evaluations, table, predictor, fit_report, metrics, partial, manifest, results, answers, counts, reference,
    state, arch_file, weights, folder_list,
]  # fmt: skip


def flips(content: bytes, seed: int) -> Iterator[bytes]:
    """The content with one bit flipped, at places all over the file, the first and the last bytes among them."""
    bits = 8 * len(content)
    places = {*range(64), *range(bits - 64, bits), *np.random.default_rng(seed).integers(0, bits, FLIPS).tolist()}
    for place in sorted(places):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        yield bytes(flipped)


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_no_flip_becomes_a_figure(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path))
    path, read = kind(tmp_path)
    expected, content = read(), path.read_bytes()
    refused = 0
    for flipped in flips(content, seed=len(content)):
        path.write_bytes(flipped)
        try:
            assert read() == expected
        except VitnasError:
            refused += 1
    assert refused > FLIPS / 2 or kind in (partial, counts)  # these are measured and counted anew
    path.write_bytes(content)
    assert read() == expected


def without_seals(path: Path, content: bytes) -> bytes:
    """The file as an earlier version wrote it."""
    if path.suffix == ".parquet":
        table = parquet.read_table(path)
        kept = {name: value for name, value in (table.schema.metadata or {}).items() if name != b"seal"}
        out = io.BytesIO()
        parquet.write_table(table.replace_schema_metadata(kept), out)
        return out.getvalue()
    if path.suffix == ".safetensors":
        return re.sub(rb"vitnas-sha256:.{64}", b"-" * 78, content)
    whole = [content] if path.suffix == ".json" else content.splitlines()
    bare = [{name: value for name, value in json.loads(part).items() if name != "seal"} for part in whole]
    return b"".join(json.dumps(data).encode() + b"\n" for data in bare)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_files_of_before_are_read_as_before(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path))
    path, read = kind(tmp_path)
    expected, content = read(), path.read_bytes()
    path.write_bytes(without_seals(path, content))
    if kind is not answers:  # theirs was there before
        assert b"sha256:" in content
        assert b"sha256:" not in path.read_bytes()
    assert read() == expected


def test_who_changed_a_front_on_purpose_is_told_what_to_do(tmp_path):
    path, _ = front(tmp_path)
    data = json.loads(path.read_text())
    data["points"][0]["objectives"]["latency_ms"] = 1.25
    path.write_text(json.dumps(data))
    with pytest.raises(
        VitnasError, match="content does not match its seal; .* changed it on purpose, delete its key 'seal'"
    ):
        ParetoFront.load(path)
    del data["seal"]
    path.write_text(json.dumps(data))
    assert ParetoFront.load(path).points[0].objectives["latency_ms"] == 1.25


def test_a_front_that_was_only_indented_anew_is_read(tmp_path):
    path, read = front(tmp_path)
    expected = read()
    path.write_text(json.dumps(json.loads(path.read_text()), indent=8))
    assert read() == expected


@pytest.mark.heavy
def test_no_flip_in_a_study_becomes_a_figure(tmp_path):
    path = tmp_path / "study.db"
    timing = Timing(0.5, 0.1, 0.4, 0.9, 20, 0.04)

    def read() -> dict[str, Any]:
        study = Study(SMALL, [Objective.named("accuracy")], database(tmp_path), "s", {"device": "cpu"})
        return {"timings": dict(study.timings("cpu")), **{one.arch.id: one for one in study}}

    study = Study(SMALL, [Objective.named("accuracy")], database(tmp_path), "s", {"device": "cpu"})
    for arch, found in zip(ARCHS, accuracy(CODES), strict=True):
        study.record(Evaluation(arch, {"accuracy": float(found)}, 2.5))
    study.record_timing("cpu", ARCHS[0], timing)
    expected, content = read(), path.read_bytes()
    values = [
        m.start() for name in (b"accuracy", b"metrics", b"genes", b"median_ms") for m in re.finditer(name, content)
    ]
    rng = np.random.default_rng(0)
    at = [8 * (start + rng.integers(60)) + rng.integers(8) for start in values for _ in range(2)]
    for place in [*at, *rng.integers(0, 8 * len(content), 30)]:
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << int(place % 8)
        path.write_bytes(flipped)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is damaged is evaluated again, and that is told
            try:
                found = read()
            except VitnasError:
                continue
        timings = found.pop("timings")
        assert all(expected["timings"][arch] == one for arch, one in timings.items())
        assert [(one, expected[arch]) for arch, one in found.items() if expected[arch] != one] == []
    path.write_bytes(content)
    assert read() == expected
