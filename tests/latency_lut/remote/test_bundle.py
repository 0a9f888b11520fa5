import json
import shutil
import subprocess

import onnxruntime
import pytest

from tests.latency_lut.remote.conftest import BRIEF, SPACE
from vitnas.errors import DeviceError, ExportError
from vitnas.files import foreign, read_json
from vitnas.latency_lut.remote import write_bundle
from vitnas.latency_lut.remote.board import discard
from vitnas.latency_lut.remote.bundle import PACKAGERS, Bundle, bundled_files
from vitnas.latency_lut.remote.manifest import decode_manifest, digest, read_manifest
from vitnas.latency_lut.timing_journal import blueprint_key
from vitnas.search_spaces import Arch, Blueprint


def test_it_holds_what_a_table_needs(bundle):
    manifest = read_manifest(bundle.folder)
    assert manifest == bundle.manifest
    kinds = [item.kind for item in manifest.items]
    assert kinds == ["overhead", "reference", *["layer"] * len(SPACE.lowering.specs), *["network"] * 3]
    layers = {item.key for item in manifest.items if item.kind == "layer"}
    assert layers == {blueprint_key(Blueprint.single(spec)) for spec in SPACE.lowering.specs}
    networks = [item for item in manifest.items if item.kind == "network"]
    assert [item.held_out for item in networks].count(True) == 1
    for item in networks:
        assert item.key == blueprint_key(SPACE.lower(SPACE.check(Arch.from_json(item.genes))))
    names = {path.name for path in bundle.folder.iterdir()}
    assert names == {item.file for item in manifest.items} | {
        ".vitnas.json",
        "manifest.json",
        "runner.py",
        "protocol.py",
        "seals.py",
    }


def test_every_file_runs_on_the_shape_that_is_stated(bundle):
    for item in bundle.manifest.items:
        session = onnxruntime.InferenceSession(bundle.folder / item.file)
        assert tuple(session.get_inputs()[0].shape) == item.shape


def test_hashes_are_those_of_sha256sum(bundle, tmp_path):
    item = bundle.manifest.items[0]
    out = subprocess.run(["sha256sum", bundle.folder / item.file], capture_output=True, text=True, check=True).stdout
    assert out.split()[0] == item.sha256
    (tmp_path / "x.mlpackage" / "Data").mkdir(parents=True)
    (tmp_path / "x.mlpackage" / "Manifest.json").write_text("{}")
    (tmp_path / "x.mlpackage" / "Data" / "weights").write_bytes(b"\0\1")
    lines = "find . -type f | sed 's|^\\./||' | LC_ALL=C sort | xargs sha256sum | sha256sum"
    out = subprocess.run(
        lines, shell=True, cwd=tmp_path / "x.mlpackage", capture_output=True, text=True, check=True
    ).stdout
    assert out.split()[0] == digest(tmp_path / "x.mlpackage")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cpu", "'cpu' is a device of this machine"),
        ("../phone", "cannot name a table; use lower-case letters"),
        ("-oProxyCommand", "cannot name a table"),
        ("", "cannot name a table"),
    ],
)
def test_names_that_would_mislead_are_refused(tmp_path, name, message):
    with pytest.raises(DeviceError, match=message):
        write_bundle(SPACE, name, tmp_path / "bundle", BRIEF, runtime="onnx", progress=False)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(
        DeviceError,
        match=r"holds 'photo.jpg', which vitnas did not write.*choose another folder, so that nothing is lost",
    ):
        write_bundle(SPACE, "board", tmp_path, BRIEF, runtime="onnx", progress=False)
    assert [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("earlier", [False, True])
def test_of_a_bundle_only_what_vitnas_wrote_may_go(bundle, tmp_path, earlier):
    copy = tmp_path / "bundle"
    shutil.copytree(bundle.folder, copy)
    if earlier:
        (copy / ".vitnas.json").unlink()  # as of an earlier version
        (copy / "seals.py").unlink()
    (copy / "results.json").write_text("{}")  # of a board that is waited for
    assert foreign(copy, bundled_files(copy)) == []
    (copy / "notes.md").write_text("mine")
    victim = copy / bundle.manifest.items[-1].file
    victim.write_bytes(b"other")
    assert foreign(copy, bundled_files(copy)) == sorted(["notes.md", victim.name])
    discard(Bundle(copy, bundle.manifest))
    assert (copy / "notes.md").read_text() == "mine"
    assert not (copy / "manifest.json").exists()


def test_a_conversion_that_fails_leaves_nothing(tmp_path, monkeypatch):
    from vitnas.latency_lut.runtimes.onnx import BlueprintFiles

    def file(self, blueprint):
        if len(blueprint) == 1:
            raise ExportError("no such operator")
        return original(self, blueprint)

    original = BlueprintFiles.file
    monkeypatch.setattr(BlueprintFiles, "file", file)
    with pytest.raises(ExportError, match="no such operator"):
        write_bundle(SPACE, "board", tmp_path / "bundle", BRIEF, runtime="onnx", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", [{"device": "iphone12"}, {"threads": 4}, {"batch": 8}, {"space_fingerprint": "0"}])
def test_a_manifest_that_was_edited_is_refused(bundle, change):
    data = read_json(bundle.folder / "manifest.json") | change
    with pytest.raises(DeviceError, match="was changed after it was written"):
        decode_manifest(json.dumps(data).encode(), "it")


def test_an_item_that_was_edited_is_refused(bundle):
    data = read_json(bundle.folder / "manifest.json")
    data["items"][-1]["held_out"] ^= True
    with pytest.raises(DeviceError, match="was changed after it was written"):
        decode_manifest(json.dumps(data).encode(), "it")


def test_another_version_is_refused(bundle):
    data = read_json(bundle.folder / "manifest.json") | {"version": 2}
    with pytest.raises(DeviceError, match="has version 2 of the wire format, this vitnas knows version 1"):
        decode_manifest(json.dumps(data).encode(), "it")


def test_a_folder_without_a_manifest_is_no_bundle(tmp_path):
    with pytest.raises(DeviceError, match="is no bundle: it has no manifest.json; write one with `vitnas profile"):
        read_manifest(tmp_path)


def test_every_runtime_can_be_packaged():
    assert set(PACKAGERS) == {"onnx", "coreml", "tflite"}
