"""The layouts as `datasets` 5.2 writes them, rebuilt with pyarrow; its own output was read once and agreed to the bit."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.supernets.data.pictures import chw, encoded, picture
from vitnas.errors import DataError
from vitnas.supernets.data import Dataset, DataSettings, load_dataset

FEATURES = {
    "image": {"_type": "Image"},
    "label": {"names": ["ant", "bee"], "_type": "ClassLabel"},
    "note": {"dtype": "string", "_type": "Value"},
}


def table(numbers: range, labels: list[int] | None = None) -> pa.Table:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": encoded(picture(i)), "path": None} for i in numbers], kind)
    y = pa.array(labels or [i % 2 for i in numbers], pa.int64())
    made = pa.table({"image": images, "label": y, "note": pa.array(["x"] * len(numbers))})
    return made.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": FEATURES}})})


def save_to_disk(folder: Path, shards: list[pa.Table], features: dict[str, object] = FEATURES) -> None:
    folder.mkdir(parents=True)
    names = [f"data-{i:05}-of-{len(shards):05}.arrow" for i in range(len(shards))]
    for name, shard in zip(names, shards, strict=True):
        with pa.OSFile(str(folder / name), "wb") as file, pa.ipc.new_stream(file, shard.schema) as stream:
            stream.write_table(shard, max_chunksize=3)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "0", "_format_type": None}
    (folder / "state.json").write_text(json.dumps({**state, "_split": None}))
    (folder / "dataset_info.json").write_text(json.dumps({"description": "", "features": features}))


def check(dataset: Dataset, num_train: int, num_val: int) -> None:
    assert (dataset.classes, dataset.task.image_size) == (("ant", "bee"), 16)
    assert (len(dataset.train), len(dataset.val)) == (num_train, num_val)
    found = {}
    for images in (dataset.train, dataset.val):
        pixels, labels = images.pixels(np.arange(len(images)))
        found.update({x.numpy().tobytes(): y for x, y in zip(pixels, labels.tolist(), strict=True)})
    total = num_train + num_val
    assert found == {np.ascontiguousarray(chw(picture(i))).tobytes(): i % 2 for i in range(total)}


def test_a_data_set_saved_in_shards(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "one", [table(range(7)), table(range(7, 10))])
    check(load_dataset(str(tmp_path / "one")), 8, 2)


def test_splits_saved_to_disk(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "two" / "train", [table(range(10))])
    save_to_disk(tmp_path / "two" / "validation", [table(range(10, 14))])
    (tmp_path / "two" / "dataset_dict.json").write_text('{"splits": ["train", "validation"]}')
    check(load_dataset(str(tmp_path / "two")), 10, 4)
    save_to_disk(tmp_path / "two" / "test", [table(range(14, 20))])
    found = load_dataset(str(tmp_path / "two"))
    check(found, 10, 4)
    assert np.array_equal(found.test.pixels(np.array([5]))[0][0].numpy(), chw(picture(19)))


def test_a_test_split_without_labels_is_none(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "train", [table(range(10))])
    save_to_disk(tmp_path / "test", [table(range(10, 14), [-1] * 4)])
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    found = load_dataset(str(tmp_path))
    check(found, 8, 2)
    assert found.test is None


def test_parquet_as_the_hub_has_it(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    pq.write_table(table(range(6)), tmp_path / "data" / "train-00000-of-00002.parquet")
    pq.write_table(table(range(6, 10)), tmp_path / "data" / "train-00001-of-00002.parquet")
    pq.write_table(table(range(10, 14)), tmp_path / "data" / "validation-00000-of-00001.parquet")
    check(load_dataset(str(tmp_path)), 10, 4)
    pq.write_table(table(range(14, 18)), tmp_path / "data" / "test-00000-of-00001.parquet")
    assert len(load_dataset(str(tmp_path)).test) == 4
    pq.write_table(table(range(10)), tmp_path / "one.parquet")
    check(load_dataset(str(tmp_path / "one.parquet")), 8, 2)


def with_paths(paths: list[str]) -> pa.Table:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": None, "path": path} for path in paths], kind)
    return pa.table({"image": images, "label": pa.array([i % 2 for i in range(len(paths))])})


def test_images_beside_the_table(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    save_to_disk(folder, [with_paths(["0.png", str(folder / "1.png"), "0.png", "in/../1.png"])])
    (folder / "0.png").write_bytes(encoded(picture(0)))
    (folder / "1.png").write_bytes(encoded(picture(1)))
    (folder / "in").mkdir()
    dataset = load_dataset(str(folder))
    assert (dataset.train.pixels(np.array([0]))[0][0].numpy() == chw(picture(0))).all()
    (folder / "1.png").unlink()
    dataset = load_dataset(DataSettings(str(folder), mean=(0.0,) * 3, std=(1.0,) * 3, max_damaged=0.5))
    dataset.train.pixels(np.array([1]))
    assert [name.rpartition("/")[2] for name in dataset.damaged] == ["1.png"]


@pytest.mark.parametrize("path", ["../0.png", "/etc/passwd", "a/../../0.png", "/dev/zero", "", "a\0b", "pipe", "."])
def test_a_table_names_no_file_outside_its_folder(tmp_path: Path, path: str) -> None:
    (tmp_path / "0.png").write_bytes(encoded(picture(0)))
    save_to_disk(tmp_path / "set", [with_paths(["0.png", "0.png", "0.png", path])])
    (tmp_path / "set" / "0.png").write_bytes(encoded(picture(0)))
    os.mkfifo(tmp_path / "set" / "pipe")
    with pytest.raises(DataError, match="no file inside its folder"):
        load_dataset(str(tmp_path / "set"))


def test_files_of_a_saved_data_set_lie_in_its_folder(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "set", [table(range(4))])
    (arrow,) = (tmp_path / "set").glob("*.arrow")
    arrow.rename(tmp_path / arrow.name)
    for name in (f"../{arrow.name}", "nowhere.arrow", str(tmp_path / arrow.name)):
        (tmp_path / "set" / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
        with pytest.raises(DataError, match="which is no file of the folder"):
            load_dataset(str(tmp_path / "set"))
    for state in ([], {}, {"_data_files": 3}, {"_data_files": [{"filename": None}]}, {"_data_files": ["x"]}):
        (tmp_path / "set" / "state.json").write_text(json.dumps(state))
        with pytest.raises(DataError, match="lists no files"):
            load_dataset(str(tmp_path / "set"))


def test_parquet_that_unpacks_to_more_than_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": b"\0" * 100_000, "path": None}] * 300, kind)
    pq.write_table(pa.table({"image": images, "label": pa.array([0, 1] * 150)}), tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < 1_000_000
    monkeypatch.setattr("vitnas.supernets.data.formats.huggingface.LARGEST_PARQUET", 20 << 20)
    with pytest.raises(DataError, match="unpack to more than the 0.0 GiB"):
        load_dataset(str(tmp_path / "a.parquet"))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array([10**12] * 4), "images are bytes, or bytes with a path; got int64"),
        (pa.array([[b"x"]] * 4), "images are bytes, or bytes with a path; got list"),
        (
            pa.array([{"bytes": 10**12, "path": "x"}] * 4),
            "images are bytes, or bytes with a path; got struct<bytes: int64",
        ),
    ],
)
def test_columns_that_hold_no_images_are_refused(tmp_path: Path, column: pa.Array, message: str) -> None:
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    save_to_disk(tmp_path / "set", [pa.table({"image": column, "label": pa.array([0, 1, 0, 1])})], features)
    with pytest.raises(DataError, match=message):
        load_dataset(str(tmp_path / "set"))


def test_descriptions_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    for i, text in enumerate(("[" * 100_000, "[]", '{"info": 3}', "{")):
        made = table(range(4)).replace_schema_metadata({"huggingface": text})
        pq.write_table(made, tmp_path / f"{i}.parquet")
        with pytest.raises(DataError, match="a description that cannot be read"):
            load_dataset(str(tmp_path / f"{i}.parquet"))
    for i, names in enumerate((3, {"a": 1}, [1, 2])):
        features = {**FEATURES, "label": {"_type": "ClassLabel", "names": names}}
        save_to_disk(tmp_path / f"set{i}", [table(range(4))], features)
        with pytest.raises(DataError, match="names of classes must be a list of words"):
            load_dataset(str(tmp_path / f"set{i}"))


def test_what_operating_systems_leave_is_no_shard(tmp_path: Path) -> None:
    pq.write_table(table(range(10)), tmp_path / "train-0.parquet")
    (tmp_path / "._train-0.parquet").write_bytes(b"Mac OS X")
    check(load_dataset(str(tmp_path)), 8, 2)


def test_labels_may_be_words_in_a_column_that_is_named(tmp_path: Path) -> None:
    made = table(range(8)).append_column("kind", pa.array(["wasp", "fly"] * 4))
    save_to_disk(tmp_path / "set", [made], {"image": {"_type": "Image"}})
    dataset = load_dataset(DataSettings(str(tmp_path / "set"), label_column="kind"))
    assert dataset.classes == ("fly", "wasp")
    assert sorted(dataset.train.labels.tolist()) == [0] * 4 + [1] * 4
    with pytest.raises(DataError, match=r"no column 'king'; .*Did you mean 'kind'"):
        load_dataset(DataSettings(str(tmp_path / "set"), label_column="king"))


def test_folders_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    save_to_disk(tmp_path / "hidden", [table(range(4), [-1] * 4)])
    with pytest.raises(DataError, match="4 of 4 images have no label"):
        load_dataset(str(tmp_path / "hidden"))
    two = {**FEATURES, "coarse": {"names": ["x"], "_type": "ClassLabel"}}
    save_to_disk(tmp_path / "two", [table(range(4)).append_column("coarse", pa.array([0] * 4))], two)
    with pytest.raises(DataError, match=r"labels in \['label', 'coarse'\].*name the labels with label_column"):
        load_dataset(str(tmp_path / "two"))
    save_to_disk(tmp_path / "cut", [table(range(4))])
    (arrow,) = (tmp_path / "cut").glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:700])
    with pytest.raises(DataError, match="cannot be read.*save_to_disk"):
        load_dataset(str(tmp_path / "cut"))
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match="parquet files in .* cannot be read"):
        load_dataset(str(tmp_path / "a.parquet"))
    (tmp_path / "untrained").mkdir()
    (tmp_path / "untrained" / "dataset_dict.json").write_text('{"splits": ["big"]}')
    with pytest.raises(DataError, match=r"has splits \['big'\], and none of them is named 'train'"):
        load_dataset(str(tmp_path / "untrained"))
