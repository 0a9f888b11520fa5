import json

import msgspec
import numpy as np
import pytest

from tests.latency_lut.remote.conftest import SPACE
from vitnas.errors import DeviceError
from vitnas.latency_lut.remote import import_results, read_results
from vitnas.latency_lut.remote.manifest import Manifest
from vitnas.latency_lut.remote.reports import read_figures
from vitnas.latency_lut.remote.results import warnings_of
from vitnas.search_spaces import load_space


def write(path, document):
    path.write_text(json.dumps(document))
    return path


def set_figure(name, value):
    def change(document):
        document["items"][4][name] = value

    return change


def without(name):
    return lambda document: document["fingerprint"].pop(name)


CORRUPT = {
    "negative": (set_figure("median_ms", -1.6), "finite and above zero"),
    "zero": (set_figure("min_ms", 0), "finite and above zero"),
    "NaN": (set_figure("median_ms", float("nan")), "holds no results"),
    "infinite": (set_figure("p90_ms", float("inf")), "holds no results"),
    "overflow": (set_figure("p90_ms", 10**400), "holds no results|finite and above zero"),
    "text": (set_figure("median_ms", "1.6"), "Expected `float"),
    "seconds": (set_figure("median_s", 0.0016), "unknown field `median_s`"),
    "out of order": (set_figure("min_ms", 99.0), "with min <= median <= p90"),
    "no blocks": (set_figure("blocks", 0), "blocks above zero"),
    "figures missing": (lambda d: d["items"][4].pop("iqr_ms"), "needs 'blocks_ms', or all of"),
    "blocks and figures": (set_figure("blocks_ms", [1.6, 1.7]), "not both"),
    "negative reference": (set_figure("reference_ms", -1.0), "'reference_ms' must be finite"),
    "negative energy": (set_figure("energy_mj", -1.0), "'energy_mj' must be finite"),
    "missing item": (lambda d: d["items"].pop(), "1 of .* items are missing, such as 'network-002'; start the runner again"),
    "twice": (lambda d: d["items"].append(d["items"][0]), "item 'overhead' is there 2 times"),
    "unknown item": (set_figure("id", "layer-99999"), "the bundle has no item 'layer-99999'"),
    "version": (lambda d: d.update(version=3), "has version 3 of the wire format"),
    "no version": (lambda d: d.pop("version"), "holds no results"),
    "manifest edited": (lambda d: d["manifest"].update(device="rtx4090"), "was changed after it was written"),
    "other runtime": (lambda d: d["fingerprint"].update(runtime="openvino 2026"), "the bundle is for onnxruntime"),
    "other batch": (lambda d: d["fingerprint"].update(batch=8), "measured with batch 8, but the bundle has batch 1"),
    "no model": (without("model"), "the fingerprint must have 'model' as text, got None"),
    "no threads": (without("threads"), "must have 'threads' as a whole number"),
    "unknown field": (lambda d: d.update(comment="hi"), "unknown field `comment`"),
}  # fmt: skip


@pytest.mark.parametrize("name", CORRUPT)
def test_corrupt_results_are_refused(document, tmp_path, name):
    change, message = CORRUPT[name]
    change(document)
    with pytest.raises(DeviceError, match=message):
        read_results(write(tmp_path / "results.json", document))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"version": 1}'])
def test_what_is_no_json_is_refused(tmp_path, content):
    (tmp_path / "results.json").write_bytes(content)
    with pytest.raises(DeviceError, match="holds no results"):
        read_results(tmp_path / "results.json")


def test_results_of_another_bundle_are_refused(bundle, document, tmp_path):
    document["manifest"] = identified(document["manifest"], device="other-board")
    with pytest.raises(DeviceError, match="measured with another bundle .* never mix"):
        read_results(write(tmp_path / "results.json", document), bundle.folder)


def test_results_of_another_space_are_refused_and_nothing_is_written(document, tmp_path):
    results = read_results(write(tmp_path / "results.json", document))
    out = tmp_path / "table.parquet"
    for other in (load_space("deit"), load_space("autoformer-mini")):
        with pytest.raises(DeviceError, match="was measured for space 'autoformer-mini'"):
            import_results(other, results, out)
    assert not out.exists()


def test_figures_and_blocks_say_the_same(document, tmp_path):
    blocks = [1.7, 1.5, 1.6, 1.65, 1.9]
    row = document["items"][2]
    document["items"][2] = {
        "id": row["id"],
        "blocks_ms": blocks,
        "reference_ms": 1.0,
        "energy_mj": 3.5,
        "peak_bytes": 9,
    }
    timing = read_results(write(tmp_path / "results.json", document)).found[row["id"]]
    assert (timing.median_ms, timing.min_ms, timing.blocks) == (1.65, 1.5, 5)
    assert timing.iqr_ms == pytest.approx(np.subtract(*np.percentile(blocks, [75, 25])))
    assert timing.p90_ms == pytest.approx(np.percentile(blocks, 90))
    assert (timing.energy_mj, timing.peak_bytes, timing.provenance) == (3.5, 9, "measured")


def test_the_table_is_what_the_figures_say(document, tmp_path):
    table = import_results(SPACE, read_results(write(tmp_path / "results.json", document)), tmp_path / "t.parquet")
    assert [row.timing.median_ms for row in table.rows] == pytest.approx([1.5] * len(table.rows))
    codes = SPACE.encode([SPACE.largest()])
    assert table.latency_ms(SPACE)(codes)[0] == pytest.approx(0.1 + 1.5 * len(SPACE.lower(SPACE.largest())), rel=1e-6)
    assert table.header.fidelity.mape == pytest.approx(0, abs=1e-6)
    assert table.header.source == "measured elsewhere: somebody's runner on Board 5"


def test_what_could_not_be_timed_is_told_and_interpolated(document, tmp_path):
    layer = next(i for i, row in enumerate(document["items"]) if row["id"].startswith("layer"))
    name = document["items"][layer]["id"]
    document["items"][layer] = {"id": name, "error": "unsupported operator"}
    document["items"][-1]["placement"] = {"neural_engine": 10, "cpu": 3}
    results = read_results(write(tmp_path / "results.json", document))
    failed, fallen = warnings_of(results)
    assert f"1 of 17 items could not be timed, such as '{name}': unsupported operator" in failed
    assert "1 of 1 items ran in part off the Neural Engine" in fallen
    table = import_results(SPACE, results, tmp_path / "t.parquet")
    assert table.provenances == {"measured": len(table.rows) - 1, "interpolated": 1}
    [guess] = [row.timing.median_ms for row in table.rows if row.timing.provenance == "interpolated"]
    assert guess == pytest.approx(1.5, rel=0.05)


def test_without_the_overhead_there_is_no_table(document, tmp_path):
    document["items"][0] = {"id": "overhead", "error": "no such model"}
    with pytest.raises(DeviceError, match="no time of a call that computes nothing .*no such model"):
        import_results(SPACE, read_results(write(tmp_path / "results.json", document)), tmp_path / "t.parquet")
    assert not (tmp_path / "t.parquet").exists()


def identified(manifest, **changes):
    changed = msgspec.convert(manifest | changes, Manifest)
    return msgspec.to_builtins(msgspec.structs.replace(changed, id=changed.expected_id))


def test_a_phone_must_be_the_one_the_bundle_is_for(document, tmp_path):
    document["manifest"] = identified(document["manifest"], device="iphone12", runtime="coreml")
    document["fingerprint"] |= {"runtime": "coreml, coremltools 9.0", "model": "iPhone 15 Pro", "precision": "fp16"}
    with pytest.raises(
        DeviceError, match="measured on 'iPhone 15 Pro', but 'iphone12' is one of iPhone 12,.*--device iphone15pro"
    ):
        read_results(write(tmp_path / "results.json", document))
    document["fingerprint"]["model"] = "iPhone 12 mini"
    assert read_results(write(tmp_path / "results.json", document)).manifest.device == "iphone12"


# -- figures brought by hand -------------------------------------------------------------------


def csv(document, unit="ms", factor=1.0):
    lines = [f"{row['id']},{row['median_ms'] * factor!r}" for row in document["items"]]
    return f"layer,median_{unit}\n" + "\n".join(lines) + "\n"


def test_csv_gives_the_same_table(bundle, document, tmp_path):
    (tmp_path / "figures.csv").write_text(csv(document, "us", 1e3))
    results = read_figures(tmp_path / "figures.csv", bundle.folder)
    table = import_results(SPACE, results, tmp_path / "t.parquet")
    assert table.provenances == {"imported": len(SPACE.lowering.specs)}
    assert [row.timing.median_ms for row in table.rows] == pytest.approx([1.5] * len(table.rows))
    assert table.header.fingerprint["system"] == "not told"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("layer,median\noverhead,1\n", "column 'median' must end in its unit"),
        ("layer,median_h\noverhead,1\n", "must end in its unit"),
        ("layer,mean_ms\noverhead,1\n", "unknown column 'mean_ms'"),
        ("median_ms\n1\n", "lacks the column layer"),
        ("layer,median_ms\nlayer-99999,1\n", "the bundle has no item 'layer-99999'"),
        ("layer,median_ms\noverhead,-1\n", "must be finite and not negative"),
        ("layer,median_ms\noverhead,0\n", "the median must be above zero"),
        ("layer,median_ms\noverhead,nan\n", "must be finite"),
        ("layer,median_ms\noverhead,1\noverhead,1\n", "stands in the file twice"),
    ],
)
def test_csv_with_wrong_units_or_columns_is_refused(bundle, tmp_path, text, message):
    (tmp_path / "figures.csv").write_text(text)
    with pytest.raises(DeviceError, match=message):
        read_figures(tmp_path / "figures.csv", bundle.folder)


@pytest.fixture
def phone_bundle(bundle, tmp_path):
    folder = tmp_path / "phone"
    folder.mkdir()
    manifest = identified(msgspec.to_builtins(bundle.manifest), device="iphone12", runtime="coreml")
    write(folder / "manifest.json", manifest)
    return folder


def report(folder, item, samples_s, **changes):
    data = {
        "modelMetadata": {"fileName": item, "size": 1234},
        "deviceInfo": {"modelName": "iPhone 12", "osNameAndVersionWithoutBuildNumber": "iOS 18.3"},
        "computeUnit": 2,
        "deviceResults": {"predict": {"samples": samples_s, "numOperations": 9}, "modelStructure": {}},
    }
    (folder / f"{item}.mlperf").mkdir(parents=True)
    write(folder / f"{item}.mlperf" / "report.json", data | changes)


def test_reports_of_xcode_become_a_table(phone_bundle, document, tmp_path):
    for row in document["items"]:
        report(tmp_path / "reports", row["id"], [row["median_ms"] / 1e3] * 5)
    results = read_figures(tmp_path / "reports", phone_bundle)
    table = import_results(SPACE, results, tmp_path / "t.parquet")
    assert [row.timing.median_ms for row in table.rows] == pytest.approx([1.5] * len(table.rows))
    assert table.provenances == {"imported": len(SPACE.lowering.specs)}
    facts = table.header.fingerprint
    assert (facts["model"], facts["system"], facts["compute_units"]) == ("iPhone 12", "iOS 18.3", "all")


OTHER_PHONE = {"deviceInfo": {"modelName": "iPhone 12 Pro", "osNameAndVersionWithoutBuildNumber": "iOS 18.3"}}


@pytest.mark.parametrize(
    ("item", "samples_s", "changes", "message"),
    [
        ("layer-99999", [0.001], {}, "the bundle has no item 'layer-99999'"),
        ("reference", [], {}, "times must be finite and above zero"),
        ("reference", [0.001, -0.001], {}, "times must be finite and above zero"),
        ("reference", [0.001], {"computeUnit": 7}, "unknown compute unit 7"),
        ("reference", [0.001], {"deviceResults": {}}, "is no performance report as Xcode 16 writes it"),
        ("reference", [0.001], OTHER_PHONE, "figures of different machines never mix"),
    ],
)
def test_reports_that_do_not_fit_are_refused(phone_bundle, tmp_path, item, samples_s, changes, message):
    report(tmp_path / "reports", "overhead", [0.0001])
    report(tmp_path / "reports", item, samples_s, **changes)
    with pytest.raises(DeviceError, match=message):
        read_figures(tmp_path / "reports", phone_bundle)


def test_reports_need_a_core_ml_bundle(bundle, tmp_path):
    report(tmp_path / "reports", "overhead", [0.0001])
    with pytest.raises(DeviceError, match="is of Core ML, the bundle for onnxruntime"):
        read_figures(tmp_path / "reports", bundle.folder)
    with pytest.raises(DeviceError, match="say which one with --bundle DIR"):
        read_figures(tmp_path / "reports")
    with pytest.raises(DeviceError, match="is none of what can be imported"):
        read_figures(tmp_path / "figures.xlsx", bundle.folder)
