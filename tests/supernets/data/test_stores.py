"""Data on object stores: copied once, followed when they change, never outside of the copy."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest

from tests.supernets.data.pictures import write_folder
from vitnas.errors import DataError, DiskError, MissingPackageError
from vitnas.supernets.data import DataSettings, load_dataset, resolved, stores
from vitnas.supernets.data.stores import is_address, local_place


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VITNAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def store() -> Iterator[Any]:
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()
    memory.pseudo_dirs[:] = [""]


def put(store: Any, folder: Path, root: str) -> None:
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            store.pipe(f"/{root}/{file.relative_to(folder)}", file.read_bytes())


def counted(monkeypatch: pytest.MonkeyPatch, store: Any) -> list[str]:
    """The names of files as they are copied from now on."""
    names: list[str] = []
    get = type(store).get_file

    def get_file(self: Any, path: str, target: str, **how: Any) -> Any:
        names.append(path.rpartition("/")[2])
        return get(self, path, target, **how)

    monkeypatch.setattr(type(store), "get_file", get_file)
    return names


@pytest.mark.parametrize(
    ("name", "means_one"),
    [("s3://b/x", True), ("gs://b/a-{0..3}.tar", True), ("photos/", False), ("C:\\photos", False), ("digits", False)],
)
def test_an_address_is_told_from_a_path(name: str, means_one: bool) -> None:
    assert is_address(name) == means_one


def test_a_folder_on_a_store_is_the_folder(tmp_path: Path, store: Any) -> None:
    write_folder(tmp_path / "pets", {"cat": 8, "dog": 8})
    put(store, tmp_path / "pets", "bucket/pets")
    there, here = load_dataset("memory://bucket/pets"), load_dataset(str(tmp_path / "pets"))
    assert there.name == "pets"
    assert there.classes == here.classes
    every = np.arange(len(here.train))
    assert all((a == b).all() for a, b in zip(there.train.pixels(every), here.train.pixels(every), strict=True))
    again = resolved(DataSettings("memory://bucket/pets"), there)
    assert again.name == "memory://bucket/pets"  # found from any machine


def test_what_was_copied_is_not_copied_again(tmp_path: Path, store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b", "c"):
        store.pipe(f"/bucket/{name}.bin", name.encode())
    names = counted(monkeypatch, store)
    first = Path(local_place("memory://bucket"))
    assert sorted(names) == ["a.bin", "b.bin", "c.bin"]
    names.clear()
    assert Path(local_place("memory://bucket")) == first
    assert names == []
    store.pipe("/bucket/b.bin", b"B")  # of the same size
    store.rm("/bucket/c.bin")
    (first / "a.bin").write_bytes(b"cut off")
    local_place("memory://bucket")
    assert sorted(names) == ["a.bin", "b.bin"]
    assert {file.name: file.read_bytes() for file in first.iterdir()} == {"a.bin": b"a", "b.bin": b"B"}


def test_a_copy_that_broke_off_goes_on(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(5):
        store.pipe(f"/bucket/{i}.bin", bytes([i]))
    monkeypatch.setattr(stores, "EVERY_BYTES", 1)
    get, done = type(store).get_file, []

    def breaks(self: Any, path: str, target: str, **how: Any) -> Any:
        if len(done) == 3:
            raise ConnectionResetError("gone")
        done.append(path)
        return get(self, path, target, **how)

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "get_file", breaks)
        with pytest.raises(DataError, match=r"bucket/3\.bin' cannot be read: ConnectionResetError: gone; .* is kept"):
            local_place("memory://bucket")
    names = counted(monkeypatch, store)
    copy = Path(local_place("memory://bucket"))
    assert sorted(names) == ["3.bin", "4.bin"]
    assert sorted(file.name for file in copy.iterdir()) == [f"{i}.bin" for i in range(5)]  # no draft is left


def test_one_file_and_shards_by_their_numbers(store: Any) -> None:
    store.pipe("/bucket/images.npz", b"x")
    assert Path(local_place("memory://bucket/images.npz")).read_bytes() == b"x"
    for i in range(3):
        with io.BytesIO() as content:
            with tarfile.open(fileobj=content, mode="w"):
                pass
            store.pipe(f"/bucket/a-{i}.tar", content.getvalue())
    pattern = local_place("memory://bucket/a-{0..1}.tar")
    assert pattern.endswith("/a-{0..1}.tar")
    assert sorted(file.name for file in Path(pattern).parent.iterdir()) == ["a-0.tar", "a-1.tar"]
    with pytest.raises(DataError, match=r"lacks 2 files, such as 'a-3\.tar'"):
        local_place("memory://bucket/a-{0..4}.tar")
    with pytest.raises(DataError, match="braces in a folder's name"):
        local_place("memory://bucket/{a,b}/0.tar")


def test_what_cannot_be_reached_is_said_with_its_remedy(store: Any) -> None:
    with pytest.raises(DataError, match="nowhere' does not exist"):
        local_place("memory://nowhere")
    with pytest.raises(DataError, match="data 'nothere://bucket/x' cannot be reached: Protocol not known: nothere"):
        local_place("nothere://bucket/x")
    with pytest.raises(DataError, match=r"data 'ftp://...' has a name or password in its address") as caught:
        local_place("ftp://me:secret@host/photos")
    assert "secret" not in str(caught.value)


def test_no_file_lands_outside_of_the_copy(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bad = {"/bucket/../../evil.bin": {"size": 1}}
    monkeypatch.setattr(type(store), "find", lambda self, root, detail: bad)
    with pytest.raises(DataError, match="would lie outside of its copy"):
        local_place("memory://bucket")


def test_a_full_disk_is_no_fault_of_the_store(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store.pipe("/bucket/a.bin", b"a")

    def full(self: Any, path: str, target: str, **how: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(store), "get_file", full)
    with pytest.raises(DiskError, match="make room"):
        local_place("memory://bucket")


def test_without_fsspec_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingPackageError, match="fsspec"):
        local_place("memory://bucket")
