"""The files of ONNX Runtime Web: those of one version, from wherever they come, or a refusal."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from vitnas.errors import DeviceError
from vitnas.latency_lut.browser import onnxruntime_web
from vitnas.latency_lut.browser.onnxruntime_web import FILES, GIVEN, SCRIPTS, missing, runtime_files

CONTENTS = {name: f"the file {name}".encode() for name in FILES["wasm"]}


@pytest.fixture(autouse=True)
def _a_small_runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Files of a few bytes, an empty cache folder, and no npm."""
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(onnxruntime_web, "FILES", {"wasm": sums})
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv(GIVEN, raising=False)


def packed(path: Path, contents: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def npm(tmp_path: Path, script: str) -> None:
    (tmp_path / "bin").mkdir()
    file = tmp_path / "bin" / "npm"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_the_script_is_one_of_the_files() -> None:
    assert all(SCRIPTS[backend] in FILES[backend] for backend in FILES)


def test_without_npm_the_remedy_is_told() -> None:
    assert missing("wasm") is not None
    with pytest.raises(DeviceError, match=rf"install npm, or bring onnxruntime-web-.*tgz.* and set {GIVEN}"):
        runtime_files("wasm", print)


def test_npm_fetches_once(tmp_path: Path) -> None:
    packed(tmp_path / "there.tgz", CONTENTS)
    npm(tmp_path, f'echo "$@" >> {tmp_path}/asked; /bin/cp {tmp_path}/there.tgz "$4/onnxruntime-web.tgz"')
    told: list[str] = []
    found = runtime_files("wasm", told.append)
    assert {name: path.read_bytes() for name, path in found.items()} == CONTENTS
    assert len(told) == 1
    (tmp_path / "bin" / "npm").unlink()
    assert missing("wasm") is None
    assert runtime_files("wasm", told.append) == found
    assert len(told) == 1
    assert (tmp_path / "asked").read_text().count("\n") == 1
    next(iter(found.values())).write_bytes(b"damaged")
    assert missing("wasm") is not None


def test_what_npm_says_is_told(tmp_path: Path) -> None:
    npm(tmp_path, "echo 'no such version' >&2; exit 1")
    with pytest.raises(DeviceError, match="npm could not fetch onnxruntime-web .*: no such version; try again"):
        runtime_files("wasm", lambda text: None)


@pytest.mark.parametrize("where", ["", "dist"])
def test_a_folder_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    (folder := tmp_path / "given" / where).mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / name).write_bytes(content)
    monkeypatch.setenv(GIVEN, str(tmp_path / "given"))
    assert missing("wasm") is None
    assert runtime_files("wasm", print) == {name: folder / name for name in CONTENTS}
    assert not (tmp_path / "cache").exists()


def test_a_packed_one_may_be_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GIVEN, str(packed(tmp_path / "p.tgz", CONTENTS)))
    assert {p.read_bytes() for p in runtime_files("wasm", print).values()} == set(CONTENTS.values())


@pytest.mark.parametrize("what", ["another", "cut", "absent", "empty"])
def test_files_of_another_version_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    first = next(iter(CONTENTS))
    file = packed(tmp_path / "p.tgz", CONTENTS | {first: b"other"} if what == "another" else CONTENTS)
    if what == "cut":
        os.truncate(file, file.stat().st_size // 3)
    if what == "empty":
        file.write_bytes(b"")
    place = tmp_path / "nowhere" if what == "absent" else file
    monkeypatch.setenv(GIVEN, str(place))
    with pytest.raises(DeviceError, match="of onnxruntime-web"):
        runtime_files("wasm", print)
    assert not any((tmp_path / "cache").rglob(first))
