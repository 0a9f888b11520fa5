"""Data sets that somebody made to do harm: sizes that lie, depth without end, links and paths that lead elsewhere."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from .case import TRAIN, Case, Spoil, both, remove, write

SIZES = {
    "-1": b"\xff" * 12,
    "-512": b"\xff" * 10 + b"\xfe\x00",
    "-4096": b"\xff" * 10 + b"\xf0\x00",
    "a number far below zero": b"\xff" + b"\0" * 11,
    "8 EiB": b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7,
    "8 GiB": b"77777777777",
    "text": b"number",
}


def received() -> Iterator[Case]:
    yield from _shards()
    yield from _arrays()
    yield from _tables()
    yield from _links()


# -- tar shards --------------------------------------------------------------------------------


def _pack(folder: Path, **options: Any) -> Path:
    """The photos as a shard: image, label, image, label."""
    shard = folder / "shard.tar"
    with tarfile.open(shard, "w", **options) as tar:
        for i, image in enumerate(sorted((folder / "photos").rglob("*.png"))):
            _add(tar, f"{i:03}.png", image.read_bytes())
            _add(tar, f"{i:03}.cls", image.parent.name.encode())
    return shard


def _add(tar: tarfile.TarFile, name: str, content: bytes, **more: Any) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def _sized(member: int, size: bytes) -> Spoil:
    """Another size in the header of a member, with the checksum that goes with it."""

    def spoil(folder: Path) -> None:
        shard = _pack(folder)
        content = bytearray(shard.read_bytes())
        with tarfile.open(shard) as tar:
            start = tar.getmembers()[member].offset
        block = content[start : start + 512]
        block[124:136], block[148:156] = size.ljust(12, b"\0"), b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        content[start : start + 512] = block
        shard.write_bytes(content)

    return spoil


def _more(name: str, content: bytes, **more: Any) -> Spoil:
    """One member more, behind the good ones."""

    def spoil(folder: Path) -> None:
        with tarfile.open(_pack(folder), "a") as tar:
            _add(tar, "999.png", next((folder / "photos").rglob("*.png")).read_bytes())
            _add(tar, name, content, **more)

    return spoil


def _headers(kind: bytes, size: int, count: int) -> Spoil:
    info = tarfile.TarInfo("x")
    info.type, info.size = kind, size
    return write("shard.tar", info.tobuf(tarfile.USTAR_FORMAT) * count + b"x" * min(size, 3 << 20))


def _flipped(byte: int) -> Spoil:
    def spoil(folder: Path) -> None:
        shard = _pack(folder)
        with tarfile.open(shard) as tar:
            start = tar.getmembers()[20].offset
        content = bytearray(shard.read_bytes())
        content[start + byte] ^= 4
        shard.write_bytes(content)

    return spoil


def _shards() -> Iterator[Case]:
    train = f"{TRAIN} --data shard.tar"
    for member in (0, 1, 24, 47):
        for name, claimed in SIZES.items():
            yield Case(f"member {member} of a shard with {name} bytes", train, _sized(member, claimed))
    for size in ("-1", "-512", "99999999999999999999"):
        more = _more("999.cls", b"cat", pax_headers={"size": size})
        yield Case(f"an extended header of {size} bytes", train, more)
    for depth in (5_000, 100_000, 900_000):
        yield Case(f"a label {depth} lists deep", train, _more("999.json", b"[" * depth))
        yield Case(f"a label {depth} tables deep", train, _more("999.json", b'{"a":' * depth))
    yield Case("a label of 2 MiB", train, _more("999.cls", b"x" * (2 << 20)))
    yield Case("a label of 2 MiB of JSON", train, _more("999.json", b" " * (2 << 20)))
    yield Case("headers about headers", train, _headers(tarfile.XHDTYPE, 0, 5000))
    yield Case("long names about long names", train, _headers(tarfile.GNUTYPE_LONGNAME, 0, 5000))
    yield Case("a name of 2 MiB", train, _headers(tarfile.GNUTYPE_LONGNAME, 2 << 20, 1))
    yield Case("an extended header of 2 MiB", train, _headers(tarfile.XHDTYPE, 2 << 20, 1))
    for byte in (0, 101, 125, 149, 156, 258):
        yield Case(f"a bit of byte {byte} of a header", train, _flipped(byte))
    for pattern in ("{0..99999999999}.tar", "{9..0}.tar", "{0..9999}{0..9999}{0..9999}.tar", "shard-{000..002}.tar"):
        yield Case(f"the shards {pattern}", f"{TRAIN} --data '{pattern}'")


# -- arrays ------------------------------------------------------------------------------------


def _npy(shape: object, kind: str = "|u1", data: bytes = b"") -> bytes:
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}"
    text += " " * (63 - (len(text) + 10) % 64) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + data


LABELS = _npy((24,), "|u1", bytes([0, 1] * 12))
IMAGES = _npy((24, 16, 16, 3), "|u1", bytes(range(256)) * 72)


def _arrays() -> Iterator[Case]:
    headers = {
        "119 GiB": _npy((42_000_000, 32, 32, 3)),
        "more than any machine has": _npy((10**18, 32, 32, 3)),
        "more than a number holds": _npy((10**30, 32)),
        "a size below zero": _npy((-24, 16, 16, 3), data=bytes(18432)),
        "two sizes below zero": _npy((-24, -16, 16, 3), data=bytes(18432)),
        "half an image": _npy((23.5, 16)),
        "no shape": _npy(7),
        "a shape without end": _npy("-" * 9000 + "1"),
        "brackets without end": _npy("(" * 9000),
        "objects": _npy((24,), "|O"),
        "text of 4 GB": _npy((24,), "<U1000000000"),
        "a version to come": b"\x93NUMPY\x09\x00" + bytes(100),
        "nothing": b"",
    }

    def packed(images: bytes, labels: bytes, how: int) -> Spoil:
        def spoil(folder: Path) -> None:
            with zipfile.ZipFile(folder / "bad.npz", "w", how) as file:
                file.writestr("x.npy", images)
                file.writestr("y.npy", labels)

        return spoil

    for name, header in headers.items():
        train = f"{TRAIN} --data bad.npz"
        yield Case(f"images of {name}", train, packed(header, LABELS, zipfile.ZIP_STORED))
        yield Case(f"images of {name}, packed", train, packed(header, LABELS, zipfile.ZIP_DEFLATED))
        yield Case(f"labels of {name}", train, packed(IMAGES, header, zipfile.ZIP_STORED))
        files = both(write("mapped/images.npy", header), write("mapped/labels.npy", LABELS))
        yield Case(f"mapped images of {name}", f"{TRAIN} --data mapped", files)
    far = {"a label of a million millions": "<u8", "a label beyond every number": "<u8"}
    for (name, kind), value in zip(far.items(), (10**12, 2**64 - 1), strict=True):
        labels = _npy((24,), kind, (value).to_bytes(8, "little") * 24)
        yield Case(name, f"{TRAIN} --data bad.npz", packed(IMAGES, labels, zipfile.ZIP_STORED))


# -- tables of Hugging Face --------------------------------------------------------------------


def _tables() -> Iterator[Case]:
    train = f"{TRAIN} --data saved"

    def saved(state: Any = None, info: Any = None, paths: str | None = None, images: Any = None) -> Spoil:
        def spoil(folder: Path) -> None:
            import pyarrow as pa

            home = folder / "saved"
            home.mkdir()
            content = next((folder / "photos").rglob("*.png")).read_bytes()
            kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
            rows = [{"bytes": None if paths else content, "path": paths} for _ in range(24)]
            column = pa.array(rows, kind) if images is None else pa.array([images] * 24)
            table = pa.table({"image": column, "label": pa.array([0, 1] * 12)})
            with pa.OSFile(str(home / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
                stream.write_table(table)
            shutil.copyfile(home / "data.arrow", folder / "outside.arrow")
            features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}
            usual = {"_data_files": [{"filename": "data.arrow"}]}
            (home / "state.json").write_text(state if isinstance(state, str) else json.dumps(state or usual))
            (home / "dataset_info.json").write_text(
                info if isinstance(info, str) else json.dumps(info or {"features": features})
            )

        return spoil

    for path in ("../photos/cat/0.png", "/etc/passwd", "/dev/zero", "a/../../photos/cat/0.png", "."):
        yield Case(f"images at {path}", train, saved(paths=path))
    states: dict[str, Any] = {
        "a file outside": {"_data_files": [{"filename": "../outside.arrow"}]},
        "a file that is not there": {"_data_files": [{"filename": "nowhere.arrow"}]},
        "a device": {"_data_files": [{"filename": "/dev/zero"}]},
        "no files": {"_data_files": []},
        "files of a number": {"_data_files": 7},
        "files of a list": {"_data_files": ["data.arrow"]},
        "a file without a name": {"_data_files": [{}]},
        "a list": "[1]",
        "a number": "7",
        "depth without end": "[" * 100_000,
        "half of JSON": "{",
    }
    for name, state in states.items():
        yield Case(f"a state of {name}", train, saved(state=state))
    names = {"features": {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": 7}}}
    infos = {"a list": "[1]", "features of a number": '{"features": 7}', "names of a number": json.dumps(names)}
    for name, info in {**infos, "depth without end": "[" * 100_000}.items():
        yield Case(f"a description of {name}", train, saved(info=info))
    columns: dict[str, Any] = {
        "numbers": 10**12,
        "lists": [b"x"],
        "text": "x.png",
        "numbers for bytes": {"bytes": 10**12, "path": "x"},
        "numbers for paths": {"bytes": b"x", "path": 7},
    }
    for name, images in columns.items():
        yield Case(f"images of {name}", train, saved(images=images))


# -- links -------------------------------------------------------------------------------------


def _links() -> Iterator[Case]:
    def links(*pairs: tuple[str, str]) -> Spoil:
        def spoil(folder: Path) -> None:
            for name, target in pairs:
                (folder / name).symlink_to(target)

        return spoil

    def splits(how: Callable[[Path], None]) -> Spoil:
        def spoil(folder: Path) -> None:
            (folder / "photos").rename(folder / "train")
            (folder / "photos").mkdir()
            (folder / "train").rename(folder / "photos/train")
            how(folder / "photos")

        return spoil

    def one_image(link: Callable[[Path, Path], None]) -> Callable[[Path], None]:
        def make(photos: Path) -> None:
            shutil.copytree(photos / "train", photos / "val")
            name = next((photos / "train/cat").iterdir()).name
            (photos / "val/cat" / name).unlink()
            link(photos / "val/cat" / name, photos / "train/cat" / name)

        return make

    shapes: dict[str, Spoil] = {
        "a class that is another's link": links(("photos/pet", "cat")),
        "a class inside another": links(("photos/cat/dogs", "../dog")),
        "the folder inside a class": links(("photos/cat/up", "..")),
        "the root of the disk for a class": both(remove("photos/dog"), links(("photos/dog", "cat"))),
        "an image of two classes": links(("photos/dog/x.png", "../cat/0.png")),
        "a link that ends in itself": both(remove("photos/cat", "photos/dog"), links(("photos/a", "a"))),
        "a class of links to nothing": both(
            remove("photos/cat", "photos/dog"), links(("photos/a", "nowhere"), ("photos/b", "nowhere"))
        ),
        "one split that is the other": splits(lambda photos: (photos / "val").symlink_to("train")),
        "an image of two splits": splits(one_image(lambda new, old: new.symlink_to(old))),
        "an image of two splits, linked hard": splits(one_image(lambda new, old: new.hardlink_to(old))),
    }
    for name, spoil in shapes.items():
        yield Case(f"photos with {name}", f"{TRAIN} --data photos", spoil)
    for data in ("photos", "photos.npz", "digits"):
        yield Case(f"{data} that also judge", f"{TRAIN} --data {data} --val {data}")
    yield Case("junk for classes", f"{TRAIN} --data photos", _junk)


def _junk(folder: Path) -> None:
    (folder / "photos/cat").rename(folder / "photos/__MACOSX")
    (folder / "photos/dog").rename(folder / "photos/@eaDir")
