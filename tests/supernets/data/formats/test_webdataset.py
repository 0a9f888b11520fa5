from __future__ import annotations

import contextlib
import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.supernets.data.pictures import chw, encoded, picture
from vitnas.errors import DataError
from vitnas.supernets.data import Dataset, DataSettings, load_dataset
from vitnas.supernets.data.formats.webdataset import expand


def write_shard(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def samples(numbers: range, folder: str = "", kind: str = "png") -> dict[str, bytes]:
    members = {}
    for i in numbers:
        members[f"{folder}{i:04}.{kind}"] = encoded(picture(i), "png" if kind.endswith("png") else kind, lossless=True)
        members[f"{folder}{i:04}.cls"] = str(i % 2).encode()
    return members


def check(dataset: Dataset, num_train: int, num_val: int) -> None:
    assert (dataset.classes, dataset.task.image_size) == (("0", "1"), 16)
    assert (len(dataset.train), len(dataset.val)) == (num_train, num_val)
    found = {}
    for images in (dataset.train, dataset.val):
        pixels, labels = images.pixels(np.arange(len(images)))
        found.update({x.numpy().tobytes(): y for x, y in zip(pixels, labels.tolist(), strict=True)})
    total = num_train + num_val
    assert found == {np.ascontiguousarray(chw(picture(i))).tobytes(): i % 2 for i in range(total)}


def test_shards_of_a_folder(tmp_path: Path) -> None:
    write_shard(tmp_path / "web" / "a-000.tar", samples(range(4)))
    write_shard(tmp_path / "web" / "a-001.tar", samples(range(4, 10), "deep/down/", "webp"))
    check(load_dataset(str(tmp_path / "web")), 8, 2)


def test_a_pattern_of_shards(tmp_path: Path) -> None:
    for i in range(3):
        write_shard(tmp_path / f"a-{i:02}.tar", samples(range(4 * i, 4 * i + 4)))
    dataset = load_dataset(str(tmp_path / "a-{00..01}.tar"))
    check(dataset, 6, 2)
    assert dataset.name == "a"
    check(load_dataset(str(tmp_path / "a-00.tar")), 2, 2)
    with pytest.raises(DataError, match="a-03.tar' does not exist; check the path or the numbers in braces"):
        load_dataset(str(tmp_path / "a-{00..03}.tar"))


def test_a_pattern_counts_with_zeros_and_lists() -> None:
    assert expand("a{08..10}.tar") == ["a08.tar", "a09.tar", "a10.tar"]
    assert expand("{x,y}-{0..1}") == ["x-0", "x-1", "y-0", "y-1"]
    assert expand("plain.tar") == ["plain.tar"]


@pytest.mark.parametrize(("train", "val"), [("train-0.tar", "val-0.tar"), ("train/0.tar", "valid/0.tar")])
def test_splits(tmp_path: Path, train: str, val: str) -> None:
    write_shard(tmp_path / train, samples(range(6)))
    write_shard(tmp_path / val, samples(range(6, 10)))
    check(load_dataset(str(tmp_path)), 6, 4)
    write_shard(tmp_path / train.replace("train", "test"), samples(range(10, 13)))
    assert len(load_dataset(str(tmp_path)).test) == 3


def test_labels_in_json_and_longer_endings(tmp_path: Path) -> None:
    members = {}
    for i in range(8):
        members[f"{i}.left.png"] = encoded(picture(i))
        members[f"{i}.json"] = json.dumps({"label": i % 2, "breed": ["pug", "lab", "pom", "cur"][i % 4]}).encode()
        members[f"{i}.pkl"] = b"never opened"
    write_shard(tmp_path / "a.tar", members)
    check(load_dataset(str(tmp_path / "a.tar")), 6, 2)
    breeds = load_dataset(DataSettings(str(tmp_path / "a.tar"), label_column="breed", val_share=0.5))
    assert breeds.classes == ("cur", "lab", "pom", "pug")


def test_samples_without_image_or_label_are_left_out(tmp_path: Path) -> None:
    lone = {"90.png": encoded(picture(90)), "91.cls": b"1", "92.png": encoded(picture(92)), "92.json": b"{broken"}
    write_shard(tmp_path / "a.tar", {**samples(range(10)), **lone})
    check(load_dataset(str(tmp_path / "a.tar")), 8, 2)
    write_shard(tmp_path / "b.tar", lone)
    with pytest.raises(DataError, match="no sample has both an image"):
        load_dataset(str(tmp_path / "b.tar"))


def test_shards_that_cannot_be_indexed_are_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", samples(range(4)), "w:gz")
    with pytest.raises(DataError, match="cannot be read.*shards must be plain tar"):
        load_dataset(str(tmp_path / "a.tar"))


def test_a_damaged_member_is_named(tmp_path: Path) -> None:
    members = samples(range(12))
    members["0003.png"] = members["0003.png"][:-30]
    write_shard(tmp_path / "a.tar", members)
    dataset = load_dataset(DataSettings(str(tmp_path / "a.tar"), max_damaged=0.2))
    dataset.train.sample(12).all(), dataset.val.sample(12).all()
    assert dataset.damaged == ("a.tar:0003",)


def header(shard: Path, number: int, size: bytes) -> None:
    """Writes another size into the header of a member, with the right checksum."""
    content = bytearray(shard.read_bytes())
    with tarfile.open(shard) as tar:
        start = tar.getmembers()[number].offset
    block = content[start : start + 512]
    block[124:136] = size.ljust(12, b"\0")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    content[start : start + 512] = block
    shard.write_bytes(content)


@pytest.mark.parametrize("number", [0, 1, 6, 7])
@pytest.mark.parametrize(
    "size",
    [
        b"\xff" * 12,  # -1, as GNU tar writes numbers below zero
        b"\xff" * 10 + b"\xf0\x00",  # -4096, to where the file began
        b"\xff" + b"\0" * 11,  # -256 ** 11
        b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7,  # 8 EiB
        b"77777777777",  # 8 GiB
        b"00000100000",
        b"number",
    ],
)
def test_sizes_that_cannot_be_are_refused(tmp_path: Path, number: int, size: bytes) -> None:
    write_shard(tmp_path / "a.tar", samples(range(4)))
    header(tmp_path / "a.tar", number, size)
    with pytest.raises(DataError, match=r"'.*a.tar' cannot be read: .*shards must be plain tar"):
        load_dataset(str(tmp_path / "a.tar"))


@pytest.mark.parametrize("size", ["-1", "-512", "-99999", "9" * 20, "9" * 5000])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, b"?"])
def test_sizes_of_extended_headers_are_believed_no_more(tmp_path: Path, size: str, kind: bytes) -> None:
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in samples(range(4)).items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name == "0002.cls":
                info.pax_headers, info.type = {"size": size}, kind
            tar.addfile(info, io.BytesIO(content))
    if len(size) < 4000 and (kind == tarfile.REGTYPE or size.startswith("-")):
        with pytest.raises(DataError, match="cannot be read"):
            load_dataset(str(tmp_path / "a.tar"))
    else:  # Python takes a number that long for 0, and what is no file is left out
        with contextlib.suppress(DataError):
            load_dataset(str(tmp_path / "a.tar"))


def test_headers_about_headers_come_to_an_end(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 0
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.USTAR_FORMAT) * 5000)
    with pytest.raises(DataError, match="cannot be read"):
        load_dataset(str(tmp_path / "a.tar"))
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2 << 20
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + b"x" * (3 << 20))
    with pytest.raises(DataError, match="claims 2097152 bytes"):
        load_dataset(str(tmp_path / "a.tar"))


@pytest.mark.parametrize("bit", range(0, 512 * 8, 97))
def test_a_bit_of_a_header_that_flips_loses_no_image_in_silence(tmp_path: Path, bit: int) -> None:
    write_shard(tmp_path / "a.tar", samples(range(4)))
    content = bytearray((tmp_path / "a.tar").read_bytes())
    with tarfile.open(tmp_path / "a.tar") as tar:
        start = tar.getmembers()[4].offset
    content[start + bit // 8] ^= 1 << bit % 8
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(DataError, match="is damaged"):
        load_dataset(str(tmp_path / "a.tar"))


def test_labels_have_limits(tmp_path: Path) -> None:
    deep = {**samples(range(4)), "5.png": encoded(picture(5)), "5.json": b"[" * 100_000}
    write_shard(tmp_path / "deep.tar", deep)
    with pytest.raises(DataError, match=r"deep.tar', '5.json': JSON that is nested too deep"):
        load_dataset(str(tmp_path / "deep.tar"))
    large = {**samples(range(4)), "5.png": encoded(picture(5)), "5.json": b" " * (2 << 20)}
    write_shard(tmp_path / "large.tar", large)
    with pytest.raises(DataError, match=r"large.tar', '5.json': a label of 2097152 bytes; it may have 1048576"):
        load_dataset(str(tmp_path / "large.tar"))
    digits = {**samples(range(4)), "5.png": encoded(picture(5)), "5.cls": b"9" * 10_000}
    write_shard(tmp_path / "digits.tar", digits)
    with pytest.warns(UserWarning, match="have one image"):
        assert len(load_dataset(str(tmp_path / "digits.tar")).classes) == 3


def test_classes_are_numbered_the_same_every_time(tmp_path: Path) -> None:
    names = ["1", "01", "2", "0002", "10"] * 2
    members = {f"{i}.png": encoded(picture(i)) for i in range(10)}
    write_shard(tmp_path / "a.tar", {**members, **{f"{i}.cls": name.encode() for i, name in enumerate(names)}})
    assert load_dataset(str(tmp_path / "a.tar")).classes == ("01", "1", "0002", "2", "10")


def test_what_operating_systems_pack_is_left_out(tmp_path: Path) -> None:
    junk = {"__MACOSX/0000.png": b"x", "__MACOSX/0000.cls": b"7", "a/._0000.png": b"x", "a/._0000.cls": b"7"}
    write_shard(tmp_path / "a.tar", {**samples(range(10), "./"), **junk})
    (tmp_path / "._a.tar").write_bytes(b"Mac OS X")
    check(load_dataset(str(tmp_path)), 8, 2)


def test_a_shard_counts_once_and_in_one_split(tmp_path: Path) -> None:
    write_shard(tmp_path / "a-0.tar", samples(range(10)))
    (tmp_path / "a-1.tar").symlink_to("a-0.tar")
    (tmp_path / "a-2.tar").hardlink_to(tmp_path / "a-0.tar")
    for place in (tmp_path, tmp_path / "a-{0..2}.tar", tmp_path / "a-{0,0}.tar"):
        with pytest.warns(UserWarning, match="links to others or named twice"):
            check(load_dataset(str(place)), 8, 2)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "train-0.tar").symlink_to("../a-0.tar")
    (tmp_path / "two" / "val-0.tar").symlink_to("../a-1.tar")
    with pytest.raises(DataError, match="two splits share 10 files"):
        load_dataset(str(tmp_path / "two"))


def test_patterns_have_limits(tmp_path: Path) -> None:
    for pattern in ("a-{0..9999999999}.tar", "{0..9999}{0..9999}{0..9999}.tar"):
        with pytest.raises(DataError, match="stand for more than 1000000 names"):
            load_dataset(str(tmp_path / pattern))
    with pytest.raises(DataError, match="count down"):
        load_dataset(str(tmp_path / "a-{9..0}.tar"))
    os.mkfifo(tmp_path / "pipe.tar")
    with pytest.raises(DataError, match="pipe.tar' does not exist"):
        load_dataset(str(tmp_path / "pipe.tar"))
